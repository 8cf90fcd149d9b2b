"""T-, X-, R- and DR-learners over LightGBM, cross-fitted for all offers at once.

With y profit, mu_a expected profit under arm a out of fold, Γ doubly robust scores (all three of `arm_outcomes`) and p
the logged chance of the drawn arm, a learner is what its trees are grown on:

    t_learner    mu_a - mu_0 itself
    x_learner    y - mu_0 of the offer's rows and mu_a - y of control's, weights (1 - e) / p and e / p, with e the
                 offer's share of its pair: trees of both sides at once, the better known side weighing more
    r_learner    ±2 (y - (mu_a + mu_0) / 2), weights 1 / p: the R-loss of a pair made equally large by known chances
    dr_learner   Γ_a - Γ_0 of all rows whose campaign had the offer

No propensity is estimated. An offer is compared with the control of its own campaigns alone. The trees of effects are
shrunk to the offer's mean by how well they explain their label out of fold, then calibrated (`uplift_calibration`).

References:
    Künzel, Sekhon, Bickel, Yu (2019), Metalearners for Estimating Heterogeneous Treatment Effects, PNAS: T, X.
    Nie, Wager (2021), Quasi-Oracle Estimation of Heterogeneous Treatment Effects, Biometrika: R.
    Kennedy (2023), Towards Optimal Doubly Robust Estimation of Heterogeneous Causal Effects, EJS: DR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.expression import Expression, booster, constant, product
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import Candidate
from netlift.estimators.uplift.arm_outcomes import (
    WEAK,
    ArmOutcomes,
    ArmTasks,
    ArmTrees,
    Common,
    MoneyContacts,
    NuisanceEstimates,
    contrast_lines,
)
from netlift.estimators.uplift.lightgbm_folds import BinnedTask, Grown, LightgbmParams, LightgbmTask, grow_on_all
from netlift.estimators.uplift.linear_terms import LearnedTerms, StoredTerms, calibrate_and_store
from netlift.estimators.uplift.model_selection import search_settings
from netlift.estimators.uplift.randomization import pair_of, pair_propensity
from netlift.estimators.uplift.relative_effects import clustered_slope, shrink
from netlift.estimators.uplift.s_learner import SINGLE, prepare_single
from netlift.estimators.uplift.tuning import Progress

Kind = Literal["s", "t", "x", "r", "dr"]
Learn = Callable[[Sequence[LightgbmParams]], LearnedTerms]
TRIED_ROWS = 15_000  # a sample of customers stands for all in the search


@dataclass(frozen=True, kw_only=True)
class Imputed:
    """An offer's effect as seen row by row, for trees to explain; all arrays of shape (n,).

    Attributes:
        use: Rows that show it, bool.
        label: What they show, in currency; 0 where not used.
        weight: Mean 1 where used; 0 elsewhere.
    """

    use: np.ndarray
    label: np.ndarray
    weight: np.ndarray


def fit_meta_learner(kind: Kind, outcomes: ArmOutcomes, *, search: Search, progress: Progress) -> Candidate:
    """Choose settings by what they say of effects, learn out of fold, calibrate, and fit once more on all rows.

    Args:
        kind: s, t, x, r or dr.
        outcomes: Cross-fitted outcomes of the rows.
        search: Trials and space.
        progress: Told after each trial.
    """
    known = outcomes.known
    sample = known.sample(TRIED_ROWS)
    learn = prepare(kind, sample, outcomes.common)
    settings, tuned = search_settings(
        lambda settings: learn(settings).uplift(),
        sample.scores,
        sample.boosting.rows.customer,
        default=(SINGLE,) if kind == "s" else WEAK,
        search=search,
        seed=known.boosting.machine.seed,
        progress=progress,
    )
    learned = (learn if sample is known else prepare(kind, known, outcomes.common))(settings)
    told = LearnedTerms(
        terms=learned.terms,
        coefficients=learned.coefficients,
        refit=learned.refit,
        params={**tuned.params, **learned.params},
        notes=(*_notes(known), tuned.note, *learned.notes),
    )
    return calibrate_and_store(f"{kind}_learner", told, known.scores, known.boosting.rows)


def prepare(kind: Kind, known: NuisanceEstimates, common: Common) -> Learn:
    """A learner, a function of settings, its rows sorted into bins once for all of them."""
    if kind == "s":
        return prepare_single(known)
    return prepare_two(known, common) if kind == "t" else prepare_imputed(IMPUTE[kind], known)


def prepare_two(known: NuisanceEstimates, common: Common) -> Learn:
    """The T-learner: the margin expected under each arm."""
    boosting = known.boosting
    tasks = ArmTasks(boosting, known.fold, known.score, known.season)
    names = ("control", *boosting.rows.offers)

    def learn(settings: Sequence[LightgbmParams]) -> LearnedTerms:
        arms = tasks.learn(settings)
        return LearnedTerms(
            terms=arms.margin,
            coefficients=contrast_lines(arms.profit),
            refit=partial(_refit_arms, boosting, arms, common),
            params={f"{name}.trees": one.rounds for name, one in zip(names, arms.grown, strict=True)},
        )

    return learn


def _refit_arms(boosting: MoneyContacts, arms: ArmTrees, common: Common, used: np.ndarray) -> StoredTerms:
    base = common.fit(boosting)
    start = _money("common.txt", base, common.level)
    expressions, boosters = [], {}
    for j, (task, grown, level) in enumerate(zip(arms.tasks, arms.grown, arms.levels, strict=True)):
        file, fitted = f"arm_{j}.txt", None
        if used[j] and grown.rounds:
            fitted = boosters[file] = grow_on_all(boosting, task, grown.setting, grown.rounds)
        expressions.append(product([start, _money(file, fitted, level)]))
    return StoredTerms(expressions=expressions, boosters=boosters, others={} if base is None else {"common.txt": base})


def _money(file: str, fitted: Any, level: float) -> Expression:
    """The exponential of trees and a level; of the level alone where there are no trees."""
    return constant(float(np.exp(level))) if fitted is None else booster(file, link="exp", init=float(level))


def impute_x(known: NuisanceEstimates, arm: int) -> Imputed:
    """Profit seen less profit expected under the other arm."""
    rows, use = known.boosting.rows, pair_of(known.boosting.rows, arm)
    offered, share = rows.arm == arm, pair_propensity(rows, arm)
    label = np.where(offered, rows.y - known.profit[:, 0], known.profit[:, arm] - rows.y)
    return _imputed(use & ~np.isnan(share), label, np.where(offered, 1.0 - share, share) / rows.propensity)


def impute_r(known: NuisanceEstimates, arm: int) -> Imputed:
    """Profit less the middle of the two arms, over ±1/2."""
    rows, use = known.boosting.rows, pair_of(known.boosting.rows, arm)
    middle = 0.5 * (known.profit[:, arm] + known.profit[:, 0])
    return _imputed(use, (rows.y - middle) / np.where(rows.arm == arm, 0.5, -0.5), 1.0 / rows.propensity)


def impute_dr(known: NuisanceEstimates, arm: int) -> Imputed:
    """The doubly robust score of the offer less that of control."""
    label = known.scores[:, arm] - known.scores[:, 0]
    return _imputed(known.boosting.rows.available[:, arm], label, np.ones(len(label)))


def _imputed(use: np.ndarray, label: np.ndarray, weight: np.ndarray) -> Imputed:
    scale = weight[use].mean() if use.any() else 1.0
    return Imputed(use=use, label=np.where(use, label, 0.0), weight=np.where(use, weight / scale, 0.0))


@dataclass(frozen=True, kw_only=True)
class OfferEffect:
    """Trees of an offer's effect, shrunk: level + slope · trees."""

    task: LightgbmTask
    grown: Grown
    level: float
    slope: float
    note: str


def prepare_imputed(impute: Callable[[NuisanceEstimates, int], Imputed], known: NuisanceEstimates) -> Learn:
    """X, R or DR: trees of the effect of each offer, shrunk to its mean."""
    boosting, offers = known.boosting, known.boosting.rows.offers
    tasks = [_effect_task(impute(known, arm)) for arm in range(1, len(offers) + 1)]
    binned = [BinnedTask(boosting, task, known.fold) for task in tasks]

    def learn(settings: Sequence[LightgbmParams]) -> LearnedTerms:
        jobs = [partial(_learn_effect, one, settings) for one in binned]
        effects = run_side_by_side(jobs, threads=boosting.machine.threads)
        return LearnedTerms(
            terms=np.column_stack([one.grown.out_of_fold for one in effects]),
            coefficients=np.vstack([[one.level for one in effects], np.diag([one.slope for one in effects])]),
            refit=partial(_refit_effects, boosting, effects),
            params={f"{offer}.trees": one.grown.rounds for offer, one in zip(offers, effects, strict=True)},
            notes=tuple(f"{offer}: {one.note}" for offer, one in zip(offers, effects, strict=True)),
        )

    return learn


def _effect_task(shown: Imputed) -> LightgbmTask:
    use, label, weight = shown.use, shown.label, shown.weight
    mean = float(np.average(label[use], weights=weight[use])) if use.any() else 0.0
    return LightgbmTask(objective="l2", use=use, label=label, offset=np.full(len(label), mean), weight=weight)


def _learn_effect(binned: BinnedTask, settings: Sequence[LightgbmParams]) -> OfferEffect:
    task, grown = binned.task, binned.grow(settings)
    use, mean = task.use, float(task.offset[0])
    if not grown.rounds:
        return OfferEffect(task=task, grown=grown, level=mean, slope=0.0, note="no trees lowered the loss")
    x, weight = grown.out_of_fold[use], task.weight[use]
    slope, error = clustered_slope(x, task.label[use], weight, binned.boosting.rows.customer[use])
    kept = shrink(slope, error)
    note = f"slope {slope:.2f} (se {error:.2f}), kept {kept:.2f}"
    level = mean - kept * float(np.average(x, weights=weight))
    return OfferEffect(task=task, grown=grown, level=level, slope=kept, note=note)


def _refit_effects(boosting: MoneyContacts, effects: Sequence[OfferEffect], used: np.ndarray) -> StoredTerms:
    files = [f"effect_{j + 1}.txt" for j in range(len(effects))]
    fits = {
        file: partial(grow_on_all, boosting, one.task, one.grown.setting, one.grown.rounds)
        for file, one, asked in zip(files, effects, used, strict=True)
        if asked
    }
    fitted = run_side_by_side(list(fits.values()), threads=boosting.machine.threads)
    return StoredTerms(expressions=[booster(file) for file in files], boosters=dict(zip(fits, fitted, strict=True)))


def _notes(known: NuisanceEstimates) -> tuple[str, ...]:
    share = known.boosting.kept_share
    words = f"customers who did not buy thinned to {share:.0%} and re-weighted to learn margins"
    return (*(() if share == 1 else (words,)), *known.boosting.outcome_notes())


IMPUTE: Mapping[Kind, Callable[[NuisanceEstimates, int], Imputed]] = {"x": impute_x, "r": impute_r, "dr": impute_dr}
