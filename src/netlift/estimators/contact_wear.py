"""Wear of a contact: what those are worth whom it drives away, beyond its outcome window, less whom it wins back.

An effect ends with the outcome window, and who was annoyed is missed later. Contacts that chance drew tell in two ways,
with T = 1 for the offer and 0 for control, π its share of the two in the campaign. Who stayed, s = 1 for a purchase in
the days after the window, p(x) the chance of that whatever the arm:

    (s - p) / p = (π - T) · (wear(x) - ω · (1 - p)) + noise        variance of the noise about (1 - p) / p

who is nearly sure to buy tells most of wear: there one who leaves is seen. ω is what contacts win back of those who
fall silent, one number for all offers: left out, it hides wear. And who complained or opted out in the days after the
contact, c = 1, at the rate q of the offer, κ leaving for each that does:

    κ (c - mean c of control) = (T - π) · wear(x) + noise        variance about κ² q, for hardly anybody does unasked

κ is one for all offers: least squares of their shares by the first on their rates by the second. Both stand in one
regression, so that each counts by what it tells. The level of wear(x) is the posterior mean of its weighted least
squares estimate under a prior whose mean and deviation are the cautious share that the definition states: where data
cannot tell, the prior stands. What differs among customers multiplies it: log wear(x) is a sum of few single effects,
of complaints as Poisson counts and of purchases linear about the level. Age alone may tell whom calls annoy, and of
some dozens of complaints a penalty that all features share shows next to nothing.

The price is wear(x) - ω · (1 - p(x)) of what the customer is expected to bring in the days after the window, by BG/NBD
and Gamma-Gamma on the histories of these customers; below 0 where a contact wins back more than it drives away. It
becomes an output of the uplift model, `worn_<offer>`, in currency: choice, launch check and the served next best offer
take the same number off.

References:
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
from netlift.estimators.expression import Expression, column, constant, linear, product, ratio
from netlift.estimators.logistic import Column, cross_fit_logistic, logistic_score, prepare_columns
from netlift.estimators.rows import Candidate, ContactRows, LabelledRows
from netlift.estimators.single_effects import find_single_effects
from netlift.estimators.value.btyd import PURCHASE_DAYS, fit_processes

FOLDS = 2
FEWEST_ROWS = 500  # of an offer, and of its control; below it the prior is taken
FEWEST_OF_EITHER = 100  # who stayed, and who did not; likewise
FEWEST_ANNOYED = 20  # of all contacted; below it complaints tell nothing
PROVEN = 3.0  # standard errors by which an offer must raise complaints before these tell anything
LEAST_CHANCE = 0.03  # and most: 1 - 0.03
EFFECTS = 3  # features that tell whom an offer drives away
WON_BACK = 0.1  # prior deviation, about 0, of the share of the silent whom a contact wins back
SLAB = 1.0  # prior variance of each, of log shares a standard deviation
STEPS = 30
MOST_LOG = 4.0  # by which a share may differ from its level
DONE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class _Contrast:
    """An offer against control: an outcome, what a share of 1 adds to it, and the weights, each shape (k,).

    `shared` is an error of the share beside that of the rows: of what all offers have in common. `silent` is the chance
    not to buy after the window, which is where customers can be won back; 0 where that does not show.
    """

    X: np.ndarray
    customer: np.ndarray
    rest: np.ndarray
    lever: np.ndarray
    weight: np.ndarray
    silent: np.ndarray
    shared: float = 0.0

    def without(self, won_back: float) -> _Contrast:
        """The same but for those whom contacts won back."""
        return replace(self, rest=self.rest + self.lever * self.silent * won_back)

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
        names = ("X", "customer", "rest", "lever", "weight", "silent")
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
    found, won_back = _learn_shares(rows, prior, machine)
    for offer, (share, (measured, spread), wear) in zip(rows.offers, found, strict=True):
        worn = product([linear(0.0, [1.0, -1.0], [wear, won_back]), value])
        spec["outputs"].append({"name": f"worn_{offer}", "unit": unit, "expression": worn})
        told = f"{measured:.2%} ± {spread:.2%} measured" if np.isfinite(spread) else "too few contacts to measure it"
        notes.append(f"a contact of {offer} wears out {share:.2%} of a customer's value on average; {told}")
    files = {**candidate.files, "model.json": json.dumps(spec, ensure_ascii=False, indent=1).encode()}
    return replace(candidate, files=files, notes=(*candidate.notes, *notes))


def _learn_shares(
    rows: ContactRows, prior: float, machine: Machine
) -> tuple[list[tuple[float, tuple[float, float], Expression]], Expression]:
    """Of each offer the share on average, what was measured with its error, and each customer's; what is won back."""
    seen, arms = rows.take(~np.isnan(_known(rows))), range(1, len(rows.offers) + 1)
    stayed = int(_known(seen).sum())
    if min(stayed, len(seen) - stayed) < FEWEST_OF_EITHER:
        return [(prior, (float("nan"), float("inf")), constant(prior)) for _ in arms], constant(0.0)
    columns, stays, chance = _chance_to_stay(seen, machine)
    late = [_contrast_stayed(seen, chance, arm) for arm in arms]
    won = _win_back(late)
    late = [one.without(won) for one in late]
    soon = _contrast_complaints(rows, late, prior)
    found = []
    for arm, one, other in zip(arms, late, soon, strict=True):
        measured, error = (one if other is None else one.join(other)).share()
        share = shrink(measured, error, prior=prior)
        wear: Expression = constant(share)
        if share > 0 and np.isfinite(error):
            wear = _learn_difference(one, None if other is None else _complaints(rows, arm), share, columns)
        found.append((share, (measured, error), wear))
    return found, linear(won, [-won], [stays])


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


def _contrast_complaints(rows: ContactRows, late: Sequence[_Contrast], prior: float) -> list[_Contrast | None]:
    """What complaints tell of each offer's share; None where they tell nothing."""
    nothing: list[_Contrast | None] = [None for _ in late]
    if rows.annoyed is None or rows.annoyed[rows.arm > 0].sum() < FEWEST_ANNOYED:
        return nothing
    soon = [_contrast_annoyed(rows, arm) for arm in range(1, len(late) + 1)]
    measured, told = ([one.share() for one in contrasts] for contrasts in (late, soon))
    rates = [
        (rate, max(error, 1 / len(one.rest))) for (rate, error), one in zip(told, soon, strict=True)
    ]  # of no complaint
    known = [j for j, (share, rate) in enumerate(zip(measured, rates, strict=True)) if np.isfinite(share[1] + rate[1])]
    if max((rates[j][0] / rates[j][1] for j in known), default=0.0) < PROVEN:
        return nothing
    leavers, error = _leavers_per_complaint([measured[j] for j in known], [rates[j][0] for j in known], prior=prior)
    if leavers <= 0:
        return nothing
    found = nothing
    for j in known:
        one, shared = soon[j], abs(rates[j][0]) * error
        found[j] = replace(one, rest=one.rest * leavers, weight=one.weight / leavers**2, shared=shared)
    return found


def _leavers_per_complaint(
    shares: Sequence[tuple[float, float]], rates: Sequence[float], *, prior: float
) -> tuple[float, float]:
    """How many leave for each who complains, by least squares over offers, with its error."""
    weighted = [(rate * (error**-2 + prior**-2), rate) for rate, (_, error) in zip(rates, shares, strict=True)]
    told = sum(b * shrink(*share, prior=prior) for (b, _), share in zip(weighted, shares, strict=True))
    square = sum(bearing * rate for bearing, rate in weighted)
    return told / square, square**-0.5


def _chance_to_stay(rows: ContactRows, machine: Machine) -> tuple[tuple[Column, ...], Expression, np.ndarray]:
    """Inputs of linear scores, the chance to buy after the window, and each row's by a fit without its customer."""
    labelled = _labelled(rows, _known(rows))
    columns = prepare_columns(labelled)
    fold = assign_folds(rows.customer, folds=FOLDS, seed=machine.seed)
    stays, chance = cross_fit_logistic(labelled, columns, fold)
    return columns, stays, np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)


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
        silent=1 - p,
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
        silent=np.zeros(len(annoyed)),
    )


def _win_back(late: Sequence[_Contrast]) -> float:
    """What contacts win back of those who fall silent, one share for all offers, not below 0.

    Shares of wear are taken as known given it: its error, which all offers have in common, is not part of theirs.
    """
    toward = information = 0.0
    for one in late:
        bearing = one.weight * one.lever
        wear, both = float(bearing @ one.lever), float(bearing @ (one.lever * one.silent))
        if wear > 0:
            toward -= float(bearing @ (one.silent * one.rest)) - both / wear * float(bearing @ one.rest)
            information += float(bearing @ (one.lever * one.silent**2)) - both**2 / wear
    information += WON_BACK**-2
    return max(0.0, toward / information)


def _complaints(rows: ContactRows, arm: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Features of an offer's contacts, who complained after them, and the rate of those who do unasked."""
    if rows.annoyed is None:
        raise DataError("rows: nobody knows who complained soon after a contact")
    drawn = rows.arm == arm
    return rows.X[drawn], rows.annoyed[drawn], max(float(rows.annoyed[rows.arm == 0].mean()), 1 / len(rows))


def _learn_difference(
    late: _Contrast, soon: tuple[np.ndarray, np.ndarray, float] | None, share: float, columns: Sequence[Column]
) -> Expression:
    """The share of each customer, its mean over contacts the given one: a multiple for each of few features.

    Newton's steps on the log-likelihood of complaints, Poisson, and of purchases, linear about the share.
    """
    Z, lever = _scores(late.X, columns), late.lever * share
    gram = Z.T @ ((late.weight * lever**2)[:, None] * Z)
    toward = Z.T @ (late.weight * lever * (late.rest - lever))
    coef, among = np.zeros(len(columns)), Z
    if soon is None:
        coef = find_single_effects(gram, toward, effects=EFFECTS, slab=SLAB)
    else:
        X, annoyed, unasked = soon
        among, level = _scores(X, columns), float(np.log(max(annoyed.mean() - unasked, 1 / len(annoyed))))
        for _ in range(STEPS):
            rate = np.exp(np.minimum(level + among @ coef, 0.0))
            heft, slope = rate**2 / (rate + unasked), (annoyed - rate - unasked) * rate / (rate + unasked)
            level += float(np.clip(slope.sum() / heft.sum(), -1.0, 1.0))
            away = among - np.average(among, axis=0, weights=heft)
            known = gram + away.T @ (heft[:, None] * away)
            new = find_single_effects(
                known, known @ coef + away.T @ slope + toward - gram @ coef, effects=EFFECTS, slab=SLAB
            )
            step = new - coef
            coef = coef + step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-300))
            if np.abs(step).max() < DONE:
                break
    mean = float(np.mean(np.exp(np.minimum(among @ coef, MOST_LOG))))
    return logistic_score(columns, coef, intercept=float(np.log(share / mean)))


def _scores(X: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    return np.column_stack([column.values(X) for column in columns])


def _known(rows: ContactRows) -> np.ndarray:
    if rows.stayed is None:
        raise DataError("rows: nobody knows who bought after the outcome window")
    return rows.stayed


__all__ = ["add_wear", "shrink"]
