"""Rows as read, partitioned and sorted."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.features.streams import AT, CODES, FIRST, CustomerIndex, read_rows


def read(rows: pd.DataFrame, customers: int, *, held_rows: int, rows_per_partition: int):
    engine = DuckDBEngine()
    ids = ibis.memtable({"customer_id": [str(i) for i in range(customers)], "position": range(customers)})
    hashes = engine.connection.to_pyarrow(ids.order_by("position").select(h=engine.hash_id(ids.customer_id)))[
        "h"
    ].to_numpy()
    index = CustomerIndex.build(hashes, rows=len(rows), rows_per_partition=rows_per_partition)
    table = ibis.memtable(rows)
    columns = table.select(
        customer_id=engine.hash_id(table.customer_id),
        at=table.at.cast("timestamp(6)"),
        first=table["first"],
        second=table["first"],
        codes=table.codes.cast("int32"),
    )
    return index, read_rows(engine, columns, index, table="rows", held_rows=held_rows)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 1000),
    customers=st.integers(1, 300),
    held_rows=st.integers(0, 2000),
    rows_per_partition=st.integers(1, 3000),
)
def test_every_row_is_found_with_its_customer_in_order_held_or_filed(seed, customers, held_rows, rows_per_partition):
    rng = np.random.default_rng(seed)
    n = 2000
    rows = pd.DataFrame(
        {
            "customer_id": rng.integers(0, customers + 5, n).astype(str),
            "at": pd.to_datetime(rng.integers(0, 1000, n), unit="us"),
            "first": rng.normal(size=n),
            "codes": rng.integers(0, 1000, n),
        }
    )
    index, partitioned = read(rows, customers, held_rows=held_rows, rows_per_partition=rows_per_partition)
    expected = rows.assign(number=rows["customer_id"].astype(int), at=rows["at"].astype("datetime64[us]").astype(int))
    expected = expected[expected["number"] < customers].sort_values(["number", "at", "first"])
    seen = []
    for partition in range(index.partitions):
        part = partitioned.take(partition)
        number = part.words[:, CODES] >> 32
        first, last = index.span(partition)
        np.testing.assert_array_equal(np.bincount(number - first, minlength=last - first), np.diff(part.offsets))
        seen.append(np.column_stack([number, part.words[:, AT], part.words[:, CODES] & 0xFFFFFFFF]))
        order = np.lexsort((part.words[:, AT], number))
        np.testing.assert_array_equal(order, np.arange(len(number)))
        assert np.isin(part.words.view(np.float64)[:, FIRST], expected["first"]).all()
    everything = np.concatenate(seen)
    wanted = expected[["number", "at", "codes"]].to_numpy()
    assert len(everything) == len(wanted)
    np.testing.assert_array_equal(everything[np.lexsort(everything.T[::-1])], wanted[np.lexsort(wanted.T[::-1])])


@pytest.mark.parametrize("customers", [0, 1, 2, 7, 64, 1000])
@pytest.mark.parametrize("rows_per_partition", [1, 50, 10_000])
def test_partitions_cover_all_customers_once(customers, rows_per_partition):
    hashes = np.random.default_rng(0).integers(0, 2**63, customers).astype(np.uint64)
    index = CustomerIndex.build(hashes, rows=1000, rows_per_partition=rows_per_partition)
    spans = [index.span(partition) for partition in range(index.partitions)]
    assert [first for first, _ in spans] == [0, *(last for _, last in spans[:-1])]
    assert spans[-1][1] == customers
