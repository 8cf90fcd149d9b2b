import numpy as np
import pytest
from value_world import draw_world

from netlift.errors import DataError
from netlift.estimators.credibility import fit_cells
from netlift.estimators.expression import write_files
from netlift.estimators.stored import StoredModel


def predict(rows, expression):
    files = write_files(task="churn", features=rows.features, outputs=[("out", "share", expression)], boosters={})
    return StoredModel(files).predict_matrix(rows.X)["out"]


def test_cells_hold_the_mean_of_their_rows_when_these_are_many():
    world = draw_world(customers=20_000, cutoffs=["2025-01-01"], seed=1)
    rows = world.labelled("churn")
    expression = fit_cells(rows, rows.y, ["days_since_last_purchase", "days_since_last_purchase_over_gap"], cells=4)
    predicted = predict(rows, expression)
    since, gap = rows.column("days_since_last_purchase"), rows.column("days_since_last_purchase_over_gap")
    low, high = np.quantile(since, [0.25, 0.5])
    cell = (since > low) & (since <= high) & np.isnan(gap)
    assert cell.sum() > 300
    assert np.ptp(predicted[cell]) == 0
    assert predicted[cell][0] == pytest.approx(rows.y[cell].mean(), abs=0.005)


def test_cells_keep_the_total():
    world = draw_world(customers=400, cutoffs=["2025-01-01", "2025-03-01"], seed=2)
    rows = world.labelled("ltv")
    names = ["days_since_last_purchase", "purchases_365d", "margin_365d"]
    assert predict(rows, fit_cells(rows, rows.y, names, cells=5)).sum() == pytest.approx(rows.y.sum(), rel=1e-9)


def test_noise_between_cells_is_shrunk_away():
    world = draw_world(customers=2_000, cutoffs=["2025-01-01"], seed=3)
    y = np.random.default_rng(4).normal(10, 5, 2_000)
    values = np.array(fit_cells(world.rows, y, ["noise", "margin_365d"], cells=8)["values"])
    assert values.std() < 0.4


def test_a_missing_value_has_a_cell_of_its_own():
    world = draw_world(customers=3_000, cutoffs=["2025-01-01"], seed=5)
    y = np.isnan(world.rows.column("days_since_last_purchase_over_gap")).astype(float)
    predicted = predict(world.rows, fit_cells(world.rows, y, ["days_since_last_purchase_over_gap"], cells=5))
    assert np.allclose(predicted, y, atol=1e-6)


def test_a_feature_that_is_not_there_is_named():
    rows = draw_world(customers=50, cutoffs=["2025-01-01"], seed=6).rows
    with pytest.raises(DataError, match="the feature purchases_all is needed"):
        fit_cells(rows, rows.y, ["purchases_all"], cells=4)
