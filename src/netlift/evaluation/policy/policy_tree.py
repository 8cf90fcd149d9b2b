"""Policy tree of depth two, learned by profit and valued on held-out customers.

Of all trees over the candidate splits, the one with the largest mean doubly robust score of the arm that each end
chooses:

    max over trees t of   mean of w_i · (Γ_i,t(x_i) - Γ_i,0),   an arm that was not on offer counting as no contact

The tree is what two questions can say about whom to contact, not what the model does; how much of the model's profit it
keeps, and what it adds to the best constant, is measured on other rows, paired. Searching all trees always finds some
that fit by luck, hence as few questions as cross-fitting cannot tell from more.

References:
    Athey, Wager (2021), Policy Learning with Observational Data, Econometrica 89.
    Zhou, Athey, Wager (2023), Offline Multi-Action Policy Learning, Operations Research 71.
    Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, section 3.4.3: one standard error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Clusters, Figure
from netlift.evaluation.policy.binned_columns import BinnedColumns, Split
from netlift.evaluation.policy.off_policy import (
    NOBODY,
    LoggedOutcomes,
    best_constant,
    policy_difference,
    policy_value,
)
from netlift.evaluation.policy.policy_tree_search import NO_QUESTION, NONE, Question, search_questions
from netlift.features.matrix import Feature
from netlift.results import Estimate, Table

MOST_ROWS = 100_000
LEAST_SHARE = 0.05
Depth = Literal[0, 1, 2]


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """An end of the tree: the arm of everybody who comes here, 0 for no contact."""

    arm: int


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A question and what follows from either answer."""

    split: Split
    yes: Branch | Leaf
    no: Branch | Leaf


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A question with its answer."""

    split: Split
    yes: bool


Path = tuple[Answer, ...]


@dataclass(frozen=True, kw_only=True)
class PolicyTree:
    """A policy of a few questions.

    Attributes:
        root: The first question, or the one arm for all where no question gains.
        offers: Names of the m offers; arm j is offers[j - 1].
        rows: Rows that it was learned from.
        rows_searched: How many of them were looked at; fewer where there were too many.
        features_searched: Features that could be asked about.
    """

    root: Branch | Leaf
    offers: tuple[str, ...]
    rows: int
    rows_searched: int
    features_searched: int

    @property
    def asks(self) -> bool:
        """Whether there is any question."""
        return isinstance(self.root, Branch)

    def ends(self) -> tuple[tuple[Path, int], ...]:
        """The way to each end, and its arm; those who say yes first."""
        return tuple(_ends(self.root, ()))

    def assign(self, X: np.ndarray, features: Sequence[Feature]) -> np.ndarray:
        """Number of the end that each row comes to, in the order of `ends`, int64, shape (n,).

        Args:
            X: Values, shape (n, k), encoded as those that it was learned from.
            features: The k columns.
        """
        at = {feature.name: i for i, feature in enumerate(features)}
        end = np.zeros(len(X), dtype=np.int64)
        for number, (path, _) in enumerate(self.ends()):
            here = np.ones(len(X), dtype=bool)
            for answer in path:
                here &= answer.split.holds(X[:, at[answer.split.feature.name]]) == answer.yes
            end[here] = number
        return end

    def choose(self, X: np.ndarray, features: Sequence[Feature]) -> np.ndarray:
        """The arm of each row, int64, shape (n,), whether on offer or not."""
        return np.array([arm for _, arm in self.ends()], dtype=np.int64)[self.assign(X, features)]


@dataclass(frozen=True, kw_only=True)
class TreeEnd:
    """What an end of the tree was worth on rows that the tree never saw.

    Attributes:
        path: The questions and answers that lead to it.
        offer: What is offered there, None for no contact.
        effect: Profit that the offer added there over no contact, on rows whose campaign had it; None for no contact,
            and where no such row came.
        share: Of all rows, by weight, how much came here.
        on_offer: Of those, the share whose campaign had the offer.
        rows: How many came.
    """

    path: Path
    offer: str | None
    effect: Estimate | None
    share: float
    on_offer: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class TreeWorth:
    """The tree against the policies it stands beside, on rows that it never saw.

    Attributes:
        ends: What each end was worth.
        value: Profit per row.
        gain_over_nobody: The same less that of contacting nobody, paired.
        gain_over_policy: The same less that of the policy which the tree explains, paired.
        gain_over_best_constant: The same less that of the constant that did best on these same rows, paired.
        best_constant: Name of that constant.
        agreement: Share of rows that the tree and the policy treat alike.
    """

    ends: Table[TreeEnd]
    value: Estimate
    gain_over_nobody: Estimate
    gain_over_policy: Estimate
    gain_over_best_constant: Estimate
    best_constant: str
    agreement: float


def learn_policy_tree(
    X: np.ndarray,
    features: Sequence[Feature],
    logged: LoggedOutcomes,
    *,
    offers: Sequence[str],
    seed: int,
    depth: Depth | None = None,
    least_share: float = LEAST_SHARE,
    most_rows: int = MOST_ROWS,
) -> PolicyTree:
    """The tree of at most two questions a customer whose arms earned most.

    Args:
        X: Values of the features that may be asked about, shape (n, k); categories as codes, missing as NaN.
        features: The k features.
        logged: The same rows with doubly robust scores whose outcome model never saw them.
        offers: Names of the m offers.
        seed: Of the folds, and of the sample where there are more rows than are looked at.
        depth: Questions asked of a customer at most; None for as many as are worth it: trees learned on one half of
            the customers are valued on the other, and the smallest within a standard error of the best is taken.
        least_share: Share of the weight that every end must hold, in (0, 1].
        most_rows: Rows looked at, drawn evenly from every arm.

    Raises:
        DataError: No rows, or numbers of rows, features or offers that do not fit together.
    """
    n = len(logged)
    if n == 0 or X.shape != (n, len(features)) or logged.scores.shape != (n, len(offers) + 1):
        raise DataError(
            f"a policy tree needs rows with a score per arm: {X.shape} values of {len(features)} features and "
            f"{logged.scores.shape} scores of {len(offers)} offers do not fit {n} rows"
        )
    rows = _sample(logged.arm, most=most_rows, seed=seed)
    weight, scores = logged.relative_weight[rows], logged.scores[rows]
    lessons = _Lessons(
        X=X[rows],
        columns=BinnedColumns.of(X[rows], features),
        gains=weight[:, None] * np.nan_to_num(scores[:, 1:] - scores[:, :1]),
        weight=weight,
        least_share=least_share,
    )
    levels = _choose_depth(lessons, logged.customer[rows], seed=seed) if depth is None else depth
    return PolicyTree(
        root=lessons.grow(np.ones(len(rows), dtype=bool))[levels],
        offers=tuple(offers),
        rows=n,
        rows_searched=len(rows),
        features_searched=len(features),
    )


def value_policy_tree(
    tree: PolicyTree,
    X: np.ndarray,
    features: Sequence[Feature],
    logged: LoggedOutcomes,
    *,
    policy: np.ndarray,
    constants: Mapping[str, np.ndarray],
) -> TreeWorth:
    """What the tree earned on rows that it never saw, beside the policy that it explains and the best constant.

    Args:
        tree: The tree.
        X: Values, shape (n, k).
        features: The k columns.
        logged: The same rows.
        policy: Arms of the policy, shape (n,).
        constants: Name to arms; must hold "nobody".
    """
    end = tree.assign(X, features)
    arms = np.array([arm for _, arm in tree.ends()], dtype=np.int64)
    choice = arms[end]
    best = best_constant(logged, constants)
    taken = np.where(logged.available[np.arange(len(logged)), choice], choice, 0)
    ends = [_worth(tree, path, arm, end == number, logged) for number, (path, arm) in enumerate(tree.ends())]
    return TreeWorth(
        ends=Table(name="policy tree", rows=tuple(ends)),
        value=policy_value(logged, choice),
        gain_over_nobody=policy_difference(logged, choice, constants[NOBODY]),
        gain_over_policy=policy_difference(logged, choice, policy),
        gain_over_best_constant=policy_difference(logged, choice, constants[best]),
        best_constant=best,
        agreement=float(np.average(taken == policy, weights=logged.relative_weight)),
    )


@dataclass(frozen=True, kw_only=True)
class _Lessons:
    """Rows to learn from: values, their bins, weighted gains of the offers over control, weights."""

    X: np.ndarray
    columns: BinnedColumns
    gains: np.ndarray
    weight: np.ndarray
    least_share: float

    def grow(self, learned: np.ndarray) -> tuple[Branch | Leaf, Branch | Leaf, Branch | Leaf]:
        """The best trees of no, one and two levels on some of the rows, bool, shape (n,)."""
        weight = self.weight[learned]
        found = search_questions(
            self.columns.take(learned), self.gains[learned], weight, least=self.least_share * float(weight.sum())
        )
        none, one, two = (self._branch(questions.root, learned, questions.sides) for questions in found)
        return none, one, two

    def _branch(self, question: Question, inside: np.ndarray, deeper: Sequence[Question]) -> Branch | Leaf:
        feature, choice = question
        if feature == NONE:
            totals = np.concatenate([[0.0], self.gains[inside].sum(axis=0)])
            return Leaf(arm=int(np.argmax(totals)))
        split = self.columns.split(feature, choice)
        yes = split.holds(self.X[:, feature])
        after_yes, after_no = deeper or (NO_QUESTION, NO_QUESTION)
        return Branch(
            split=split, yes=self._branch(after_yes, inside & yes, ()), no=self._branch(after_no, inside & ~yes, ())
        )

    def earned(self, root: Branch | Leaf) -> np.ndarray:
        """Weighted gain of each row under a tree, shape (n,)."""
        tree = PolicyTree(root=root, offers=(), rows=0, rows_searched=0, features_searched=0)
        arms = tree.choose(self.X, self.columns.features)
        at = np.arange(len(arms))
        return np.where(arms > 0, self.gains[at, np.maximum(arms, 1) - 1], 0.0)


def _choose_depth(lessons: _Lessons, customer: np.ndarray, *, seed: int) -> Depth:
    """The fewest levels whose gain on customers not learned from is within a standard error of the best."""
    clusters = Clusters.of(customer)
    half = (np.random.default_rng(seed).permutation(clusters.count) % 2 == 0)[clusters.code]
    if half.all() or not half.any():
        return 0
    gain = np.zeros((3, len(customer)))
    for learned in (half, ~half):
        for levels, root in enumerate(lessons.grow(learned)):
            gain[levels, ~learned] = lessons.earned(root)[~learned]
    best = gain[np.argmax(gain.sum(axis=1))]
    fewer: tuple[Depth, ...] = (0, 1)
    for levels in fewer:
        behind = best - gain[levels]
        if behind.mean() <= clusters.error(behind - behind.mean()):
            return levels
    return 2


def _worth(tree: PolicyTree, path: Path, arm: int, here: np.ndarray, logged: LoggedOutcomes) -> TreeEnd:
    weight = logged.relative_weight
    offered = here & logged.available[:, arm]
    held, held_offered = float(weight[here].sum()), float(weight[offered].sum())
    effect = None
    if arm and offered.any():
        gain = np.where(offered, logged.scores[:, arm] - logged.scores[:, 0], 0.0)
        point = float(weight @ gain) / held_offered
        influence = weight * offered * (gain - point) * len(logged) / held_offered
        effect = logged.estimate(Figure(point=point, influence=influence), "DR, over no contact")
    return TreeEnd(
        path=path,
        offer=tree.offers[arm - 1] if arm else None,
        effect=effect,
        share=held / float(weight.sum()),
        on_offer=held_offered / held if held else 0.0,
        rows=int(here.sum()),
    )


def simplify(path: Path) -> Path:
    """The same conditions without those that another one implies: below 50 says more than below 500.

    Examples:
        >>> spend = Feature(name="revenue_90d", unit="currency", source="transactions", formula="")
        >>> asked = [Answer(split=Split(feature=spend, below=below), yes=True) for below in (500.0, 50.0)]
        >>> [answer.split.below for answer in simplify(tuple(asked))]
        [50.0]
    """
    kept: list[Answer] = []
    for answer in path:
        same = [i for i, other in enumerate(kept) if _same_side(answer, other)]
        if same:
            kept[same[0]] = _tighter(kept[same[0]], answer)
        else:
            kept.append(answer)
    return tuple(kept)


def _same_side(one: Answer, other: Answer) -> bool:
    cuts = one.split.below is not None and other.split.below is not None
    return cuts and one.yes == other.yes and one.split.feature.name == other.split.feature.name


def _tighter(one: Answer, other: Answer) -> Answer:
    """Both of two conditions on the same side of a number."""
    edges = [answer.split.below for answer in (one, other) if answer.split.below is not None]
    seen = [answer.split.missing for answer in (one, other) if answer.split.missing is not None]
    let_in = all(missing == one.yes for missing in seen)
    below = min(edges) if one.yes else max(edges)
    missing = (let_in == one.yes) if seen else None
    return replace(one, split=replace(one.split, below=below, missing=missing))


def _ends(node: Branch | Leaf, path: Path) -> Iterator[tuple[Path, int]]:
    if isinstance(node, Leaf):
        yield path, node.arm
        return
    for answer, below in ((True, node.yes), (False, node.no)):
        yield from _ends(below, (*path, Answer(split=node.split, yes=answer)))


def _sample(arm: np.ndarray, *, most: int, seed: int) -> np.ndarray:
    """Positions of at most `most` rows, of every arm its share, in order."""
    if len(arm) <= most:
        return np.arange(len(arm))
    shuffled = np.random.default_rng(seed).permutation(len(arm))
    by_arm = shuffled[np.argsort(arm[shuffled], kind="stable")]
    return np.sort(by_arm[np.linspace(0, len(arm) - 1, most).astype(np.int64)])
