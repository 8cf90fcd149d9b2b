"""A ranking where no policy pays: kept in order, too small to change what anybody is offered."""

import numpy as np
import pytest

from netlift.estimators.uplift.calibration import Calibration, keep_ranking

ROWS = 40_000


def fallback(effects):
    return Calibration(intercept=np.array(effects), weights=np.zeros((len(effects),) * 2), notes=("fell back",))


def draw(effects, spread, seed=0):
    """Scores of arms whose second offer loses to the first for everybody, and the differences the learner saw."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(ROWS, len(effects))) * spread + effects
    scores = np.column_stack([np.zeros(ROWS), raw]) + rng.normal(size=(ROWS, len(effects) + 1))
    return raw, scores


def keep(raw, scores, found):
    available = np.ones(scores.shape, dtype=bool)
    return keep_ranking(raw, scores, found, customer=np.arange(len(raw)), available=available)


def test_customers_keep_their_order_and_everybody_the_best_single_arm():
    raw, scores = draw([1.0, 0.4], [0.3, 0.2])
    kept = keep(raw, scores, fallback([1.0, 0.4]))
    uplift = kept.apply(raw)
    for j in range(2):
        assert np.corrcoef(uplift[:, j], raw[:, j])[0, 1] == pytest.approx(1.0)
    assert (uplift.argmax(axis=1) == 0).all() and (uplift > 0).all()
    assert uplift.mean(axis=0) == pytest.approx([1.0, 0.4])
    assert kept.notes[0] == "fell back" and "order" in kept.notes[1]


def test_where_every_offer_loses_nobody_is_contacted():
    raw, scores = draw([-0.2, -1.0], [0.5, 0.5])
    assert (keep(raw, scores, fallback([-0.2, -1.0])).apply(raw) < 0).all()


def test_differences_that_the_data_deny_are_not_kept():
    raw, scores = draw([1.0, 0.4], [0.3, 0.2])
    against = scores.copy()
    against[:, 1:] -= 2 * (raw - raw.mean(axis=0))
    kept = keep(raw, against, fallback([1.0, 0.4]))
    assert not kept.weights.any()


def test_a_calibration_that_tells_customers_apart_is_left_alone():
    raw, scores = draw([1.0, 0.4], [0.3, 0.2])
    found = Calibration(intercept=np.zeros(2), weights=np.eye(2), notes=())
    assert keep(raw, scores, found) is found
