import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from netlift.errors import DataError
from netlift.evaluation.churn.metrics import Placements, roc_auc, roc_auc_difference
from netlift.evaluation.influence import Clusters


def draw(seed, n=60):
    rng = np.random.default_rng(seed)
    y = (rng.uniform(size=n) < 0.4).astype(float)
    a = np.round(y + rng.normal(size=n), 1)
    return y, a, np.round(0.5 * a + rng.normal(size=n), 1)


def kernel(y, score):
    """Every positive against every negative, by definition."""
    positive, negative = score[y == 1][:, None], score[y == 0][None, :]
    return (positive > negative) + 0.5 * (positive == negative)


@pytest.mark.parametrize("seed", range(3))
def test_the_area_and_the_paired_error_are_those_of_the_definition(seed):
    y, a, b = draw(seed)
    difference = kernel(y, a) - kernel(y, b)
    m, n = difference.shape
    variance = difference.mean(axis=1).var(ddof=1) / m + difference.mean(axis=0).var(ddof=1) / n
    placements = Placements.of(y, a) - Placements.of(y, b)
    assert placements.area == pytest.approx(difference.mean(), abs=1e-12)
    assert placements.error(Clusters.of(np.arange(len(y)))) == pytest.approx(np.sqrt(variance), rel=1e-12)


def test_the_area_is_that_of_scikit_learn():
    y, a, _ = draw(4, n=500)
    assert roc_auc(y, a, customer=np.arange(500), level=0.9).point == pytest.approx(roc_auc_score(y, a), abs=1e-12)


def test_rows_repeated_within_a_customer_add_nothing_to_what_is_known():
    y, a, b = draw(5, n=300)
    once = roc_auc_difference(y, a, b, customer=np.arange(300), level=0.95)
    thrice = roc_auc_difference(
        *(np.repeat(v, 3) for v in (y, a, b)), customer=np.repeat(np.arange(300), 3), level=0.95
    )
    assert thrice.point == pytest.approx(once.point)
    assert thrice.ci_lower == pytest.approx(once.ci_lower, abs=1e-9)


def test_a_score_against_itself_differs_by_nothing():
    y, a, _ = draw(6)
    same = roc_auc_difference(y, a, 3 * a, customer=np.arange(len(y)), level=0.95)
    assert (same.point, same.ci_lower, same.ci_upper) == (0, 0, 0)


def test_one_class_is_refused():
    with pytest.raises(DataError, match="0 of 3 rows are positive"):
        roc_auc(np.zeros(3), np.arange(3), customer=np.arange(3), level=0.95)
