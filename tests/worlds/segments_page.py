"""A report of segments made by hand, with names that would do harm if they were read as markup or formulas."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from netlift.report.language import speak
from netlift.results import Estimate, Table
from netlift.segments.economics import SegmentEconomics
from netlift.segments.figures import Note
from netlift.segments.migration import ENTERED, Flow
from netlift.segments.pages.page import segments_document
from netlift.segments.payback import Payback
from netlift.segments.report import Remaining, SegmentReport
from netlift.segments.value_segments import RecencyFrequency, ValueRisk

EVIL = "=HYPERLINK(1)<script>alert(1)</script>|x"


def an_estimate(point: float, half: float) -> Estimate:
    return Estimate(point=point, ci_lower=point - half, ci_upper=point + half, level=0.95, unit="EUR", method="m")


def a_row(segment: str, strategy: str, size: float) -> SegmentEconomics:
    payback = Payback(months=2, ci_lower=1, ci_upper=None, within_months=24, level=0.95, customers=90)
    return SegmentEconomics(
        segment=segment, strategy=strategy, customers=int(100 * size), share=size / 4, margin_365d=123_456.0 * size,
        ltv_customers=int(90 * size), ltv_total=an_estimate(61_728.0 * size, 5_000.0),
        ltv_mean=an_estimate(617.28, 50.0), average_receipt=40.5, purchases_a_year=6.2, margin_rate=0.31,
        textbook_ltv=700.0, cac=an_estimate(95.0, 4.0), ltv_to_cac=an_estimate(6.5, 0.6), textbook_to_cac=7.4,
        payback=payback, p_churn=0.21, lost=an_estimate(0.24, 0.03), value_at_risk=an_estimate(9_876.0 * size, 800.0),
        expected_lifetime_days=312.0, nps=an_estimate(35.0, 8.0), csi=an_estimate(4.3, 0.1),
    )  # fmt: skip


def make_report(**changes) -> SegmentReport:
    rows = (a_row("champions", "keep", 3.0), a_row("sleeping", "reactivate", 1.0))
    report = SegmentReport(
        business=EVIL,
        as_of=date(2026, 10, 1),
        previous=date(2026, 9, 1),
        currency="EUR",
        horizon_days=182,
        lifetime_years=3.0,
        level=0.95,
        revenue_based=False,
        segments=Table(name="segments", rows=rows),
        total=replace(a_row("all", "", 4.0), share=1.0),
        recency_frequency=Table(
            name="rfm",
            rows=tuple(
                RecencyFrequency(r=r, f=f, customers=16, margin_365d=1_000.0 * r * f, ltv=500.0)
                for r, f in (*((r, f) for r in range(5, 0, -1) for f in range(1, 6)), (0, 0))
            ),
        ),
        value_by_risk=Table(
            name="grid",
            rows=tuple(
                ValueRisk(value_tier=tier, risk=risk, customers=40, margin_365d=9.0, ltv=8.0, value_at_risk=4_321.0)
                for tier in ("high", "middle", "low")
                for risk in ("low", "middle", "high")
            ),
        ),
        flow_value="ltv",
        flows=Table(
            name="migration",
            rows=tuple(
                Flow(before=before, after=after, customers=7, value_before=50.0, value_after=50.0 + x, change=x)
                for before, after, x in (
                    ("champions", "sleeping", -20_600.0),
                    ("sleeping", "champions", 11_250.0),
                    (ENTERED, "champions", 3_000.0),
                    ("champions", "champions", 99_000.0),
                )
            ),
        ),
        followed_from=date(2025, 7, 3),
        remaining=Table(
            name="remaining",
            rows=tuple(
                Remaining(
                    segment=name,
                    customers=80,
                    lost=20,
                    within=an_estimate(300.0, 9.0),
                    beyond_days=None,
                    curve={"0": 1.0, "182": 0.875, "365": 0.75},
                )
                for name in ("champions", "sleeping")
            ),
        ),
        labels_from=date(2026, 6, 26),
        nps_days=365,
        versions={"ltv": 1},
        notes=(
            Note(code="edges_frozen", values={"day": date(2026, 4, 1), "customers": 1234}),
            Note(code="level_error", values={"share": 0.0432, "totals": 2}),
            Note(code="scores_empty", values={"scores": EVIL}),
        ),
    )
    return replace(report, **changes)


def make_document(language: str = "ru", **changes):
    return segments_document(make_report(**changes), speak(language))
