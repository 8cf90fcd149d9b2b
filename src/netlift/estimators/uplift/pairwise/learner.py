"""The pairwise learner: arms compared two by two, reconciled and priced in money.

    p, m      chance and amount whatever the arm                              `case_control`
    t, r      log odds ratio and relative amount of an offer over control     `arm_contrasts`
    rest_a    = k0_a + k1_a · p + k2_a · p·m, what profit lacks of margin     as in `two_part_uplift`
    uplift_a  = p · m · ((1 - p) · t_a + r_a) - (rest_a - rest_0)

p·(1 - p)·t is what a log odds ratio t adds to the chance, to first order about the middle of the two arms, where the
second order vanishes. The uplift is linear in the basis 1, p, p·m, p·m·(1 - p), and either of the last two times each
booster; so are calibration (`uplift_calibration`) and the stored form.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from netlift.data.contract import CONTROL
from netlift.estimators.boosting.folds import draw_folds
from netlift.estimators.boosting.tuning import PART_WORDS
from netlift.estimators.expression import Expression, booster, constant, extend_boosters, linear, product
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import Candidate
from netlift.estimators.uplift.calibration import Calibration, calibrate, effect_scores, keep_ranking
from netlift.estimators.uplift.pairwise.case_control import CaseControlContacts, LearnedPurchases
from netlift.estimators.uplift.pairwise.contrasts import (
    LearnedContrast,
    is_taught,
    learn_contrast,
    list_contrasts,
    reconcile,
)
from netlift.estimators.uplift.pairwise.drivers import Drivers
from netlift.estimators.uplift.pairwise.outcome_model import ContactPurchases
from netlift.estimators.uplift.purchase_model import PARTS, ExpectedPurchases, PurchaseModel
from netlift.estimators.uplift.tuning import Progress
from netlift.estimators.uplift.two_part import fit_rest, share_importance, store_effects

COMMON = 4  # basis functions before those of the contrasts: 1, p, p·m, p·m·(1 - p)
AMOUNT, CHANCE = 2, 3  # the ones that contrasts of either part multiply


def fit_paired_effects(known: ContactPurchases, *, progress: Progress, seeds: int = 1) -> Candidate:
    """Learn out of fold, shrink, reconcile, calibrate on rows that no fit saw, then fit once more on all rows.

    Args:
        known: Contact rows; settings of trees are chosen by the summed loss of the folds.
        progress: Told once purchases and once contrasts are learned.
        seeds: How often trees of effects are grown, each time with other folds and cuts, to be averaged.

    Raises:
        DataError: Fewer customers than folds.
    """
    rows, machine, drivers, boosting = known.rows, known.machine, known.drivers, known.boosting
    draws = draw_folds(rows.customer, folds=known.folds, seed=machine.seed, draws=seeds)
    expected = known.expected
    progress(0.4, "who buys and how much is learned")
    contrasts = [contrast for contrast in list_contrasts(rows) if is_taught(boosting, contrast)]
    jobs = [partial(learn_contrast, boosting, expected, contrast, draws) for contrast in contrasts]
    learned = run_side_by_side(jobs, threads=machine.threads)
    progress(0.8, f"{len(learned)} contrasts are learned")
    calibration, raw = _calibrate(boosting, expected, learned)
    final = raw @ calibration.weights.T
    final[0] += calibration.intercept
    purchases = known.model
    used = [one for one, weights in zip(learned, final[COMMON:], strict=True) if np.any(weights)]
    fitted = run_side_by_side([partial(one.trees.fit, boosting.binned) for one in used], threads=machine.threads)
    boosters = {one.contrast.file: trees for one, trees in zip(used, fitted, strict=True)}
    return Candidate(
        name="paired_effects",
        files=store_effects(rows, purchases, partial(_expression, purchases, learned, drivers), final, boosters),
        params=_params(learned, rows.offers),
        notes=(
            *boosting.outcome_notes(),
            *drivers.notes,
            *_thinned(boosting),
            *calibration.notes,
            *(one.note for one in learned),
        ),
        importance=share_importance(purchases, boosters, boosting.rows),
    )


def _basis(expected: ExpectedPurchases, learned: Sequence[LearnedContrast]) -> np.ndarray:
    """1, p, p·m, p·m·(1 - p), and the part's own of the last two times each contrast's trees, shape (n, 4 + k)."""
    money = expected.margin
    swayed = money * (1.0 - expected.chance)
    trees = [(swayed if one.contrast.part == "chance" else money) * one.trees.out_of_fold for one in learned]
    return np.column_stack([np.ones(len(money)), expected.chance, money, swayed, *trees])


def _coefficients(learned: Sequence[LearnedContrast], rest: np.ndarray) -> np.ndarray:
    """Raw uplift of each offer over the basis, shape (4 + k, m)."""
    offers = len(rest) - 1
    coefficients = np.zeros((COMMON + len(learned), offers))
    coefficients[:CHANCE] = (rest[0] - rest[1:]).T
    for part, common in zip(PARTS, (CHANCE, AMOUNT), strict=True):
        own = [i for i, one in enumerate(learned) if one.contrast.part == part]
        weights = reconcile([learned[i].contrast for i in own], offers)
        for i, weight in zip(own, weights.T, strict=True):
            coefficients[common] += weight * learned[i].level
            coefficients[COMMON + i] = weight * learned[i].slope
    return coefficients


def _calibrate(
    boosting: CaseControlContacts, expected: LearnedPurchases, learned: Sequence[LearnedContrast]
) -> tuple[Calibration, np.ndarray]:
    """Calibration of the raw uplift, from rows that no fit saw, and its coefficients over the basis."""
    rows, purchases = boosting.rows, expected.own()
    rest = fit_rest(boosting, purchases)
    coefficients = _coefficients(learned, rest)
    own = _basis(purchases, learned)
    uplift = np.concatenate([np.zeros((len(rows), 1)), own @ coefficients], axis=1)
    shares = np.bincount(rows.arm, minlength=len(rest)) / len(rows)
    middle = own[:, AMOUNT] - own[:, :CHANCE] @ (shares @ rest)
    scores = effect_scores(
        y=rows.y,
        arm=rows.arm,
        propensity=rows.propensity,
        available=rows.available,
        mu=(middle - uplift @ shares)[:, None] + uplift,
    )
    raw = _basis(expected.average(), learned) @ coefficients
    found = calibrate(raw, scores, customer=rows.customer, offers=rows.offers)
    return keep_ranking(raw, scores, found, customer=rows.customer, available=rows.available), coefficients


def _expression(
    purchases: PurchaseModel, learned: Sequence[LearnedContrast], drivers: Drivers, weights: np.ndarray
) -> Expression:
    if not np.any(weights[1:]):
        return constant(weights[0])
    chance, amount = purchases.chance.expression(), purchases.amount.expression()

    def effect(part: str, level: float) -> tuple[float, list[float], list[Expression]]:
        own = [i for i, one in enumerate(learned) if one.contrast.part == part and weights[COMMON + i] != 0]
        return level, [weights[COMMON + i] for i in own], [booster(learned[i].contrast.file) for i in own]

    odds = product([linear(1.0, [-1.0], [chance]), linear(*effect("chance", weights[CHANCE]))])
    level, slopes, trees = effect("amount", weights[AMOUNT])
    relative = linear(level, [*slopes, 1.0], [*trees, odds])
    uplift = linear(weights[0], [weights[1], 1.0], [chance, product([chance, amount, relative])])
    return extend_boosters(uplift, list(drivers.columns.values()))


def _params(learned: Sequence[LearnedContrast], offers: Sequence[str]) -> dict[str, float | int | str]:
    """Trees and leaves of each contrast, by the names of its arms."""
    arms = (CONTROL, *offers)
    found: dict[str, float | int | str] = {}
    for one in learned:
        pair = f"{PART_WORDS[one.contrast.part]}.{arms[one.contrast.arm]}_vs_{arms[one.contrast.beside]}"
        found |= {f"{pair}.trees": one.trees.rounds, f"{pair}.num_leaves": one.trees.grown[0].setting.num_leaves}
    return found


def _thinned(boosting: CaseControlContacts) -> tuple[str, ...]:
    share = boosting.kept_share
    notes = () if share == 1 else (f"customers who did not buy thinned to {share:.0%} to grow trees",)
    ignored = (f"search.fixed: this learner has no {', '.join(boosting.unused)}",) if boosting.unused else ()
    return (*notes, *ignored)
