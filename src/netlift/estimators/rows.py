"""Rows for training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from netlift.features.matrix import Feature


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Customers as of cutoffs, with what they did afterwards.

    Attributes:
        X: Features, float32, shape (n, k), Fortran order; a category is its code; missing is NaN.
        features: The k features.
        y: Label, float64, shape (n,): 1 lost or 0 for churn, margin in currency for ltv.
        customer: Code of the customer, int64, shape (n,): the group that must not be split between folds.
        cutoff: Cutoff of the row, datetime64[us], shape (n,).
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    y: np.ndarray
    customer: np.ndarray
    cutoff: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> LabelledRows:
        """The given rows, by position or mask."""
        return LabelledRows(
            X=np.asfortranarray(self.X[rows]),
            features=self.features,
            y=self.y[rows],
            customer=self.customer[rows],
            cutoff=self.cutoff[rows],
        )

    def column(self, name: str) -> np.ndarray:
        """The values of one feature, shape (n,)."""
        names = [feature.name for feature in self.features]
        return np.asarray(self.X[:, names.index(name)])

    def select(self, names: Sequence[str]) -> LabelledRows:
        """The same rows with these features alone."""
        position = {feature.name: i for i, feature in enumerate(self.features)}
        keep = [position[name] for name in names]
        features = tuple(self.features[i] for i in keep)
        return replace(self, X=np.asfortranarray(self.X[:, keep]), features=features)

    def join(self, other: LabelledRows) -> LabelledRows:
        """These rows and the other's behind them; both have the same features."""
        return LabelledRows(
            X=np.asfortranarray(np.concatenate([self.X, other.X])),
            features=self.features,
            y=np.concatenate([self.y, other.y]),
            customer=np.concatenate([self.customer, other.customer]),
            cutoff=np.concatenate([self.cutoff, other.cutoff]),
        )

    def add_columns(self, values: np.ndarray, features: tuple[Feature, ...]) -> LabelledRows:
        """The same rows with columns behind their features, values of shape (n, k) for k features."""
        X = np.asfortranarray(np.column_stack([self.X, values.astype(np.float32)]))
        return replace(self, X=X, features=(*self.features, *features))

    def relabel(self, y: np.ndarray) -> LabelledRows:
        """The same rows with another label, shape (n,)."""
        return replace(self, y=y)


@dataclass(frozen=True, kw_only=True)
class RowSplit:
    """What each row is for, bool, each of shape (n,).

    Attributes:
        search: Settings are searched on them, and candidates fitted that are compared before the test; may be empty.
        compare: Candidates are compared on them.
        test: Judged on, and nothing is fitted to them; the final fit is to all others.
    """

    search: np.ndarray
    compare: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, kw_only=True)
class ContactRows:
    """Assigned customers of randomized campaigns, features as of the assignment, with what each brought.

    Attributes:
        X: Features, float32, shape (n, k), Fortran order.
        features: The k features.
        y: Profit of the outcome window, margin less reward and contact cost, float64, shape (n,), in currency.
        margin: Margin of the outcome window before reward and contact cost, float64, shape (n,).
        offers: Names of the m offers; arm 0 is control, arm j is offers[j - 1].
        arm: Drawn arm, int64, shape (n,).
        propensity: Logged chance of the drawn arm, float64, shape (n,), in (0, 1].
        available: Whether the row's campaign could draw each arm, bool, shape (n, m + 1); control is column 0.
        customer: Code of the customer, int64, shape (n,).
        campaign: Code of the campaign, int64, shape (n,), in order of start.
        before: Margin of as many days before the assignment as the outcome window is long, float64, shape (n,): what
            no contact can have changed; None where nobody asked for it.
        reward: Reward paid for the contact, float64, shape (n,), in currency; None where nobody asked for it.
        stayed: 1 for who bought in some days after the outcome window, else 0, NaN where these days are not over,
            float64, shape (n,); None where nobody asked for it.
        annoyed: 1 for who complained or opted out in some days after the assignment, else 0, float64, shape (n,); None
            where nobody asked for it.
        window_days: The longest outcome window; 0 where nobody asked for it.
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    y: np.ndarray
    margin: np.ndarray
    offers: tuple[str, ...]
    arm: np.ndarray
    propensity: np.ndarray
    available: np.ndarray
    customer: np.ndarray
    campaign: np.ndarray
    before: np.ndarray | None = None
    reward: np.ndarray | None = None
    stayed: np.ndarray | None = None
    annoyed: np.ndarray | None = None
    window_days: float = 0.0

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> ContactRows:
        """The given rows, by position or mask."""
        return ContactRows(
            X=np.asfortranarray(self.X[rows]),
            features=self.features,
            y=self.y[rows],
            margin=self.margin[rows],
            offers=self.offers,
            arm=self.arm[rows],
            propensity=self.propensity[rows],
            available=self.available[rows],
            customer=self.customer[rows],
            campaign=self.campaign[rows],
            before=None if self.before is None else self.before[rows],
            reward=None if self.reward is None else self.reward[rows],
            stayed=None if self.stayed is None else self.stayed[rows],
            annoyed=None if self.annoyed is None else self.annoyed[rows],
            window_days=self.window_days,
        )

    def column(self, name: str) -> np.ndarray:
        """The values of one feature, shape (n,)."""
        names = [feature.name for feature in self.features]
        return np.asarray(self.X[:, names.index(name)])

    def add_columns(self, values: np.ndarray, features: tuple[Feature, ...]) -> ContactRows:
        """The same rows with columns behind their features, values of shape (n, k) for k features."""
        X = np.asfortranarray(np.column_stack([self.X, values.astype(np.float32)]))
        return replace(self, X=X, features=(*self.features, *features))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A fitted estimator in its stored form, before anybody judged it.

    Attributes:
        name: Its name in the definition's list of candidates.
        files: Stored form: file name to content, `model.json` among them (see `estimators/stored.py`).
        params: What tuning chose, for the record.
        notes: What a reader of the card must know: rows dropped, fallbacks, odd settings.
        storable: False where the form needs pickle: such a candidate is compared, never registered.
        importance: Share of gain by feature, where the estimator has one.
    """

    name: str
    files: dict[str, bytes]
    params: dict[str, float | int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    storable: bool = True
    importance: dict[str, float] = field(default_factory=dict)
