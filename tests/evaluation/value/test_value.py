import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_tweedie_deviance

from netlift.errors import DataError
from netlift.evaluation.value.metrics import (
    compare_values,
    evaluate_values,
    interval_coverage,
    money_deviance,
    normalized_gini,
    tabulate_value_tenths,
)


def draw(n=2_000, seed=1):
    rng = np.random.default_rng(seed)
    expected = np.exp(rng.normal(2, 1, n))
    return expected * (rng.uniform(size=n) < 0.3) / 0.3 * np.exp(0.5 * rng.normal(size=n) - 0.125), expected


def figures(y, predicted, level=0.95):
    return {row.metric: row.value for row in evaluate_values(y, predicted, customer=np.arange(len(y)), level=level)}


def test_normalized_gini_is_one_for_the_money_itself_and_for_any_score_in_its_order():
    y, _ = draw()
    assert normalized_gini(y, y) == pytest.approx(1)
    assert normalized_gini(y, np.exp(y / y.max())) == pytest.approx(1)
    assert normalized_gini(y, np.zeros(len(y))) == pytest.approx(0)
    distinct = y + np.arange(len(y)) * 1e-9
    assert normalized_gini(distinct, -distinct) == pytest.approx(-1)


def test_normalized_gini_with_ties_is_the_mean_over_their_orders():
    y, expected = draw(n=300)
    score = expected.round(-1)
    rng = np.random.default_rng(2)
    broken = [normalized_gini(y, score + 1e-6 * rng.uniform(size=300)) for _ in range(400)]
    assert normalized_gini(y, score) == pytest.approx(np.mean(broken), abs=0.002)


def test_totals_tenths_and_captures_are_those_of_a_plain_recomputation():
    y, predicted = draw()
    found, order = figures(y, predicted), np.argsort(-predicted)
    tenths = np.array_split(order, 10)
    off = sum(abs(predicted[t].sum() - y[t].sum()) for t in tenths) / y.sum()
    mape = np.mean([abs(predicted[t].mean() / y[t].mean() - 1) for t in tenths])
    assert found["total_bias"].point == pytest.approx(predicted.sum() / y.sum() - 1)
    assert found["tenths_off"].point == pytest.approx(off)
    assert found["tenths_mape"].point == pytest.approx(mape)
    assert found["capture_top_10"].point == pytest.approx(y[tenths[0]].sum() / y.sum())
    assert found["capture_top_20_perfect"].point == pytest.approx(np.sort(y)[-400:].sum() / y.sum())
    assert found["spearman"].point == pytest.approx(spearmanr(predicted, y).statistic)
    assert found["mae_over_mean"].point == pytest.approx(np.abs(y - predicted).mean() / y.mean())


def test_intervals_are_those_of_a_bootstrap_of_customers():
    """Poisson weights per customer, two rows each; weighted figures by sorting."""
    y, predicted = draw(n=3_000)
    code = np.arange(3_000) // 2
    found = {row.metric: row.value for row in evaluate_values(y, predicted, customer=code, level=0.95)}
    rng = np.random.default_rng(3)

    def gini(order, w):
        above = np.cumsum(w[order]) - w[order] / 2
        return np.sum((w * y)[order] * (1 - 2 * above / w.sum()))

    by_score, by_money = np.argsort(-predicted), np.argsort(-y, kind="stable")
    drawn = []
    for _ in range(400):
        w = rng.poisson(1.0, 1_500)[code].astype(float)
        top = np.cumsum(w[by_score]) <= 0.1 * w.sum()
        money = w @ y
        drawn.append(
            (gini(by_score, w) / gini(by_money, w), (w * y)[by_score][top].sum() / money, w @ predicted / money)
        )
    for name, spread in zip(("normalized_gini", "capture_top_10", "total_bias"), np.std(drawn, axis=0), strict=True):
        assert (found[name].ci_upper - found[name].ci_lower) / 2 / 1.96 == pytest.approx(spread, rel=0.15)


def test_a_perfect_prediction_is_perfect():
    y, _ = draw()
    found = figures(y, y)
    assert found["normalized_gini"].point == pytest.approx(1)
    assert found["capture_top_10"].point == found["capture_top_10_perfect"].point
    assert found["total_bias"].point == found["tenths_off"].point == found["mae_over_mean"].point == 0


def test_a_tenth_that_brought_nothing_leaves_the_relative_distance_undefined():
    y = np.concatenate([np.ones(50), np.zeros(50)])
    found = figures(y, np.linspace(2, 1, 100))
    assert np.isnan(found["tenths_mape"].point)
    assert np.isfinite(found["tenths_off"].point)


def test_paired_differences_are_the_differences_of_the_figures():
    y, predicted = draw()
    other = predicted * np.exp(np.random.default_rng(4).normal(size=len(y)))
    mine, theirs = figures(y, predicted), figures(y, other)
    rows = compare_values(y, predicted, other, customer=np.arange(len(y)), level=0.95)
    assert rows
    for row in rows:
        if row.metric == "absolute_total_bias":
            want = abs(mine["total_bias"].point) - abs(theirs["total_bias"].point)
        else:
            want = mine[row.metric].point - theirs[row.metric].point
        assert row.value.point == pytest.approx(want)
        assert row.value.ci_lower < row.value.point < row.value.ci_upper


def test_shares_of_the_tenths_add_up_to_one():
    y, predicted = draw()
    tenths = tabulate_value_tenths(y, predicted.round(), customer=np.arange(len(y)), level=0.95, unit="EUR/customer")
    assert sum(row.share.point for row in tenths) == pytest.approx(1)
    assert np.mean([row.observed.point for row in tenths]) == pytest.approx(y.mean())


def test_money_that_is_not_there_is_refused():
    with pytest.raises(DataError, match="brought no margin in all"):
        figures(np.zeros(5), np.arange(5))
    with pytest.raises(DataError, match=r"predicted of shape .* with 1"):
        figures(np.ones(3), np.array([1.0, np.nan, 2.0]))


def test_the_deviance_is_that_of_a_tweedie_model_and_lowest_at_the_true_mean():
    """Against scikit-learn's definition; a wrong level and a wrong order both cost."""
    y, expected = draw(n=20_000)
    assert money_deviance(y, expected) == pytest.approx(mean_tweedie_deviance(y, expected, power=1.5))
    shuffled = np.random.default_rng(1).permutation(expected)
    worse = [money_deviance(y, wrong) for wrong in (1.3 * expected, 0.75 * expected, shuffled)]
    assert money_deviance(y, expected) < min(worse)


def test_predicting_nothing_is_a_bad_prediction_and_not_an_infinite_one():
    y, expected = draw()
    assert money_deviance(y, expected) < money_deviance(y, np.zeros(len(y))) < np.inf


def test_the_share_inside_intervals_is_counted_with_its_own_interval():
    y = np.arange(100.0)
    found = interval_coverage(y, np.full(100, 5.0), np.full(100, 94.0), customer=np.arange(100), level=0.95)
    assert found.point == 0.9
    assert found.ci_lower < 0.9 < found.ci_upper < 1
