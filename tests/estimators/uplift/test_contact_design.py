"""Refusals, weights and average effects of randomized campaigns."""

from dataclasses import replace

import numpy as np
import pytest
from contact_world import make_world

from netlift.errors import DataError, NotRandomizedError
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.randomization import (
    average_effects,
    check_contacts,
    pair_of,
    pair_propensity,
    stabilised_weights,
)


@pytest.fixture(scope="module")
def rows() -> ContactRows:
    return make_world(1500, seed=5).rows


def spoil(rows: ContactRows, name: str, where: np.ndarray, value: float) -> ContactRows:
    changed = getattr(rows, name).copy()
    changed[where] = value
    return replace(rows, **{name: changed})


def test_good_rows_pass(rows):
    assert check_contacts(rows) is None


def test_a_missing_propensity_is_not_randomized_and_the_campaign_is_counted(rows):
    some = np.flatnonzero(rows.campaign == 2)[:7]
    with pytest.raises(NotRandomizedError, match=r"missing in 7 of 1,500 rows of campaign 2: nobody knows"):
        check_contacts(spoil(rows, "propensity", some, np.nan))


@pytest.mark.parametrize("value", [0.0, -0.1, 1.2])
def test_a_propensity_outside_its_range_is_refused(rows, value):
    with pytest.raises(DataError, match=r"outside \(0, 1\] in 3 of 1,500 rows of campaign 0"):
        check_contacts(spoil(rows, "propensity", np.arange(3), value))


@pytest.mark.parametrize("name", ["y", "margin"])
def test_an_outcome_that_is_not_finite_is_refused(rows, name):
    with pytest.raises(DataError, match=r"not finite in 1 of 1,500 rows of campaign 0"):
        check_contacts(spoil(rows, name, np.array([4]), np.nan))


def test_a_campaign_without_control_is_refused(rows):
    bare = rows.take((rows.campaign != 1) | (rows.arm != 0))
    with pytest.raises(DataError, match=r"no control among .* of campaign 1"):
        check_contacts(bare)


def test_an_offer_without_rows_is_refused_with_the_counts_of_all(rows):
    with pytest.raises(DataError, match=r"hold the offer promo \(rows by offer: call [\d,]+, mail [\d,]+, promo 0"):
        check_contacts(rows.take(rows.arm != 3))


def test_an_arm_that_the_campaign_could_not_draw_is_refused(rows):
    with pytest.raises(DataError, match=r"could not draw, in 2 of 1,500 rows of campaign 0"):
        check_contacts(spoil(rows, "arm", np.array([0, 1]), 3))


def test_messages_never_hold_a_customer_code(rows):
    marked = replace(rows, customer=rows.customer + 987_654_000)
    with pytest.raises(DataError) as refusal:
        check_contacts(spoil(marked, "y", np.array([4]), np.nan))
    assert "98765" not in str(refusal.value)


def test_no_rows_are_refused(rows):
    with pytest.raises(DataError, match="no rows of a randomized campaign"):
        check_contacts(rows.take(np.zeros(len(rows), dtype=bool)))


def test_weights_make_every_arm_a_picture_of_its_campaign(rows):
    weight, strong = stabilised_weights(rows), rows.X[:, 0] > 0
    for campaign in range(4):
        inside = rows.campaign == campaign
        assert inside.any()
        for arm in np.unique(rows.arm[inside]):
            drawn = inside & (rows.arm == arm)
            assert np.isclose(weight[drawn].mean(), 1.0)
            assert abs(np.average(strong[drawn], weights=weight[drawn]) - strong[inside].mean()) < 0.08


def test_weights_are_one_where_everybody_had_the_same_chance(rows):
    assert np.allclose(stabilised_weights(replace(rows, propensity=np.full(len(rows), 0.25))), 1.0)


def test_a_pair_leaves_out_campaigns_without_the_offer_and_the_other_offers(rows):
    pair = pair_of(rows, 3)
    assert set(rows.campaign[pair]) == {2, 3}
    assert set(rows.arm[pair]) == {0, 3}


def test_pair_propensity_is_the_share_of_the_offer_in_its_pair(rows):
    share = pair_propensity(rows, 1)
    for campaign in range(4):
        inside = rows.campaign == campaign
        drawn, control = np.sum(inside & (rows.arm == 1)), np.sum(inside & (rows.arm == 0))
        assert abs(share[inside][0] - drawn / (drawn + control)) < 0.03
    assert np.isnan(pair_propensity(rows, 3)[rows.campaign < 2]).all()


def test_average_effects_are_recovered_where_frequent_buyers_had_less_control():
    world = make_world(25_000, seed=2)
    found, truth = average_effects(world.rows), world.effects.mean(axis=0)
    naive = [world.rows.y[world.rows.arm == j].mean() - world.rows.y[world.rows.arm == 0].mean() for j in (1, 2, 3)]
    assert np.abs(found - truth).max() < 0.25
    assert np.abs(naive - truth).max() > 0.8
