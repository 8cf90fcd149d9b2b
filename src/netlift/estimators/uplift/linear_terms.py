"""Uplift as a sum of terms: the form in which learners are calibrated, refitted and stored.

    uplift_a(x) = c_0a + sum over terms k of c_ka · term_k(x)

A term is a number per customer: trees of an offer's effect, or the margin expected under an arm. Calibration
(`uplift_calibration`) is linear in the uplifts and therefore in the terms; those that nobody uses are not refitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netlift.estimators.boosting.lightgbm import gain_shares
from netlift.estimators.expression import Expression, constant, linear, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.calibration import calibrate
from netlift.features.matrix import Feature


@dataclass(frozen=True, kw_only=True)
class StoredTerms:
    """Terms fitted on all rows.

    Attributes:
        expressions: Of each term; of those not asked for, anything.
        boosters: Of effects, by file.
        others: Of what customers do anyway, by file.
    """

    expressions: Sequence[Expression]
    boosters: Mapping[str, Any]
    others: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LearnedTerms:
    """Terms learned out of fold.

    Attributes:
        terms: By models that did not see the row, shape (n, k).
        coefficients: Uplift of each offer over 1 and the terms, shape (k + 1, m).
        refit: Fits on all rows the terms marked in a mask of shape (k,).
        params: What was chosen, for the record.
        notes: What a reader of the card must know.
    """

    terms: np.ndarray
    coefficients: np.ndarray
    refit: Callable[[np.ndarray], StoredTerms]
    params: dict[str, float | int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def uplift(self) -> np.ndarray:
        """Raw uplift out of fold, shape (n, m)."""
        return np.asarray(self.coefficients[0] + self.terms @ self.coefficients[1:])


def calibrate_and_store(name: str, learned: LearnedTerms, scores: np.ndarray, rows: ContactRows) -> Candidate:
    """Calibrate terms on rows that no fit saw, fit once more on all rows, and store.

    Args:
        name: Of the candidate.
        learned: Terms.
        scores: Doubly robust scores of the rows, shape (n, m + 1).
        rows: All rows.
    """
    calibration = calibrate(learned.uplift(), scores, customer=rows.customer, offers=rows.offers)
    final = learned.coefficients @ calibration.weights.T
    final[0] += calibration.intercept
    used = np.any(final[1:] != 0, axis=1)
    stored = learned.refit(used) if used.any() else StoredTerms(expressions=(), boosters={})
    outputs = [(f"uplift_{offer}", "currency", _sum(stored, final[:, j])) for j, offer in enumerate(rows.offers)]
    texts = {file: booster.model_to_string() for file, booster in {**stored.boosters, **stored.others}.items()}
    return Candidate(
        name=name,
        files=write_files(task="uplift", features=rows.features, outputs=outputs, boosters=texts),
        params=learned.params,
        notes=(*learned.notes, *calibration.notes),
        importance=mean_gain_shares(list(stored.boosters.values()), rows.features),
    )


def mean_gain_shares(boosters: Sequence[Any], features: tuple[Feature, ...]) -> dict[str, float]:
    """Share of gain of each feature, mean over boosters; columns behind the features, such as flags, have none."""
    total = dict.fromkeys((feature.name for feature in features), 0.0)
    for fitted in boosters:
        width = fitted.num_feature()
        behind = tuple(
            Feature(name=f"\0{i}", unit="ratio", source="arm", formula="drawn") for i in range(width - len(features))
        )
        for name, share in gain_shares(fitted, (*features, *behind)).items():
            if name in total:
                total[name] += share / len(boosters)
    return total


def _sum(stored: StoredTerms, weights: np.ndarray) -> Expression:
    used = np.flatnonzero(weights[1:])
    if not len(used):
        return constant(weights[0])
    return linear(weights[0], [weights[k + 1] for k in used], [stored.expressions[int(k)] for k in used])
