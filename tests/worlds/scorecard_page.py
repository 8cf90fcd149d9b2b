"""A scorecard made by hand, with names that would do harm if they were read as markup or formulas."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from netlift.config.segments import LostSettings
from netlift.data.checks.quality import MonthQuality
from netlift.report.language import Words, speak
from netlift.results import Table
from netlift.scorecards.build import build_scorecard
from netlift.scorecards.page import scorecard_document
from netlift.segments.figures import Basis, Note
from netlift.segments.monthly import JOINED, ChurnRule, Month

EVIL = ('<script>alert("x")</script>', "=cmd|' /C calc'!A0", "https://evil.example/a|b", "a]b:c*d?e/f\\g" + "x" * 40)
MONTHS = tuple(Month(first=date(2026, month, 1)) for month in (7, 8, 9))


def make_sums(seed: int, segment: str = "champions") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = {}
    for name in (segment, *EVIL):
        n = float(rng.integers(20, 90))
        rows[name] = {
            "customers": n,
            "ltv_known": n,
            "ltv_sd_known": n,
            "ltv_sum": n * 1000,
            "ltv_var": n * 250_000,
            "p_churn_known": n,
            "p_churn_sum": n * 0.2,
            "p_churn_var": n * 0.16,
            "value_at_risk_known": n,
            "value_at_risk": n * 190.5,
            "both_known": n,
            "both_ltv": n * 1000,
            "both_var": n * 250_000,
            "both_cost": n * 300,
            "receipts": n,
            "active": n,
            "purchases": 1.5 * n,
            "purchases_sq": 2.5 * n,
            "spent": 900 * n,
            "spent_sq": 1e6 * n,
            "spent_purchases": 1500 * n,
            "revenue": 900 * n,
            "margin": 300.25 * n * rng.uniform(0.8, 1.2),
            "watched": n,
            "churned": 0.2 * n,
            "lost": 3.0,
            "returned": 2.0,
            "nps_answers": 9.0,
            "promoters": 5.0,
            "detractors": 1.0,
            "contacts": 2 * n,
            "contact_cost_known": 2 * n,
            "contact_cost": n,
        }
    rows[JOINED] = {"joined": 12.0, "cac_known": 12.0, "cac_sum": 2400.0, "cac_sq": 500_000.0}
    return pd.DataFrame(rows).T.fillna(0.0)


def make_document(
    language: str = "ru",
    *,
    months: tuple[Month, ...] = MONTHS,
    currency: str = "RUB",
    segment: str = "champions",
    words: Words | None = None,
):
    basis = Basis(
        business="=shop & <b>",
        currency=currency,
        segments=(segment,),
        ltv_horizon_days=182,
        level_sd=0.05,
        lost=LostSettings(kind="silence", silence_days=90, follow_days=365),
        rule=ChurnRule(
            active_within_days=365, gap_days=7, horizon_days=30, by_cancellation=False, known_until=date(2026, 9, 15)
        ),
        missing=frozenset({"reward_cost"}),
        versions={"ltv": 1, "churn": 1},
    )
    channels = pd.DataFrame(
        [
            {
                "month": month.first,
                "channel": name,
                "joined": 4.0,
                "cac_known": 4.0,
                "cac_sum": 400.0,
                "cac_sq": 50_000.0,
            }
            for month in months
            for name in (*EVIL, None)
        ]
    )
    card = build_scorecard(
        basis,
        {month: make_sums(month.first.month, segment) for month in months},
        shown=months,
        channels=channels,
        effects={},
        notes=[Note(code="scores_empty", values={"scores": EVIL[0]}), Note(code="past_models")],
    )
    quality = [
        MonthQuality(
            month=month.first,
            table="transactions",
            rows=10,
            empty_days=1,
            late_rows=None,
            longest_delay_days=None,
            missing=0,
            orphans=2,
            duplicates=0,
            other=0,
        )
        for month in months
    ]
    return card, scorecard_document(card, Table(name="quality", rows=tuple(quality)), words or speak(language))
