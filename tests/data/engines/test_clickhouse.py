"""What is asked of ClickHouse; no server runs here."""

from __future__ import annotations

import ibis
import pytest

from netlift.config.business import TableSource
from netlift.data.engines.clickhouse import select_columns, version_query
from netlift.data.engines.databases import open_database, place_of
from netlift.errors import ResourceError

SCHEMA = ibis.schema(
    {
        "customer_id": "uuid",
        "occurred_at": "timestamp(0)",
        "ingested_at": "timestamp('Europe/Moscow', 3)",
        "birth_date": "date",
        "revenue": "decimal(18, 2)",
        "promo": "int8",
        "канал": "!string",
    }
)


def test_columns_come_as_text_numbers_and_instants_of_utc():
    query, schema = select_columns("shop.receipts", SCHEMA)
    assert query == (
        'SELECT toString("customer_id") AS "customer_id", '
        'toTimeZone(toDateTime64("occurred_at", 6), \'UTC\') AS "occurred_at", '
        'toTimeZone(toDateTime64("ingested_at", 6), \'UTC\') AS "ingested_at", '
        '"birth_date", "revenue", "promo", toString("канал") AS "канал" FROM "shop"."receipts"'
    )
    assert schema["occurred_at"] == schema["ingested_at"] == ibis.dtype("timestamp('UTC', 6)")
    assert schema["канал"] == schema["customer_id"] == ibis.dtype("string")


def test_a_version_is_of_every_row_and_of_no_order():
    assert version_query("receipts") == (
        "SELECT count(), sum(cityHash64(text)), groupBitXor(sipHash64(text)) FROM "
        "(SELECT formatRowNoNewline('JSONEachRow', *) AS text FROM \"receipts\")"
    )


def test_names_are_quoted():
    assert select_columns('a"b', ibis.schema({'c"': "int64"}))[0] == 'SELECT "c""" FROM "a""b"'


def test_nobody_at_the_address_is_told_without_the_password(monkeypatch):
    pytest.importorskip("clickhouse_connect", reason="no driver for ClickHouse: make test-engines installs it")
    monkeypatch.setenv("NETLIFT_TEST_CLICKHOUSE", "clickhouse://me:hidden7@127.0.0.1:9/shop")
    with pytest.raises(ResourceError, match=r"127.0.0.1:9/shop cannot be reached") as told:
        with open_database("NETLIFT_TEST_CLICKHOUSE"):
            pass
    assert "hidden7" not in str(told.value)
    assert place_of("clickhouse://me:hidden7@127.0.0.1:9/shop") == "127.0.0.1:9/shop"


@pytest.mark.parametrize(
    ("scheme", "driver", "extra"),
    [("postgresql", "psycopg", "postgres"), ("clickhouse", "clickhouse_connect", "clickhouse")],
)
def test_a_driver_that_is_missing_is_named_with_what_installs_it(monkeypatch, scheme, driver, extra):
    monkeypatch.setenv("NETLIFT_TEST_URL", f"{scheme}://me:hidden7@nowhere/shop")
    monkeypatch.setattr("netlift.data.engines.databases.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=rf"{driver}, which is not here: pip install 'netlift\[{extra}\]'"):
        with open_database("NETLIFT_TEST_URL"):
            pass


def test_a_place_is_one_and_a_password_stands_in_no_config():
    for wrong in (
        {}, {"url_env": "SHOP"}, {"path": "a.parquet", "url_env": "SHOP", "table": "a"},
        {"table": "a", "url_env": "postgresql://me:hidden7@host/a"}, {"path": "a.parquet", "updated_at": "b"},
        {"table": "a", "url_env": "SHOP", "encoding": "cp1251"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"needs|url_env|updated_at|encoding"):
            TableSource(**wrong)
