"""The running job: which verb, its log as JSON lines on request, and its last run in the metrics file."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from netlift.text import clean, dump_json

if TYPE_CHECKING:
    from netlift.config.business import BusinessSettings

Level = Literal["info", "warning", "error"]
LogFormatOption = Annotated[
    str,
    typer.Option(
        "--log-format",
        envvar="NETLIFT_LOG_FORMAT",
        help="text, or json: one JSON object a line on stderr, of every stage, count and error.",
    ),
]
LOG_FORMATS = ("text", "json")


class Job:
    """What runs in this process, from the moment its verb begins until its exit code is known.

    Attributes:
        verb: The command; empty before there is one.
        as_json: Whether the log is JSON lines.
        settings: The business, once its config was read.
        counts: Rows in and out, once there is a result.
    """

    verb = ""
    as_json = False
    settings: BusinessSettings | None = None
    counts: Mapping[str, int]

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def begin(self, verb: str, *, as_json: bool) -> None:
        """A verb starts; forget the one before."""
        self.verb, self.as_json, self.settings, self.counts = verb, as_json, None, {}
        self.started = self._clock()
        self.run_id = f"{verb}-{self.started:%Y%m%dT%H%M%S}-{os.getpid()}"
        if as_json:
            warnings.showwarning = lambda message, *_, **__: self.log("warning", "warning", message=str(message))
            self.log("info", "begin")

    def log(self, level: Level, event: str, **more: Any) -> None:
        """Write one line of the log; empty fields are left out."""
        line = {"time": self._clock().isoformat(timespec="milliseconds"), "level": level, "run_id": self.run_id}
        line |= {"verb": self.verb, "event": event, **{name: each for name, each in more.items() if each != ""}}
        sys.stderr.write(dump_json(line) + "\n")

    def end(self, exit_code: int) -> None:
        """The verb is over: the last line of the log, and the metrics file where the config names one.

        Raises:
            NetliftError: The metrics file could not be written.
        """
        if not self.verb:
            return
        ended = self._clock()
        seconds = round((ended - self.started).total_seconds(), 3)
        if self.as_json:
            level: Level = "error" if exit_code else "info"
            self.log(level, "end", exit_code=exit_code, seconds=seconds, counts=dict(self.counts))
        if self.settings is not None and (place := self.settings.operations.metrics_file) is not None:
            from netlift.cli.metrics_file import LastRun, record_run

            run = LastRun(
                business=self.settings.name,
                verb=self.verb,
                exit_code=exit_code,
                seconds=seconds,
                ended=ended.timestamp(),
                counts=self.counts,
            )
            record_run(place, run)


class JsonLines:
    """Progress as JSON lines: one per stage, and one per step that found something."""

    def __init__(self, job: Job, heed: Callable[[], None]) -> None:
        self._job, self._heed = job, heed
        self._stages: dict[str, str] = {}

    def stage(self, task: str, words: str) -> None:
        """Write that a stage has begun."""
        self._heed()
        self._stages[task] = clean(words)
        self._job.log("info", "stage", task=clean(task), stage=clean(words))

    def note(self, task: str, words: str) -> None:
        """Write nothing: a log needs no ticks."""
        self._heed()

    def advance(self, task: str, done: int, total: int, words: str = "") -> None:
        """Write how far the stage is."""
        self._heed()
        counts = {"done": done, "total": total}
        stage = self._stages.get(task, "")
        self._job.log("info", "progress", task=clean(task), stage=stage, message=clean(words), counts=counts)


class Verbs(typer.Typer):
    """A command line whose verbs all take `--log-format` and are followed by a job."""

    def __init__(self, job: Job, **options: Any) -> None:
        super().__init__(**options)
        self._job = job

    def command(self, *names: Any, **options: Any) -> Callable[[Any], Any]:
        """As typer's, with the option added."""
        register = super().command(*names, **options)

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            register(_followed(function, self._job))
            return function

        return add


def _followed(function: Callable[..., Any], job: Job) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, log_format: str = "text", **options: Any) -> Any:
        from netlift.errors import UsageError

        if log_format not in LOG_FORMATS:
            raise UsageError(f"--log-format {log_format}: is text or json")
        job.begin(function.__name__, as_json=log_format == "json")
        return function(*args, **options)

    added = inspect.Parameter("log_format", inspect.Parameter.KEYWORD_ONLY, default="text", annotation=LogFormatOption)
    signature = inspect.signature(function, eval_str=True)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])  # type: ignore[attr-defined]
    run.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    run.__annotations__["log_format"] = LogFormatOption
    return run
