from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scorecard_world import LOST, MONTH, RULE, make_basis, make_frames, make_snapshot
from segment_tables import make_tables

from netlift.results import Estimate
from netlift.scorecards.build import build_scorecard, combine_effects
from netlift.segments.figures import TOTAL
from netlift.segments.metrics import METRICS
from netlift.segments.monthly import JOINED, sum_channels, sum_month

pytestmark = pytest.mark.slow

ADDING = (
    "margin",
    "revenue",
    "ltv_total",
    "value_at_risk",
    "customers",
    "active_customers",
    "new_customers",
    "lost_customers",
    "returned_customers",
    "contact_cost",
    "reward_cost",
)


def make_card(seed=1, *, basis=None, months=(MONTH,), compared=(), drop=(), effects=None):
    rng = np.random.default_rng(seed)
    frames = {name: frame for name, frame in make_frames(rng).items() if name not in drop}
    tables = make_tables(frames)
    sums = {m: sum_month(tables, m, make_snapshot(frames, rng, m), lost=LOST, rule=RULE) for m in (*months, *compared)}
    channels = sum_channels(tables, tuple(months))
    return build_scorecard(basis or make_basis(), sums, shown=months, channels=channels, effects=effects or {})


def an_estimate(point, half, level=0.95):
    return Estimate(
        point=point, ci_lower=point - half, ci_upper=point + half, level=level, unit="RUB", method="difference"
    )


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000))
def test_what_adds_up_does_so_over_the_segments(seed):
    card = make_card(seed)
    figures = card.index()
    for name in ADDING:
        parts = [figures[MONTH.first, segment, name].value for segment in card.segments if segment != TOTAL]
        whole = figures[MONTH.first, TOTAL, name].value
        assert sum(part for part in parts if part is not None) == pytest.approx(whole or 0.0)


def test_every_month_segment_and_metric_has_one_figure_or_one_reason():
    card = make_card(months=(MONTH.before(1), MONTH))
    assert len(card.figures) == len(card.index()) == 2 * len(card.segments) * len(METRICS)
    for figure in card.figures:
        assert (figure.value is None) == bool(figure.absent)
        if figure.estimate:
            assert figure.estimate.ci_lower <= figure.value <= figure.estimate.ci_upper


def test_shares_and_means_carry_an_interval():
    figures = make_card().index()
    for name in (
        "ltv",
        "ltv_total",
        "churn_predicted",
        "churn_observed",
        "purchase_frequency",
        "average_receipt",
        "cac",
        "ltv_to_cac",
        "nps",
        "csi",
    ):
        assert figures[MONTH.first, TOTAL, name].estimate is not None, name


def test_figures_are_those_of_the_raw_rows():
    rng = np.random.default_rng(1)
    frames = make_frames(rng)
    snapshot = make_snapshot(frames, rng)
    figures = make_card(1).index()
    receipts = frames["transactions"]
    receipts = receipts[(receipts["occurred_at"] >= "2026-03-01") & (receipts["occurred_at"] < "2026-04-01")]
    bought = receipts[~receipts["is_return"]]
    answers = frames["surveys"]
    answers = answers[(answers["answered_at"] >= "2026-03-01") & (answers["answered_at"] < "2026-04-01")]
    nps = answers.loc[answers["kind"] == "nps", "score"]
    both = snapshot.dropna(subset=["ltv", "acquisition_cost"])
    both = both[both["acquisition_cost"] > 0]
    told = {
        "revenue": receipts["revenue"].sum(),
        "average_receipt": bought["revenue"].mean(),
        "purchase_frequency": len(bought) / bought["customer_id"].nunique(),
        "ltv": snapshot["ltv"].mean(),
        "churn_predicted": snapshot["p_churn"].mean(),
        "value_at_risk": (snapshot["ltv"] * snapshot["p_churn"]).sum(),
        "nps": 100 * ((nps >= 9).mean() - (nps <= 6).mean()),
        "csi": answers.loc[answers["kind"] == "csi", "score"].mean(),
        "ltv_to_cac": both["ltv"].sum() / both["acquisition_cost"].sum(),
    }
    for name, value in told.items():
        assert figures[MONTH.first, TOTAL, name].value == pytest.approx(value), name


@pytest.mark.parametrize(
    ("missing", "metric", "reason"),
    [
        ("ltv", "ltv_total", "no_ltv"),
        ("ltv", "value_at_risk", "no_ltv"),
        ("churn", "value_at_risk", "no_churn"),
        ("churn", "churn_predicted", "no_churn"),
        ("churn_rule", "churn_observed", "no_churn_rule"),
        ("surveys", "nps", "no_surveys"),
        ("contacts", "contacts_per_customer", "no_contacts"),
        ("acquisition_cost", "cac", "no_acquisition_cost"),
        ("reward_cost", "reward_cost", "no_reward_cost"),
    ],
)
def test_a_figure_without_a_source_is_absent_with_its_reason_and_never_zero(missing, metric, reason):
    figure = make_card(basis=make_basis(missing=frozenset({missing}))).index()[MONTH.first, TOTAL, metric]
    assert (figure.value, figure.absent) == (None, reason)


def test_tables_that_are_not_there_do_not_break_the_card():
    card = make_card(drop=("surveys", "contacts", "offers"), basis=make_basis(missing=frozenset({"surveys"})))
    assert card.index()[MONTH.first, TOTAL, "nps"].absent == "no_surveys"


def test_profit_of_contacts_is_never_a_number_without_a_readout():
    figures = make_card().index()
    assert figures[MONTH.first, TOTAL, "incremental_profit"].absent == "no_readout"
    assert figures[MONTH.first, "champions", "contacts_roi"].absent == "by_campaign"


def test_readouts_of_a_month_are_summed_with_their_errors():
    effect = combine_effects([(an_estimate(100.0, 30.0), 50.0), (an_estimate(-20.0, 40.0), 30.0)])
    figures = make_card(effects={MONTH: effect}).index()
    profit, roi = (figures[MONTH.first, TOTAL, name] for name in ("incremental_profit", "contacts_roi"))
    assert (profit.value, profit.ci_lower, profit.ci_upper) == pytest.approx((80.0, 30.0, 130.0))
    assert (roi.value, roi.ci_lower) == pytest.approx((1.0, 30 / 80))
    assert combine_effects([(an_estimate(5.0, 1.0), 0.0)]).roi is None


def test_readouts_of_another_level_weigh_the_same():
    narrow = combine_effects([(an_estimate(0.0, 1.6448536, level=0.9), 1.0)]).profit.half_width[0]
    assert narrow == pytest.approx(1.959964)


def test_a_month_that_is_not_mature_has_no_observed_churn():
    newest = MONTH.before(-1)
    card = make_card(months=(MONTH, newest))
    assert card.index()[newest.first, TOTAL, "churn_observed"].absent == "not_mature"
    assert card.index()[MONTH.first, TOTAL, "churn_observed"].value is not None


def test_changes_are_against_the_month_and_the_year_before_where_there_are_both():
    card = make_card(months=(MONTH,), compared=(MONTH.before(1),))
    assert {change.against for change in card.changes} == {"month"}
    change = next(c for c in card.changes if (c.segment, c.metric) == (TOTAL, "margin"))
    assert change.difference == pytest.approx(change.value - change.earlier)
    assert change.relative == pytest.approx(change.difference / abs(change.earlier)) and change.is_clear
    assert card.months == (MONTH.first,), "what is compared with is not shown"
    shares = {c.metric: c.relative for c in card.changes if c.segment == TOTAL}
    assert shares["churn_predicted"] is None and shares["nps"] is None
    assert len(make_card().changes) == len(make_card().highlights) == 0


def test_a_change_within_the_intervals_is_not_clear():
    card = make_card(months=(MONTH.before(1), MONTH))
    figures = card.index()
    estimated = [
        (change, max(now.ci_upper - now.point, then.ci_upper - then.point))
        for change in card.changes
        if (now := figures[MONTH.first, change.segment, change.metric].estimate)
        and (then := figures[MONTH.before(1).first, change.segment, change.metric].estimate)
    ]
    assert {change.is_clear for change, _ in estimated} == {True, False}
    assert all(abs(change.difference) > 0.7 * half for change, half in estimated if change.is_clear)


def test_the_segments_named_are_those_where_most_money_surely_changed():
    card = make_card(months=(MONTH.before(1), MONTH))
    named = card.highlights.rows
    assert named[0].segment == TOTAL and len({change.segment for change in named}) == len(named)
    figures = card.index()

    def surely(segment, metric):
        now, then = (figures[month.first, segment, metric] for month in (MONTH, MONTH.before(1)))
        if now.value is None or then.value is None:
            return 0.0
        halves = [(f.ci_upper - f.ci_lower) / 2 for f in (now, then) if f.ci_lower is not None]
        return max(0.0, abs(now.value - then.value) - np.hypot.reduce([*halves, 0.0]))

    money = ("margin", "ltv_total", "value_at_risk", "incremental_profit")
    most = {segment: max(surely(segment, metric) for metric in money) for segment in card.segments if segment != TOTAL}
    expected = sorted((value for value in most.values() if value > 0), reverse=True)[:5]
    assert expected and [change.surely for change in named[1:]] == pytest.approx(expected)


def test_ltv_at_risk_has_the_range_of_customers_who_leave_or_stay_with_an_error_that_all_share():
    rng = np.random.default_rng(1)
    snapshot = make_snapshot(make_frames(rng), rng, MONTH).dropna(subset=["ltv", "p_churn"])
    worth, p = snapshot["ltv"].clip(lower=0), snapshot["p_churn"]
    basis = make_basis()
    figure = make_card(1, basis=basis).index()[MONTH.first, TOTAL, "value_at_risk"]
    sd = np.hypot(np.sqrt((worth**2 * p * (1 - p)).sum()), basis.level_sd * figure.value)
    assert figure.value == pytest.approx((worth * p).sum())
    assert figure.ci_upper - figure.value == pytest.approx(1.959964 * sd)


def test_a_small_segment_that_trebled_stands_behind_a_large_one_that_grew_a_little():
    def sums(large, small):
        rows = {"large": {"margin": large, "receipts": 900.0}, "small": {"margin": small, "receipts": 3.0}}
        return pd.DataFrame(rows).T

    months = {MONTH.before(1): sums(1_000_000.0, 100.0), MONTH: sums(1_050_000.0, 300.0)}
    channels = pd.DataFrame(columns=["month", "channel", "joined", "cac_known", "cac_sum", "cac_sq"])
    basis = make_basis(segments=("small", "large"), missing=frozenset({"ltv", "churn"}))
    card = build_scorecard(basis, months, shown=tuple(months), channels=channels, effects={})
    assert [(change.segment, change.difference) for change in card.highlights] == [
        (TOTAL, 50_200.0), ("large", 50_000.0), ("small", 200.0),
    ]  # fmt: skip


def test_segments_stand_in_the_order_of_the_business_and_strangers_last():
    card = make_card(basis=make_basis(segments=("sleeping", "champions")))
    assert card.segments[:3] == (TOTAL, "sleeping", "champions") and JOINED in card.segments[3:]


def test_the_cost_of_a_channel_is_the_mean_of_its_customers():
    card = make_card()
    customers = make_frames(np.random.default_rng(1))["customers"]
    customers = customers[customers["joined_at"].dt.strftime("%Y-%m") == "2026-03"]
    assert card.channels
    for row in card.channels:
        own = customers["acquisition_channel"]
        costs = customers.loc[own.isna() if row.channel is None else own == row.channel, "acquisition_cost"]
        assert (row.joined, row.known) == (len(costs), costs.count())
        assert row.cac == (None if row.known == 0 else pytest.approx(costs.mean()))


def test_the_document_holds_plain_values_and_the_version_of_its_schema():
    document = make_card().to_document()
    assert document["schema_version"] == 1 and document["months"] == ["2026-03-01"]
    assert "nan" not in str(document)
    pd.DataFrame(document["figures"]["rows"])


def test_without_a_spread_ltv_has_no_interval():
    rng = np.random.default_rng(1)
    frames = make_frames(rng)
    snapshot = make_snapshot(frames, rng).assign(ltv_sd=np.nan)
    sums = {MONTH: sum_month(make_tables(frames), MONTH, snapshot, lost=LOST, rule=RULE)}
    channels = sum_channels(make_tables(frames), (MONTH,))
    card = build_scorecard(replace(make_basis()), sums, shown=(MONTH,), channels=channels, effects={})
    figure = card.index()[MONTH.first, TOTAL, "ltv_total"]
    assert figure.value is not None and figure.estimate is None
