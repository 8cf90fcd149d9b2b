"""Queries: customers and their cutoffs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from netlift.data.read import Tables


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Customers, each as of its own cutoff.

    Attributes:
        customer_id: Ids, shape (n,), dtype object of str.
        cutoff: Local wall-clock instants, shape (n,), dtype datetime64[us].
    """

    customer_id: np.ndarray
    cutoff: np.ndarray

    def __len__(self) -> int:
        return len(self.customer_id)

    def take(self, rows: np.ndarray) -> Queries:
        """The given rows, by position or mask."""
        return Queries(customer_id=self.customer_id[rows], cutoff=self.cutoff[rows])


def queries_at(customer_ids: Sequence[str] | np.ndarray, cutoffs: Sequence[datetime] | np.ndarray) -> Queries:
    """Every customer as of every cutoff, customer by customer.

    Examples:
        >>> queries = queries_at(["a", "b"], [datetime(2026, 1, 1), datetime(2026, 4, 1)])
        >>> list(queries.customer_id), str(queries.cutoff[1])
        (['a', 'a', 'b', 'b'], '2026-04-01T00:00:00.000000')
    """
    ids = np.asarray(customer_ids, dtype=object)
    instants = to_instants(cutoffs)
    return Queries(customer_id=np.repeat(ids, len(instants)), cutoff=np.tile(instants, len(ids)))


def queries_of_joined(tables: Tables, cutoffs: Sequence[datetime] | np.ndarray) -> Queries:
    """Every customer as of every cutoff before which he had joined, in the order of ids."""
    customers = tables["customers"].select("customer_id", "joined_at").order_by("customer_id")
    rows = tables.connection.to_pyarrow(customers)
    ids = rows["customer_id"].to_numpy(zero_copy_only=False)
    joined = rows["joined_at"].to_numpy(zero_copy_only=False).astype("datetime64[us]")
    instants = to_instants(cutoffs)
    customer, cutoff = np.nonzero(joined[:, None] < instants[None, :])
    return Queries(customer_id=ids[customer], cutoff=instants[cutoff])


def to_instants(cutoffs: Sequence[datetime] | np.ndarray) -> np.ndarray:
    """Local wall-clock instants as datetime64[us]."""
    return np.asarray(cutoffs, dtype="datetime64[us]")
