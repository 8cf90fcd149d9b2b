"""Files of object stores and clusters (`s3://`, `hdfs://`, what pyarrow opens), brought here before they are read."""

from __future__ import annotations

import fnmatch
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.config.business import TableSource
from netlift.data.engines.files import CSV, PARQUET, is_left_out
from netlift.data.write import require_free_space
from netlift.errors import DataError, ResourceError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem


def fetch(name: str, source: TableSource, target: Path) -> TableSource:
    """The table's files below a folder of this machine, as they lie in theirs, and a source that points at them.

    Args:
        name: Name of the table.
        source: With `address`.
        target: A folder that does not stand yet.

    Raises:
        DataError: There is no such file, or it may not be read.
        ResourceError: The store cannot be reached, or its files have no room here.
    """
    system, found, root = _list_files(name, source)
    target.mkdir(parents=True)
    require_free_space(target, needed_mb=sum(info.size for info in found) / 2**20)
    for info in found:
        place = target / info.path.removeprefix(root).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        _reading(name, source, lambda info=info, place=place: _copy(system, info.path, place))
    whole = len(found) == 1 and found[0].path.rpartition("/")[0] == root
    return source.model_copy(update={"path": place if whole else target, "address": None})


def mark_of(name: str, source: TableSource) -> str:
    """What changes whenever one of the table's files is written: names, sizes and moments."""
    _, found, _ = _list_files(name, source)
    return "-".join(f"{info.path}:{info.size}:{info.mtime_ns}" for info in found)


def newest_of(name: str, source: TableSource) -> datetime | None:
    """When the newest of the table's files was written."""
    _, found, _ = _list_files(name, source)
    newest: datetime | None = max(info.mtime for info in found)
    return newest


def _list_files(name: str, source: TableSource) -> tuple[FileSystem, list[FileInfo], str]:
    """The store, the files in order of their names, and the folder above them."""
    from pyarrow.fs import FileSelector, FileSystem, FileType

    address = str(source.address)
    parts = address.split("/")
    plain = next((i for i, part in enumerate(parts) if i > 2 and any(sign in part for sign in "*?[")), len(parts))
    system, root = _reading(name, source, lambda: FileSystem.from_uri("/".join(parts[:plain])))
    pattern = "/".join([root, *parts[plain:]]) if plain < len(parts) else ""

    def listed() -> list[FileInfo]:
        (top,) = system.get_file_info([root])
        if top.type == FileType.File:
            return [top]
        return [] if top.type == FileType.NotFound else system.get_file_info(FileSelector(root, recursive=True))

    found = [
        info
        for info in _reading(name, source, listed)
        if info.type == FileType.File
        and info.path.endswith(PARQUET + CSV)
        and not is_left_out(Path(info.path.removeprefix(root).lstrip("/") or "file"))
        and (not pattern or fnmatch.fnmatchcase(info.path, pattern))
    ]
    if not found:
        raise DataError(
            f"{name}: no Parquet or CSV file at {address}; point data.tables.{name}.path of the config at it"
        )
    root = root if found[0].path != root else root.rpartition("/")[0]
    return system, sorted(found, key=lambda info: info.path), root


def _copy(system: FileSystem, path: str, target: Path) -> None:
    with system.open_input_stream(path, compression=None) as source, target.open("wb") as out:
        while block := source.read(1 << 20):
            out.write(block)


def _reading(name: str, source: TableSource, read: Any) -> Any:
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"{name}: {source.address} is no address that pyarrow opens ({type(error).__name__})") from None
    except OSError as error:
        raise ResourceError(
            f"{name}: {source.address} cannot be reached or may not be read ({type(error).__name__}); the store's own "
            "settings (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...) are those of the environment"
        ) from None


__all__ = ["fetch", "mark_of", "newest_of"]
