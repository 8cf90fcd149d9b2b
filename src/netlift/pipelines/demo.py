"""The demo command: a simulated year of rounds, the same under other policies, and a scorecard."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from netlift.closed_loop.page import demo_document
from netlift.closed_loop.year import DemoRequest, live_year
from netlift.config.business import BusinessSettings
from netlift.config.settings import did_you_mean, read_yaml
from netlift.data.run import RunFolder, combine_digests
from netlift.data.write import write_bytes
from netlift.errors import UsageError
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.exports import to_html, to_json, to_markdown, to_text
from netlift.report.names import speak_of
from netlift.results import Told, to_plain
from netlift.simulation.presets import PRESETS
from netlift.simulation.world import OFFERS

FOLDER = "closed_loop"
FILES = {suffix: f"demo.{suffix}" for suffix in ("json", "md", "html")}
LEAST_CUSTOMERS, MOST_CUSTOMERS, MOST_ROUNDS = 300, 200_000, 24
MOST_REST_DAYS = 366
MB_PER_CUSTOMER = 0.01
PLAN_FILE = "plan.yaml"


@dataclass(frozen=True, kw_only=True)
class DemoRun(Told):
    """What the verb wrote.

    Attributes:
        run_key: Name of the output's folder.
        path: The folder.
        report: What the loop reached, as in its JSON file.
        text: The report on a screen.
        digests: What it was made from, and of the files themselves.
        written: False where it stood already.
    """

    run_key: str
    path: str
    report: Mapping[str, Any]
    text: str
    digests: Mapping[str, str]
    written: bool

    def to_text(self) -> str:
        """The report, for people."""
        return self.text


def run_demo(
    settings: BusinessSettings, request: DemoRequest, *, progress: Progress, now: datetime, lock_timeout: float
) -> DemoRun:
    """Live a year in rounds under every rule, and write report, page and figures, all or none.

    Args:
        settings: The business whose rules, definitions and currency are used; its tables are not read.
        request: What is asked.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another demo of this business.

    Raises:
        UsageError: A request that cannot be simulated, or a key that was written before from another.
        ConfigError: A config without decisions, or for other offers than the simulated shop's.
        BusyError: Another demo runs.
    """
    _require_sensible(request)
    words = speak_of(settings, request.language)
    words = words.with_names({**{f"offer.{offer.offer_id}": offer.name for offer in OFFERS}, **words.names})
    inputs = _digests(settings, request)
    run = RunFolder.find(settings.state / FOLDER, request.run_key, request.key, inputs=inputs, files=FILES)
    request = replace(request, run_key=run.key)
    needed = 100 + MB_PER_CUSTOMER * request.customers
    with job(settings.state, "demo", holder=f"demo {run.key}", timeout_seconds=lock_timeout, needed_mb=needed):
        if standing := run.read():
            return _run(run, standing, written=False)
        with run.staged() as staging:
            report = live_year(settings, request, folder=staging / "books", progress=progress)
            shutil.rmtree(staging / "books")
            document = demo_document(report, words, path=f"{settings.state.name}/{FOLDER}/{request.key}")
            written = {"json": to_json(report), "md": to_markdown(document), "html": to_html(document)}
            for suffix, content in written.items():
                write_bytes(staging / FILES[suffix], content)
            manifest = run.seal(staging, {"run_key": run.key, "text": to_text(document)}, now=now)
    return _run(run, manifest, written=True)


def write_study(run: DemoRun, folder: Path) -> None:
    """Write the run of a shop into an experiment's readout, beside those of other shops, and what its plan says of it.

    Args:
        run: What the verb wrote.
        folder: Of the experiment; its plan stands there already.

    Raises:
        UsageError: No plan stands there.
    """
    if not (folder / PLAN_FILE).exists():
        raise UsageError(f"{folder}: no {PLAN_FILE}; a study is planned before it is run, write the plan first")
    target = folder / "readout.json"
    shops = json.loads(target.read_text())["shops"] if target.exists() else {}
    own = {"report": run.report, "markdown": (Path(run.path) / FILES["md"]).read_text()}
    shops = dict(sorted({**shops, run.report["shop"]["preset"]: own}.items()))
    parts = [*(shop["markdown"] for shop in shops.values()), *_from_plan(folder / PLAN_FILE)]
    write_bytes(folder / "readout.md", "\n".join(parts).encode())
    document = {"schema_version": 1, "shops": shops}
    write_bytes(target, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


def _from_plan(path: Path) -> Iterator[str]:
    """What the plan says of how the readout came about, as Markdown."""
    plan = read_yaml(path)
    if changed := plan.get("changed_since"):
        yield f"# What was changed before these runs\n\n{changed.strip()}\n"
    if found := plan.get("diagnosis"):
        yield "# Where the money between loop and oracle goes\n\n" + "\n".join(f"- {line}" for line in found) + "\n"


def _require_sensible(request: DemoRequest) -> None:
    mistakes = []
    if not LEAST_CUSTOMERS <= request.customers <= MOST_CUSTOMERS:
        mistakes.append(f"customers is {request.customers}, it must be {LEAST_CUSTOMERS:,} to {MOST_CUSTOMERS:,}")
    if not 1 <= request.rounds <= MOST_ROUNDS:
        mistakes.append(f"rounds is {request.rounds}, it must be 1 to {MOST_ROUNDS}")
    if request.start.day != 1:
        mistakes.append(f"start is {request.start}, it must be the first of a month")
    if request.preset not in PRESETS:
        mistakes.append(f"preset is {request.preset!r}{did_you_mean(request.preset, [*PRESETS])}")
    if request.epsilon is not None and not 0 < request.epsilon <= 0.5:
        mistakes.append(f"epsilon is {request.epsilon:g}, it must be above 0 and at most 0.5")
    if request.rest_days is not None and not 0 <= request.rest_days <= MOST_REST_DAYS:
        mistakes.append(f"rest_days is {request.rest_days}, it must be 0 to {MOST_REST_DAYS}")
    if request.seed < 0:
        mistakes.append(f"seed is {request.seed}, it must be 0 or more")
    if mistakes:
        raise UsageError("demo: " + "; ".join(mistakes))


def _digests(settings: BusinessSettings, request: DemoRequest) -> dict[str, str]:
    decision = settings.decision.digest() if settings.decision else ""
    digests = {
        "config": settings.digest(),
        "decision": decision,
        "names": settings.names.digest(),
        "request": json.dumps(to_plain(request)),
    }
    return {**digests, "inputs": combine_digests(digests)}


def _run(run: RunFolder, manifest: Mapping[str, Any], *, written: bool) -> DemoRun:
    return DemoRun(
        run_key=manifest["run_key"],
        path=str(run.target),
        report=json.loads((run.target / FILES["json"]).read_text()),
        text=manifest["text"],
        digests=manifest["digests"],
        written=written,
    )


__all__ = ["DemoRequest", "DemoRun", "run_demo", "write_study"]
