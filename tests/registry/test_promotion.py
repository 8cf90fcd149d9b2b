import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from netlift.errors import BusyError, ModelIntegrityError, ResourceError, UsageError
from netlift.registry import audit, promotion
from netlift.registry.audit import read_entries
from netlift.registry.locks import exclusive
from netlift.registry.models import aliases, describe, load
from netlift.registry.promotion import audit_path, promote, read_history

pytestmark = pytest.mark.slow

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
WHY = ("The model earns 12.3 RUB per customer more than the champion, at least 4.1.", "Calibration holds.")

RACE = """
# One warm process forks those that race for the champion, each having decided against version 1.
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from netlift.errors import UsageError
from netlift.registry.offline import offline_mlflow
from netlift.registry.promotion import promote
from netlift.registry.store import open_store
offline_mlflow()
import lightgbm, mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store

def run(version):
    pid = os.fork()
    if pid == 0:
        store = open_store(Path(sys.argv[1]), run_group="demo")
        try:
            promote(store, "churn", version, expect_current=1, reasons=("race",), actor="test",
                    at=datetime(2026, 11, 2, tzinfo=UTC), lock_timeout_seconds=60)
            print("won", version, flush=True)
        except UsageError as error:
            print("lost", error, flush=True)
        except BaseException as error:
            print("failed", repr(error), flush=True)
        os._exit(0)
    return pid

for pid in [run(version) for version in (2, 3, 4)]:
    os.waitpid(pid, 0)
"""


def move(store, version, expect, **changes):
    settings = {"reasons": WHY, "actor": "anna", "at": NOON} | changes
    return promote(store, "churn", version, expect_current=expect, **settings)


def test_a_promotion_moves_the_aliases_notes_why_and_leaves_an_audit_line(store, add_version):
    add_version(1)
    move(store, 1, None)
    assert aliases(store, "churn") == {"champion": 1}
    add_version(2)
    moved = move(store, 2, 1)
    assert (moved.version, moved.replaces, moved.digest) == (2, 1, describe(store, "churn", 2).digest)
    assert aliases(store, "churn") == {"champion": 2, "previous_champion": 1}
    tags = describe(store, "churn", 2).tags
    assert tags["netlift.promotion_reason"] == " ".join(WHY)
    assert (tags["netlift.promoted_at"], tags["netlift.replaces"]) == (NOON.isoformat(), "1")
    assert [(entry["version"], entry["replaces"]) for entry in read_history(store, "churn")] == [(1, None), (2, 1)]
    assert read_history(store, "churn")[1]["actor"] == "anna"
    assert read_history(store, "ltv") == []


def test_the_way_back_is_a_promotion_too(store, add_version):
    for seed in (1, 2):
        add_version(seed)
    move(store, 1, None)
    move(store, 2, 1)
    move(store, 1, 2)
    assert aliases(store, "churn") == {"champion": 1, "previous_champion": 2}


def test_the_same_promotion_asked_again_is_the_one_that_was_made(store, add_version):
    for seed in (1, 2):
        add_version(seed)
    move(store, 1, None)
    made = move(store, 2, 1)
    assert move(store, 2, 1, actor="boris") == made
    assert len(read_history(store, "churn")) == 2


def test_a_decision_against_another_champion_is_refused_by_name(store, add_version):
    for seed in (1, 2, 3):
        add_version(seed)
    with pytest.raises(UsageError, match="is none, the decision was made against version 9"):
        move(store, 1, 9)
    move(store, 1, None)
    move(store, 2, 1)
    with pytest.raises(UsageError, match=r"is version 2, .* against version 1: compare version 3 with version 2"):
        move(store, 3, 1)
    with pytest.raises(UsageError, match="champion already"):
        move(store, 2, 2)
    with pytest.raises(UsageError, match="no version 8"):
        move(store, 8, 2)
    assert len(read_history(store, "churn")) == 2


def test_of_processes_that_race_one_wins_and_the_others_are_told(store, add_version):
    for seed in (1, 2, 3, 4):
        add_version(seed)
    move(store, 1, None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RACE, str(store.state)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = sorted(done.stdout.splitlines())
    assert [line.split()[0] for line in lines] == ["lost", "lost", "won"], done.stdout + done.stderr
    winner = int(lines[2].split()[1])
    assert all(f"is version {winner}, the decision was made against version 1" in line for line in lines[:2])
    assert aliases(store, "churn")["champion"] == winner
    assert [entry["version"] for entry in read_history(store, "churn")] == [1, winner]


def test_a_held_registry_is_busy(store, add_version):
    add_version(1)
    with exclusive(store.lock, timeout_seconds=0, holder="register ltv"):
        with pytest.raises(BusyError, match=rf"register ltv \(pid {os.getpid()}\)"):
            move(store, 1, None, lock_timeout_seconds=0.1)


def test_a_version_that_cannot_be_loaded_never_becomes_champion(store, add_version):
    add_version(1)
    move(store, 1, None)
    folder = describe(store, "churn", add_version(2)).folder
    os.truncate(folder / "artifacts/model/booster.txt", 100)
    with pytest.raises(ModelIntegrityError):
        move(store, 2, 1)
    assert aliases(store, "churn")["champion"] == 1
    assert len(read_history(store, "churn")) == 1


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs but the freeing of locks."""


WRITES = ("append_entry", "set_model_version_tag", "set_registered_model_alias", "delete_registered_model_alias")


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_process_killed_at_any_write_leaves_the_champion_old_or_new_and_the_journal_whole(
    store, add_version, monkeypatch, late
):
    for seed in (1, 2):
        add_version(seed)
    move(store, 1, None)
    current, seen = 1, set()
    for fatal in range(1, 10):
        version = 3 - current
        store.client.set_registered_model_alias("netlift-churn", "challenger", str(version))
        with monkeypatch.context() as patch:
            die_at_write(patch, store, fatal, late=late)
            with pytest.raises(Killed):
                move(store, version, current)
        found = aliases(store, "churn")["champion"]
        assert found in (current, version)
        load(store, "churn", found)
        seen.add(found == version)
        entries = read_entries(audit_path(store))
        assert entries[-1]["version"] in (current, version)
        current = found
    move(store, 3 - current, current)
    history = read_history(store, "churn")
    assert history[-1]["version"] == 3 - current
    assert "challenger" not in aliases(store, "churn")
    assert all(after["replaces"] == before["version"] for before, after in pairwise(history))
    assert seen == {False, True}


def die_at_write(patch, store, fatal, *, late):
    """Die before or after the n-th write of a promotion."""
    left = [fatal]

    def wrap(real):
        def write(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0 and not late:
                raise Killed
            result = real(*args, **kwargs)
            if left[0] == 0:
                raise Killed
            return result

        return write

    patch.setattr(promotion, "append_entry", wrap(promotion.append_entry))
    for name in WRITES[1:]:
        patch.setattr(store.client, name, wrap(getattr(store.client, name)))


def test_a_changed_added_or_removed_audit_line_is_seen_and_stops_promotions(store, add_version):
    for seed in (1, 2):
        add_version(seed)
    move(store, 1, None)
    move(store, 2, 1)
    path = audit_path(store)
    lines = path.read_text().splitlines(keepends=True)
    edited = lines.copy()
    edited[0] = edited[0].replace("anna", "boris")
    for broken in (edited, lines[1:], [lines[0], *lines[2:]], [*lines[:2], lines[0], *lines[2:]], ["{}\n", *lines]):
        path.write_text("".join(broken))
        with pytest.raises(ModelIntegrityError, match="line"):
            read_entries(path)
        with pytest.raises(ModelIntegrityError, match="line"):
            move(store, 1, 2)
    assert aliases(store, "churn")["champion"] == 2


def test_a_line_cut_off_by_a_full_disk_is_reported_and_removed_by_the_next(tmp_path, monkeypatch):
    path = tmp_path / "audit.jsonl"
    audit.append_entry(path, {"event": "first", "words": "по-русски"})
    with monkeypatch.context() as patch:
        patch.setattr(audit, "append_line", lambda target, line: target.open("a").write(line[:10]))
        with pytest.raises(ResourceError, match="disk is full"):
            audit.append_entry(path, {"event": "lost"})
    assert [entry["event"] for entry in read_entries(path)] == ["first"]
    audit.append_entry(path, {"event": "second"})
    assert [entry["event"] for entry in read_entries(path)] == ["first", "second"]
    assert json.loads(Path(path).read_text().splitlines()[0])["words"] == "по-русски"
