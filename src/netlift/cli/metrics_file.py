"""A metrics file in Prometheus' text format: the last run of each verb, kept across processes.

node_exporter's textfile collector, and any agent that reads the format, takes it as it is. Age is not in a file that
stands still between runs: ask for `time() - netlift_last_run_timestamp_seconds`.

References:
    https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netlift.data.write import write_bytes

PREFIX = "netlift_last_"
HELP = {
    "run_exit_code": "Exit code of the verb's last run: 0 is well, 5 is busy, 6 is out of disk or memory.",
    "run_duration_seconds": "Wall time of the verb's last run.",
    "run_timestamp_seconds": "When the verb's last run ended.",
    "success_timestamp_seconds": "When the verb last ended with 0.",
    "run_rows": "Rows that the verb's last run read (in) and wrote (out).",
}
SAMPLE = re.compile(rf'^{PREFIX}(\w+){{business="([^"]*)",verb="([^"]*)"(?:,direction="(\w+)")?}} (\S+)$', re.MULTILINE)
LOCK_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class LastRun:
    """A run that ended.

    Attributes:
        business: The config's name.
        verb: The command.
        exit_code: What it left with.
        seconds: Wall time.
        ended: When, in seconds since 1970.
        counts: Rows, by direction: in, out.
    """

    business: str
    verb: str
    exit_code: int
    seconds: float
    ended: float
    counts: Mapping[str, int] = field(default_factory=dict)


def record_run(path: Path, run: LastRun) -> None:
    """Put a run in the place of the one before of the same verb; a reader sees the old file or the new one.

    Raises:
        ResourceError: The place cannot be written.
        BusyError: Another job kept the file for `LOCK_SECONDS`.
    """
    from netlift.registry.locks import exclusive

    with exclusive(path.with_name(f".{path.name}.lock"), timeout_seconds=LOCK_SECONDS, holder="metrics"):
        before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        write_bytes(path, update(before, run).encode())


def update(before: str, run: LastRun) -> str:
    """The file's text with a run in it.

    Examples:
        >>> run = LastRun(business="demo", verb="score", exit_code=4, seconds=1.5, ended=100.0)
        >>> print(update("", run).splitlines()[2])
        netlift_last_run_exit_code{business="demo",verb="score"} 4
    """
    samples = {found[:4]: found[4] for found in SAMPLE.findall(before)}
    success = samples.get(("success_timestamp_seconds", run.business, run.verb, ""))
    samples = {key: value for key, value in samples.items() if key[1:3] != (run.business, run.verb)}
    samples |= {(name, run.business, run.verb, way): value for name, way, value in _samples(run, success)}
    lines = []
    for name, text in HELP.items():
        own = sorted((key, value) for key, value in samples.items() if key[0] == name)
        if own:
            lines += [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} gauge"]
        for (_, business, verb, way), value in own:
            direction = f',direction="{way}"' if way else ""
            lines.append(f'{PREFIX}{name}{{business="{business}",verb="{verb}"{direction}}} {value}')
    return "\n".join(lines) + "\n"


def _samples(run: LastRun, success: str | None) -> Iterator[tuple[str, str, str]]:
    yield "run_exit_code", "", str(run.exit_code)
    yield "run_duration_seconds", "", str(run.seconds)
    yield "run_timestamp_seconds", "", str(run.ended)
    success = str(run.ended) if run.exit_code == 0 else success
    if success is not None:
        yield "success_timestamp_seconds", "", success
    for way, rows in run.counts.items():
        yield "run_rows", way, str(rows)
