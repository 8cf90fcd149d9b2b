from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from forecast_world import make_world, one_group
from hypothesis import given
from hypothesis import strategies as st

from netlift.forecast.ahead import budget_line
from netlift.forecast.compose import ForecastBasis, forecast_margin
from netlift.forecast.contacts import BudgetLine, ContactPlan, PastCampaign, added_before, shares_by_month
from netlift.forecast.result import ALL, JOINERS, KNOWN, WhatIf
from netlift.results import Estimate

AS_OF = date(2026, 10, 1)
BASIS = ForecastBasis(business="w", as_of=AS_OF, currency="RUB", level=0.95, revenue_based=False, groups=(KNOWN,))
PROFIT = Estimate(point=100.0, ci_lower=40.0, ci_upper=160.0, level=0.95, unit="RUB", method="by hand")
PLAN = ContactPlan(
    profit=PROFIT,
    basis="policy",
    spend=50.0,
    budget=50.0,
    customers=20,
    window_days=28.0,
    curve=(BudgetLine(budget=25.0, profit=0.7, spend=0.5), BudgetLine(budget=50.0, profit=1.0, spend=1.0)),
)
PURCHASES = make_world(4, months=28, start=120, joiners=8).purchases


def forecast(**asked):
    return forecast_margin(BASIS, PURCHASES, one_group(PURCHASES), **asked)


PLANNED = forecast(plan=PLAN, what_if=WhatIf(budget=25.0, margin=1.2))
ALONE = forecast()


@given(st.floats(1, 120), st.integers(28, 31))
def test_no_window_is_counted_twice(window, month):
    plan = replace(PLAN, window_days=window)
    starts = np.arange(13) * month
    runs = plan.runs_by_month(starts)
    assert (runs >= 0).all() and (runs * window <= month + 1e-9).all()  # windows of runs never overlap
    assert runs.sum() <= starts[-1] / plan.every_days + 1


@given(st.floats(-200, 200), st.floats(1, 90))
def test_the_shares_of_a_window_add_up_to_it(begun, days):
    starts = np.arange(-400, 401, 25)
    assert shares_by_month(np.array([begun]), np.array([days]), starts).sum() == pytest.approx(1)


def test_a_past_campaign_is_taken_out_of_the_months_that_are_made_of_its_own():
    starts = PURCHASES.starts
    campaign = PastCampaign(campaign_id="C", started=date(2025, 12, 1), outcome_days=30, margin=900.0, se=90.0)
    share = added_before([campaign], AS_OF, starts, has_season=True)
    begun = (campaign.started - AS_OF).days + 360  # days into the year that the forecast is made of
    assert share.sum() == pytest.approx(1) and set(np.flatnonzero(share)) == {begun // 30, (begun + 29) // 30}
    found = forecast(campaigns=[campaign])
    growth = [ALONE.line("month", ALL, h).total.point / PURCHASES.totals[16 + h] for h in range(12)]
    assert found.removed.point == pytest.approx(900.0 * float(share[0] @ growth))
    gone = ALONE.line("year").total.point - found.line("year").total.point
    assert gone == pytest.approx(found.removed.point)
    assert found.line("year", JOINERS).total == ALONE.line("year", JOINERS).total


def test_contacts_add_a_run_a_month_and_widen_the_interval():
    line, alone = PLANNED.line("year"), ALONE.line("year")
    runs = PLAN.runs_by_month(PURCHASES.starts[PURCHASES.months :]).sum()
    assert line.contacts.point == pytest.approx(100.0 * runs) and 11.5 < runs < 12.5
    assert line.total.point == pytest.approx(alone.total.point + line.contacts.point)
    assert line.total.ci_upper - line.total.ci_lower >= alone.total.ci_upper - alone.total.ci_lower
    months = [one for one in PLANNED.lines if (one.span, one.group) == ("month", ALL)]
    assert sum(one.total.point for one in months) == pytest.approx(line.total.point)
    parts = [PLANNED.line("year", group).total.point for group in PLANNED.groups]
    assert sum(parts) == pytest.approx(line.total.point)


def test_what_if_follows_from_margin_spend_and_budget():
    by = {(one.name, one.budget, one.margin, one.churn): one for one in PLANNED.scenarios}
    line, runs = PLANNED.line("year"), PLANNED.line("year").contacts.point / 100.0
    without = line.without_contacts.point
    assert by["plan", None, 1.0, 1.0].year.point == pytest.approx(line.total.point)
    assert by["budget", 0.0, 1.0, 1.0].year.point == pytest.approx(without)
    asked = by["asked", 25.0, 1.2, 1.0].year.point  # a run's margin is 70 profit and 25 spend
    assert asked == pytest.approx(1.2 * without + runs * (1.2 * (70 + 25) - 25))
    dearer = by["margin", None, 1.1, 1.0]
    assert dearer.year_change == pytest.approx(0.1 * (without + runs * 150))
    assert by["churn", None, 1.0, 1.1].year_change < 0 < by["churn", None, 1.0, 0.9].year_change
    assert budget_line(PLAN, 12.5).profit == pytest.approx(0.35)


def test_a_profit_that_nothing_checks_leaves_the_total_without_an_interval():
    word = replace(PROFIT, ci_lower=float("nan"), ci_upper=float("nan"))
    found = forecast(plan=replace(PLAN, profit=word, basis="promise"))
    assert np.isnan(found.line("year").total.ci_lower) and np.isfinite(found.line("year").without_contacts.ci_lower)
    assert np.isfinite(found.line("year", JOINERS).total.ci_lower)


def test_higher_churn_loses_about_what_faster_leaving_would():
    """In a shop where a twentieth of customers leaves each month and nobody comes."""
    leave, times = 0.05, 1.5
    shop = make_world(3, months=28, start=1500, joiners=0, leave=leave).purchases
    found = forecast_margin(BASIS, shop, one_group(shop), what_if=WhatIf(churn=times))
    asked = next(one for one in found.scenarios if one.name == "asked")
    month = [found.line("month", ALL, h).total.point for h in range(12)]
    lost = np.dot(month, (1 - leave) ** (np.arange(12) * (times - 1)) - 1)  # faster leaving from the first day on
    assert asked.year_change == pytest.approx(lost, rel=0.3)
