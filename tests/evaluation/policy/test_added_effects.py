"""What another contact adds within an open window is recovered, and a rest is shortened only where it is proven."""

from __future__ import annotations

import numpy as np
import pytest

from netlift.evaluation.policy.added_effects import find_added_effects
from netlift.evaluation.policy.off_policy import LoggedOutcomes

WINDOW, NOISE = 28, 40.0
OFFERS = ("mail", "call")


def find(bands, *, rested=50.0, n=12_000, seed=8, since=None, rare=0.5, channels=None):
    """Rows with a known effect of both offers by days since the last contact: four bands of a window, and later."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 90, n).astype(np.float64)
    days[rng.random(n) < 0.1] = np.nan  # no contact before
    effect = np.array([*bands, rested])[np.minimum(np.nan_to_num(days, nan=99) // 7, 4).astype(int)]
    scores = np.column_stack([np.zeros(n), effect + rng.normal(0, NOISE, n), effect + rng.normal(0, NOISE, n)])
    logged = LoggedOutcomes(
        y=np.zeros(n), arm=np.zeros(n, dtype=np.int64), propensity=np.full(n, 0.5), scores=scores,
        customer=np.arange(n), unit="RUB/customer", level=0.95,
    )  # fmt: skip
    policy = np.where(rng.random(n) < 1 / 3, 0, np.where(rng.random(n) < rare, 2, 1))
    return find_added_effects(
        logged, policy, days if since is None else None, offers=OFFERS, window_days=WINDOW, channels=channels or {}
    )


@pytest.mark.parametrize(
    ("bands", "days"),
    [
        ((2, 2, 2, 2), 28),
        ((2, 2, 2, 45), 21),
        ((2, 2, 45, 45), 14),
        ((45, 45, 45, 45), 0),
        ((45, 45, 45, 2), 28),  # what fails first ends it
        ((20, 20, 20, 20), 28),  # adds something, and less than half of a rested contact
        ((-9, -9, -9, -9), 28),
    ],
)
def test_the_rest_is_as_short_as_what_is_added_proves(bands, days):
    found = find(bands)
    assert found
    for one in found:
        assert one.rest_days == days
        assert (one.share > 0) == (days < WINDOW)


def test_the_share_that_another_contact_adds_is_recovered():
    found = find((30, 30, 40, 40), n=60_000)
    assert found
    for one in found:
        assert one.rest_days == 0
        assert one.share == pytest.approx(35 / 50, abs=0.03)
        assert one.rested.point == pytest.approx(50, abs=4 * NOISE / np.sqrt(13_000))


def test_an_offer_that_adds_nothing_is_rarely_let_follow_too_soon():
    """The order is fixed and the level shared out: at the border of half a rested effect at most 5 % of markets err."""
    wrong = [any(one.rest_days < WINDOW for one in find((25, 25, 25, 25), n=4000, seed=seed)) for seed in range(200)]
    assert np.mean(wrong) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("asked", [{"n": 500}, {"since": "nobody knows"}])
def test_where_data_cannot_tell_the_rest_is_the_window(asked):
    assert [(one.rest_days, one.share) for one in find((45, 45, 45, 45), **asked)] == [(WINDOW, 0.0)] * 2


@pytest.mark.parametrize(("bands", "days"), [((45, 45, 45, 45), 0), ((2, 2, 2, 45), 21), ((2, 2, 2, 2), 28)])
def test_an_offer_of_few_contacts_rests_as_its_channel_does(bands, days):
    alone = find(bands, rare=0.01)
    assert (alone[1].rest_days, alone[1].rows) == (WINDOW, 0)
    mail, call = find(bands, rare=0.01, channels=dict.fromkeys(OFFERS, "email"))
    assert (call.rest_days, call.channel, mail.channel) == (days, "email", "") and mail.rest_days == days
    assert find(bands, rare=0.01, channels={"mail": "email", "call": "phone"})[1].rest_days == WINDOW
