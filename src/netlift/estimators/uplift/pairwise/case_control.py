"""Purchase and spend models on all buyers and a sample of the others.

Of those who did not buy, each is kept with the same chance, whatever the arm and the features. That moves the log odds
of buying by a known number and nothing else, so that trees need no weights to make up for it:

    log odds(buys | x, kept) = log odds(buys | x) - log(share kept)

Effects on the log odds are therefore learned from the kept rows as they are (`arm_contrasts`). Money is put together
and judged on all rows.

References:
    Prentice, Pyke (1979), Logistic Disease Incidence Models and Case-Control Studies, Biometrika.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np

from netlift.estimators.boosting.bins import sort_into_bins
from netlift.estimators.boosting.folds import AveragedTrees, BoostingTask, SeedDraw, TreeParams, grow_averaged
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.purchase_model import (
    PARTS,
    BoostingContacts,
    ExpectedPurchases,
    Part,
    PurchaseModel,
    PurchasePart,
    campaign_levels,
)

SETTING = TreeParams(learning_rate=0.2, num_leaves=6, min_data_in_leaf=100, feature_fraction=0.5, lambda_l2=5.0)
FEWEST_PER_BUYER, MOST_PER_BUYER = 2.0, 8.0  # kept non-buyers
ENOUGH = 30_000  # kept non-buyers beyond which a buyer needs no more than the fewest


class CaseControlContacts(BoostingContacts):
    """Contact rows of which all buyers and a draw of the others are `kept` to grow trees on.

    Args:
        rows: Contact rows, checked.
        machine: Seed of every fit and of the draw, and how many fits may run side by side.
        fixed: LightGBM parameters that hold for every fit; those that `TreeParams` has not are `unused`.
    """

    def __init__(self, rows: ContactRows, machine: Machine, fixed: Mapping[str, float]) -> None:
        super().__init__(rows, machine, fixed)
        self.binned = sort_into_bins(rows.X, rows.features, seed=machine.seed)
        self.thin(max(FEWEST_PER_BUYER * self.buyers, min(MOST_PER_BUYER * self.buyers, ENOUGH)))
        known = {field.name for field in fields(TreeParams)}
        self.fixed = {name: value for name, value in fixed.items() if name in known}
        self.unused = tuple(sorted(set(fixed) - known))

    def fix(self, setting: TreeParams) -> TreeParams:
        """A setting with what the definition fixes."""
        return replace(setting, **{name: type(getattr(setting, name))(value) for name, value in self.fixed.items()})


@dataclass(frozen=True, kw_only=True)
class LearnedPart:
    """Chance or amount, learned out of fold.

    Attributes:
        part: Which of the two.
        level: Of all rows, on the scale of the trees.
        season: How far each row's campaign lies from it, shape (n,).
        trees: Its trees.
    """

    part: Part
    level: float
    season: np.ndarray
    trees: AveragedTrees

    def score(self) -> np.ndarray:
        """Out of fold at an average campaign, on the scale of the trees, shape (n,)."""
        return np.asarray(self.level + self.trees.out_of_fold)

    def fit(self, boosting: CaseControlContacts) -> PurchasePart:
        """The part once more, on all kept rows."""
        booster = self.trees.fit(boosting.binned) if self.trees.rounds else None
        return PurchasePart(part=self.part, level=self.level, booster=booster, rounds=self.trees.rounds)


@dataclass(frozen=True, kw_only=True)
class LearnedPurchases:
    """Both parts, learned out of fold."""

    chance: LearnedPart
    amount: LearnedPart

    def average(self) -> ExpectedPurchases:
        """Expected at an average campaign, out of fold."""
        return _expected(self.chance.score(), self.amount.score())

    def own(self) -> ExpectedPurchases:
        """Expected at the row's own campaign, out of fold."""
        return _expected(self.chance.score() + self.chance.season, self.amount.score() + self.amount.season)

    def fit(self, boosting: CaseControlContacts) -> PurchaseModel:
        """Both once more, on all kept rows."""
        jobs = [partial(part.fit, boosting) for part in (self.chance, self.amount)]
        chance, amount = run_side_by_side(jobs, threads=boosting.machine.threads)
        return PurchaseModel(chance=chance, amount=amount)


def learn_purchases(boosting: CaseControlContacts, draws: tuple[SeedDraw, ...]) -> LearnedPurchases:
    """Learn both parts out of fold.

    Args:
        boosting: All rows.
        draws: Seeds and folds of customers; trees are grown with each and averaged.
    """
    jobs = [partial(_learn, boosting, part, draws) for part in PARTS]
    chance, amount = run_side_by_side(jobs, threads=boosting.machine.threads)
    return LearnedPurchases(chance=chance, amount=amount)


def _learn(boosting: CaseControlContacts, part: Part, draws: tuple[SeedDraw, ...]) -> LearnedPart:
    buys, everybody = boosting.buys, np.ones(len(boosting.rows), dtype=bool)
    chance = part == "chance"
    label = buys.astype(np.float64) if chance else boosting.amount
    level, season = campaign_levels(boosting.rows, label, everybody if chance else buys, boosting.weight, part)
    thinned = np.log(boosting.kept_share) if chance else 0.0
    task = BoostingTask(
        objective="binary" if chance else "gamma",
        use=boosting.kept & boosting.chance_differs if chance else buys,
        label=label,
        offset=level - thinned + season,
        weight=boosting.weight,
    )
    trees = grow_averaged(boosting.binned, task, draws, (boosting.fix(SETTING),))
    return LearnedPart(part=part, level=level, season=season, trees=trees)


def _expected(chance: np.ndarray, amount: np.ndarray) -> ExpectedPurchases:
    return ExpectedPurchases(chance=np.asarray(0.5 * (1.0 + np.tanh(0.5 * chance))), amount=np.exp(amount))
