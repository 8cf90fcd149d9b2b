"""Stored runs of the verbs, read from their folders: manifests, JSON and the body of their pages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from netlift.data.run import MANIFEST_FILE
from netlift.data.write import file_digest
from netlift.errors import GateRefusedError, NetliftError

TITLE, SUBTITLE = re.compile(rb"<h1>(.*?)</h1>", re.DOTALL), re.compile(rb'<p class="subtitle">(.*?)</p>', re.DOTALL)
MAIN = re.compile(rb"<main>(.*)</main>", re.DOTALL)
HEADING = re.compile(rb'<section id="([^"]+)"[^>]*>\s*<h2[^>]*>(.*?)</h2>', re.DOTALL)


class NotStoredError(NetliftError):
    """No run of that kind and key stands in the store."""


@dataclass(frozen=True, kw_only=True)
class StoredPage:
    """The body of a page that a verb wrote, for a frame around it.

    Attributes:
        title: Its heading.
        subtitle: The line below it; empty where it has none.
        contents: Anchor and heading of its sections.
        body: What stands between `<main>` and `</main>`.
    """

    title: Markup
    subtitle: Markup
    contents: tuple[tuple[str, Markup], ...]
    body: Markup


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run folder with its manifest.

    Attributes:
        kind: Folder below `out`, such as readouts.
        key: Its run key.
        folder: Where it stands.
        manifest: What the verb wrote of it.
        mark: Changes when the manifest does; part of a cache's key.
    """

    kind: str
    key: str
    folder: Path
    manifest: Mapping[str, Any]
    mark: int

    @property
    def written_at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.manifest["written_at"])

    @property
    def language(self) -> str:
        """Language of its texts; empty where its files are in both."""
        return str(self.manifest.get("language", ""))

    def files(self) -> tuple[str, ...]:
        """Names of its files, but the manifest's."""
        return tuple(sorted(path.name for path in self.folder.iterdir() if path.name != MANIFEST_FILE))

    def path(self, name: str) -> Path:
        """A file of the run, by its name.

        Raises:
            NotStoredError: It has none of that name.
            GateRefusedError: It is not what the verb wrote.
        """
        if name not in self.files():
            raise NotStoredError(f"{self.kind} {self.key} has no file {name}")
        path = self.folder / name
        if file_digest(path) not in self.manifest.get("digests", {}).values():
            raise GateRefusedError(f"{path} is not what was written; bring it back from a backup")
        return path

    def json(self, name: str) -> Any:
        """A JSON file of the run."""
        return json.loads(self.path(name).read_bytes())

    def page(self, name: str) -> StoredPage:
        """The body of a page of the run."""
        return read_page(self.path(name).read_bytes())


@dataclass(frozen=True)
class Store:
    """The run folders of a business.

    Attributes:
        state: Folder of the business's state.
    """

    state: Path
    _read: dict[Path, Run] = field(default_factory=dict, repr=False)

    def runs(self, kind: str) -> list[Run]:
        """All runs of a kind, newest first; a folder without a whole manifest is none.

        Args:
            kind: Folder below `out`: readouts, portfolio, decisions, scorecards, segments, designs, forecasts, scores.
        """
        place = self.state / "out" / kind
        found = [self._run(kind, path) for path in place.glob(f"*/{MANIFEST_FILE}")]
        return sorted((run for run in found if run), key=lambda run: (run.written_at, run.key), reverse=True)

    def run(self, kind: str, key: str) -> Run:
        """One run by its key.

        Raises:
            NotStoredError: There is none of that key.
        """
        safe = key and all(letter.isalnum() or letter in "-_." for letter in key) and not key.startswith(".")
        run = self._run(kind, self.state / "out" / kind / key / MANIFEST_FILE) if safe else None
        if run is None:
            raise NotStoredError(f"no {kind} of that name stands here")
        return run

    def newest(self, kind: str, *, language: str = "") -> Run | None:
        """The newest run of a kind, of a language where one is asked for and stored, else of any."""
        runs = self.runs(kind)
        return next((run for run in runs if run.language in ("", language)), None) or next(iter(runs), None)

    def _run(self, kind: str, path: Path) -> Run | None:
        try:
            mark = path.stat().st_mtime_ns
            if (known := self._read.get(path)) is not None and known.mark == mark:
                return known
            manifest = json.loads(path.read_bytes())
            datetime.fromisoformat(manifest["written_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        run = Run(kind=kind, key=path.parent.name, folder=path.parent, manifest=manifest, mark=mark)
        self._read[path] = run
        return run


def read_page(content: bytes) -> StoredPage:
    """Title, sections and body of a page that a verb wrote.

    Raises:
        GateRefusedError: It is no such page.
    """
    main, title, subtitle = MAIN.search(content), TITLE.search(content), SUBTITLE.search(content)
    if main is None or title is None:
        raise GateRefusedError("a stored page has no <main>: it is none that a verb wrote")
    return StoredPage(
        title=Markup(title[1].decode()),
        subtitle=Markup(subtitle[1].decode() if subtitle else ""),
        contents=tuple((name.decode(), Markup(text.decode())) for name, text in HEADING.findall(main[1])),
        body=Markup(main[1].decode()),
    )


__all__ = ["NotStoredError", "Run", "Store", "StoredPage", "read_page"]
