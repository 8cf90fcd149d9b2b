"""A PostgreSQL of Debian's for tests, and a config's tables in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import servers
from load_tables import load_tables


@contextmanager
def start_postgres() -> Iterator[str]:
    """The URL of an empty database; skips the tests where there is no server, or none can be started."""
    try:
        with servers.start_postgres() as url:
            yield url
    except servers.MissingError as missing:
        pytest.skip(str(missing))


def in_postgres(content: dict, url_env: str, **updated_at: str) -> None:
    """A config's tables of files as tables of a database, by the same names."""
    content["data"]["tables"] = {
        name: {key: value for key, value in source.items() if key != "path"}
        | {"table": name, "url_env": url_env}
        | ({"updated_at": updated_at[name]} if name in updated_at else {})
        for name, source in content["data"]["tables"].items()
    }


__all__ = ["in_postgres", "load_tables", "start_postgres"]
