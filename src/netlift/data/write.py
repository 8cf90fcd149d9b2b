"""Atomic writing of files and folders."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from netlift.errors import OUT_OF_MEMORY, ResourceError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW_GROUP = 1 << 17
STAGING_PREFIX = ".staging-"
CHECKSUM_MARK = {b"netlift.page_checksums": b"crc32"}
NO_ROOM, FORBIDDEN = (errno.ENOSPC, errno.EDQUOT), (errno.EACCES, errno.EROFS, errno.EPERM)
Access = Literal["owner", "group", "everyone"]
FILE_MODES: Mapping[Access, int] = {"owner": 0o600, "group": 0o640, "everyone": 0o644}
"""What pages have is for everyone; files with customers' ids are for whom the config says."""


@contextmanager
def staged_directory(target: Path, *, access: Access = "everyone", closed: str = "") -> Iterator[Path]:
    """Yield an empty folder beside `target` that becomes it when the block ends well, and vanishes otherwise.

    A folder that stands cannot give way to another in one step, so none is ever replaced.

    Args:
        target: Where the folder will stand.
        access: Who may read it; while it is being written, its owner alone.
        closed: Name of a folder in it that is for its owner alone whatever `access` says; empty for none.

    Raises:
        ResourceError: The disk is full or the place cannot be written.
        FileExistsError: The target stands.
    """
    if target.exists():
        raise FileExistsError(str(target))
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=target.parent))
    try:
        with storage_errors(target):
            yield staging
            mode = FILE_MODES[access]
            for path in sorted(staging.rglob("*")):
                _fsync(path)
                own = FILE_MODES["owner"] if path.relative_to(staging).parts[0] == closed else mode
                path.chmod(_of_folder(own) if path.is_dir() else own)
            staging.chmod(_of_folder(mode))
            _fsync(staging)
            os.replace(staging, target)
            _fsync(target.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _of_folder(mode: int) -> int:
    """A folder's mode: who may read its files may enter it."""
    return mode | (mode & 0o444) >> 2


def write_bytes(target: Path, content: bytes, *, mode: int = FILE_MODES["everyone"]) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        target: The file.
        content: All of it.
        mode: Who may read it.

    Raises:
        ResourceError: The disk is full or the place cannot be written.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=STAGING_PREFIX, dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, target)
            _fsync(target.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def append_line(target: Path, line: str) -> None:
    """Add one line to a journal and force it to disk.

    Raises:
        ResourceError: The disk is full or the place cannot be written.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        content, standing = (line.rstrip("\n") + "\n").encode(), os.fstat(handle).st_size
        try:
            if os.write(handle, content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        except BaseException:
            os.ftruncate(handle, standing)
            raise
        finally:
            os.close(handle)


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer with page checksums, so that a flipped bit is an error and not another number.

    The mark in the file's metadata tells a reader that there are checksums to hold its pages against.
    """
    import pyarrow.parquet as pq

    marked = schema.with_metadata({**(schema.metadata or {}), **CHECKSUM_MARK})
    return pq.ParquetWriter(path, marked, compression="zstd", write_page_checksum=True)


def row_groups(tables: Iterable[pa.Table], *, rows: int = ROW_GROUP) -> Iterator[pa.Table]:
    """The rows of some tables in groups of one size, so that a file's bytes do not tell in which parts they came.

    Examples:
        >>> import pyarrow as pa
        >>> [len(group) for group in row_groups([pa.table({"x": range(5)}), pa.table({"x": range(4)})], rows=6)]
        [6, 3]
    """
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(map(len, waiting)) >= rows:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, rows).combine_chunks()
            waiting = [whole.slice(rows)]
    if sum(map(len, waiting)):
        yield pa.concat_tables(waiting).combine_chunks()


def file_digest(path: Path) -> str:
    """The sha256 of a file, read in pieces; of a folder, that of its files' names and digests."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        told = "".join(f"{file_digest(file)} {file.relative_to(path).as_posix()}\n" for file in files)
        return hashlib.sha256(told.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sweep_staging(folder: Path) -> int:
    """Remove what killed jobs left half-written below `folder`; returns how many things were removed.

    Call it only under the lock of the job that writes there.
    """
    leftovers = sorted(folder.rglob(f"{STAGING_PREFIX}*")) if folder.exists() else []
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def require_free_space(folder: Path, *, needed_mb: float) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        ResourceError: Less is free than needed; the message names both.
    """
    standing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free_mb = shutil.disk_usage(standing).free / 2**20
    if free_mb < needed_mb:
        raise ResourceError(
            f"{folder}: {free_mb:,.0f} MB free, {needed_mb:,.0f} MB needed: free space or point the config elsewhere"
        )


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def resource_error(error: OSError, place: Path | str) -> ResourceError | None:
    """What a failed system call means where it is the machine that ran out or forbids; None where it is not.

    Args:
        error: The failure.
        place: What was written or read, for the message.
    """
    if error.errno in NO_ROOM:
        return ResourceError(f"{place}: the disk is full; nothing was left behind, free space and rerun")
    if error.errno == errno.EFBIG:
        return ResourceError(f"{place}: beyond the largest file that this job may write; raise `ulimit -f` and rerun")
    if error.errno in FORBIDDEN:
        return ResourceError(
            f"{place}: not allowed ({error.strerror}); give the job's user the right, or point the config elsewhere"
        )
    return ResourceError(f"{place}: {OUT_OF_MEMORY}") if error.errno == errno.ENOMEM else None


@contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """What the disk refuses in the block, as an error that says what to do."""
    try:
        yield
    except OSError as error:
        if (refusal := resource_error(error, target)) is None:
            raise
        raise refusal from error
