"""Options, clock, settings, output and progress shared by all commands."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from netlift.cli.job import Job, JsonLines
from netlift.errors import ConfigError, UsageError
from netlift.text import clean, clean_lines, dump_json

if TYPE_CHECKING:
    from netlift.config.business import BusinessSettings

MOST_LINES = 20
DEMO = Path("configs/demo.yaml")


def find_config(given: Path) -> Path:
    """The config that was given; where none was and there is no demo, the only one of `configs/`."""
    others = [] if given != DEMO or given.exists() else sorted(DEMO.parent.glob("*.yaml"))
    return others[0] if len(others) == 1 else given


ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", callback=find_config, help="The business: a YAML of configs/; if one is there, it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of a public data set, in place of the config's data.path.")
]
TimeoutOption = Annotated[
    float, typer.Option("--lock-timeout", min=0, help="Seconds to wait for another job of this business.")
]
LangOption = Annotated[str, typer.Option("--lang", help="Of the texts: ru or en.")]
PdfOption = Annotated[bool, typer.Option("--pdf", help="Print a PDF too; needs Chromium.")]
BrowserOption = Annotated[Path | None, typer.Option("--browser", help="Where Chromium is; searched when left out.")]
HINT_OF_MAKE = re.compile(r"\bmake (?:score|train|decide)(?: AS_OF=\S+)?")
HINT = re.compile(r"\bnetlift (?:train|score|segments|assign|readout|doctor)(?: [\w./-]*[\w/-])?", re.ASCII)
"""A verb and the one argument that the texts give it."""
EXPERIMENTS = Path("experiments")


def now() -> datetime:
    """The clock, read here and nowhere else."""
    return datetime.now(tz=UTC)


JOB = Job(now)


def load_business(config: Path, data: Path | None = None) -> BusinessSettings:
    """The business of a config, its data set elsewhere where `--data` says so.

    Raises:
        ConfigError: Its mistakes, or data that are said to be complete up to a day that is not over.
        UsageError: `--data` for a config that names its tables one by one.
    """
    from netlift.config.business import load

    settings = JOB.settings = load(config)
    until, today = settings.data.complete_until, now().astimezone(ZoneInfo(settings.time_zone)).date()
    if isinstance(until, date) and until >= today:
        raise ConfigError(f"{config}: data.complete_until {until}: a day is complete when it is over, today is {today}")
    if data is None:
        return settings
    if settings.data.adapter is None:
        raise UsageError(f"--data is for configs with an adapter; {config} names its tables one by one")
    return settings.model_copy(update={"data": settings.data.model_copy(update={"path": data.absolute()})})


def show(result: Any, *, json_output: bool, config: Path) -> None:
    """Print a result: JSON for machines, Markdown tables drawn for people, with commands for the same business."""
    JOB.counts = getattr(result, "counts", {})
    if json_output:
        from netlift.results import SCHEMA_VERSION, to_plain

        document = {"schema_version": SCHEMA_VERSION, **to_plain(result)}
        text = dump_json(document)
    else:
        text = clean_lines(name_config("\n".join([result.to_text(), *_left_out(result)]), config))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # a full disk behind it is told now, while there is somebody to tell


def name_config(text: str, config: Path) -> str:
    r"""Commands that a text tells to run next, each with the config it was made by where that is not the demo's.

    Examples:
        >>> name_config("next:\n  make score AS_OF=2026-10-01      one file", Path("configs/shop.yaml"))
        'next:\n  make score AS_OF=2026-10-01 CONFIG=configs/shop.yaml      one file'
        >>> name_config("Next: netlift assign experiments/a b", Path("my shop.yaml"))
        "Next: netlift assign experiments/a --config 'my shop.yaml' b"
    """
    if config == DEMO:
        return text
    said = shlex.quote(str(config))
    text = HINT_OF_MAKE.sub(lambda found: f"{found[0]} CONFIG={said}", text)
    return HINT.sub(lambda found: f"{found[0]} --config {said}", text)


def _left_out(result: Any) -> Iterator[str]:
    """What of the tables a verb did not read, so that nothing is left out unseen."""
    if not (found := getattr(result, "left_out", ())):
        return
    from netlift.report.language import speak

    words = speak(getattr(result, "language", "en"))
    yield "\n" + words.say("left_out.title")
    for finding in found:
        text = words.say(
            f"left_out.{'campaign' if finding.campaign else finding.leaves_out}",
            place=f"{finding.table}.{finding.column}",
            campaign=finding.campaign,
            code=finding.code,
            count=words.number(finding.count),
            of=words.number(finding.of),
        )
        yield f"  {text}"


@contextmanager
def watched(*, quiet: bool) -> Iterator[Any]:
    """JSON lines where asked for; else a bar on a terminal, plain lines elsewhere, nothing when quiet and not asked."""
    from netlift.progress import Silent

    if JOB.as_json:
        yield JsonLines(JOB, STOP.heed)
    elif os.environ.get("NETLIFT_PROGRESS") == "lines":
        yield TerminalLines(_write_line)
    elif quiet:
        yield Silent()
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield bar
    else:
        yield TerminalLines(_write_line)


def _write_line(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


class Interruption:
    """Ctrl-C or a scheduler's stop: raised where the program stands, and again where it next tells of itself.

    What is raised in a destructor or a callback of foreign code is lost, or becomes another error on the way.

    Attributes:
        asked: Whether somebody asked to stop.
    """

    asked = False

    def ask(self, *_: object) -> None:
        """Handle the signal."""
        self.asked = True
        raise KeyboardInterrupt

    def heed(self) -> None:
        """Stop here if that was asked before and lost."""
        if self.asked:
            raise KeyboardInterrupt


STOP = Interruption()


class TerminalLines:
    """Progress as plain lines: one per stage."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write

    def stage(self, task: str, words: str) -> None:
        """Write the stage."""
        STOP.heed()
        self._write(clean_lines(f"{task}: {words}"))

    def note(self, task: str, words: str) -> None:
        """Write nothing: a log needs no ticks."""
        STOP.heed()

    def advance(self, task: str, done: int, total: int, words: str = "") -> None:
        """Write what was found, where something was; of many steps, the last alone."""
        STOP.heed()
        if words and (done == total or total <= MOST_LINES):
            self._write(clean_lines(f"{task}: [{done}/{total}] {words}"))


@contextmanager
def _bar() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[netlift_task]:>8}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as drawn:
        yield ProgressBar(drawn)


class ProgressBar:
    """Progress as one bar per task, with the money so far."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._bars: dict[str, Any] = {}

    def stage(self, task: str, words: str) -> None:
        """Show the stage behind the task's bar."""
        STOP.heed()
        if task not in self._bars:
            self._bars[task] = self._drawn.add_task("", netlift_task=clean(task), total=None)
        self._drawn.update(self._bars[task], description=clean(words), total=None)

    def note(self, task: str, words: str) -> None:
        """Show it behind the task's bar."""
        STOP.heed()
        if task in self._bars:
            self._drawn.update(self._bars[task], description=clean(words))

    def advance(self, task: str, done: int, total: int, words: str = "") -> None:
        """Move the task's bar."""
        STOP.heed()
        if task not in self._bars:
            self.stage(task, words)
        update: dict[str, Any] = {"completed": done, "total": total}
        self._drawn.update(self._bars[task], **update, **({"description": clean(words)} if words else {}))


__all__ = [
    "DEMO",
    "EXPERIMENTS",
    "JOB",
    "BrowserOption",
    "ConfigOption",
    "DataOption",
    "JsonOption",
    "LangOption",
    "PdfOption",
    "ProgressBar",
    "TerminalLines",
    "TimeoutOption",
    "load_business",
    "name_config",
    "now",
    "show",
    "watched",
]  # fmt: skip
