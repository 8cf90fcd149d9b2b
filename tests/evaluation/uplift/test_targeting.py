"""TOC and RATE against their definitions."""

import numpy as np
import pytest

from netlift.errors import DataError
from netlift.evaluation.uplift.metrics import ScoredModel, qini, uplift_at_k
from netlift.evaluation.uplift.toc import rate, rate_difference, toc


def sample(n: int, *, seed: int, weighted: bool = False):
    rng = np.random.default_rng(seed)
    tau = rng.normal(size=n)
    weight = rng.uniform(0.5, 2.0, n) if weighted else None
    effects = tau + rng.normal(size=n)
    return ScoredModel(effects=effects, customer=np.arange(n), unit="EUR/customer", level=0.95, weight=weight), tau


def toc_at(scored: ScoredModel, score: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """TOC without ties, from the running mean of effects in order."""
    order = np.argsort(-score)
    weight = np.ones(len(score)) if scored.weight is None else scored.weight[order]
    held = np.concatenate([[0.0], np.cumsum(weight)]) / weight.sum()
    gained = np.concatenate([[0.0], np.cumsum(weight * scored.effects[order])]) / weight.sum()
    return np.interp(shares, held, gained) / shares - gained[-1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("least_q", [0.0, 0.1, 0.5])
def test_rate_is_the_mean_of_toc_over_shares(weighted, least_q):
    scored, tau = sample(200, seed=1, weighted=weighted)
    middle = least_q + (1 - least_q) * (np.arange(400_000) + 0.5) / 400_000
    curve = toc_at(scored, tau, middle)
    assert rate(scored, tau, least_q=least_q).point == pytest.approx(curve.mean(), abs=1e-4)
    by_size = rate(scored, tau, weighting="qini", least_q=least_q).point
    assert by_size == pytest.approx(np.mean(middle * curve), abs=1e-4)


def test_the_qini_weighting_of_all_shares_is_the_qini():
    scored, tau = sample(300, seed=2, weighted=True)
    ours, theirs = rate(scored, tau.round(), weighting="qini", least_q=0.0), qini(scored, tau.round())
    assert (ours.point, ours.ci_lower) == (pytest.approx(theirs.point), pytest.approx(theirs.ci_lower))


def test_a_least_share_keeps_the_first_rows_from_ruling():
    """One outlier at the very top moves AUTOC by its logarithm, with a least share of a tenth by no more than ten."""
    scored, tau = sample(100_000, seed=3)
    effects = scored.effects.copy()
    effects[np.argmax(tau)] += 1e5
    moved = ScoredModel(effects=effects, customer=scored.customer, unit="", level=0.95)
    full, least = (rate(moved, tau, least_q=q).point - rate(scored, tau, least_q=q).point for q in (0.0, 0.1))
    assert full == pytest.approx(np.log(100_000), rel=0.01)
    assert least == pytest.approx(np.log(10) / 0.9 - 1, rel=0.01)


def test_toc_is_the_top_less_all_and_zero_for_all():
    scored, tau = sample(500, seed=4)
    table = toc(scored, tau, [0.1, 0.3, 1.0])
    for row in table:
        top = uplift_at_k(scored, tau, row.share)
        assert row.effect == top
        assert row.above_average.point == pytest.approx(top.point - scored.effects.mean())
        assert row.above_average.point == pytest.approx(toc_at(scored, tau, np.array([row.share]))[0])
    last = table.rows[-1].above_average
    assert (last.point, last.ci_lower, last.ci_upper) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)


def test_the_difference_of_rates_is_paired():
    scored, tau = sample(4000, seed=5)
    close = tau + 0.1 * np.random.default_rng(6).normal(size=4000)
    difference = rate_difference(scored, tau, close, least_q=0.1)
    alone = rate(scored, tau, least_q=0.1)
    assert difference.point == pytest.approx(alone.point - rate(scored, close, least_q=0.1).point)
    assert difference.ci_upper - difference.ci_lower < 0.3 * (alone.ci_upper - alone.ci_lower)


def test_a_least_share_of_all_is_refused():
    scored, tau = sample(10, seed=7)
    with pytest.raises(DataError, match=r"least share 1.0 must be in \[0, 1\)"):
        rate(scored, tau, least_q=1.0)
