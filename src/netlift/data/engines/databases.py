"""Databases that tables are read from: which engine a URL asks for, and tables brought from there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from netlift.config.business import EngineSettings, TableSource
from netlift.data.engines.engine import Database
from netlift.data.engines.spark import open_spark
from netlift.data.write import parquet_writer, require_free_space
from netlift.errors import ConfigError, ResourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir

ENGINES = {
    "postgresql": ("psycopg", "postgres", "PostgresEngine"),
    "postgres": ("psycopg", "postgres", "PostgresEngine"),
    "clickhouse": ("clickhouse_connect", "clickhouse", "ClickHouse"),
}
"""Scheme of a URL to the driver's package, the extra that installs it (and our module), and the class."""
FEWEST_MB = 200.0


@contextmanager
def open_database(url_env: str) -> Iterator[Database]:
    """The database of a URL that stands in an environment variable.

    Args:
        url_env: Name of the variable.

    Raises:
        ConfigError: It is not set, or asks for no database that netlift reads.
        ResourceError: The driver is not installed, or nobody answers.
        DataError: The database refuses user or password.
    """
    url = os.environ.get(url_env, "")
    if not url:
        raise ConfigError(f"url_env: the environment variable {url_env} is not set; put the database's URL there")
    scheme = url.partition(":")[0]
    if "://" not in url or scheme not in ENGINES:
        raise ConfigError(
            f"url_env: {url_env} holds no URL of a database that netlift reads; it begins with "
            f"{', '.join(f'{name}://' for name in ENGINES)}"
        )
    driver, module, engine = ENGINES[scheme]
    if find_spec(driver) is None:
        raise ResourceError(f"{url_env}: {scheme} needs {driver}, which is not here: pip install 'netlift[{module}]'")
    opened: Database = getattr(import_module(f"netlift.data.engines.{module}"), engine)(url, place_of(url))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def open_place(engine: EngineSettings, source: TableSource) -> Iterator[Database]:
    """Where a table that is no file is: a database, or Spark's catalog.

    Raises:
        ConfigError: The URL's variable is not set, or asks for no database that netlift reads.
        ResourceError: The driver is not installed, or nobody answers.
        DataError: The database refuses user or password.
    """
    if source.url_env is not None:
        with open_database(source.url_env) as database:
            yield database
        return
    spark = open_spark(engine)
    try:
        yield spark
    finally:
        spark.close()


def common_database(tables: Mapping[str, TableSource]) -> str | None:
    """The environment variable of the one database that all tables are in; None where there is no such."""
    found = {source.url_env for source in tables.values()}
    return found.pop() if len(found) == 1 else None


def copy_table(rows: ir.Table, engine: Database, columns: Sequence[str], target: Path) -> Path:
    """Some columns of a table as a Parquet file, batch by batch.

    Args:
        rows: The table.
        engine: Where it is.
        columns: What is wanted of it.
        target: The file; its folder stands.

    Raises:
        ResourceError: The disk is full.
    """
    require_free_space(target.parent, needed_mb=FEWEST_MB)
    wanted = rows.select(*columns)
    with parquet_writer(target, wanted.schema().to_pyarrow()) as writer:
        for batch in engine.batches(wanted):
            writer.write_batch(batch)
    return target


def place_of(url: str) -> str:
    """Host and database of a URL, for messages.

    Examples:
        >>> place_of("postgresql://me:secret@db.shop.local:5432/crm?sslmode=require")
        'db.shop.local:5432/crm'
    """
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


__all__ = ["common_database", "copy_table", "open_database", "open_place"]
