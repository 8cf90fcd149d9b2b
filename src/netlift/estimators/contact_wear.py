"""Wear of a contact: what those are worth whom it drives away, beyond its outcome window.

An effect ends with the outcome window, and who was annoyed is missed later. Contacts that chance drew tell in two ways,
with T = 1 for the offer and 0 for control, π its share of the two in the campaign. Who stayed, s = 1 for a purchase in
the days after the window, p(x) the chance of that whatever the arm:

    (s - p) / p = (π - T) · wear(x) + noise        variance of the noise about (1 - p) / p, so weights p / (1 - p)

who is nearly sure to buy counts most: there one who leaves is seen. And who complained or opted out in the days after
the contact, c = 1, at the rate q of the offer, κ leaving for each that does:

    κ (c - mean c of control) = (T - π) · wear(x) + noise        variance about κ² q, for hardly anybody does unasked

κ is one for all offers: least squares of their shares by the first on their rates by the second. Both stand in one
regression, so that each counts by what it tells. The level of wear(x) is the posterior mean of its weighted least
squares estimate under a prior whose mean and deviation are the cautious share that the definition states: where data
cannot tell, the prior stands. What differs among customers is linear in their features, by Bayesian regression on what
the level leaves: its penalty is the one under which the data are likeliest, so that noise makes no difference. A gain
after the window is not counted: no wear is below 0.

The price is that share of what the customer is expected to bring in the days after the window, by BG/NBD and
Gamma-Gamma on the histories of these customers. It becomes an output of the uplift model, `worn_<offer>`, in currency:
choice, launch check and the served next best offer take the same number off.

References:
    MacKay (1992), Bayesian interpolation, Neural Computation 4: the penalty by the evidence.
    Nie, Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects, Biometrika 108.
    Athey, Chetty, Imbens, Kang (2019), The surrogate index: an early outcome that stands for a late one.
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
from netlift.estimators.expression import Expression, column, constant, linear, maximum, product, ratio
from netlift.estimators.logistic import Column, cross_fit_logistic, least_squares, prepare_columns
from netlift.estimators.rows import Candidate, ContactRows, LabelledRows
from netlift.estimators.value.btyd import PURCHASE_DAYS, fit_processes

FOLDS = 2
FEWEST_ROWS = 500  # of an offer, and of its control; below it the prior is taken
FEWEST_OF_EITHER = 100  # who stayed, and who did not; likewise
FEWEST_ANNOYED = 20  # of all contacted; below it complaints tell nothing
PROVEN = 3.0  # standard errors by which an offer must raise complaints before these tell anything
LEAST_CHANCE = 0.03  # and most: 1 - 0.03
EVIDENCE_STEPS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class _Contrast:
    """An offer against control: an outcome, what a share of 1 adds to it, and the weights, each shape (k,).

    `shared` is an error of the share beside that of the rows: of what all offers have in common.
    """

    X: np.ndarray
    customer: np.ndarray
    rest: np.ndarray
    lever: np.ndarray
    weight: np.ndarray
    shared: float = 0.0

    def share(self) -> tuple[float, float]:
        """What least squares say, and its standard error by customers; NaN and infinity of too few rows."""
        bearing = self.weight * self.lever
        total = float(bearing @ self.lever)
        if min(np.count_nonzero(self.lever > 0), np.count_nonzero(self.lever < 0)) < FEWEST_ROWS or not total:
            return float("nan"), float("inf")
        share = float(bearing @ self.rest) / total
        who = np.unique(self.customer, return_inverse=True)[1]
        off = np.bincount(who, bearing * (self.rest - share * self.lever))
        return share, float(np.hypot(np.sqrt(off @ off) / total, self.shared))

    def join(self, other: _Contrast) -> _Contrast:
        """Both as measures of one share."""
        names = ("X", "customer", "rest", "lever", "weight")
        both = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names}
        return _Contrast(**both, shared=other.shared)


def add_wear(candidate: Candidate, rows: ContactRows, *, prior: float, valued_days: int, machine: Machine) -> Candidate:
    """The candidate with an output `worn_<offer>` for each offer; as it is where nobody knows who stayed.

    Args:
        candidate: An uplift model; its own outputs are not touched.
        rows: Contact rows with `stayed`.
        prior: Share that a contact is believed to drive away before data are seen, and its deviation.
        valued_days: Days after the outcome window whose margin goes with who is driven away.
        machine: Seed and threads.
    """
    if rows.stayed is None or not candidate.storable:
        return candidate
    try:
        value = _value(rows, valued_days)
    except DataError as error:
        return replace(candidate, notes=(*candidate.notes, f"what contacts wear out has no price: {error}"))
    spec: dict[str, Any] = json.loads(candidate.files["model.json"])
    unit, notes = spec["outputs"][0]["unit"], []
    found = _learn_shares(rows, prior, machine)
    for offer, (share, (measured, spread), wear) in zip(rows.offers, found, strict=True):
        worn = product([maximum([wear, constant(0.0)]), value])
        spec["outputs"].append({"name": f"worn_{offer}", "unit": unit, "expression": worn})
        told = f"{measured:.2%} ± {spread:.2%} measured" if np.isfinite(spread) else "too few contacts to measure it"
        notes.append(f"a contact of {offer} wears out {share:.2%} of a customer's value on average; {told}")
    files = {**candidate.files, "model.json": json.dumps(spec, ensure_ascii=False, indent=1).encode()}
    return replace(candidate, files=files, notes=(*candidate.notes, *notes))


def _learn_shares(
    rows: ContactRows, prior: float, machine: Machine
) -> list[tuple[float, tuple[float, float], Expression]]:
    """Of each offer the share on average, what was measured with its error, and the share of each customer."""
    columns, contrasts = _contrast_offers(rows, prior, machine)
    found = []
    for contrast in contrasts:
        measured, error = (float("nan"), float("inf")) if contrast is None else contrast.share()
        share = shrink(measured, error, prior=prior)
        wear: Expression = constant(share)
        if contrast is not None and np.isfinite(error):
            wear = linear(share, [1.0], [_learn_difference(contrast, measured, columns)])
        found.append((share, (measured, error), wear))
    return found


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


def _value(rows: ContactRows, days: int) -> Expression:
    """Margin expected in the days after the outcome window, 0 of who never bought; each customer's newest row tells."""
    newest = len(rows) - 1 - np.unique(rows.customer[::-1], return_index=True)[1]
    first = round(rows.window_days)
    processes = fit_processes(_labelled(rows.take(np.sort(newest)), np.zeros(len(newest))))
    value = processes.value(from_days=first, to_days=first + days, discount_rate_year=0.0)
    return ratio(product([value, column(PURCHASE_DAYS)]), column(PURCHASE_DAYS), fallback=0.0)


def _labelled(rows: ContactRows, y: np.ndarray) -> LabelledRows:
    return LabelledRows(X=rows.X, features=rows.features, y=y, customer=rows.customer, cutoff=rows.campaign)


def _contrast_offers(
    rows: ContactRows, prior: float, machine: Machine
) -> tuple[tuple[Column, ...], list[_Contrast | None]]:
    """Inputs of linear scores, and the contrast of each offer with control; None where nobody was seen to leave."""
    arms = range(1, len(rows.offers) + 1)
    seen = rows.take(~np.isnan(_known(rows)))
    stayed = int(_known(seen).sum())
    if min(stayed, len(seen) - stayed) < FEWEST_OF_EITHER:
        return (), [None for _ in arms]
    columns, chance = _chance_to_stay(seen, machine)
    late = [_contrast_stayed(seen, chance, arm) for arm in arms]
    if rows.annoyed is None or rows.annoyed[rows.arm > 0].sum() < FEWEST_ANNOYED:
        return columns, [*late]
    soon = [_contrast_annoyed(rows, arm) for arm in arms]
    measured, told = ([one.share() for one in contrasts] for contrasts in (late, soon))
    rates = [
        (rate, max(error, 1 / len(one.rest))) for (rate, error), one in zip(told, soon, strict=True)
    ]  # of no complaint
    known = [j for j, (share, rate) in enumerate(zip(measured, rates, strict=True)) if np.isfinite(share[1] + rate[1])]
    if max((rates[j][0] / rates[j][1] for j in known), default=0.0) < PROVEN:
        return columns, [*late]
    leavers, error = _leavers_per_complaint([measured[j] for j in known], [rates[j][0] for j in known], prior=prior)
    if leavers <= 0:
        return columns, [*late]
    found: list[_Contrast | None] = [*late]
    for j in known:
        one, shared = soon[j], abs(rates[j][0]) * error
        scaled = replace(one, rest=one.rest * leavers, weight=one.weight / leavers**2, shared=shared)
        found[j] = late[j].join(scaled)
    return columns, found


def _leavers_per_complaint(
    shares: Sequence[tuple[float, float]], rates: Sequence[float], *, prior: float
) -> tuple[float, float]:
    """How many leave for each who complains, by least squares over offers, with its error."""
    weighted = [(rate * (error**-2 + prior**-2), rate) for rate, (_, error) in zip(rates, shares, strict=True)]
    told = sum(b * shrink(*share, prior=prior) for (b, _), share in zip(weighted, shares, strict=True))
    square = sum(bearing * rate for bearing, rate in weighted)
    return told / square, square**-0.5


def _chance_to_stay(rows: ContactRows, machine: Machine) -> tuple[tuple[Column, ...], np.ndarray]:
    """Inputs of linear scores, and each row's chance to buy after the window by a fit without its customer, (n,)."""
    labelled = _labelled(rows, _known(rows))
    columns = prepare_columns(labelled)
    fold = assign_folds(rows.customer, folds=FOLDS, seed=machine.seed)
    _, chance = cross_fit_logistic(labelled, columns, fold)
    return columns, np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)


def _against_control(rows: ContactRows, arm: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of an arm and control's of the same campaigns, bool, (n,); of these T, and T less its share in each."""
    own = rows.available[:, arm] & ((rows.arm == arm) | (rows.arm == 0))
    campaign, drawn = rows.campaign[own], rows.arm[own] == arm
    share = np.bincount(campaign, drawn) / np.maximum(np.bincount(campaign), 1)
    return own, drawn, drawn - share[campaign]


def _contrast_stayed(rows: ContactRows, chance: np.ndarray, arm: int) -> _Contrast:
    """Who bought after the window."""
    own, _, lever = _against_control(rows, arm)
    p = chance[own]
    return _Contrast(
        X=rows.X[own],
        customer=rows.customer[own],
        rest=(_known(rows)[own] - p) / p,
        lever=-lever,
        weight=p / (1 - p),
    )


def _contrast_annoyed(rows: ContactRows, arm: int) -> _Contrast:
    """Who complained or opted out soon after the contact, in shares of complaints."""
    if rows.annoyed is None:
        raise DataError("rows: nobody knows who complained soon after a contact")
    own, drawn, lever = _against_control(rows, arm)
    annoyed = rows.annoyed[own]
    count = max(int(drawn.sum()), 1)
    rate = max(float(annoyed[drawn].mean()) if drawn.any() else 0.0, 1 / count)
    unasked = float(annoyed[~drawn].mean()) if not drawn.all() else 0.0
    return _Contrast(
        X=rows.X[own],
        customer=rows.customer[own],
        rest=annoyed - unasked,
        lever=lever,
        weight=np.full(len(annoyed), 1 / rate),
    )


def _learn_difference(contrast: _Contrast, level: float, columns: Sequence[Column]) -> Expression:
    """What wear is above or below its level, linear in the features, 0 on average over the weights."""
    bearing = contrast.weight * contrast.lever**2
    Z = np.column_stack([column.values(contrast.X) for column in columns])
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
