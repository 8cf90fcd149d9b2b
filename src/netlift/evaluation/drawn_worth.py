"""What predictions of contacts that a lot gives have been worth.

Nobody chose what a lot gives, so its predictions are not the highest of several, and no luck of a choice is in them. A
line fitted on what a policy chooses would take that luck off them all the same, and would be asked about predictions,
below 0 among them, that it has never seen. So what is drawn has a line of its own: over all pairs of a held-out row and
an arm that was on offer there, each as heavy as the chance with which the lot would have given it. Of very many rows
every k-th is enough, for a lot gives little of a launch.
"""

from __future__ import annotations

import math

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.off_policy import LoggedOutcomes
from netlift.evaluation.profit_forecast import FEWEST_CONTACTS, Worth, find_worth

MOST_PAIRS = 1_000_000
OTHER = -1  # an arm that a pair is not about


def find_drawn_worth(logged: LoggedOutcomes, chances: np.ndarray, predicted: np.ndarray) -> Worth:
    """Fit the line of what a lot gives.

    Args:
        logged: Rows that the model never saw.
        chances: Chance that the lot gives each arm but none, shape (n, m); what was not on offer is left out.
        predicted: Predicted profit of each arm, shape (n, m); not looked at where the chance is 0.

    Raises:
        DataError: Too few pairs to tell anything.
    """
    given = (chances > 0) & logged.available[:, 1:]
    every = max(1, math.ceil(np.count_nonzero(given) / MOST_PAIRS))
    row, j = np.nonzero(given[::every])
    row *= every
    if len(row) < FEWEST_CONTACTS:
        raise DataError(
            f"forecast: a lot could give {len(row)} pairs of a held-out row and an offer; at least {FEWEST_CONTACTS} "
            "are needed to hold predictions against what came true"
        )
    arm = logged.arm[row]
    pairs = LoggedOutcomes(
        y=logged.y[row],
        arm=np.where(arm == j + 1, 1, np.where(arm == 0, 0, OTHER)),
        propensity=logged.propensity[row],
        scores=np.column_stack([logged.scores[row, 0], logged.scores[row, j + 1]]),
        customer=logged.customer[row],
        unit=logged.unit,
        level=logged.level,
        weight=logged.relative_weight[row] * chances[row, j],
    )
    return find_worth(pairs, np.ones(len(row), dtype=np.int64), predicted[row, j])


__all__ = ["find_drawn_worth"]
