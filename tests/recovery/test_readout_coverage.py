"""Do the intervals of a readout hold what they claim, each tail by itself, where most customers buy nothing?

Cells are drawn as sums of buyers, so that thousands of campaigns take seconds. Binomial error of a 2.5 % tail in 3,000
draws is .3 points.
"""

from dataclasses import replace

import numpy as np
import pytest

from netlift.abtest.readout.roi import roi
from netlift.abtest.stats import skew
from netlift.abtest.stats.adjustment import adjusted
from netlift.abtest.stats.difference import contrast, money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, Moments, log_spend, of_rows, of_sums
from netlift.abtest.stats.simultaneous import simultaneous_profits

pytestmark = pytest.mark.slow

TERMS = {"level": 0.95, "currency": "EUR"}
SIGMA = 0.6


def mean_basket():
    return float(np.exp(4.0 + SIGMA**2 / 2))


def cell(
    rng: np.random.Generator, n: int, *, buy: float, reward: float, contact: float, sigma: float = SIGMA
) -> Moments:
    """An arm whose buyers redeem a reward of that share of their basket in half of the cases."""
    spend = rng.lognormal(4.0, sigma, rng.binomial(n, buy))
    redeemed = reward * spend * (rng.random(len(spend)) < 0.5)
    moved = np.column_stack([spend, 0.4 * spend, redeemed, np.zeros(len(spend))])
    profit = moved[:, 1] - redeemed
    shift = np.array([0.0, 0.0, 0.0, contact])
    found = of_sums(
        OUTCOMES, n, moved.sum(axis=0), moved.T @ moved, float(np.sum(profit**3)), buyers=len(spend), shift=shift
    )
    return replace(found, spend=log_spend(spend))


@pytest.mark.parametrize(
    ("customers", "share", "sigma"), [(40_000, 0.5, 1.0), (40_000, 0.1, 0.6), (20_000, 0.2, 0.6), (20_000, 0.2, 1.0)]
)
def test_no_tail_of_profit_fires_more_often_than_it_claims(customers, share, sigma):
    rng = np.random.default_rng(1)
    n_0 = round(share * customers)
    missed = []
    for _ in range(2500):
        arms = (cell(rng, n, buy=0.02, reward=0.0, contact=0.0, sigma=sigma) for n in (customers - n_0, n_0))
        seen = contrast(*arms)
        total = money(seen, PROFIT, **TERMS)[0]
        missed.append((total.ci_lower > 0, total.ci_upper < 0))
    assert np.mean(missed, axis=0).max() <= 0.035
    assert np.mean(missed, axis=0).sum() >= 0.03  # nor is it wide for nothing


def test_where_the_tails_cannot_be_trusted_the_control_is_called_too_small():
    rng = np.random.default_rng(2)
    gammas = [
        abs(contrast(*(cell(rng, n, buy=0.01, reward=0.0, contact=0.0) for n in (9500, 500))).gamma) for _ in range(200)
    ]
    assert np.mean(np.array(gammas) > skew.LARGE) > 0.99


def test_a_symmetric_interval_would_call_too_many_campaigns_a_success():
    rng = np.random.default_rng(3)
    won = []
    for _ in range(2500):
        seen = contrast(*(cell(rng, n, buy=0.02, reward=0.0, contact=0.0, sigma=1.0) for n in (36_000, 4000)))
        won.append(seen.point(PROFIT) > 1.959964 * seen.se(PROFIT))
    assert np.mean(won) > 0.04


@pytest.mark.parametrize(("share", "buy_control"), [(0.5, 0.05), (0.1, 0.05), (0.5, 0.02)])
def test_profit_and_return_cover_a_true_effect(share, buy_control):
    rng = np.random.default_rng(4)
    n, buy, rate, contact, fixed = 30_000, 0.06, 0.15, 0.05, 500.0
    n_0 = round(share * n)
    n_t = n - n_0
    margin = 0.4 * mean_basket() * (buy - buy_control)
    cost = buy * rate / 2 * mean_basket() + contact + fixed / n_t
    profits, returns = [], []
    for _ in range(1500):
        treated = cell(rng, n_t, buy=buy, reward=rate, contact=contact)
        seen = contrast(treated, cell(rng, n_0, buy=buy_control, reward=0.0, contact=0.0))
        total, found = money(seen, PROFIT, **TERMS, fixed=fixed)[0], roi(seen, **TERMS, fixed=fixed)
        profits.append(total.ci_lower <= n_t * (margin - cost) <= total.ci_upper)
        returns.append(found.lower <= margin / cost - 1 <= found.upper)
    assert np.mean(profits) == pytest.approx(0.95, abs=0.017)
    assert np.mean(returns) == pytest.approx(0.95, abs=0.017)


def test_the_set_of_the_return_covers_where_the_cost_is_all_but_unknown():
    rng = np.random.default_rng(5)
    # Rewards of both arms nearly cancel: the true extra cost is far within its own error.
    rate, other, extra = 0.05, 0.0515, 0.002
    margin, cost = 0.4 * extra, 0.5 * ((0.05 + extra) * rate - 0.05 * other)
    truth, covered, kinds = margin / cost - 1, [], set()
    for _ in range(1500):
        treated = cell(rng, 8000, buy=0.05 + extra, reward=rate, contact=0.0)
        found = roi(contrast(treated, cell(rng, 8000, buy=0.05, reward=other, contact=0.0)), **TERMS)
        kinds.add(found.kind)
        if found.kind in ("all", "saves_cost"):
            covered.append(found.kind == "all")
        elif found.kind == "interval":
            covered.append(found.lower <= truth <= found.upper)
        else:
            covered.append(not found.lower < truth < found.upper)
    assert {"all", "outside"} <= kinds
    assert np.mean(covered) == pytest.approx(0.95, abs=0.017)


def test_the_adjusted_interval_covers_and_is_shorter():
    rng = np.random.default_rng(6)
    names = ("revenue", "margin", "before")
    effect, covered, ratios = 0.3, [], []
    for _ in range(600):
        cells = []
        for n, lift in ((2700, effect), (300, 0.0)):
            before = rng.gamma(0.7, 2.0, n)
            spend = (1 + lift / 1.4) * before + rng.exponential(1.0, n)
            cells.append(of_rows(np.column_stack([spend, spend, before]), names))
        found = adjusted(*cells, outcomes=names[:2], covariates=names[2:])
        each = money(found.contrast, PROFIT, **TERMS)[1]
        covered.append(each.ci_lower <= effect <= each.ci_upper)
        ratios.append(found.variance_ratio)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.025)
    assert np.mean(ratios) < 0.45


def test_all_arms_are_covered_at_once():
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(700):
        control = cell(rng, 8000, buy=0.05, reward=0.0, contact=0.0)
        arms = [contrast(cell(rng, n, buy=0.05, reward=0.0, contact=0.0), control) for n in (8000, 8000, 16_000)]
        found = simultaneous_profits(arms, fixed=[0.0] * 3, **TERMS)
        covered.append(all(each.ci_lower <= 0 <= each.ci_upper for each in found))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_households_are_covered_only_when_their_sums_are_known():
    rng = np.random.default_rng(8)
    alone, together = [], []
    for _ in range(500):
        rows, codes = [], []
        for _arm in range(2):
            house = rng.integers(0, 150, 400)
            rows.append((rng.normal(size=150)[house] + rng.normal(size=400))[:, None])
            codes.append(house)
        for kept, clusters in ((alone, (None, None)), (together, codes)):
            cells = [of_rows(each, ("margin",), cluster=code) for each, code in zip(rows, clusters, strict=True)]
            each = money(contrast(*cells), PROFIT, **TERMS)[0]
            kept.append(each.ci_lower <= 0 <= each.ci_upper)
    assert np.mean(alone) < 0.88
    assert np.mean(together) == pytest.approx(0.95, abs=0.025)
