"""A verb's run whose files are pages: its manifest to a summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Self

from netlift.data.checks.findings import Finding, read_findings
from netlift.data.run import Content, RunFolder
from netlift.report.language import speak
from netlift.results import Told


@dataclass(frozen=True, kw_only=True)
class ReportRun(Told):
    """What a verb wrote under a run key.

    Attributes:
        run_key: Name of the output's folder.
        language: Of the texts.
        path: The folder.
        digests: What it was made from, and of the files themselves.
        written: False where it stood already, made from the same inputs; nothing was written again.
        left_out: What of the tables was not read, as the check found it.
    """

    run_key: str
    language: str
    path: str
    digests: Mapping[str, str]
    written: bool
    left_out: tuple[Finding, ...] = ()

    RESULT: ClassVar[str]
    """The attribute that holds the JSON file; the manifest leaves it out."""
    CONVERTED: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """Attribute to how it is read from the manifest, where it is not taken as it stands."""

    @property
    def first_read(self) -> str:
        """What is read first."""
        raise NotImplementedError

    def to_text(self) -> str:
        """What is read first, and where the rest is."""
        where = speak(self.language).say("scorecard.saved" if self.written else "scorecard.stood", path=self.path)
        return f"{self.first_read}\n\n{where}"

    @classmethod
    def read(cls, run: RunFolder) -> Self | None:
        """The summary of a run that stands, made from the same inputs and whole; None where none stands.

        Raises:
            UsageError: It was made from other inputs.
            GateRefusedError: A file is missing or is not what was written.
        """
        manifest = run.read()
        return None if manifest is None else cls._of(run, manifest, written=False)

    @classmethod
    def write(
        cls,
        run: RunFolder,
        contents: Mapping[str, Content],
        *,
        language: str,
        left_out: tuple[Finding, ...],
        now: datetime,
        about: Mapping[str, Any] | None = None,
        **told: Any,
    ) -> Self:
        """Write the files of a run and its manifest, all or none.

        Args:
            run: Where to, and what it is made from.
            contents: Name in the run's files to content or what writes it, `json` among them.
            language: Of the texts.
            left_out: What of the tables was not read.
            now: Time of the call.
            about: What only the manifest says.
            told: The other attributes of the summary.

        Raises:
            ResourceError: The disk is full or the place cannot be written.
        """
        own = {"run_key": run.key, "language": language, "path": str(run.target), **told, "digests": {}}
        manifest = run.write(contents, {**(about or {}), **own, "written": True, "left_out": left_out}, now=now)
        return cls._of(run, manifest, written=True)

    @classmethod
    def _of(cls, run: RunFolder, manifest: Mapping[str, Any], *, written: bool) -> Self:
        own: dict[str, Any] = {each.name: manifest[each.name] for each in fields(cls) if each.name in manifest}
        own |= {name: convert(own[name]) for name, convert in cls.CONVERTED.items()}
        own[cls.RESULT] = json.loads((run.target / run.files["json"]).read_text(encoding="utf-8"))
        left_out = read_findings(manifest.get("left_out", ()))
        return cls(**own | {"path": str(run.target), "written": written, "left_out": left_out})


@dataclass(frozen=True, kw_only=True)
class TextRun(ReportRun):
    """A run that keeps what is read first as one text.

    Attributes:
        text: It.
    """

    text: str

    @property
    def first_read(self) -> str:
        """What is read first."""
        return self.text


__all__ = ["ReportRun", "TextRun"]
