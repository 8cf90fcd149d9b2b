"""Files of a store are read as those of this machine; `file://` stands for one."""

from __future__ import annotations

import gzip

import pytest
from segment_world import make_retailer, write_config

from netlift.config.business import TableSource, load
from netlift.data.engines.remote import mark_of, newest_of
from netlift.data.reach import reach_tables
from netlift.data.read import open_tables
from netlift.data.run import find_sources
from netlift.errors import BusyError, ConfigError, DataError

CSV = "customer_id;joined_at;points\n{};01.02.2026;1,5\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_retailer(tmp_path_factory.mktemp("shop"), customers=60)


def test_a_shop_whose_files_lie_in_a_store_is_the_same_shop(shop):
    folder = shop.parents[1]

    def there(content):
        for name, source in content["data"]["tables"].items():
            source["path"] = f"file://{folder}/var/demo/{name}.parquet"

    settings, other = load(shop), load(write_config(folder, there, "store"))
    assert settings.digest() == other.digest()
    rows = []
    for each in (settings, other):
        with open_tables(each, verb="check") as tables:
            rows.append({name: tables[name].order_by(tables[name].columns).to_pyarrow() for name in tables.expressions})
    assert len(rows[0]) == 7
    assert rows[0] == rows[1]
    sources = find_sources(other)
    sources.require_unchanged()
    path = folder / "var" / "demo" / "offers.parquet"
    path.write_bytes(path.read_bytes())
    with pytest.raises(BusyError, match="offers: written while"):
        sources.require_unchanged()


def test_patterns_hive_folders_and_excel_s_csv_come_whole(tmp_path):
    for month in (1, 2):
        place = tmp_path / "store" / f"month={month}"
        place.mkdir(parents=True)
        with gzip.open(place / "part.csv.gz", "wb") as file:
            file.write(CSV.format(f"Ж{month}").encode("cp1251"))
        (place / "_part.csv.tmp").write_text("half")
    written = {"encoding": "cp1251", "delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"}
    from netlift.config.business import EngineSettings
    from netlift.data.engines.duckdb import open_duckdb
    from netlift.data.engines.remote import fetch

    engine = open_duckdb(EngineSettings(threads=1), state=tmp_path / "state")
    for number, (place, found) in enumerate((("", ["Ж1", "Ж2"]), ("/month=2/*.csv.gz", ["Ж2"]))):
        source = TableSource.model_validate({"path": f"file://{tmp_path}/store{place}", **written})
        local = fetch("customers", source, tmp_path / f"here{number}")
        (tmp_path / f"scratch{number}").mkdir()
        rows = engine.open_table("customers", local, scratch=tmp_path / f"scratch{number}")
        assert sorted(rows.customer_id.to_pyarrow().to_pylist()) == found
        assert newest_of("customers", source) is not None
    assert mark_of("customers", source).count("part.csv.gz") == 1
    engine.close()


def test_what_is_not_there_is_said_and_a_database_is_no_store(shop, tmp_path):
    with pytest.raises(DataError, match=r"no Parquet or CSV file at file:///nowhere"):
        mark_of("offers", TableSource.model_validate({"path": "file:///nowhere"}))
    wrong = write_config(
        shop.parents[1],
        lambda content: content["data"]["tables"]["offers"].update(path="postgresql://me:hidden7@host/shop"),
        "wrong",
    )
    with pytest.raises(ConfigError, match="a database is table with url_env") as told:
        load(wrong)
    assert "hidden7" not in str(told.value)
    named = write_config(
        shop.parents[1],
        lambda content: content["data"]["tables"].update(
            offers={"table": "a", "url_env": "postgresql://me:hidden7@h/d"}
        ),
        "named",
    )
    with pytest.raises(ConfigError, match="url_env") as told:
        load(named)
    assert "hidden7" not in str(told.value)


def test_tables_that_lie_elsewhere_are_looked_at_each_by_itself(shop, monkeypatch):
    monkeypatch.delenv("SHOP_NOWHERE", raising=False)
    folder = shop.parents[1]

    def there(content):
        tables = content["data"]["tables"]
        tables["offers"]["path"] = f"file://{folder}/var/demo/offers.parquet"
        tables["events"]["path"] = "file:///nowhere/events.parquet"
        tables["surveys"] = {"table": "surveys", "url_env": "SHOP_NOWHERE"}

    assert reach_tables(load(shop)) == {}, "files of this machine are no business of the net"
    found = reach_tables(load(write_config(folder, there, "reach")))
    assert [name for name, why in found.items() if not why] == ["offers"]
    assert "no Parquet or CSV file at file:///nowhere" in found["events"]
    assert "SHOP_NOWHERE is not set" in found["surveys"]
