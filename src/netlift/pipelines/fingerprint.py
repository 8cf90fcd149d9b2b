"""What a result was made from: the files of the data as a job found them, held against what they are at its end."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netlift.config.business import BusinessSettings
from netlift.data.read import Tables, open_tables, source_files
from netlift.data.write import file_digest, resource_error
from netlift.errors import BusyError, DataError

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files of a business's tables as a job found them, before it read any.

    Attributes:
        settings: The business.
        digest: Of the content of all of them.
        marks: Name to device, inode, size, and the moments of the last change of content and of anything else, ns. A
            file that is written or replaced has other ones, also where somebody sets its time back.
    """

    settings: BusinessSettings
    digest: str
    marks: Mapping[str, tuple[int, ...]]

    def require_unchanged(self) -> None:
        """Refuse what was made while somebody wrote the tables; call it after the last read, before anything stands.

        Raises:
            BusyError: A file was written, replaced, added or removed since the job began.
        """
        try:
            now = _marks(source_files(self.settings))
        except DataError:  # a file that went away
            now = {}
        changed = sorted(name for name in {*self.marks, *now} if self.marks.get(name) != now.get(name))
        if changed:
            more = f" and {len(changed) - SHOWN:,} more" if len(changed) > SHOWN else ""
            raise BusyError(
                f"{', '.join(changed[:SHOWN])}{more}: written while this job read the tables, so that nobody could say "
                "what its result was made from; nothing was written. Run it again when the load is over"
            )


def find_sources(settings: BusinessSettings) -> SourceFiles:
    """The files of the tables, each read once for its digest.

    Raises:
        DataError: A file is missing.
        ResourceError: One may not be read.
    """
    files = source_files(settings)
    marks = _marks(files)  # before the digest, so that a file that changes meanwhile is seen at the end
    return SourceFiles(settings=settings, digest=combine_digests(_digests(files)), marks=marks)


@contextmanager
def reading_tables(
    settings: BusinessSettings, *, verb: str = "", repeatable: bool = False
) -> Iterator[tuple[Tables, SourceFiles]]:
    """The tables of a business, open for reading, and the files they are made of as they were before.

    Args:
        settings: The business.
        verb: The verb that checks them, as `open_tables` says.
        repeatable: Read with one thread, likewise.

    Raises:
        DataError: A file is missing or unreadable, or columns are missing or of the wrong type; all of it at once.
    """
    try:
        sources = find_sources(settings)
    except DataError:
        with open_tables(settings):  # says all that is wrong, and of which table
            raise
    with open_tables(settings, repeatable=repeatable, verb=verb) as tables:
        yield tables, sources


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    digests = {}
    for name, path in sorted(files.items()):
        try:
            digests[name] = file_digest(path)
        except OSError as error:
            raise resource_error(error, path) or DataError(f"{path} cannot be read ({error.strerror})") from error
    return digests


def _marks(files: Mapping[str, Path]) -> dict[str, tuple[int, ...]]:
    marks: dict[str, tuple[int, ...]] = {}
    for name, path in files.items():
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        marks[name] = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return marks


def combine_digests(digests: Mapping[str, str]) -> str:
    """One sha256 for several, whatever their order.

    Examples:
        >>> combine_digests({"a": "1", "b": "2"}) == combine_digests({"b": "2", "a": "1"})
        True
    """
    return hashlib.sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()


def git_commit() -> str:
    """The commit of the checkout that netlift runs from, or "unknown" where it is installed without one."""
    folder = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
