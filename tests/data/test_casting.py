"""Values of a source in the contract's types: flags, numbers and moments, and what the refusal says would help."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest

from netlift.config.business import TableSource
from netlift.data.casting import Casting, unread_values
from netlift.data.contract import ContractColumn
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.errors import DataError

MOSCOW = ZoneInfo("Europe/Moscow")
FLAG, MONEY, INSTANT = (ContractColumn(name="x", type=kind) for kind in ("flag", "money", "instant"))


def cast(column, values, *, type=None, **how):
    casting = Casting(zone=MOSCOW, **how)
    table = ibis.memtable(pa.table({"n": range(len(values)), "x": pa.array(values, type)}))
    found = table.select("n", x=casting.cast(column, table.x)).order_by("n").to_pyarrow()["x"].to_pylist()
    return found, [*map(str, unread_values("customers", table, {column: casting.cast(column, table.x)}))]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (
            ["true", "FALSE", " Yes ", "no", "1", "0", "1.0", "", None],
            [True, False, True, False, True, False, True, None, None],
        ),
        ([1, 0, None], [True, False, None]),
        ([1.0, 0.0, float("nan")], [True, False, None]),
        ([True, False, None], [True, False, None]),
    ],
)
def test_a_flag_is_a_clear_yes_or_no(values, found):
    assert cast(FLAG, values) == (found, [])


@pytest.mark.parametrize("value", ["да", "y", "t", "on", "2", "нет", "maybe", 2, -1, 0.5])
def test_any_other_word_or_number_is_no_flag_and_counted(value):
    found, (refusal,) = cast(FLAG, [value, None])
    assert found == [None, None]
    assert refusal.startswith("customers.x: 1 values are ")
    assert "true and false, 1 and 0, or yes and no" in refusal


def test_a_consent_in_other_words_is_refused_at_the_door():
    customers = ibis.memtable({"customer_id": ["1"], "joined_at": [datetime(2026, 1, 1)], "consent_sms": ["withdrawn"]})
    with pytest.raises(DataError, match=r"customers\.consent_sms: 1 values are text that is no flag"):
        conform(DuckDBEngine(), {"customers": customers}, attributes=(), zone=MOSCOW)


def test_a_comma_before_the_fraction_is_read_where_the_config_says_so_and_named_where_it_does_not():
    texts = ["1 234,56", "-7", "1 000", "0,5"]
    assert cast(MONEY, texts, decimal=",") == ([1234.56, -7.0, 1000.0, 0.5], [])
    assert cast(MONEY, ["1.234,56"], decimal=",")[0] == [None]
    assert "data.tables.customers.decimal: ','" in cast(MONEY, texts)[1][0]


def test_the_refusal_of_a_moment_names_what_stands_in_the_way():
    assert "MSK behind a time" in cast(INSTANT, ["2026-01-01 10:00 MSK"])[1][0]
    assert "date_format" in cast(INSTANT, ["01.03.2026 10:00"])[1][0]


def test_moments_without_a_zone_are_of_the_tables_own_and_days_stay_days():
    at = [datetime(2026, 1, 1, 12)]
    assert cast(INSTANT, at, own_zone=ZoneInfo("UTC"))[0] == [datetime(2026, 1, 1, 15)]
    assert cast(INSTANT, ["2026-01-01 12:00"], own_zone=ZoneInfo("UTC"))[0] == [datetime(2026, 1, 1, 15)]
    assert cast(INSTANT, ["2026-01-01"], own_zone=ZoneInfo("UTC"))[0] == [datetime(2026, 1, 1)]
    assert cast(ContractColumn(name="x", type="date"), ["2026-01-01"], own_zone=ZoneInfo("UTC"))[0] == [at[0].date()]


@pytest.mark.parametrize("kind", [pa.decimal128(20, 0), pa.decimal128(38, 0), pa.decimal128(38, 10)])
def test_whole_decimals_are_ids_to_the_last_digit(kind):
    number = Decimal("12345678901234567890")
    customers = ibis.memtable(pa.table({"customer_id": pa.array([number], kind), "joined_at": [datetime(2026, 1, 1)]}))
    found = conform(DuckDBEngine(), {"customers": customers}, attributes=(), zone=MOSCOW)
    assert found["customers"].customer_id.to_pyarrow().to_pylist() == [str(number)]


def test_ids_of_128_bits_and_uuids_are_read_and_fractions_refused():
    connection = ibis.duckdb.connect(threads=1)

    def ids(value):
        made = f"CREATE OR REPLACE TABLE ids AS SELECT {value} AS customer_id, TIMESTAMP '2026-01-01' AS joined_at"
        connection.con.execute(made)
        found = conform(DuckDBEngine(connection), {"customers": connection.table("ids")}, attributes=(), zone=MOSCOW)
        return found["customers"].customer_id.to_pyarrow().to_pylist()

    large = 2**127 - 1
    assert ids(f"{large}::HUGEINT") == ids(f"{large}::UHUGEINT") == [str(large)]
    assert ids("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID") == ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]
    for fraction in ("17.5::DECIMAL(10, 2)", "17.0::DOUBLE"):
        with pytest.raises(DataError, match=r"customers\.customer_id: .* whole numbers, so that no digit is lost"):
            ids(fraction)


def test_a_table_whose_first_row_stands_in_place_of_names_is_refused_without_quoting_it():
    customers = ibis.memtable({"Анна": ["1"], "2026-01-01": ["x"]})
    with pytest.raises(DataError) as caught:
        conform(DuckDBEngine(), {"customers": customers}, attributes=("region",), zone=MOSCOW)
    assert "none of the columns customer_id, joined_at is there" in str(caught.value)
    assert "Анна" not in str(caught.value)


@pytest.mark.parametrize(("kind", "column"), [("number", [1.5, 20.0]), ("text", ["1.5", "20"])])
def test_an_attribute_of_a_csv_is_what_the_config_says(kind, column):
    customers = ibis.memtable({"customer_id": ["1", "2"], "joined_at": ["2026-01-01"] * 2, "points": ["1.5", "20"]})
    found = conform(
        DuckDBEngine(), {"customers": customers}, attributes=("points",), zone=MOSCOW, attribute_types={"points": kind}
    )
    assert found["customers"].order_by("customer_id").points.to_pyarrow().to_pylist() == column


@pytest.mark.parametrize(
    "mistake",
    [
        {"encoding": "klingon"},
        {"date_format": "%d.%m.%y"},
        {"date_format": "%d.%m"},
        {"date_format": "%d.%m.%Y %H"},
        {"decimal": ";"},
        {"zone": "Moscow"},
    ],
)
def test_a_way_of_writing_that_cannot_be_read_is_refused_in_the_config(mistake):
    with pytest.raises(ValueError, match=next(iter(mistake))):
        TableSource.model_validate({"path": "x.csv", **mistake})
