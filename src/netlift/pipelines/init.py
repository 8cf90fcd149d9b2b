"""The init command: the folder of a new business, with its config, definitions and Makefile."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from netlift.config.business import load
from netlift.data.history import History, read_history
from netlift.data.read import open_tables
from netlift.data.write import staged_directory, write_bytes
from netlift.errors import DataError, UsageError
from netlift.progress import Progress
from netlift.projects.config_text import TASKS, Choices, usual_tasks, write_config, write_makefile
from netlift.projects.definitions import fit_tasks
from netlift.projects.proposal import propose
from netlift.projects.shipped import block_of, read_shipped
from netlift.projects.sources import read_sources
from netlift.results import Told

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
DEMO = "demo"
REFERENCE = timedelta(days=182)
DEFINITIONS = (*TASKS, "next_best_offer", "churn_flag")


@dataclass(frozen=True, kw_only=True)
class InitSummary(Told):
    """What the verb wrote.

    Attributes:
        folder: Of the business.
        config: Its config, in the folder.
        files: What was written, in the folder.
        tables: Contract table to the file it was found in.
        columns: Contract table to contract column to the source's own name.
        unused: Files that were taken for no table.
        lacks: Question to what is missing to answer it; empty where nothing is.
        notes: What to look at first.
        next: Commands to run next, in the folder.
    """

    folder: str
    config: str
    files: tuple[str, ...]
    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    lacks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()

    def to_text(self) -> str:
        """What was found, what it is enough for, and what to run next."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.folder}: {', '.join(self.files)}"
        for name, place in self.tables.items():
            renamed = [f"{own} = {other}" for own, other in self.columns[name].items() if own != other]
            yield f"  {name}: {place}" + (f" ({', '.join(renamed)})" if renamed else "")
        for name in self.unused:
            yield f"  not taken for any table: {name}"
        for question, missing in self.lacks.items():
            yield f"{question}: " + (f"needs {'; '.join(missing)}" if missing else "everything is there")
        yield from (f"- {note}" for note in self.notes)
        yield "next:"
        yield from (f"  {command}" for command in self.next)


def init_business(
    folder: Path,
    tables: Sequence[Path],
    *,
    name: str = "",
    currency: str = "RUB",
    time_zone: str = "Europe/Moscow",
    threads: int = 2,
    progress: Progress,
    now: datetime,
) -> InitSummary:
    """Write the folder of a business: for tables that are there, or for the simulated demo where none are given.

    Args:
        folder: Where to; must not exist.
        tables: Files, folders or DuckDB files of the business; empty for the demo.
        name: Of the business; that of the folder where left out.
        currency: ISO code of all money in the tables.
        time_zone: Of moments without a zone.
        threads: What every engine may use.
        progress: Who watches.
        now: The clock, for the day of an extract.

    Raises:
        UsageError: The folder stands already, the name is none, or no table was recognized.
        DataError: A file cannot be read.
    """
    if folder.exists():
        raise UsageError(f"{folder} stands already and nothing is written over; name a folder that does not exist")
    definitions = {f"models/{each}.yaml": read_shipped(f"models/{each}.yaml") for each in DEFINITIONS}
    demo = read_shipped("configs/demo.yaml")
    enter = f"cd {shlex.quote(str(folder))}"
    if not tables:
        makefile = write_makefile(DEMO, simulated=True, decides=True)
        files = {"configs/demo.yaml": demo, "Makefile": makefile, **definitions}
        with staged_directory(folder.absolute()) as staging:
            _write(staging, files)
        return InitSummary(
            folder=str(folder),
            config="configs/demo.yaml",
            files=tuple(files),
            next=(enter, "netlift simulate", "netlift train", "netlift score --as-of 2026-10-01"),
        )
    name = _require_name(name or folder.absolute().name, given=bool(name))
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UsageError(f"--time-zone {time_zone}: not of the IANA list, such as Europe/Moscow") from error
    if not re.fullmatch("[A-Z]{3}", currency):
        raise UsageError(f"--currency {currency}: needs an ISO code of three capital letters, such as RUB")
    progress.stage("init", "looking at the files")
    proposal = propose(read_sources(tables))
    today = now.astimezone(ZoneInfo(time_zone)).date()
    choices = Choices(
        name=name,
        currency=currency,
        time_zone=time_zone,
        tasks=usual_tasks(proposal),
        segments=block_of(demo, "segments"),
        reference=today,
        today=today,
        threads=threads,
    )
    config, notes = f"configs/{name}.yaml", [*proposal.notes()]
    with staged_directory(folder.absolute()) as staging:
        draft = {config: write_config(proposal, choices, folder=staging / "configs"), **definitions}
        _write(staging, draft)
        progress.stage("init", "how far the receipts go back")
        history, refusal = _read_history(staging / config)
        notes += [refusal] if refusal else []
        if history is not None and not proposal.is_snapshot:
            tasks, shortened, told = fit_tasks(choices.tasks, definitions, history)
            choices = replace(choices, tasks=tasks, reference=max(history.first, history.end - REFERENCE))
            notes += told
            _write(staging, {config: write_config(proposal, choices, folder=staging / "configs"), **shortened})
        _write(staging, {"Makefile": write_makefile(name, simulated=False, decides=not proposal.lacks()["decisions"])})
        shutil.rmtree(staging / "var", ignore_errors=True)  # what reading the tables left
    return InitSummary(
        folder=str(folder),
        config=config,
        files=(config, "Makefile", *definitions),
        tables={each: str(found.source.path) for each, found in proposal.tables.items()},
        columns={each: found.columns for each, found in proposal.tables.items()},
        unused=tuple(str(source.path) for source in proposal.unused),
        lacks=proposal.lacks(),
        notes=tuple(notes),
        next=(enter, "netlift check", "netlift train"),
    )


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        write_bytes(folder / name, text.encode())


def _require_name(name: str, *, given: bool) -> str:
    """The name of the business; of a folder's, what may stand in it.

    Raises:
        UsageError: It was given and holds other letters, or nothing of the folder's is left.
    """
    own = name if given else re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40]
    if not NAME.fullmatch(own):
        raise UsageError(f"--name {name}: letters a to z, digits, - and _, at most 41, a letter or digit first")
    return own


def _read_history(config: Path) -> tuple[History | None, str]:
    """The days that the tables cover, or None and why they cannot be read yet."""
    try:
        with open_tables(load(config), verb="check") as tables:
            return read_history(tables), ""
    except DataError as error:
        return None, f"the tables cannot be read yet: {str(error).splitlines()[0]}"


__all__ = ["InitSummary", "init_business"]
