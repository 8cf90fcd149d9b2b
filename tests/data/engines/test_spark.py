"""Spark by Spark Connect: what its tables say, and what its workers make, is what one machine says and makes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scoring_world
from decide_world import NOW, configure, decide, make_world, read_run, rewrite
from scoring_world import AS_OF, at_spark, make_scorers, make_strange

from netlift.config.business import EngineSettings, TableSource, load
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.engines.spark import open_spark
from netlift.data.read import conform, open_tables
from netlift.data.run import find_sources
from netlift.errors import BusyError, DataError, ResourceError
from netlift.pipelines import score
from netlift.pipelines.check import check_business
from netlift.pipelines.portfolio import PortfolioRequest, make_portfolio
from netlift.pipelines.readout import ReadoutOrder, make_readout
from netlift.pipelines.score import score_business
from netlift.pipelines.segments import SegmentRequest, segment_business
from netlift.progress import Silent
from netlift.results import to_plain

pytest.importorskip("pyspark", reason="Spark's client is not installed: pip install 'netlift[spark]'")
if shutil.which("java") is None:
    pytest.skip("Java 17 is not installed, which Spark runs on", allow_module_level=True)

pytestmark = pytest.mark.slow
OF_THE_RUN = {"run_key", "path", "seconds", "digests", "written"}
QUIET = {"progress": Silent(), "now": NOW, "lock_timeout": 0}


@pytest.fixture(scope="module")
def remote(tmp_path_factory) -> Iterator[str]:
    """One server for the file: to start a JVM is dear."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    worlds, source = Path(scoring_world.__file__).parent, Path(score.__file__).parents[2]
    environment = os.environ | {
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": f"{source}{os.pathsep}{worlds}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    log = tmp_path_factory.mktemp("spark")
    with (log / "log").open("w") as errors:
        server = subprocess.Popen(
            [sys.executable, worlds / "spark_server.py", str(port), str(log / "local")],
            cwd=log, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        try:
            assert server.stdout.readline() == "ready\n", (log / "log").read_text()
            yield f"sc://localhost:{port}"
        finally:
            server.communicate()


@pytest.fixture(scope="module")
def spark(remote):
    engine = open_spark(EngineSettings(kind="spark", threads=1, remote=remote))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=400)
    make_strange(folder)
    return folder


def both(shop, remote, ask, **how):
    """What is asked, of DuckDB and of Spark, each with a state of its own."""
    answers = []
    for config in (configure(shop), at_spark(shop, remote, **how)):
        settings = load(config)
        state = shop / f"var-{settings.engine.kind}"
        (state / "cache").mkdir(parents=True, exist_ok=True)
        answers.append(ask(settings.model_copy(update={"state": state})))
    return answers


def far_apart(here, there, *, relative: float, path="") -> Iterator[str]:
    """Places where two results differ, numbers by more than the tolerance."""
    if isinstance(here, dict) and isinstance(there, dict) and here.keys() == there.keys():
        for name in here:
            yield from far_apart(here[name], there[name], relative=relative, path=f"{path}.{name}")
    elif isinstance(here, list) and isinstance(there, list) and len(here) != len(there):
        yield f"{path}: only here {[[*one.values()][:5] for one in here if one not in there]}"
        yield f"{path}: only there {[[*one.values()][:5] for one in there if one not in here]}"
    elif isinstance(here, list) and isinstance(there, list):
        for i, pair in enumerate(zip(here, there, strict=True)):
            yield from far_apart(*pair, relative=relative, path=f"{path}[{i}]")
    elif isinstance(here, float) and isinstance(there, float):
        if here != there and not abs(here - there) <= relative * max(abs(here), abs(there), 1e-9):
            yield f"{path}: {here} and {there}"
    elif here != there:
        yield f"{path}: {here} and {there}"


@pytest.mark.parametrize("zone", ["Europe/Moscow", "Europe/Berlin"])
def test_instants_and_wall_clocks_are_read_as_the_business_has_them(spark, tmp_path, zone):
    """Hour by hour across changes of clocks, Moscow's last and both of Berlin's; and the same in wall-clock time."""
    starts = (datetime(2014, 10, 25, 18), datetime(2026, 3, 28, 20), datetime(2026, 10, 24, 20))
    utc = [start + timedelta(hours=hour, microseconds=hour) for start in starts for hour in range(12)]
    local = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in utc]
    kinds = {"instants": (utc, pa.timestamp("us", "UTC")), "walls": (local, pa.timestamp("us"))}
    for kind, (moments, dtype) in kinds.items():
        rows = {"customer_id": ["é"] * len(utc), "occurred_at": pa.array(moments, dtype), "revenue": 1.0, "margin": 0.5}
        numbers = {name: [value] * len(utc) if isinstance(value, float) else value for name, value in rows.items()}
        pq.write_table(pa.table(numbers), tmp_path / f"{kind}.parquet")
        people = {"customer_id": ["é"], "joined_at": pa.array(moments[:1], dtype)}
        pq.write_table(pa.table(people), tmp_path / f"people-{kind}.parquet")
        read = []
        for engine in (DuckDBEngine(), spark):
            source = {"customers": f"people-{kind}.parquet", "transactions": f"{kind}.parquet"}
            opened = {
                name: engine.open_table(name, TableSource(path=tmp_path / file), scratch=tmp_path)
                for name, file in source.items()
            }
            tables = conform(engine, opened, attributes=(), zone=ZoneInfo(zone))
            found = tables["transactions"].to_pyarrow()["occurred_at"].to_pylist()
            read.append((sorted(found), tables["customers"].to_pyarrow()["joined_at"].to_pylist()))
        assert read[0] == read[1] == (sorted(local), local[:1])


def test_ids_are_hashed_by_64_bits_composed_and_streamed(spark, tmp_path):
    ids = [f"{number:020}" for number in range(200_000)] + ["e\u0301", "й"]
    pq.write_table(pa.table({"customer_id": ids}), tmp_path / "ids.parquet")
    rows = spark.open_table("customers", TableSource(path=tmp_path / "ids.parquet"), scratch=tmp_path)
    asked = rows.select(
        "customer_id", hashed=spark.hash_id(rows.customer_id), composed=spark.compose_id(rows.customer_id)
    )
    batches = [*spark.batches(asked)]
    found = pa.Table.from_batches(batches)
    assert len(batches) > 1 and sorted(found["customer_id"].to_pylist()) == sorted(ids)
    assert len(set(found["hashed"].to_pylist())) == len(ids)
    composed = dict(zip(found["customer_id"].to_pylist(), found["composed"].to_pylist(), strict=True))
    assert (composed["e\u0301"], composed["й"], composed[ids[7]]) == ("é", "й", ids[7])


def test_a_version_is_of_the_rows_and_not_of_their_order(spark, tmp_path):
    frame = pd.DataFrame({"id": ["a", "b", "b", "c"], "x": [1.0, 2.0, 2.0, np.nan]})
    source = TableSource(path=tmp_path / "table.parquet")

    def version(rows):
        rows.to_parquet(source.path)
        return spark.version_of("table", source)

    first = version(frame)
    assert version(frame.iloc[::-1]) == first
    for other in (frame.iloc[:3], pd.concat([frame, frame.iloc[1:3]]), frame.assign(x=[1.0, 2.0, 2.5, np.nan])):
        assert version(other) != first


def test_tables_of_the_catalog_have_versions_and_a_moment_and_one_replaced_meanwhile_is_noticed(
    spark, remote, tmp_path
):
    make_world(tmp_path, customers=60)
    spark._session.sql("create database if not exists crm")

    def save(table, frame):
        frame.write.mode("overwrite").saveAsTable(f"crm.{table}")

    place = tmp_path / "var" / "demo"
    for table in ("customers", "transactions"):
        save(table, spark._session.read.parquet(str(place / f"{table}.parquet")))

    def in_catalog(content):
        tables = {name: {"table": f"crm.{name}"} for name in ("customers", "transactions")}
        tables["customers"]["updated_at"] = "joined_at"
        content["data"]["tables"] = tables

    settings = load(at_spark(tmp_path, remote, more=in_catalog))
    sources = find_sources(settings)
    with open_tables(settings, verb="check") as tables:
        counts = [tables[name].count().to_pyarrow().as_py() for name in ("customers", "transactions")]
    assert counts == [len(pd.read_parquet(place / f"{name}.parquet")) for name in ("customers", "transactions")]
    newest = pd.read_parquet(place / "customers.parquet")["joined_at"].max()
    assert spark.updated_at("customers", settings.data.tables["customers"]) == newest.to_pydatetime()
    sources.require_unchanged()
    save("transactions", spark._session.read.parquet(str(place / "transactions.parquet")).limit(counts[1] - 1))
    with pytest.raises(BusyError, match="transactions: written while"):
        sources.require_unchanged()
    with pytest.raises(DataError, match=r"receipts.*crm\.nothing.*TABLE_OR_VIEW_NOT_FOUND"):
        spark.open_table("receipts", TableSource(table="crm.nothing"), scratch=tmp_path)


def test_what_cannot_be_read_is_named_without_a_value(spark, tmp_path):
    def opened(path):
        return spark.open_table("transactions", TableSource(path=path), scratch=tmp_path)

    with pytest.raises(DataError, match=r"transactions.*nowhere.*cannot be read.*PATH_NOT_FOUND"):
        opened(tmp_path / "nowhere.parquet")
    with pytest.raises(DataError, match=r"is no Parquet.*write it as Parquet"):
        opened(tmp_path / "receipts.csv")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for name, value in (("a", 1.0), ("b", "Ivanov")):
        pd.DataFrame({"customer_id": ["1"], "revenue": [value]}).to_parquet(mixed / f"{name}.parquet")
    with pytest.raises(DataError, match="MERGE_SCHEMA") as refused:
        opened(mixed)
    assert "Ivanov" not in str(refused.value)


def test_workers_that_give_up_are_named_by_their_error_without_a_value(spark, tmp_path):
    pd.DataFrame({"customer_id": ["Ivanov"]}).to_parquet(tmp_path / "people.parquet")
    rows = spark.open_table("customers", TableSource(path=tmp_path / "people.parquet"), scratch=tmp_path)
    how = {"schema": pa.schema([("customer_id", pa.string())]), "partitions": 1, "place": (tmp_path / "out").as_uri()}
    with pytest.raises(DataError, match=r"gave up.*\(ValueError in Python\).*engine\.partitions") as refused:
        spark.map_rows(rows, "customer_id", scoring_world.quote_a_row, **how)
    assert "Ivanov" not in str(refused.value)


def test_nobody_at_the_place_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(ResourceError, match=rf"engine\.remote: nobody answers at 127\.0\.0\.1:{port}"):
        open_spark(EngineSettings(kind="spark", threads=1, remote=f"sc://127.0.0.1:{port}"))


def test_the_check_finds_the_same(remote, tmp_path):
    make_world(tmp_path, customers=60)

    def spoil(frame):
        frame = pd.concat([frame, frame.iloc[:40]])
        frame.loc[frame.index % 41 == 5, "customer_id"] = "e\u0301"
        return frame

    rewrite(tmp_path, "transactions", spoil)
    rewrite(
        tmp_path, "contacts", lambda frame: frame.assign(propensity=frame["propensity"].where(frame.index % 9 > 0, 2))
    )
    path = tmp_path / "var" / "demo" / "transactions.parquet"
    receipts = pq.read_table(path)
    revenue = np.where(np.arange(len(receipts)) % 50 == 3, np.nan, receipts["revenue"])  # pandas would write null
    place = receipts.schema.get_field_index("revenue")
    pq.write_table(receipts.set_column(place, "revenue", pa.array(revenue, from_pandas=False)), path)
    here, there = (to_plain(report) for report in both(tmp_path, remote, check_business))
    assert "\n".join(far_apart(here, there, relative=0)) == ""
    found = {finding["code"] for finding in here["findings"]["rows"]}
    assert {"not-finite", "untidy-id", "impossible-propensity", "duplicated-key"} <= found


def test_scores_equal_bit_by_bit_though_a_worker_fails_half_way(shop, remote, monkeypatch):
    """Every part fails once after its first rows: what is written is written once, and counted once."""
    scorers = make_scorers(configure(shop))
    monkeypatch.setattr(score, "load_champions", lambda _: scorers)

    def run(settings):
        if settings.engine.kind == "spark":
            monkeypatch.setattr(score, "_score_part", scoring_world.score_at_the_second_try)
        return score_business(settings, as_of=AS_OF, run_key="night", **QUIET)

    here, there = both(shop, remote, run)
    whole, parts = (pd.read_parquet(each.path).sort_values("customer_id", ignore_index=True) for each in (here, there))
    pd.testing.assert_frame_equal(parts, whole, check_exact=True)
    one, other = ({n: v for n, v in to_plain(each).items() if n not in OF_THE_RUN} for each in (here, there))
    assert one == other and here.rows > 300


def test_a_readout_and_the_portfolio_say_the_same(shop, remote):
    def read(settings):
        order = ReadoutOrder(target="C16", language="en")
        found = json.loads(json.dumps(make_readout(settings, order, **QUIET).readout))
        found["readout"].pop("versions")
        return found

    def all_of_them(settings):
        made = make_portfolio(settings, PortfolioRequest(language="en"), plans=[], **QUIET)
        return json.loads(json.dumps(made.portfolio))

    for ask in (read, all_of_them):
        here, there = both(shop, remote, ask)
        assert not [*far_apart(here, there, relative=1e-9)]


def test_segments_and_decisions_are_the_same(shop, remote, monkeypatch):
    def divide(settings):
        request = SegmentRequest(as_of=AS_OF, previous=date(2026, 9, 1), language="en")
        return json.loads(json.dumps(segment_business(settings, request, **QUIET).report))

    here, there = both(shop, remote, divide)
    assert here == there
    runs = []
    for config in (configure(shop), at_spark(shop, remote)):
        shutil.rmtree(shop / "var" / "out", ignore_errors=True)
        runs.append(read_run(decide(config, monkeypatch, checked=True)))
    for name, whole in runs[0].items():
        pd.testing.assert_frame_equal(runs[1][name], whole, check_exact=True)
    assert len(runs[0]["lists"]) > 50
