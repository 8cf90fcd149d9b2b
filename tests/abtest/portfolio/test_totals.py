"""Offers, channels and segments over many campaigns: sums by hand, and intervals that hold what was drawn."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from netlift.abtest.portfolio.groups import add_effects, advise, total_by
from netlift.abtest.portfolio.totals import Effect, believe, read_lines
from netlift.abtest.stats.difference import contrast
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, merge, of_rows

pytestmark = pytest.mark.slow

TERMS = {"level": 0.95, "currency": "EUR"}
CHANNEL = {"mail": "letter", "gift": "letter", "text": "phone", "call": "phone"}
OFFERS, CAMPAIGNS = tuple(CHANNEL), 12
WORLDS = {
    "null-heavy": lambda rng: np.where(rng.random((CAMPAIGNS, 4)) < 0.85, 0.0, rng.normal(0.0, 6.0, (CAMPAIGNS, 4))),
    "real effects": lambda rng: np.array([-4.0, -1.0, 1.0, 4.0]) + rng.normal(0.0, 1.5, (CAMPAIGNS, 4)),
}


def cell(rng, n, *, gain=0.0, buy=0.3):
    """Customers of whom some buy, in baskets of which a few are large."""
    margin = np.where(rng.random(n) < buy, rng.lognormal(2.5, 1.0, n), 0.0) + gain
    return of_rows(np.column_stack([3 * margin, margin, 0 * margin, 0 * margin]), OUTCOMES)


def arms_of(rng, campaign, gains, *, n=(400, 1500), control=(120, 500), fixed=0.0):
    """Arms of one campaign against one control; NaN for an offer that is not in it."""
    alone = cell(rng, int(rng.integers(*control)))
    for offer, gain in zip(OFFERS, gains, strict=True):
        if not math.isnan(gain):
            treated = cell(rng, int(rng.integers(*n)), gain=gain)
            yield Effect(
                campaign_id=campaign, name="", started=date(2026, 1, 1), arm=offer, contrast=contrast(treated, alone),
                buyers=99, fixed=fixed,
            )  # fmt: skip


def world(rng, gains, **sizes):
    return [e for i, own in enumerate(gains) for e in arms_of(rng, f"K{i:02d}", own, **sizes)]


def totals(effects, key=lambda effect: effect.arm, dimension="offer"):
    return {total.name: total for total in total_by(believe(effects), key, dimension=dimension, **TERMS)}


def in_channel(effect):
    return CHANNEL[effect.arm]


def test_arms_of_one_campaign_add_up_as_if_they_were_one_arm() -> None:
    rng = np.random.default_rng(1)
    alone, cells = cell(rng, 300), [cell(rng, 700), cell(rng, 1100, gain=3.0)]
    effects = [
        Effect(campaign_id="K", name="", started=date(2026, 1, 1), arm=str(i), contrast=contrast(own, alone), buyers=9)
        for i, own in enumerate(cells)
    ]
    together, added = contrast(merge(*cells), alone), add_effects(effects)
    assert added.point == pytest.approx(1800 * together.point(PROFIT))
    # Within arms apart, as they are here, against within both together: the arms differ by 3 in their means.
    assert added.se == pytest.approx(1800 * together.se(PROFIT), rel=0.01)
    apart = math.sqrt(sum((e.treated * e.contrast.se(PROFIT)) ** 2 for e in effects))
    assert added.se > 1.2 * apart, "the control is shared"
    assert added.shape.lower == pytest.approx(together.shape.lower, rel=0.25)
    elsewhere = add_effects([effects[0], replace(effects[1], campaign_id="L")])
    assert elsewhere.se == pytest.approx(apart)


def test_all_totals_add_up_to_the_arms_and_one_that_was_tried_once_is_its_arm() -> None:
    rng = np.random.default_rng(2)
    gains = rng.normal(0, 3, (CAMPAIGNS, 4))
    gains[1:, 3] = np.nan
    effects = world(rng, gains, fixed=50.0)
    lines = read_lines(believe(effects), **TERMS)
    for key, dimension in ((lambda effect: effect.arm, "offer"), (in_channel, "channel")):
        found = totals(effects, key, dimension)
        for side in ("raw", "shrunken"):
            summed = sum(getattr(total, side).point for total in found.values())
            assert summed == pytest.approx(sum(line.raw.point for line in lines))
        assert sum(total.contacts for total in found.values()) == sum(line.treated for line in lines)
    once, line = totals(effects)["call"], next(line for line in lines if line.arm == "call")
    assert once.campaigns == 1 and once.raw.point == pytest.approx(line.raw.point)
    assert (once.raw.ci_lower, once.raw.ci_upper) == pytest.approx((line.raw.ci_lower, line.raw.ci_upper))
    assert (once.shrunken.ci_lower, once.shrunken.ci_upper) == pytest.approx(
        (line.shrunken.ci_lower, line.shrunken.ci_upper), rel=0.02
    )
    assert once.per_contact * once.contacts == pytest.approx(once.shrunken.point)


@pytest.mark.parametrize("name", WORLDS)
def test_the_intervals_of_offers_and_channels_hold_the_total_that_was_drawn(name) -> None:
    rng = np.random.default_rng(7)
    held, alone, apart, misses = [], [], [], []
    for _ in range(200):
        gains = WORLDS[name](rng)
        gains[rng.random(gains.shape) < 0.25] = np.nan
        effects = world(rng, gains)
        beliefs = believe(effects)
        for key, kept in ((lambda effect: effect.arm, held), (in_channel, alone)):
            truth = {}
            for effect in effects:
                gain = gains[int(effect.campaign_id[1:]), OFFERS.index(effect.arm)]
                truth[key(effect)] = truth.get(key(effect), 0.0) + effect.treated * gain
            for total in total_by(beliefs, key, dimension="any", **TERMS):
                group = total.name
                kept.append(total.shrunken.ci_lower <= truth[group] <= total.shrunken.ci_upper)
                if key is in_channel:
                    own = [effect for effect in effects if in_channel(effect) == group]
                    se = math.sqrt(sum((e.treated * e.contrast.se(PROFIT)) ** 2 for e in own))
                    apart.append(abs(total.raw.point - truth[group]) < 1.96 * se)
                else:
                    misses.append(
                        int(truth[group] < total.shrunken.ci_lower) - int(truth[group] > total.shrunken.ci_upper)
                    )
    assert 0.93 <= np.mean(held) <= 0.97
    assert 0.93 <= np.mean(alone) <= 0.97
    assert np.mean(apart) < 0.92, "a variance that forgets the shared control would not hold"
    assert abs(np.mean(misses)) < 0.025


def test_luck_is_taken_out_of_offers_without_an_effect_and_left_where_it_is_none() -> None:
    rng = np.random.default_rng(3)
    seen, without = [], []
    for _ in range(12):
        effects = world(rng, np.zeros((CAMPAIGNS, 4)))
        found = sorted(totals(effects).values(), key=lambda total: -total.raw.point)
        seen.append(found[0].raw.point)
        without.append(found[0].shrunken.point)
    assert np.mean(seen) > 0 and np.mean(without) < 0.9 * np.mean(seen)
    real = totals(world(rng, np.tile([-4.0, 0.0, 0.0, 8.0], (CAMPAIGNS, 1)), n=(2000, 3000), control=(900, 1000)))
    for offer in ("mail", "call"):
        assert real[offer].shrunken.point == pytest.approx(real[offer].raw.point, rel=0.15)
    assert (real["call"].advice, real["mail"].advice) == ("scale_up", "stop")


def test_few_arms_are_left_as_seen_and_who_bought_nothing_is_known() -> None:
    rng = np.random.default_rng(4)
    effects = list(arms_of(rng, "K", [1.0, 0.0, 0.0, 0.0]))
    for total in totals(effects).values():
        assert total.shrunken.point == total.raw.point and "too few" in total.shrunken.method
        assert total.chance_of_profit == total.chance_by_itself
    many = world(rng, np.zeros((CAMPAIGNS, 4)))
    nobody = contrast(cell(rng, 50, buy=0.0), cell(rng, 50, buy=0.0))
    none = [replace(many[0], campaign_id="N", arm="none", contrast=nobody, fixed=30.0)]
    found = totals([*many, *none])["none"]
    assert found.raw.point == found.shrunken.point == found.shrunken.ci_upper == -30.0
    assert (found.chance_of_profit, found.advice) == (0.0, "stop")
    assert total_by(believe([]), lambda effect: effect.arm, dimension="offer", **TERMS) == ()


def test_an_interval_of_advice_that_touches_zero_decides_nothing() -> None:
    rng = np.random.default_rng(5)
    one = totals(world(rng, np.zeros((CAMPAIGNS, 4))))["mail"].shrunken
    assert advise(replace(one, ci_lower=0.0, ci_upper=9.0, point=4.0)) == "keep_testing"
    assert advise(replace(one, ci_lower=-9.0, ci_upper=0.0, point=-4.0)) == "keep_testing"
