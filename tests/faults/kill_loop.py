"""Kills every verb before every file event of its, runs it again, and holds what stands against an undisturbed run.

One process that has loaded everything forks those that are killed, so that a kill costs a run and no start.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from file_events import EVENTS, FileEvents, die
from shop import VERBS, keep, make_shop, restore

NEVER = 10**9
LOADED = (
    "duckdb", "ibis", "lightgbm", "pandas", "pyarrow.csv", "pyarrow.parquet", "sklearn.linear_model", "scipy.stats",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store",
    *(f"netlift.pipelines.{name}" for name in (
        "train", "promote", "score", "segments", "scorecard", "readouts", "portfolio", "design", "assign",
        "decide", "score_and_decide", "doctor", "simulate", "decision_readout", "readout", "forecast")),
)  # fmt: skip
UNSEEN = ("locks", "cache", "artifacts")
"""Folders of the state that no reader of outputs looks at; the store and the journal are held by themselves."""
TIMES = ("written_at", "seconds", "digests")


@dataclass(kw_only=True)
class Tally:
    """What became of one verb.

    Attributes:
        verb: The verb.
        events: File events of an undisturbed run.
        kills: Runs that were killed, each before another event.
        states: Different states that these left behind.
        failures: What was wrong, in words.
    """

    verb: str
    events: int = 0
    kills: int = 0
    states: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What a verb does undisturbed.

    Attributes:
        begun: A shop just before it, to restore.
        code: How it leaves.
        events: Its file events.
        old: Outputs before it.
        new: Outputs after it.
        old_store: Champions and versions before it.
        new_store: Champions and versions after it.
    """

    begun: Path
    code: int
    said: str
    events: int
    old: dict[str, str]
    new: dict[str, str]
    old_store: dict[str, object]
    new_store: dict[str, object]


class Grounds:
    """A shop in a folder, what it was at first, and what each verb does in it undisturbed."""

    def __init__(self, folder: Path, template: Path | None = None):
        self.folder, self.shop, self._pristine = folder, folder / "shop", folder / "pristine"
        pid = os.fork()  # whoever makes the shop starts threads, and a process with threads is not to be forked
        if pid == 0:
            make_shop(self.shop, template=template)
            os._exit(0)
        os.waitpid(pid, 0)
        keep(self.shop, self._pristine)
        self._usual: dict[str, Usual] = {}

    def restore(self, to: Path | None = None) -> None:
        restore(self.shop, to or self._pristine)

    def usual(self, verb: str) -> Usual:
        if verb not in self._usual:
            *setup, argv = VERBS[verb]
            self.restore()
            for call in setup:
                run_verb(self.shop, call)
            begun = self.folder / f"begun-{verb}"
            keep(self.shop, begun)
            old, old_store = look(self.shop), look_at_store(self.shop)
            code, said, events = run_verb(self.shop, argv)
            self._usual[verb] = Usual(
                begun=begun, code=code, said=said, events=events, old=old, new=look(self.shop),
                old_store=old_store, new_store=look_at_store(self.shop),
            )  # fmt: skip
        return self._usual[verb]


def warm() -> None:
    """Load what verbs load, and start no thread."""
    from netlift.registry.offline import offline_mlflow

    offline_mlflow()
    for name in LOADED:
        importlib.import_module(name)


def run_verb(shop: Path, argv: Sequence[str], **how) -> tuple[int, str, int]:
    """Run a verb in a process of its own; returns how it left, what it said, and how many file events it had."""
    return finish_verb(start_verb(shop, argv, **how))


def start_verb(
    shop: Path,
    argv: Sequence[str],
    *,
    at: int = NEVER,
    act: Callable[[], None] = die,
    before: Callable[[], object] = int,
) -> tuple[int, Path]:
    """Start a verb in a process of its own; returns its number and where it writes what it says.

    Args:
        shop: Its working folder.
        argv: The verb and its options.
        at: The file event at which something happens.
        act: What happens; without more, the process is killed.
        before: Called in the process before the verb, to set limits.
    """
    told = Path(tempfile.mkdtemp(prefix="told-", dir=shop.parent))
    (told / "events").write_text("0")
    out = os.open(told / "said", os.O_WRONLY | os.O_CREAT)
    events = os.open(told / "events", os.O_WRONLY)
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.chdir(shop)
            before()
            code, seen = _call(argv, at, act)
            os.write(events, str(seen).encode())
        finally:
            os._exit(code)
    os.close(out)
    os.close(events)
    return pid, told


def finish_verb(started: tuple[int, Path]) -> tuple[int, str, int]:
    """Wait for a verb that was started."""
    pid, told = started
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said, events = (told / "said").read_text(errors="replace"), int((told / "events").read_text())
    shutil.rmtree(told)
    return code, said, events


def _call(argv: Sequence[str], at: int, act: Callable[[], None]) -> tuple[int, int]:
    from netlift import cli

    sys.argv = ["netlift", *argv]
    with pytest.MonkeyPatch.context() as patch:
        events = FileEvents(patch, at, act, EVENTS)
        try:
            cli.main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        seen, events.left = at - events.left, NEVER
    sys.stdout.flush()
    sys.stderr.flush()
    return code, seen


def look(shop: Path) -> dict[str, str]:
    """What others find in a shop: each output file and its digest, manifests without the time of their making."""
    found = {}
    for path in sorted(shop.rglob("*")):
        parts = path.relative_to(shop).parts
        hidden = any(part.startswith(".staging-") for part in parts)
        if hidden or not path.is_file() or "mlflow" in path.name or path.name == "audit.jsonl":
            continue
        if parts[0] == "var" and parts[1] in (*UNSEEN, "demo"):
            continue
        found["/".join(parts)] = _digest(path)
    return found


def _digest(path: Path) -> str:
    content = path.read_bytes()
    if path.name == "manifest.json":
        document = {name: value for name, value in json.loads(content).items() if name not in TIMES}
        content = json.dumps(document, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def look_at_store(shop: Path) -> dict[str, object]:
    """Who is champion and how many versions there are; and whether database and journal are whole."""
    from netlift.registry.audit import read_entries

    with closing(sqlite3.connect(shop / "var" / "mlflow.db")) as store:
        ((whole,),) = store.execute("PRAGMA integrity_check").fetchall()
        aliases = store.execute("SELECT name, alias, version FROM registered_model_aliases ORDER BY 1, 2").fetchall()
        versions = store.execute("SELECT name, count(*) FROM model_versions GROUP BY 1 ORDER BY 1").fetchall()
    moved = {e["task"]: e["version"] for e in read_entries(shop / "var" / "audit.jsonl") if e["event"] == "moved"}
    champions = {name: version for name, alias, version in aliases if alias == "champion"}
    return {"whole": whole, "champions": champions, "versions": dict(versions), "journal": moved}


def kill_everywhere(verb: str, grounds: Grounds, *, every: int = 1) -> Tally:
    """Kill a verb before each of its file events, and see what is there and what the same call makes of it."""
    usual, shop, argv = grounds.usual(verb), grounds.shop, VERBS[verb][-1]
    tally = Tally(verb=verb, events=usual.events)
    if usual.code in (70, 99) or usual.code < 0:
        tally.failures.append(f"undisturbed, it left with {usual.code}: {usual.said[-300:]}")
    seen = set()
    for at in range(1 + (usual.events - 1) % every, usual.events + 1, every):
        grounds.restore(usual.begun)
        left, *_ = run_verb(shop, argv, at=at)
        tally.kills += left == -signal.SIGKILL
        now, store = look(shop), look_at_store(shop)
        tally.failures += [f"killed before event {at}: {wrong}" for wrong in judge(now, store, usual)]
        if (state := json.dumps([now, store], sort_keys=True)) not in seen:
            seen.add(state)
            tally.failures += [f"killed before event {at}, again: {wrong}" for wrong in call_again(shop, argv, usual)]
    tally.states = len(seen)
    return tally


def judge(now: Mapping[str, str], store: Mapping[str, Any], usual: Usual) -> Iterator[str]:
    """What is neither as it was nor as an undisturbed run leaves it."""
    yield from (f"{n} is neither old nor new" for n, d in now.items() if d not in (usual.old.get(n), usual.new.get(n)))
    yield from (f"{name} is gone" for name in usual.old if name not in now and name in usual.new)
    if store["whole"] != "ok":
        yield f"the store is broken: {store['whole']}"
    if store["champions"] not in (usual.old_store["champions"], usual.new_store["champions"]):
        known = [usual.old_store["champions"], usual.new_store["champions"]]
        moved = {n: v for n, v in store["champions"].items() if v not in (known[0].get(n), known[1].get(n))}
        if moved:
            yield f"champions are {moved}"


def call_again(shop: Path, argv: Sequence[str], usual: Usual) -> Iterator[str]:
    """What the same call leaves that an undisturbed one does not."""
    is_done = look(shop) == usual.new
    code, said, _ = run_verb(shop, argv)
    if code != usual.code and not (is_done and code == 2):  # what stands is whole, and is not written over
        yield f"left with {code}, not {usual.code}: {said[-300:]}"
    now, store = look(shop), look_at_store(shop)
    if different := sorted(name for name in {*now, *usual.new} if now.get(name) != usual.new.get(name)):
        yield f"other outputs: {', '.join(different[:3])}"
    if store != usual.new_store:
        yield f"other champions or versions: {store}, not {usual.new_store}"
