from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from campaign_world import START, make_frames, make_plan, make_world, run_assign

from netlift.abtest.assignment.holdout import is_held_out, period_of
from netlift.data.arm_chances import parse_chances
from netlift.data.contract import CONTRACT
from netlift.errors import DataError, GateRefusedError, UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def frames():
    return make_frames(1)


def contacts_of(run):
    return pd.read_parquet(f"{run.path}/contacts.parquet")


def drawn(config, **changes):
    return run_assign(config, make_plan(config, **changes))


def test_the_list_is_contacts_of_the_contract(shop):
    run = drawn(shop, campaign_id="A1")
    rows = contacts_of(run)
    assert list(rows.columns) == [column.name for column in CONTRACT["contacts"].columns]
    assert rows.customer_id.is_unique and rows.customer_id.is_monotonic_increasing
    assert set(rows.offer_id) == {"control", "sms_bonus"}
    assert (rows.assigned_at == START).all()
    assert np.allclose(rows.propensity, np.where(rows.offer_id == "control", 0.2, 0.8))
    assert np.allclose(rows.contact_cost, np.where(rows.offer_id == "control", 0.0, 4.5))
    assert rows.reward_cost.isna().all() and rows.delivered_at.isna().all()
    campaign = pq.read_table(f"{run.path}/campaigns.parquet").to_pylist()
    assert campaign == [
        {"campaign_id": "A1", "started_at": START, "outcome_days": 28.0, "name": "A1", "fixed_cost": 0.0,
         "randomized": True}
    ]  # fmt: skip


def test_csv_and_parquet_hold_the_same_rows_with_leading_zeros(shop):
    run = drawn(shop, campaign_id="A2")
    told = pd.read_csv(f"{run.path}/contacts.csv", dtype={"customer_id": str})
    rows = contacts_of(run)
    assert list(told.customer_id) == list(rows.customer_id)
    assert list(told.offer_id) == list(rows.offer_id)
    assert told.customer_id.str.len().eq(6).all()


def test_the_same_plan_gives_the_same_bytes_anywhere(tmp_path, shop):
    first = drawn(shop, campaign_id="A3")
    elsewhere = make_world(tmp_path, change=lambda frames: frames.update(
        customers=frames["customers"].sample(frac=1, random_state=4)))  # fmt: skip
    plan = shop.parent / "experiments/a3/plan.yaml"
    second = run_assign(elsewhere, plan)
    for name in ("contacts.parquet", "contacts.csv", "campaigns.parquet"):
        with open(f"{first.path}/{name}", "rb") as one, open(f"{second.path}/{name}", "rb") as other:
            assert one.read() == other.read()


def test_a_list_is_drawn_once_and_said_again(shop):
    first = drawn(shop, campaign_id="A4")
    again = run_assign(shop, shop.parent / "experiments/a4")
    assert first.written and not again.written
    assert again.drawn == first.drawn


def test_new_customers_move_nobody(tmp_path, shop):
    before = contacts_of(drawn(shop, campaign_id="A5")).set_index("customer_id").offer_id

    def add(frames):
        more = frames["customers"].assign(customer_id=lambda rows: "9" + rows.customer_id, household=None)
        frames["customers"] = pd.concat([frames["customers"], more])

    grown = make_world(tmp_path, change=add)
    after = contacts_of(run_assign(grown, shop.parent / "experiments/a5")).set_index("customer_id").offer_id
    assert len(after) > len(before)
    assert after.reindex(before.index).equals(before)


def test_everybody_in_the_list_agreed_and_control_too(shop, frames):
    rows = contacts_of(drawn(shop, campaign_id="A6", offers=("sms_bonus", "email_discount")))
    people = frames["customers"].set_index("customer_id")
    agreed = people[people.consent_sms.fillna(False) & people.consent_email].index
    assert set(rows.customer_id) == set(agreed)


def test_a_channel_without_consents_is_refused(tmp_path, shop):
    make_plan(shop, campaign_id="A7")
    without = make_world(tmp_path, change=lambda frames: frames["customers"].pop("consent_sms"))
    with pytest.raises(GateRefusedError, match="no column consent_sms") as caught:
        run_assign(without, shop.parent / "experiments/a7")
    assert caught.value.exit_code == 4


def test_the_universal_holdout_is_left_out_of_every_campaign(shop):
    one = contacts_of(drawn(shop, campaign_id="A8", holdout_share=0.1))
    other = drawn(shop, campaign_id="A9", holdout_share=0.1)
    rows = contacts_of(other)
    assert set(one.customer_id) == set(rows.customer_id)
    period = period_of(START.date(), rotate_months=6, washout_days=28)
    assert not is_held_out(list(rows.customer_id), share=0.1, salt="shop-holdout", period=period).any()
    assert other.drawn.held_out == other.drawn.steps["consenting"] - len(rows) > 0
    assert not np.array_equal(one.offer_id, rows.offer_id)


def test_strata_keep_their_shares_and_say_the_chance_that_everybody_had(shop, frames):
    run = drawn(shop, campaign_id="B1", strata=("region",), control_share=0.3)
    rows = contacts_of(run).merge(frames["customers"][["customer_id", "region"]])
    for _, own in rows.groupby("region"):
        control = (own.offer_id == "control").mean()
        assert abs(control - 0.3) < 1 / len(own)
        assert np.allclose(own.propensity, np.where(own.offer_id == "control", control, 1 - control))
        vectors = [
            parse_chances(text, arm=arm, propensity=p)
            for text, arm, p in zip(own.arm_propensities, own.offer_id, own.propensity, strict=True)
        ]
        assert all(vector["control"] == pytest.approx(control) for vector in vectors)
    assert contacts_of(drawn(shop, campaign_id="B1x")).arm_propensities.isna().all(), "everybody had the same"
    assert run.drawn.strata == 3
    assert run.drawn.srm_p_value > 0.5


def test_households_stay_together_in_the_list(shop, frames):
    run = drawn(shop, campaign_id="B2", cluster="household", holdout_share=0.1)
    rows = contacts_of(run).merge(frames["customers"][["customer_id", "household"]])
    together = rows.dropna(subset="household").groupby("household").offer_id.nunique()
    assert (together == 1).all()
    units = rows.household.dropna().nunique() + rows.household.isna().sum()
    assert run.drawn.clusters == units


def test_a_limit_takes_so_many_by_chance(shop):
    rows = contacts_of(drawn(shop, campaign_id="B3", customers=500))
    assert len(rows) == 500
    assert 150 < (rows.customer_id < "001500").sum() < 350


def test_a_changed_plan_is_not_drawn(shop):
    path = make_plan(shop, campaign_id="B4")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("tolerance: 500.0", "tolerance: 900.0"))
    with pytest.raises(GateRefusedError, match="was changed since"):
        run_assign(shop, path)


def test_a_campaign_is_never_drawn_from_two_plans(shop):
    drawn(shop, campaign_id="B5")
    other = make_plan(shop, campaign_id="B5", slug="other-b5", control_share=0.5)
    with pytest.raises(GateRefusedError, match="was drawn before from another plan"):
        run_assign(shop, other)


def test_a_campaign_that_has_contacts_is_not_drawn_again(shop):
    plan = make_plan(shop, campaign_id="C01")
    with pytest.raises(GateRefusedError, match="has 400 contacts already"):
        run_assign(shop, plan)


def test_a_list_that_somebody_touched_is_not_passed_on(shop):
    run = drawn(shop, campaign_id="B6")
    with open(f"{run.path}/contacts.csv", "a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(GateRefusedError, match="is not what was written"):
        run_assign(shop, shop.parent / "experiments/b6")


def test_a_draw_after_the_window_began_is_refused(tmp_path, shop):
    make_plan(shop, campaign_id="B7")

    def late(frames):
        last = frames["transactions"].tail(1).assign(occurred_at=datetime(2026, 10, 9), transaction_id="late")
        frames["transactions"] = pd.concat([frames["transactions"], last])

    with pytest.raises(GateRefusedError, match="can be seen already"):
        run_assign(make_world(tmp_path, change=late), shop.parent / "experiments/b7")


def test_what_happens_after_the_start_changes_no_list(tmp_path, shop):
    first = contacts_of(drawn(shop, campaign_id="B8", eligible=("days_since_last_purchase <= 60",)))

    def more(frames):
        day = frames["transactions"].drop_duplicates("customer_id")
        day = day.assign(occurred_at=START, transaction_id=lambda rows: "x" + rows.transaction_id)
        frames["transactions"] = pd.concat([frames["transactions"], day])

    second = run_assign(make_world(tmp_path, change=more), shop.parent / "experiments/b8")
    assert contacts_of(second).equals(first)


def test_a_plan_of_another_currency_is_refused(tmp_path, shop):
    path = make_plan(shop, campaign_id="B9")
    other = make_world(tmp_path)
    other.write_text(other.read_text().replace("currency: EUR", "currency: RUB"))
    with pytest.raises(UsageError, match=r"EUR.*RUB"):
        run_assign(other, path)


def test_nobody_left_is_an_error_that_counts_the_steps(tmp_path, shop):
    make_plan(shop, campaign_id="D1")
    nobody = make_world(tmp_path, change=lambda frames: frames.update(
        customers=frames["customers"].assign(consent_sms=False)))  # fmt: skip
    with pytest.raises(DataError, match=r"nobody is left.*consenting 0"):
        run_assign(nobody, shop.parent / "experiments/d1")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_manifest_and_the_text_say_the_same_counts(shop, language):
    make_plan(shop, campaign_id="D2")
    run = run_assign(shop, shop.parent / "experiments/d2", language=language)
    with open(f"{run.path}/manifest.json", encoding="utf-8") as file:
        manifest = json.load(file)
    rows = contacts_of(run)
    assert {arm["arm"]: arm["customers"] for arm in manifest["arms"]} == rows.offer_id.value_counts().to_dict()
    assert manifest["plan_digest"] == manifest["digests"]["plan"]
    assert "netlift readout D2" in run.to_text()
