"""A PostgreSQL of Debian's, started in a temporary folder, and Parquet files as its tables."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

USER, DATABASE = "netlift", "crm"
KINDS = {pa.string(): "text", pa.float64(): "double precision", pa.bool_(): "boolean", pa.int64(): "bigint"}
KINDS |= {pa.large_string(): "text", pa.int32(): "integer", pa.date32(): "date"}


@contextmanager
def start_postgres() -> Iterator[str]:
    """The URL of an empty database; skips the tests where there is no server, or none can be started."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found or int(found[-1].parent.name) < 15:
        pytest.skip("no PostgreSQL from 15 on in /usr/lib/postgresql; install Debian's postgresql")
    folder, password = Path(tempfile.mkdtemp(prefix="netlift-postgres-")), secrets.token_hex(8)
    as_server: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        try:
            shutil.chown(folder, "postgres", "postgres")
        except LookupError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        as_server = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)
    tools, options = found[-1], f"-p {port} -k {folder} -c fsync=off -c listen_addresses=127.0.0.1"

    def run(*command: str) -> None:
        subprocess.run([*as_server, *command], check=True, capture_output=True, cwd=folder, timeout=120)

    make = ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-U", USER, "-E", "UTF8", "--no-sync"]
    try:
        run(str(tools / "initdb"), "-D", str(folder / "data"), "--locale=C.UTF-8", *make)
        run(str(tools / "pg_ctl"), "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres"
        run(str(tools / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_files(url: str, folder: Path, **more: str) -> None:
    """Every Parquet file of a folder as a table of its name.

    Args:
        url: The database.
        folder: The files.
        more: Table to another column that it has, and how that is filled: `loaded_at timestamptz default now()`.
    """
    import psycopg

    with psycopg.connect(url, autocommit=True) as session:
        for path in sorted(folder.glob("*.parquet")):
            rows = pq.read_table(path)
            columns = ", ".join(f'"{field.name}" {_kind(field.type)}' for field in rows.schema)
            session.execute(f'drop table if exists "{path.stem}"')
            session.execute(f'create table "{path.stem}" ({columns})')
            with session.cursor().copy(f'copy "{path.stem}" from stdin') as copy:
                for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                    copy.write_row(row)
            if path.stem in more:
                session.execute(f'alter table "{path.stem}" add {more[path.stem]}')


def _kind(dtype: pa.DataType) -> str:
    if pa.types.is_timestamp(dtype):
        return "timestamptz" if dtype.tz else "timestamp"
    return KINDS[dtype]


def in_postgres(content: dict, url_env: str, **updated_at: str) -> None:
    """A config's tables of files as tables of a database, by the same names."""
    content["data"]["tables"] = {
        name: {key: value for key, value in source.items() if key != "path"}
        | {"table": name, "url_env": url_env}
        | ({"updated_at": updated_at[name]} if name in updated_at else {})
        for name, source in content["data"]["tables"].items()
    }
