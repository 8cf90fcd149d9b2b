"""Keyed outputs: one run key, the same bytes or a refusal that names what changed.

A key that nobody gave is made of what is asked, so that two questions never meet under one. A verb that answers
questions gives the same question a key of its own again once data or config have changed. A verb that acts (scores,
decisions) does not: what was sent under a key stays what it was, and another run is asked for by `--run-key`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from netlift.config.business import BusinessSettings
from netlift.data.engines.databases import open_place
from netlift.data.engines.remote import mark_of
from netlift.data.read import Tables, open_tables, source_files
from netlift.data.write import Access, file_digest, resource_error, staged_directory, write_bytes
from netlift.errors import BusyError, DataError, GateRefusedError, UsageError
from netlift.results import SCHEMA_VERSION, to_plain

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files of a business's tables as a job found them, before it read any.

    Attributes:
        settings: The business.
        digest: Of the content of all of them.
        digests: Name to digest of each file, and of what each table of a database or a store holds.
        marks: Name of a table of a database to its version; of a file to device, inode, size, and the moments of the
            last change of content and of anything else, ns. A file that is written or replaced has other ones, also
            where somebody sets its time back.
    """

    settings: BusinessSettings
    digest: str
    digests: Mapping[str, str]
    marks: Mapping[str, tuple[int, ...] | str]

    def tables(self) -> dict[str, tuple[str, str]]:
        """Each table, or file of an adapter: the digest of its content and where it is, a database by its variable."""
        data = self.settings.data
        if data.path is not None:
            return {name: (digest, str(data.path / name)) for name, digest in self.digests.items()}
        found = {}
        for name, source in data.tables.items():
            own = {part: digest for part, digest in self.digests.items() if part.partition("/")[0] == name}
            if own:
                place = source.address or source.path or f"{source.url_env}: {source.table}"
                found[name] = (combine_digests(own), str(place))
        return found

    def require_unchanged(self) -> None:
        """Refuse what was made while somebody wrote the tables; call it after the last read, before anything stands.

        Raises:
            BusyError: A file was written, replaced, added or removed since the job began.
        """
        try:
            now = {**_marks(source_files(self.settings)), **table_versions(self.settings)}
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
        DataError: A file of an adapter is missing.
        ResourceError: One may not be read.
    """
    files, versions = source_files(settings), table_versions(settings)
    marks = _marks(files)  # before the digest, so that a file that changes meanwhile is seen at the end
    digests = {**_digests(files), **versions}
    return SourceFiles(settings=settings, digest=combine_digests(digests), digests=digests, marks={**marks, **versions})


def table_versions(settings: BusinessSettings) -> dict[str, str]:
    """Tables of databases and catalogs to digests of their content, of stores to digests of what lists their files.

    Raises:
        DataError: One is not there or may not be read.
    """
    versions = {}
    for name, source in settings.data.sources.items():
        if source.address is not None:
            versions[name] = hashlib.sha256(mark_of(name, source).encode()).hexdigest()
        if not source.is_file:
            with open_place(settings.engine, source) as place:
                versions[name] = place.version_of(name, source)
    return versions


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
        DataError: A file is missing or unreadable, or columns are missing or of the wrong type; all of it at once, of
            the tables that the verb reads.
    """
    sources = find_sources(settings)
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


MANIFEST_FILE = "manifest.json"
PRUNED_FILE = "pruned.json"  # names what `netlift prune` took away
SHORT = 6
Content = bytes | Callable[[Path], None]
BRING_BACK = "bring it back from a backup"
OTHERWISE = f"{BRING_BACK}, or give another --run-key"


def safe_key(key: str) -> str:
    """The key as a folder name.

    Raises:
        UsageError: It holds anything but letters, digits, `.`, `-` and `_`, or begins with a point.
    """
    allowed = all(letter.isalnum() or letter in "-_." for letter in key)
    if not key or not allowed or key.startswith(".") or len(key) > 100:
        raise UsageError("--run-key holds letters, digits, '.', '-' and '_' only, at most 100, and no point first")
    return key


def name_question(own: str, *question: str) -> str:
    """The key of what is asked: `own`, and where it is not the plain question a short digest of it.

    Args:
        own: Key of the plain question.
        question: What else is asked, each empty where it is not.

    Examples:
        >>> name_question("C08-2026-10-01-en", "", ""), name_question("C08-2026-10-01-en", "by region", "")
        ('C08-2026-10-01-en', 'C08-2026-10-01-en-asked-6ae55b')
    """
    if not any(question):
        return own
    return f"{own}-asked-{hashlib.sha256(json.dumps(question).encode()).hexdigest()[:SHORT]}"


def find_key(place: Path, asked: str, own: str, inputs: Mapping[str, str]) -> str:
    """The key asked for, else `own`; with a digest of the inputs behind it where `own` was made from others.

    Args:
        place: The folder of the verb's outputs.
        asked: What the caller gave; empty for none.
        own: Key of the question.
        inputs: Digests of what would be made now; `inputs` is that of all of them together.

    Raises:
        UsageError: The key is no name of a folder.
    """
    key = safe_key(asked or own)
    if asked:
        return key
    try:
        before = json.loads((place / key / MANIFEST_FILE).read_text())["digests"]["inputs"]
    except (OSError, ValueError, KeyError):
        return key  # nothing stands there, or nothing whole
    return key if before == inputs["inputs"] else safe_key(f"{key}-anew-{inputs['inputs'][:SHORT]}")


def read_standing(target: Path, inputs: Mapping[str, str], key: str, *, files: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of what was written under this key before, if it was made from the same inputs and is whole.

    Args:
        target: Its folder.
        inputs: Digests of what would be made now; `inputs` is that of all of them together.
        key: The run key.
        files: Name in the manifest's digests to the file it is of.

    Raises:
        UsageError: It was made from other inputs.
        GateRefusedError: A file is missing or is not what was written.
    """
    if (target / PRUNED_FILE).exists():
        raise GateRefusedError(f"{target}: `netlift prune` removed what nobody needed there; give another --run-key")
    try:
        manifest: dict[str, Any] = json.loads((target / MANIFEST_FILE).read_text())
        found = {name: file_digest(target / file) for name, file in files.items()}
    except (OSError, ValueError) as error:
        raise GateRefusedError(f"{target} is not whole ({type(error).__name__}); {OTHERWISE}") from error
    if manifest.get("erasing"):
        raise GateRefusedError(
            f"{target}: an erasure of customers was cut off there; run it again, or `netlift doctor --fix`"
        )
    changed = [name for name, digest in inputs.items() if manifest["digests"].get(name) != digest and name != "inputs"]
    if changed or manifest["digests"]["inputs"] != inputs["inputs"]:
        raise UsageError(
            f"run key {key} was written before from other inputs ({', '.join(changed) or 'as_of'} changed since); the "
            "same key never gives other bytes. Give another --run-key"
        )
    for name, digest in found.items():
        if manifest["digests"].get(name) != digest:
            raise GateRefusedError(f"{target / files[name]} is not what was written; {OTHERWISE}")
    return manifest


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Where a run of a verb stands or will stand, and what it is made from.

    Attributes:
        target: The folder; its name is the run key.
        inputs: Digests of what would be made now; `inputs` is that of all of them together.
        files: Name in the manifest's digests to the file it is of.
        access: Who may read the files.
        closed: Name of a folder in it that is for its owner alone; empty for none.
    """

    target: Path
    inputs: Mapping[str, str]
    files: Mapping[str, str]
    access: Access = "everyone"
    closed: str = ""

    @classmethod
    def find(
        cls, place: Path, asked: str, own: str, *, inputs: Mapping[str, str], files: Mapping[str, str]
    ) -> RunFolder:
        """The folder below `place` of the key asked for, else of the question's own, as `find_key` says.

        Raises:
            UsageError: The key is no name of a folder.
        """
        return cls(target=place / find_key(place, asked, own, inputs), inputs=inputs, files=files)

    @property
    def key(self) -> str:
        """The run key."""
        return self.target.name

    def read(self) -> dict[str, Any] | None:
        """The manifest of what stands there, made from the same inputs and whole; None where nothing stands.

        Raises:
            UsageError: It was made from other inputs.
            GateRefusedError: A file is missing or is not what was written.
        """
        return read_standing(self.target, self.inputs, self.key, files=self.files) if self.target.exists() else None

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A folder to write the files and, by `seal`, the manifest into; it becomes the run when the block ends well.

        Raises:
            ResourceError: The disk is full or the place cannot be written.
        """
        with staged_directory(self.target, access=self.access, closed=self.closed) as staging:
            yield staging

    def seal(self, staging: Path, told: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
        """Write the manifest of files that are written, and return it.

        Args:
            staging: The folder that they were written into.
            told: What the manifest says beside its version, its time and the digests of inputs and files.
            now: Time of the call.
        """
        written = {name: file_digest(staging / file) for name, file in self.files.items()}
        head = {"schema_version": SCHEMA_VERSION, "written_at": now.isoformat()}
        digests = {**told.get("digests", {}), **self.inputs, **written}
        manifest: dict[str, Any] = to_plain({**head, **told, "digests": digests})
        content = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
        write_bytes(staging / MANIFEST_FILE, content.encode())
        return manifest

    def write(self, contents: Mapping[str, Content], told: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
        """Write files and manifest, all or none, and return the manifest.

        Args:
            contents: Name in `files` to content, or to what writes it at a path.
            told: What the manifest says, as in `seal`.
            now: Time of the call.

        Raises:
            ResourceError: The disk is full or the place cannot be written.
        """
        with self.staged() as staging:
            for name, content in contents.items():
                path = staging / self.files[name]
                write_bytes(path, content) if isinstance(content, bytes) else content(path)
            return self.seal(staging, told, now=now)
