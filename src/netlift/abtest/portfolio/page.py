"""The page of a portfolio: earnings, offers to scale up or stop, segments and uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netlift.abtest.portfolio.result import HoldoutReading, Line, Portfolio, Sums, Total
from netlift.abtest.portfolio.totals import FEWEST
from netlift.abtest.readout_report.sentences import money_digits
from netlift.abtest.stats import skew
from netlift.report.charts import BLUE, GREY, draw
from netlift.report.document import Banner, Card, Cell, Document, Grid, Picture, Section, Tone, text_cell
from netlift.report.forest_chart import Whisker, forest_chart
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.text import clean

HEIGHT = 260


def funnel_chart(
    effects: Sequence[tuple[str, float, float]],
    *,
    centre: float,
    z: float,
    titles: tuple[str, str],
    language: str,
) -> bytes:
    """Effects by their standard errors, the surest on top, with the funnel that holds them if all were alike.

    Args:
        effects: Name, effect and standard error of each.
        centre: What the funnel stands on.
        z: Standard errors to either side of it.
        titles: Of the axes, effect and error.
        language: How numbers are written.
    """
    import altair as alt

    widest = 1.05 * max(error for _, _, error in effects)
    x = alt.X("effect:Q", title=titles[0], scale=alt.Scale(zero=False, padding=10))
    y = alt.Y("error:Q", title=titles[1], scale=alt.Scale(domain=[0, widest], reverse=True, nice=False))
    sides = [
        {"effect": centre + side * z * error, "error": error, "side": side}
        for side in (-1, 1)
        for error in (0.0, widest)
    ]
    points = [{"effect": effect, "error": error, "name": name} for name, effect, error in effects]
    spine = [{"effect": centre, "error": error} for error in (0.0, widest)]
    base = alt.Chart(alt.Data(values=points))
    layers = alt.layer(
        alt.Chart(alt.Data(values=sides)).mark_line(color=GREY, strokeDash=[5, 4]).encode(x=x, y=y, detail="side:N"),
        alt.Chart(alt.Data(values=spine)).mark_line(color=GREY).encode(x=x, y=y),
        base.mark_point(filled=True, size=70, color=BLUE, opacity=1).encode(x=x, y=y),
        base.mark_text(align="left", dx=7).encode(x=x, y=y, text="name:N"),
    )
    return draw(layers, language, height=HEIGHT)


MOST_DRAWN = 40
SERIES = {"shrunken": BLUE, "raw": GREY}
COLUMNS = ("campaign", "shrunken", "chance", "raw", "by_itself", "started", "treated", "control", "false")
ARM_COLUMNS = (
    "campaign", "offer", "treated", "control", "raw", "raw_lower", "raw_upper", "by_itself",
    "shrunken", "lower", "upper", "chance",
)  # fmt: skip
OFFER_COLUMNS = ("name", "advice", "profit", "chance", "per_contact", "contacts", "campaigns", "channel")
CHANNEL_COLUMNS = ("name", "advice", "profit", "chance", "per_contact", "contacts", "campaigns")
SEGMENT_COLUMNS = ("name", "profit", "chance", "per_contact", "contacts", "campaigns")
TOTAL_COLUMNS = (
    "kind", "name", "campaigns", "contacts", "raw", "raw_lower", "raw_upper", "by_itself",
    "shrunken", "lower", "upper", "chance", "per_contact",
)  # fmt: skip
ADVICE: dict[str, Tone] = {"scale_up": "good", "stop": "bad", "keep_testing": ""}


def portfolio_document(portfolio: Portfolio, words: Words) -> Document:
    """All campaigns in a language.

    Args:
        portfolio: The campaigns.
        words: The language, with what the business calls its offers, channels and segments.
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
        self._channels_known = any(total.channel for total in portfolio.offers)

    def sections(self) -> Iterator[Section]:
        """The sections in the order of reading."""
        say, portfolio = self._say, self._portfolio
        if portfolio.sums is None:
            yield Section(name="answer", title=say("answer"), paragraphs=(say("none"),))
        else:
            yield self._answer(portfolio.sums)
            if portfolio.offers:
                yield Section(name="reading", title=say("reading"), paragraphs=tuple(self._reading()))
            yield self._campaigns(portfolio.sums)
            if portfolio.by_segment:
                grids = tuple(self._segments())
                yield Section(name="segments", title=say("segments"), paragraphs=(say("segments_text"),), grids=grids)
        yield Section(name="holdout", title=say("holdout"), items=tuple(self._holdout(portfolio.holdout)))
        yield self._left_out()
        if portfolio.sums is not None:
            yield self._spread(portfolio.sums)
        yield Section(name="methods", title=say("methods"), paragraphs=(say("method_text"),))

    def sheets(self) -> Iterator[Grid]:
        """Tables for the workbook alone, with the ends of all intervals as numbers."""
        portfolio = self._portfolio
        if portfolio.offers:
            totals = (*portfolio.offers, *portfolio.channels, *portfolio.by_segment)
            rows = tuple(self._total(total, TOTAL_COLUMNS) for total in totals)
            yield Grid(name="totals", title=self._say("totals"), columns=self._heads(TOTAL_COLUMNS), rows=rows)
        if portfolio.arms:
            rows = tuple(self._row(line, ARM_COLUMNS) for line in portfolio.arms)
            yield Grid(name="arms", title=self._say("arms"), columns=self._heads(ARM_COLUMNS), rows=rows)

    def _answer(self, sums: Sums) -> Section:
        ends = (sums.shrunken.ci_lower, sums.shrunken.ci_upper)
        side = "made" if ends[0] > 0 else "lost" if ends[1] < 0 else "unknown"
        lines = (self._advice(), self._say(f"sum_{side}"))
        return Section(
            name="answer",
            title=self._say("answer"),
            banner=Banner(
                title=self._say("headline", profit=self._about(sums.shrunken, level=True)),
                tone=_tone(*ends),
                lines=tuple(filter(None, lines)),
            ),
            cards=tuple(self._cards()),
            grids=tuple(self._offers()),
        )

    def _advice(self) -> str:
        """Which offers to scale up, to stop and to keep testing, in one sentence."""
        told = []
        for code in ADVICE:
            named = [
                self._say("offer_money", offer=self._called(total), profit=self._size(total.shrunken.point))
                for total in self._portfolio.offers
                if total.advice == code
            ]
            if named:
                told.append(self._say(f"do.{code}", offers=", ".join(named)))
        sentence = "; ".join(told)
        return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""

    def _cards(self) -> Iterator[Card]:
        holdout = self._portfolio.holdout
        if holdout is None:
            return
        told = {
            "since": self._words.day(holdout.since),
            "until": self._words.day(holdout.until),
            "held_out": self._words.count("noun.customers", holdout.held_out),
            "campaigns": self._words.count("noun.campaigns", holdout.campaigns),
        }
        for name, estimate in (("by_holdout", holdout.profit), ("sum_of_time", holdout.campaigns_shrunken)):
            lines: tuple[tuple[str, Tone], ...] = ((self._say(f"{name}_line", **told), "muted"),)
            yield Card(title=self._say(name), cell=self._short(estimate), lines=lines)

    def _reading(self) -> Iterator[str]:
        """What the first table shows and leaves out."""
        yield self._say("offers_text")
        if self._portfolio.arms_unlogged:
            yield self._say("arms_unlogged", campaigns=", ".join(map(clean, self._portfolio.arms_unlogged)))

    def _offers(self) -> Iterator[Grid]:
        """Offers, and channels where these are not the same once more."""
        portfolio, known = self._portfolio, self._channels_known
        if portfolio.offers:
            columns = tuple(name for name in OFFER_COLUMNS if known or name != "channel")
            yield self._totals("offers", portfolio.offers, columns, title=self._say("offers"))
        if known and len(portfolio.channels) < len(portfolio.offers):
            yield self._totals("channels", portfolio.channels, CHANNEL_COLUMNS, title=self._say("channels"))

    def _sentences(self, sums: Sums) -> Iterator[str]:
        words, total = self._words, len(self._portfolio.campaigns)
        counted, share = {"all": words.number(total)}, words.share(sums.false_share, digits=0)
        if sums.worked:
            yield self._say("worked", worked=words.number(sums.worked), share=share, **counted)
        else:
            yield self._say("worked_none", share=share, **counted)
        if sums.lost:
            yield self._say("lost", lost=words.number(sums.lost), **counted)
        if sums.winners and sums.effect_mean is not None:
            raw, shrunken = (self._size(each.point) for each in (sums.winners_raw, sums.winners_shrunken))
            yield self._say("winners", winners=words.number(sums.winners), raw=raw, shrunken=shrunken)
        if sums.effect_mean is None or sums.effect_sd is None:
            yield self._say("too_few", fewest=words.number(FEWEST))
        else:
            mean, sd = (self._money(each) for each in (sums.effect_mean, sums.effect_sd))
            yield self._say("effects", mean=mean, sd=sd)

    def _campaigns(self, sums: Sums) -> Section:
        lines = self._portfolio.campaigns
        grid = Grid(
            name="campaigns",
            title="",
            columns=self._heads(COLUMNS),
            rows=tuple(self._row(line, COLUMNS) for line in lines),
        )
        return Section(
            name="campaigns",
            title=self._say("campaigns"),
            paragraphs=(self._say("by_itself_text"),),
            items=tuple(self._sentences(sums)),
            pictures=(self._forest(lines),),
            grids=(grid,),
        )

    def _forest(self, lines: Sequence[Line]) -> Picture:
        drawn = lines if len(lines) <= MOST_DRAWN else [*lines[: MOST_DRAWN // 2], *lines[-MOST_DRAWN // 2 :]]
        rows = [
            Whisker(
                label=_titled(line.campaign_id, line.name),
                series=self._say(f"series.{series}"),
                point=estimate.point,
                lower=estimate.ci_lower,
                upper=estimate.ci_upper,
            )
            for line in drawn
            for series, estimate in zip(SERIES, (line.shrunken, line.raw), strict=True)
        ]
        unit = self._words.symbol(self._portfolio.currency)
        colors = {self._say(f"series.{series}"): color for series, color in SERIES.items()}
        svg = forest_chart(rows, colors=colors, unit=unit, language=self._words.language)
        return Picture(svg=svg, title=self._say("campaigns_chart"), alternative=self._say("campaigns_alt"))

    def _spread(self, sums: Sums) -> Section:
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
            pictures.append(Picture(svg=svg, title=self._say("spread"), alternative=self._say("spread_alt")))
        return Section(
            name="spread",
            title=self._say("appendix"),
            paragraphs=(self._say("spread_text"),),
            pictures=tuple(pictures),
        )

    def _segments(self) -> Iterator[Grid]:
        """Segments over all campaigns and offers, a table for each dimension."""
        totals = self._portfolio.by_segment
        for dimension in dict.fromkeys(total.dimension for total in totals):
            own = [total for total in totals if total.dimension == dimension]
            title = clean(self._words.name("attribute", dimension))
            yield self._totals(f"by_{dimension}", own, SEGMENT_COLUMNS, title=title)

    def _holdout(self, holdout: HoldoutReading | None) -> Iterator[str]:
        if holdout is None:
            yield self._say("no_holdout")
            return
        known = self._about(holdout.campaigns_shrunken)
        yield self._say("holdout_profit", profit=self._about(holdout.profit), campaigns=known)
        side = "more" if holdout.gap.ci_lower > 0 else "less" if holdout.gap.ci_upper < 0 else "within"
        yield self._say(f"gap_{side}", gap=self._about(holdout.gap))
        if holdout.unread:
            yield self._say("holdout_unread", unread=self._words.number(holdout.unread))
        if holdout.contacted:
            yield self._say("holdout_contacted", contacted=self._words.count("noun.customers", holdout.contacted))

    def _left_out(self) -> Section:
        left_out = self._portfolio.left_out
        if not left_out:
            return Section(name="left_out", title=self._say("left_out"), paragraphs=(self._say("all_counted"),))
        rows = tuple(
            (text_cell(_titled(each.campaign_id, each.name)), text_cell(self._say(f"reason.{each.reason}")))
            for each in left_out
        )
        grid = Grid(name="left_out", title="", columns=self._heads(("campaign", "reason")), rows=rows)
        return Section(name="left_out", title=self._say("left_out"), grids=(grid,))

    def _row(self, line: Line, columns: Sequence[str]) -> tuple[Cell, ...]:
        cells = {
            "campaign": text_cell(_titled(line.campaign_id, line.name)),
            "offer": text_cell(self._words.name("offer", line.arm)),
            "started": text_cell(self._words.day(line.started)),
            "treated": Cell(kind="count", value=line.treated),
            "control": Cell(kind="count", value=line.control),
            "false": Cell(kind="share", value=line.q_value),
            **self._figures(line),
        }
        return tuple(cells[name] for name in columns)

    def _totals(self, name: str, totals: Sequence[Total], columns: Sequence[str], *, title: str) -> Grid:
        """A table of totals of one dimension."""
        heads = self._heads(columns, name=self._words.name("attribute", totals[0].dimension))
        unit = _unit([total.shrunken for total in totals])
        rows = tuple(self._total(total, columns, unit=unit) for total in totals)
        return Grid(name=name, title=title, columns=heads, rows=rows)

    def _total(self, total: Total, columns: Sequence[str], *, unit: float | None = None) -> tuple[Cell, ...]:
        cells = {
            "kind": text_cell(self._words.name("attribute", total.dimension)),
            "name": text_cell(self._called(total)),
            "advice": replace(text_cell(self._say(f"advice.{total.advice}")), tone=ADVICE[total.advice]),
            "profit": self._short(total.shrunken, unit=unit),
            "per_contact": Cell(kind="money", value=total.per_contact, digits=money_digits(total.per_contact)),
            "contacts": Cell(kind="count", value=total.contacts),
            "campaigns": Cell(kind="count", value=total.campaigns),
            "channel": text_cell(self._words.name("channel", total.channel) if total.channel else ""),
            **self._figures(total),
        }
        return tuple(cells[name] for name in columns)

    def _figures(self, of: Line | Total) -> dict[str, Cell]:
        """Profit as seen and without luck, with intervals and their ends, and the chances of it."""
        money = {
            "raw_lower": of.raw.ci_lower,
            "raw_upper": of.raw.ci_upper,
            "lower": of.shrunken.ci_lower,
            "upper": of.shrunken.ci_upper,
        }
        return {
            "raw": _money_cell(of.raw),
            "shrunken": _money_cell(of.shrunken, tone=_tone(of.shrunken.ci_lower, of.shrunken.ci_upper)),
            "by_itself": self._probability(of.chance_by_itself),
            "chance": self._probability(of.chance_of_profit),
            **{name: Cell(kind="money", value=value) for name, value in money.items()},
        }

    def _probability(self, probability: float) -> Cell:
        """A probability that never claims to be certain."""
        return Cell(kind="share", value=probability, digits=0, text=self._words.probability(probability))

    def _called(self, total: Total) -> str:
        """What an offer, a channel or a segment is called."""
        if not total.name:
            return self._words.say("cell.unknown")
        if total.dimension in ("offer", "channel"):
            return clean(self._words.name(total.dimension, total.name))
        return clean(self._words.value(total.dimension, total.name))

    def _heads(self, names: Sequence[str], **own: str) -> tuple[Cell, ...]:
        return tuple(text_cell(own.get(name) or self._say(f"column.{name}")) for name in names)

    def _say(self, key: str, **values: str) -> str:
        return self._words.say(f"portfolio.{key}", **values)

    def _money(self, value: float) -> str:
        return self._words.money(value, self._portfolio.currency, digits=money_digits(value))

    def _size(self, value: float) -> str:
        return self._words.short_money(value, self._portfolio.currency)

    def _short(self, estimate: Estimate, *, unit: float | None = None) -> Cell:
        """Money in thousands or millions with its interval in the same unit."""
        ends = (estimate.ci_lower, estimate.ci_upper)
        money, interval = self._words.about_parts(estimate.point, *ends, self._portfolio.currency, scale=unit)
        return Cell(kind="money", value=estimate.point, text=money, note=interval, tone=_tone(*ends))

    def _about(self, estimate: Estimate, *, level: bool = False) -> str:
        ends = (estimate.ci_lower, estimate.ci_upper)
        named = estimate.level if level else None
        return self._words.about(estimate.point, *ends, self._portfolio.currency, level=named, scale=_unit([estimate]))


def _money_cell(estimate: Estimate, *, tone: Tone = "") -> Cell:
    return Cell(kind="money", value=estimate.point, lower=estimate.ci_lower, upper=estimate.ci_upper, tone=tone)


def _unit(estimates: Sequence[Estimate]) -> float:
    """One unit of size for all rows of a table: figures are easier to compare than units."""
    largest = max(max(abs(each.ci_lower), abs(each.ci_upper)) for each in estimates)
    return 1e6 if largest >= 1e7 else 1e3 if largest >= 1e4 else 1.0


def _tone(*ends: float) -> Tone:
    """Good news where everything is above zero, bad where everything is below."""
    return "good" if min(ends) > 0 else "bad" if max(ends) < 0 else ""


def _titled(campaign_id: str, name: str) -> str:
    return campaign_id if name == campaign_id else f"{campaign_id} · {name}"


__all__ = ["portfolio_document"]
