"""The only door in: ids keep their digits, moments their meaning, and what cannot be read says so."""

from __future__ import annotations

import traceback
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from netlift.config.business import DataSettings, EngineSettings, load
from netlift.data.engines.duckdb import DuckDBEngine, open_duckdb
from netlift.data.engines.files import read_parquet
from netlift.data.read import conform, open_tables
from netlift.data.write import parquet_writer
from netlift.errors import DataError

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"
IDS = ["007", "12345678901234567890", "Ёлка 1"]
CUSTOMERS = {"customer_id": IDS, "joined_at": [datetime(2026, 1, day) for day in (1, 2, 3)]}
RECEIPTS = {
    "customer_id": IDS,
    "occurred_at": [datetime(2026, 2, day, 10) for day in (1, 2, 3)],
    "revenue": [100.0, 20.5, 0.1],
    "margin": [30.0, 5.0, 0.05],
}


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    engine = open_duckdb(EngineSettings(threads=1), state=tmp_path_factory.mktemp("state"))
    yield engine.connection
    engine.close()


@pytest.fixture
def business(tmp_path):
    """Write tables and a configuration that points at them; gives settings."""

    def make(customers=CUSTOMERS, receipts=RECEIPTS, sources=None, attributes=()):
        for name, columns in (("customers", customers), ("transactions", receipts)):
            if columns is not None:
                pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
        tables = {name: {"path": f"{name}.parquet"} for name in ("customers", "transactions")}
        content["data"] = {"tables": tables | (sources or {}), "attributes": list(attributes)}
        content |= {"state": "var", "engine": {"threads": 1}}
        (tmp_path / "business.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return load(tmp_path / "business.yaml")

    return make


def rows(settings, table, *columns):
    with open_tables(settings) as tables:
        return tables[table].select(*columns).order_by(columns[0]).to_pyarrow().to_pylist()


def values(settings, table, column):
    return [row[column] for row in rows(settings, table, column)]


def refusal(settings):
    with pytest.raises(DataError) as caught, open_tables(settings):
        pass
    assert caught.value.exit_code == 3
    return str(caught.value)


def csv(folder, name, text, encoding="utf-8"):
    (folder / f"{name}.csv").write_bytes(text.encode(encoding))
    return {name: {"path": f"{name}.csv"}}


def test_leading_zeros_and_twenty_digits_survive_parquet_and_csv(business, tmp_path):
    assert values(business(), "customers", "customer_id") == sorted(IDS)
    text = "customer_id,joined_at\n" + "".join(f"{name},2026-01-01\n" for name in IDS)
    settings = business(customers=None, sources=csv(tmp_path, "customers", text))
    assert values(settings, "customers", "customer_id") == sorted(IDS)


def test_whole_number_ids_become_text_and_fractional_ones_are_refused(business):
    assert values(business({**CUSTOMERS, "customer_id": [7, 8, 2**62]}), "customers", "customer_id") == [
        str(2**62),
        "7",
        "8",
    ]
    text = refusal(business({**CUSTOMERS, "customer_id": [7.0, 8.0, None]}))
    assert "customers.customer_id: is float64, needs text or whole numbers, so that no digit is lost" in text


def test_columns_in_the_way_of_a_type_are_refused_all_at_once(business):
    receipts = {**RECEIPTS, "revenue": [True, False, True], "occurred_at": [1, 2, 3]}
    lines = refusal(business({**CUSTOMERS, "joined_at": [1.0, 2.0, 3.0]}, receipts)).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "customers.joined_at",
        "transactions.occurred_at",
        "transactions.revenue",
    ]


def test_missing_columns_name_the_nearest_one_all_at_once(business):
    receipts = {("revenu" if name == "revenue" else name): column for name, column in RECEIPTS.items()}
    customers = {("customerid" if name == "customer_id" else name): column for name, column in CUSTOMERS.items()}
    text = refusal(business(customers, receipts, attributes=["regoin"]))
    assert "customers.customer_id: missing; did you mean customerid?" in text
    assert "transactions.revenue: missing; did you mean revenu?" in text
    assert "customers.regoin: an attribute of the config, missing" in text


def test_renamed_columns_are_read_under_their_contract_names(business):
    customers = {"client": IDS, "joined_at": CUSTOMERS["joined_at"], "customer_id": ["x", "y", "z"]}
    sources = {"customers": {"path": "customers.parquet", "columns": {"customer_id": "client"}}}
    assert values(business(customers, sources=sources), "customers", "customer_id") == sorted(IDS)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"customer_id": "cliemt"}, "customers.cliemt (for customer_id): no such column; did you mean client?"),
        ({"custmer_id": "client"}, "columns renames to 'custmer_id', not in the contract; did you mean customer_id?"),
    ],
)
def test_a_rename_that_cannot_be_says_why(business, columns, words):
    customers = {"client": IDS, "joined_at": CUSTOMERS["joined_at"]}
    assert words in refusal(
        business(customers, sources={"customers": {"path": "customers.parquet", "columns": columns}})
    )


def test_columns_the_source_lacks_are_typed_nulls_and_known_as_absent(business):
    with open_tables(business()) as tables:
        assert tables.has("transactions", "revenue")
        assert not tables.has("transactions", "is_return")
        assert str(tables["transactions"].is_return.type()) == "boolean"
        assert tables["transactions"].is_return.count().to_pyarrow().as_py() == 0
        assert "contacts" not in tables


def test_consents_and_attributes_come_along_and_other_columns_stay_out(business):
    customers = {
        **CUSTOMERS,
        "consent_sms": [1, 0, None],
        "phone": ["1", "2", "3"],
        "score": [1, 2, 3],
        "tier": ["a"] * 3,
    }
    with open_tables(business(customers, attributes=["tier", "score", "region"][:2])) as tables:
        found = tables["customers"]
        assert "phone" not in found.columns
        assert [str(found[name].type()) for name in ("consent_sms", "tier", "score")] == [
            "boolean",
            "string",
            "float64",
        ]
        assert tables.has("customers", "consent_sms")


def test_a_column_in_which_every_value_is_missing_is_no_wrong_type(business):
    receipts = {**RECEIPTS, "is_return": pa.nulls(3), "ingested_at": pa.nulls(3), "transaction_id": pa.nulls(3)}
    assert values(business(receipts=receipts), "transactions", "is_return") == [None] * 3


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_zoned_instants_become_local_ones_across_a_change_of_clocks(connection, unit):
    instants = [datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC), None]
    columns = {"customer_id": IDS, "joined_at": pa.array(instants, pa.timestamp(unit, "America/New_York"))}
    connection.con.register(f"zoned_{unit}", pa.table(columns))
    found = conform(
        DuckDBEngine(connection),
        {"customers": connection.table(f"zoned_{unit}")},
        attributes=(),
        zone=ZoneInfo("Europe/Berlin"),
    )
    assert found["customers"].joined_at.to_pyarrow().to_pylist() == [
        datetime(2026, 3, 29, 1, 59, 59),
        datetime(2026, 3, 29, 3, 0),
        None,
    ]


def test_moments_written_as_text_keep_their_own_zone_or_have_the_business_ones(connection, tmp_path):
    written = ["2026-07-01 10:00:00", "2026-07-01T10:00:00Z", "2026-07-01 10:00:00+05:30", "2026-07-01", ""]
    lines = "".join(f"{number},{at},{at}\n" for number, at in enumerate(written))
    (tmp_path / "c.csv").write_text("customer_id,joined_at,birth_date\n" + lines)
    source = connection.read_csv(str(tmp_path / "c.csv"), all_varchar=True, header=True)
    found = conform(DuckDBEngine(connection), {"customers": source}, attributes=(), zone=ZoneInfo("Europe/Moscow"))[
        "customers"
    ]
    found = found.order_by("customer_id").select("joined_at", "birth_date").to_pyarrow().to_pydict()
    assert found["joined_at"] == [
        datetime(2026, 7, 1, 10),
        datetime(2026, 7, 1, 13),
        datetime(2026, 7, 1, 7, 30),
        datetime(2026, 7, 1),
        None,
    ]
    assert found["birth_date"] == [*[date(2026, 7, 1)] * 4, None]


def test_text_that_is_no_number_or_moment_is_counted_and_not_repeated(business, tmp_path):
    text = "customer_id,occurred_at,revenue,margin\n7,2026-01-01,1 234.56,1\n8,01.02.2026,1,Секрет\n9,2026-01-01,1,\n"
    words = refusal(business(receipts=None, sources=csv(tmp_path, "transactions", text)))
    assert words.splitlines() == [
        "transactions.occurred_at: 1 values are text that is no instant; where days are written otherwise, say how: "
        "data.tables.transactions.date_format, such as '%d.%m.%Y'; correct them in the source",
        "transactions.revenue: 1 values are text that is no money; correct them in the source",
        "transactions.margin: 1 values are text that is no money; correct them in the source",
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_may_have_a_byte_order_mark_and_other_separators(business, tmp_path, separator):
    lines = [["customer_id", "joined_at"], ["007", "2026-01-01"], ["8", "2026-01-02"]]
    text = "\ufeff" + "\r\n".join(separator.join(line) for line in lines) + "\r\n"
    assert values(business(customers=None, sources=csv(tmp_path, "customers", text)), "customers", "customer_id") == [
        "007",
        "8",
    ]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("customer_id,joined_at\n" + "1,2026-01-01\n" * 40_000 + "Секрет,2026-01-01,3,4\n", "utf-8"),
        ("customer_id,joined_at\nСекрет,2026-01-01\n", "cp1251"),
        ("", "utf-8"),
    ],
)
def test_a_broken_csv_is_a_data_error_that_quotes_no_row(business, tmp_path, text, encoding):
    settings = business(customers=None, sources=csv(tmp_path, "customers", text, encoding))
    with pytest.raises(DataError, match="customers") as caught, open_tables(settings):
        pass
    assert "Секрет" not in "".join(traceback.format_exception(caught.value))


def test_a_duckdb_file_is_read_and_left_as_it_was(business, tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.execute("create table clients as select '007' as customer_id, timestamp '2026-01-01' as joined_at")
    before = (tmp_path / "shop.duckdb").read_bytes()
    sources = {"customers": {"path": "shop.duckdb", "table": "clients"}}
    assert values(business(customers=None, sources=sources), "customers", "customer_id") == ["007"]
    assert (tmp_path / "shop.duckdb").read_bytes() == before
    sources = {"customers": {"path": "shop.duckdb", "table": "client"}}
    assert "shop.duckdb has no table 'client'; did you mean clients?" in refusal(business(sources=sources))


def test_a_folder_of_parquet_files_is_one_table(business, tmp_path):
    (tmp_path / "parts").mkdir()
    for number, name in enumerate(IDS):
        part = {"customer_id": [name], "joined_at": [datetime(2026, 1, 1)]}
        pq.write_table(pa.table(part), tmp_path / "parts" / f"{number}.parquet")
    assert values(business(sources={"customers": {"path": "parts"}}), "customers", "customer_id") == sorted(IDS)


def test_files_that_are_not_there_are_all_named_with_where_to_point(business, tmp_path):
    settings = business()
    (tmp_path / "customers.parquet").unlink()
    (tmp_path / "transactions.parquet").unlink()
    lines = refusal(settings).splitlines()
    assert [line.split(":")[0] for line in lines] == ["customers", "transactions"]
    assert "point data.tables.customers.path of the config at it" in lines[0]


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.98])
def test_an_empty_or_truncated_parquet_file_is_named(business, tmp_path, kept):
    settings = business()
    path = tmp_path / "customers.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert refusal(settings).startswith(f"customers: {path} cannot be read")


def test_a_file_of_another_kind_says_which_are_read(business, tmp_path):
    (tmp_path / "customers.xlsx").write_bytes(b"PK")
    text = refusal(business(sources={"customers": {"path": "customers.xlsx"}}))
    assert "ends in '.xlsx'; netlift reads .parquet, .csv, .csv.gz and DuckDB files" in text


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_flipped_bit_in_a_file_of_ours_is_an_error_and_not_another_number(connection, tmp_path, place):
    path = tmp_path / "scores.parquet"
    columns = pa.table(
        {"customer_id": [f"c{n:07d}" for n in range(5000)], "p_churn": [n / 7919 % 1 for n in range(5000)]}
    )
    with parquet_writer(path, columns.schema) as writer:
        writer.write_table(columns)
    assert read_parquet(connection, "scores", path).count().to_pyarrow().as_py() == 5000
    content = bytearray(path.read_bytes())
    end = int.from_bytes(content[-8:-4], "little") + 8
    content[int((len(content) - end) * place)] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"scores\.parquet cannot be read .*; write the file anew"):
        read_parquet(connection, "scores", path)


def test_sums_of_repeatable_tables_are_equal_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(6)
    n = 250_000  # more than one row group, so that two threads would share them
    receipts = pa.table(
        {
            "customer_id": pa.array(rng.integers(0, 50, n)),
            "occurred_at": pa.repeat(pa.scalar(datetime(2026, 1, 1)), n),
            "revenue": rng.lognormal(3, 3, n),
            "margin": rng.lognormal(0, 3, n),
        }
    )
    pq.write_table(receipts, tmp_path / "t.parquet")
    pq.write_table(pa.table({"customer_id": ["1"], "joined_at": [datetime(2025, 1, 1)]}), tmp_path / "c.parquet")
    demo = load(DEMO)
    tables = {"customers": {"path": tmp_path / "c.parquet"}, "transactions": {"path": tmp_path / "t.parquet"}}
    engine = demo.engine.model_copy(update={"threads": 2})
    settings = demo.model_copy(update={"data": DataSettings(tables=tables), "engine": engine, "state": tmp_path})
    sums = set()
    for _ in range(3):
        with open_tables(settings, repeatable=True) as opened:
            people = opened["transactions"].group_by("customer_id").aggregate(margin=lambda rows: rows.margin.sum())
            sums.add(people.order_by("customer_id").to_pyarrow()["margin"].to_numpy().tobytes())
    assert len(sums) == 1
