from __future__ import annotations

import numpy as np
import pytest
from decide_world import HALF_TRUE

from netlift.decisions.launch_check.forecast import NOTHING, fit_line

TENTHS = 10


def by_policy(contacts) -> np.ndarray:
    """None of them by lot."""
    return np.zeros(len(contacts), dtype=np.int64)


def tenths_of(predicted, effects):
    """Tenths by prediction as training keeps them, from noisy effect scores."""
    order = np.argsort(-predicted)
    rows = []
    for part in np.array_split(order, TENTHS):
        mean, error = effects[part].mean(), effects[part].std(ddof=1) / np.sqrt(len(part))
        observed = {"point": mean, "ci_lower": mean - 1.96 * error, "ci_upper": mean + 1.96 * error, "level": 0.95}
        rows.append({"rows": len(part), "predicted": predicted[part].mean(), "observed": observed})
    return rows


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_the_interval_covers_the_truth_of_launches_and_the_promise_overstates_it(share):
    """One model that is too sure of itself, judged on held-out contacts, launched on the best part of another crowd."""
    rng = np.random.default_rng(11)
    covered, overstated, launches = 0, 0, 200
    for _ in range(launches):
        x = rng.gamma(1.0, 60.0, 8000)  # the largest of several noisy predictions
        truth = -5.0 + 0.7 * x
        held, launch = slice(0, 5000), np.sort(rng.choice(np.arange(5000, 8000), 3000, replace=False))
        line = fit_line(tenths_of(x[held], truth[held] + rng.normal(0, 600, 5000)))
        best = launch[np.argsort(-x[launch])[: int(share * 3000)]]
        total = line.total(x[best], by_policy(best), 0.0, unit="RUB")
        covered += total.ci_lower <= truth[best].sum() <= total.ci_upper
        overstated += x[best].sum() > truth[best].sum()
    assert covered >= 0.9 * launches and overstated == launches


def test_a_total_is_the_sum_of_its_customers_with_one_error_for_all():
    line = fit_line(HALF_TRUE)
    x = np.array([5.0, 50.0, 120.0])
    some = line.group(np.array([0, 2, -1]), np.array([False, True, False]))
    assert some.tolist() == [0, 1, 0], "tenths know no offers"
    total = line.total(x, some, 7.0, unit="RUB")
    assert total.point == pytest.approx(line.lines.correct(x, some).sum() + 7.0)
    half, each = (total.ci_upper - total.ci_lower) / 2, line.lines.half_width(x, some)
    assert half <= each.sum() + 1e-9
    assert half > np.sqrt((each**2).sum()), "errors are shared, and do not average out"
    assert np.array_equal(each, line.lines.half_width(x, 1 - some)), "tenths know one line for policy and lot"
    fifty, alike = np.full(10, 50.0), by_policy(np.arange(10))
    assert line.total(fifty, alike, 0.0, unit="RUB").ci_upper == pytest.approx(
        10 * (line.lines.correct(fifty, alike) + line.lines.half_width(fifty, alike))[0]
    )


def test_everybody_at_once_is_worth_what_was_held_out():
    """Whatever the shape of the truth, the line through the tenths keeps their total."""
    rng = np.random.default_rng(3)
    x = rng.gamma(0.5, 100.0, 2000)
    effects = np.where(x > 100, 20.0, 0.4 * x) + rng.normal(0, 5, 2000)
    rows = tenths_of(x, effects)
    assert fit_line(rows).total(x, by_policy(x), 0.0, unit="RUB").point == pytest.approx(effects.sum(), rel=1e-9)


def test_without_evidence_the_promise_stands_and_has_no_interval():
    for tenths in ([], HALF_TRUE[:2]):
        line = fit_line(tenths)
        three = np.array([3.0])
        assert line is NOTHING and line.basis == "promise" and line.lines.correct(three, by_policy(three)) == 3.0
        assert np.isnan(line.total(three, by_policy(three), 0.0, unit="RUB").ci_lower)
    flat = [{**row, "predicted": 40.0} for row in HALF_TRUE]
    level = fit_line(flat)
    assert level.lines.coefficients[0, 1] == 1 and level.basis == "tenths"
    assert level.lines.correct(np.array([40.0]), by_policy([0])) == pytest.approx(0.5 * np.mean([10, 40, 80, 200]))
