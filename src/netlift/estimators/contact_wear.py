"""Wear of a contact: the share of customers driven away after its outcome window.

An effect ends with the outcome window, and who was annoyed is missed later. Contacts that chance drew tell: with s = 1
for who bought in the days after the window, p(x) the chance of that whatever the arm, T = 1 for the offer and 0 for
control, π its share of the two in the campaign,

    (s - p) / p = (π - T) · wear(x) + noise        variance of the noise about (1 - p) / p, so weights p / (1 - p)

who is nearly sure to buy counts most: there one who leaves is seen. p is a logistic regression, out of fold. The level
of wear(x) is the posterior mean of its weighted least squares estimate under a prior whose mean and deviation are the
cautious share that the definition states: where data cannot tell, the prior stands. What differs among customers is
linear in their features, by Bayesian regression on what the level leaves: its penalty is the one under which the data
are likeliest, so that noise makes no difference. A gain after the window is not counted: no wear is below 0.

It becomes an output of the uplift model, `wear_<offer>`, as a share of what the customer will bring.

References:
    MacKay (1992), Bayesian interpolation, Neural Computation 4: the penalty by the evidence.
    Nie, Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects, Biometrika 108.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.expression import Expression, constant, linear, maximum
from netlift.estimators.logistic import Column, cross_fit_logistic, least_squares, prepare_columns
from netlift.estimators.rows import Candidate, ContactRows, LabelledRows

FOLDS = 2
FEWEST_ROWS = 500  # of an offer, and of its control; below it the prior is taken
FEWEST_OF_EITHER = 100  # who stayed, and who did not; likewise
LEAST_CHANCE = 0.03  # and most: 1 - 0.03
EVIDENCE_STEPS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class _Contrast:
    """An offer against control: s_i - p_i over p_i, what a share of 1 adds to it, and the weights, each shape (k,)."""

    rows: ContactRows
    rest: np.ndarray
    lever: np.ndarray
    weight: np.ndarray

    def share(self) -> tuple[float, float]:
        """Share driven away by least squares, and its standard error by customers; NaN and infinity of too few rows."""
        bearing = self.weight * self.lever
        total = float(bearing @ self.lever)
        if min(np.count_nonzero(self.lever > 0), np.count_nonzero(self.lever < 0)) < FEWEST_ROWS or not total:
            return float("nan"), float("inf")
        share = float(bearing @ self.rest) / total
        who = np.unique(self.rows.customer, return_inverse=True)[1]
        off = np.bincount(who, bearing * (self.rest - share * self.lever))
        return share, float(np.sqrt(off @ off)) / total


def add_wear(candidate: Candidate, rows: ContactRows, *, prior: float, machine: Machine) -> Candidate:
    """The candidate with an output `wear_<offer>` for each offer; as it is where nobody knows who stayed.

    Args:
        candidate: An uplift model; its own outputs are not touched.
        rows: Contact rows with `stayed`.
        prior: Share that a contact is believed to drive away before data are seen, and its deviation.
        machine: Seed and threads.
    """
    if rows.stayed is None or not candidate.storable:
        return candidate
    spec: dict[str, Any] = json.loads(candidate.files["model.json"])
    notes = []
    seen = rows.take(~np.isnan(rows.stayed))
    stayed = int(_known(seen).sum())
    told = min(stayed, len(seen) - stayed) >= FEWEST_OF_EITHER
    columns, chance = _chance_to_stay(seen, machine) if told else ((), np.full(len(seen), 0.5))
    for j, offer in enumerate(rows.offers):
        contrast = _contrast(seen, chance, j + 1)
        measured, error = contrast.share() if told else (float("nan"), float("inf"))
        share = shrink(measured, error, prior=prior)
        wear: Expression = constant(share)
        found = "too few contacts to measure it"
        if np.isfinite(error):
            wear = linear(share, [1.0], [_learn_difference(contrast, measured, columns)])
            found = f"{measured:.2%} ± {error:.2%} measured"
        wear = maximum([wear, constant(0.0)])
        spec["outputs"].append({"name": f"wear_{offer}", "unit": "share", "expression": wear})
        notes.append(f"a contact of {offer} wears out {share:.2%} of a customer's value on average; {found}")
    files = {**candidate.files, "model.json": json.dumps(spec, ensure_ascii=False, indent=1).encode()}
    return replace(candidate, files=files, notes=(*candidate.notes, *notes))


def shrink(measured: float, error: float, *, prior: float) -> float:
    """The posterior mean of a share under a normal prior whose mean and deviation are `prior`, not below 0.

    Examples:
        >>> round(shrink(0.03, 0.01, prior=0.01), 4), shrink(float("nan"), float("inf"), prior=0.01)
        (0.02, 0.01)
    """
    if not np.isfinite(error):
        return prior
    own, before = 1 / error**2, 1 / prior**2
    return max(0.0, (own * measured + before * prior) / (own + before))


def _chance_to_stay(rows: ContactRows, machine: Machine) -> tuple[tuple[Column, ...], np.ndarray]:
    """Inputs of linear scores, and each row's chance to buy after the window by a fit without its customer, (n,)."""
    labelled = LabelledRows(
        X=rows.X, features=rows.features, y=_known(rows), customer=rows.customer, cutoff=rows.campaign
    )
    columns = prepare_columns(labelled)
    fold = assign_folds(rows.customer, folds=FOLDS, seed=machine.seed)
    _, chance = cross_fit_logistic(labelled, columns, fold, threads=machine.threads)
    return columns, np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)


def _contrast(rows: ContactRows, chance: np.ndarray, arm: int) -> _Contrast:
    """The rows of an arm, and control's of the same campaigns."""
    own = rows.available[:, arm] & ((rows.arm == arm) | (rows.arm == 0))
    part, p = rows.take(own), chance[own]
    drawn = part.arm == arm
    share = np.bincount(part.campaign, drawn) / np.maximum(np.bincount(part.campaign), 1)
    return _Contrast(
        rows=part,
        rest=(_known(part) - p) / p,
        lever=share[part.campaign] - drawn,
        weight=p / (1 - p),
    )


def _learn_difference(contrast: _Contrast, level: float, columns: Sequence[Column]) -> Expression:
    """What wear is above or below its level, linear in the features, 0 on average over the weights."""
    bearing = contrast.weight * contrast.lever**2
    Z = np.column_stack([column.values(contrast.rows.X) for column in columns])
    middle = np.average(Z, axis=0, weights=bearing)
    Z -= middle
    off = contrast.rest - level * contrast.lever
    coef = _regress_by_evidence(
        Z.T @ (bearing[:, None] * Z),
        Z.T @ (contrast.weight * contrast.lever * off),
        float(contrast.weight @ off**2),
        len(off),
    )
    return least_squares(columns, coef, intercept=-float(coef @ middle))


def _regress_by_evidence(gram: np.ndarray, toward: np.ndarray, square: float, count: int) -> np.ndarray:
    """Ridge coefficients under the penalty of the highest evidence, by MacKay's fixed point, shape (k,).

    Args:
        gram: Z'WZ, shape (k, k).
        toward: Z'Wy, shape (k,).
        square: y'Wy.
        count: Rows.
    """
    values, vectors = np.linalg.eigh(gram)
    values, along = np.maximum(values, 0.0), vectors.T @ toward
    noise, penalty = square / count, float(values.mean())
    for _ in range(EVIDENCE_STEPS):
        turned = along / (values + penalty)
        used = float(np.sum(values / (values + penalty)))
        left = square - 2 * float(turned @ along) + float(values @ turned**2)
        noise = left / max(count - used, 1.0)
        penalty = used * noise / max(float(turned @ turned), 1e-300)
    return np.asarray(vectors @ (along / (values + penalty)))


def _known(rows: ContactRows) -> np.ndarray:
    if rows.stayed is None:
        raise DataError("rows: nobody knows who bought after the outcome window")
    return rows.stayed


__all__ = ["add_wear", "shrink"]
