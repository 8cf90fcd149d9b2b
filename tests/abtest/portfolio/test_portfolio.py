"""Campaigns added up: by hand where few, by the world that was drawn where many."""

from datetime import date

import numpy as np
import pytest

from netlift.abtest.portfolio.totals import Effect, add_up, believe, read_lines, sum_raw, sum_shrunken, with_q_values
from netlift.abtest.stats.difference import contrast
from netlift.abtest.stats.moments import OUTCOMES, of_rows
from netlift.errors import DataError

pytestmark = pytest.mark.slow

TERMS = {"level": 0.95, "currency": "EUR"}


def effect(rng, number, *, gain=0.0, n=3000, control=1000, fixed=0.0, nobody=False):
    """A campaign that adds so much margin to every treated customer."""

    def cell(size, more):
        margin = np.zeros(size) if nobody else np.where(rng.random(size) < 0.3, rng.gamma(2, 10, size), 0.0) + more
        return of_rows(np.column_stack([3 * margin, margin, 0 * margin, 0 * margin]), OUTCOMES)

    seen = contrast(cell(n, gain), cell(control, 0.0))
    return Effect(
        campaign_id=f"K{number:02d}", name="", started=date(2026, 1, 1), arm="", contrast=seen, buyers=10, fixed=fixed
    )


def campaigns(seed=1, count=40, worked=8, fixed=300.0, gain=3.0):
    rng = np.random.default_rng(seed)
    gains = [gain if i < worked else 0.0 for i in range(count)]
    return [effect(rng, i, gain=own, fixed=fixed) for i, own in enumerate(gains)], np.array(gains)


def test_the_raw_sum_is_the_sum_and_its_interval_that_of_independent_campaigns() -> None:
    effects, _ = campaigns()
    lines = read_lines(believe(effects), **TERMS)
    total = sum_raw(effects, **TERMS)
    assert total.point == pytest.approx(sum(line.raw.point for line in lines))
    errors = np.array([each.treated * each.contrast.se({"margin": 1.0}) for each in effects])
    assert (total.ci_upper - total.ci_lower) / 2 == pytest.approx(1.959964 * np.sqrt((errors**2).sum()), rel=0.01)


def test_the_shrunken_sum_is_that_of_its_lines_and_winners_are_nearer_the_truth_without_luck() -> None:
    seen, corrected = [], []
    for seed in range(8):
        effects, gains = campaigns(seed=seed, gain=0.8)
        beliefs = believe(effects)
        lines = read_lines(beliefs, **TERMS)
        sums = add_up(beliefs, lines, **TERMS, false_share=0.1)
        assert sums.shrunken.point == pytest.approx(sum(line.shrunken.point for line in lines))
        assert sums.shrunken.point == pytest.approx(sums.raw.point)
        won = np.array([line.raw.ci_lower > 0 for line in lines])
        assert sums.winners == won.sum()
        truth = (3000 * gains - 300)[won].sum()
        seen.append(sums.winners_raw.point - truth)
        corrected.append(sums.winners_shrunken.point - truth)
    assert np.mean(seen) > 0
    assert abs(np.mean(corrected)) < 0.5 * np.mean(seen)


def test_campaigns_said_to_have_worked_did_but_for_the_tolerated_share() -> None:
    false = total = 0
    for seed in range(12):
        effects, gains = campaigns(seed=seed, fixed=0.0)
        beliefs = believe(effects)
        lines = with_q_values(read_lines(beliefs, **TERMS), beliefs)
        named = np.array([line.q_value <= 0.1 for line in lines])
        assert named.sum() == add_up(beliefs, lines, **TERMS, false_share=0.1).worked
        false, total = false + (named & (gains == 0)).sum(), total + named.sum()
    assert total > 60
    assert false / total < 0.15


def test_fixed_cost_comes_off_after_the_luck_and_counts_in_the_chance() -> None:
    effects, _ = campaigns(fixed=0.0)
    costly = [Effect(**{**vars(each), "fixed": 1e6}) for each in effects]
    free, paid = (read_lines(believe(own), **TERMS) for own in (effects, costly))
    assert len(free) == len(effects)
    for one, other in zip(free, paid, strict=True):
        assert one.shrunken.point - other.shrunken.point == pytest.approx(1e6)
        assert other.chance_of_profit < 1e-6 <= one.chance_of_profit
        assert one.effect == other.effect


def test_a_campaign_in_which_nobody_bought_is_left_as_it_is() -> None:
    rng = np.random.default_rng(4)
    effects = [*campaigns()[0], effect(rng, 99, nobody=True, fixed=200.0)]
    beliefs = believe(effects)
    last = read_lines(beliefs, **TERMS)[-1]
    assert (last.raw.point, last.shrunken.point, last.chance_of_profit) == (-200.0, -200.0, 0.0)
    whole, without = (sum_shrunken(believe(own), **TERMS).point for own in (effects, effects[:-1]))
    assert whole == pytest.approx(without - 200.0)


def test_few_campaigns_are_left_as_seen_and_none_are_refused() -> None:
    effects, _ = campaigns(count=9)
    beliefs = believe(effects)
    assert beliefs.prior is None and "too few" in beliefs.method
    assert sum_shrunken(beliefs, **TERMS).point == pytest.approx(sum_raw(effects, **TERMS).point)
    with pytest.raises(DataError, match="no campaign"):
        sum_raw([], **TERMS)
