import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.evaluation.influence import Clusters, Figure, make_estimate, mean_of


def test_the_error_of_a_mean_is_the_textbook_one():
    values = np.random.default_rng(1).normal(size=50)
    error = Clusters.of(np.arange(50)).error(mean_of(values).influence)
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(50), rel=1e-12)


def test_rows_of_a_customer_count_together():
    values = np.random.default_rng(2).normal(size=40)
    once = Clusters.of(np.arange(40)).error(mean_of(values).influence)
    doubled = Clusters.of(np.repeat(np.arange(40), 2)).error(mean_of(np.repeat(values, 2)).influence)
    assert doubled == pytest.approx(once, rel=1e-12)


def test_ratios_products_and_roots_follow_the_chain_rule():
    """Against a bootstrap by Poisson weights of the same customers."""
    rng = np.random.default_rng(3)
    a, b = rng.exponential(size=(2, 2_000)) + 0.5
    figure = (mean_of(a) / mean_of(b) * mean_of(a)).root().shift(1.0) - mean_of(b)
    weights = rng.poisson(1.0, size=(1_500, 2_000))
    size = weights.sum(axis=1)
    mean_a, mean_b = weights @ a / size, weights @ b / size
    drawn = np.sqrt(mean_a / mean_b * mean_a) + 1 - mean_b
    assert figure.point == pytest.approx(np.sqrt(a.mean() ** 2 / b.mean()) + 1 - b.mean())
    assert Clusters.of(np.arange(2_000)).error(figure.influence) == pytest.approx(drawn.std(), rel=0.06)


def test_the_covariance_holds_the_squared_errors():
    rng = np.random.default_rng(4)
    figures = [mean_of(values) for values in rng.normal(size=(3, 60))]
    clusters = Clusters.of(np.arange(60) // 2)
    covariance = clusters.covariance([figure.influence for figure in figures])
    assert np.allclose(np.diag(covariance), [clusters.error(figure.influence) ** 2 for figure in figures])


def test_dividing_by_nothing_is_not_a_number():
    figure = mean_of(np.ones(3)) / mean_of(np.zeros(3))
    assert np.isnan(figure.point) and np.isnan(figure.influence).all()


def test_an_interval_on_the_logit_scale_stays_inside():
    estimate = make_estimate(0.97, 0.05, level=0.95, unit="", method="", between_0_and_1=True)
    assert 0.8 < estimate.ci_lower < 0.97 < estimate.ci_upper < 1


def test_the_absolute_value_turns_the_influence():
    figure = abs(Figure(point=-2.0, influence=np.array([1.0, -1.0])))
    assert figure.point == 2.0 and figure.influence.tolist() == [-1.0, 1.0]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40))
def test_customers_are_coded_alike_however_they_are_labelled(labels):
    whole = np.array(labels, dtype=np.int64)
    counted, sorted_ = Clusters.of(whole), Clusters.of(np.array([f"c{label:03d}" for label in labels]))
    shifted = Clusters.of(whole - 5)
    assert counted.count == sorted_.count == shifted.count
    assert np.array_equal(counted.code, sorted_.code)
    assert np.array_equal(counted.code, shifted.code)
