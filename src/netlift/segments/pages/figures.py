"""Figures of the segments page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date

from netlift.report.charts import BLUE
from netlift.report.curve_charts import curves_chart
from netlift.report.document import Picture, scale_money
from netlift.report.forest_chart import Whisker, forest_chart
from netlift.results import Estimate
from netlift.segments.pages.charts import RISK, Bar, bars_chart, heat_chart, moves_chart
from netlift.segments.pages.tables import SegmentGrids
from netlift.segments.pages.text import SegmentWords


class SegmentPictures:
    """The charts of one report.

    Args:
        say: How the report is said.
    """

    def __init__(self, say: SegmentWords) -> None:
        self._say, self._report, self._words = say, say.report, say.words
        self._language = say.words.language

    def money(self) -> Iterator[Picture]:
        """What each segment is predicted to bring with what of it is at risk, and what it brought."""
        report, say = self._report, self._say
        valued = [(row, row.ltv_total) for row in report.segments if row.ltv_total is not None]
        valued.sort(key=lambda pair: -pair[1].point)
        names = (say.say("column.ltv", horizon=say.horizon), say.say("value_at_risk"))
        if valued:
            scale, unit = scale_money([total.point for _, total in valued], report.currency, self._words)
            bars = [
                Bar(
                    label=say.segment(row.segment),
                    value=total.point / scale,
                    part=None if row.value_at_risk is None else row.value_at_risk.point / scale,
                    lower=total.ci_lower / scale if math.isfinite(total.ci_lower) else None,
                    upper=total.ci_upper / scale if math.isfinite(total.ci_upper) else None,
                )
                for row, total in valued
            ]
            yield self._picture(bars_chart(bars, names=names, unit=unit, language=self._language), names[0])
        rows = sorted(report.segments, key=lambda row: -row.margin_365d)
        scale, unit = scale_money([row.margin_365d for row in rows], report.currency, self._words)
        title = say.say("revenue" if report.revenue_based else "margin")
        bars = [Bar(label=say.segment(row.segment), value=row.margin_365d / scale) for row in rows]
        yield self._picture(bars_chart(bars, names=(title, ""), unit=unit, language=self._language), title)

    def recency_frequency(self) -> Picture:
        """Margin by recency and frequency."""
        say = self._say
        cells = [
            (f"F{cell.f}", f"R{cell.r}", cell.margin_365d, say.thousands(cell.margin_365d))
            for cell in self._report.recency_frequency
            if cell.r
        ]
        svg = heat_chart(cells, axes=(say.say("frequency"), say.say("recency")), language=self._language)
        return self._picture(svg, say.say("rfm_chart", unit=say.unit))

    def flows(self) -> Iterator[Picture]:
        """The moves that changed most money."""
        say, largest = self._say, SegmentGrids(self._say).largest_flows()
        if not largest:
            return
        moves = [
            (
                f"{say.segment(flow.before)} → {say.segment(flow.after)}",
                flow.change / say.scale,
                say.thousands(flow.change, signed=True),
            )
            for flow in largest
        ]
        title = say.say("flows_chart", value=say.flow_value)
        yield self._picture(moves_chart(moves, unit=say.unit, language=self._language), title)

    def acquisition(self) -> Iterator[Picture]:
        """Value over acquisition cost."""
        title = self._say.say("column.ltv_to_cac")
        rows = {row.segment: row.ltv_to_cac for row in self._report.segments}
        yield from self._forest({title: rows}, colors=(BLUE,), title=title)

    def churn(self) -> Iterator[Picture]:
        """Churn predicted beside churn observed."""
        say, rows = self._say, self._report.segments
        series = {
            say.say("predicted"): {row.segment: _without_range(row.p_churn) for row in rows},
            say.say("observed"): {row.segment: row.lost for row in rows},
        }
        yield from self._forest(series, colors=(RISK, BLUE), title=say.say("churn"), unit="%", times=100.0)

    def surveys(self) -> Iterator[Picture]:
        """The net promoter score."""
        title = self._say.say("column.nps")
        rows = {row.segment: row.nps for row in self._report.segments}
        yield from self._forest({title: rows}, colors=(BLUE,), title=title)

    def survival(self, since: date) -> Picture:
        """Who stayed, by day."""
        say = self._say
        curves = {
            say.segment(row.segment): [(float(day), share) for day, share in row.curve.items()]
            for row in self._report.remaining
        }
        axes = (say.say("days_since", day=self._words.day(since)), say.say("stayed"))
        return self._picture(curves_chart(curves, axes=axes, language=self._language), say.say("survival"))

    def _forest(
        self,
        series: Mapping[str, Mapping[str, Estimate | None]],
        *,
        colors: tuple[str, ...],
        title: str,
        unit: str = "",
        times: float = 1.0,
    ) -> Iterator[Picture]:
        """Series of estimates by segment; where none is known, nothing."""
        whiskers = [
            Whisker(
                label=self._say.segment(row.segment),
                series=name,
                point=times * estimate.point,
                lower=times * (estimate.ci_lower if math.isfinite(estimate.ci_lower) else estimate.point),
                upper=times * (estimate.ci_upper if math.isfinite(estimate.ci_upper) else estimate.point),
            )
            for row in self._report.segments
            for name, estimates in series.items()
            if (estimate := estimates[row.segment]) is not None
        ]
        if whiskers:
            drawn = dict(zip(series, colors, strict=True))
            drawn = {name: color for name, color in drawn.items() if any(w.series == name for w in whiskers)}
            yield self._picture(forest_chart(whiskers, colors=drawn, unit=unit, language=self._language), title)

    def _picture(self, svg: bytes, title: str) -> Picture:
        return Picture(svg=svg, title=title, alternative=self._say.say("alt", title=title))


def _without_range(value: float | None) -> Estimate | None:
    if value is None:
        return None
    return Estimate(point=value, ci_lower=value, ci_upper=value, level=0.95, unit="share", method="mean")


__all__ = ["SegmentPictures"]
