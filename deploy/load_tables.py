"""Parquet files as tables of PostgreSQL: `python load_tables.py FOLDER` fills those of the URL in SHOP_DB.

Each file becomes a table of its name, all in one transaction, with `loaded_at`, the moment of loading: what a config
names as `updated_at`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

VARIABLE, BATCH_ROWS = "SHOP_DB", 50_000
LOADED = "loaded_at timestamptz default now()"
KINDS = {pa.string(): "text", pa.float64(): "double precision", pa.bool_(): "boolean", pa.int64(): "bigint"}
KINDS |= {pa.large_string(): "text", pa.int32(): "integer", pa.date32(): "date"}


def load_tables(url: str, folder: Path, **more: str) -> None:
    """Every Parquet file of a folder as a table of its name, in place of one that stands.

    Args:
        url: The database.
        folder: The files.
        more: Table to another column that it has, and how that is filled: `loaded_at timestamptz default now()`.
    """
    import psycopg

    with psycopg.connect(url) as session:
        for path in sorted(folder.glob("*.parquet")):
            with pq.ParquetFile(path) as file:
                columns = ", ".join(f'"{field.name}" {_kind(field.type)}' for field in file.schema_arrow)
                session.execute(f'drop table if exists "{path.stem}"')
                session.execute(f'create table "{path.stem}" ({columns})')
                with session.cursor().copy(f'copy "{path.stem}" from stdin') as copy:
                    for batch in file.iter_batches(BATCH_ROWS):
                        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                            copy.write_row(row)
            if path.stem in more:
                session.execute(f'alter table "{path.stem}" add {more[path.stem]}')


def _kind(dtype: pa.DataType) -> str:
    if pa.types.is_timestamp(dtype):
        return "timestamptz" if dtype.tz else "timestamp"
    return KINDS[dtype]


if __name__ == "__main__":
    files = Path(sys.argv[1])
    load_tables(os.environ[VARIABLE], files, **dict.fromkeys((path.stem for path in files.glob("*.parquet")), LOADED))
