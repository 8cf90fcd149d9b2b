"""Customers older than any that labels were seen of: what trees cannot know of them, a law of ageing may.

Where one cohort grows old together, those asked about today are older than every customer whose label is whole. Trees
answer as for the oldest they have seen, which is too much (+5 to +18 % on CDNOW, a year after the first purchase); a
probability model ages its customers by its own law and, knowing less of each, says too little (-4 to -8 % there). Two
forecasts whose errors have opposite signs and unknown sizes are best given equal weight. The order of customers stays
that of the trees: their predictions are only bent, by the curve that leads them to the mean of the two.

References:
    Bates, Granger (1969), The Combination of Forecasts, Operational Research Quarterly 20: equal weights where nothing
    is known of the errors.
"""

from __future__ import annotations

import numpy as np

from netlift.estimators.calibration import Curve, join_steps
from netlift.estimators.process_value import AGE
from netlift.estimators.rows import LabelledRows

OLDER_SHARE = 0.5
GROUPS = 100


def needs_anchor(rows: LabelledRows, newest: LabelledRows) -> bool:
    """Whether most of the newest customers are older than any learnt from; where they are not, trees know them."""
    return bool(_are_older(rows, newest).mean() > OLDER_SHARE)


def learn_anchor(rows: LabelledRows, newest: LabelledRows, trees: np.ndarray, anchor: np.ndarray) -> Curve:
    """The curve from what trees say of the newest customers to the mean of that and what a law of ageing says.

    Args:
        rows: Rows learnt from.
        newest: Customers of today; labels are not looked at.
        trees: Predicted money of the newest, shape (m,).
        anchor: Money of the same customers by the probability models, shape (m,).
    """
    older = _are_older(rows, newest)
    wanted = np.where(older, (trees + anchor) / 2, trees)
    curve = join_steps(wanted, trees, groups=GROUPS, method="")
    bent = float(curve.apply(trees).sum() / trees.sum())
    words = (
        f"{older.mean():.0%} of today's customers are older than any that labels were seen of: the level is the mean "
        f"of that of the trees and that of MBG/NBD and Gamma-Gamma, x {bent:.3f} of the trees' total"
    )
    return Curve(x=curve.x, y=curve.y, method=words)


def _are_older(rows: LabelledRows, newest: LabelledRows) -> np.ndarray:
    """Whose first purchase lies further back than that of any row learnt from, bool, shape (m,)."""
    return np.asarray(newest.column(AGE) > np.nanmax(rows.column(AGE)))
