"""The intervals of churn figures hold the truth as often as they say, on worlds whose truth is known."""

import numpy as np
import pytest
from scipy.special import expit

from netlift.evaluation.churn.metrics import compare_probabilities, evaluate_probabilities, tabulate_tenths

pytestmark = pytest.mark.slow

REPETITIONS = 300
LEVEL = 0.95
LOWEST = 0.95 - 3 * np.sqrt(0.95 * 0.05 / REPETITIONS)


def draw_world(rng, customers, rows_per_customer):
    """Customers with a habit of their own, so that the rows of one resemble each other."""
    code = np.repeat(np.arange(customers), rows_per_customer)
    seen = rng.normal(size=customers)[code] + 0.3 * rng.normal(size=len(code))
    habit = rng.normal(scale=0.8, size=customers)[code]
    y = (rng.uniform(size=len(code)) < expit(0.3 + 1.2 * seen + habit)).astype(float)
    return y, expit(0.4 + 0.9 * seen), expit(0.2 + 0.9 * seen + 1.2 * rng.normal(size=len(code))), code


def figures_of(world):
    y, p, other, code = world
    single = evaluate_probabilities(y, p, customer=code, level=LEVEL)
    paired = compare_probabilities(y, p, other, customer=code, level=LEVEL)
    tenths = tabulate_tenths(y, p, customer=code, level=LEVEL)
    return (
        {row.metric: row.value for row in single}
        | {f"difference of {row.metric}": row.value for row in paired}
        | {f"lift of tenth {row.tenth}": row.lift for row in tenths}
        | {f"share of tenth {row.tenth}": row.observed for row in tenths}
    )


@pytest.fixture(scope="module")
def coverage():
    truth = {name: e.point for name, e in figures_of(draw_world(np.random.default_rng(1), 400_000, 3)).items()}
    rng = np.random.default_rng(2)
    held = dict.fromkeys(truth, 0)
    for _ in range(REPETITIONS):
        for name, estimate in figures_of(draw_world(rng, 500, 3)).items():
            held[name] += estimate.ci_lower <= truth[name] <= estimate.ci_upper
    return {name: count / REPETITIONS for name, count in held.items()}


@pytest.mark.parametrize(
    "name",
    ["roc_auc", "pr_auc", "lift_top_tenth", "brier", "log_loss", "calibration_slope", "calibration_intercept", "bias",
     "difference of roc_auc", "difference of pr_auc", "difference of brier", "difference of log_loss",
     "lift of tenth 1", "lift of tenth 5", "lift of tenth 10", "share of tenth 1", "share of tenth 10"],
)  # fmt: skip
def test_intervals_of_churn_figures_hold_the_truth(coverage, name):
    assert LOWEST <= coverage[name] <= 0.985


def test_the_interval_of_the_calibration_error_holds_the_truth(coverage):
    """Its method is approximate: 92 to 96 of 100 (see `folded.py`), less three sampling errors."""
    assert coverage["calibration_error"] >= 0.89
