"""The intervals of value figures hold the truth as often as they say, on worlds whose truth is known."""

import numpy as np
import pytest

from netlift.evaluation.value.metrics import compare_values, evaluate_values, tabulate_value_tenths

pytestmark = pytest.mark.slow

REPETITIONS = 300
LEVEL = 0.95
LOWEST = 0.95 - 3 * np.sqrt(0.95 * 0.05 / REPETITIONS)


def draw_world(rng, customers, rows_per_customer):
    """Zero-inflated, heavy-tailed margin with a few returns; a customer's rows share a habit."""
    code = np.repeat(np.arange(customers), rows_per_customer)
    seen = rng.normal(size=customers)[code] + 0.3 * rng.normal(size=len(code))
    habit = rng.normal(scale=0.5, size=customers)[code]
    buys = rng.uniform(size=len(code)) < 1 / (1 + np.exp(0.5 - seen - habit))
    y = buys * np.exp(3 + 0.3 * seen + 0.3 * habit + 0.6 * rng.normal(size=len(code)))
    y = np.where(rng.uniform(size=len(code)) < 0.01, -0.5 * y, y)
    predicted = 1.1 * np.exp(2.3 + 0.9 * seen)
    return y, predicted, np.exp(2.5 + 0.6 * seen + 0.5 * rng.normal(size=len(code))), code


def figures_of(world):
    y, predicted, other, code = world
    single = evaluate_values(y, predicted, customer=code, level=LEVEL)
    paired = compare_values(y, predicted, other, customer=code, level=LEVEL)
    tenths = tabulate_value_tenths(y, predicted, customer=code, level=LEVEL, unit="EUR/customer")
    return (
        {row.metric: row.value for row in single}
        | {f"difference of {row.metric}": row.value for row in paired}
        | {f"mean of tenth {row.tenth}": row.observed for row in tenths}
    )


@pytest.fixture(scope="module")
def coverage():
    truth = {name: e.point for name, e in figures_of(draw_world(np.random.default_rng(1), 400_000, 2)).items()}
    rng = np.random.default_rng(2)
    held = dict.fromkeys(truth, 0)
    for _ in range(REPETITIONS):
        for name, estimate in figures_of(draw_world(rng, 1500, 2)).items():
            held[name] += estimate.ci_lower <= truth[name] <= estimate.ci_upper
    return {name: count / REPETITIONS for name, count in held.items()}


@pytest.mark.parametrize(
    "name",
    ["normalized_gini", "capture_top_10", "capture_top_10_perfect", "capture_top_20", "capture_top_20_perfect",
     "spearman", "total_bias", "mae_over_mean",
     "difference of normalized_gini", "difference of capture_top_10", "difference of capture_top_20",
     "difference of spearman", "difference of absolute_total_bias", "difference of mae_over_mean",
     "mean of tenth 1", "mean of tenth 10"],
)  # fmt: skip
def test_intervals_of_value_figures_hold_the_truth(coverage, name):
    assert LOWEST <= coverage[name] <= 0.99


@pytest.mark.parametrize("name", ["tenths_off", "tenths_mape"])
def test_intervals_of_distances_hold_the_truth(coverage, name):
    """Their method is approximate: 92 to 96 of 100 (see `folded.py`), less three sampling errors."""
    assert coverage[name] >= 0.89
