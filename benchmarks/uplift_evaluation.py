"""CPU of judging two uplift models on a million rows: every figure with its interval, paired, and policies and budgets.

One thread; data are made before the clock starts. Rows are of as many customers as given, a third of rows per arm.

    python benchmarks/uplift_evaluation.py
    python benchmarks/uplift_evaluation.py --rows 100000 --customers 40000 --rounds 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from netlift.evaluation.policy.off_policy import (
    LoggedOutcomes,
    choose_arms,
    constant_policies,
    dr_scores,
    judge_policies,
)
from netlift.evaluation.uplift.comparison import compare_uplift
from netlift.evaluation.uplift.cost_curve import budget_curves
from netlift.evaluation.uplift.metrics import contrast

COST = np.array([0.60, 0.25])


def draw(rows: int, customers: int, *, seed: int) -> tuple[LoggedOutcomes, np.ndarray]:
    """Logged outcomes of two offers and control with heavy-tailed spend, and the true effects, shape (rows, 2)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    truth = 0.4 * x + 0.2
    arm = rng.integers(0, 3, rows)
    mean = np.column_stack([np.zeros(rows), truth]) + 2.0
    y = mean[np.arange(rows), arm] + rng.lognormal(0, 1.5, rows) - np.exp(1.125)
    available, propensity = np.ones((rows, 3), dtype=bool), np.full(rows, 1 / 3)
    scores = dr_scores(y=y, arm=arm, propensity=propensity, mu=np.full((rows, 3), 2.0), available=available)
    customer = np.arange(rows) if customers == rows else rng.integers(0, customers, rows)
    logged = LoggedOutcomes(
        y=y, arm=arm, propensity=propensity, scores=scores, customer=customer, unit="EUR/customer", level=0.95
    )
    return logged, truth


def measure(logged: LoggedOutcomes, ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """CPU seconds of each part.

    Args:
        logged: Rows to judge on.
        ours: Predicted uplift of each offer, shape (n, 2).
        theirs: The same by another model.
    """
    spent = {}
    logged = LoggedOutcomes(**{name: getattr(logged, name) for name in LoggedOutcomes.__dataclass_fields__})
    start = time.process_time()
    scored, usable = contrast(logged, 1)
    predictions = {"ours": ours[usable, 0], "theirs": theirs[usable, 0]}
    compare_uplift(scored, predictions, against="theirs", shares=(0.1, 0.2, 0.3), least_q=0.1)
    spent["ranking, calibration, deciles"] = time.process_time() - start
    start = time.process_time()
    policies = {"ours": choose_arms(ours, logged.available), "theirs": choose_arms(theirs, logged.available)}
    judge_policies(logged, policies, constant_policies(["a", "b"], logged.available, [1, 2]))
    spent["five policies"] = time.process_time() - start
    start = time.process_time()
    budgets = np.linspace(0.05, 0.25, 5)
    budget_curves(logged, {"ours": ours, "theirs": theirs}, against="theirs", cost=COST, budgets=budgets)
    spent["five budgets, two models"] = time.process_time() - start
    return spent


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=None, help="as many as rows, where not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logged, truth = draw(options.rows, options.customers or options.rows, seed=options.seed)
    rng = np.random.default_rng(options.seed + 1)
    ours, theirs = (truth + noise * rng.normal(size=truth.shape) for noise in (0.3, 0.6))
    rounds = [measure(logged, ours, theirs) for _ in range(options.rounds)]
    print(f"{options.rows:,} rows, {logged.clusters.count:,} customers, CPU seconds, median of {options.rounds}")
    for part in rounds[0]:
        seconds = [spent[part] for spent in rounds]
        print(f"  {part:32s} {statistics.median(seconds):5.2f} [{min(seconds):.2f}, {max(seconds):.2f}]")


if __name__ == "__main__":
    main()
