"""The demo retailer: its books keep the contract, its log is honest, and its truth is what replayed futures average."""

import datetime as dt
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from netlift.data.arm_chances import parse_chances
from netlift.data.contract import CONTRACT, CONTROL
from netlift.data.write import file_digest
from netlift.errors import UsageError
from netlift.simulation.campaigns import (
    CAMPAIGNS,
    OUTCOME_DAYS,
    TIER_MARGINS,
    WAVE_EVERY_DAYS,
    WAVES,
    launch,
    live_day,
)
from netlift.simulation.lives import COOLING, GONE, Lives, SimulatedCalendar
from netlift.simulation.people import draw_people, respond
from netlift.simulation.simulate import SimulationSettings, simulate
from netlift.simulation.tables import KEPT
from netlift.simulation.truth import Future
from netlift.simulation.world import CATEGORIES, OFFERS

pytestmark = pytest.mark.slow

END = dt.date(2026, 10, 1)
DAYS = 1095
ARROW_TYPES = {
    "id": pa.string(),
    "text": pa.string(),
    "instant": pa.timestamp("us"),
    "date": pa.date32(),
    "money": pa.float64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
}
RANDOMIZED = [campaign for campaign in CAMPAIGNS if campaign.is_randomized]
STANDS_OPEN = ("_open_until", "_open_offer", "_open_campaign", "_open_factor", "_is_reward_open")
HAND_PICKED = [campaign for campaign in CAMPAIGNS if not campaign.is_randomized]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("demo") / "retailer"
    simulate(SimulationSettings(customers=6000, seed=7, end=END), target=target)
    return target


@pytest.fixture(scope="module")
def tables(folder):
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in KEPT}


@pytest.fixture(scope="module")
def truth(folder):
    return pd.read_parquet(folder / "truth/customers.parquet")


def start_lives(count, *, seed):
    rng = np.random.default_rng(seed)
    calendar = SimulatedCalendar.from_date(END - dt.timedelta(days=DAYS), days=DAYS + 365)
    return Lives(draw_people(count, rng, history_days=DAYS), calendar, rng, campaigns=len(CAMPAIGNS))


@pytest.fixture(scope="module")
def lived():
    lives = start_lives(8000, seed=11)
    for day in range(DAYS):
        live_day(lives, day, end_day=DAYS)
    return lives


def replay(lives, persons, *, seed):
    """Lives that stand where the given ones stand, with empty books and another fate."""
    again = Lives(lives.people.take(persons), lives.calendar, np.random.default_rng(seed), campaigns=len(CAMPAIGNS))
    again.stage, again.steps = lives.stage[persons], lives.steps[persons]
    again.last_day, again.has_bought = lives.last_day[persons], lives.has_bought[persons]
    again.delivered, again.assigned_day = lives.delivered[:, persons].copy(), lives.assigned_day[:, persons].copy()
    for name in STANDS_OPEN:
        setattr(again, name, getattr(lives, name)[persons])
    return again


def assert_replays_average(values, expected, *, replays, rare=0.0):
    """Values of replays, person by person, average to what was expected, in each tenth of them by expectation.

    Where so little happens that no replay may show it, a sum of `rare` goes unseen.
    """
    by_person = values.reshape(-1, replays)
    error, variance = by_person.mean(axis=1) - expected, by_person.var(axis=1, ddof=1) / replays
    for tenth in np.array_split(np.argsort(expected), 10):
        assert abs(error[tenth].sum()) < 4 * np.sqrt(variance[tenth].sum()) + rare + 1e-9


def test_same_settings_give_the_same_bytes_and_another_seed_gives_others(tmp_path):
    digests = []
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        simulate(SimulationSettings(customers=150, seed=seed, end=END, history_days=800), target=tmp_path / name)
        files = sorted((tmp_path / name).rglob("*.*"))
        digests.append({str(path.relative_to(tmp_path / name)): file_digest(path) for path in files})
    assert digests[0] == digests[1]
    assert digests[0]["transactions.parquet"] != digests[2]["transactions.parquet"]


def test_a_customers_life_does_not_depend_on_how_many_chunks_follow(tmp_path, monkeypatch):
    monkeypatch.setattr("netlift.simulation.simulate.CHUNK_CUSTOMERS", 100)
    for customers in (100, 200):
        settings = SimulationSettings(customers=customers, seed=3, end=END, history_days=800)
        simulate(settings, target=tmp_path / str(customers))
    small, large = (pd.read_parquet(tmp_path / f"{customers}/transactions.parquet") for customers in (100, 200))
    pd.testing.assert_frame_equal(small, large.iloc[: len(small)])
    assert large["transaction_id"].is_unique and large["customer_id"].nunique() > small["customer_id"].nunique()


@pytest.mark.parametrize("name", KEPT)
def test_every_table_keeps_the_contract(folder, tables, name):
    schema, contract = pq.read_schema(folder / f"{name}.parquet"), CONTRACT[name]
    assert {column.name for column in contract.columns if column.required} <= set(schema.names)
    written = [column for column in contract.columns if column.name in schema.names]
    assert {c.name: schema.field(c.name).type for c in written} == {c.name: ARROW_TYPES[c.type] for c in written}
    assert tables[name][[column.name for column in written if not column.nullable]].notna().all(axis=None)
    assert not contract.key or not tables[name].duplicated(list(contract.key)).any()
    assert not contract.time or name == "customers" or tables[name][contract.time].max() < pd.Timestamp(END)


def test_no_row_refers_to_what_does_not_exist(tables):
    ids = set(tables["customers"]["customer_id"])
    for name in ("transactions", "contacts", "events", "surveys"):
        assert set(tables[name]["customer_id"]) <= ids
    assert set(tables["contacts"]["campaign_id"]) == set(tables["campaigns"]["campaign_id"])
    assert set(tables["contacts"]["offer_id"]) == {CONTROL, *tables["offers"]["offer_id"]}


def test_the_summary_counts_the_rows_that_were_written(folder, tables, truth):
    document = json.loads((folder / "simulation.json").read_text())
    assert document["rows"] == {name: len(table) for name, table in tables.items()} | {"truth/customers": len(truth)}
    assert document["settings"]["end"] == "2026-10-01"


def test_wrong_settings_are_refused_all_at_once(tmp_path):
    settings = SimulationSettings(customers=0, seed=-1, end=END, history_days=100, preset="moon")
    with pytest.raises(UsageError, match=r"customers is 0.*seed is -1.*history_days is 100.*preset is 'moon'"):
        simulate(settings, target=tmp_path / "never")
    assert not list(tmp_path.iterdir())


def test_progress_rises_to_one(tmp_path):
    seen = []
    settings = SimulationSettings(customers=20, seed=1, end=END, history_days=800)
    simulate(settings, target=tmp_path / "small", progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) > 5


def test_nobody_is_contacted_without_consent_and_control_never(tables):
    sent = tables["contacts"].merge(tables["offers"], on="offer_id").merge(tables["customers"], on="customer_id")
    for channel in tables["offers"]["channel"]:
        assert sent.loc[sent["channel"] == channel, f"consent_{channel}"].all()
        assert not tables["customers"][f"consent_{channel}"].all()
    control = tables["contacts"][tables["contacts"]["offer_id"] == CONTROL]
    assert len(control) > 1000
    assert control["delivered_at"].isna().all() and (control[["contact_cost", "reward_cost"]] == 0).all(axis=None)


def tiers_from_raw_rows(tables, campaign):
    """Each assigned customer's tier of value, from a year of receipts before the day of the customer's wave."""
    receipts = tables["transactions"][["customer_id", "occurred_at", "margin"]]
    contacts = tables["contacts"][tables["contacts"]["campaign_id"] == campaign.campaign_id]
    both = contacts[["customer_id", "assigned_at"]].merge(receipts, on="customer_id")
    before = (both["assigned_at"].dt.normalize() - both["occurred_at"]) / pd.Timedelta(days=1)
    year = both[(before > 0) & (before <= 365)].groupby("customer_id")["margin"].sum()
    return contacts, np.searchsorted(TIER_MARGINS, contacts["customer_id"].map(year).fillna(0.0))


@pytest.mark.parametrize("campaign", RANDOMIZED, ids=lambda campaign: campaign.campaign_id)
def test_arms_follow_the_logged_propensities(tables, campaign):
    contacts, tier = tiers_from_raw_rows(tables, campaign)
    arms = [CONTROL, *(OFFERS[offer].offer_id for offer in campaign.offers)]
    arm = contacts["offer_id"].map({name: i for i, name in enumerate(arms)}).to_numpy()
    shares = np.array(campaign.shares)
    assert np.array_equal(contacts["propensity"], shares[tier, arm])
    vectors = [
        parse_chances(text, arm=name, propensity=p)
        for text, name, p in zip(
            contacts["arm_propensities"], contacts["offer_id"], contacts["propensity"], strict=True
        )
    ]
    assert np.array_equal(pd.DataFrame(vectors)[arms], shares[tier])
    p_values = [
        stats.chisquare(
            np.bincount(arm[tier == level], minlength=len(arms)), shares[level] * (tier == level).sum()
        ).pvalue
        for level in range(len(shares))
    ]
    assert min(p_values) > 1e-4


def test_propensities_are_unequal_and_the_last_campaigns_hold_every_offer(tables):
    contacts = tables["contacts"].merge(tables["campaigns"], on="campaign_id")
    randomized = contacts[contacts["randomized"]]
    assert randomized.groupby("campaign_id")["propensity"].nunique().min() >= 3
    assert randomized["propensity"].between(0.1, 0.65).all()
    last = randomized[randomized["started_at"] >= pd.Timestamp(END) - pd.Timedelta(days=170)]
    assert last.groupby("campaign_id")["offer_id"].nunique().tolist() == [1 + len(OFFERS)] * 3


def test_campaigns_go_out_in_weekly_waves_all_year_round_and_the_newest_is_under_way(tables):
    waves = tables["contacts"].groupby("campaign_id")["assigned_at"].unique().map(np.sort)
    assert list(waves.index) == [campaign.campaign_id for campaign in CAMPAIGNS]
    days = np.concatenate(waves.to_list()).astype("datetime64[D]")
    assert (np.diff(days) == np.timedelta64(WAVE_EVERY_DAYS, "D")).all() and days.size == WAVES * len(CAMPAIGNS)
    assert np.datetime64(END) - days[-1] == np.timedelta64(WAVE_EVERY_DAYS, "D")
    over = [wave[-1] + np.timedelta64(OUTCOME_DAYS, "D") < np.datetime64(END) for wave in waves]
    assert over == [True] * (len(CAMPAIGNS) - 1) + [False]
    started = tables["campaigns"].set_index("campaign_id")["started_at"]
    assert (started == waves.map(lambda days: days[0])).all()


def test_every_wave_takes_a_like_part_of_the_audience_and_nobody_twice(tables):
    contacts = tables["contacts"]
    assert not contacts.duplicated(["campaign_id", "customer_id"]).any()
    for campaign in RANDOMIZED:
        sizes = contacts[contacts["campaign_id"] == campaign.campaign_id].groupby("assigned_at").size()
        fell_asleep_meanwhile = campaign.idle_days[0] > 7
        assert len(sizes) == WAVES and (sizes.max() < 2 * sizes.min() or fell_asleep_meanwhile), campaign.campaign_id


def test_a_campaign_from_before_the_first_day_does_not_stand_in_the_books(tmp_path):
    simulate(SimulationSettings(customers=300, seed=3, end=END, history_days=800), target=tmp_path / "short")
    campaigns = pd.read_parquet(tmp_path / "short/campaigns.parquet")
    contacts = pd.read_parquet(tmp_path / "short/contacts.parquet")
    assert campaigns["started_at"].min() >= pd.Timestamp(END) - pd.Timedelta(days=800)
    assert set(contacts["campaign_id"]) == set(campaigns["campaign_id"]) and 3 < len(campaigns) < len(CAMPAIGNS)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_people_join_to_the_last_day_as_they_did_the_month_before(seed):
    joined = draw_people(40_000, np.random.default_rng(seed), history_days=DAYS).joined_day
    by_day = np.bincount(joined[joined >= DAYS - 60] - (DAYS - 60), minlength=60)
    assert joined.max() == DAYS - 1 and by_day.min() > 0
    late, early = by_day[-10:].sum(), by_day[:50].sum() / 5
    assert abs(late - early) < 4 * np.sqrt(late + early / 5)


def test_surveys_come_in_every_week_and_nobody_is_asked_twice_in_a_quarter(tables):
    nps = tables["surveys"].query("kind == 'nps'").sort_values("answered_at")
    weeks = nps[nps["answered_at"] >= "2025-10-02"].resample("7D", on="answered_at").size()
    assert weeks.min() > 0.3 * weeks.mean()
    assert (nps.groupby("customer_id")["answered_at"].diff().dropna() >= pd.Timedelta(days=91)).all()


def test_the_hand_picked_campaign_went_to_good_customers_with_chances_nobody_knows(tables):
    picked = tables["contacts"][tables["contacts"]["campaign_id"] == HAND_PICKED[0].campaign_id]
    assert len(HAND_PICKED) == 1 and picked["propensity"].isna().all()
    assert tables["contacts"].loc[~tables["contacts"].index.isin(picked.index), "propensity"].notna().all()
    _, tier = tiers_from_raw_rows(tables, HAND_PICKED[0])
    assert (tier == len(TIER_MARGINS)).all()


def test_money_of_contacts_is_what_the_offers_say(tables):
    contacts = tables["contacts"].merge(tables["offers"], on="offer_id", suffixes=("", "_offer"))
    assert (contacts["contact_cost"] == contacts["contact_cost_offer"]).all()
    rewarded = contacts[contacts["reward_cost"] > 0]
    assert set(rewarded["offer_id"]) == {offer.offer_id for offer in OFFERS if offer.reward_share}
    assert rewarded["delivered_at"].notna().all()
    for offer in OFFERS:
        assert (rewarded.loc[rewarded["offer_id"] == offer.offer_id, "reward_cost"] <= offer.reward_cap).all()


def test_purchase_rates_differ_by_orders_of_magnitude_and_spend_is_zero_inflated_and_heavy_tailed(tables, truth):
    receipts = tables["transactions"]
    year = receipts[(receipts["occurred_at"] >= "2025-10-01") & ~receipts["is_return"]]
    counts = year.groupby("customer_id").size()
    assert counts.quantile(0.99) > 30 * counts.quantile(0.1)
    spend = year.groupby("customer_id")["revenue"].sum().reindex(tables["customers"]["customer_id"], fill_value=0.0)
    assert 0.2 < (spend == 0).mean() < 0.5
    assert spend.nlargest(len(spend) // 10).sum() > 0.4 * spend.sum()
    value = truth["margin_365d"]
    assert value.max() > 20 * value.mean() > 0


def test_a_quarter_to_half_of_last_years_buyers_are_lost_for_the_next_quarter(tables, truth):
    receipts = tables["transactions"]
    active = truth["customer_id"].isin(receipts.loc[receipts["occurred_at"] >= "2025-10-01", "customer_id"])
    assert 0.25 < truth.loc[active, "p_lost_90d"].mean() < 0.45
    assert (truth.loc[truth["has_lapsed"], "p_lost_90d"] == 1).all()
    assert 0.05 < truth.loc[active, "has_lapsed"].mean() < 0.4


def test_december_and_weekends_are_busy(tables):
    bought = tables["transactions"].query("not is_return")["occurred_at"]
    per_month = bought[bought.between("2024-06-01", "2026-05-31")].dt.month.value_counts() / 2
    assert per_month.idxmax() == 12 and per_month[12] > 1.3 * per_month.drop(12).mean()
    assert bought.dt.dayofweek.value_counts().idxmax() == 5


def test_many_shop_in_a_rhythm_more_regular_than_chance(tables):
    bought = tables["transactions"].query("not is_return").sort_values(["customer_id", "occurred_at"])
    gap = bought.groupby("customer_id")["occurred_at"].diff().dt.total_seconds() / 86_400
    per_person = gap.groupby(bought["customer_id"]).agg(["count", "mean", "std"]).query("count >= 15 and mean > 10")
    assert (per_person["std"] / per_person["mean"]).median() < 0.9


def test_returns_come_back_days_after_and_take_their_margin_with_them(tables):
    receipts = tables["transactions"]
    returns = receipts[receipts["is_return"]]
    assert 0.01 < len(returns) / len(receipts) < 0.08
    assert (returns["revenue"] < 0).all() and (receipts.loc[~receipts["is_return"], "revenue"] > 0).all()
    pairs = returns.assign(revenue=-returns["revenue"]).merge(
        receipts[~receipts["is_return"]], on=["customer_id", "revenue", "category"], suffixes=("_back", "")
    )
    assert len(pairs) >= len(returns)
    days = (pairs["occurred_at_back"].dt.normalize() - pairs["occurred_at"].dt.normalize()).dt.days
    assert days.median() in range(2, 13)


def test_margins_differ_by_category_and_promotions_cut_them(tables):
    receipts = tables["transactions"].query("not is_return")
    rate = receipts["margin"].groupby([receipts["category"], receipts["promo"]]).sum()
    rate /= receipts["revenue"].groupby([receipts["category"], receipts["promo"]]).sum()
    for category in CATEGORIES:
        assert rate[category.name, False] == pytest.approx(category.margin_rate, abs=1e-4)
        assert rate[category.name, True] < rate[category.name, False]


def test_some_receipts_become_known_late_and_some_birth_dates_never(tables):
    receipts, customers = tables["transactions"], tables["customers"]
    late = receipts.dropna(subset="ingested_at")
    assert 0.01 < len(late) / len(receipts) < 0.03
    assert (late["ingested_at"] - late["occurred_at"]).dt.days.between(1, 3).all()
    assert 0.04 < customers["birth_date"].isna().mean() < 0.1
    first = receipts.groupby("customer_id")["occurred_at"].min()
    assert (customers.set_index("customer_id")["joined_at"].reindex(first.index) <= first).all()
    assert customers["name"].str.fullmatch("[А-ЯЁа-яё]+ [А-ЯЁа-яё]+").all()


def test_those_who_would_not_recommend_are_lost_more_often(tables, truth):
    nps = tables["surveys"].query("kind == 'nps'")
    assert nps["score"].between(0, 10).all()
    recent = nps[nps["answered_at"] >= "2026-01-01"].merge(truth, on="customer_id")
    lost = recent.groupby(recent["score"] <= 6)["has_lapsed"].mean()
    assert lost[True] > 1.3 * lost[False]


def test_opens_follow_deliveries_of_the_same_day(tables):
    opens = tables["events"].query("kind == 'open'").assign(day=lambda rows: rows["occurred_at"].dt.normalize())
    contacts = tables["contacts"].dropna(subset="delivered_at")
    contacts = contacts.assign(day=contacts["delivered_at"].dt.normalize())
    both = opens.merge(contacts, on=["customer_id", "day"])
    assert len(both) == len(opens) and (both["occurred_at"] > both["delivered_at"]).all()
    assert set(tables["events"]["kind"]) == {"open", "visit", "complaint"}


@pytest.mark.parametrize("index", range(-1, len(OFFERS)))
def test_replayed_futures_average_to_the_truth(lived, index):
    persons, replays = np.flatnonzero(lived.stage != GONE)[:300], 250
    again = replay(lived, np.repeat(persons, replays), seed=100 + index)
    future = Future(replay(lived, persons, seed=0), DAYS, horizon_days=90)
    if index >= 0:
        again.send(index, np.arange(len(again.people)), day=DAYS, campaign=0)
        truth = future.under(OFFERS[index], horizons_days=(28, 90))
        expected, reward = truth.margins, truth.reward
    else:
        expected, reward = [future.margin(horizon_days=days) for days in (28, 90)], np.zeros(len(persons))
    for day in range(DAYS, DAYS + 90):
        again.live(day)
    for days, margin in zip((28, 90), expected, strict=True):
        assert_replays_average(again.margin_between(DAYS, DAYS + days), margin, replays=replays)
    assert_replays_average(again.reward[0], reward, replays=replays)
    if index < 0:
        lost = (again.last_day < DAYS).astype(float)
        assert_replays_average(lost, future.p_no_purchase(horizon_days=90), replays=replays, rare=5 / replays)


def test_replays_average_to_the_truth_where_baskets_hardly_vary_and_half_are_cooling(lived):
    persons, replays = np.flatnonzero(lived.stage != GONE)[:300], 400
    standing = replay(lived, persons, seed=0)
    standing.stage[::2] = COOLING
    ones = np.ones(len(persons))
    narrow = {
        "openness": ones,
        "promo": ones,
        "basket_spread": 0.01 * ones,
        "log_basket": 7.0 * ones,
        "gap_days": 12 * ones,
    }
    standing.people = replace(standing.people, **narrow)
    again = replay(standing, np.repeat(np.arange(len(persons)), replays), seed=8)
    again.send(0, np.arange(len(again.people)), day=DAYS, campaign=0)
    for day in range(DAYS, DAYS + 28):
        again.live(day)
    truth = Future(standing, DAYS, horizon_days=28).under(OFFERS[0], horizons_days=(28,))
    margin = again.margin_between(DAYS, DAYS + 28)
    assert_replays_average(margin, truth.margins[0], replays=replays)
    assert_replays_average(again.reward[0], truth.reward, replays=replays)
    is_cooling = standing.stage == COOLING
    cooling = margin.reshape(-1, replays)[is_cooling]
    assert cooling.mean() == pytest.approx(
        truth.margins[0][is_cooling].mean(), abs=4 * cooling.std() / cooling.size**0.5
    )


def test_a_year_that_is_lived_agrees_with_the_truth_of_its_morning(lived):
    future, count, fates = Future(lived, DAYS, horizon_days=365), len(lived.people), 3
    on = replay(lived, np.tile(np.arange(count), fates), seed=6)
    for day in range(DAYS, DAYS + 365):
        on.live(day)
    for days in (28, 90, 365):
        pending = lived.margin_between(DAYS, DAYS + days)
        lived_on = on.margin_between(DAYS, DAYS + days).reshape(fates, count).mean(axis=0)
        error = lived_on + pending - future.margin(horizon_days=days)
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(count), days
    assert (pending < 0).any()
    assert (future.margin(horizon_days=90)[lived.stage == GONE] == pending[lived.stage == GONE]).all()


def test_truth_counts_what_stands_open_from_before(lived):
    days_left, factor, lift = lived.open_offers(DAYS)
    assert (days_left > 0).sum() > 100 and (lift > 0).any()
    assert (factor[days_left == 0] == 1).all() and (lift[days_left == 0] == 0).all()
    open_now = np.flatnonzero((days_left > 0) & (lived.stage != GONE))[:400]
    replays = 200
    again = replay(lived, np.repeat(open_now, replays), seed=12)
    for day in range(DAYS, DAYS + 28):
        again.live(day)
    margin = again.margin_between(DAYS, DAYS + 28)
    future = Future(replay(lived, open_now, seed=0), DAYS, horizon_days=28)
    assert_replays_average(margin, future.margin(horizon_days=28), replays=replays)
    closed = replay(lived, open_now, seed=0)
    closed._open_until[:] = 0
    error = margin.reshape(-1, replays).mean(axis=1) - Future(closed, DAYS, horizon_days=28).margin(horizon_days=28)
    assert abs(error.sum()) > 6 * np.sqrt((margin.reshape(-1, replays).var(axis=1) / replays).sum())


def expect_profits(lives, day):
    """Expected profit of 28 days under no contact and under each offer sent this morning, shape (n, 1 + offers)."""
    future = Future(lives, day, horizon_days=28)
    expected = [future.margin(horizon_days=28)]
    for offer in OFFERS:
        truth = future.under(offer, horizons_days=(28,))
        expected.append(truth.margins[0] - truth.reward - offer.contact_cost)
    return np.column_stack(expected)


@pytest.fixture(scope="module")
def campaign_outcome():
    """C18 in one wave to everybody: expected profit under each arm, and what then came of the arm drawn."""
    lives, index = start_lives(25_000, seed=21), 17
    day = DAYS - CAMPAIGNS[index].days_before_end
    for before in range(day):
        live_day(lives, before, end_day=DAYS)
    expected = expect_profits(lives, day)
    launch(index, lives, day, wave=WAVES - 1)
    for after in range(day, day + 28):
        lives.live(after)
    cost = np.array([0.0, *(offer.contact_cost for offer in OFFERS)])
    profit = lives.margin_between(day, day + 28) - lives.reward[index] - cost[lives.arm[index]]
    audience = lives.arm[index] >= 0
    return expected[audience], lives.arm[index][audience], lives.propensity[index][audience], profit[audience]


@pytest.mark.parametrize("arm", range(1 + len(OFFERS)))
def test_profit_weighted_by_logged_propensities_agrees_with_the_truth_of_each_arm(campaign_outcome, arm):
    expected, arms, propensity, profit = campaign_outcome
    weight = (arms == arm) / propensity
    for estimate in (weight * profit - expected[:, arm], weight * (profit - expected[:, arm])):
        assert abs(estimate.mean()) < 3.5 * estimate.std() / np.sqrt(len(estimate))


def test_the_best_choice_per_customer_earns_clearly_more_than_any_single_offer(campaign_outcome):
    expected, arms, propensity, profit = campaign_outcome
    best, constant = expected.argmax(axis=1), expected.mean(axis=0).argmax()
    assert expected.max(axis=1).mean() - expected[:, constant].mean() > 60
    assert (np.bincount(best, minlength=5) > 0.05 * len(best)).all()
    quiet = expected[:, 0]
    gain = ((arms == best) * 1.0 - (arms == constant)) / propensity * (profit - quiet)
    assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))


def test_each_offer_helps_some_and_harms_others_and_pays_those_who_would_have_bought_anyway(truth):
    alive = truth[~truth["has_lapsed"]]
    for offer in OFFERS:
        gain = alive[f"margin_90d_{offer.offer_id}"] - alive["margin_90d"]
        assert (gain > 5).mean() > 0.1 and (gain < -5).mean() > 0.1
    sure = alive[alive["p_lost_90d"] < 0.01]
    assert sure["reward_cost_email_discount_10"].mean() > alive["reward_cost_email_discount_10"].mean() > 10


def test_contacts_close_together_work_less_and_drive_more_people_away():
    people = draw_people(2000, np.random.default_rng(2), history_days=DAYS)
    fresh, tired = (
        respond(people, OFFERS[0], idle_days=people.gap_days, recent_contacts=np.full(2000, contacts))
        for contacts in (0, 2)
    )
    assert (tired.pull <= fresh.pull).all() and tired.pull.mean() < fresh.pull.mean() - 0.1
    assert (tired.leave >= fresh.leave).all() and tired.leave.mean() > 2 * fresh.leave.mean()


def true_profits_of_campaigns(seed, *, count=5000):
    """Expected profit of every contact of the randomized campaigns on its morning, with whom it went to."""
    lives, parts = start_lives(count, seed=seed), []
    for day in range(DAYS):
        waves = [i for i, one in enumerate(CAMPAIGNS) if (day - DAYS + one.days_before_end) in range(0, 56, 7)]
        if waves:
            expected, idle = expect_profits(lives, day), day - lives.last_day
            tier = np.searchsorted(TIER_MARGINS, lives.margin_between(day - 365, day))
        live_day(lives, day, end_day=DAYS)
        for index in waves:
            sent = np.flatnonzero((lives.assigned_day[index] == day) & (lives.arm[index] > 0))
            arm = lives.arm[index][sent]
            gain = expected[sent, arm] - expected[sent, 0]
            row = {"campaign": index, "offer": arm - 1, "tier": tier[sent], "idle": idle[sent], "profit": gain}
            parts.append(pd.DataFrame(row))
    return pd.concat(parts)[lambda rows: rows["campaign"].isin([CAMPAIGNS.index(one) for one in RANDOMIZED])]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_world_has_winners_and_losers_among_campaigns_offers_and_customers(seed):
    rows = true_profits_of_campaigns(seed)
    fixed = np.array([one.fixed_cost for one in CAMPAIGNS])
    campaigns = 20_000 / 5000 * rows.groupby("campaign")["profit"].sum()
    campaigns -= fixed[campaigns.index]
    assert 3 <= (campaigns > 0).sum() <= len(campaigns) - 3
    assert (campaigns.abs() < 400_000).all() and abs(campaigns.sum()) < 1_000_000
    email, sms, push, call = (rows[rows["offer"] == offer] for offer in range(len(OFFERS)))
    assert push["profit"].sum() > 0 > sms["profit"].sum()
    best, asleep = len(TIER_MARGINS), 120
    assert email[email["tier"] < best]["profit"].mean() > 10 > -10 > email[email["tier"] == best]["profit"].mean()
    assert call[call["tier"] == best]["profit"].mean() > 50 > -10 > call[call["tier"] == 0]["profit"].mean()
    assert sms[sms["idle"] >= asleep]["profit"].mean() > 0 > sms[sms["idle"] < asleep]["profit"].mean()
