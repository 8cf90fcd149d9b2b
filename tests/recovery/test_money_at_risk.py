"""The intervals of churn in money cover what they claim."""

from __future__ import annotations

import numpy as np

from netlift.evaluation.churn.money_at_risk import MoneyAtRisk, compare_found, money_at_risk
from netlift.results import Estimate

WORLDS, CUSTOMERS, LIST = 400, 3000, 0.1


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    worth = rng.lognormal(8, 1, n)
    p = 1 / (1 + np.exp(-(rng.normal(-1, 1.2, n) - 0.3 * (np.log(worth) - 8))))
    return p, (rng.random(n) < p).astype(np.float64), worth


def judge(p: np.ndarray, lost: np.ndarray, worth: np.ndarray) -> MoneyAtRisk:
    return money_at_risk(p, lost, worth, list_share=LIST, level=0.95, currency="RUB")


def test_intervals_cover_in_95_of_100_worlds() -> None:
    rng = np.random.default_rng(8)
    p, lost, worth = draw(rng, 1_000_000)
    expected = CUSTOMERS * float(np.mean(p * worth))
    order = np.argsort(-p * worth)[: round(LIST * len(p))]
    share = float(np.sum((lost * worth)[order]) / np.sum(lost * worth))
    hits = np.zeros(3)
    for _ in range(WORLDS):
        p, lost, worth = draw(rng, CUSTOMERS)
        found = judge(p, lost, worth)
        hits[0] += found.predicted.ci_lower <= found.observed.point <= found.predicted.ci_upper
        hits[1] += found.observed.ci_lower <= expected <= found.observed.ci_upper
        hits[2] += found.found.ci_lower <= share <= found.found.ci_upper
    assert (np.abs(hits / WORLDS - 0.95) < 0.035).all(), hits / WORLDS


def test_value_below_zero_or_missing_is_no_money_at_risk() -> None:
    found = judge(np.array([0.5, 0.5, 0.5]), np.array([1.0, 1.0, 0.0]), np.array([-5.0, np.nan, 10.0]))
    assert found.observed.point == 0
    assert found.predicted.point == 5
    assert np.isnan(found.found.point)


def test_the_interval_of_what_one_list_holds_more_than_another_covers_in_95_of_100_worlds() -> None:
    rng = np.random.default_rng(9)

    def noisy(p: np.ndarray) -> np.ndarray:
        return p * rng.lognormal(0, 1, len(p))

    def gain(n: int) -> Estimate:
        p, lost, worth = draw(rng, n)
        return compare_found(p, noisy(p), lost, worth, list_share=LIST, level=0.95)

    truth = gain(2_000_000).point
    assert truth > 0.02
    hits = sum(found.ci_lower <= truth <= found.ci_upper for found in (gain(CUSTOMERS) for _ in range(WORLDS)))
    assert abs(hits / WORLDS - 0.95) < 0.035, hits / WORLDS
