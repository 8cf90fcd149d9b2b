"""Fields of lists: read from a shop's tables, recomputed from its rows, and refused where they cannot be."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from netlift.config.business import EngineSettings
from netlift.config.next_purchase import NextPurchaseSettings
from netlift.data.engines.duckdb import open_duckdb
from netlift.errors import DataError
from netlift.next_purchase.fields import FIELDS, Foretold, foretell_purchases, require_sources
from netlift.next_purchase.item_scores import read_top_items
from netlift.next_purchase.model import NextPurchases, Replenishments
from netlift.next_purchase.purchases import make_purchases, read_purchases

AS_OF = date(2026, 5, 17)


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    engine = open_duckdb(EngineSettings(threads=1), state=tmp_path_factory.mktemp("state"))
    yield engine.connection
    engine.close()


class Shop(dict):
    """Tables as verbs see them."""

    def __init__(self, connection, **frames):
        for name, frame in frames.items():
            connection.con.register(name, pa.Table.from_pandas(frame, preserve_index=False))
        super().__init__({name: connection.table(name) for name in frames})
        self.connection = connection
        self.columns = {name: set(frame.columns) for name, frame in frames.items()}

    def has(self, table, column):
        return column in self.columns.get(table, ())


def receipts_of(customers, *, seed):
    """Receipts of two years, returns and receipts without a category among them, in no order."""
    rng = np.random.default_rng(seed)
    gap = np.exp(rng.normal(3.0, 0.5, customers))
    rows = []
    for i in range(customers):
        at = pd.Timestamp("2024-06-01") + pd.to_timedelta(np.cumsum(gap[i] * rng.lognormal(0, 0.4, 60)), unit="D")
        for moment in at[at < pd.Timestamp("2026-06-01")]:
            category = rng.choice(["tea", "milk", "soap", "lamp", None], p=[0.4, 0.3, 0.15, 0.05, 0.1])
            rows.append((f"c{i:04}", moment, 100.0, category, rng.uniform() < 0.05))
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "revenue", "category", "is_return"])
    return frame.sample(frac=1.0, random_state=seed)


@pytest.fixture(scope="module")
def shop(connection):
    receipts = receipts_of(500, seed=3)
    customers = pd.DataFrame({"customer_id": [*sorted(receipts["customer_id"].unique()), "nobody"]})
    return Shop(connection, customers=customers, transactions=receipts), receipts


def test_purchases_are_the_rows_in_order_without_returns_and_rare_categories(shop):
    tables, receipts = shop
    found = read_purchases(tables, until=AS_OF, max_categories=3)
    kept = receipts[(receipts["occurred_at"] < pd.Timestamp(AS_OF)) & ~receipts["is_return"]]
    assert found.categories == ("tea", "milk", "soap")
    kept = kept.sort_values(["customer_id", "occurred_at"])
    who = np.repeat(found.ids, np.diff(found.offsets))
    assert who.tolist() == kept["customer_id"].tolist()
    assert (
        found.day.tolist()
        == kept["occurred_at"].dt.floor("D").astype("datetime64[s]").astype("int64").floordiv(86400).tolist()
    )
    names = np.array([*found.categories, None], dtype=object)[found.code]
    assert names.tolist() == [name if name in found.categories else None for name in kept["category"]]
    first = read_purchases(tables, until=AS_OF, max_categories=3, counted_until=date(2024, 7, 1))
    early = kept[kept["occurred_at"] < "2024-07-01"]["category"].value_counts()
    assert set(first.categories) == {*early.index[:3]} and len(first.day) == len(found.day)
    assert found.uncoded_share == pytest.approx(np.mean([name is None for name in names]))


def test_every_field_is_there_and_says_nothing_of_who_never_bought(shop):
    tables, _ = shop
    told = foretell_purchases(tables, NextPurchaseSettings(horizon_days=60), as_of=AS_OF, seed=1)
    ids = np.array(["nobody", "c0007", "c0001", "stranger"], dtype=object)
    columns = told.columns(ids)
    assert {*columns} == {*FIELDS} - {f"item_{k}" for k in range(1, 6)}
    for values in columns.values():
        assert pd.isna(values[0]) and pd.isna(values[3])
    everybody = told.columns(told.purchases.ids)
    named = ~np.isnat(everybody["next_purchase_on"])
    assert named.mean() > 0.5
    days = (everybody["next_purchase_on"] - np.datetime64(AS_OF)).astype(int)
    np.testing.assert_array_equal(everybody["days_to_next_purchase"][named], days[named])
    assert (days[named] >= 0).all() and (days[named] < 60).all()
    assert (everybody["p_next_purchase"][named] >= 0.5).all()
    assert {*everybody["next_category"]} <= {"tea", "milk", "soap", "lamp", None}
    again = told.columns(np.array(["c0001"], dtype=object))
    assert all(pd.isna(again[name][0]) or again[name][0] == columns[name][2] for name in again)


def test_the_first_category_is_named_and_the_newest_that_fell_due_fires():
    days = np.array(["2026-05-20", "2026-05-18", "2026-05-18", "2026-06-30"], dtype="datetime64[D]")
    pairs = Replenishments(
        customer=np.array([0, 0, 0, 2]),
        code=np.array([0, 1, 2, 1]),
        probability=np.array([0.9, 0.6, 0.8, 0.7]),
        early=days - 1,
        day=days,
        late=days + 5,
        due=np.array(["2026-05-19", "2026-05-02", "2026-05-16", "2026-06-30"], dtype="datetime64[D]"),
    )
    ids = np.array(["a", "b", "c"], dtype=object)
    nothing = np.full(3, np.datetime64("NaT", "D"))
    told = Foretold(
        as_of=AS_OF,
        purchases=make_purchases(*np.zeros((3, 1), dtype=int), ids=ids, categories=("tea", "milk", "soap")),
        next=NextPurchases(
            probability=np.full(3, np.nan), early=nothing, day=nothing, late=nothing, category=np.full(3, -1),
            category_probability=np.full(3, np.nan), replenishments=pairs,
        ),
        evaluation=SimpleNamespace(),
    )  # fmt: skip
    columns = told.columns(ids)
    assert columns["replenish_category"].tolist() == ["soap", None, "milk"], "of one day the likelier one"
    np.testing.assert_array_equal(columns["days_to_replenishment"], [1.0, np.nan, 44.0])
    due = told.newest_due(ids, until=date(2026, 5, 17))
    np.testing.assert_array_equal(due, np.array(["2026-05-16", "NaT", "NaT"], dtype="datetime64[D]"))
    assert told.newest_due(ids, until=date(2026, 5, 19))[0] == np.datetime64("2026-05-19")


def test_the_items_of_the_recommender_come_by_score_and_then_by_name(connection):
    scores = pd.DataFrame(
        [("a", f"i{k}", float(k)) for k in range(8)] + [("b", "y", 1.0), ("b", "x", 1.0), ("stranger", "z", 9.0)],
        columns=["customer_id", "item", "score"],
    )
    tables = Shop(connection, item_scores=scores.sample(frac=1.0, random_state=1))
    found = read_top_items(tables, np.array(["b", "a", "nobody"], dtype=object))
    assert [found[f"item_{k}"].tolist() for k in (1, 2, 3)] == [
        ["x", "i7", None],
        ["y", "i6", None],
        [None, "i5", None],
    ]
    assert found["item_5"].tolist() == [None, "i3", None]


def test_fields_without_their_source_are_refused_by_table_and_column(connection):
    bare = Shop(connection, bare=pd.DataFrame({"customer_id": ["a"]}))
    require_sources(bare, ["region", "next_purchase_on"])
    with pytest.raises(DataError, match=r"transactions\.category.*next_category"):
        require_sources(bare, ["next_category"])
    with pytest.raises(DataError, match=r"transactions\.category.*the replenishment trigger"):
        require_sources(bare, [], replenishment=True)
    with pytest.raises(DataError, match=r"item_scores.*item_2"):
        require_sources(bare, ["item_2"])
