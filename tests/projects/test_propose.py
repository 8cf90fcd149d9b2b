"""Which table and column files hold: by the names people give them, in any format, or said to be unknown."""

from __future__ import annotations

import string

import duckdb
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.data.contract import CONTRACT
from netlift.errors import UsageError
from netlift.projects.column_names import COLUMNS, likeness
from netlift.projects.proposal import propose
from netlift.projects.sources import FoundColumn, FoundSource, read_sources

N = 40
CLIENTS = pd.DataFrame(
    {
        "ClientID": [f"{number:05d}" for number in range(N)],
        "RegistrationDate": pd.date_range("2024-01-01", periods=N).astype(str),
        "City": ["Tver", "Orel"] * (N // 2),
        "sms_optin": ["yes", "no"] * (N // 2),
        "Points": range(N),
    }
)
ORDERS = pd.DataFrame(
    {
        "OrderNo": range(3 * N),
        "ClientID": [f"{number % N:05d}" for number in range(3 * N)],
        "OrderDate": pd.date_range("2024-06-01", periods=3 * N, freq="h").astype(str),
        "OrderTotal": [100.5 + number for number in range(3 * N)],
    }
)


def found(*paths):
    return propose(read_sources(paths))


def test_renamed_columns_are_known_by_what_they_are_called_elsewhere(tmp_path):
    CLIENTS.to_csv(tmp_path / "crm_export.csv", index=False)
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    tables = found(tmp_path).tables
    people, receipts = tables["customers"], tables["transactions"]
    assert people.columns == {"customer_id": "ClientID", "joined_at": "RegistrationDate", "region": "City"}
    assert people.consents == {"sms": "sms_optin"}
    assert [column.name for column in people.attributes] == []  # every customer has his own number of points
    assert receipts.columns["transaction_id"] == "OrderNo"
    assert receipts.columns["margin"] == receipts.columns["revenue"] == "OrderTotal"
    assert receipts.margin_is_revenue


def test_a_csv_from_excel_says_how_it_is_written(tmp_path):
    russian = ORDERS.rename(columns={"OrderNo": "Номер чека", "ClientID": "Код клиента", "OrderTotal": "Сумма"})
    russian["Дата чека"] = pd.to_datetime(russian.pop("OrderDate")).dt.strftime("%d.%m.%Y")
    russian.to_csv(tmp_path / "Чеки.csv", index=False, sep=";", decimal=",", encoding="cp1251")
    (source,) = read_sources([tmp_path / "Чеки.csv"])
    assert source.encoding == "cp1251"
    assert source.column("Сумма").comma
    assert (source.column("Дата чека").kind, source.column("Дата чека").date_format) == ("day", "%d.%m.%Y")
    assert not source.column("Дата чека").either_order or max(ORDERS.OrderDate) < "2024-06-13"
    assert found(tmp_path / "Чеки.csv").tables["transactions"].columns["occurred_at"] == "Дата чека"


@pytest.mark.parametrize(
    ("days", "date_format", "either"),
    [
        (["01.02.2024", "13.02.2024"], "%d.%m.%Y", False),
        (["02/13/2024", "01/02/2024"], "%m/%d/%Y", False),
        (["01-02-2024", "03-04-2024"], "%d-%m-%Y", True),
    ],
)
def test_the_order_of_day_and_month_is_told_or_said_to_be_unknown(tmp_path, days, date_format, either):
    pd.DataFrame({"date": days, "x": 1}).to_csv(tmp_path / "any.csv", index=False)
    ((column, *_),) = [read_sources([tmp_path / "any.csv"])[0].columns]
    assert (column.kind, column.date_format, column.either_order) == ("day", date_format, either)


def test_days_of_both_orders_are_text(tmp_path):
    pd.DataFrame({"date": ["13.02.2024", "02.13.2024"]}).to_csv(tmp_path / "any.csv", index=False)
    assert read_sources([tmp_path / "any.csv"])[0].columns[0].kind == "text"


def test_one_extract_with_a_flag_is_a_snapshot_and_its_other_columns_are_learned_from(tmp_path):
    extract = pd.DataFrame(
        {
            "customerID": [f"{number}-X" for number in range(N)],
            "Contract": ["month", "year"] * (N // 2),
            "tenure": [number % 12 for number in range(N)],
            "MonthlyCharges": [29.5 + number for number in range(N)],
            "Churn": ["Yes", "No"] * (N // 2),
        }
    )
    extract.to_csv(tmp_path / "telco.csv", index=False)
    proposal = found(tmp_path / "telco.csv")
    assert proposal.is_snapshot
    people = proposal.tables["customers"]
    assert people.columns == {"customer_id": "customerID", "churned": "Churn", "monthly_revenue": "MonthlyCharges"}
    assert [column.name for column in people.attributes] == ["Contract", "tenure"]
    assert proposal.lacks()["churn"] == []
    assert "transactions" in proposal.lacks()["ltv"][0]


def test_a_folder_of_parts_is_one_table_and_a_folder_of_tables_is_many(tmp_path):
    (tmp_path / "receipts").mkdir()
    for year, part in enumerate((ORDERS[:50], ORDERS[50:])):
        part.to_parquet(tmp_path / "receipts" / f"{2024 + year}.parquet")
    CLIENTS.to_parquet(tmp_path / "clients.parquet")
    proposal = found(tmp_path)
    assert proposal.tables["transactions"].source.path == tmp_path / "receipts"
    assert proposal.tables["transactions"].source.rows == len(ORDERS)
    assert set(proposal.tables) == {"customers", "transactions"}


def test_tables_of_a_database_are_looked_at_one_by_one(tmp_path):
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as database:
        database.register("clients", CLIENTS)
        database.register("orders", ORDERS)
        database.sql("create table people as select * from clients; create view sales as select 1 as x")
        database.sql("create table purchases as select * from orders")
    proposal = found(tmp_path / "shop.duckdb")
    assert proposal.tables["customers"].source.table == "people"
    assert proposal.tables["transactions"].source.table == "purchases"
    assert [source.table for source in proposal.unused] == ["sales"]


def test_what_is_missing_is_named_by_question(tmp_path):
    CLIENTS.drop(columns=["RegistrationDate", "sms_optin"]).to_csv(tmp_path / "clients.csv", index=False)
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    lacks = found(tmp_path).lacks()
    assert lacks["churn"] == lacks["ltv"] == ["customers.joined_at"]
    assert any(one.startswith("contacts") for one in lacks["uplift"])
    assert any("consent" in one for one in lacks["decisions"])


def test_tables_that_hold_neither_customers_nor_receipts_are_refused_by_their_columns(tmp_path):
    pd.DataFrame({"sku": [1, 2], "shelf": ["a", "b"]}).to_parquet(tmp_path / "stock.parquet")
    with pytest.raises(UsageError, match=r"stock: sku, shelf.*customer_id"):
        found(tmp_path)


@pytest.mark.parametrize("name", ["clients.xlsx", "nothing"])
def test_what_cannot_be_read_is_refused(tmp_path, name):
    (tmp_path / "clients.xlsx").write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"netlift reads|no such file"):
        read_sources([tmp_path / name])


def test_every_column_of_the_contract_is_known_by_its_own_name():
    for table in CONTRACT.values():
        assert {column.name for column in table.columns} <= {*COLUMNS[table.name]}
        for column in table.columns:
            assert likeness(column.name, column.name, COLUMNS[table.name][column.name]) == 3.0


@given(names=st.lists(st.text(string.printable, min_size=1, max_size=20), min_size=1, max_size=8, unique=True))
@settings(max_examples=50)
def test_no_column_is_taken_twice_and_none_that_is_not_there(names):
    columns = tuple(
        FoundColumn(name=name, kind="whole", distinct=5, unique=place == 0) for place, name in enumerate(names)
    )
    source = FoundSource(
        name="customers", path=None, columns=(FoundColumn(name="client", kind="text", unique=True), *columns), rows=9
    )
    people = propose([source]).tables["customers"]
    taken = [*people.columns.values()]
    assert len(taken) == len({*taken})
    assert {*taken} <= {column.name for column in source.columns}


def test_names_of_columns_stay_inert_in_the_config(tmp_path):
    from datetime import date

    from netlift.projects.config_text import Choices, write_config

    evil = 'x: [1]\n# "quoted" {{ 7 * 7 }}'
    CLIENTS.rename(columns={"City": evil, "Points": f"region {evil}"}).to_parquet(tmp_path / "clients.parquet")
    ORDERS.to_parquet(tmp_path / "orders.parquet")
    choices = Choices(
        name="shop",
        currency="RUB",
        time_zone="Europe/Moscow",
        tasks=["churn"],
        segments="segments:\n  reference: 2024-01-01",
        reference=date(2024, 2, 1),
        today=date(2024, 3, 1),
        threads=1,
    )
    text = write_config(found(tmp_path), choices, folder=tmp_path / "shop" / "configs")
    assert yaml.safe_load(text)["data"]["tables"]["transactions"]["columns"]["revenue"] == "OrderTotal"
    assert "49" not in text


def test_the_only_moment_and_the_only_number_are_taken_whatever_they_are_called_but_never_for_margin(tmp_path):
    odd = ORDERS.rename(columns={"OrderDate": "bought", "OrderTotal": "rub"})
    odd.to_csv(tmp_path / "orders.csv", index=False)
    assert found(tmp_path).tables["transactions"].columns == {
        "customer_id": "ClientID",
        "occurred_at": "bought",
        "revenue": "rub",
        "margin": "rub",
        "transaction_id": "OrderNo",
    }
    ORDERS.assign(discount=0.5).to_csv(tmp_path / "orders.csv", index=False)
    assert found(tmp_path).tables["transactions"].columns["margin"] == "OrderTotal"


def test_the_first_row_of_a_csv_without_header_is_not_quoted(tmp_path):
    ORDERS.assign(ClientID="CANARY").to_csv(tmp_path / "orders.csv", index=False, header=False)
    with pytest.raises(UsageError, match=r"orders: 4 columns") as refusal:
        found(tmp_path)
    assert "CANARY" not in str(refusal.value)
