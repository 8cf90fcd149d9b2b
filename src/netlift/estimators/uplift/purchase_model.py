"""Outcome model without arms: P(purchase) and spend in the window, on which effects are learned.

Two boosters, P(margin > 0 | x) and E(margin | margin > 0, x), of all arms together. A campaign's season enters as an
offset on the scale of the trees, taken from its control alone, so that a good season does not pass for a good offer.
Customers who did not buy are thinned, and re-weighted, where they are many: they cost time and teach little.

Where nearly everybody pays, or nearly nobody buys, the chance is one number and effects are those on amounts alone.
Where margins have both signs, "who buys" says nothing of money. They are then counted from a `floor` below all of them:
everybody brings an amount, and effects relative to amounts that hardly differ are effects in currency, learned by what
is nearly squared loss. The floor drops out of every difference between arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from netlift.estimators.boosting.folds import FEWEST_ROWS
from netlift.estimators.boosting.lightgbm import Machine, make_dataset
from netlift.estimators.expression import Expression, booster, constant
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.randomization import stabilised_weights

Part = Literal["chance", "amount"]
PARTS: tuple[Part, Part] = ("chance", "amount")
LINKS: dict[Part, str] = {"chance": "sigmoid", "amount": "exp"}
OBJECTIVES: dict[Part, str] = {"chance": "binary", "amount": "gamma"}
PARAMS = {
    "learning_rate": 0.12, "num_leaves": 12, "min_data_in_leaf": 100, "feature_fraction": 0.6, "lambda_l2": 5.0,
}  # fmt: skip
MOST_BINS = 63
MOST_ROUNDS = 60
PATIENCE = 10
NON_BUYERS_PER_BUYER = 4.0
RAREST = 50  # customers who bought, or who did not, below which the chance is one number
MOST_NEGATIVE = 0.15  # of the money moved: beyond it margins have both signs, below it negative ones are a cost
PRIOR_ROWS = 100.0  # of control at the overall mean, that a campaign's own level has to outweigh


class BoostingContacts:
    """Contact rows for trees to be grown on, any of them with any label.

    Args:
        rows: Contact rows, checked.
        machine: Seed of every fit, and how many fits may run side by side.
        fixed: LightGBM parameters that hold for every fit.
        floor: What margins are counted from; None to find it (`find_floor`).
    """

    def __init__(
        self, rows: ContactRows, machine: Machine, fixed: Mapping[str, float], *, floor: float | None = None
    ) -> None:
        self.rows = rows
        self.machine = machine
        self.settings = machine.settings() | {"max_bin": MOST_BINS} | dict(fixed)
        self.floor = find_floor(rows.margin) if floor is None else floor
        self.buys = rows.margin > self.floor
        self.amount = np.where(self.buys, rows.margin - self.floor, 0.0)
        self.weight = stabilised_weights(rows)
        self.thin(NON_BUYERS_PER_BUYER * self.buyers)

    @property
    def buyers(self) -> int:
        """How many brought an amount."""
        return int(self.buys.sum())

    @property
    def chance_differs(self) -> bool:
        """Whether enough bought, and enough did not, to tell them apart; else the chance is one number."""
        return min(self.buyers, len(self.rows) - self.buyers) >= RAREST

    def thin(self, most: float) -> None:
        """Keep about so many of those who did not buy, all where they are fewer, and everybody who did."""
        self.kept_share = min(1.0, most / max(1, len(self.rows) - self.buyers))
        self.kept = self.buys | (np.random.default_rng(self.machine.seed).random(len(self.rows)) < self.kept_share)

    def outcome_notes(self) -> tuple[str, ...]:
        """What is unusual about the outcomes, in words."""
        margin = self.rows.margin
        if np.ptp(margin) == 0:
            who = f"everybody brought a margin of {margin[0]:.4g}" if margin[0] else "nobody brought a margin"
            return (f"{who}: each offer is worth its average",)
        if self.floor < 0:
            share = -np.minimum(margin, 0.0).sum() / np.abs(margin).sum()
            return (f"negative margins are {share:.0%} of the money moved: effects are on the margin, not on who buys",)
        if self.chance_differs:
            return ()
        who = f"{self.buyers:,} of {len(self.rows):,} customers brought a margin"
        return (f"{who}: the chance is one number, effects are on amounts alone",)

    def select(
        self,
        use: np.ndarray,
        *,
        label: np.ndarray,
        weight: np.ndarray,
        offset: np.ndarray | None = None,
        watches: Any = None,
    ) -> Any:
        """Some of the rows as a LightGBM data set; every array is of all rows, shape (n,)."""
        return make_dataset(
            self.rows.X[use],
            self.rows.features,
            label[use],
            params=self.settings,
            weight=weight[use],
            offset=None if offset is None else offset[use],
            watches=watches,
        )

    def select_pair(self, grown: np.ndarray, held: np.ndarray, **arrays: Any) -> tuple[Any, Any]:
        """Rows to grow trees on and rows to watch, as `select`."""
        grow = self.select(grown, **arrays)
        return grow, self.select(held, watches=grow, **arrays)


def find_floor(margin: np.ndarray) -> float:
    """What margins are counted from: 0, or a number below all of them where they have both signs or nobody bought.

    Examples:
        >>> find_floor(np.array([0.0, 9.0, 9.0, -1.0])), find_floor(np.array([8.0, -4.0])), find_floor(np.zeros(2))
        (0.0, -10.0, -1.0)
    """
    moved = float(np.abs(margin).mean())
    if margin.max() > 0 and -np.minimum(margin, 0.0).mean() <= MOST_NEGATIVE * moved:
        return 0.0
    return float(margin.min()) - (moved or 1.0)


@dataclass(frozen=True, kw_only=True)
class ExpectedPurchases:
    """Expected purchases of rows.

    Attributes:
        chance: Of a margin above the floor, shape (n,).
        amount: Margin above the floor of those who buy, shape (n,), in currency.
    """

    chance: np.ndarray
    amount: np.ndarray

    @property
    def margin(self) -> np.ndarray:
        """Expected margin above the floor, rare returns aside, shape (n,)."""
        return self.chance * self.amount


@dataclass(frozen=True, kw_only=True)
class PurchasePart:
    """One of the two boosters with its level; None where there were too few rows for trees."""

    part: Part
    level: float
    booster: Any
    rounds: int

    def predict(self, X: np.ndarray, *, threads: int = 1, offset: np.ndarray | float = 0.0) -> np.ndarray:
        """Expected value, shape (n,)."""
        score = np.full(len(X), self.level) + offset
        if self.booster is not None:
            score += self.booster.predict(X, raw_score=True, num_threads=threads)
        return _from_link(score, self.part)

    def expression(self) -> Expression:
        """The same, stored, at an average campaign."""
        if self.booster is None:
            return constant(float(_from_link(np.array([self.level]), self.part)[0]))
        return booster(f"{self.part}.txt", link=LINKS[self.part], init=self.level)


@dataclass(frozen=True, kw_only=True)
class PurchaseModel:
    """The two fitted boosters.

    Attributes:
        chance: P(margin > floor | x).
        amount: E(margin - floor | margin > floor, x).
    """

    chance: PurchasePart
    amount: PurchasePart

    def predict(self, X: np.ndarray, *, threads: int) -> ExpectedPurchases:
        """Expected purchases at an average campaign."""
        return ExpectedPurchases(
            chance=self.chance.predict(X, threads=threads), amount=self.amount.predict(X, threads=threads)
        )

    def booster_texts(self) -> dict[str, str]:
        """File name to LightGBM text."""
        fitted = (part for part in (self.chance, self.amount) if part.booster is not None)
        return {f"{part.part}.txt": part.booster.model_to_string() for part in fitted}


@dataclass(frozen=True, kw_only=True)
class CrossFitPurchases:
    """Purchases expected by models that did not see the row.

    Attributes:
        average: At an average campaign, as customers will be scored.
        own: At the row's own campaign.
        rounds: Trees of each part, mean over folds.
    """

    average: ExpectedPurchases
    own: ExpectedPurchases
    rounds: dict[Part, int]


def fit_purchases(
    boosting: BoostingContacts, train: np.ndarray, *, rounds: dict[Part, int] | None = None
) -> PurchaseModel:
    """Fit both boosters on some rows; without given rounds the other rows stop the trees early.

    Args:
        boosting: All rows.
        train: Which of them to learn from, bool, shape (n,).
        rounds: Trees of each part.
    """
    jobs = [partial(_fit_part, boosting, part, train, rounds) for part in PARTS]
    (chance, _), (amount, _) = run_side_by_side(jobs, threads=boosting.machine.threads)
    return PurchaseModel(chance=chance, amount=amount)


def cross_fit_purchases(boosting: BoostingContacts, fold: np.ndarray) -> CrossFitPurchases:
    """Predict each row by a model of the other folds.

    Args:
        boosting: All rows.
        fold: Fold of each row, shape (n,), customers kept together.
    """
    codes = np.unique(fold)
    jobs = [partial(_predict_fold, boosting, part, fold == k) for part in PARTS for k in codes]
    answers = iter(run_side_by_side(jobs, threads=boosting.machine.threads))
    average, own = (dict[str, np.ndarray]((part, np.empty(len(fold))) for part in PARTS) for _ in range(2))
    rounds: dict[Part, int] = {}
    for part in PARTS:
        trees = []
        for k in codes:
            average[part][fold == k], own[part][fold == k], grown = next(answers)
            trees.append(grown)
        rounds[part] = max(1, round(float(np.mean(trees))))
    return CrossFitPurchases(average=ExpectedPurchases(**average), own=ExpectedPurchases(**own), rounds=rounds)


def _predict_fold(boosting: BoostingContacts, part: Part, held: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """A part of the rows held out, at an average campaign and at their own, and how many trees it took."""
    fitted, offset = _fit_part(boosting, part, ~held, None)
    X = boosting.rows.X[held]
    return fitted.predict(X), fitted.predict(X, offset=offset[held]), fitted.rounds


def _fit_part(
    boosting: BoostingContacts, part: Part, train: np.ndarray, rounds: dict[Part, int] | None
) -> tuple[PurchasePart, np.ndarray]:
    """A fitted part and each row's campaign offset."""
    import lightgbm as lgb

    rows, buys = boosting.rows, boosting.buys
    among = np.ones(len(rows), dtype=bool) if part == "chance" else buys
    label = buys.astype(np.float64) if part == "chance" else boosting.amount
    thinned = boosting.weight / np.where(buys, 1.0, boosting.kept_share) if part == "chance" else boosting.weight
    level, offset = campaign_levels(rows, label, train & among, boosting.weight, part)
    grown, held = train & among & boosting.kept, ~train & among & boosting.kept
    flat = part == "chance" and not boosting.chance_differs
    if flat or grown.sum() < FEWEST_ROWS or np.ptp(label[grown]) == 0:
        return PurchasePart(part=part, level=level, booster=None, rounds=0), offset
    params = PARAMS | boosting.settings | {"objective": OBJECTIVES[part]}
    params["min_data_in_leaf"] = min(PARAMS["min_data_in_leaf"], int(grown.sum()) // 20)
    arrays = {"label": label, "weight": thinned, "offset": level + offset}
    if rounds is not None or not held.any():
        fitted = lgb.train(params, boosting.select(grown, **arrays), rounds[part] if rounds else MOST_ROUNDS)
    else:
        fitted = grow_until_worse(params, *boosting.select_pair(grown, held, **arrays), MOST_ROUNDS)
    return PurchasePart(part=part, level=level, booster=fitted, rounds=fitted.current_iteration()), offset


def grow_until_worse(params: dict[str, Any], grow: Any, watch: Any, most: int) -> Any:
    """A booster that holds the trees up to the lowest loss on the rows watched."""
    import lightgbm as lgb

    stop = lgb.early_stopping(PATIENCE, verbose=False)
    grown = lgb.train(params, grow, most, valid_sets=[watch], callbacks=[stop])
    return lgb.Booster(model_str=grown.model_to_string(num_iteration=grown.best_iteration))


def campaign_levels(
    rows: ContactRows, label: np.ndarray, among: np.ndarray, weight: np.ndarray, part: Part
) -> tuple[float, np.ndarray]:
    """Level of all, and how far each row's campaign lies from it by its control, on the scale of the trees.

    Where all of control are alike no campaign differs; the level of a sure thing is infinite.
    """
    level = float(_to_link(_mean(label[among], weight[among]), part))
    control = among & (rows.arm == 0)
    if not control.any() or np.ptp(label[control]) == 0:
        return level, np.zeros(len(rows))
    usual = _mean(label[control], weight[control])
    codes, index = np.unique(rows.campaign, return_inverse=True)
    size = np.bincount(index[control], weights=weight[control], minlength=len(codes))
    total = np.bincount(index[control], weights=weight[control] * label[control], minlength=len(codes))
    own = (total + PRIOR_ROWS * usual) / (size + PRIOR_ROWS)
    return level, (_to_link(own, part) - _to_link(usual, part))[index]


def _mean(label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted mean, shape (); exact where all are alike, 0 of nothing."""
    if len(label) == 0 or np.ptp(label) == 0:
        return np.asarray(label[:1].sum())
    return np.asarray(np.average(label, weights=weight))


def _to_link(mean: np.ndarray, part: Part) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(mean / (1.0 - mean)) if part == "chance" else np.log(mean)


def _from_link(score: np.ndarray, part: Part) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score))) if part == "chance" else np.exp(score)
