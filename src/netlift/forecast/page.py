"""The page of the forecast: quarter and year, months, segments, what-if and backtest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, timedelta

from netlift.forecast.backtest import MODEL
from netlift.forecast.result import (
    ALL,
    KNOWN,
    Beside,
    ForecastLine,
    ForecastNote,
    MarginForecast,
    Scenario,
    Span,
    TestedDay,
)
from netlift.report.document import Banner, Card, Cell, Document, Grid, Picture, Section, scale_money, text_cell
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.scorecards.charts import lines_chart, stacked_chart

Point = tuple[float | None, float | None, float | None]


def forecast_document(found: MarginForecast, words: Words) -> Document:
    """The forecast in a language.

    Args:
        found: The forecast.
        words: The language, with what the business calls its own things.
    """
    page = _Page(found, words)
    return Document(
        title=words.say("forecast.title", business=found.business),
        subtitle=words.say("forecast.subtitle", day=words.day(found.as_of)),
        notice=words.say("forecast.no_season_notice") if not found.has_season else "",
        words=words,
        currency=found.currency,
        dated=found.as_of,
        sections=tuple(page.sections()),
        sheets=(page.long_grid(),),
    )


class _Page:
    """The parts of the page of one forecast."""

    def __init__(self, found: MarginForecast, words: Words) -> None:
        self.found, self.words, self.say = found, words, words.say

    def sections(self) -> Iterator[Section]:
        """In the order of reading."""
        say, found = self.say, self.found
        yield Section(
            name="money",
            title=say("forecast.money"),
            banner=Banner(
                title=self._answer("quarter"),
                tone="",
                lines=(*map(self._answer, found.spans[1:]), *self._first_lines()),
            ),
            cards=tuple(self._cards()),
        )
        yield Section(name="charts", title=say("forecast.charts"), pictures=tuple(self._pictures()))
        yield Section(name="months", title=say("forecast.months"), grids=(self._months(),))
        yield Section(
            name="segments",
            title=say("forecast.segments"),
            paragraphs=(say("forecast.segments_words"),),
            grids=(self._groups(),),
        )
        yield Section(
            name="what_if",
            title=say("forecast.what_if"),
            paragraphs=(say("forecast.what_if_words"),),
            grids=(self._scenarios(),),
        )
        yield Section(
            name="check",
            title=say("forecast.check"),
            paragraphs=(say("forecast.check_words"),),
            items=tuple(map(self._say_beside, found.beside)),
            grids=tuple(self._tested(span) for span in found.spans if any(one.span == span for one in found.tested)),
        )
        yield Section(name="notes", title=say("forecast.notes"), items=tuple(self._notes()))

    def _answer(self, span: Span) -> str:
        line = self.found.line(span)
        values = {"period": self._period(line.start, line.end), "money": self._about(line.total)}
        if line.contacts is None:
            return self.say(f"forecast.answer.{span}_alone", **values)
        return self.say(f"forecast.answer.{span}", **values, contacts=self._about(line.contacts))

    def _first_lines(self) -> Iterator[str]:
        """What if in a sentence, and how near forecasts of days past were."""
        told = {("budget", 0.0): "no_contacts", ("margin", 0.9): "margin", ("churn", 1.1): "churn"}
        parts = []
        for one in self.found.scenarios:
            changed = {"budget": one.budget, "margin": one.margin, "churn": one.churn}.get(one.name)
            key = next((text for (name, at), text in told.items() if name == one.name and _equal(changed, at)), "")
            if key:
                change = one.quarter_change if one.year_change is None else one.year_change
                parts.append(self.say(f"forecast.first.{key}", money=self._money(change, signed=True)))
        yield self.say(f"forecast.first.what_if_{self.found.spans[-1]}", parts="; ".join(parts))
        yield from (self._say_used(span) for span in self.found.spans if self.found.methods[span] != MODEL)
        near = [one for one in self.found.beside if one.span == "quarter"]
        if near:
            best = min(near, key=lambda one: one.naive_error)
            days = self.words.count("forecast.quarters", best.days)
            errors = {"error": self._share(best.error), "naive": self._share(best.naive_error)}
            yield self.say("forecast.first.checked", days=days, **errors)

    def _say_used(self, span: Span) -> str:
        return self.say(f"forecast.used.{span}", naive=self.say(f"forecast.naive.{self.found.methods[span]}"))

    def _cards(self) -> Iterator[Card]:
        for span in self.found.spans:
            whole, known, joined = (self.found.line(span, name) for name in (ALL, KNOWN, self.found.groups[-1]))
            lines = [self.say("forecast.card.known", money=self._money(known.without_contacts.point))]
            lines.append(self.say("forecast.card.joiners", money=self._money(joined.total.point)))
            if whole.contacts is not None:
                lines.append(self.say("forecast.card.contacts", money=self._money(whole.contacts.point)))
            yield Card(
                title=self.say(f"forecast.card.{span}"),
                cell=self._cell(whole.total),
                lines=tuple((line, "muted") for line in lines),
            )

    def _pictures(self) -> Iterator[Picture]:
        words, found = self.words, self.found
        past = {date.fromisoformat(day): value for day, value in found.past.items()}
        ahead = [line for line in found.lines if (line.span, line.group) == ("month", ALL)]
        months = [words.month(day, short=True) for day in (*past, *(line.start for line in ahead))]
        scale, unit = scale_money([*past.values(), *(line.total.point for line in ahead)], found.currency, words)
        nothing: Point = (None, None, None)
        series: dict[str, list[Point]] = {
            self.say("forecast.chart.past"): [
                *((value / scale, None, None) for value in past.values()),
                *[nothing] * len(ahead),
            ],
            self.say("forecast.chart.ahead"): [*[nothing] * len(past), *(_scaled(line.total, scale) for line in ahead)],
        }
        title = self.say("forecast.chart.months", level=words.share(found.level, digits=0))
        alternative = words.say("chart.alt", title=title, first=months[0], last=months[-1])
        svg = lines_chart(months, series, unit=unit, language=words.language, from_zero=True)
        yield Picture(svg=svg, title=title, alternative=alternative)
        parts = {"known": KNOWN, "joiners": found.groups[-1]}
        stacked: dict[str, list[float | None]] = {
            self.say(f"forecast.chart.{name}"): [
                found.line("month", group, h).without_contacts.point / scale for h in range(len(ahead))
            ]
            for name, group in parts.items()
        }
        if found.plan is not None:
            stacked[self.say("forecast.chart.contacts")] = [
                None if line.contacts is None else max(line.contacts.point, 0.0) / scale for line in ahead
            ]
        title, own = self.say("forecast.chart.parts"), months[len(past) :]
        svg = stacked_chart(own, stacked, unit=unit, language=words.language)
        yield Picture(svg=svg, title=title, alternative=words.say("chart.alt", title=title, first=own[0], last=own[-1]))

    def _months(self) -> Grid:
        lines = [line for line in self.found.lines if (line.span, line.group) == ("month", ALL)]
        lines += [self.found.line(span) for span in self.found.spans]
        return Grid(
            name=self.say("forecast.sheet.months"),
            title="",
            columns=self._heads("period", *self._parts(), "last_year", "change"),
            rows=tuple((self._when(line), *self._money_cells(line), *self._last_year(line)) for line in lines),
        )

    def _last_year(self, line: ForecastLine) -> tuple[Cell, Cell]:
        """What the same months a year before brought, and how much more is forecast."""
        past = self.found.past
        months = [day for day in past if line.start.isoformat() <= _year_later(day) < line.end.isoformat()]
        need = {"month": 1, "quarter": 3, "year": 12}[line.span]
        if len(months) < need:
            return (self._absent(), self._absent())
        before = sum(past[day] for day in months)
        grown = line.total.point / before - 1 if before > 0 else None
        return (
            Cell(kind="money", value=before, text=self._money(before)),
            self._absent() if grown is None else Cell(kind="share", value=grown, text=self._signed_share(grown)),
        )

    def _groups(self) -> Grid:
        rows = []
        for group in (*self.found.groups[:-1], KNOWN, self.found.groups[-1], ALL):
            if group == KNOWN and len(self.found.groups) == 2:
                continue
            cells = [cell for span in self.found.spans for cell in self._money_cells(self.found.line(span, group))]
            rows.append((text_cell(self._name(group)), *cells))
        if len(self.found.groups) == 2:
            cells = [cell for span in self.found.spans for cell in self._money_cells(self.found.line(span, KNOWN))]
            rows[0] = (text_cell(self._name(KNOWN)), *cells)
        heads = [f"{part}_{span}" for span in self.found.spans for part in self._parts()]
        return Grid(
            name=self.say("forecast.sheet.segments"), title="", columns=self._heads("group", *heads), rows=tuple(rows)
        )

    def _scenarios(self) -> Grid:
        rows = []
        for one in self.found.scenarios:
            cells = [text_cell(self._say_scenario(one))]
            for total, change in ((one.quarter, one.quarter_change), (one.year, one.year_change)):
                if total is not None and change is not None:
                    moved = Cell(kind="money", value=change, text=self._money(change, signed=True))
                    cells += [self._cell(total), self._absent() if one.name == "plan" else moved]
            rows.append(tuple(cells))
        return Grid(
            name=self.say("forecast.sheet.what_if"),
            title="",
            columns=self._heads("if", *(n for span in self.found.spans for n in (f"total_{span}", "against_plan"))),
            rows=tuple(rows),
        )

    def _say_scenario(self, one: Scenario) -> str:
        if one.name == "plan":
            return self.say("forecast.if.plan" if self.found.plan is not None else "forecast.if.alone")
        if one.name == "asked":
            told = [self.say("forecast.if.budget", money=self._money(one.budget))] if one.budget is not None else []
            told += [self._times("margin", one.margin)] if one.margin != 1 else []
            told += [self._times("churn", one.churn)] if one.churn != 1 else []
            return self.say("forecast.if.asked", what=", ".join(told))
        if one.name == "budget":
            return (
                self.say("forecast.if.budget", money=self._money(one.budget))
                if one.budget
                else self.say("forecast.if.no_contacts")
            )
        return self._times(one.name, one.margin if one.name == "margin" else one.churn)

    def _times(self, name: str, times: float) -> str:
        return self.say(f"forecast.if.{name}", change=self._signed_share(times - 1))

    def _tested(self, span: Span) -> Grid:
        rows = [self._tested_row(one) for one in self.found.tested if one.span == span]
        return Grid(
            name=self.say(f"forecast.sheet.check_{span}"),
            title=self.say(f"forecast.check_{span}"),
            columns=self._heads("from", "actual", "forecast", "same_months", "last_quarter", "season"),
            rows=tuple(rows),
        )

    def _tested_row(self, one: TestedDay) -> tuple[Cell, ...]:
        def beside(value: float | None) -> Cell:
            if value is None:
                return self._absent()
            off = self._signed_share(value / one.actual - 1, digits=1) if one.actual > 0 else ""
            return Cell(kind="money", value=value, text=self._money(value), note=off)

        season = "yes" if one.has_season else "no"
        return (
            text_cell(self.words.day(one.day)),
            Cell(kind="money", value=one.actual, text=self._money(one.actual)),
            beside(one.forecast),
            beside(one.same_months_last_year),
            beside(one.last_quarter_by_season),
            text_cell(self.say(f"forecast.season.{season}" if one.counts else "forecast.season.not_counted")),
        )

    def _say_beside(self, one: Beside) -> str:
        difference = one.difference
        values = {
            "naive": self.say(f"forecast.naive.{one.naive}"),
            "days": self.words.count(f"forecast.{one.span}s", one.days),
            "error": self._share(one.error),
            "naive_error": self._share(one.naive_error),
        }
        text = self.say(f"forecast.beside.{'used' if one.used else 'kept'}", **values)
        if math.isfinite(difference.ci_lower):
            ends = [self._points(end) for end in (difference.point, difference.ci_lower, difference.ci_upper)]
            text += " " + self.say("forecast.beside.paired", difference=ends[0], lower=ends[1], upper=ends[2])
        return text

    def _notes(self) -> Iterator[str]:
        found, words = self.found, self.words
        yield self.say("forecast.note.method", level=words.share(found.level, digits=0))
        yield self.say("forecast.note.joiners")
        if found.revenue_based:
            yield self.say("forecast.note.revenue_based")
        if found.removed is not None:
            yield self.say("forecast.note.removed", money=self._about(found.removed))
        if found.plan is not None:
            plan = found.plan
            yield self.say(
                "forecast.note.plan",
                customers=words.count("noun.customers", plan.customers),
                budget=self.say("decide.no_budget") if plan.budget is None else self._money(plan.budget),
                spend=self._money(plan.spend),
                profit=self._about(plan.profit),
                days=words.count("noun.days", round(plan.window_days)),
                every=words.count("noun.days", round(plan.every_days)),
            )
            yield self.say(f"forecast.note.basis_{plan.basis}")
        yield from (self._note(note) for note in found.notes)

    def _note(self, note: ForecastNote) -> str:
        values = {
            name: value if isinstance(value, str) else self.words.number(value) for name, value in note.values.items()
        }
        if "spent" in note.values:
            values["spent"] = self._money(float(note.values["spent"]))
        return self.say(f"forecast.note.{note.key}", **values)

    def long_grid(self) -> Grid:
        """Every line, for a workbook."""
        rows = []
        for line in self.found.lines:
            cells = []
            for one in (line.without_contacts, line.contacts, line.total):
                for part in ("point", "ci_lower", "ci_upper"):
                    value = None if one is None else getattr(one, part)
                    known = value is not None and math.isfinite(value)
                    cells.append(Cell(kind="money", value=value) if known else self._absent())
            when = [text_cell(day.isoformat()) for day in (line.start, line.end)]
            rows.append(
                (text_cell(self.say(f"forecast.span.{line.span}")), *when, text_cell(self._name(line.group)), *cells)
            )
        parts = [f"{part}{end}" for part in ("without", "contacts", "total") for end in ("", "_lower", "_upper")]
        return Grid(
            name=self.say("forecast.sheet.all"),
            title=self.say("forecast.sheet.all"),
            columns=self._heads("span", "start", "end", "group", *parts),
            rows=tuple(rows),
        )

    def _parts(self) -> tuple[str, ...]:
        return ("without", "contacts", "total") if self.found.plan is not None else ("total",)

    def _money_cells(self, line: ForecastLine) -> tuple[Cell, ...]:
        if self.found.plan is None:
            return (self._cell(line.total),)
        contacts = self._absent() if line.contacts is None else self._cell(line.contacts)
        return (self._cell(line.without_contacts), contacts, self._cell(line.total))

    def _heads(self, *names: str) -> tuple[Cell, ...]:
        return tuple(text_cell(self.say(f"forecast.head.{name}")) for name in names)

    def _when(self, line: ForecastLine) -> Cell:
        if line.span == "month":
            return text_cell(self._period(line.start, line.end))
        return text_cell(self.say(f"forecast.span.{line.span}"))

    def _period(self, start: date, end: date) -> str:
        """Months by their names, and by their days where they do not begin on the first."""
        words = self.words
        if start.day > 1:
            return f"{words.day(start)} – {words.day(end - timedelta(days=1))}"
        last = end - timedelta(days=1)
        if (start.year, start.month) == (last.year, last.month):
            return words.month(start)
        return f"{words.month(start)} – {words.month(last)}"

    def _name(self, group: str) -> str:
        own = f"forecast.group.{group}"
        return self.say(own) if self.words.has(own) else self.words.name("segment", group)

    def _cell(self, one: Estimate) -> Cell:
        if not math.isfinite(one.ci_lower) or one.ci_lower == one.ci_upper:
            return Cell(kind="money", value=one.point, text=self._money(one.point))
        money, interval = self.words.about_parts(one.point, one.ci_lower, one.ci_upper, self.found.currency)
        return Cell(kind="money", value=one.point, text=money, note=interval)

    def _absent(self) -> Cell:
        return Cell(kind="money", value=None, text="—")

    def _about(self, one: Estimate) -> str:
        if not math.isfinite(one.ci_lower):
            return self.say("forecast.about_alone", money=self._money(one.point))
        return self.words.about(one.point, one.ci_lower, one.ci_upper, self.found.currency)

    def _money(self, value: float, *, signed: bool = False) -> str:
        return self.words.short_money(value, self.found.currency, signed=signed)

    def _share(self, value: float) -> str:
        return self.words.share(value, digits=1)

    def _signed_share(self, value: float, *, digits: int = 0) -> str:
        return self.words.share(value, digits=digits, signed=True)

    def _points(self, value: float) -> str:
        return self.words.number(100 * value, digits=1, signed=True)


def _scaled(one: Estimate, scale: float) -> Point:
    ends = (one.ci_lower / scale, one.ci_upper / scale) if math.isfinite(one.ci_lower) else (None, None)
    return (one.point / scale, *ends)


def _year_later(day: str) -> str:
    """The same month a year on, by the beginning of a month."""
    return f"{int(day[:4]) + 1}{day[4:]}"


def _equal(one: float | None, other: float) -> bool:
    return one is not None and abs(one - other) < 1e-9


__all__ = ["forecast_document"]
