import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from netlift.errors import DataError
from netlift.evaluation.churn.gains import strongest_feature


def test_the_strongest_feature_is_found_either_way_round_with_ties_and_missing_values():
    rng = np.random.default_rng(1)
    outcome = rng.random(500) < 0.3
    X = np.column_stack(
        [rng.normal(size=500), -2.0 * outcome + rng.integers(0, 3, 500), rng.normal(size=500) + outcome]
    )
    X[::7, 1] = np.nan
    filled = np.where(np.isnan(X[:, 1]), -1e9, X[:, 1])
    name, auc = strongest_feature(X, ["a", "b", "c"], outcome)
    assert name == "b"
    assert auc == pytest.approx(1 - roc_auc_score(outcome, filled))


def test_one_outcome_only_is_refused():
    with pytest.raises(DataError, match="0 of 3 rows"):
        strongest_feature(np.zeros((3, 1)), ["a"], np.zeros(3, dtype=bool))
