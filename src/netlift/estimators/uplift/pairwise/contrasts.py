"""Pairwise contrasts of arms within campaigns, reconciled to one effect per arm.

With g the log odds and m the amount expected whatever the arm, out of fold, and s = +1 for one arm of a pair and -1 for
the other, the two parts of their contrast are

    chance   log odds(buys) = g + s · t/2   <=>   log odds(buys if s = 1, else does not) = s · g + t/2
    amount   margin / m - 1 ≈ s · r/2       among buyers

The flipped label makes the log odds ratio t an ordinary logistic regression with offset s · g: no tree is spent on who
buys anyway. The known chance of the drawn arm makes the two arms of a campaign equally large, so that an error in g
counts once with either sign. Differences between customers are as weak as the noise of a search for splits, hence
random thresholds and few leaves. Each contrast is shrunk to its mean by how well its out-of-fold trees explain the
label.

Chances of offers are compared with control and with each other (amounts with control alone: they are too noisy for
more). Noise makes the contrasts disagree; the effects of offers are those that come nearest to all of them by least
squares, so that offers lend each other strength:

    with two offers   t1 + ((t2 - t1) - t21) / 3   and   t2 - ((t2 - t1) - t21) / 3

References:
    Tian, Alizadeh, Gentles, Tibshirani (2014), A Simple Method for Estimating Interactions between a Treatment and a
    Large Number of Covariates, JASA: flipped labels. Geurts, Ernst, Wehenkel (2006), Extremely Randomized Trees,
    Machine Learning: random thresholds. James, Stein (1961), Estimation with Quadratic Loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from netlift.estimators.boosting.folds import AveragedTrees, BoostingTask, SeedDraw, TreeParams, grow_averaged
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.pairwise.case_control import CaseControlContacts, LearnedPurchases
from netlift.estimators.uplift.purchase_model import PARTS, RAREST, Part
from netlift.estimators.uplift.randomization import average_effects
from netlift.estimators.uplift.relative_effects import clustered_slope, shrink

STUMPS = TreeParams(learning_rate=0.1, num_leaves=2, min_data_in_leaf=300, lambda_l2=20.0, extra_trees=True)
FOUR_LEAVES = replace(STUMPS, num_leaves=4, lambda_l2=100.0)
ALL_WITH_ALL = 4  # offers; beyond it an offer is compared with control and the best offer only
NEWTON_STEPS = 8
PRIOR = 1.0  # precision about zero of each number in a logistic regression: keeps a handful of rows finite


@dataclass(frozen=True, kw_only=True)
class PairContrast:
    """One arm against another, in one part.

    Attributes:
        arm: The arm with s = +1.
        beside: The arm with s = -1; 0 is control.
        part: chance (log odds ratio) or amount (relative difference).
    """

    arm: int
    beside: int
    part: Part

    @property
    def file(self) -> str:
        """File of its booster."""
        return f"{self.part}_{self.arm}_beside_{self.beside}.txt"


@dataclass(frozen=True, kw_only=True)
class LearnedContrast:
    """A contrast, learned and shrunk: level + slope · trees.

    Attributes:
        contrast: Which.
        trees: Its trees.
        level: What is the same for everybody.
        slope: What is kept of the differences between customers; 0 for none.
        note: The slope's story, in words.
    """

    contrast: PairContrast
    trees: AveragedTrees
    level: float
    slope: float
    note: str


def list_contrasts(rows: ContactRows) -> list[PairContrast]:
    """Every offer beside control in both parts, then chances beside each other where a campaign had both offers."""
    offers = range(1, len(rows.offers) + 1)
    pairs = [(later, sooner) for sooner, later in combinations(offers, 2)]
    if len(offers) > ALL_WITH_ALL:
        best = int(np.argmax(average_effects(rows))) + 1
        pairs = [(offer, best) for offer in offers if offer != best]
    met = [(a, b) for a, b in pairs if all(np.any(_pair(rows, a, b) & (rows.arm == j)) for j in (a, b))]
    beside_control = [PairContrast(arm=offer, beside=0, part=part) for part in PARTS for offer in offers]
    return [*beside_control, *(PairContrast(arm=a, beside=b, part="chance") for a, b in met)]


def is_taught(boosting: CaseControlContacts, contrast: PairContrast) -> bool:
    """Whether the rows can tell: some bought and some did not, or both arms show amounts."""
    if contrast.part == "chance":
        return boosting.chance_differs
    bought = np.bincount(boosting.rows.arm[_pair(boosting.rows, contrast.arm, contrast.beside) & boosting.buys])
    return len(bought) > contrast.arm and min(bought[contrast.arm], bought[contrast.beside]) >= RAREST


def reconcile(contrasts: list[PairContrast], offers: int) -> np.ndarray:
    """Weights of the contrasts in the effect of each offer over control, least squares, shape (offers, contrasts).

    Examples:
        >>> pairs = [PairContrast(arm=a, beside=b, part="chance") for a, b in ((1, 0), (2, 0), (2, 1))]
        >>> (3 * reconcile(pairs, 2)).round(6).tolist()
        [[2.0, 1.0, -1.0], [1.0, 2.0, 1.0]]
    """
    design = np.zeros((len(contrasts), offers + 1))
    for i, contrast in enumerate(contrasts):
        design[i, contrast.arm] += 1.0
        design[i, contrast.beside] -= 1.0
    return np.linalg.pinv(design[:, 1:])


def learn_contrast(
    boosting: CaseControlContacts, expected: LearnedPurchases, contrast: PairContrast, draws: tuple[SeedDraw, ...]
) -> LearnedContrast:
    """Learn a contrast out of fold and shrink it.

    Args:
        boosting: All rows.
        expected: Who buys and what buyers bring, learned on the same folds.
        contrast: Which.
        draws: Seeds and folds of customers; trees are grown with each and averaged.
    """
    rows = boosting.rows
    chance = contrast.part == "chance"
    sign = np.where(rows.arm == contrast.arm, 1.0, -1.0)
    use = _pair(rows, contrast.arm, contrast.beside) & (boosting.kept if chance else boosting.buys)
    weight = _balance(rows, use)
    if chance:
        label = np.where(sign > 0, boosting.buys, ~boosting.buys).astype(np.float64)
        log_odds = expected.chance.score() + expected.chance.season - np.log(boosting.kept_share)
        return _learn_chance(boosting, contrast, draws, (use, label, sign * log_odds, weight))
    label = (boosting.amount / expected.own().amount - 1.0) * 2.0 * sign
    return _learn_amount(boosting, contrast, draws, (use, label, weight))


Arrays = tuple[np.ndarray, ...]


def _learn_chance(
    boosting: CaseControlContacts, contrast: PairContrast, draws: tuple[SeedDraw, ...], of: Arrays
) -> LearnedContrast:
    use, label, offset, weight = of
    customer = boosting.rows.customer[use]
    among = (label[use], offset[use], weight[use], customer)
    (level,), _ = logistic_with_offset(np.ones((int(use.sum()), 1)), *among)
    task = BoostingTask(objective="binary", use=use, label=label, offset=offset + level, weight=weight)
    settings = (boosting.fix(STUMPS), boosting.fix(FOUR_LEAVES))
    trees = grow_averaged(boosting.binned, task, draws, settings)
    slope = error = kept = 0.0
    if trees.rounds:
        x = trees.out_of_fold[use]
        (centred, slope), errors = logistic_with_offset(np.column_stack([np.ones(len(x)), x]), *among)
        error = float(errors[1])
        kept = shrink(slope, error)
        level = centred + (slope - kept) * float(np.average(x, weights=weight[use]))
    note = _tell(boosting.rows, contrast, slope, error, kept)
    return LearnedContrast(contrast=contrast, trees=trees, level=2.0 * float(level), slope=2.0 * kept, note=note)


def _learn_amount(
    boosting: CaseControlContacts, contrast: PairContrast, draws: tuple[SeedDraw, ...], of: Arrays
) -> LearnedContrast:
    use, label, weight = of
    mean = float(np.average(label[use], weights=weight[use])) if use.any() else 0.0
    task = BoostingTask(objective="l2", use=use, label=label, offset=np.full(len(label), mean), weight=weight)
    settings = (boosting.fix(STUMPS), boosting.fix(FOUR_LEAVES))
    trees = grow_averaged(boosting.binned, task, draws, settings)
    slope = error = kept = centre = 0.0
    if trees.rounds:
        x = trees.out_of_fold[use]
        slope, error = clustered_slope(x, label[use], weight[use], boosting.rows.customer[use])
        kept = shrink(slope, error)
        centre = float(np.average(x, weights=weight[use]))
    note = _tell(boosting.rows, contrast, slope, error, kept)
    return LearnedContrast(contrast=contrast, trees=trees, level=mean - kept * centre, slope=kept, note=note)


def logistic_with_offset(
    Z: np.ndarray, label: np.ndarray, offset: np.ndarray, weight: np.ndarray, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logistic regression with an offset by Newton's method: coefficients and standard errors, shape (k,) each.

    Errors are robust and clustered. A prior of precision `PRIOR` about zero keeps separable rows finite.

    Args:
        Z: Regressors, shape (n, k).
        label: 0 or 1, shape (n,).
        offset: Log odds already known, shape (n,).
        weight: Shape (n,).
        cluster: Code of the customer, shape (n,).

    Examples:
        >>> label = np.repeat([1.0, 0.0], [3000, 1000])
        >>> found, error = logistic_with_offset(np.ones((4000, 1)), label, 0 * label, 1 + 0 * label, np.arange(4000))
        >>> bool(abs(found[0] - np.log(3)) < 0.01), bool(abs(error[0] - (4000 * 3 / 16) ** -0.5) < 1e-3)
        (True, True)
    """
    found, prior = np.zeros(Z.shape[1]), PRIOR * np.eye(Z.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = 0.5 * (1.0 + np.tanh(0.5 * (offset + Z @ found)))
        curvature = (Z * (weight * chance * (1.0 - chance))[:, None]).T @ Z + prior
        found = found + np.linalg.solve(curvature, Z.T @ (weight * (label - chance)) - PRIOR * found)
    chance = 0.5 * (1.0 + np.tanh(0.5 * (offset + Z @ found)))
    _, code = np.unique(cluster, return_inverse=True)
    gradients = Z * (weight * (label - chance))[:, None]
    sums = np.column_stack([np.bincount(code, weights=column) for column in gradients.T])
    inverse = np.linalg.inv(curvature)
    return found, np.sqrt(np.diag(inverse @ (sums.T @ sums) @ inverse))


def _pair(rows: ContactRows, one: int, other: int) -> np.ndarray:
    """Rows in one of two arms, of campaigns that could draw both; bool, shape (n,)."""
    return rows.available[:, one] & rows.available[:, other] & ((rows.arm == one) | (rows.arm == other))


def _balance(rows: ContactRows, use: np.ndarray) -> np.ndarray:
    """Inverse of the known propensities, mean 1 in each campaign's rows used; shape (n,), 0 elsewhere."""
    inverse = np.where(use, 1.0 / rows.propensity, 0.0)
    _, code = np.unique(rows.campaign, return_inverse=True)
    size = np.maximum(np.bincount(code, weights=use), 1.0)
    mean = np.bincount(code, weights=inverse) / size
    return inverse / np.where(mean > 0, mean, 1.0)[code]


def _tell(rows: ContactRows, contrast: PairContrast, slope: float, error: float, kept: float) -> str:
    names = ("control", *rows.offers)
    pair = f"{names[contrast.arm]} beside {names[contrast.beside]}"
    return f"{pair}, {contrast.part}: slope {slope:.2f} (se {error:.2f}), kept {kept:.2f}"
