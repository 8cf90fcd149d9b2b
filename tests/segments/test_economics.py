from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from netlift.segments.economics import Valuation, observed_share, summarize_segment, total_ltv

VALUATION = Valuation(currency="RUB", horizon_days=182, level_sd=0.05, lifetime_years=3.0, level=0.95)


def customers(n=4, **columns):
    own = {
        "margin_365d": 30.0,
        "revenue_365d": 100.0,
        "purchases_365d": 4.0,
        "ltv": 20.0,
        "ltv_sd": 5.0,
        "p_churn": 0.25,
        "value_at_risk": 5.0,
        "expected_lifetime_days": 100.0,
        "acquisition_cost": 10.0,
        "nps": 10.0,
        "csi": 4.0,
    }
    return pd.DataFrame({**own, **columns}, index=range(n))


def row(frame, valuation=VALUATION):
    return summarize_segment(
        frame, segment="loyal", strategy="keep", of_customers=8, valuation=valuation, payback=None, lost=None
    )


def test_the_textbook_value_is_receipt_times_frequency_times_years_times_rate():
    found = row(customers(revenue_365d=[100.0, 300, 0, 0], purchases_365d=[2.0, 8, 0, 0], margin_365d=[20.0, 80, 0, 0]))
    assert (found.average_receipt, found.purchases_a_year, found.margin_rate) == (40.0, 2.5, 0.25)
    assert found.textbook_ltv == pytest.approx(40 * 2.5 * 3 * 0.25)
    assert found.textbook_to_cac == pytest.approx(7.5)
    assert (found.customers, found.share) == (4, 0.5)


def test_the_total_adds_up_own_spread_and_grows_with_the_common_error():
    total = total_ltv(customers(), VALUATION)
    half = 1.959964 * np.sqrt(4 * 25 + (0.05 * 80) ** 2)
    assert (total.point, total.ci_lower) == pytest.approx((80.0, 80 - half))
    mean = row(customers()).ltv_mean
    assert (mean.point, mean.ci_upper, mean.unit) == (20.0, pytest.approx((80 + half) / 4), "RUB/customer")


def test_the_total_covers_money_that_falls_out_as_the_model_says():
    rng, hits = np.random.default_rng(1), 0
    frame = customers(n=300, ltv=rng.gamma(2, 50, 300), ltv_sd=rng.gamma(2, 30, 300))
    total = total_ltv(frame, VALUATION)
    for _ in range(2000):
        level = 1 + 0.05 * rng.normal()
        outcome = np.sum(frame["ltv"] * level + frame["ltv_sd"] * rng.normal(size=300))
        hits += total.ci_lower <= outcome <= total.ci_upper
    assert 0.935 < hits / 2000 < 0.965


def test_a_model_that_gives_no_spread_has_totals_without_an_interval():
    total = total_ltv(customers(ltv_sd=np.nan), VALUATION)
    assert total.point == 80.0
    assert np.isnan([total.ci_lower, total.ci_upper]).all()


def test_a_level_error_that_is_not_known_is_said():
    total = total_ltv(customers(), dataclasses.replace(VALUATION, level_sd=float("nan")))
    assert "without an error of the level" in total.method
    assert total.ci_upper == pytest.approx(80 + 1.959964 * 10)


def test_the_ratio_to_the_cost_covers_its_truth():
    rng, hits = np.random.default_rng(2), 0
    own = dataclasses.replace(VALUATION, level_sd=0.0)
    for _ in range(600):
        cost, noise = rng.gamma(2, 5, 400), 20 + 5 * rng.normal(size=400)
        ratio = row(customers(n=400, acquisition_cost=cost, ltv=20 + (noise - 20).mean()), own).ltv_to_cac
        hits += ratio.ci_lower <= 2.0 <= ratio.ci_upper
    assert 0.93 < hits / 600 < 0.985


def test_money_at_risk_covers_what_customers_take_with_them():
    rng, hits = np.random.default_rng(3), 0
    p, worth = rng.uniform(0, 1, 500), rng.gamma(2, 50, 500)
    frame = customers(n=500, p_churn=p, ltv=worth, value_at_risk=p * worth)
    found = row(frame, dataclasses.replace(VALUATION, level_sd=0.0)).value_at_risk
    for _ in range(1000):
        hits += found.ci_lower <= np.sum(worth[rng.random(500) < p]) <= found.ci_upper
    assert 0.93 < hits / 1000 < 0.97


def test_what_has_no_source_is_left_out_and_nothing_stands_in_for_it():
    nothing = dict.fromkeys(
        ["ltv", "ltv_sd", "p_churn", "value_at_risk", "expected_lifetime_days", "acquisition_cost", "nps", "csi"],
        np.nan,
    )
    found = row(customers(**nothing, revenue_365d=0.0, purchases_365d=0.0))
    absent = [name for name, value in dataclasses.asdict(found).items() if value is None]
    assert absent == [
        "ltv_total",
        "ltv_mean",
        "average_receipt",
        "purchases_a_year",
        "margin_rate",
        "textbook_ltv",
        "cac",
        "ltv_to_cac",
        "textbook_to_cac",
        "payback",
        "p_churn",
        "lost",
        "value_at_risk",
        "expected_lifetime_days",
        "nps",
        "csi",
    ]


def test_an_empty_segment_has_a_row():
    found = row(customers().iloc[:0])
    assert (found.customers, found.share, found.margin_365d, found.ltv_total) == (0, 0.0, 0.0, None)


def test_the_share_lost_has_wilsons_interval():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, score interval .2553 to .3662
    found = observed_share(np.arange(263) < 81, level=0.95, method="table I")
    assert (found.ci_lower, found.ci_upper) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert observed_share(np.empty(0, dtype=bool), level=0.95, method="") is None
