"""Folders, patterns and files that differ: one table with nothing lost, or a refusal that names file and column."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from netlift.config.business import EngineSettings, TableSource
from netlift.data.engines.duckdb import open_duckdb
from netlift.data.engines.files import list_files, open_files
from netlift.errors import DataError


@pytest.fixture
def opened(tmp_path):
    """Open a path below the test's folder as a table; gives its rows sorted by their text."""
    engine = open_duckdb(EngineSettings(threads=1), state=tmp_path / "state")

    def read(path, **how):
        source = TableSource.model_validate({"path": str(tmp_path / path), **how}, context={"folder": tmp_path})
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return sorted(
            open_files(engine.connection, "transactions", source, scratch=scratch).to_pyarrow().to_pylist(), key=str
        )

    yield read
    engine.close()


def parquet(path: Path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def text(path: Path, content: str, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content.encode(encoding)) if path.suffix == ".gz" else content.encode(encoding))


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_column_that_only_some_files_have_is_there_and_missing_in_the_others(opened, tmp_path, order):
    parquet(tmp_path / f"t/{order[0]}.parquet", id=["1"], is_return=[True])
    parquet(tmp_path / f"t/{order[1]}.parquet", id=["2"])
    assert opened("t") == [{"id": "1", "is_return": True}, {"id": "2", "is_return": None}]


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (pa.array([1], pa.int8()), pa.array([2**40], pa.int64()), [1, 2**40]),
        (pa.array([1], pa.int64()), pa.array([2.5], pa.float64()), [1.0, 2.5]),
        (pa.array([Decimal("1.25")], pa.decimal128(9, 2)), pa.array([2], pa.int32()), [1.25, 2.0]),
        (pa.array([True]), pa.array([0], pa.int64()), [1, 0]),
        (pa.array([Decimal(2**60 + 1)], pa.decimal128(20, 0)), pa.array([7], pa.int64()), [2**60 + 1, 7]),
        (
            pa.array([date(2026, 1, 1)]),
            pa.array([datetime(2026, 1, 2, 3)]),
            [datetime(2026, 1, 1), datetime(2026, 1, 2, 3)],
        ),
        (pa.nulls(1), pa.array(["x"]), [None, "x"]),
        (pa.array([2**63], pa.uint64()), pa.array([1], pa.int64()), [Decimal(2**63), Decimal(1)]),
    ],
)
def test_types_are_widened_where_nothing_is_lost(opened, tmp_path, first, second, values):
    parquet(tmp_path / "t/a.parquet", n=["1"], x=first)
    parquet(tmp_path / "t/b.parquet", n=["2"], x=second)
    assert [row["x"] for row in opened("t")] == values


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1]), pa.array(["007"])),
        (pa.array([datetime(2026, 1, 1)]), pa.array(["2026-01-01"])),
        (pa.array([True]), pa.array(["yes"])),
        (pa.array([datetime(2026, 1, 1)]), pa.array([datetime(2026, 1, 1, tzinfo=UTC)])),
    ],
)
def test_types_that_cannot_be_one_are_refused_by_file_and_column(opened, tmp_path, first, second):
    parquet(tmp_path / "t/jan.parquet", x=first)
    parquet(tmp_path / "t/feb.parquet", x=second)
    with pytest.raises(DataError, match=r"transactions\.x: ") as caught:
        opened("t")
    assert "jan.parquet" in str(caught.value) and "feb.parquet" in str(caught.value)


def test_moments_with_and_without_a_zone_are_one_column_once_the_zone_of_the_latter_is_said(opened, tmp_path):
    parquet(tmp_path / "t/a.parquet", n=["1"], x=pa.array([datetime(2026, 1, 1, 12)]))
    parquet(tmp_path / "t/b.parquet", n=["2"], x=pa.array([datetime(2026, 1, 1, 12, tzinfo=UTC)]))
    found = [row["x"] for row in opened("t", zone="Europe/Moscow")]
    assert found == [datetime(2026, 1, 1, 9, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)]


def test_columns_spelled_in_two_ways_are_refused(opened, tmp_path):
    parquet(tmp_path / "t/a.parquet", Revenue=[1.0])
    parquet(tmp_path / "t/b.parquet", revenue=[2.0])
    with pytest.raises(DataError, match="Revenue and others revenue"):
        opened("t")


def test_hidden_and_unfinished_files_are_no_part_of_a_folder_and_foreign_ones_are_refused(opened, tmp_path):
    parquet(tmp_path / "t/y=2025/m=01/part-0.parquet", id=["1"])
    parquet(tmp_path / "t/y=2026/m=02/part-0.parquet", id=["2"])
    for left_out in ("_SUCCESS", ".part-0.parquet.crc", "_temporary/0/part-1.parquet", "new.parquet.tmp"):
        text(tmp_path / "t" / left_out, "half")
    assert opened("t") == [{"id": "1", "m": "01", "y": "2025"}, {"id": "2", "m": "02", "y": "2026"}]
    text(tmp_path / "t/notes.xlsx", "PK")
    with pytest.raises(DataError, match=r"notes\.xlsx is neither \.parquet nor \.csv"):
        opened("t")


def test_patterns_and_packed_csv_files_are_read(opened, tmp_path):
    text(tmp_path / "t/2025-12.csv.gz", "id;x\n1;2\n")
    text(tmp_path / "t/2026-01.csv", "id,x,z\n3,4,5\n")
    text(tmp_path / "t/2026-02.csv.gz", "x,id\n7,6\n")
    assert opened("t/2026-*") == [{"id": "3", "x": "4", "z": "5"}, {"id": "6", "x": "7", "z": None}]
    assert len(opened("t")) == 3
    assert [file.name for file in list_files(tmp_path / "t" / "2026-*.csv")] == ["2026-01.csv"]


@pytest.mark.parametrize("name", ["t", "t/2027-*.parquet"])
def test_a_folder_or_pattern_without_files_is_refused(opened, tmp_path, name):
    (tmp_path / "t").mkdir()
    with pytest.raises(DataError, match=r"holds no Parquet or CSV file; point data\.tables\.transactions\.path"):
        opened(name)


def test_parquet_and_csv_side_by_side_are_refused(opened, tmp_path):
    parquet(tmp_path / "t/a.parquet", id=["1"])
    text(tmp_path / "t/b.csv", "id\n2\n")
    with pytest.raises(DataError, match=r"Parquet and CSV files \(b\.csv\)"):
        opened("t")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t/y=1/a.csv"])
@pytest.mark.parametrize("encoding", ["cp1251", "utf-16"])
def test_a_csv_in_another_encoding_is_read_as_the_config_says(opened, tmp_path, name, encoding):
    text(tmp_path / name, "id;город\n1;Тверь\n", encoding)
    (row,) = opened(name.split("/")[0], encoding=encoding)
    assert row["город"] == "Тверь"


def test_an_encoding_that_does_not_fit_is_refused_without_a_row(opened, tmp_path):
    text(tmp_path / "t.csv", "id;город\n1;Тверь\n", "cp1251")
    with pytest.raises(DataError, match=r"cannot be read as utf-16.*data\.tables\.transactions\.encoding") as caught:
        opened("t.csv", encoding="utf-16")
    assert "Тверь" not in str(caught.value)
    with pytest.raises(DataError, match=r"data\.tables\.transactions\.encoding, such as cp1251"):
        opened("t.csv")
