"""The ranking of customers where the training data do not show that it pays to differ.

Who is moved most is still asked then: a budget buys contacts from the top. With e_a the mean effect of arm a, B the
best of them, and d_a(x) what the learner says beyond it,

    uplift_a = e_a + share · s_a · d_a(x)

s_a is the slope of the doubly robust effect on d_a, shrunk to nothing unless it is larger than its standard error, and
share the least of (e_B - e_a) / (s_a · d_a - s_B · d_B), which leaves every customer of the training rows to B, halved,
so that nobody new is offered anything else either.
"""

from __future__ import annotations

import numpy as np

from netlift.estimators.relative_effects import clustered_slope, shrink
from netlift.estimators.uplift_calibration import Calibration

SAFE = 0.5


def keep_ranking(
    raw: np.ndarray, scores: np.ndarray, found: Calibration, *, customer: np.ndarray, available: np.ndarray
) -> Calibration:
    """The ranking in place of one number for all; what was found stays where it already tells customers apart.

    Args:
        raw: Out-of-fold uplift over control, shape (n, m).
        scores: Doubly robust scores of the same rows, shape (n, m + 1).
        found: By `calibrate`.
        customer: Code of the customer, shape (n,).
        available: Which arms the row's campaign could draw, shape (n, m + 1).
    """
    if np.any(found.weights):
        return found
    slopes = np.zeros(raw.shape[1])
    for j in range(raw.shape[1]):
        seen = available[:, j + 1]
        effect = scores[seen, j + 1] - scores[seen, 0]
        slopes[j] = shrink(*clustered_slope(raw[seen, j], effect, np.ones(len(effect)), customer[seen]))
    centre = raw.mean(axis=0)
    share = SAFE * _largest_share((raw - centre) * slopes, found.intercept)
    if not share * slopes.max(initial=0.0) > 0:
        return found
    weights = share * slopes
    note = f"customers keep their order at {share:.2g} of the differences learned, too little to change the best arm"
    return Calibration(
        intercept=found.intercept - weights * centre, weights=np.diag(weights), notes=(*found.notes, note)
    )


def _largest_share(differences: np.ndarray, effects: np.ndarray) -> float:
    """The largest share, at most 1, of the differences (n, m) with which the best of the effects stays the best.

    Examples:
        >>> _largest_share(np.array([[0.5, 1.0], [0.0, -9.0]]), np.array([1.0, 0.8])).__round__(3)
        0.4
    """
    means = np.concatenate([[0.0], effects])
    own = np.column_stack([np.zeros(len(differences)), differences])
    best = int(np.argmax(means))
    gains = (own - own[:, [best]]).max(axis=0)
    gaps = means[best] - means
    rivals = (gains > 0) & (np.arange(len(means)) != best)
    return float(np.min(gaps[rivals] / gains[rivals], initial=1.0))
