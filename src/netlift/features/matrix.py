"""Feature matrix with its rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature of the catalogue.

    Attributes:
        name: Its name, with its unit or window in it.
        unit: What one unit is: "days", "receipts", "currency", "share", "ratio", "category".
        source: The table it is computed from.
        formula: How, in a line; `c` is the cutoff.
        kind: `number`, or `category` whose codes index `categories`.
        categories: Text of each code, for a category; always holds "other".
    """

    name: str
    unit: str
    source: str
    formula: str
    kind: Literal["number", "category"] = "number"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FeatureMatrix:
    """Features of customers as of cutoffs.

    Attributes:
        customer_id: Ids, shape (n,), dtype object of str.
        cutoff: Local wall-clock instants, shape (n,), dtype datetime64[us].
        X: Values, float32, shape (n, k), Fortran order; a category is its code; missing is NaN.
        features: The k features, in column order.
        unseen: Source column to the number of rows read whose value is not in the vocabulary, counted as "other".
    """

    customer_id: np.ndarray
    cutoff: np.ndarray
    X: np.ndarray
    features: tuple[Feature, ...]
    unseen: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.X)

    @property
    def names(self) -> list[str]:
        """Feature names in column order."""
        return [feature.name for feature in self.features]

    def column(self, name: str) -> np.ndarray:
        """The values of one feature, shape (n,)."""
        return np.asarray(self.X[:, self.names.index(name)])

    def take(self, rows: np.ndarray) -> FeatureMatrix:
        """The given rows, by position or mask."""
        return FeatureMatrix(
            customer_id=self.customer_id[rows],
            cutoff=self.cutoff[rows],
            X=np.asfortranarray(self.X[rows]),
            features=self.features,
            unseen=self.unseen,
        )

    def to_frame(self) -> pd.DataFrame:
        """A column per feature, categories as text, missing categories as None."""
        import pandas as pd

        columns: dict[str, object] = {}
        for i, feature in enumerate(self.features):
            x = self.X[:, i]
            if feature.kind == "category":
                codes = np.where(np.isnan(x), -1, x).astype(np.int64)
                columns[feature.name] = pd.Categorical.from_codes(codes, categories=pd.Index(feature.categories))
            else:
                columns[feature.name] = x
        frame = pd.DataFrame(columns, copy=False)
        text = [feature.name for feature in self.features if feature.kind == "category"]
        return frame.astype(dict.fromkeys(text, object))
