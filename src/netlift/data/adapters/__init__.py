"""Adapters of public data sets to the contract, one module per source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netlift.config.settings import did_you_mean
from netlift.data.adapters.adapted import Adapted, AdapterNote
from netlift.errors import ConfigError


def adapt(name: str, connection: Any, folder: Path) -> Adapted:
    """The contract tables of a public data set, as lazy expressions, and notes of what its rules did.

    Args:
        name: Name of the adapter, as in `data.adapter` of a config.
        connection: The Ibis backend to read into.
        folder: Folder of the data set's Parquet files.

    Raises:
        ConfigError: No adapter of that name.
        DataError: A file is missing, unreadable, or without a column that the adapter needs.
    """
    adapted: Adapted = _adapter(name).adapt(connection, folder)
    return adapted


def adapter_files(name: str) -> tuple[str, ...]:
    """Names of the files that an adapter reads.

    Raises:
        ConfigError: No adapter of that name.
    """
    files: tuple[str, ...] = _adapter(name).FILES
    return files


def _adapter(name: str) -> Any:
    from netlift.data.adapters import cdnow, complete_journey, hillstrom, online_retail

    modules = {
        "cdnow": cdnow,
        "online_retail": online_retail,
        "complete_journey": complete_journey,
        "hillstrom": hillstrom,
    }
    if name not in modules:
        raise ConfigError(f"data.adapter: no adapter {name!r}{did_you_mean(name, list(modules))}")
    return modules[name]


__all__ = ["Adapted", "AdapterNote", "adapt", "adapter_files"]
