"""What the scorecard draws: margin, value of the base, churn, customers who came and went, NPS."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.report.document import Picture, scale_money
from netlift.report.pages.figure_words import FigureWords
from netlift.report.scorecard_charts import lines_chart, stacked_chart
from netlift.segments.figures import TOTAL, Figure, Scorecard
from netlift.segments.metrics import METRIC

Point = tuple[float | None, float | None, float | None]
FLOWS = ("new_customers", "returned_customers", "lost_customers")
CHURNS = {"churn_predicted": "predicted", "churn_observed": "observed"}


def draw_pictures(card: Scorecard, say: FigureWords, *, level: str) -> Iterator[Picture]:
    """The charts that the scorecard has figures for.

    Args:
        card: The scorecard.
        say: How figures are said.
        level: Confidence of the intervals, in words.
    """
    words, figures = say.words, card.index()
    months = [words.month(month, short=True) for month in card.months]

    def line(metric: str, segment: str = TOTAL, scale: float = 1.0) -> list[Point]:
        return [_point(figures[month, segment, metric], scale) for month in card.months]

    def picture(name: str, svg: bytes, *, intervals: bool) -> Picture:
        title = words.say(f"chart.{name}")
        shown = f"{title} ({words.say('chart.with_interval', level=level)})" if intervals else title
        return Picture(
            svg=svg,
            title=shown,
            alternative=words.say("chart.alt", title=title, first=months[0], last=months[-1]),
        )

    scale, unit = scale_money([value for value, _, _ in line("margin")], card.basis.currency, words)
    parts = {words.name("segment", s): [v for v, _, _ in line("margin", s, scale)] for s in card.segments if s != TOTAL}
    yield picture("money", stacked_chart(months, parts, unit=unit, language=words.language), intervals=False)
    base = {name: line(name) for name in ("ltv_total", "value_at_risk")}
    if _any(*base.values()):
        scale, unit = scale_money([value for value, _, _ in base["ltv_total"]], card.basis.currency, words)
        series = {say.name(METRIC[name]): line(name, scale=scale) for name in base if _any(base[name])}
        yield picture("base", lines_chart(months, series, unit=unit, language=words.language), intervals=True)
    churn = {words.say(f"chart.{label}"): line(name) for name, label in CHURNS.items() if _any(line(name))}
    if churn:
        unit = words.say("chart.share")
        svg = lines_chart(months, churn, unit=unit, language=words.language, as_share=True, from_zero=False)
        yield picture("churn", svg, intervals=True)
    flow = {say.name(METRIC[name]): line(name) for name in FLOWS if _any(line(name))}
    unit = words.say("chart.people")
    yield picture("flow", lines_chart(months, flow, unit=unit, language=words.language), intervals=False)
    if _any(line("nps")):
        series = {words.say("metric.nps"): line("nps")}
        unit = words.say("chart.points")
        svg = lines_chart(months, series, unit=unit, language=words.language, from_zero=False)
        yield picture("loyalty", svg, intervals=True)


def _point(figure: Figure, scale: float) -> Point:
    def scaled(value: float | None) -> float | None:
        return None if value is None else value / scale

    return scaled(figure.value), scaled(figure.ci_lower), scaled(figure.ci_upper)


def _any(*series: list[Point]) -> bool:
    return any(value is not None for line in series for value, _, _ in line)
