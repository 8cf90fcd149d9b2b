"""What a campaign earned, held against raw rows, known effects, published figures and spoilt input."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from readout_world import ASSIGNED, DAYS, make_market, read, settings

from netlift.errors import ConfigError, DataError, UsageError

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture(scope="module")
def market():
    return make_market(unequal=False)


@pytest.fixture(scope="module")
def spring(market):
    return read(market, how=settings(segments=("region",)))


def status(readout, name):
    return next(check for check in readout.checks if check.name == name).status


def by_hand(market, campaign="K1"):
    """One row per assigned customer, by pandas alone."""
    rows = market.contacts[market.contacts.campaign_id == campaign].set_index("customer_id")
    seen = market.transactions.join(rows[["assigned_at"]], on="customer_id", how="inner")
    late = seen.occurred_at - seen.assigned_at
    inside = seen[(late >= pd.Timedelta(0)) & (late < pd.Timedelta(days=DAYS))]
    sums = inside.groupby("customer_id")[["revenue", "margin"]].sum()
    return rows.join(sums).fillna({"revenue": 0.0, "margin": 0.0})


def test_the_money_is_what_raw_rows_give(market, spring):
    rows = by_hand(market)
    treated, control = rows[rows.offer_id == "mail"], rows[rows.offer_id == "control"]
    ours, theirs = (part.margin - part.reward_cost - part.contact_cost for part in (treated, control))
    expected = len(treated) * (ours.mean() - theirs.mean()) - 200.0
    arm = spring.arms[0]
    line = {money.name: money for money in arm.money}
    assert line["profit"].raw_total.point == pytest.approx(expected)
    error = len(treated) * np.sqrt(ours.var() / len(treated) + theirs.var() / len(control))
    raw = line["profit"].raw_total
    assert (raw.ci_upper - raw.ci_lower) / 2 == pytest.approx(1.96 * error, rel=0.01)
    assert line["revenue"].raw_total.point == pytest.approx(
        len(treated) * (treated.revenue.mean() - control.revenue.mean())
    )
    assert line["margin"].total.point - line["reward"].total.point - line["contact_cost"].total.point - 200.0 == (
        pytest.approx(line["profit"].total.point)
    )
    assert arm.assigned == len(treated)
    assert arm.buyers == int((treated.revenue > 0).sum())
    assert arm.delivered_share == pytest.approx(treated.delivered_at.notna().mean())


def test_the_effect_that_was_put_in_is_found_and_adjustment_narrows_it(spring):
    arm = spring.arms[0]
    per_customer = arm.money[-1].per_customer
    truth = 6.0 - 0.5 - 0.4 - 200.0 / arm.assigned  # margin, contact, rewards of about two buyers in five, fixed cost
    assert per_customer.ci_lower < truth < per_customer.ci_upper
    raw, total = arm.money[-1].raw_total, arm.money[-1].total
    assert total.ci_upper - total.ci_lower < 0.9 * (raw.ci_upper - raw.ci_lower)
    assert spring.verdict.code == "made_money"
    assert all(check.status in ("passed", "not_checked") for check in spring.checks)


def test_different_chances_do_not_pass_for_an_effect():
    """Rich customers are contacted seldom: the plain difference is far below the truth, the readout is not."""
    market = make_market(6000, seed=3, unequal=True)
    rows = by_hand(market)
    naive = rows[rows.offer_id == "mail"].margin.mean() - rows[rows.offer_id == "control"].margin.mean()
    found = read(market).arms[0]
    margin = next(line for line in found.money if line.name == "margin")
    raw = margin.raw_total
    assert naive < 6.0 - 6
    for estimate in (margin.total, raw):
        assert estimate.ci_lower / found.assigned < 6.0 < estimate.ci_upper / found.assigned


def test_days_end_where_the_total_is(spring):
    arm = spring.arms[0]
    last = spring.days[-1]
    assert last.day == DAYS - 1
    assert last.profit.point == pytest.approx(arm.profit.point)
    assert spring.days[0].profit.point < last.profit.point


def test_segments_of_one_truth_are_drawn_together(spring):
    raw = [row.raw.point for row in spring.segments]
    shrunken = [row.shrunken.point for row in spring.segments]
    assert {row.segment for row in spring.segments} == {"north", "south", "east"}
    assert np.ptp(shrunken) < np.ptp(raw)
    assert sum(row.treated for row in spring.segments) == spring.arms[0].assigned
    assert all(row.planned for row in spring.segments)


def test_columns_asked_for_beside_the_plan_are_exploratory(market):
    found = read(market, split_by=("region",))
    assert found.segments
    assert not any(row.planned for row in found.segments)


@pytest.mark.parametrize("spoil", ["ratio", "window", "contacted", "torn"])
def test_a_failed_check_takes_the_verdict_and_leaves_the_numbers(market, spoil):
    contacts = market.contacts.copy()
    request, check = {}, {"ratio": "planned_split", "window": "window_closed"}.get(spoil, "")
    if spoil == "ratio":
        contacts = contacts.drop(contacts[contacts.offer_id == "control"].index[:300])
    elif spoil == "window":
        request = {"as_of": (ASSIGNED + pd.Timedelta(days=5)).to_pydatetime()}
    elif spoil == "contacted":
        contacts.loc[contacts[contacts.offer_id == "control"].index[:40], "delivered_at"] = ASSIGNED
        check = "control_contacted"
    else:
        twice = contacts[contacts.offer_id == "mail"].head(10).assign(offer_id="control", contact_cost=0.0)
        contacts, check = pd.concat([contacts, twice], ignore_index=True), "two_arms"
    found = read(market.but(contacts=contacts), **request)
    assert status(found, check) == "failed"
    assert found.verdict.code == "blocked"
    assert {arm.verdict.code for arm in found.arms} == {"blocked"}
    assert np.isfinite(found.profit.point)


def test_a_campaign_nobody_randomized_gets_numbers_and_no_verdict(market):
    contacts = market.contacts.assign(propensity=np.nan)
    campaigns = market.campaigns.assign(randomized=False)
    found = read(market.but(contacts=contacts, campaigns=campaigns))
    assert found.observational
    assert found.verdict.code == "observational"
    assert status(found, "randomized") == "failed"
    assert np.isfinite(found.profit.point)


def test_an_unknown_campaign_is_named_with_what_was_probably_meant(market):
    with pytest.raises(UsageError, match=r"no campaign 'K2'.*K1"):
        read(market, "K2")


@pytest.mark.parametrize("arm", ["control", "mail"])
def test_a_campaign_without_two_arms_is_refused(market, arm):
    contacts = market.contacts[market.contacts.offer_id != arm]
    with pytest.raises(DataError, match="campaign 'K1' has n"):
        read(market.but(contacts=contacts))


def test_a_single_customer_in_an_arm_is_refused(market):
    mail = market.contacts[market.contacts.offer_id == "mail"].head(1)
    control = market.contacts[market.contacts.offer_id == "control"]
    with pytest.raises(DataError, match="at least 2"):
        read(market.but(contacts=pd.concat([mail, control], ignore_index=True)))


def test_a_campaign_after_which_nobody_bought_cannot_be_told(market):
    early = market.transactions[
        (market.transactions.occurred_at < ASSIGNED)
        | (market.transactions.occurred_at >= ASSIGNED + pd.Timedelta(days=40))
    ]
    contacts = market.contacts.assign(reward_cost=0.0)
    found = read(market.but(transactions=early, contacts=contacts))
    assert found.verdict.code == "cannot_tell_yet"
    assert found.arms[0].buyers == 0
    assert found.profit.point == pytest.approx(-0.5 * found.arms[0].assigned - 200.0)


def test_a_free_campaign_has_no_return_and_says_so(market):
    contacts = market.contacts.assign(reward_cost=0.0, contact_cost=0.0)
    campaigns = market.campaigns.assign(fixed_cost=0.0)
    found = read(market.but(contacts=contacts, campaigns=campaigns, offers=market.offers.assign(contact_cost=0.0)))
    assert found.roi.kind == "undefined"
    assert found.roi.point is None
    assert found.arms[0].iroas is None


def test_one_huge_receipt_is_named_and_its_share_shown(market):
    who = market.contacts[market.contacts.offer_id == "mail"].customer_id.iloc[0]
    huge = pd.DataFrame(
        {"customer_id": [who], "occurred_at": [ASSIGNED + pd.Timedelta(days=1)], "revenue": [1e9], "margin": [4e8]}
    )
    found = read(market.but(transactions=pd.concat([market.transactions, huge], ignore_index=True)))
    arm = found.arms[0]
    assert arm.largest_customer_share > 0.99
    assert status(found, "one_customer") == "warned"
    assert found.verdict.code != "made_money"
    assert arm.profit_without_largest.point < 1e6
    assert arm.profit_capped.point < 1e7


def test_a_control_whose_margin_is_negative_changes_no_sign(market):
    control = market.contacts[market.contacts.offer_id == "control"].customer_id
    receipts = market.transactions
    inside = receipts.occurred_at >= ASSIGNED
    sign = np.where(receipts.customer_id.isin(control) & inside, -1.0, 1.0)
    found = read(
        market.but(transactions=receipts.assign(margin=receipts.margin * sign, revenue=receipts.revenue * sign))
    )
    assert found.arms[0].money[1].control_mean < 0
    assert found.profit.point > 0
    assert found.verdict.code == "made_money"


def test_a_loss_that_is_immaterial_has_to_be_said(market):
    business = settings().model_copy(update={"readout": None})
    with pytest.raises(ConfigError, match="tolerance"):
        read(market, how=business)
    assert read(market, how=business, tolerance=50.0).verdict.tolerance == 50.0


def test_pull_forward_is_read_where_the_days_behind_the_window_are_seen(market):
    at = ASSIGNED + pd.Timedelta(days=DAYS + 2)
    mail = market.contacts[market.contacts.offer_id == "mail"].customer_id.to_numpy()
    missing = pd.DataFrame({"customer_id": mail, "occurred_at": at, "revenue": -5.0, "margin": -2.0, "is_return": True})
    receipts = pd.concat([market.transactions.assign(is_return=False), missing], ignore_index=True)
    found = read(market.but(transactions=receipts))
    ahead = found.pull_forward[0]
    assert ahead.days == 28
    assert ahead.after.point == pytest.approx(-2.0 * len(mail))
    assert ahead.net.point == pytest.approx(found.arms[0].profit.point - 2.0 * len(mail))
    assert (found.after_window.after, found.after_window.net) == (ahead.after, ahead.net)
    short = read(market, as_of=datetime(2026, 3, 17))
    assert short.pull_forward == () and short.after_window is None


def test_segments_their_remainder_and_the_fixed_cost_add_up_to_the_arm(market):
    every = read(market, how=settings(segments=("region",)))
    fewest = sorted(row.buyers for row in every.segments)[1]
    found = read(market, how=settings(segments=("region",), minimum_buyers=fewest))
    (arm,), (left,) = found.arms, found.segment_remainders
    shown = sum(row.total.point for row in found.segments)
    assert 0 < len(found.segments) < 3, "one segment has too few buyers"
    assert shown + left.remainder - left.fixed == pytest.approx(arm.profit.point)
    assert (left.fixed, left.profit) == (200.0, arm.profit.point)
    for row in found.segments:
        assert row.total.point == pytest.approx(row.treated * row.raw.point)
    assert len(every.segments) == 3
    assert abs(every.segment_remainders[0].remainder) < 0.2 * (arm.profit.ci_upper - arm.profit.ci_lower)


def test_a_segment_of_everybody_is_the_arm(market):
    one = market.but(customers=market.customers.assign(region="all"))
    found = read(one, how=settings(segments=("region",)))
    (arm,), (row,), (left,) = found.arms, found.segments, found.segment_remainders
    assert left.remainder == pytest.approx(0.0, abs=1e-6)
    assert row.total.point - 200.0 == pytest.approx(arm.profit.point)
    assert row.total.ci_upper - 200.0 == pytest.approx(arm.profit.ci_upper, rel=1e-3)


@pytest.mark.skipif(not DATA.exists(), reason="the public data sets are not beside the checkout")
def test_hillstroms_mens_email_earned_what_the_methods_file_measured():
    """shared/methods/abtest.md, finding 3: margin 40 %, reward 10 % of treated spend, contact .05, fixed 500."""
    source = pd.read_parquet(DATA / "hillstrom.parquet")
    source = source[source.segment != "Womens E-Mail"].reset_index(drop=True)
    ids = np.array([f"{i:06d}" for i in range(len(source))])
    treated = (source.segment == "Mens E-Mail").to_numpy()
    spend = source.spend.to_numpy(dtype=float)
    base = make_market(50)
    bought = spend > 0
    when = [*[ASSIGNED + pd.Timedelta(days=1)] * int(bought.sum()), ASSIGNED + pd.Timedelta(days=60)]
    market = base.but(
        customers=pd.DataFrame({"customer_id": ids, "joined_at": ASSIGNED - pd.Timedelta(days=400)}),
        transactions=pd.DataFrame(
            {
                "customer_id": np.append(ids[bought], ids[0]),
                "occurred_at": when,
                "revenue": np.append(spend[bought], 0.0),
                "margin": np.append(0.4 * spend[bought], 0.0),
            }
        ),
        campaigns=base.campaigns.assign(fixed_cost=500.0),
        contacts=pd.DataFrame(
            {
                "campaign_id": "K1",
                "customer_id": ids,
                "assigned_at": ASSIGNED,
                "offer_id": np.where(treated, "mail", "control"),
                "propensity": 0.5,
                "contact_cost": np.where(treated, 0.05, 0.0),
                "reward_cost": np.where(treated, 0.1 * spend, 0.0),
                "delivered_at": pd.Series([pd.NaT] * len(ids)).astype("datetime64[us]"),
            }
        ),
    )
    found = read(market)
    assert found.profit.point == pytest.approx(1964.56, abs=0.01)
    assert found.profit.ci_lower == pytest.approx(-55.51, abs=0.05)
    assert found.profit.ci_upper == pytest.approx(3984.64, abs=0.05)
    assert found.roi.point == pytest.approx(0.4274, abs=5e-5)
    assert found.roi.lower == pytest.approx(-0.0132, abs=5e-5)
    assert found.roi.upper == pytest.approx(0.8044, abs=5e-5)
    assert found.verdict.chance_of_profit == pytest.approx(0.9717, abs=1e-4)
    assert found.verdict.expected_loss_if_shipped == pytest.approx(11.21, abs=0.01)
    assert found.verdict.code == "probably_made_money"


def test_customers_of_one_household_count_together_and_those_without_one_alone(market):
    """Every customer twice, in one household: twice the money, and no more certainty than before."""
    twin = market.customers.assign(customer_id=market.customers.customer_id + "b")
    contacts = market.contacts.assign(customer_id=market.contacts.customer_id + "b")
    receipts = market.transactions.assign(customer_id=market.transactions.customer_id + "b")
    doubled = market.but(
        customers=pd.concat([market.customers, twin], ignore_index=True),
        contacts=pd.concat([market.contacts, contacts], ignore_index=True),
        transactions=pd.concat([market.transactions, receipts], ignore_index=True),
        campaigns=market.campaigns.assign(fixed_cost=400.0),
    )
    homes = doubled.customers.assign(home=doubled.customers.customer_id.str.rstrip("b"))
    once = read(market).arms[0].money[-1].raw_total
    together = read(doubled.but(customers=homes), how=settings(household="home")).arms[0].money[-1].raw_total
    apart = read(doubled.but(customers=homes.assign(home=None)), how=settings(household="home"))
    assert together.point == pytest.approx(2 * once.point)
    assert together.ci_upper - together.ci_lower == pytest.approx(2 * (once.ci_upper - once.ci_lower), rel=0.01)
    alone = apart.arms[0].money[-1].raw_total
    assert alone.ci_upper - alone.ci_lower == pytest.approx(2**0.5 * (once.ci_upper - once.ci_lower), rel=0.01)


def test_several_arms_add_up_to_the_campaign_to_the_cent(market):
    contacts = market.contacts.copy()
    half = (contacts.offer_id == "mail") & (np.arange(len(contacts)) % 2 == 0)
    contacts.loc[half, "offer_id"] = "call"
    contacts["propensity"] = np.where(contacts.offer_id == "control", 0.5, 0.25)
    offers = pd.concat([market.offers, market.offers.assign(offer_id="call")], ignore_index=True)
    found = read(market.but(contacts=contacts, offers=offers))
    assert [arm.arm for arm in found.arms] == ["call", "mail"]
    for i, line in enumerate(found.money):
        assert sum(arm.money[i].total.point for arm in found.arms) == pytest.approx(line.total.point)
        assert sum(arm.money[i].raw_total.point for arm in found.arms) == pytest.approx(line.raw_total.point)
    assert found.profit.point == found.money[-1].total.point
    wide = [arm.profit.ci_upper - arm.profit.ci_lower for arm in found.arms]
    whole = found.profit.ci_upper - found.profit.ci_lower
    by_itself = np.array(wide) * 1.96 / 2.21  # two arms of equal size that share a control of twice their size
    assert np.hypot(*by_itself) < whole < sum(by_itself), "the arms share one control"
    for arm in found.arms:
        assert arm.profit == arm.profit_simultaneous and "all arms at once" in arm.profit.method
        assert arm.money[-1].total.ci_lower == pytest.approx(arm.profit.ci_lower)
