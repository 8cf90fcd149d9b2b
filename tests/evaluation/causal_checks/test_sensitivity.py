"""Sensitivity to unseen confounders: published numbers, and a confounder of exactly the strength that was named."""

import numpy as np
import pytest

from netlift.errors import DataError
from netlift.evaluation.causal_checks.sensitivity import e_value, robustness_of_effect, robustness_value
from netlift.results import Estimate


def test_darfur_robustness_values_are_the_published_ones():
    """Cinelli, Hazlett (2020), table 1: t = 4.18 with 783 degrees of freedom, RV 13.9 %, at 5 % significance 7.6 %."""
    k = 4.18 / np.sqrt(783)
    assert robustness_value(k) == pytest.approx(0.139, abs=0.0005)
    assert robustness_value(k - 1.963 / np.sqrt(782)) == pytest.approx(0.076, abs=0.0005)


def test_e_values_of_breastfeeding_are_the_published_ones():
    """VanderWeele, Ding (2017): risk ratio 3.9 with lower limit 1.8 gives 7.26 and 3.0."""
    assert e_value(3.9) == pytest.approx(7.26, abs=0.005)
    assert e_value(1.8) == pytest.approx(3.0, abs=0.005)
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))


def test_a_confounder_of_the_named_strength_brings_the_least_squares_effect_to_zero():
    rng = np.random.default_rng(1)
    n = 4000
    d = rng.normal(size=n)
    y = 0.2 * d + rng.normal(size=n)
    d, y = d - d.mean(), y - y.mean()
    slope = d @ y / (d @ d)
    rest = y - slope * d
    k = slope / np.sqrt(rest @ rest / (d @ d))
    r = robustness_value(k)
    noise = rng.normal(size=n)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n), d, rest, noise]))
    u = np.sqrt(r) * basis[:, 1] * np.sign(basis[:, 1] @ d)
    u += np.sqrt((1 - r) * r) * basis[:, 2] * np.sign(basis[:, 2] @ rest) + (1 - r) * basis[:, 3]
    with_u = np.linalg.lstsq(np.column_stack([d, u, np.ones(n)]), y, rcond=None)[0][0]
    assert with_u == pytest.approx(0.0, abs=1e-10)


def test_a_doubly_robust_effect_has_the_robustness_of_least_squares_where_both_apply():
    rng = np.random.default_rng(2)
    n = 100_000
    arm = rng.random(n) < 0.3
    y = 0.1 * arm + rng.normal(size=n)
    effect, error = y[arm].mean() - y[~arm].mean(), np.sqrt(1 / arm.sum() + 1 / (~arm).sum())
    residual = y - np.where(arm, y[arm].mean(), y[~arm].mean())
    estimate = Estimate(
        point=effect, ci_lower=effect - 1.96 * error, ci_upper=effect + 1.96 * error, level=0.95, unit="EUR", method=""
    )
    weight = np.where(arm, 1 / arm.mean(), -1 / (1 - arm.mean()))
    whole, nearer = robustness_of_effect(estimate, residual=residual, weight=weight)
    assert whole == pytest.approx(robustness_value(effect / error / np.sqrt(n)), rel=0.01)
    assert 0 < nearer < whole


def test_an_interval_that_holds_zero_needs_no_confounder():
    estimate = Estimate(point=0.1, ci_lower=-0.1, ci_upper=0.3, level=0.95, unit="EUR", method="")
    assert robustness_of_effect(estimate, residual=np.ones(4), weight=np.ones(4))[1] == 0


def test_ratios_that_are_none_are_refused():
    with pytest.raises(DataError, match="above zero, found 0"):
        e_value(0.0)
