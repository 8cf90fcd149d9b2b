"""Removal of a customer from files that netlift wrote: Parquet, and the CSV of the same name.

A folder's manifest names the digests of its files. It is written first with the new ones, beside the old ones under
`erasing`, then the files are replaced one by one, then it is closed. A process killed between leaves files that are the
old ones or the new ones, never a part, and a manifest that tells so: readers refuse the folder until the erasure has
run again, and that one ends what was begun.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.data.csv_lists import BOM, to_csv
from netlift.data.write import STAGING_PREFIX, file_digest, parquet_writer, storage_errors, write_bytes
from netlift.errors import ModelIntegrityError

if TYPE_CHECKING:
    import pyarrow as pa

ID = "customer_id"
MANIFEST_FILE, ERASING = "manifest.json", "erasing"


def holds_ids(path: Path) -> bool:
    """Whether a file is Parquet with a column of customers' ids."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return path.suffix == ".parquet" and ID in pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        return False


def count_rows(path: Path, customers: Collection[str]) -> int:
    """Rows of these customers in a Parquet file."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return sum(int(_is_of(part, customers).sum()) for part in _parts(file, [ID]))


def erase_rows(folder: Path, names: Collection[str], customers: Collection[str], *, note: Mapping[str, Any]) -> None:
    """Take customers out of Parquet files of one folder and of the CSV beside them; again after a kill, to the end.

    Args:
        folder: The folder.
        names: Its Parquet files that hold rows of the customers.
        customers: Their ids.
        note: What the manifest keeps of it, without any id.

    Raises:
        ModelIntegrityError: A file is not what was written there, so that nobody can say what it is; none was touched.
        ResourceError: The disk is full or the place cannot be written.
    """
    manifest = _read_manifest(folder)
    digests, erasing = dict(manifest.get("digests", {})), dict(manifest.get(ERASING, {}))
    with storage_errors(folder), tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=folder) as scratch:
        made: dict[str, Path] = {}
        for name in names:
            made |= _without(folder, name, customers, Path(scratch))
        for name, path in made.items():
            if manifest:
                _record(folder / name, path, digests, erasing)
            os.chmod(path, (folder / name).stat().st_mode & 0o777)
        if manifest:
            _write_manifest(folder, {**manifest, "digests": digests, ERASING: erasing})
        for name, path in made.items():
            os.replace(path, folder / name)
    if manifest:
        finish_erasure(folder, note=note)


def finish_erasure(folder: Path, *, note: Mapping[str, Any] | None = None) -> bool:
    """Close the manifest of a folder by what stands there, new files and old ones; whether it was open.

    Args:
        folder: The folder.
        note: What the manifest keeps of the erasure; None where it was cut off and did not end.
    """
    manifest = _read_manifest(folder)
    if ERASING not in manifest:
        return False
    old = {}
    for name, was in manifest[ERASING].items():
        if file_digest(folder / was["file"]) == was["digest"]:
            old[name] = was["digest"]
    kept = {key: value for key, value in manifest.items() if key != ERASING}
    kept["digests"] = {**kept["digests"], **old}
    _write_manifest(folder, kept if note is None else {**kept, "erased": [*manifest.get("erased", []), dict(note)]})
    return True


def is_cut_off(folder: Path) -> bool:
    """Whether an erasure began in a folder and did not end."""
    return ERASING in _read_manifest(folder)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    path = folder / MANIFEST_FILE
    mode = path.stat().st_mode & 0o777
    write_bytes(path, json.dumps(manifest, ensure_ascii=False, indent=1).encode(), mode=mode)


def _record(standing: Path, made: Path, digests: dict[str, str], erasing: dict[str, dict[str, str]]) -> None:
    """Put a file's new digest in the place of its old one, under whatever name the manifest has it."""
    found = file_digest(standing)
    names = [name for name, digest in digests.items() if found in (digest, erasing.get(name, {}).get("digest"))]
    own = (standing.stem, f"{standing.stem}_{standing.suffix[1:]}", standing.name)  # of two files that are alike
    if not names:
        raise ModelIntegrityError(
            f"{standing} is not what was written there, so nothing in {standing.parent} was touched: bring the file "
            "back, or remove the folder, and erase again"
        )
    for name in [name for name in names if name in own] or names:
        erasing[name], digests[name] = {"file": standing.name, "digest": found}, file_digest(made)


def _without(folder: Path, name: str, customers: Collection[str], scratch: Path) -> dict[str, Path]:
    """New contents by name: of the CSV, and last of the Parquet file that tells whether there is anything to do."""
    import pyarrow.parquet as pq

    parquet, beside = scratch / name, (folder / name).with_suffix(".csv")
    with pq.ParquetFile(folder / name, page_checksum_verification=True) as file:
        with parquet_writer(parquet, file.schema_arrow) as writer:
            for part in _parts(file):
                writer.write_table(part.filter(~_is_of(part, customers)))
    if not beside.is_file():
        return {name: parquet}
    made = scratch / beside.name
    made.write_bytes(to_csv(pq.read_table(parquet), for_excel=beside.read_bytes().startswith(BOM)))
    return {beside.name: made, name: parquet}


def _parts(file: Any, columns: list[str] | None = None) -> Iterator[pa.Table]:
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=columns)


def _is_of(part: pa.Table, customers: Collection[str]) -> Any:
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute

    wanted = pa.array(sorted(customers), pa.string())
    return np.asarray(compute.is_in(part[ID].cast(pa.string()), value_set=wanted).to_numpy(), dtype=bool)


__all__ = ["count_rows", "erase_rows", "finish_erasure", "holds_ids", "is_cut_off"]
