"""Intervals of what the treated earned hold it as often as they say, where chances go with spend and with the effect.

Rows are drawn a thousand times; control is weighted here by a few lines of numpy, not by the Ibis of the product.
"""

import numpy as np
import pytest
from unequal_world import EFFECTS, ONE_ARM, TWO_ARMS, VALUABLE, draw_people

from netlift.abtest.readout.comparison import contrast_arms
from netlift.abtest.stats.difference import money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, of_rows
from netlift.abtest.stats.weighting import picture_of
from netlift.data.contract import CONTROL

pytestmark = pytest.mark.slow

DRAWS, CUSTOMERS = 1000, 3000
NAMES = (*OUTCOMES, "pre_margin")


def picture(rows, weight):
    mean = np.average(rows, axis=0, weights=weight)
    return (weight / weight.mean())[:, None] * (rows - mean) + mean


def draw_blocks(rng, rich, vector):
    """Arms of each stratum in fixed numbers, in the order of chance, and the shares that came out as chances."""
    arm, chances = np.empty(len(rich), dtype=int), np.empty_like(vector)
    for stratum in (rich, ~rich):
        own = rng.permutation(np.flatnonzero(stratum))
        ends = np.floor(len(own) * np.cumsum(vector[own[0]])[:-1] + rng.random()).astype(int)
        arm[own] = np.searchsorted(ends, np.arange(len(own)), side="right")
        chances[own] = np.bincount(arm[own], minlength=vector.shape[1]) / len(own)
    return arm, chances


def read_once(rng, chances, *, blocks):
    """Estimated totals of the whole and of each arm, adjusted and raw, each with what they should hold."""
    rich, past, alone, effect, arm, vector = draw_people(rng, CUSTOMERS, chances)
    if blocks:
        arm, vector = draw_blocks(rng, rich, vector)
    paid = np.where((arm > 0) & rich, 3.0, 0.0)
    rows = np.column_stack([alone, alone + effect * (arm > 0), paid, 0.4 * (arm > 0), past])
    rows[:, 0] = 2.5 * rows[:, 1]
    gain = np.where(arm > 0, effect - paid - 0.4, 0.0)
    control, groups, shares, mixed = arm == 0, {}, [], 0.0
    for number, name in enumerate(chances, start=1):
        groups[name] = of_rows(rows[arm == number], NAMES)
        pictured = picture(rows[control], vector[control, number] / vector[control, 0])
        groups[picture_of(name)] = of_rows(pictured, NAMES)
        mixed = mixed + (arm == number).sum() / (arm > 0).sum() * pictured
        shares.append(gain[arm == number].sum())
    groups[CONTROL] = of_rows(mixed, NAMES)
    drawn = [(arm == number).sum() for number in range(1, len(chances) + 1)]
    earned = {"whole": sum(shares), **dict(zip(chances, shares, strict=True))}
    likely = [n * profit_of(one) for n, one in zip(drawn, chances.values(), strict=True)]
    expected = {"whole": sum(likely), **dict(zip(chances, likely, strict=True))}
    arms, whole = contrast_arms(groups, covariates=("pre_margin",))
    found = {}
    for name, one in {"whole": whole, **arms}.items():
        for how, contrast in (("adjusted", one.contrast), ("raw", one.raw)):
            total = money(contrast, PROFIT, level=0.95, currency="EUR")[0]
            held = [total.ci_lower <= truth[name] <= total.ci_upper for truth in (earned, expected)]
            found[name, how] = (total.point - earned[name], earned[name], *held)
    return found


def profit_of(chances):
    """Profit that is to be expected of a customer of an arm with these chances of the poor and of the valuable."""
    low, high = chances
    rich = VALUABLE * high / (VALUABLE * high + (1 - VALUABLE) * low)
    return rich * (EFFECTS[1] - 3.0) + (1 - rich) * EFFECTS[0] - 0.4


@pytest.mark.parametrize(
    ("chances", "blocks"), [(ONE_ARM, False), (TWO_ARMS, False), (ONE_ARM, True)], ids=["one", "two", "strata"]
)
def test_the_interval_of_the_treated_holds_what_they_earned(chances, blocks):
    """Of the sum that was drawn it may hold more than 95 %: Neyman's variance counts that effects differ as noise."""
    rng = np.random.default_rng(5)
    draws = [read_once(rng, chances, blocks=blocks) for _ in range(DRAWS)]
    assert draws[0]
    for key in draws[0]:
        error, truth, held, held_expected = (np.array([draw[key][i] for draw in draws], dtype=float) for i in range(4))
        assert abs(error.mean()) < 4 * error.std() / DRAWS**0.5, key
        assert abs(error.mean()) < 0.01 * truth.mean(), key
        assert held.mean() > 0.93, key
        assert 0.93 <= held_expected.mean() <= (1.0 if blocks else 0.97), key
