"""Arms of a few customers: left out by name where others can be read, said to be too few where none can."""

import numpy as np
import pandas as pd
import pytest
from readout_world import make_market, read

from netlift.abtest.readout.checks import FEWEST_CUSTOMERS
from netlift.errors import DataError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def market():
    return make_market(800)


def keep_few(market, arm, few):
    """The campaign with `few` customers of one arm, drawn with the chance that leads to so many."""
    contacts = market.contacts
    own = contacts.offer_id == arm
    kept = contacts[~own | (own.cumsum() <= few)]
    share = few / len(kept)
    chance = np.where(kept.offer_id == arm, share, 1 - share)
    return market.but(contacts=kept.assign(propensity=chance).reset_index(drop=True))


@pytest.mark.parametrize("arm", ["control", "mail"])
@pytest.mark.parametrize("few", [2, 5])
def test_a_readout_with_few_customers_in_an_arm_is_read_and_has_no_verdict(market, arm, few):
    found = read(keep_few(market, arm, few))
    assert found.verdict.code == "blocked"
    failed = {check.name: check.figures for check in found.checks if check.blocking and check.status == "failed"}
    assert set(failed) == {"control_size"}
    assert failed["control_size"]["control" if arm == "control" else "customers"] == few
    assert np.isfinite(found.profit.point)
    assert (found.arms[0].profit_without_largest is None) is (few == 2)


def test_one_customer_cannot_be_compared_and_is_refused_by_name(market):
    with pytest.raises(DataError, match="control: 1 customer assigned; at least 2 are needed"):
        read(keep_few(market, "control", 1))


@pytest.mark.parametrize("few", [1, 2, FEWEST_CUSTOMERS - 1])
def test_a_small_arm_beside_others_is_left_out_counted_and_costs_the_others_nothing(market, few):
    contacts = market.contacts
    mail = (contacts.offer_id == "mail").cumsum()
    tiny = (contacts.offer_id == "mail") & (mail <= few)
    contacts = contacts.assign(
        offer_id=contacts.offer_id.where(~tiny, "letter"),
        propensity=np.select([tiny, contacts.offer_id == "control"], [few / 800, 0.5], 0.5 - few / 800),
    )
    letter = market.offers.assign(offer_id="letter")
    world = market.but(contacts=contacts, offers=pd.concat([market.offers, letter]))
    found = read(world)
    assert [arm.arm for arm in found.arms] == ["mail"] and found.verdict.code != "blocked"
    assert found.notes["arms_too_small"] == few
    alone = read(market.but(contacts=contacts[~tiny].reset_index(drop=True)))
    assert found.profit.point == pytest.approx(alone.profit.point)
