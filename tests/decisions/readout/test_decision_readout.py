"""A launch read back: known truths recovered, broken logs refused by name and count."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from decision_launch import DAY, EPSILON, HOLDOUT, KEY, OFFERS, launch
from segment_world import make_retailer, opened

from netlift.decisions.readout.compute import DecisionReading, read_decisions
from netlift.decisions.readout.outcomes import gather_outcomes
from netlift.decisions.readout.record import load_decisions, record_of
from netlift.errors import DataError, UsageError
from netlift.evaluation.policy.off_policy import NOBODY
from netlift.results import Estimate

pytestmark = pytest.mark.slow

READING = DecisionReading(holdout_share=HOLDOUT, epsilon=EPSILON, currency="RUB", level=0.95)


@pytest.fixture(scope="module")
def launched():
    return launch(60_000, seed=11)


@pytest.fixture(scope="module")
def read(launched):
    n = len(launched.log)
    rivals = {"everybody mail": np.zeros(n, dtype=int), "second thoughts": 2 - np.maximum(launched.policy, 0)}
    return read_decisions(record_of(launched.log), launched.outcomes, READING, challengers=rivals)


def test_groups_recover_what_the_decisions_earned(launched, read):
    out = launched.held_out
    given = launched.log["offer_id"].map({**{o: j for j, o in enumerate(OFFERS)}, "none": -1}).to_numpy()
    lines = {(line.group, line.against): line for line in read.groups}
    decided = lines["decided", "holdout"]
    assert decided.customers == (~out).sum() and decided.others == out.sum()
    assert decided.per_customer.ci_lower < launched.truth(given, ~out) < decided.per_customer.ci_upper
    assert decided.total.point == pytest.approx(decided.per_customer.point * decided.customers)
    policy = lines["policy", "holdout"].per_customer
    assert policy.ci_lower < launched.truth(launched.policy, ~out) < policy.ci_upper
    assert policy.point > decided.per_customer.point, "exploring costs"
    served = lines["policy", "holdout"]
    assert served.total.point == pytest.approx(policy.point * decided.customers), "of all whom it stands for"
    assert served.customers < decided.customers
    explored = launched.log["arm"].to_numpy() == "explore"
    open_to = launched.open_to & ~out
    truth = launched.truth(launched.policy, open_to) - launched.truth(given, explored)
    against = lines["policy", "explore"].per_customer
    assert 0 < against.ci_lower < truth < against.ci_upper


def test_who_is_tried_with_a_new_offer_is_in_neither_group_and_the_policy_stands_for_them():
    made = launch(60_000, seed=12, new=True)
    record = record_of(made.log)
    whole = 0.2 * (1 - EPSILON)  # the most that is tried
    has_new = np.nan_to_num(record.chances[:, 3]) > 0
    assert (record.arm == "new_offer").mean() == pytest.approx(whole * has_new.mean(), rel=0.05)
    reading = replace(READING, tried=whole, new_offers=("call",))
    np.testing.assert_allclose(reading.by_lot(record)[record.open_to], EPSILON + whole * has_new[record.open_to])
    found = read_decisions(record, made.outcomes, reading)
    assert not any(check.alarm for check in found.checks)
    lines = {(line.group, line.against): line.per_customer for line in found.groups}
    truth = made.truth(made.policy, ~made.held_out)
    policy = lines["policy", "holdout"]
    assert policy.ci_lower < truth < policy.ci_upper
    lot = found.replay.rows[0]
    assert lot.value.ci_lower < lot.value.point < lot.value.ci_upper


def test_the_policy_stands_for_everybody_by_the_chance_to_be_served_by_it(launched, read):
    log = launched.log.merge(
        pd.DataFrame(
            {
                "customer_id": launched.outcomes.ids,
                "profit": launched.outcomes.margin - launched.outcomes.contact_cost,
            }
        )
    )
    served = log[log["arm"] == "policy"]
    weight = np.where(served["p_none"] < 1, 1 / (1 - EPSILON), 1.0)
    held_out = log.loc[log["arm"] == "holdout", "profit"].mean()
    expected = np.average(served["profit"], weights=weight) - held_out
    assert read.groups.rows[1].per_customer.point == pytest.approx(expected, rel=1e-9)
    assert expected != pytest.approx(served["profit"].mean() - held_out, rel=1e-3)


def test_predictions_that_come_true_have_a_slope_of_one_and_rising_tenths(launched, read):
    assert not read.drift.has_drifted and read.drift.change.ci_lower < 0 < read.drift.change.ci_upper
    assert read.drift.now.ci_upper - read.drift.now.ci_lower < 0.8
    assert len(read.tenths) == 10
    inside = sum(row.realised.ci_lower <= row.predicted <= row.realised.ci_upper for row in read.tenths)
    assert inside >= 8
    assert read.tenths.rows[0].realised.point > read.tenths.rows[-1].realised.point
    given = launched.log["offer_id"] != "none"
    assert read.expected == pytest.approx(launched.log.loc[given, "expected_profit"].sum())


def test_predictions_twice_too_large_are_found_and_held_against_training():
    wrong = launch(60_000, seed=12, slope=0.4)
    record = record_of(wrong.log)
    drift = read_decisions(record, wrong.outcomes, READING).drift
    assert drift.has_drifted and drift.change.ci_upper < 0
    then = Estimate(point=0.45, ci_lower=0.3, ci_upper=0.6, level=0.95, unit="", method="held out")
    again = read_decisions(record, wrong.outcomes, replace(READING, slope_before=then)).drift
    assert not again.has_drifted
    below, above = (drift.now.point - drift.now.ci_lower, drift.now.ci_upper - drift.now.point)
    width = again.change.ci_upper - again.change.ci_lower
    assert width == pytest.approx(np.hypot(below, 0.15) + np.hypot(above, 0.15))


def test_the_replay_tells_what_challengers_would_have_earned(launched, read):
    open_to = launched.open_to & ~launched.held_out
    rows = {row.policy: row for row in read.replay}
    record = record_of(launched.log)
    for name, choice in (("everybody mail", np.zeros(len(record), dtype=int)), (NOBODY, np.full(len(record), -1))):
        on_offer = record.chances[np.arange(len(record)), choice + 1] > 0
        taken = np.where(on_offer, choice, -1)
        truth = launched.truth(launched.policy, open_to) - launched.truth(taken, open_to)
        gain = rows[name].ours_above
        assert gain.ci_lower < truth < gain.ci_upper
    assert rows[NOBODY].ours_above.ci_lower > 0 and rows["second thoughts"].ours_above.ci_lower > 0
    assert rows["policy"].effective_rows > 4 * rows[NOBODY].effective_rows, "only the explored part tells of others"
    assert 0.05 < rows["everybody mail"].without_support < 0.15
    itself = read_decisions(record, launched.outcomes, READING, challengers={"same": record.policy}).replay
    same = {row.policy: row for row in itself}["same"].ours_above
    assert (same.point, same.ci_lower, same.ci_upper) == (0, 0, 0)


def test_intervals_of_the_groups_cover_in_repeated_launches():
    covered = np.zeros(2)
    for seed in range(60):
        one = launch(3_000, seed=100 + seed)
        read = read_decisions(record_of(one.log), one.outcomes, READING)
        assert read.is_sound
        gain = {row.policy: row for row in read.replay}[NOBODY].ours_above
        open_to = one.open_to & ~one.held_out
        for k, (estimate, truth) in enumerate(
            [(read.groups.rows[1].per_customer, one.truth(one.policy, ~one.held_out)),
             (gain, one.truth(one.policy, open_to))]
        ):  # fmt: skip
            covered[k] += estimate.ci_lower <= truth <= estimate.ci_upper
    assert (covered >= 53).all()


def test_groups_of_the_wrong_size_raise_the_alarm(launched):
    log = launched.log
    assert read_decisions(record_of(log), launched.outcomes, READING).is_sound
    lost = log[~((log["arm"] == "holdout") & (np.arange(len(log)) % 3 == 0))]
    read = read_decisions(record_of(lost), launched.outcomes, READING)
    assert not read.is_sound and read.checks[0].alarm and not read.checks[2].alarm
    fewer = log[~((log["arm"] == "explore") & (np.arange(len(log)) % 3 == 0))]
    assert read_decisions(record_of(fewer), launched.outcomes, READING).checks[1].alarm


def test_a_log_without_what_the_policy_expected_has_no_tenths(launched):
    read = read_decisions(record_of(launched.log.drop(columns="policy_profit")), launched.outcomes, READING)
    assert read.tenths is None and read.drift is None and read.is_sound


def test_broken_logs_are_refused_by_name_and_count(launched, tmp_path):
    log = launched.log.head(500)

    def broken(change):
        changed = log.copy()
        change(changed)
        return changed

    def spoil(frame, rows, column, value):
        frame.loc[frame.index[rows], column] = value

    out = np.flatnonzero(log["arm"] == "holdout")[:3]
    played = np.flatnonzero(log["arm"] != "holdout")
    cases = [
        (lambda f: spoil(f, played[:7], "p_none", 2.0), "7 of 500 rows have chances that do not add up to 1"),
        (lambda f: spoil(f, out, "offer_id", "sms"), "3 of 500 customers of the holdout got an offer"),
        (lambda f: spoil(f, played[:2], "propensity", 0.123), "2 of 500 rows have a propensity that is not the chance"),
        (lambda f: spoil(f, played[:4], "p_sms", np.nan), "4 of 500 rows have a chance that is missing"),
        (lambda f: spoil(f, [1], "customer_id", f["customer_id"].iloc[0]), "1 of 500 rows repeat a customer"),
        (lambda f: spoil(f, [5], "arm", "chosen"), "1 of 500 rows have an arm that is none of"),
        (lambda f: spoil(f, [5], "offer_id", "gift"), "1 of 500 rows have an offer without a column"),
        (lambda f: spoil(f, [5], "run_key", "other"), "run_key: 2 values"),
        (lambda f: f.drop(columns=["arm", "p_none"], inplace=True), "no columns arm, p_none"),
    ]
    for change, told in cases:
        with pytest.raises(DataError, match=told):
            record_of(broken(change))
    with pytest.raises(DataError, match="no rows"):
        record_of(log.head(0))
    with pytest.raises(UsageError, match="no log"):
        load_decisions(tmp_path / "decisions.parquet")


def test_customers_whom_nobody_knows_are_refused_by_count(launched):
    log = launched.log.head(500).copy()
    log.loc[log.index[:9], "customer_id"] = [f"stranger{i}" for i in range(9)]
    with pytest.raises(DataError, match="9 of 500 customers of the log") as told:
        read_decisions(record_of(log), launched.outcomes, READING)
    assert "stranger" not in str(told.value)


def test_a_run_without_chance_cannot_be_read(launched):
    with pytest.raises(DataError, match="nothing was left to chance"):
        read_decisions(record_of(launched.log), launched.outcomes, replace(READING, epsilon=0.0))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    return folder, make_retailer(folder, customers=300)


def _decided(folder, *, day):
    """A log by hand over the shop's customers, and its contacts as they come back with what was paid."""
    ids = sorted(pd.read_parquet(folder / "var" / "demo" / "customers.parquet")["customer_id"])
    one = launch(len(ids), seed=5)
    log = one.log.assign(customer_id=ids, as_of=day)
    drawn = log[log["arm"] != "holdout"]
    contacts = pd.DataFrame(
        {
            "campaign_id": KEY, "customer_id": drawn["customer_id"],
            "assigned_at": np.datetime64(day, "us"), "offer_id": drawn["offer_id"].replace("none", "control"),
            "propensity": drawn["propensity"], "contact_cost": np.where(drawn["offer_id"] == "none", 0.0, 3.0),
            "reward_cost": np.where(drawn["offer_id"] == "sms", 7.0, np.nan),
            "delivered_at": pd.Series(pd.NaT, index=drawn.index, dtype="datetime64[us]"),
        }
    )  # fmt: skip
    return log, contacts


def test_outcomes_of_everybody_are_those_of_the_raw_receipts(shop):
    import ibis

    folder, config = shop
    day = DAY - timedelta(days=40)
    log, contacts = _decided(folder, day=day)
    with opened(config) as (_, tables):
        record = record_of(log)
        own = tables.replace(contacts=ibis.memtable(contacts))
        spans = {"outcome_days": 28, "before_days": 90, "until": datetime(2026, 10, 1)}
        found = gather_outcomes(own, record, **spans)
        receipts = pd.read_parquet(folder / "var" / "demo" / "transactions.parquet")
        at = receipts["occurred_at"]
        start = pd.Timestamp(day)
        within = receipts[(at >= start) & (at < start + pd.Timedelta(days=28))]
        before = receipts[(at < start) & (at >= start - pd.Timedelta(days=90))]
        for name, part in (("margin", within), ("before", before)):
            expected = part.groupby("customer_id")["margin"].sum().reindex(log["customer_id"]).fillna(0.0)
            if name == "before":  # a covariate, taken as the logarithm of hundredths
                expected = np.log1p(expected.clip(lower=0) / 0.01)
            assert np.allclose(getattr(found, name), expected) and expected.abs().sum() > 0
        given = (log["offer_id"] != "none").to_numpy()
        assert np.allclose(found.contact_cost, np.where(given, 3.0, 0.0))
        assert np.allclose(found.reward, np.where(log["offer_id"] == "sms", 7.0, 0.0))
        with pytest.raises(DataError, match="40 of the window's 60 days"):
            gather_outcomes(own, record, **{**spans, "outcome_days": 60})
        with pytest.raises(DataError, match="no row of the campaign"):
            gather_outcomes(tables, record, **spans)
        touched = contacts.head(2).assign(
            customer_id=log.loc[log["arm"] == "holdout", "customer_id"].head(2).to_numpy(), offer_id="sms"
        )
        with pytest.raises(DataError, match=r"2 of \d+ customers of the holdout were contacted"):
            gather_outcomes(tables.replace(contacts=ibis.memtable(pd.concat([contacts, touched]))), record, **spans)
        strangers = record_of(log.assign(customer_id=["x" + i for i in log["customer_id"]]))
        with pytest.raises(DataError, match="customers of the log are not known"):
            gather_outcomes(own, strangers, **spans)
