"""Out-of-fold outcome models per arm, shared by the learners that need them.

    log E(margin | x)        = g(x) + season of the campaign            all arms together
    log E(margin | x, arm a) = g(x) + season + level_a + h_a(x)         trees of the rows of arm a alone
    profit under arm a       = k0_a + k1_a · E(margin | x, arm a)       by least squares

Both steps have a Tweedie loss: margins are zero for most and of long tail for the rest, and an offer moves them in
proportion. Margins of both signs are counted from a floor (`purchases`), so low that the loss is nearly squared. What
arms have in common is learned from all rows; an arm's own trees, few and of random cuts, say only how it differs. The
season is that of the campaign's control, so that a good month does not pass for a good offer. Profit lacks of margin
what a contact costs, rewards and returns: two numbers an arm. Customers who did not buy are thinned and re-weighted,
where they are many.

The doubly robust scores Γ (`uplift_calibration.effect_scores`) use the logged propensities and these outcomes.

References:
    Jørgensen (1997), The Theory of Dispersion Models: the Tweedie deviance. Geurts, Ernst, Wehenkel (2006), Extremely
    Randomized Trees, Machine Learning. Kennedy (2023), Towards Optimal Doubly Robust Estimation of Heterogeneous
    Causal Effects, EJS: cross-fitted scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import assign_folds, sample_customers
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.calibration import effect_scores
from netlift.estimators.uplift.lightgbm_folds import (
    BIN_ROWS,
    BinnedTask,
    Grown,
    LightgbmParams,
    LightgbmTask,
    grow_on_all,
)
from netlift.estimators.uplift.purchase_model import PRIOR_ROWS, BoostingContacts, campaign_levels

COMMON: LightgbmParams = {
    "learning_rate": 0.12, "num_leaves": 8, "min_data_in_leaf": 200, "feature_fraction": 0.6, "lambda_l2": 10.0,
}  # fmt: skip
STUMPS: LightgbmParams = {
    "learning_rate": 0.2, "num_leaves": 2, "min_data_in_leaf": 300, "lambda_l2": 20.0, "extra_trees": True,
}  # fmt: skip
FOUR_LEAVES: LightgbmParams = {**STUMPS, "num_leaves": 4, "lambda_l2": 100.0}
WEAK = (STUMPS, FOUR_LEAVES)  # for differences between arms, as weak as the noise of a search for cuts


class MoneyContacts(BoostingContacts):
    """Contact rows whose trees are grown on money, customers without a purchase thinned.

    Args:
        rows: Contact rows, checked.
        machine: Seed of every fit and of the draw, and how many fits may run side by side.
        fixed: LightGBM parameters that hold for every fit.
        floor: What margins are counted from; None to find it.
    """

    def __init__(
        self, rows: ContactRows, machine: Machine, fixed: Mapping[str, float], *, floor: float | None = None
    ) -> None:
        super().__init__(rows, machine, fixed, floor=floor)
        self.fixed = fixed
        self.settings = {"bin_construct_sample_cnt": BIN_ROWS, "enable_bundle": False} | self.settings
        self.thinned = self.weight / np.where(self.buys, 1.0, self.kept_share)

    def margin_task(self, use: np.ndarray, offset: np.ndarray) -> LightgbmTask:
        """To learn margins above what the offset, a logarithm, says of them; shape (n,) each."""
        return LightgbmTask(
            objective="tweedie", use=use & self.kept, label=self.amount, offset=offset, weight=self.thinned
        )


@dataclass(frozen=True, kw_only=True)
class Common:
    """What customers bring whatever the arm, on the logarithm's scale.

    Attributes:
        task: What it was learned from.
        grown: Its trees.
        level: Of all rows.
        season: How far each row's campaign lies from it, shape (n,).
    """

    task: LightgbmTask
    grown: Grown
    level: float
    season: np.ndarray

    def fit(self, boosting: MoneyContacts) -> Any:
        """The booster of all rows; None where it has no trees."""
        return grow_on_all(boosting, self.task, self.grown.setting, self.grown.rounds) if self.grown.rounds else None


@dataclass(frozen=True, kw_only=True)
class NuisanceEstimates:
    """What a learner of effects starts from, all of it out of fold.

    Attributes:
        boosting: Rows.
        fold: Fold of each row, shape (n,).
        score: Logarithm of the margin expected whatever the arm, at an average campaign, shape (n,).
        season: What the row's campaign adds to it, shape (n,).
        profit: Expected under every arm at the row's own campaign, shape (n, m + 1).
        scores: Doubly robust scores Γ, shape (n, m + 1), NaN where the arm was not available.
    """

    boosting: MoneyContacts
    fold: np.ndarray
    score: np.ndarray
    season: np.ndarray
    profit: np.ndarray
    scores: np.ndarray

    def sample(self, most: int) -> NuisanceEstimates:
        """At most so many rows, whole customers drawn at random; itself where they fit."""
        rows, machine = self.boosting.rows, self.boosting.machine
        if len(rows) <= most:
            return self
        drawn = sample_customers(rows.customer, most=most, seed=machine.seed)
        return NuisanceEstimates(
            boosting=MoneyContacts(rows.take(drawn), machine, self.boosting.fixed, floor=self.boosting.floor),
            fold=self.fold[drawn],
            score=self.score[drawn],
            season=self.season[drawn],
            profit=self.profit[drawn],
            scores=self.scores[drawn],
        )


@dataclass(frozen=True, kw_only=True)
class ArmTrees:
    """How each arm's margins differ from what arms have in common.

    Attributes:
        tasks: Of each arm, m + 1.
        grown: Trees of each arm.
        levels: level_a, shape (m + 1,).
        margin: Expected under every arm at an average campaign, out of fold, shape (n, m + 1).
        profit: k0 and k1 of each arm, shape (m + 1, 2).
    """

    tasks: tuple[LightgbmTask, ...]
    grown: tuple[Grown, ...]
    levels: np.ndarray
    margin: np.ndarray
    profit: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ArmOutcomes:
    """Cross-fitted outcomes of contact rows, for any number of learners.

    Attributes:
        known: What learners start from.
        common: What arms have in common.
        arms: How they differ.
    """

    known: NuisanceEstimates
    common: Common
    arms: ArmTrees


def learn_outcomes(rows: ContactRows, *, search: Search, folds: int, machine: Machine) -> ArmOutcomes:
    """Learn outcomes out of fold.

    Args:
        rows: Contact rows, checked.
        search: `fixed` LightGBM parameters are taken, nothing is tuned.
        folds: Folds of customers.
        machine: Seed, and how many fits may run side by side.

    Raises:
        DataError: Fewer customers than folds.
    """
    boosting = MoneyContacts(rows, machine, search.fixed)
    fold = assign_folds(rows.customer, folds=folds, seed=machine.seed)
    common = _learn_common(boosting, fold)
    score = common.level + common.grown.out_of_fold
    arms = ArmTasks(boosting, fold, score, common.season).learn(WEAK)
    profit = expected_profit(arms.margin * np.exp(common.season)[:, None], arms.profit)
    drawn = {"y": rows.y, "arm": rows.arm, "propensity": rows.propensity, "available": rows.available}
    known = NuisanceEstimates(
        boosting=boosting,
        fold=fold,
        score=score,
        season=common.season,
        profit=profit,
        scores=effect_scores(**drawn, mu=profit),
    )
    return ArmOutcomes(known=known, common=common, arms=arms)


def _learn_common(boosting: MoneyContacts, fold: np.ndarray) -> Common:
    everybody = np.ones(len(fold), dtype=bool)
    level, season = margin_levels(boosting)
    task = boosting.margin_task(everybody, level + season)
    return Common(task=task, grown=BinnedTask(boosting, task, fold).grow([COMMON]), level=level, season=season)


def margin_levels(boosting: MoneyContacts) -> tuple[float, np.ndarray]:
    """Logarithm of the mean margin, and how far each row's campaign lies from it by its control, shape (n,)."""
    rows, amount, weight = boosting.rows, boosting.amount, boosting.weight
    return campaign_levels(rows, amount, np.ones(len(rows), dtype=bool), weight, "amount")


def arm_levels(boosting: MoneyContacts, expected: np.ndarray) -> np.ndarray:
    """Logarithm of what each arm's rows brought over what was expected of them, shape (m + 1,).

    Args:
        boosting: Rows.
        expected: Margin of each row whatever the arm, shape (n,).
    """
    rows, arms = boosting.rows, len(boosting.rows.offers) + 1
    prior = PRIOR_ROWS * float(np.average(boosting.amount, weights=boosting.weight))
    brought = np.bincount(rows.arm, weights=boosting.weight * boosting.amount, minlength=arms)
    hoped = np.bincount(rows.arm, weights=boosting.weight * expected, minlength=arms)
    return np.asarray(np.log((brought + prior) / (hoped + prior)))


class ArmTasks:
    """The rows of every arm, sorted into bins once for all settings.

    Args:
        boosting: Rows.
        fold: Fold of each row, shape (n,).
        score: Logarithm of the margin expected whatever the arm, out of fold, shape (n,).
        season: What the row's campaign adds to it, shape (n,).
    """

    def __init__(self, boosting: MoneyContacts, fold: np.ndarray, score: np.ndarray, season: np.ndarray) -> None:
        self.boosting, self.score, self.season = boosting, score, season
        self.levels = arm_levels(boosting, np.exp(score + season))
        drawn = boosting.rows.arm
        self.tasks = tuple(
            boosting.margin_task(drawn == j, score + season + level) for j, level in enumerate(self.levels)
        )
        self.binned = [BinnedTask(boosting, task, fold) for task in self.tasks]

    def learn(self, settings: Sequence[LightgbmParams]) -> ArmTrees:
        """How each arm differs, out of fold, by the setting that suits it best."""
        jobs = [partial(binned.grow, settings) for binned in self.binned]
        grown = tuple(run_side_by_side(jobs, threads=self.boosting.machine.threads))
        trees = np.column_stack([one.out_of_fold for one in grown])
        margin = np.exp(self.score[:, None] + self.levels + trees)
        profit = profit_lines(self.boosting, margin * np.exp(self.season)[:, None])
        return ArmTrees(tasks=self.tasks, grown=grown, levels=self.levels, margin=margin, profit=profit)


def profit_lines(boosting: MoneyContacts, margin: np.ndarray) -> np.ndarray:
    """Profit of each arm's rows on the margin expected of them, least squares: k0 and k1, shape (m + 1, 2)."""
    lines = []
    for j in range(margin.shape[1]):
        own = boosting.rows.arm == j
        root = np.sqrt(boosting.weight[own])
        design = np.column_stack([root, root * margin[own, j]])
        lines.append(np.linalg.lstsq(design, root * boosting.rows.y[own], rcond=None)[0])
    return np.stack(lines)


def expected_profit(margin: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Expected profit under every arm from the margin, shape (n, m + 1)."""
    return np.asarray(lines[:, 0] + margin * lines[:, 1])


def contrast_lines(lines: np.ndarray) -> np.ndarray:
    """Uplift of each offer over 1 and the margins under all arms, shape (m + 2, m).

    Examples:
        >>> contrast_lines(np.array([[1.0, 0.5], [3.0, 2.0]])).tolist()
        [[2.0], [-0.5], [2.0]]
    """
    offers = len(lines) - 1
    coefficients = np.zeros((offers + 2, offers))
    coefficients[0] = lines[1:, 0] - lines[0, 0]
    coefficients[1] = -lines[0, 1]
    coefficients[np.arange(offers) + 2, np.arange(offers)] = lines[1:, 1]
    return coefficients
