"""One bad row stops what uses it and nothing beside: its campaign has no verdict, and no other loses a cent."""

import numpy as np
import pandas as pd
import pytest
from readout_world import ASSIGNED, make_market, settings

from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.data.checks.check import read_sound
from netlift.errors import DataError
from netlift.progress import Silent

pytestmark = pytest.mark.slow

OTHER = ASSIGNED + pd.Timedelta(days=20)


@pytest.fixture(scope="module")
def market():
    """K1, and K2 with the same customers drawn anew three weeks later."""
    own = make_market(1500)
    rng = np.random.default_rng(5)
    treated = rng.random(len(own.contacts)) < 0.5
    second = own.contacts.assign(
        campaign_id="K2",
        assigned_at=OTHER,
        offer_id=np.where(treated, "mail", "control"),
        contact_cost=np.where(treated, 0.5, 0.0),
        reward_cost=0.0,
        delivered_at=pd.Series(np.where(treated, OTHER, pd.NaT)).astype("datetime64[us]"),
    )
    return own.but(
        contacts=pd.concat([own.contacts, second], ignore_index=True),
        campaigns=pd.concat([own.campaigns, own.campaigns.assign(campaign_id="K2", started_at=OTHER)]),
    )


@pytest.fixture(scope="module")
def sound(market):
    """The readout of the campaign that nothing is wrong with."""
    return say(*opened(market), "K1")


def opened(market, verb="readout"):
    """The tables as a verb may read them, and what the check said."""
    return read_sound(market.open(), settings(), verb=verb)


def spoil(market, table, column, values):
    """The market with some values changed, by row of the second campaign where the table is contacts."""
    frame = getattr(market, table).copy()
    first = int(np.flatnonzero(frame.campaign_id == "K2")[0]) if table == "contacts" else 0
    frame[column] = frame[column].astype(object)
    for row, value in values.items():
        frame.loc[frame.index[first + row], column] = value
    return market.but(**{table: frame.infer_objects()})


def say(tables, checked, campaign):
    """The readout of a campaign as the verb makes it."""
    checked.require_campaign(campaign)
    request = ReadoutRequest(campaign_id=campaign, faults=checked.faulty)
    return read_campaign(settings(), tables, request, progress=Silent())


MANY = range(6)
OF_A_CAMPAIGN = {
    "impossible chance": ("propensity", {0: 1.5}),
    "unlogged chance": ("propensity", {0: None}),
    "unknown offer": ("offer_id", dict.fromkeys(MANY, "pigeon")),
    "negative cost": ("contact_cost", dict.fromkeys(MANY, -3.0)),
    "untidy customer": ("customer_id", {row: f" {row}" for row in MANY}),
}


@pytest.mark.parametrize("fault", OF_A_CAMPAIGN)
def test_a_bad_row_of_one_campaign_takes_its_verdict_and_no_cent_of_another(market, sound, fault):
    column, values = OF_A_CAMPAIGN[fault]
    spoilt = spoil(market, "contacts", column, values)
    tables, checked = opened(spoilt, "portfolio")
    assert checked.errors and not checked.stops
    assert {finding.campaign for finding in checked.errors} == {"K2"}
    assert say(tables, checked, "K1").profit == sound.profit
    found = say(tables, checked, "K2")
    assert found.verdict.code in ("blocked", "observational")
    assert np.isfinite(found.profit.point)
    portfolio = read_portfolio(settings(), tables, faulty=tuple(checked.faulty), progress=Silent())
    assert [line.campaign_id for line in portfolio.campaigns] == ["K1"]
    assert {left.campaign_id for left in portfolio.left_out} == {"K2"}


def test_a_bad_receipt_is_left_out_counted_and_shown(market):
    receipts = market.transactions.copy()
    lost = receipts.index[(receipts.occurred_at >= ASSIGNED) & (receipts.margin > 0)][:2]
    spoilt = receipts.copy()
    spoilt.loc[lost, "margin"] = np.inf
    tables, checked = opened(market.but(transactions=spoilt), "segments")
    (finding,) = checked.left_out_of("segments")
    assert (finding.table, finding.column, finding.count, finding.leaves_out) == ("transactions", "margin", 2, "rows")
    assert tables["transactions"].count().to_pyarrow().as_py() == len(receipts) - 2
    without = opened(market.but(transactions=receipts.drop(lost)))
    assert say(tables, checked, "K1").profit == say(*without, "K1").profit


def test_too_many_bad_receipts_stop_every_verb_that_reads_them_and_say_the_limit(market):
    spoilt = market.transactions.copy()
    spoilt.loc[spoilt.index[: len(spoilt) // 20], "margin"] = np.nan
    with pytest.raises(DataError, match=r"transactions\.margin.*check\.max_left_out_share allows"):
        opened(market.but(transactions=spoilt), "score")
