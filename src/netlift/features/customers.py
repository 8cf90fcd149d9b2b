"""Customers of a query: lookup, and features that depend on the customer alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import DataError
from netlift.features.queries import Queries
from netlift.features.streams import to_numpy
from netlift.features.vocabulary import Vocabulary

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from netlift.data.read import Tables

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, kw_only=True)
class LoadedCustomers:
    """Customers in the order in which everything else refers to them.

    Attributes:
        customer_id: Ids, shape (m,), dtype object of str.
        hashes: Hash of each id, uint64, shape (m,).
        joined_at: Local wall-clock microseconds, int64, shape (m,).
        birth_day: Days since 1970, float64, shape (m,), NaN where not known.
        attributes: Codes or numbers, float32, shape (attributes, m), NaN where not known.
        unseen: Attribute to the number of customers whose value is not in the vocabulary.
    """

    customer_id: np.ndarray
    hashes: np.ndarray
    joined_at: np.ndarray
    birth_day: np.ndarray
    attributes: np.ndarray
    unseen: dict[str, int]


def locate_customers(tables: Tables, vocabulary: Vocabulary, queries: Queries) -> tuple[LoadedCustomers, np.ndarray]:
    """The customers of some queries, and the position of each query's customer among them, shape (n,).

    Raises:
        DataError: Queries without an id, or ids that `customers` does not have.
    """
    import pandas as pd

    asked, ids = pd.factorize(queries.customer_id)
    nameless = int((asked < 0).sum())
    if nameless:
        raise DataError(f"{nameless:,} of {len(queries):,} queries have no customer_id: leave them out")
    return load_customers(tables, vocabulary, np.asarray(ids, dtype=object)), asked.astype(np.int64)


def load_customers(tables: Tables, vocabulary: Vocabulary, ids: np.ndarray | None = None) -> LoadedCustomers:
    """The given customers in the given order, or all of them in the order of ids.

    Raises:
        DataError: Ids that `customers` does not have.
    """
    return load_customers_for(tables, [vocabulary], ids)[0]


def load_customers_for(
    tables: Tables, vocabularies: Sequence[Vocabulary], ids: np.ndarray | None = None
) -> list[LoadedCustomers]:
    """The same customers by the words of each vocabulary, read once; ids and dates are shared.

    Raises:
        DataError: Ids that `customers` does not have.
    """
    import ibis

    customers = tables["customers"]
    if ids is None:
        chosen = customers.order_by("customer_id")
    else:
        asked = ibis.memtable({"asked_id": ids, "position": np.arange(len(ids))})
        chosen = asked.left_join(customers, asked.asked_id == customers.customer_id).order_by("position")
    coded = list(dict.fromkeys(item for words in vocabularies for item in words.attributes.items()))
    own = {f"attribute_{i}": _attribute(chosen[name], known) for i, (name, known) in enumerate(coded)}
    rows = tables.connection.to_pyarrow(
        chosen.select("customer_id", "joined_at", "birth_date", hashed=tables.engine.hash_id(chosen.customer_id), **own)
    )
    unknown = rows["customer_id"].null_count
    if unknown:
        raise DataError(f"customers: {unknown:,} of {len(rows):,} customers asked about are not in the table")
    first = LoadedCustomers(
        customer_id=rows["customer_id"].to_numpy(zero_copy_only=False),
        hashes=to_numpy(rows["hashed"].combine_chunks(), "customers.customer_id").view(np.uint64),
        joined_at=to_numpy(rows["joined_at"].combine_chunks(), "customers.joined_at"),
        birth_day=_to_days(rows["birth_date"].to_numpy(zero_copy_only=False)),
        attributes=np.empty((0, len(rows)), dtype=np.float32),
        unseen={},
    )
    return [_with_attributes(first, words, rows, coded) for words in vocabularies]


def _with_attributes(
    customers: LoadedCustomers, vocabulary: Vocabulary, rows: pa.Table, coded: list[tuple[str, tuple[str, ...] | None]]
) -> LoadedCustomers:
    """The customers with the attributes of one vocabulary, of columns that were read for all."""
    attributes = np.empty((len(vocabulary.attributes), len(rows)), dtype=np.float32)
    unseen = {}
    for row, (name, known) in zip(attributes, vocabulary.attributes.items(), strict=True):
        row[:] = rows[f"attribute_{coded.index((name, known))}"].to_numpy(zero_copy_only=False)
        if known is not None:
            unseen[name] = int((row == len(known)).sum())
    return replace(customers, attributes=attributes, unseen=unseen)


def encode(values: ir.Value, known: tuple[str, ...], *, missing: int | None, step: int = 1) -> ir.Value:
    """The position of each value in `known`, their number for any other value, all times `step`; or `missing`."""
    import ibis

    other = step * len(known)
    codes = values.cases(*((value, step * code) for code, value in enumerate(known)), else_=other) if known else other
    return values.isnull().ifelse(ibis.literal(missing, type="int32"), codes)


def _attribute(values: ir.Value, known: tuple[str, ...] | None) -> ir.Value:
    return (values if known is None else encode(values, known, missing=None)).cast("float32")


def _to_days(dates: np.ndarray) -> np.ndarray:
    days = dates.astype("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64))


def fill_customers(
    customers: LoadedCustomers, asked: np.ndarray, cutoffs: np.ndarray, position: np.ndarray, out: np.ndarray
) -> None:
    """Features of the customer and of the calendar.

    Args:
        customers: The customers.
        asked: Position of the customer of each query, shape (n,).
        cutoffs: Local wall-clock instants, datetime64[us], shape (n,).
        position: Row of `out` for each feature of `catalogue.customer_entries`, -1 for one that is not wanted.
        out: float32, shape (features, n).
    """
    today = cutoffs.astype("datetime64[D]")
    joined_at = customers.joined_at[asked]
    joined_day = joined_at.view("datetime64[us]").astype("datetime64[D]")
    tenure = (today - joined_day).astype(np.float64)
    phase = 2 * np.pi * (today - today.astype("datetime64[Y]")).astype(np.float64) / DAYS_PER_YEAR
    columns = [
        np.where(joined_at < cutoffs.view(np.int64), tenure, np.nan),
        (today.astype(np.int64) - customers.birth_day[asked]) / DAYS_PER_YEAR,
        np.round(np.sin(phase), 6),
        np.round(np.cos(phase), 6),
        *(attribute[asked] for attribute in customers.attributes),
    ]
    for row, column in zip(position, columns, strict=True):
        if row >= 0:
            out[row] = column
