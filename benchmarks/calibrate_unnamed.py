"""Three designs that nobody named and nothing was chosen by: run last, with a seed of their own, and left as they came.

Pareto baskets         no third moment at all, where the correction believes in one
subscriptions          a fee for everybody, rare refunds of a year (skewed to the loss), drawn by household
rewards and returns    three offers, a reward with a cap, purchases sent back, paydays that some windows hold,
                       adjusted by the covariates that ship
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_campaigns import read
from calibrate_rows import clustered, past_of, shipped
from calibrate_tails import tail_targets, tails
from calibrate_worlds import LEVEL, MARGIN, TOLERATED, Rows, cell_of, features, target
from scipy.special import ndtri

from netlift.abtest.readout.arms import Terms
from netlift.abtest.stats.difference import contrast
from netlift.abtest.stats.moments import OUTCOMES, Moments, of_rows
from netlift.abtest.stats.outcomes import COVARIATES

STEEPNESS, LEAST = 2.2, 16.0
FEE, REFUND, REFUNDED = 10.0, 120.0, 0.02
REWARD, MOST_REWARD, REDEEM, SENT_BACK = 0.1, 8.0, 0.5, 0.08
EITHER = 0.055
TERMS = Terms(currency="EUR", level=LEVEL, tolerance=1e12, fixed=0.0, covariates=COVARIATES)


def pareto(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """8 % buy a Pareto basket; no effect, and an offer by which 1.3 times as many buy."""
    mean = MARGIN * LEAST * STEEPNESS / (STEEPNESS - 1)
    for times in (1.0, 1.3):
        for n_t, n_0 in ((9_000, 1_000), (5_000, 5_000)):
            found = [contrast(_pareto_cell(rng, n_t, 0.08 * times), _pareto_cell(rng, n_0, 0.08)) for _ in range(draws)]
            where = {"design": f"Pareto baskets, {times:g} times as many buy", "treated": n_t, "control": n_0}
            yield where | tails(found, truth=0.08 * (times - 1) * mean)


def _pareto_cell(rng: np.random.Generator, n: int, share: float) -> Moments:
    spend = LEAST * (1 + rng.pareto(STEEPNESS, rng.binomial(n, share)))
    return cell_of(features(spend).sum(axis=0), n)


def subscriptions(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Whole households drawn; no effect, and an offer that spares half of the refunds."""
    households = 1_500
    for kept in (0.0, 0.5):
        for share in (0.5, 0.2):
            seen = []
            for _ in range(draws):
                house = np.repeat(np.arange(households), rng.integers(1, 4, households))
                in_control = rng.permutation(households)[house] < round(share * households)
                leaves = rng.random(households)[house] < 2 * REFUNDED * np.where(in_control, 1.0, 1 - kept)
                refunded = leaves & (rng.random(len(house)) < 0.5)
                fee = FEE * (1 + rng.poisson(0.3, len(house)))
                seen.append(clustered(fee - REFUND * refunded, house, in_control))
            where = {"design": f"subscriptions, {kept:.0%} of refunds spared", "control": f"{share:.0%} of households"}
            truth = MARGIN * REFUND * REFUNDED * kept
            yield where | tails([own for own, _ in seen], truth=truth, withheld=[taken for _, taken in seen])


def rewards(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Three offers with rewards: the first brings a quarter more buyers, the others none; control 15 %."""
    lifts, sizes = (0.0, 0.25, 0.0, 0.0), (1_500, 2_800, 2_800, 2_800)
    truths = _profit_of_rewards(np.array(lifts[1:]))
    some, whole = [], []
    for _ in range(draws):
        cells = [
            _rewarded_cell(rng, n, lift, is_offer=place > 0)
            for place, (n, lift) in enumerate(zip(sizes, lifts, strict=True))
        ]
        found = read({f"offer {place}": cell for place, cell in enumerate(cells[1:])}, cells[0], TERMS)
        totals = truths * np.array(sizes[1:])
        some.append(any(
            not arm.profit_simultaneous.ci_lower <= total <= arm.profit_simultaneous.ci_upper
            for arm, total in zip(found.arms, totals, strict=True)
        ))  # fmt: skip
        whole.append((found.profit.ci_lower > totals.sum(), found.profit.ci_upper < totals.sum()))
    above, below = np.mean(whole, axis=0)
    yield {
        "design": "rewards and returns, three offers", "treated": 3 * sizes[1], "control": sizes[0],
        "some arm missed": float(np.mean(some)), "upper": float(above), "lower": float(below), "withheld": 0.0,
        "outcome": "held" if max(above, below) <= TOLERATED else "MISSED", "draws": draws,
    }  # fmt: skip


BUY, PAYDAY, LIKES = 0.2, 1.5, 0.25


def _rewarded_cell(rng: np.random.Generator, n: int, lift: float, *, is_offer: bool) -> Moments:
    past = past_of(rng, n)
    payday = np.where(rng.random(n) < 0.5, PAYDAY, 1.0)
    buys = rng.random(n) < BUY * (1 + lift)
    spend = np.where(buys, payday * np.exp(3.0 + LIKES * (past[:, 4] == 0) + rng.normal(0, 1.0, n)), 0.0)
    redeemed = np.where(rng.random(n) < REDEEM, np.minimum(REWARD * spend, MOST_REWARD), 0.0) * is_offer
    # What was bought before the window may come back within it, whatever is bought now.
    back = np.where((past[:, 4] == 0) & (rng.random(n) < SENT_BACK), rng.lognormal(3.0, 0.8, n), 0.0)
    net = spend - back
    rows = np.column_stack([net, MARGIN * net, redeemed, np.zeros(n), shipped(past)])
    return of_rows(rows, (*OUTCOMES, *COVARIATES))


def _profit_of_rewards(lifts: np.ndarray) -> np.ndarray:
    """Profit per customer of each offer."""
    basket = np.exp(3.0 + ndtri((np.arange(200_000) + 0.5) / 200_000))
    kinds = [
        (0.5 * had, payday * np.exp(LIKES * likes) * basket)
        for payday in (1.0, PAYDAY)
        for likes, had in ((1, 0.7), (0, 0.3))
    ]
    mean = sum(weight * each.mean() for weight, each in kinds)
    reward = sum(weight * np.minimum(REWARD * each, MOST_REWARD).mean() for weight, each in kinds)
    return BUY * lifts * MARGIN * mean - BUY * (1 + lifts) * REDEEM * reward


def study_unnamed(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Section H, judged as the others are."""
    rows = [*pareto(rng, draws), *subscriptions(rng, draws), *rewards(rng, draws)]
    targets = list(tail_targets("unnamed", rows, ("design", "control")))
    joint = target("unnamed: some arm missed, rewards and returns, three offers", rows[-1]["some arm missed"], EITHER)
    return rows, [*targets, joint]


__all__ = ["study_unnamed"]
