from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.segments.migration import ENTERED, LEFT, migration_matrix, trace_migration

NAMES = ("champions", "loyal", "new", "lost")
MONTH = st.dictionaries(
    st.integers(0, 30), st.tuples(st.sampled_from(NAMES), st.one_of(st.just(np.nan), st.floats(-100, 1000)))
)


def snapshot(month):
    return pd.DataFrame(
        {
            "customer_id": pd.Series([f"{key:03d}" for key in month], dtype=object),
            "segment": pd.Series([segment for segment, _ in month.values()], dtype=object),
            "ltv": np.array([value for _, value in month.values()], dtype=float),
        }
    )


@given(MONTH, MONTH)
def test_margins_of_the_matrix_are_the_two_populations_and_money_is_that_of_both(first, second):
    before, after = snapshot(first), snapshot(second)
    flows = trace_migration(before, after, value="ltv", segments=NAMES)
    matrix = migration_matrix(flows, NAMES)
    assert matrix.sum(axis=1)[:-1].tolist() == [int((before["segment"] == name).sum()) for name in NAMES]
    assert matrix.sum(axis=0)[:-1].tolist() == [int((after["segment"] == name).sum()) for name in NAMES]
    assert matrix[-1].sum() == len(second.keys() - first.keys())
    assert matrix[:, -1].sum() == len(first.keys() - second.keys())
    assert sum(flow.value_before for flow in flows) == pytest.approx(before["ltv"].sum(), abs=1e-6)
    assert sum(flow.value_after for flow in flows) == pytest.approx(after["ltv"].sum(), abs=1e-6)
    assert sum(flow.change for flow in flows) == pytest.approx(after["ltv"].sum() - before["ltv"].sum(), abs=1e-6)
    assert sum(flow.customers for flow in flows) == len(first.keys() | second.keys())


def test_who_joins_enters_and_who_goes_leaves():
    before = snapshot({1: ("loyal", 10.0), 2: ("new", 4.0)})
    after = snapshot({1: ("champions", 30.0), 3: ("new", 5.0)})
    flows = {
        (f.before, f.after): (f.customers, f.change)
        for f in trace_migration(before, after, value="ltv", segments=NAMES)
    }
    assert flows == {("loyal", "champions"): (1, 20.0), ("new", LEFT): (1, -4.0), (ENTERED, "new"): (1, 5.0)}
