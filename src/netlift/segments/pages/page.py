"""The page of segments: money and actions, RFM, migration, acquisition, churn, surveys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlift.report.document import Card, Document, Section, Tone
from netlift.report.language import Words
from netlift.segments.economics import SegmentEconomics
from netlift.segments.pages.figure_text import say_note
from netlift.segments.pages.figures import SegmentPictures
from netlift.segments.pages.tables import SegmentGrids
from netlift.segments.pages.text import SegmentWords
from netlift.segments.report import SegmentReport


def segments_document(report: SegmentReport, words: Words) -> Document:
    """The segments of a business in a language.

    Args:
        report: What was found.
        words: The language.
    """
    page = _Page(report, words)
    told = [words.say("segments.subtitle", day=words.day(report.as_of), customers=page.count(report.total.customers))]
    if report.previous is not None:
        told.append(words.say("segments.compared", day=words.day(report.previous)))
    return Document(
        title=words.say("segments.title", business=report.business),
        subtitle="; ".join(told),
        words=words,
        currency=report.currency,
        dated=report.as_of,
        sections=tuple(page.sections()),
        sheets=tuple(page.grids.sheets()),
    )


class _Page:
    """The sections of one report."""

    def __init__(self, report: SegmentReport, words: Words) -> None:
        self._report, self._words = report, words
        self._say = SegmentWords(report=report, words=words)
        self.grids = SegmentGrids(self._say)
        self._pictures = SegmentPictures(self._say)

    def count(self, customers: int) -> str:
        """So many customers."""
        return self._words.count("noun.customers", customers)

    def sections(self) -> Iterator[Section]:
        """The sections in the order of reading."""
        report, say, grids, pictures = self._report, self._say.say, self.grids, self._pictures
        yield self._money()
        yield Section(name="charts", title=say("charts"), pictures=tuple(pictures.money()))
        never = [cell.customers for cell in report.recency_frequency if not cell.r]
        texts = (say("rfm_text"), *(say("never_bought", customers=self._words.number(n)) for n in never))
        yield Section(
            name="rfm",
            title=say("rfm"),
            paragraphs=texts,
            pictures=(pictures.recency_frequency(),),
            grids=(grids.recency_frequency(),),
        )
        if (grid := grids.value_by_risk()) is not None:
            yield Section(name="risk", title=say("grid"), paragraphs=(say("grid_text"),), grids=(grid,))
        if report.previous is not None:
            day = self._words.day(report.previous)
            yield Section(
                name="migration",
                title=say("migration", day=day),
                paragraphs=(say("migration_text", value=self._say.flow_value),),
                pictures=tuple(pictures.flows()),
                grids=(grids.flows(), grids.matrix()),
            )
        yield self._acquisition()
        yield self._churn()
        if len(report.remaining) and report.followed_from is not None:
            yield Section(
                name="survival",
                title=say("survival"),
                paragraphs=(say("survival_text", day=self._words.day(report.followed_from)),),
                pictures=(pictures.survival(report.followed_from),),
                grids=(grids.survival(),),
            )
        if report.nps_days is not None:
            days = self._words.count("noun.days", report.nps_days)
            yield Section(
                name="surveys",
                title=say("surveys"),
                paragraphs=(say("surveys_text", days=days, day=self._words.day(report.as_of)),),
                pictures=tuple(pictures.surveys()),
                grids=(grids.surveys(),),
            )
        notes = tuple(say_note(note, self._words) for note in report.notes)
        yield Section(name="notes", title=say("notes"), items=notes)

    def _money(self) -> Section:
        level = self._words.share(self._report.level, digits=0)
        texts = [self._say.say("level", level=level, unit=self._say.unit)]
        if self._report.revenue_based:
            texts.append(self._say.say("revenue_based"))
        return Section(
            name="money",
            title=self._say.say("money"),
            cards=tuple(self._cards()),
            items=tuple(self._sentences()),
            paragraphs=tuple(texts),
            grids=(self.grids.strategies(),),
        )

    def _cards(self) -> Iterator[Card]:
        total, say = self._report.total, self._say
        margin = "revenue" if self._report.revenue_based else "margin"
        if total.ltv_total is not None:
            whom = say.say("of_whom", customers=self._words.number(total.ltv_customers))
            title = say.say("ltv_total", horizon=say.horizon)
            yield Card(title=title, cell=say.short_cell(total.ltv_total), lines=((whom, "muted"),))
        cell = say.short_cell(total.margin_365d)
        yield Card(title=say.say(margin), cell=cell, lines=((self.count(total.customers), "muted"),))
        if total.value_at_risk is not None and total.ltv_total is not None:
            share = self._words.share(total.value_at_risk.point / total.ltv_total.point)
            line = say.say("of_ltv", share=share)
            title = say.say("value_at_risk")
            yield Card(title=title, cell=say.short_cell(total.value_at_risk), lines=((line, "muted"),))
        if total.payback is not None:
            lines: list[tuple[str, Tone]] = []
            if total.ltv_to_cac is not None:
                ratio = self._words.number(total.ltv_to_cac.point, digits=1)
                lines.append((say.say("cac_line", ratio=ratio), ""))
            yield Card(title=say.say("payback"), cell=say.payback_cell(total.payback), lines=tuple(lines))

    def _sentences(self) -> Iterator[str]:
        report, say, words = self._report, self._say, self._words
        rows = report.segments.rows
        most = max(rows, key=lambda row: row.margin_365d)
        if most.margin_365d > 0:
            yield say.say(
                "most",
                segment=say.segment(most.segment),
                share=words.share(most.margin_365d / report.total.margin_365d, digits=0),
                money=say.say("of_revenue" if report.revenue_based else "of_margin"),
                customers=words.share(most.share, digits=0),
            )
        yield from self._at_risk(rows)
        if report.previous is not None:
            value = say.say("ltv_of_base" if report.flow_value == "ltv" else "margin")
            change = words.short_money(sum(flow.change for flow in report.flows), report.currency, signed=True)
            moved = say.say("moved", value=value, day=words.day(report.previous), change=change)
            yield " ".join([moved, *self._moves()])

    def _moves(self) -> Iterator[str]:
        """The move that gained most, and the one that lost most."""
        say, moved = self._say, [flow for flow in self._report.flows if flow.before != flow.after]
        ends = (
            {"gained": max(moved, key=lambda f: f.change), "lost": min(moved, key=lambda f: f.change)} if moved else {}
        )
        for key, flow in ends.items():
            if (flow.change > 0) == (key == "gained") and flow.change:
                move = say.say(
                    "move",
                    before=say.segment(flow.before),
                    after=say.segment(flow.after),
                    customers=self.count(flow.customers),
                    money=self._words.short_money(flow.change, self._report.currency, signed=True),
                )
                yield say.say(key, move=move)

    def _at_risk(self, rows: Sequence[SegmentEconomics]) -> Iterator[str]:
        risks = {row: row.value_at_risk.point for row in rows if row.value_at_risk is not None}
        total = self._report.total.value_at_risk
        if not risks or total is None or total.point <= 0:
            return
        row = max(risks, key=lambda row: risks[row])
        yield self._say.say(
            "risk",
            segment=self._say.segment(row.segment),
            money=self._words.short_money(risks[row], self._report.currency),
            share=self._words.share(risks[row] / total.point, digits=0),
            strategy=self._words.name("strategy", row.strategy),
        )

    def _acquisition(self) -> Section:
        years = self._report.lifetime_years
        digits = 0 if years == round(years) else 1
        said = f"{self._words.number(years, digits=digits)} {self._words.noun('noun_segments.years', years)}"
        return Section(
            name="acquisition",
            title=self._say.say("acquisition"),
            paragraphs=(self._say.say("acquisition_text", years=said),),
            pictures=tuple(self._pictures.acquisition()),
            grids=(self.grids.acquisition(),),
        )

    def _churn(self) -> Section:
        report, say = self._report, self._say.say
        texts = [say("churn_predicted")] if report.total.p_churn is not None else []
        if report.labels_from is not None:
            texts.append(say("churn_observed", day=self._words.day(report.labels_from)))
        return Section(
            name="churn",
            title=say("churn"),
            paragraphs=(" ".join(texts),) if texts else (),
            pictures=tuple(self._pictures.churn()),
            grids=(self.grids.churn(),),
        )


__all__ = ["segments_document"]
