"""The verb on a real store: a registered champion, its held-out tenths, exit codes, one JSON document."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import typer
from decide_world import AS_OF, HALF_TRUE, configure, contract_of, make_world, uplift_files
from typer.testing import CliRunner

from netlift.cli import decisions
from netlift.config.business import load
from netlift.errors import GateRefusedError
from netlift.evaluation.uplift.metrics import DecileRow
from netlift.features.profile import Profile
from netlift.registry.models import register
from netlift.registry.promotion import promote
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE
from netlift.registry.store import open_store
from netlift.registry.tracking import TrainingRecord, log_training
from netlift.results import Estimate, Table

pytestmark = pytest.mark.slow

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Shop:
    folder: object
    config: object


@pytest.fixture(scope="module")
def shop(tmp_path_factory, store_template):
    folder = tmp_path_factory.mktemp("shop")
    config = make_world(folder, customers=300)
    settings = load(config)
    store = open_store(settings.state, run_group=settings.name, template=store_template)
    rows = tuple(
        DecileRow(
            decile=i + 1,
            rows=row["rows"],
            predicted=row["predicted"],
            observed=Estimate(**row["observed"], unit="RUB/customer", method="DR"),
        )
        for i, row in enumerate(HALF_TRUE)
    )
    tables = {"uplift_by_decile": Table(name="uplift by decile", rows=rows)}
    run_id = log_training(store, TrainingRecord(task="uplift", run_name="by hand", started_at=NOW, tables=tables))
    files = {
        **uplift_files(),
        CONTRACT_FILE: contract_of("uplift").to_json(),
        PROFILE_FILE: Profile([], [], [], []).to_json(),
    }
    metadata = {"business": "demo", "currency": "RUB", "gate": "passed"}
    version = register(store, "uplift", files, run_id=run_id, card="# by hand", metadata=metadata)
    promote(store, "uplift", version, expect_current=None, reasons=("by hand",), actor="test", at=NOW)
    return Shop(folder=folder, config=config)


def run(shop, *options, config=None):
    app = typer.Typer()
    decisions.register(app)
    asked = ["--as-of", str(AS_OF), "-c", str(config or shop.config), *options]
    return CliRunner().invoke(app, ["decide", *asked])


def fresh(shop):
    """The tables as of a minute ago, by the clock that the command line reads."""
    for path in (shop.folder / "var" / "demo").glob("*.parquet"):
        os.utime(path, (datetime.now(tz=UTC).timestamp() - 60,) * 2)


def test_the_champion_and_its_held_out_tenths_are_used(shop):
    fresh(shop)
    told = run(shop, "--json")
    assert told.exit_code == 0, told.exception
    document = json.loads(told.stdout)
    summary = document["summary"]
    assert document["schema_version"] == 1 and document["written"] and summary["contacted"] > 50
    assert summary["versions"] == {"uplift": 1} and summary["forecast"]["rows"] == 4000
    assert summary["forecast"]["profit"]["point"] < summary["forecast"]["promised"]
    again = run(shop, "--lang", "en")
    assert again.exit_code == 0 and "Already written" in again.stdout and "Who gets which offer" in again.stdout
    assert "Кому что" in run(shop).stdout


def test_consents_of_last_week_leave_with_the_code_of_a_gate(shop):
    for path in (shop.folder / "var" / "demo").glob("*.parquet"):
        os.utime(path, (NOW.timestamp() - 8 * 86_400,) * 2)
    told = run(shop, "--run-key", "late")
    assert isinstance(told.exception, GateRefusedError) and told.exception.exit_code == 4
    assert not (shop.folder / "var" / "out" / "decisions" / "late").exists()


def test_without_a_champion_of_uplift_nothing_goes_out(shop, store_template):
    fresh(shop)
    bare = configure(shop.folder, name="bare", more=lambda content: content.update(state="../bare"))
    state = load(bare).state
    open_store(state, run_group="demo", template=store_template)
    told = run(shop, config=bare)
    assert isinstance(told.exception, GateRefusedError) and "no champion for uplift" in str(told.exception)


def test_words_that_are_no_key_or_language_are_refused(shop):
    assert run(shop, "--run-key", "../x").exception.exit_code == 2
    assert run(shop, "--lang", "de").exception.exit_code == 2
