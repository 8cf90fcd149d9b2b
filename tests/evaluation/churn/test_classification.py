import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from netlift.errors import DataError
from netlift.evaluation.churn.gains import Ranking
from netlift.evaluation.churn.metrics import (
    average_precision,
    compare_probabilities,
    evaluate_probabilities,
    tabulate_tenths,
)
from netlift.evaluation.influence import Clusters


def draw(n=3_000, seed=1, slope=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    y = (rng.uniform(size=n) < expit(shift + slope * score)).astype(float)
    return y, expit(score), np.arange(n)


def figures(y, p, customer):
    return {row.metric: row.value for row in evaluate_probabilities(y, p, customer=customer, level=0.95)}


def test_points_are_those_of_scikit_learn():
    y, p, customer = draw()
    p = p.round(2)
    found = figures(y, p, customer)
    assert found["roc_auc"].point == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert found["pr_auc"].point == pytest.approx(average_precision_score(y, p), abs=1e-12)
    assert found["brier"].point == pytest.approx(brier_score_loss(y, p), abs=1e-12)
    assert found["log_loss"].point == pytest.approx(log_loss(y, p), abs=1e-12)
    line = LogisticRegression(C=np.inf, tol=1e-9).fit(logit(p)[:, None], y)
    assert found["calibration_slope"].point == pytest.approx(line.coef_[0, 0], abs=1e-4)


def test_an_honest_probability_is_found_honest():
    found = figures(*draw(n=20_000))
    for name, right in (("calibration_slope", 1), ("calibration_intercept", 0), ("bias", 0)):
        assert found[name].ci_lower <= right <= found[name].ci_upper
    assert found["calibration_error"].ci_lower == 0
    assert found["calibration_error"].point < 2.5 * found["calibration_error_by_chance"].point


def test_a_stretched_and_shifted_probability_is_found_out():
    found = figures(*draw(n=20_000, slope=0.5, shift=0.4))
    assert found["calibration_slope"].point == pytest.approx(0.5, abs=0.06)
    assert found["calibration_intercept"].ci_lower > 0
    assert found["calibration_error"].ci_lower > 0.05


def test_the_error_of_average_precision_is_that_of_leaving_customers_out():
    y, p, _ = draw(n=300)
    p = p.round(2)

    def figure(rows):
        return average_precision(y[rows], Ranking.of(p[rows]))

    left_out = np.array([figure(np.delete(np.arange(300), i)).point for i in range(300)])
    jackknife = np.sqrt(299 / 300 * np.sum((left_out - left_out.mean()) ** 2))
    error = Clusters.of(np.arange(300)).error(figure(np.arange(300)).influence)
    assert error == pytest.approx(jackknife, rel=0.03)


def test_the_top_tenth_of_a_perfect_order_has_the_largest_possible_lift():
    y = np.repeat([1.0, 0.0], [200, 800])
    found = figures(y, np.linspace(0.99, 0.01, 1000), np.arange(1000))
    assert found["lift_top_tenth"].point == pytest.approx(5.0)


def test_tenths_show_the_shares_that_came_true():
    y, p, customer = draw(n=2_000)
    tenths = tabulate_tenths(y, p, customer=customer, level=0.95)
    order = np.argsort(-p)
    assert len(tenths) == 10
    for row, part in zip(tenths, np.array_split(order, 10), strict=True):
        assert row.observed.point == pytest.approx(y[part].mean(), abs=1e-9)
        assert row.predicted == pytest.approx(p[part].mean(), abs=1e-9)
        assert row.lift.point == pytest.approx(y[part].mean() / y.mean(), abs=1e-9)
        assert 0 <= row.observed.ci_lower <= row.observed.ci_upper <= 1


def test_a_difference_is_known_better_than_either_figure():
    y, p, customer = draw()
    other = expit(logit(p) + 0.1 * np.random.default_rng(2).normal(size=len(p)))
    single, paired = figures(y, p, customer), compare_probabilities(y, p, other, customer=customer, level=0.95)
    assert {row.metric for row in paired} == {"roc_auc", "pr_auc", "brier", "log_loss"}
    for row in paired:
        alone = single[row.metric]
        assert row.value.ci_upper - row.value.ci_lower < 0.3 * (alone.ci_upper - alone.ci_lower)
        assert row.value.point == pytest.approx(
            single[row.metric].point - figures(y, other, customer)[row.metric].point
        )


def test_one_number_for_everybody_has_no_slope_but_every_other_figure():
    y, _, customer = draw()
    found = figures(y, np.full(len(y), 0.5), customer)
    assert np.isnan(found["calibration_slope"].point)
    assert found["roc_auc"].point == 0.5
    assert found["lift_top_tenth"].point == pytest.approx(1.0)


def test_what_is_no_probability_is_refused():
    with pytest.raises(DataError, match=r"1 of them outside \[0, 1\]"):
        figures(np.array([0.0, 1.0]), np.array([0.5, 1.2]), np.arange(2))
    with pytest.raises(DataError, match="1 of them neither 0 nor 1"):
        figures(np.array([0.0, 2.0]), np.array([0.5, 0.2]), np.arange(2))


def test_certainty_that_was_wrong_costs_an_infinite_log_loss_and_nothing_else():
    y, p, customer = draw(n=200)
    p[np.flatnonzero(y == 1)[0]] = 0.0
    found = figures(y, p, customer)
    assert found["log_loss"].point == np.inf
    assert np.isfinite(found["brier"].ci_upper) and np.isfinite(found["calibration_slope"].point)
    assert np.isnan(
        {r.metric: r.value for r in compare_probabilities(y, p, p, customer=customer, level=0.9)}["log_loss"].point
    )
