"""One extract as rows to learn from: attributes that have no time, and a flag of who left."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np

from netlift.config.business import FLAG
from netlift.data.read import Tables
from netlift.errors import DataError, LeakageError
from netlift.features.build import build_features
from netlift.features.catalogue import build_catalogue
from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.queries import Queries
from netlift.features.vocabulary import Vocabulary

ONE_DAY = 1
TELLS_ALL = 0.999
FEW_VALUES = 20
"""Up to so many distinct numbers an attribute may be a code, whose order means nothing."""


@dataclass(frozen=True, kw_only=True)
class FlaggedCustomers:
    """The customers of an extract whose flag is known, in the order of their ids.

    Attributes:
        matrix: Their attributes.
        left: 1 for who left, else 0, shape (n,).
        draw: A number of [0, 1) for each, by the id alone: the same customer is held out of every extract, (n,).
        unflagged: Customers without a flag, who teach nothing.
    """

    matrix: FeatureMatrix
    left: np.ndarray
    draw: np.ndarray
    unflagged: int


def read_flagged(tables: Tables, vocabulary: Vocabulary, *, seed: int) -> FlaggedCustomers:
    """The attributes of every flagged customer as of the end of the extract's day.

    Args:
        tables: The tables of an extract.
        vocabulary: Values of the attributes that are text.
        seed: What the draw depends on besides the id.

    Raises:
        DataError: There is no flag, or it is the same for everybody.
    """
    if not tables.has("customers", FLAG):
        raise DataError(
            f"customers.{FLAG}: missing, and the churn label is that flag; map the column that says who left under "
            f"data.tables.customers.columns: {{{FLAG}: <yours>}}"
        )
    customers = tables["customers"].select("customer_id", FLAG).order_by("customer_id").to_pandas()
    flagged = customers[customers[FLAG].notna()]
    left = flagged[FLAG].astype(bool).to_numpy(dtype=np.float64)
    if len(set(left)) < 2:
        what = f"{'yes' if left.any() else 'no'} for all {len(left):,} customers" if len(left) else "empty"
        raise DataError(f"customers.{FLAG}: is {what}; both who left and who stayed are needed to learn from")
    ids = flagged.customer_id.to_numpy(dtype=object)
    return FlaggedCustomers(
        matrix=_attributes(tables, vocabulary, ids),
        left=left,
        draw=_draw(ids, salt=str(seed)),
        unflagged=len(customers) - len(flagged),
    )


def _attributes(tables: Tables, vocabulary: Vocabulary, ids: np.ndarray) -> FeatureMatrix:
    own = [feature.name for feature in build_catalogue(vocabulary) if feature.source == "customers"]
    if not tables.has("customers", "joined_at"):
        own.remove("tenure_days")
    if tables.snapshot_of is None:
        raise DataError("a flag is learned from one extract: say its day in data.snapshot_of")
    end = np.datetime64(datetime.combine(tables.snapshot_of, time()) + timedelta(days=1), "us")
    asked = Queries(customer_id=ids, cutoff=np.full(len(ids), end))
    return build_features(tables, asked, vocabulary, observation_days=ONE_DAY, names=own)


def _draw(ids: np.ndarray, *, salt: str) -> np.ndarray:
    key = hashlib.blake2b(salt.encode()).digest()
    hashed = b"".join(hashlib.blake2b(each.encode(), digest_size=8, key=key).digest() for each in ids)
    return (np.frombuffer(hashed, dtype=">u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53


def order_categories(X: np.ndarray, features: Sequence[Feature], y: np.ndarray) -> np.ndarray:
    """The matrix with every category, missing among them, in place of its code the share of y that it has.

    Args:
        X: Attributes, shape (n, k).
        features: Its columns.
        y: 1 or 0, shape (n,).
    """
    ordered = X.copy()
    for i, feature in enumerate(features):
        if feature.kind == "category":
            ordered[:, i] = _shares(X[:, i], y)
    return ordered


def refuse_the_answer(matrix: FeatureMatrix, left: np.ndarray, *, max_auc: float) -> None:
    """Refuse attributes that say the flag in other words: what was written down because a customer left.

    Args:
        matrix: The attributes.
        left: 1 for who left, else 0, shape (n,).
        max_auc: What the definition allows of any attribute; the gate judges those that tell less than `TELLS_ALL`.

    Raises:
        LeakageError: Names every attribute that alone tells who left.
    """
    told = [
        feature.name
        for i, feature in enumerate(matrix.features)
        if _tells(matrix.X[:, i], is_code=feature.kind == "category", left=left) >= TELLS_ALL > max_auc
    ]
    if told:
        raise LeakageError(
            f"{', '.join(f'customers.{name}' for name in told)}: tells by itself who left (customers.{FLAG}), so it "
            "was written down when they did or after; take it out of data.attributes, or, where it was not, raise "
            "gates.max_feature_auc of the definition to 1"
        )


def _tells(x: np.ndarray, *, is_code: bool, left: np.ndarray) -> float:
    """ROC-AUC of an attribute by itself, either way round, its codes and what is missing in their best order."""
    from scipy.stats import rankdata

    if is_code or len(np.unique(x[~np.isnan(x)])) <= FEW_VALUES:
        return _auc(rankdata(_shares(x, left)), left)
    return max(_auc(rankdata(np.nan_to_num(x, nan=end, posinf=np.inf)), left) for end in (-np.inf, np.inf))


def _auc(rank: np.ndarray, left: np.ndarray) -> float:
    lost = left.sum()
    auc = float((rank @ left - lost * (lost + 1) / 2) / (lost * (len(left) - lost)))
    return max(auc, 1 - auc)


def _shares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    _, code = np.unique(x, return_inverse=True)
    return (np.bincount(code, weights=y) / np.bincount(code))[code]


__all__ = ["FlaggedCustomers", "order_categories", "read_flagged", "refuse_the_answer"]
