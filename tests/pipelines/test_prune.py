"""Old outputs are removed, and never what a readout, a rollback or the next night still needs, killed or not."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from faults.file_events import FileEvents, die

from netlift.data.run import read_standing
from netlift.errors import BusyError, GateRefusedError, UsageError
from netlift.estimators import expression
from netlift.features.matrix import Feature
from netlift.pipelines.prune import prune_business
from netlift.registry.audit import read_entries
from netlift.registry.locks import exclusive
from netlift.registry.models import aliases, load, register, version_numbers
from netlift.registry.promotion import promote
from netlift.registry.relocation import relocate
from netlift.registry.store import open_store
from netlift.registry.tracking import TrainingRecord, log_training
from netlift.training.uplift.evidence_file import name_proof_file

pytestmark = pytest.mark.slow

NOW = datetime.now(tz=UTC) + timedelta(days=400)  # the store dates versions by its own clock
KEEP = 100
FEATURES = (Feature(name="age", unit="days", source="transactions", formula="c - last"),)


@dataclass(frozen=True)
class Settings:
    """What the verb asks of a business."""

    state: Path
    name: str = "demo"
    models: dict = field(default_factory=lambda: {"uplift": Path("uplift.yaml")})
    tracking: None = None


def day(ago: int) -> str:
    return str((NOW - timedelta(days=ago)).date())


def make_files(level: float) -> dict[str, bytes]:
    constant = [("uplift_sms", "RUB", expression.constant(level))]
    return expression.write_files(task="uplift", features=FEATURES, outputs=constant, boosters={})


def write_run(state: Path, kind: str, ago: int, **files: object) -> Path:
    folder = state / "out" / kind / day(ago)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"run_key": folder.name, "as_of": day(ago), "digests": {}}))
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        if isinstance(content, int):
            pd.DataFrame({"campaign_id": ["c"], "outcome_days": [content]}).to_parquet(path)
        else:
            path.write_bytes(str(content).encode())
    return folder


def write_decisions(state: Path, ago: int, outcome_days: int) -> Path:
    lists = {"decisions__parquet": "log", "export_sms__csv": "ids" * 50, "decisions_ru__html": "page"}
    whom = {"contacts__parquet": "chances", "journeys__parquet": "steps", "campaigns__parquet": outcome_days}
    return write_run(state, "decisions", ago, **lists, **whom)


@pytest.fixture(scope="module")
def original(tmp_path_factory, store_template):
    """Six versions, of which 3 leads after 2 and 6 is the challenger; scores, decisions and evidence old and young."""
    state = tmp_path_factory.mktemp("original") / "var"
    store = open_store(state, run_group="demo", template=store_template)
    for level in range(1, 7):
        run = log_training(store, TrainingRecord(task="uplift", run_name=f"u{level}", started_at=NOW))
        register(store, "uplift", make_files(level), run_id=run, card="#", metadata={"gate": "passed"})
    for version in (1, 2, 3):
        promote(store, "uplift", version, expect_current=version - 1 or None, reasons=("r",), actor="a", at=NOW)
    store.client._tracking_client.store.engine.dispose()
    for ago in (300, 200, 1):
        write_run(state, "scores", ago, scores__parquet="s" * 1000)
    for ago, window in ((300, 28), (299, 28), (250, 365), (110, 28), (2, 28)):
        write_decisions(state, ago, window)
    evidence = state / "evidence"
    evidence.mkdir()
    for level in (1, 2, 3, 4):
        (evidence / f"{name_proof_file(make_files(level))}-abc.parquet").write_bytes(b"e" * 500)
    return state


@pytest.fixture
def state(original, tmp_path):
    """A copy of its own: a store is read wherever it stands."""
    return Path(shutil.copytree(original, tmp_path / "var"))


def prune(state: Path, **more):
    return prune_business(Settings(state), keep_days=KEEP, now=NOW, lock_timeout=0.0, **more)


def look(state: Path) -> dict[str, bytes]:
    """Every file that is not of the store itself."""
    own = ("mlflow.db", "audit.jsonl", "locks/")
    files = {str(path.relative_to(state)): path for path in sorted(state.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(own)}


def needed(state: Path) -> dict[str, bytes]:
    """What somebody may still ask for: newest scores, open windows, whom every run contacted, evidence of who leads."""
    always = ("contacts.parquet", "journeys.parquet", "campaigns.parquet", "manifest.json")
    whole = (f"out/scores/{day(1)}/", *(f"out/decisions/{day(ago)}/" for ago in (250, 110, 2)))
    kept = tuple(f"evidence/{name_proof_file(make_files(level))}" for level in (2, 3))
    return {
        name: content
        for name, content in look(state).items()
        if name.startswith((*whole, *kept)) or (name.startswith("out/decisions/") and name.endswith(always))
    }


def require_well(state: Path) -> None:
    store = open_store(state, run_group="demo")
    named = aliases(store, "uplift")
    assert named == {"champion": 3, "previous_champion": 2, "challenger": 6}
    for version in named.values():
        load(store, "uplift", version)
    store.client._tracking_client.store.engine.dispose()


def test_a_dry_run_says_what_would_go_in_bytes_and_changes_nothing(state):
    before = look(state)
    told = prune(state, dry_run=True)
    assert look(state) == before
    done = prune(state)
    assert told.found == done.found and told.kept == done.kept and not told.removed and done.removed
    gone = set(before) - set(look(state))
    by_kind = {kind: sum(one.bytes for one in done.found if one.kind == kind) for kind in done.kept}
    assert by_kind["scores"] == sum(len(before[name]) for name in gone if name.startswith("out/scores/"))
    assert by_kind["decisions"] == sum(len(before[name]) for name in gone if name.startswith("out/decisions/"))
    assert by_kind["models"] == sum(len(before[name]) for name in gone if name.startswith("artifacts/demo/models/"))
    assert by_kind["evidence"] == 1000
    assert "would be removed" in told.to_text() and f"out/scores/{day(300)}" in told.to_text()


def test_what_is_needed_stays_and_the_rest_goes(state):
    before = needed(state)
    done = prune(state)
    assert needed(state) == before
    require_well(state)
    places = {one.place for one in done.found}
    assert places == {
        f"out/scores/{day(300)}",
        f"out/scores/{day(200)}",
        f"out/decisions/{day(300)}",
        f"out/decisions/{day(299)}",
        *(f"models:/netlift-uplift/{version}" for version in (1, 4, 5)),
        *(f"evidence/{name_proof_file(make_files(level))}-abc.parquet" for level in (1, 4)),
    }
    store = open_store(state, run_group="demo")
    assert version_numbers(store, "uplift") == [6, 3, 2]
    assert prune(state).found.rows == ()
    relocate(store)
    run = log_training(store, TrainingRecord(task="uplift", run_name="u9", started_at=NOW))
    assert register(store, "uplift", make_files(9), run_id=run, card="#", metadata={}) == 7, "no number comes again"
    (entry,) = [one for one in read_entries(state / "audit.jsonl") if one["event"] == "pruned"]
    assert (entry["scores"], entry["models"], entry["bytes"]) == (2, 3, sum(one.bytes for one in done.found))
    with pytest.raises(GateRefusedError, match="netlift prune"):
        read_standing(state / "out" / "decisions" / day(300), {}, day(300), files={})


def test_the_newest_scores_stay_however_old_and_so_does_what_nobody_can_date(state):
    shutil.rmtree(state / "out" / "scores" / day(1))
    (state / "out" / "decisions" / day(300) / "campaigns.parquet").unlink()
    places = {one.place for one in prune(state).found}
    assert f"out/scores/{day(200)}" not in places and f"out/decisions/{day(300)}" not in places


def test_nothing_goes_while_a_job_runs_or_without_a_day_to_keep(state):
    before = look(state)
    with exclusive(state / "locks" / "decide.lock", timeout_seconds=0, holder="decide"):
        with pytest.raises(BusyError, match="decide"):
            prune(state)
    with pytest.raises(UsageError, match="at least one day"):
        prune_business(Settings(state), keep_days=0, now=NOW, lock_timeout=0.0)
    assert look(state) == before


def test_killed_anywhere_nothing_needed_is_lost_and_the_next_one_ends_it(original, tmp_path):
    def killed_at(event: int, state: Path) -> bool:
        if (child := os.fork()) == 0:
            with pytest.MonkeyPatch.context() as patch:
                FileEvents(patch, event, die, calls=("rename", "unlink", "rmdir", "fsync", "sql"))
                prune(state)
            os._exit(0)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])

    before, whole = needed(original), Path(shutil.copytree(original, tmp_path / "whole"))
    prune(whole)
    event, kills, kept = 3, 0, set(look(whole))
    while killed_at(event, state := Path(shutil.copytree(original, tmp_path / str(event)))):
        assert needed(state) == before
        require_well(state)
        prune(state)
        assert set(look(state)) == kept
        event, kills = round(event * 1.6) + 1, kills + 1
    assert kills >= 5
