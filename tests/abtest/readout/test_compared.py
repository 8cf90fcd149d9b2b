"""What is compared with what: the same days, contacts alike, a draw, a contact that arrived, each receipt once."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from readout_world import ASSIGNED, DAYS, NIGHT, make_market, read, settings

from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.readout_report.page import readout_document
from netlift.progress import Silent
from netlift.report.exports import to_markdown
from netlift.report.language import speak

pytestmark = pytest.mark.slow

SENT = pd.Timedelta(days=4)


@pytest.fixture(scope="module")
def market():
    return make_market(4000, seed=5, effect=0.0)


@pytest.fixture(scope="module")
def peak(market):
    """The same market with a feast just behind the window of who was assigned first."""
    rng = np.random.default_rng(6)
    who = rng.choice(market.customers.customer_id.to_numpy(), 3000)
    at = ASSIGNED + pd.Timedelta(days=DAYS) + pd.to_timedelta(rng.integers(3600, 3 * 86_400, 3000), unit="s")
    feast = pd.DataFrame({"customer_id": who, "occurred_at": at, "revenue": 100.0, "margin": 40.0})
    return market.but(transactions=pd.concat([market.transactions, feast], ignore_index=True))


def check(readout, name, arm=""):
    return next(found for found in readout.checks if found.name == name and arm in found.where)


def is_sent(market):
    return market.contacts.offer_id != "control"


def dated(market, later):
    at = market.contacts.assigned_at + pd.to_timedelta(later, unit="D")
    return market.but(contacts=market.contacts.assign(assigned_at=at))


def portfolio(market, **asked):
    return read_portfolio(settings(), market.open(), progress=Silent(), **asked)


# --- the same days ---


def test_an_arm_dated_by_its_sending_is_read_over_the_days_of_control_and_it_says_so(peak):
    same, later = read(peak), read(dated(peak, np.where(is_sent(peak), SENT.days, 0)))
    assert later.profit.point == pytest.approx(same.profit.point)
    assert later.arms[0].money[-1].raw_total == same.arms[0].money[-1].raw_total
    assert later.days[-1].profit.point == pytest.approx(same.days[-1].profit.point)
    assert later.ended == same.ended
    assert (check(same, "same_days").status, check(later, "same_days").status) == ("passed", "warned")
    figures = check(later, "same_days").figures
    assert (figures["days_apart"], figures["share"]) == (pytest.approx(SENT.days), pytest.approx(1.0))
    assert later.verdict.code == same.verdict.code


def test_arms_that_roll_on_other_days_get_no_verdict_and_stay_out_of_the_portfolio(peak):
    rng = np.random.default_rng(7)
    roll = rng.integers(0, 12, len(peak.contacts))
    rolling = dated(peak, roll + np.where(is_sent(peak), SENT.days, 0))
    found = read(rolling)
    assert check(found, "same_days").status == "failed"
    assert found.verdict.code == "blocked"
    assert [out.reason for out in portfolio(rolling).left_out] == ["other_days"]
    drawn_daily = read(dated(peak, roll))
    assert check(drawn_daily, "same_days").status == "passed"
    assert drawn_daily.verdict.code != "blocked"


def test_the_portfolio_reads_the_days_that_the_readout_reads(peak):
    later = dated(peak, np.where(is_sent(peak), SENT.days, 0))
    (line,) = portfolio(later).campaigns
    assert line.raw.point == pytest.approx(read(later).profit.point)


# --- a window is over when receipts reach its end ---


@pytest.mark.parametrize("as_of", [None, datetime(2026, 4, 1), datetime(2031, 1, 1)])
def test_no_date_closes_a_window_that_receipts_do_not_cover(market, as_of):
    short = market.but(
        transactions=market.transactions[market.transactions.occurred_at < ASSIGNED + pd.Timedelta(days=10)]
    )
    found = read(short, as_of=as_of)
    window = check(found, "window_closed")
    assert (window.status, found.verdict.code) == ("failed", "blocked")
    assert found.as_of == datetime(2026, 3, 11)
    assert window.figures["days_left"] == pytest.approx(4.375)
    assert window.reason == ("receipts" if as_of else "")
    if as_of:
        assert window.figures["unseen_days"] == (as_of - datetime(2026, 3, 11)).days
    assert [out.reason for out in portfolio(short, as_of=as_of).left_out] == ["window_open"]


# --- other campaigns ---


def beside(market, contacted, *, days=2, effect=0.0, name="K0", control=None):
    """The market with another campaign on those `contacted`, some days before, which adds to their margin."""
    ids, at = market.contacts.customer_id.to_numpy(), ASSIGNED - pd.Timedelta(days=days)
    asked = np.ones(len(ids), dtype=bool) if control is None else contacted | control
    contacts = pd.DataFrame(
        {
            "campaign_id": name,
            "customer_id": ids,
            "assigned_at": at,
            "offer_id": np.where(contacted, "mail", "control"),
            "propensity": 0.5,
            "contact_cost": np.where(contacted, 0.5, 0.0),
            "delivered_at": pd.Series(np.where(contacted, at, pd.NaT)).astype("datetime64[us]"),
        }
    )[asked]
    more = pd.DataFrame(
        {
            "customer_id": ids[contacted],
            "occurred_at": ASSIGNED + pd.Timedelta(hours=5),
            "revenue": 0.0,
            "margin": effect,
        }
    )
    return market.but(
        contacts=pd.concat([market.contacts, contacts], ignore_index=True),
        campaigns=pd.concat(
            [market.campaigns, market.campaigns.assign(campaign_id=name, name=name, started_at=at)], ignore_index=True
        ),
        transactions=pd.concat([market.transactions, more if effect else more.head(0)], ignore_index=True),
    )


def by_chance(market, share, *, seed=9):
    return np.random.default_rng(seed).random(len(market.contacts)) < share


def test_a_campaign_drawn_by_itself_takes_no_verdict_and_is_shown_with_the_gap(market):
    found = read(beside(market, by_chance(market, 0.5), effect=5.0))
    assert check(found, "other_campaigns").status == check(found, "control_contacted").status == "passed"
    assert found.verdict.code != "blocked"
    (overlap,) = found.overlaps
    assert overlap.campaign_id == "K0" and not overlap.coincides
    assert overlap.control_share == pytest.approx(overlap.arms_share, abs=0.05)
    assert check(found, "control_contacted").figures["others"] == overlap.control > 900
    assert overlap.gap.ci_lower < 0 < overlap.gap.ci_upper


def test_the_gap_is_what_one_campaign_takes_from_the_other_by_raw_rows(market):
    """Offers that add 8 each, and nothing more together: 8 outside, 0 inside."""
    other = by_chance(market, 0.5)
    sent = is_sent(market).to_numpy()
    ids = market.contacts.customer_id.to_numpy()
    own = beside(market, other)
    gained = (sent | other) * 8.0
    more = pd.DataFrame(
        {"customer_id": ids, "occurred_at": ASSIGNED + pd.Timedelta(hours=6), "revenue": 0.0, "margin": gained}
    )
    world = own.but(transactions=pd.concat([own.transactions, more], ignore_index=True))
    (overlap,) = read(world).overlaps
    assert overlap.gap.ci_lower < -8 < overlap.gap.ci_upper < 0
    rows = world.transactions
    late = (rows.occurred_at >= ASSIGNED) & (rows.occurred_at < ASSIGNED + pd.Timedelta(days=DAYS))
    margin = rows[late].groupby("customer_id").margin.sum().reindex(ids, fill_value=0.0).to_numpy()
    profit = margin - market.contacts.reward_cost.to_numpy() - np.where(sent, 0.5, 0.0)
    for half, estimate in ((other, overlap.inside), (~other, overlap.outside)):
        assert estimate.point == pytest.approx(profit[half & sent].mean() - profit[half & ~sent].mean())
    assert overlap.gap.point == pytest.approx(overlap.inside.point - overlap.outside.point)


@pytest.mark.parametrize("side", ["control", "mail"])
@pytest.mark.parametrize("days", [5, -3])
def test_another_campaign_that_reached_one_side_more_takes_the_verdict(market, side, days):
    more = by_chance(market, 0.2) & (market.contacts.offer_id == side).to_numpy()
    world = beside(market, more | by_chance(market, 0.3, seed=10), days=days)
    found = read(world)
    others = check(found, "other_campaigns")
    assert (others.status, others.where, others.reason, found.verdict.code) == ("failed", "K0", "unlike", "blocked")
    assert check(found, "control_contacted").status == ("failed" if side == "control" else "passed")
    assert found.overlaps[0].gap is None
    assert "other_contacts" in {out.reason for out in portfolio(world).left_out if out.campaign_id == "K1"}


def test_a_campaign_whose_time_does_not_touch_is_no_other_campaign(market):
    found = read(beside(market, ~is_sent(market).to_numpy(), days=DAYS))
    assert found.overlaps == ()
    assert check(found, "other_campaigns").status == check(found, "control_contacted").status == "passed"


@pytest.mark.parametrize("reverse", [False, True])
def test_two_campaigns_with_one_split_cannot_be_told_apart(market, reverse):
    sent = is_sent(market).to_numpy()
    world = beside(market, ~sent if reverse else sent)
    both = {name: read(world, name) for name in ("K1", "K0")}
    for found, other in zip(both.values(), ("K0", "K1"), strict=True):
        told = check(found, "other_campaigns")
        assert (told.status, told.reason, told.where) == ("failed", "coincides", other)
        assert found.overlaps[0].coincides
        assert found.verdict.code == "blocked"
    left_control = check(both["K1"], "control_contacted")
    assert left_control.status == ("failed" if reverse else "passed")
    if reverse:
        assert left_control.figures["others"] == (~sent).sum()


def test_the_money_of_two_campaigns_with_one_split_is_counted_once_with_the_costs_of_both(market):
    sent = is_sent(market).to_numpy()
    world = beside(market, sent, effect=10.0)
    found = portfolio(world)
    assert [(out.campaign_id, out.reason) for out in found.left_out] == [("K1", "same_contacts")]
    (line,) = found.campaigns
    assert line.campaign_id == "K0"
    own = read(world, "K0").profit.point
    rewards = market.contacts.reward_cost[sent].sum()
    assert line.raw.point == pytest.approx(own - 0.5 * sent.sum() - rewards - 200.0)


def test_a_mailing_to_all_but_a_control_belongs_to_neither_and_one_to_everybody_spoils_nothing(market):
    everybody = read(beside(market, np.ones(len(market.contacts), dtype=bool)))
    assert check(everybody, "other_campaigns").status == "passed"
    assert check(everybody, "control_contacted").figures["others_share"] == pytest.approx(1.0)


def test_different_chances_are_no_different_contacts():
    """Rich customers are in control more often, and another campaign was for the rich: alike once weighted."""
    market = make_market(6000, seed=3, unequal=True)
    rich = np.where(is_sent(market), market.contacts.propensity < 0.5, market.contacts.propensity > 0.5)
    found = read(beside(market, rich))
    sent = is_sent(market).to_numpy()
    assert rich[~sent].mean() - rich[sent].mean() > 0.2
    assert check(found, "other_campaigns").status == "passed"


# --- a draw ---


def with_chances(market, chances):
    return market.but(contacts=market.contacts.assign(propensity=chances))


@pytest.mark.parametrize("sure", ["everybody", "control", "mail"])
def test_who_was_sure_of_his_arm_was_not_drawn(market, sure):
    sure_of = (
        np.ones(len(market.contacts)) if sure == "everybody" else np.where(market.contacts.offer_id == sure, 1, 0.5)
    )
    found = read(with_chances(market, sure_of))
    drawn = check(found, "randomized")
    assert (drawn.status, drawn.reason, found.verdict.code) == ("failed", "certain", "observational")
    assert [out.reason for out in portfolio(with_chances(market, sure_of)).left_out] == ["observational"]


def test_some_who_were_sure_of_control_are_other_people(market):
    some = (market.contacts.offer_id == "control") & by_chance(market, 0.1)
    found = read(with_chances(market, np.where(some, 1.0, 0.5)))
    same = check(found, "same_people")
    assert (same.status, same.reason, same.figures["customers"]) == ("failed", "certain", some.sum())
    assert found.verdict.code == "blocked"


@pytest.mark.parametrize(("chance", "total"), [(0.8, 1.6), (0.3, 0.6)])
def test_chances_that_add_up_to_another_whole_are_of_no_draw(market, chance, total):
    found = read(with_chances(market, chance))
    drawn = check(found, "randomized")
    assert (drawn.status, drawn.reason, found.verdict.code) == ("failed", "sums", "blocked")
    assert drawn.figures["chances"] == pytest.approx(total)
    assert not found.observational


# --- a contact that arrived ---


def delivered_to(market, share):
    kept = is_sent(market) & by_chance(market, share)
    at = market.contacts.assigned_at.where(kept).astype("datetime64[us]")
    return market.but(contacts=market.contacts.assign(delivered_at=at))


@pytest.mark.parametrize(("share", "status"), [(0.9, "passed"), (0.3, "warned"), (0.02, "failed")])
def test_an_arm_that_reached_almost_nobody_is_no_test_of_the_offer(market, share, status):
    found = read(delivered_to(market, share))
    reached = check(found, "arm_reached", "mail")
    assert reached.status == status
    assert reached.figures["share"] == pytest.approx(share, abs=0.03)
    assert (found.verdict.code == "blocked") is (status == "failed")


def test_an_arm_without_a_delivery_fails_where_its_channel_is_logged_and_is_not_asked_where_nobody_logs(market):
    nobody = delivered_to(market, 0.0)
    assert check(read(nobody), "arm_reached").status == "not_checked"
    elsewhere = beside(nobody, by_chance(market, 0.5), days=60)
    assert check(read(elsewhere), "arm_reached").status == "failed"
    call = elsewhere.contacts.offer_id.where(elsewhere.contacts.campaign_id == "K1", "call")
    call = call.where(elsewhere.contacts.offer_id != "control", "control")
    offers = pd.concat([market.offers, market.offers.assign(offer_id="call", channel="call")], ignore_index=True)
    other = elsewhere.but(contacts=elsewhere.contacts.assign(offer_id=call), offers=offers)
    told = check(read(other), "arm_reached")
    assert (told.status, told.reason) == ("warned", "unlogged")


# --- each receipt once ---


def test_receipts_loaded_twice_take_the_verdict_and_those_of_another_time_do_not(market):
    once = market.transactions
    during = once[once.occurred_at.between(ASSIGNED, ASSIGNED + pd.Timedelta(days=DAYS))]
    twice = read(market.but(transactions=pd.concat([once, during], ignore_index=True)))
    found = check(twice, "receipts_once")
    assert (found.status, twice.verdict.code) == ("failed", "blocked")
    assert found.figures["receipts"] == len(during)
    some = read(market.but(transactions=pd.concat([once, during.head(40)], ignore_index=True)))
    assert check(some, "receipts_once").status == "warned" and some.verdict.code != "blocked"
    before = read(market.but(transactions=pd.concat([once, once[once.occurred_at < ASSIGNED]], ignore_index=True)))
    assert check(before, "receipts_once").status == "passed"
    assert NIGHT > ASSIGNED


# --- in words ---


def test_every_check_has_words_of_its_own(market, peak):
    sent = is_sent(market).to_numpy()
    worlds = {
        "reversed": beside(market, ~sent), "unlike": beside(market, by_chance(market, 0.2) & sent),
        "drawn": beside(market, by_chance(market, 0.5)), "later": dated(peak, np.where(is_sent(peak), 4, 0)),
        "rolling": dated(peak, np.arange(len(sent)) % 9 + 4 * sent), "sure": with_chances(market, 1.0),
        "sums": with_chances(market, 0.8), "unreached": delivered_to(market, 0.02),
    }  # fmt: skip
    for name, world in worlds.items():
        found = read(world)
        for words in (speak("ru"), speak("en")):
            text = to_markdown(readout_document(found, words)).decode()
            generic = {words.say(f"readout_said.{status}") for status in ("failed", "passed", "warned")}
            assert not any(f"| {said}" in text for said in generic), name
            assert "{" not in text
            shown = words.say("readout.overlaps") in text
            assert shown is (name in ("reversed", "unlike", "drawn")), name
