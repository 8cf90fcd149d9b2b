"""A machine that fails: full disks, small limits, forbidden places, busy, lost and broken stores, tables that change.

Each fault is put upon a verb in the small shop. It must leave with the exit code of its kind and say what helps, leave
everything that stood as it stood, and pass once the fault is gone.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from file_events import fail
from kill_loop import NEVER, Grounds, call_again, finish_verb, judge, look, look_at_store, run_verb, start_verb
from shop import VERBS

BUSY, FULL, GATE, DATA, FAILED = 5, 6, 4, 3, 1
SMALL_FILE, SMALL_MEMORY = 4096, 1536 * 2**20
NOBODY = 65534
BAD_ADVICE = ("write the file anew", "remove it", "begin anew", "Traceback", "defect of netlift")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        name: What it is.
        verb: The verb that meets it.
        code: How it must leave.
        words: What it must say.
        spoil: Called on the shop before; a context that mends it again at its end.
        before: Called in the process before the verb.
        moments: File events of so many at which `act` happens, one try each; empty for one try without.
        act: What happens there.
    """

    name: str
    verb: str
    code: int
    words: str
    spoil: Callable[[Path], object] = lambda _: nullcontext()
    before: Callable[[], object] = int
    moments: Callable[[int], Iterable[int]] | None = None
    act: Callable[[Path], Callable[[], None]] = lambda _: int


@dataclass(kw_only=True)
class Outcome:
    """How the tries of a fault left.

    Attributes:
        fault: Its name.
        verb: The verb.
        left: Exit code to how many left with it.
        said: The last line of the last refusal.
        failures: What was wrong, in words.
    """

    fault: str
    verb: str
    left: dict[int, int] = field(default_factory=dict)
    said: str = ""
    failures: list[str] = field(default_factory=list)

    def count(self, code: int) -> None:
        self.left[code] = self.left.get(code, 0) + 1


@contextmanager
def locked_store(shop: Path) -> Iterator[None]:
    with closing(sqlite3.connect(shop / "var" / "mlflow.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def held_lock(shop: Path) -> Iterator[None]:
    from netlift.registry.locks import exclusive

    with exclusive(shop / "var" / "locks" / "score-2026-10-01.lock", timeout_seconds=0, holder="score of the night"):
        yield


def store_files(shop: Path) -> list[Path]:
    return sorted((shop / "var").glob("mlflow.db*"))


@contextmanager
def gone_store(shop: Path) -> Iterator[None]:
    kept = {path: path.read_bytes() for path in store_files(shop)}
    for path in kept:
        path.unlink()
    yield
    assert not store_files(shop), "a new store stands in place of the lost one"
    for path, content in kept.items():
        path.write_bytes(content)


def spoiled_store(change: Callable[[bytes], bytes]):
    @contextmanager
    def spoil(shop: Path) -> Iterator[None]:
        path = shop / "var" / "mlflow.db"
        with closing(sqlite3.connect(path)) as store:
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = path.read_bytes()
        path.write_bytes(change(content))
        yield
        assert path.read_bytes() == change(content), "the spoiled store was written"
        path.write_bytes(content)

    return spoil


def swap_table(name: str, *, same_times: bool = False):
    """An act: another file takes the place of a table, as a loader does it."""

    def make(shop: Path):
        def act():
            import pandas as pd

            path = shop / "var" / "demo" / f"{name}.parquet"
            before = path.stat()
            frame = pd.read_parquet(path)
            frame.iloc[: len(frame) - 1].to_parquet(path.with_suffix(".new"))
            if same_times:
                os.utime(path.with_suffix(".new"), ns=(before.st_atime_ns, before.st_mtime_ns))
            os.rename(path.with_suffix(".new"), path)

        return act

    return make


@contextmanager
def kept_tables(shop: Path) -> Iterator[None]:
    """Bring the tables back when the fault is over."""
    with tempfile.TemporaryDirectory(dir=shop.parent) as folder:
        shutil.copytree(shop / "var" / "demo", folder, dirs_exist_ok=True)
        yield
        shutil.rmtree(shop / "var" / "demo")
        shutil.copytree(folder, shop / "var" / "demo")


@contextmanager
def for_nobody(shop: Path) -> Iterator[None]:
    """Let anybody read the shop, save one table, and nobody but its owner write there."""
    private = shop / "var" / "demo" / "transactions.parquet"
    for path in [shop.parent, shop, *shop.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    for path in (shop / "var" / "locks", shop / "var" / "cache"):
        path.mkdir(exist_ok=True)
        for each in (path, *path.rglob("*")):
            each.chmod(0o777)
    private.chmod(0)
    yield
    private.chmod(0o644)


def become_nobody() -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setuid(NOBODY)


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))


def small_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (SMALL_MEMORY, SMALL_MEMORY))


def late(events: int) -> tuple[int, ...]:
    """Moments at which tables are being read or have just been."""
    return tuple(events * share // 100 for share in (75, 85, 95))


def failing(code: int):
    return lambda _: fail(code)


def make_faults(*, every: int, verbs: tuple[str, ...]) -> list[Fault]:
    """All faults; those of single calls at each `every`-th file event, for some verbs."""
    faults = [
        Fault(name="store locked by another program", verb="score", code=BUSY, words="MLflow UI", spoil=locked_store),
        Fault(name="lock of a running job", verb="score", code=BUSY, words="of the night (pid", spoil=held_lock),
        Fault(name="store deleted", verb="score", code=GATE, words="names the champions", spoil=gone_store),
        Fault(
            name="training without its store", verb="train", code=GATE, words="names the champions",
            spoil=gone_store,
        ),
        Fault(
            name="store empty", verb="decide", code=GATE, words="names the champions",
            spoil=spoiled_store(lambda _: b""),
        ),
        Fault(
            name="store cut in half", verb="promote", code=FAILED, words="from a backup",
            spoil=spoiled_store(lambda content: content[: len(content) // 2]),
        ),
        Fault(
            name="store overwritten", verb="score", code=FAILED, words="from a backup",
            spoil=spoiled_store(lambda content: b"x" * len(content)),
        ),
        Fault(name="small file-size limit", verb="score", code=FULL, words="ulimit -f", before=small_files),
        Fault(name="small limit of files", verb="promote", code=FULL, words="ulimit -f", before=small_files),
        Fault(name="small memory limit", verb="score", code=FULL, words="engine.memory_mb", before=small_memory),
        Fault(name="small limit of memory", verb="readout", code=FULL, words="engine.memory_mb", before=small_memory),
        Fault(
            name="table without the right to read it", verb="score", code=FULL, words="not allowed",
            spoil=for_nobody, before=become_nobody,
        ),
    ]  # fmt: skip
    for verb in verbs:
        swaps = {
            "verb": verb,
            "code": BUSY,
            "words": "written while this job read",
            "spoil": kept_tables,
            "moments": late,
        }
        faults += [
            Fault(name="table replaced in mid-run", act=swap_table("transactions"), **swaps),
            Fault(name="table replaced, its time set back", act=swap_table("customers", same_times=True), **swaps),
        ]
        for name, code in (("disk full", errno.ENOSPC), ("quota", errno.EDQUOT), ("read-only", errno.EROFS)):
            single = {"verb": verb, "code": FULL, "words": "", "moments": lambda events: range(1, events + 1, every)}
            faults.append(Fault(name=f"{name} at a call", act=failing(code), **single))
    return faults


def put_upon(fault: Fault, grounds: Grounds) -> Outcome:
    """Try a fault, at each of its events, and call the verb once more when it is gone."""
    usual, shop, argv = grounds.usual(fault.verb), grounds.shop, VERBS[fault.verb][-1]
    outcome = Outcome(fault=fault.name, verb=fault.verb)
    once = fault.moments is None
    for at in [NEVER] if fault.moments is None else fault.moments(usual.events):
        grounds.restore(usual.begun)
        with fault.spoil(shop):
            code, said, _ = run_verb(shop, argv, at=at, act=fault.act(shop), before=fault.before)
        is_refused = code != usual.code or (fault.words != "" and fault.words in said)
        is_first = is_refused and not outcome.said
        outcome.count(code)
        now, store = look(shop), look_at_store(shop)
        wrong = list(judge(now, store, usual)) if is_refused or fault.code != BUSY else []
        if is_refused:
            outcome.said = (said.strip().splitlines() or [""])[-1]
            if code != fault.code or fault.words not in said or any(bad in said for bad in BAD_ADVICE):
                wrong.append(f"left with {code}: {said[-400:]}")
        elif once:
            wrong.append("left as if nothing were wrong")
        if once or is_first:
            wrong += [f"when it was gone: {each}" for each in call_again(shop, argv, usual)]
        outcome.failures += [each if once else f"event {at}: {each}" for each in wrong]
    return outcome


def race_decides(grounds: Grounds) -> Outcome:
    """Two runs at once under two keys: one waits for the other, and counts its list."""
    grounds.restore()
    argv = [*VERBS["decide"][-1], "--lock-timeout", "300", "--run-key"]
    ended = [finish_verb(each) for each in [start_verb(grounds.shop, [*argv, key]) for key in ("one", "two")]]
    outcome = Outcome(fault="two decides at once", verb="decide")
    for code, said, _ in ended:
        outcome.count(code)
        outcome.failures += [said[-300:]] if code else []
    runs = grounds.shop / "var" / "out" / "decisions"
    lists = {key: json.loads((runs / key / "manifest.json").read_text())["lists"] for key in ("one", "two")}
    if sum(map(bool, lists.values())) != 1:
        outcome.failures.append(f"each counts the other's list, or neither does: {lists}")
    return outcome


def race_promotes(grounds: Grounds) -> Outcome:
    """The same promotion twice at once: one moves the champion, the other finds it moved."""
    grounds.restore()
    argv = [*VERBS["promote"][-1], "--lock-timeout", "300"]
    ended = [finish_verb(each) for each in [start_verb(grounds.shop, argv) for _ in range(2)]]
    outcome = Outcome(fault="two promotes at once", verb="promote")
    for code, said, _ in ended:
        outcome.count(code)
        outcome.failures += [said[-300:]] if code else []
    store = look_at_store(grounds.shop)
    if store["champions"]["netlift-uplift"] != 2 or store["journal"]["uplift"] != 2 or store["whole"] != "ok":
        outcome.failures.append(f"left {store}")
    return outcome


RACES = {"two decides at once": race_decides, "two promotes at once": race_promotes}
