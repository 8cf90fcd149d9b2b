"""Campaigns that a page stumbles over: without costs, buyers, control's buyers, or with names that steer a terminal."""

import io
import json
import math
import re
import zipfile
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from readout_world import ASSIGNED, DAYS, NIGHT, Market, make_market, read, receipts, settings

from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.portfolio.page import portfolio_document
from netlift.abtest.readout_report.page import readout_brief
from netlift.abtest.stats.sequential import Look
from netlift.config.plan import freeze_plan
from netlift.errors import DataError
from netlift.pipelines.readout import ReadoutOrder, write_out
from netlift.progress import Silent
from netlift.report.exports import to_html, to_json, to_markdown, to_text, to_xlsx
from netlift.report.language import speak

pytestmark = pytest.mark.slow

HOW = settings(segments=("region",), minimum_buyers=1)
NO_NUMBER = re.compile(r"(?<!\w)[-−]?(nan|inf(inity)?)(?!\w)", re.IGNORECASE)
EVIL = "ma\x00il\x1b[31m\n=1+1\u202e\x0b￾"


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def seen(contents):
    """Everything a reader sees, as one text; JSON must be strict."""
    json.loads(contents["json"], parse_constant=refuse)
    texts = [contents["md"].decode(), re.sub(r"<style>.*?</style>", "", contents["html"].decode(), flags=re.DOTALL)]
    for package in (contents[suffix] for suffix in ("xlsx", "pptx") if suffix in contents):
        with zipfile.ZipFile(io.BytesIO(package)) as book:
            names = [name for name in book.namelist() if re.search(r"(sheet|Strings|slide|chart)\d*\.xml$", name)]
            texts += [book.read(name).decode() for name in names]
    return "\n".join(texts)


def write(found, language="en"):
    words = speak(language)
    contents = write_out(found, words, ReadoutOrder(target="K1", language=language))
    text = seen(contents) + to_text(readout_brief(found, words))
    assert not NO_NUMBER.search(text), NO_NUMBER.search(text)
    return contents["md"].decode(), text


@pytest.fixture(scope="module")
def market():
    return make_market(300)


def within(market):
    return (market.transactions.occurred_at >= ASSIGNED) & (market.transactions.occurred_at < NIGHT)


def of_arm(market):
    arms = market.contacts.set_index("customer_id").offer_id
    return arms.reindex(market.transactions.customer_id).to_numpy()


def free(market):
    return market.but(
        contacts=market.contacts.assign(reward_cost=0.0, contact_cost=0.0),
        campaigns=market.campaigns.assign(fixed_cost=0.0),
        offers=market.offers.assign(contact_cost=0.0),
    )


def unbought(market):
    contacts = market.contacts.assign(reward_cost=0.0)
    return market.but(transactions=market.transactions[~within(market)], contacts=contacts)


def dearer(market):
    costs = np.where(market.contacts.offer_id == "control", 3.0, 0.1)
    return market.but(contacts=market.contacts.assign(contact_cost=costs, reward_cost=0.0))


def only(market, arm):
    return market.but(transactions=market.transactions[~within(market) | (of_arm(market) == arm)])


def one_buyer(market):
    return market.but(
        transactions=pd.concat([market.transactions[~within(market)], market.transactions[within(market)].head(1)])
    )


def six_arms(market):
    which = np.random.default_rng(3).integers(0, 7, len(market.contacts))
    offers = np.where(which == 0, "control", np.char.add("offer", which.astype(str)))
    contacts = market.contacts.assign(
        offer_id=offers, propensity=1 / 7, contact_cost=np.where(which > 0, 0.5, 0.0), reward_cost=0.0
    )
    own = pd.DataFrame({"offer_id": [f"offer{i}" for i in range(1, 7)], "channel": "email", "contact_cost": 0.5})
    return market.but(contacts=contacts, offers=own)


ODD = {
    "no costs": free,
    "nobody bought": unbought,
    "nobody bought, no costs": lambda m: free(unbought(m)),
    "control dearer than the arm": dearer,
    "nobody bought in control": lambda m: only(m, "mail"),
    "nobody bought in the arm": lambda m: only(m, "control"),
    "one customer bought everything": one_buyer,
    "no revenue": lambda m: m.but(transactions=m.transactions.assign(revenue=0.0)),
    "negative margins": lambda m: m.but(transactions=m.transactions.assign(margin=-m.transactions.margin)),
    "no delivery logged": lambda m: m.but(contacts=m.contacts.drop(columns="delivered_at")),
    "six arms, nobody bought": lambda m: six_arms(unbought(m)),
    "a tiny currency unit": lambda m: m.but(
        transactions=m.transactions.assign(margin=m.transactions.margin * 1e-9, revenue=m.transactions.revenue * 1e-9)
    ),
}


@pytest.fixture(scope="module")
def odd(market):
    """The readout of an odd campaign by its name, each read once."""
    return cache(lambda name: read(ODD[name](market), how=HOW))


@pytest.mark.parametrize(("number", "name"), [*enumerate(ODD)])
def test_every_export_of_an_odd_campaign_is_written_without_a_number_that_is_none(odd, number, name):
    write(odd(name), "en" if number % 2 else "ru")


def test_a_campaign_without_costs_says_so_and_draws_no_curve_of_returns(odd):
    found = odd("no costs")
    page, text = write(found)
    assert found.roi.kind == "undefined" and found.arms[0].roi_curve == ()
    assert "no cost" in page and speak("en").say("readout_roi_said.undefined") in page
    assert speak("en").say("readout.curve") not in text
    assert json.loads(to_json(found))["roi"]["g"] is None


def test_where_nobody_bought_nothing_is_told_but_the_cost(odd):
    found = odd("nobody bought")
    page, _ = write(found)
    assert speak("en").say("readout.nobody_bought") in page
    assert "too close to zero" not in page and "-100" not in page
    assert not re.search(r", ?[.;]", page), "a range that is not there leaves no comma"
    assert speak("ru").say("readout.nobody_bought") in write(found, "ru")[0]


def test_one_buyer_in_control_is_somebody(market):
    seen_by_control = only(one_buyer(market), "control")
    page, _ = write(read(seen_by_control.but(contacts=market.contacts.assign(reward_cost=0.0)), how=HOW))
    assert speak("en").say("readout.nobody_bought") not in page


def test_names_that_would_end_the_process_that_draws_are_drawn_clean(market):
    offers = np.where(market.contacts.offer_id == "mail", EVIL, "control")
    spoilt = market.but(
        contacts=market.contacts.assign(offer_id=offers),
        offers=market.offers.assign(offer_id=EVIL),
        campaigns=market.campaigns.assign(name=EVIL),
        customers=market.customers.assign(region=EVIL),
    )
    _, text = write(read(spoilt, how=HOW))
    assert "ma il [31m =1+1" in text
    portfolio = read_portfolio(HOW, spoilt.open(), plans=(), as_of=None, progress=Silent())
    document = portfolio_document(portfolio, speak("en"))
    contents = {"json": to_json(portfolio), "md": to_markdown(document), "html": to_html(document)}
    assert not set(seen(contents | {"xlsx": to_xlsx(document)})) & {"\x00", "\x1b", "\u202e", "\x0b"}


def test_the_first_of_fifty_two_looks_has_an_interval(market):
    mail = {"offer_id": "mail", "share": 0.5, "channel": "email", "contact_cost": 0.5, "reward": 1, "reward_share": 0}
    plan = freeze_plan(
        campaign_id="K1", name="Spring", hypothesis="Helps", metric="incremental_profit", currency="RUB",
        start=ASSIGNED.to_pydatetime(), outcome_days=DAYS, control_share=0.5, fixed_cost=200.0, eligible=(), strata=(),
        arms=[mail], segments=(), looks=52, level=0.95, tolerance=100.0, salt="K1",
    )  # fmt: skip
    found = read(market, how=HOW, plan=plan, as_of=(ASSIGNED + pd.Timedelta(days=1)).to_pydatetime())
    assert 8 < found.looks[-1].bound < found.looks[0].bound < 17
    assert np.isfinite([found.profit.ci_lower, found.profit.ci_upper]).all()
    write(found)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_profit_without_bounds_is_said_in_words(odd, language):
    found = odd("no delivery logged")
    unbounded = replace(found.profit, ci_lower=-math.inf, ci_upper=math.inf)
    look = Look(number=1, looks=900, information=1 / 900, bound=math.inf, z=1.0, stopped=False)
    page, text = write(replace(found, profit=unbounded, looks=(look,)), language)
    assert speak(language).say("readout.no_bounds") in page
    assert not re.search(f"{speak(language).say('cell.interval', lower='-?∞', upper='∞')}", text)


@pytest.mark.parametrize("seed", range(12))
def test_tiny_campaigns_are_read_or_refused_by_name(seed):
    try:
        found = read(draw(seed), how=HOW)
    except DataError as error:
        assert re.search(r"1 customer assigned; at least 2", str(error))
        return
    estimates = [found.profit, found.roi.cost, *(arm.profit_simultaneous for arm in found.arms)]
    estimates += [line.total for arm in found.arms for line in arm.money]
    for one in estimates:
        assert np.isfinite([one.point, one.ci_lower, one.ci_upper]).all()
        assert one.ci_lower <= one.point <= one.ci_upper
    assert 0 <= found.verdict.chance_of_profit <= 1


def draw(seed) -> Market:
    """A campaign of few customers whose costs, buyers, margins and past are drawn from what is odd."""
    rng = np.random.default_rng(seed)
    n, arms, scale = int(rng.choice([6, 12, 40])), int(rng.choice([1, 2, 6])), 10 ** rng.uniform(-3, 7)
    names, ids = ["control", *(f"offer{i}" for i in range(arms))], np.array([f"c{i}" for i in range(n)])
    which = rng.integers(0, arms + 1, n)
    buys = rng.random(n) < rng.choice([0, 0.05, 0.5, 1], size=arms + 1)[which]
    spend = rng.choice([np.ones(n), rng.gamma(0.3, 1, n), rng.lognormal(0, 2, n)]) * scale * rng.choice([0, 1, 1, -1])
    before = rng.random(n) < rng.choice([0, 0.1, 1])
    day = pd.to_timedelta(rng.integers(0, DAYS, n), unit="D")
    rows = receipts(ids, buys, spend, ASSIGNED + day).assign(margin=spend[buys] * rng.choice([0, 0.3, -0.2]))
    past = receipts(ids, before, rng.gamma(2, 1, n) * scale, ASSIGNED - day - pd.Timedelta(days=1))
    last = pd.DataFrame({"customer_id": [ids[0]], "occurred_at": [NIGHT], "revenue": [0.0], "margin": [0.0]})
    cost = np.where((which > 0) | (rng.random() < 0.2), rng.choice([0, 5.0]), rng.choice([0, 0, 7.0]))
    return Market(
        customers=pd.DataFrame(
            {"customer_id": ids, "joined_at": ASSIGNED - pd.Timedelta(days=300), "region": rng.choice(["n", "s"], n)}
        ),
        transactions=pd.concat([frame for frame in (past, rows, last) if len(frame)], ignore_index=True),
        campaigns=pd.DataFrame(
            {
                "campaign_id": ["K1"],
                "name": ["Odd"],
                "started_at": [ASSIGNED],
                "outcome_days": [float(DAYS)],
                "fixed_cost": [float(rng.choice([0, 200]))],
                "randomized": [True],
            }
        ),
        contacts=pd.DataFrame(
            {
                "campaign_id": "K1",
                "customer_id": ids,
                "assigned_at": ASSIGNED,
                "offer_id": np.array(names)[which],
                "propensity": 1 / (arms + 1),
                "contact_cost": cost,
                "reward_cost": np.where((which > 0) & buys, rng.choice([0, 1.0]), 0.0),
                "delivered_at": pd.Series(np.where((which > 0) & (rng.random() < 0.5), ASSIGNED, pd.NaT)).astype(
                    "datetime64[us]"
                ),
            }
        ),
        offers=pd.DataFrame({"offer_id": names[1:], "channel": "email", "contact_cost": 0.5}),
    )
