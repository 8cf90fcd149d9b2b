"""Errors of databases' drivers as netlift's own, without anything that the driver quotes of a row."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path
from typing import Any

from netlift.data.write import resource_error
from netlift.errors import OUT_OF_MEMORY, BusyError, DataError, NetliftError, ResourceError

NOT_UTF8 = "where it is not UTF-8, say how it is written: data.tables.{name}.encoding, such as cp1251; else "
DRIVERS = {
    "duckdb": "Error",
    "psycopg": "Error",
    "clickhouse_connect.driver.exceptions": "Error",
    "pyspark.errors": "PySparkException",
}
"""Module of a driver to the class that all its errors are of."""


def driver_errors() -> tuple[type[Exception], ...]:
    """Errors of the drivers that are loaded; one that is not loaded raises none."""
    return tuple(getattr(sys.modules[driver], name) for driver, name in DRIVERS.items() if driver in sys.modules)


def reading(name: str, path: Path | str, read: Any) -> Any:
    """What `read` returns; the engine's own message may quote a row, so no more than its kind and line is kept.

    Raises:
        DataError: It cannot be read.
        BusyError: Another process writes it.
        ResourceError: The machine ran out of something, or forbids it.
    """
    try:
        return read()
    except driver_errors() as error:
        if (refusal := machine_error(error, f"{name}: {path}")) is not None:
            raise refusal from None
        cause = without_values(error)
        hint = NOT_UTF8.format(name=name) if "utf-8" in str(error) else ""
        remedy = "write the file anew" if _is_of("duckdb", error) else "correct it there, or grant the right"
        raise DataError(f"{name}: {path} cannot be read ({cause}); {hint}{remedy}") from None


def machine_error(error: Exception, place: str) -> NetliftError | None:
    """What a driver's error means where it speaks of the machine or of other processes, not of the data; else None.

    Args:
        error: What the driver raised.
        place: What was read, for the message.
    """
    text = str(error)
    if _is_of("psycopg", error, "OperationalError"):
        return ResourceError(f"{place}: the database stopped answering or has no room; run it again when it is well")
    if "max_temp_directory_size" in text or "No space left" in text:
        return resource_error(OSError(errno.ENOSPC, text), place)
    if "File too large" in text:
        return resource_error(OSError(errno.EFBIG, text), place)
    if type(error).__name__ == "OutOfMemoryException" or "bad_alloc" in text:
        return ResourceError(f"{place}: {OUT_OF_MEMORY}")
    if "Permission denied" in text:
        return resource_error(OSError(errno.EACCES, "Permission denied"), place)
    if "Could not set lock" in text:
        return BusyError(f"{place}: another process has it open for writing; try again when that has ended")
    return None


def _is_of(driver: str, error: Exception, name: str = "Error") -> bool:
    return driver in sys.modules and isinstance(error, getattr(sys.modules[driver], name))


def without_values(error: Exception) -> str:
    """What an engine says of a file, without anything that it quotes of it."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    kind, _, rest = re.sub(r"""(['"`]).*?(\1|$)""", "…", first).partition(": ")
    line = re.search(r"(?i)\bline:? ?(\d+)", str(error))
    what = "" if "CSV" in rest or "onver" in rest else rest  # these go on with the row, quoted or not
    return ", ".join(part for part in (kind, what, f"line {line[1]}" if line else "") if part)


__all__ = ["DRIVERS", "driver_errors", "machine_error", "reading", "without_values"]
