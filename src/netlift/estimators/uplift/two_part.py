"""Two-part learner: purchase and spend, the effect on each, and the cost of a contact.

    p, m      chance and amount whatever the arm                           `purchases`
    r         relative effect of an offer on either                        `relative_effects`
    rest_a    = k0_a + k1_a · p + k2_a · p·m
    uplift_a  = p · m · (r_chance,a + r_amount,a) - (rest_a - rest_0)

`rest` is all that profit lacks of margin above the floor (0, see `purchases`): contact cost, reward and rare returns. A
contact cost is the same for all, a bonus is paid to buyers, a percentage grows with what they spend: three numbers per
arm, by least squares.

The uplift of every offer is therefore linear in the basis 1, p, p·m, p·m·(each booster of effects); calibration
(`uplift_calibration`) is linear as well, and the stored form is one such sum per offer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.boosting.lightgbm import Machine, gain_shares
from netlift.estimators.boosting.tuning import PART_WORDS
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.expression import Expression, booster, constant, linear, product, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.calibration import Calibration, calibrate, effect_scores
from netlift.estimators.uplift.pairwise.outcome_model import purchase_basis, weighted_least_squares
from netlift.estimators.uplift.purchase_model import (
    BoostingContacts,
    CrossFitPurchases,
    ExpectedPurchases,
    PurchaseModel,
    cross_fit_purchases,
    fit_purchases,
)
from netlift.estimators.uplift.relative_effects import RelativeEffect, cross_fit_effects, effect_tasks, fit_effects
from netlift.estimators.uplift.tuning import Progress, Tuned, tune_effects

COMMON = 3  # basis functions before those of the effects: 1, p, p·m
NOTHING_TO_TUNE = Tuned(params={}, loss=float("nan"), note="too few purchases for effects that differ by customer")


def fit_two_part(rows: ContactRows, *, search: Search, folds: int, machine: Machine, progress: Progress) -> Candidate:
    """Cross-fit, tune, shrink and calibrate on rows that no fit saw, then fit once more on all rows.

    Raises:
        DataError: Fewer customers than folds.
    """
    boosting = BoostingContacts(rows, machine, search.fixed)
    fold = assign_folds(rows.customer, folds=folds, seed=machine.seed)
    expected = cross_fit_purchases(boosting, fold)
    tasks = effect_tasks(boosting, expected.own)
    tuned = NOTHING_TO_TUNE
    if tasks:
        tuned = tune_effects(boosting, tasks, fold, search=search, progress=progress)
    effects = cross_fit_effects(boosting, tasks, fold, tuned.params)
    rest = fit_rest(boosting, expected.own)
    coefficients = _coefficients(effects, rest)
    calibration = _calibrate(boosting, expected, effects, rest, coefficients)
    final = coefficients @ calibration.weights.T
    final[0] += calibration.intercept
    purchases = fit_purchases(boosting, np.ones(len(rows), dtype=bool), rounds=expected.rounds)
    used = [effect for i, effect in enumerate(effects) if np.any(final[COMMON + i])]
    boosters = fit_effects(boosting, used, tuned.params)
    return Candidate(
        name="two_part",
        files=store_effects(rows, purchases, partial(_expression, purchases, effects), final, boosters),
        params={
            **tuned.params,
            **{
                f"{PART_WORDS[effect.task.part]}.{rows.offers[effect.task.arm - 1]}.trees": effect.rounds
                for effect in effects
            },
        },
        notes=(*_notes(boosting), tuned.note, *calibration.notes, *(effect.note for effect in effects)),
        importance=share_importance(purchases, boosters, rows),
    )


def _basis(expected: ExpectedPurchases, effects: Sequence[np.ndarray]) -> np.ndarray:
    """1, p, p·m and p·m times each effect, shape (n, 3 + effects)."""
    return np.column_stack([purchase_basis(expected), *(expected.margin * effect for effect in effects)])


def fit_rest(boosting: BoostingContacts, expected: ExpectedPurchases) -> np.ndarray:
    """What profit lacks of margin, over 1, p, p·m, by arm, shape (m + 1, 3)."""
    basis, lack, arm = _basis(expected, ()), boosting.amount - boosting.rows.y, boosting.rows.arm
    arms = range(len(boosting.rows.offers) + 1)
    return np.stack([weighted_least_squares(basis[arm == j], lack[arm == j], boosting.weight[arm == j]) for j in arms])


def _coefficients(effects: Sequence[RelativeEffect], rest: np.ndarray) -> np.ndarray:
    """Raw uplift of each offer over the basis, shape (3 + effects, m)."""
    coefficients = np.zeros((COMMON + len(effects), len(rest) - 1))
    coefficients[:COMMON] = (rest[0] - rest[1:]).T
    for i, effect in enumerate(effects):
        offer = effect.task.arm - 1
        coefficients[2, offer] += effect.mean - effect.slope * effect.centre
        coefficients[COMMON + i, offer] = effect.slope
    return coefficients


def _calibrate(
    boosting: BoostingContacts,
    expected: CrossFitPurchases,
    effects: Sequence[RelativeEffect],
    rest: np.ndarray,
    coefficients: np.ndarray,
) -> Calibration:
    """Calibration of the raw uplift, from rows that no fit saw."""
    rows, out_of_fold = boosting.rows, [effect.out_of_fold for effect in effects]
    own = _basis(expected.own, out_of_fold)
    uplift = np.concatenate([np.zeros((len(rows), 1)), own @ coefficients], axis=1)
    shares = np.bincount(rows.arm, minlength=len(rest)) / len(rows)
    middle = own[:, 2] - own[:, :COMMON] @ (shares @ rest)
    scores = effect_scores(
        y=rows.y,
        arm=rows.arm,
        propensity=rows.propensity,
        available=rows.available,
        mu=(middle - uplift @ shares)[:, None] + uplift,
    )
    raw = _basis(expected.average, out_of_fold) @ coefficients
    return calibrate(raw, scores, customer=rows.customer, offers=rows.offers)


def store_effects(
    rows: ContactRows,
    purchases: PurchaseModel,
    express: Callable[[np.ndarray], Expression],
    final: np.ndarray,
    boosters: dict[str, Any],
) -> dict[str, bytes]:
    """The stored form of effects on purchases; boosters that no offer uses are not in it.

    Args:
        rows: Contact rows.
        purchases: What customers do anyway.
        express: Expression of an offer's effect by its weights.
        final: Weights of each offer, shape (weights, offers).
        boosters: Of the effects, by file.
    """
    outputs = [(f"uplift_{offer}", "currency", express(final[:, j])) for j, offer in enumerate(rows.offers)]
    texts = {name: fitted.model_to_string() for name, fitted in boosters.items()}
    if np.any(final[1:]):
        texts |= purchases.booster_texts()
    return write_files(task="uplift", features=rows.features, outputs=outputs, boosters=texts)


def _expression(purchases: PurchaseModel, effects: Sequence[RelativeEffect], weights: np.ndarray) -> Expression:
    if not np.any(weights[1:]):
        return constant(weights[0])
    chance, amount = purchases.chance.expression(), purchases.amount.expression()
    used = [i for i in range(len(effects)) if weights[COMMON + i] != 0]
    relative = linear(weights[2], [weights[COMMON + i] for i in used], [booster(effects[i].task.file) for i in used])
    return linear(weights[0], [weights[1], 1.0], [chance, product([chance, amount, relative])])


def share_importance(purchases: PurchaseModel, boosters: dict[str, Any], rows: ContactRows) -> dict[str, float]:
    """Share of gain of each feature, mean over the boosters of effects; of purchases where no effect is kept."""
    fitted = list(boosters.values()) or [
        part.booster for part in (purchases.chance, purchases.amount) if part.booster is not None
    ]
    shares = [gain_shares(one, rows.features) for one in fitted]
    return {f.name: float(np.mean([share[f.name] for share in shares])) if shares else 0.0 for f in rows.features}


def _notes(boosting: BoostingContacts) -> tuple[str, ...]:
    share = boosting.kept_share
    words = f"customers who did not buy thinned to {share:.0%} and re-weighted to learn purchases"
    return (*(() if share == 1 else (words,)), *boosting.outcome_notes())
