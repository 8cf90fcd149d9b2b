"""All campaigns as a document: what they earned with and without luck, which worked, and how it fits the holdout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlift.abtest import skew
from netlift.abtest.portfolio import HoldoutReading, Line, Portfolio, Sums
from netlift.abtest.portfolio_sums import FEWEST
from netlift.report.charts import BLUE, GREY
from netlift.report.document import Card, Cell, Document, Grid, Picture, Section, Tone, text_cell
from netlift.report.pages.readout_words import clean
from netlift.report.portfolio_charts import funnel_chart
from netlift.report.readout_charts import Whisker, forest_chart
from netlift.report.words import Words
from netlift.results import Estimate

MOST_DRAWN = 40
SERIES = {"shrunken": BLUE, "raw": GREY}
COLUMNS = ("campaign", "started", "treated", "control", "raw", "by_itself", "shrunken", "chance", "false")
ARM_COLUMNS = ("campaign", "offer", "treated", "control", "raw", "by_itself", "shrunken", "chance")


def portfolio_document(portfolio: Portfolio, words: Words) -> Document:
    """All campaigns in a language.

    Args:
        portfolio: The campaigns.
        words: The language.
    """
    page = _Page(portfolio, words)
    counted = words.count("noun.campaigns", len(portfolio.campaigns))
    until = words.day(portfolio.as_of.date())
    return Document(
        title=words.say("portfolio.title", business=portfolio.business),
        subtitle=words.say("portfolio.subtitle", until=until, campaigns=counted),
        words=words,
        currency=portfolio.currency,
        dated=portfolio.as_of.date(),
        sections=tuple(page.sections()),
        sheets=tuple(page.sheets()),
    )


class _Page:
    """The sentences, tables and charts of one portfolio."""

    def __init__(self, portfolio: Portfolio, words: Words) -> None:
        self._portfolio, self._words = portfolio, words

    def sections(self) -> Iterator[Section]:
        """The sections in the order of reading."""
        say, portfolio = self._say, self._portfolio
        if portfolio.sums is None:
            yield Section(name="answer", title=say("answer"), paragraphs=(say("none"),))
        else:
            yield self._answer(portfolio.sums)
            yield self._campaigns()
            yield self._funnel(portfolio.sums)
            if portfolio.segments:
                grids = tuple(self._segments())
                yield Section(name="segments", title=say("segments"), paragraphs=(say("segments_text"),), grids=grids)
        yield Section(name="holdout", title=say("holdout"), items=tuple(self._holdout(portfolio.holdout)))
        yield self._left_out()
        yield Section(name="methods", title=say("methods"), paragraphs=(say("method_text"),))

    def sheets(self) -> Iterator[Grid]:
        """Tables for the workbook alone."""
        if self._portfolio.arms:
            rows = tuple(self._row(line, ARM_COLUMNS) for line in self._portfolio.arms)
            yield Grid(name="arms", title=self._say("arms"), columns=self._heads(ARM_COLUMNS), rows=rows)

    def _answer(self, sums: Sums) -> Section:
        cards = [self._card("sum", sums.shrunken, self._say("sum_line"))]
        holdout = self._portfolio.holdout
        if holdout is not None:
            line = self._say(
                "holdout_line",
                since=self._words.day(holdout.since),
                until=self._words.day(holdout.until),
                held_out=self._words.count("noun.customers", holdout.held_out),
            )
            cards.append(self._card("by_holdout", holdout.profit, line))
        level = self._words.share(self._portfolio.level, digits=0)
        return Section(
            name="answer",
            title=self._say("answer"),
            paragraphs=(self._say("intervals", level=level), *self._unlogged()),
            items=tuple(self._sentences(sums)),
            cards=tuple(cards),
        )

    def _sentences(self, sums: Sums) -> Iterator[str]:
        words, total = self._words, len(self._portfolio.campaigns)
        counted = {"all": words.number(total)}
        if sums.worked:
            share = words.share(sums.false_share, digits=0)
            yield self._say("worked", worked=words.number(sums.worked), share=share, **counted)
        else:
            yield self._say("worked_none")
        if sums.lost:
            yield self._say("lost", lost=words.number(sums.lost), **counted)
        if sums.winners and sums.effect_mean is not None:
            raw, shrunken = (self._money(each.point) for each in (sums.winners_raw, sums.winners_shrunken))
            yield self._say("winners", winners=words.number(sums.winners), raw=raw, shrunken=shrunken)
        if sums.effect_mean is None or sums.effect_sd is None:
            yield self._say("too_few", fewest=words.number(FEWEST))
        else:
            mean, sd = (self._money(each, digits=2) for each in (sums.effect_mean, sums.effect_sd))
            yield self._say("spread", mean=mean, sd=sd)

    def _unlogged(self) -> Iterator[str]:
        if self._portfolio.arms_unlogged:
            yield self._say("arms_unlogged", campaigns=", ".join(map(clean, self._portfolio.arms_unlogged)))

    def _campaigns(self) -> Section:
        lines = self._portfolio.campaigns
        grid = Grid(
            name="campaigns",
            title=self._say("campaigns"),
            columns=self._heads(COLUMNS),
            rows=tuple(self._row(line, COLUMNS) for line in lines),
        )
        return Section(
            name="campaigns",
            title=self._say("campaigns"),
            paragraphs=(self._say("by_itself_text"),),
            pictures=(self._forest(lines),),
            grids=(grid,),
        )

    def _forest(self, lines: Sequence[Line]) -> Picture:
        drawn = lines if len(lines) <= MOST_DRAWN else [*lines[: MOST_DRAWN // 2], *lines[-MOST_DRAWN // 2 :]]
        names = _distinct(drawn)
        rows = [
            Whisker(
                label=name,
                series=self._say(f"column.{series}"),
                point=estimate.point,
                lower=estimate.ci_lower,
                upper=estimate.ci_upper,
            )
            for name, line in zip(names, drawn, strict=True)
            for series, estimate in zip(SERIES, (line.shrunken, line.raw), strict=True)
        ]
        unit = self._words.symbol(self._portfolio.currency)
        colors = {self._say(f"column.{series}"): color for series, color in SERIES.items()}
        svg = forest_chart(rows, colors=colors, unit=unit, language=self._words.language)
        return Picture(svg=svg, title=self._say("campaigns_chart"), alternative=self._say("campaigns_alt"))

    def _funnel(self, sums: Sums) -> Section:
        lines = [line for line in self._portfolio.campaigns if line.effect_se > 0]
        pictures = []
        if lines:
            weights = [line.effect_se**-2 for line in lines]
            centre = sum(w * line.effect.point for w, line in zip(weights, lines, strict=True)) / sum(weights)
            unit = self._words.symbol(self._portfolio.currency)
            svg = funnel_chart(
                [(line.campaign_id, line.effect.point, line.effect_se) for line in lines],
                centre=centre if sums.effect_mean is None else sums.effect_mean,
                z=skew.critical(self._portfolio.level),
                titles=(self._say("per_customer", unit=unit), self._say("error", unit=unit)),
                language=self._words.language,
            )
            pictures.append(Picture(svg=svg, title=self._say("funnel"), alternative=self._say("funnel_alt")))
        return Section(
            name="funnel",
            title=self._say("funnel"),
            paragraphs=(self._say("funnel_text"),),
            pictures=tuple(pictures),
        )

    def _segments(self) -> Iterator[Grid]:
        """Sums over campaigns and arms by segment, the best first."""
        heads = ("segment", "treated", "raw", "shrunken")
        for dimension in dict.fromkeys(line.dimension for line in self._portfolio.segments):
            sums: dict[str, list[float]] = {}
            for line in self._portfolio.segments:
                if line.dimension == dimension:
                    own = sums.setdefault(line.segment, [0.0, 0.0, 0.0])
                    for place, value in enumerate((line.treated, line.raw.point, line.shrunken.point)):
                        own[place] += value
            rows = tuple(
                (
                    text_cell(self._words.value(dimension, segment)),
                    Cell(kind="count", value=treated),
                    Cell(kind="money", value=raw),
                    Cell(kind="money", value=shrunken, tone=_tone(shrunken)),
                )
                for segment, (treated, raw, shrunken) in sorted(sums.items(), key=lambda item: -item[1][2])
            )
            title = self._say("by", dimension=dimension)
            yield Grid(name=f"by_{dimension}", title=title, columns=self._heads(heads), rows=rows)

    def _holdout(self, holdout: HoldoutReading | None) -> Iterator[str]:
        if holdout is None:
            yield self._say("no_holdout")
            return
        known = self._with_interval(holdout.campaigns_shrunken)
        yield self._say("holdout_profit", profit=self._with_interval(holdout.profit), campaigns=known)
        side = "more" if holdout.gap.ci_lower > 0 else "less" if holdout.gap.ci_upper < 0 else "within"
        yield self._say(f"gap_{side}", gap=self._with_interval(holdout.gap))
        if holdout.unread:
            yield self._say("holdout_unread", unread=self._words.number(holdout.unread))
        if holdout.contacted:
            yield self._say("holdout_contacted", contacted=self._words.number(holdout.contacted))

    def _left_out(self) -> Section:
        left_out = self._portfolio.left_out
        if not left_out:
            return Section(name="left_out", title=self._say("left_out"), paragraphs=(self._say("all_counted"),))
        rows = tuple(
            (text_cell(_titled(each.campaign_id, each.name)), text_cell(self._say(f"reason.{each.reason}")))
            for each in left_out
        )
        heads = self._heads(("campaign", "reason"))
        grid = Grid(name="left_out", title=self._say("left_out"), columns=heads, rows=rows)
        return Section(name="left_out", title=self._say("left_out"), grids=(grid,))

    def _row(self, line: Line, columns: Sequence[str]) -> tuple[Cell, ...]:
        cells = {
            "campaign": text_cell(_titled(line.campaign_id, line.name)),
            "offer": text_cell(line.arm),
            "started": text_cell(self._words.day(line.started)),
            "treated": Cell(kind="count", value=line.treated),
            "control": Cell(kind="count", value=line.control),
            "raw": _money_cell(line.raw),
            "shrunken": _money_cell(line.shrunken, tone=_tone(line.shrunken.ci_lower, line.shrunken.ci_upper)),
            "by_itself": Cell(kind="share", value=line.chance_by_itself),
            "chance": Cell(kind="share", value=line.chance_of_profit),
            "false": Cell(kind="share", value=line.q_value),
        }
        return tuple(cells[name] for name in columns)

    def _card(self, name: str, estimate: Estimate, line: str) -> Card:
        tone = _tone(estimate.ci_lower, estimate.ci_upper)
        return Card(title=self._say(name), cell=_money_cell(estimate, tone=tone), lines=((line, "muted"),))

    def _heads(self, names: Sequence[str]) -> tuple[Cell, ...]:
        return tuple(text_cell(self._say(f"column.{name}")) for name in names)

    def _say(self, key: str, **values: str) -> str:
        return self._words.say(f"portfolio.{key}", **values)

    def _money(self, value: float, *, digits: int = 0) -> str:
        return self._words.money(value, self._portfolio.currency, digits=digits)

    def _with_interval(self, estimate: Estimate) -> str:
        lower, upper = (self._words.number(end) for end in (estimate.ci_lower, estimate.ci_upper))
        return f"{self._money(estimate.point)} ({self._words.say('cell.interval', lower=lower, upper=upper)})"


def _money_cell(estimate: Estimate, *, tone: Tone = "") -> Cell:
    return Cell(kind="money", value=estimate.point, lower=estimate.ci_lower, upper=estimate.ci_upper, tone=tone)


def _tone(*ends: float) -> Tone:
    """Good news where everything is above zero, bad where everything is below."""
    return "good" if min(ends) > 0 else "bad" if max(ends) < 0 else ""


def _titled(campaign_id: str, name: str) -> str:
    return campaign_id if name == campaign_id else f"{campaign_id} · {name}"


def _distinct(lines: Sequence[Line]) -> list[str]:
    return [_titled(line.campaign_id, line.name) for line in lines]


__all__ = ["portfolio_document"]
