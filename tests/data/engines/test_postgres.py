"""Tables in PostgreSQL give what the same tables give as files."""

from __future__ import annotations

import shutil
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from decide_world import configure, decide, make_world
from postgres_server import in_postgres, load_tables, start_postgres

from netlift.abtest.portfolio.compute import read_portfolio
from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.config.business import EngineSettings, TableSource, load
from netlift.data.checks.check import check_tables, read_sound
from netlift.data.engines.databases import open_database
from netlift.data.read import conform, open_tables
from netlift.data.run import find_sources
from netlift.errors import BusyError, ConfigError, DataError, GateRefusedError, ResourceError
from netlift.features.build import build_features
from netlift.features.customers import load_customers
from netlift.features.queries import queries_at
from netlift.features.vocabulary import learn_vocabulary
from netlift.progress import Silent

pytest.importorskip("psycopg", reason="no driver for PostgreSQL: make test-engines installs it")
import psycopg

pytestmark = pytest.mark.slow
VARIABLE = "NETLIFT_TEST_DATABASE"
LOADED = "loaded_at timestamptz default '2026-10-01 05:00+00'"


@pytest.fixture(scope="module")
def url():
    with start_postgres() as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, found)
        yield found


@pytest.fixture(scope="module")
def shop(url, tmp_path_factory):
    """The configs of a shop, of its files and of the same tables in the database."""
    folder = tmp_path_factory.mktemp("shop")
    files = make_world(folder, customers=1500)
    load_tables(url, folder / "var" / "demo", customers=LOADED, events=LOADED)
    updated = {"customers": "loaded_at", "events": "loaded_at"}
    return files, configure(folder, name="pg", more=lambda content: in_postgres(content, VARIABLE, **updated))


def differences(one, other, place=""):
    """Where two results differ: floats by more than sums in another order do."""
    if is_dataclass(one):
        for field in fields(one):
            yield from differences(getattr(one, field.name), getattr(other, field.name), f"{place}.{field.name}")
    elif isinstance(one, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{place}[{key}]")
    elif isinstance(one, tuple | list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}[{number}]")
    elif isinstance(one, np.ndarray | float):
        if not np.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True):
            yield place, one, other
    elif not hasattr(one, "op") and one != other:
        yield place, one, other


def read_by(config, verb, read):
    settings = load(config)
    with open_tables(settings, verb=verb, repeatable=True) as tables:
        sound, report = read_sound(tables, settings, verb=verb)
        assert len(report.findings) == len(check_tables(tables, settings, as_of=None).findings)
        return type(tables.engine).__name__, read(settings, sound)


def test_the_check_counts_the_same(shop):
    reports = []
    for config, verb in ((shop[0], "check"), (shop[1], "check"), (shop[1], "train")):
        settings = load(config)
        with open_tables(settings, verb=verb) as tables:
            reports.append(check_tables(tables, settings, as_of=None))
    files, there, copied = reports
    assert files == copied
    assert files.findings.rows
    assert (files.tables, files.findings) == (there.tables, there.findings)
    assert not list(differences(files.sample_ratios.rows, there.sample_ratios.rows))


def test_features_are_the_same_to_the_bit(shop):
    def features(settings, tables):
        words = learn_vocabulary(tables, before=datetime(2026, 6, 1))
        customers = load_customers(tables, words)
        queries = queries_at(customers.customer_id, [datetime(2026, 7, 1), datetime(2026, 9, 1)])
        built = build_features(tables, queries, words, observation_days=365)
        return words, customers.customer_id.tolist(), built.X.tobytes()

    (engine, here), (other, there) = (read_by(config, "score", features) for config in shop)
    assert (engine, other) == ("DuckDBEngine", "PostgresEngine")
    assert here == there


def test_a_readout_and_a_portfolio_say_the_same(shop):
    def read(settings, tables):
        told = read_campaign(settings, tables, ReadoutRequest(campaign_id="C10"), progress=Silent())
        return replace(told, versions={}, config_digest="")

    def whole(settings, tables):
        return replace(read_portfolio(settings, tables, progress=Silent()), config_digest="")

    for verb, ask in (("readout", read), ("portfolio", whole)):
        (_, here), (engine, there) = (read_by(config, verb, ask) for config in shop)
        assert engine == "PostgresEngine"
        assert list(differences(here, there)) == []


def test_decisions_are_the_same_to_the_bit(shop, tmp_path, monkeypatch):
    files, there = shop
    made = files.parents[1] / "var" / "out" / "decisions" / "night"
    decide(files, monkeypatch, run_key="night")
    shutil.move(made, tmp_path / "files")
    decide(there, monkeypatch, run_key="night")
    found = sorted(path.name for path in made.glob("*.parquet"))
    assert "decisions.parquet" in found
    for name in found:
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "files" / name), pd.read_parquet(made / name))
    shutil.rmtree(made)


def test_consents_of_a_table_that_does_not_say_when_it_was_written_close_everything(shop, monkeypatch):
    silent = configure(shop[0].parents[1], name="silent", more=lambda content: in_postgres(content, VARIABLE))
    with pytest.raises(GateRefusedError, match="nobody knows when its source"):
        decide(silent, monkeypatch, run_key="silent")


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Europe/Berlin"])
@pytest.mark.parametrize("own", [None, "Europe/Berlin"])
def test_both_kinds_of_moments_are_those_of_files_across_a_change_of_clocks(url, tmp_path, zone, own):
    hours = pd.date_range("2026-10-24 22:00", periods=8, freq="30min").append(
        pd.date_range("2026-03-28 23:00", periods=8, freq="30min")
    )
    rows = pd.DataFrame({"customer_id": [f"к{n}" for n in range(16)], "joined_at": hours.tz_localize("UTC")})
    rows["cancelled_at"] = hours
    (tmp_path / "files").mkdir()
    rows.to_parquet(tmp_path / "files" / "clocks.parquet")
    load_tables(url, tmp_path / "files")
    sources = {"zone": own}, {"zone": own}
    sources = (
        TableSource(path=tmp_path / "files" / "clocks.parquet", **sources[0]),
        TableSource(table="clocks", url_env=VARIABLE, **sources[1]),
    )
    found = []
    for source, open_engine in zip(sources, (open_files_engine, lambda _: open_database(VARIABLE)), strict=True):
        with open_engine(tmp_path) as engine:
            table = engine.open_table("customers", source, scratch=tmp_path)
            read = conform(
                engine, {"customers": table}, attributes=(), zone=ZoneInfo(zone), written={"customers": source}
            )
            asked = read["customers"].order_by("customer_id").select("customer_id", "joined_at", "cancelled_at")
            found.append(asked.to_pyarrow().to_pylist())
    assert found[0] == found[1]
    assert found[0][0]["joined_at"] == datetime(2026, 10, 24, 22).replace(tzinfo=ZoneInfo("UTC")).astimezone(
        ZoneInfo(zone)
    ).replace(tzinfo=None)


def open_files_engine(folder):
    from contextlib import contextmanager

    from netlift.data.engines.duckdb import open_duckdb

    @contextmanager
    def opened():
        engine = open_duckdb(EngineSettings(threads=1), state=folder / "state")
        yield engine
        engine.close()

    return opened()


def test_ids_of_all_kinds_keep_every_digit_and_have_hashes_of_64_bits(url):
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("drop table if exists ids")
        session.execute("create table ids (customer_id numeric(20, 0), word text)")
        session.execute("insert into ids values (12345678901234567890, %s)", ["e\u0301"])
        session.execute("drop table if exists many")
        session.execute("create table many as select n::text id from generate_series(1, 200000) n")
    with open_database(VARIABLE) as engine:
        rows = engine.open_table("customers", TableSource(table="ids", url_env=VARIABLE), scratch=None)
        read = (
            rows.select(id=rows.customer_id.cast("string"), word=engine.compose_id(rows.word)).to_pyarrow().to_pylist()
        )
        many = engine.open_table("customers", TableSource(table="many", url_env=VARIABLE), scratch=None)
        assert many.select(h=engine.hash_id(many.id)).h.nunique().to_pyarrow().as_py() == 200_000
        sizes = [len(batch) for batch in engine.batches(many)]
    assert read == [{"id": "12345678901234567890", "word": "\u00e9"}]
    assert sum(sizes) == 200_000
    assert max(sizes) < 200_000


def test_a_table_that_changes_while_a_job_reads_it_is_refused(shop, url):
    sources = find_sources(load(shop[1]))
    sources.require_unchanged()
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("insert into offers (offer_id, channel, contact_cost) values ('new', 'sms', 1)")
    with pytest.raises(BusyError, match="offers: written while"):
        sources.require_unchanged()
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("delete from offers where offer_id = 'new'")
    sources.require_unchanged()


def opened(config):
    with open_tables(load(config), verb="check"):
        pass


def refusal(config, monkeypatch, url, kind):
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(kind) as told:
        opened(config)
    password = url.split(":")[2].split("@")[0] if url.count(":") > 2 else "secret"
    assert password not in str(told.value)
    assert password not in repr(told.value.__cause__)
    return str(told.value)


def test_who_cannot_be_let_in_is_told_why_and_never_the_password(shop, url, monkeypatch):
    config, place = shop[1], url.partition("@")[2]
    assert f"{place} refused user or password" in refusal(
        config, monkeypatch, f"postgresql://netlift:wrong77@{place}", DataError
    )
    down = "postgresql://netlift:secret77@127.0.0.1:9/crm"
    assert "127.0.0.1:9/crm cannot be reached" in refusal(config, monkeypatch, down, ResourceError)
    nowhere = url.rpartition("/")[0] + "/nowhere"
    assert "no such database" in refusal(config, monkeypatch, nowhere, DataError)
    assert "is not set" in refusal(config, monkeypatch, "", ConfigError)
    assert "holds no URL" in refusal(config, monkeypatch, "secret", ConfigError)


def test_a_missing_table_and_a_column_of_the_wrong_type_are_named(shop, url, monkeypatch):
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("drop table if exists texts")
        session.execute(
            "create table texts as select customer_id, occurred_at::text, revenue, margin from transactions"
        )
    for table, words in (
        ("transaction", "has no table transaction, or its user may not see it; did you mean transactions"),
        ("texts", "is text in the database"),
    ):

        def change(content, table=table):
            in_postgres(content, VARIABLE)
            content["data"]["tables"]["transactions"] = {"table": table, "url_env": VARIABLE}

        with pytest.raises(DataError, match=words):
            opened(configure(shop[0].parents[1], name="odd", more=change))


def test_a_session_that_the_server_ends_is_no_fault_of_the_data(shop, url):
    with pytest.raises(ResourceError, match="stopped answering"), open_tables(load(shop[1]), verb="check") as tables:
        own = tables.connection.con.info.backend_pid
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("select pg_terminate_backend(%s, 1000)", [own])
        tables["offers"].count().to_pyarrow()


def test_a_user_without_rights_is_told_so_and_one_without_temporary_tables_reads_copies(shop, url, monkeypatch):
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("create role reader login password 'reader77'")
        session.execute("revoke temporary on database postgres from public")
    monkeypatch.setenv(VARIABLE, url.replace(url.split("//")[1].split("@")[0], "reader:reader77"))
    with pytest.raises(DataError, match=r"campaigns: table campaigns of .* cannot be read \(permission denied"):
        find_sources(load(shop[1]))
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("grant select on all tables in schema public to reader")
    with open_tables(load(shop[1]), verb="check") as tables:
        assert type(tables.engine).__name__ == "DuckDBEngine"
        assert tables["offers"].count().to_pyarrow().as_py() == 4
