"""The held-out contacts that a training keeps: written whole, read back as they were, refused when changed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from decide_world import AS_OF, UNCHECKED, configure, contract_of, make_world, touch

from netlift.config.business import load
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.decisions.run.decide import DecideRequest
from netlift.errors import DataError
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.features.matrix import Feature
from netlift.features.profile import Profile
from netlift.features.vocabulary import learn_vocabulary
from netlift.pipelines import decide as module
from netlift.pipelines.decide import decide_business
from netlift.progress import Silent
from netlift.registry.models import register
from netlift.registry.promotion import promote
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE
from netlift.registry.store import open_store
from netlift.registry.tracking import TrainingRecord, log_training
from netlift.training.task import TrainingTask
from netlift.training.uplift.evidence_file import find_proof_file, read_proof_rows, write_proof_rows
from netlift.training.uplift.evidence_rows import ProofRows
from netlift.training.uplift.train import train_uplift

pytestmark = pytest.mark.slow

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)
REGION = Feature(
    name="region", unit="category", source="customers", formula="as given", kind="category",
    categories=("north", "Юг, и \"центр\"", "other"),
)  # fmt: skip
RECENCY = Feature(name="days_since_last_purchase", unit="days", source="transactions", formula="c - last")


MODEL = {"model.json": b"{}", "0.txt": b"trees"}


def make_rows(n: int = 500) -> ProofRows:
    rng = np.random.default_rng(4)
    arm = rng.integers(0, 3, n)
    scores = rng.normal(0, 50, (n, 3))
    scores[:100, 2], arm[:100] = np.nan, np.minimum(arm[:100], 1)
    X = np.column_stack([rng.integers(0, 3, n), rng.gamma(1, 30, n)]).astype(np.float32)
    X[:7] = np.nan
    return ProofRows(
        logged=LoggedOutcomes(
            y=rng.gamma(0.5, 100, n), arm=arm, propensity=rng.uniform(0.1, 0.9, n), scores=scores,
            customer=np.arange(n) // 2, unit="RUB/customer", level=0.95,
        ),
        offers=("mail", "text; =1+1"),
        uplift=rng.normal(0, 5, (n, 2)),
        reward=rng.gamma(1, 9, (n, 2)),
        worn=rng.gamma(1, 2, (n, 2)),
        likely=rng.random(n),
        best=np.ones(n, dtype=np.int64),
        X=X,
        features=(REGION, RECENCY),
        how="the newest campaign, 500 contacts",
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_proof_rows(tmp_path_factory.mktemp("state"), MODEL, make_rows())


def test_rows_come_back_as_they_were_and_only_what_is_asked_is_read(written):
    rows, back = make_rows(), read_proof_rows(written, asked=["region", "segment"])
    for name in ("y", "arm", "propensity", "customer"):
        assert np.array_equal(getattr(back.logged, name), getattr(rows.logged, name)), name
    assert np.allclose(back.logged.scores, rows.logged.scores, rtol=1e-6, equal_nan=True)
    assert np.array_equal(back.logged.available, rows.logged.available)
    assert np.allclose(back.worn, rows.worn, rtol=1e-6)
    assert np.allclose(back.uplift, rows.uplift, rtol=1e-6) and np.allclose(back.likely, rows.likely, rtol=1e-6)
    assert (back.offers, back.how, back.features) == (rows.offers, rows.how, (REGION,))
    assert np.array_equal(back.X[:, 0], rows.X[:, 0], equal_nan=True) and back.X.dtype == np.float32
    assert (back.logged.unit, back.logged.level) == ("RUB/customer", 0.95)
    assert read_proof_rows(written, asked=()).X.shape == (500, 0)


def test_rows_are_found_by_their_model_whatever_training_puts_beside_it(written):
    state = written.parents[1]
    found = find_proof_file(state, {**MODEL, CONTRACT_FILE: b"today", PROFILE_FILE: b"also today"})
    assert found is not None and found.path == written and written.stem.endswith(found.digest[:24])
    assert (
        find_proof_file(state, {**MODEL, "0.txt": b"others"}) is None and find_proof_file(state / "no", MODEL) is None
    )


def test_the_same_rows_are_the_same_file_and_others_take_its_place(written, tmp_path):
    first = write_proof_rows(tmp_path, MODEL, make_rows())
    assert (first.name, first.read_bytes()) == (written.name, written.read_bytes())
    second = write_proof_rows(tmp_path, MODEL, replace(make_rows(), how="newer ones"))
    assert second.name != first.name and [*second.parent.iterdir()] == [second]
    assert write_proof_rows(tmp_path, {**MODEL, "0.txt": b"others"}, make_rows()).exists() and second.exists()


def test_a_killed_write_leaves_what_was_there(tmp_path, monkeypatch):
    standing = write_proof_rows(tmp_path, MODEL, make_rows())

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_proof_rows(tmp_path, MODEL, replace(make_rows(), how="newer ones"))
    assert [*standing.parent.iterdir()] == [standing] and find_proof_file(tmp_path, MODEL)


def test_a_changed_byte_wherever_it_is_is_refused(tmp_path):
    path = write_proof_rows(tmp_path, MODEL, make_rows())
    content = path.read_bytes()
    for at in np.linspace(0, len(content) - 1, 200).astype(int):
        changed = bytearray(content)
        changed[at] ^= 0x15
        path.write_bytes(bytes(changed))
        with pytest.raises(DataError, match=r"not what training wrote.*netlift train uplift"):
            find_proof_file(tmp_path, MODEL)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not what training wrote"):
        find_proof_file(tmp_path, MODEL)
    with pytest.raises(DataError, match="not what training wrote"):
        read_proof_rows(path, asked=())


@pytest.fixture(scope="module")
def trained(tmp_path_factory, store_template):
    """A small shop whose uplift was trained for real, with one learner and little search; its model leads."""
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=800)
    settings = load(configure(folder))
    definition = load_definition(settings.models["uplift"], "uplift")
    assert isinstance(definition, UpliftDefinition)
    search = definition.search.model_copy(update={"trials": 1, "max_rounds": 20})
    definition = definition.model_copy(update={"candidates": ("paired_effects",), "search": search})
    store = open_store(settings.state, run_group=settings.name, template=store_template)
    with open_tables(settings) as tables:
        history = read_history(tables)
        assignment = TrainingTask(
            settings=settings,
            definition=definition,
            tables=tables,
            history=history,
            vocabulary=learn_vocabulary(tables, before=datetime(2026, 10, 1)),
            progress=Silent(),
        )
        made = train_uplift(assignment)
        found = find_proof_file(settings.state, made.candidate.files)
    contract = replace(contract_of("uplift"), vocabulary=assignment.vocabulary)
    files = {
        **made.candidate.files,
        CONTRACT_FILE: contract.to_json(),
        PROFILE_FILE: Profile([], [], [], []).to_json(),
    }
    run_id = log_training(store, TrainingRecord(task="uplift", run_name="small", started_at=NOW))
    version = register(store, "uplift", files, run_id=run_id, card="# small", metadata={"gate": "passed"})
    promote(store, "uplift", version, expect_current=None, reasons=("by hand",), actor="test", at=NOW)
    return SimpleNamespace(folder=folder, settings=settings, path=found.path, made=made)


def run(trained, patch, key):
    patch.setattr(module, "read_sound", lambda tables, *_, **__: (tables, UNCHECKED))
    touch(trained.folder)
    asked = DecideRequest(as_of=AS_OF, run_key=key, language="en")
    return decide_business(trained.settings, asked, progress=Silent(), now=NOW, lock_timeout=0)


def test_no_id_is_in_what_a_training_keeps(trained):
    ids = pd.read_parquet(trained.folder / "var" / "demo" / "customers.parquet")["customer_id"].astype(str)
    whole = pq.read_table(trained.path)
    texts = whole.schema.metadata[b"netlift.evidence"].decode()
    assert not any(name in texts for name in ids) and not {"customer_id", "customer"} & set(whole.column_names)
    assert all(kind.bit_width in (16, 32, 64) for kind in whole.schema.types), "numbers alone"
    assert whole["cluster"].to_numpy().max() < len(whole), "codes from 0, not the customers' place in the base"
    rows = read_proof_rows(trained.path, asked=["days_since_last_purchase", "region"])
    assert len(rows) == trained.made.row_counts["gate"] and len(rows.features) == 2


def test_nothing_of_the_rows_is_in_mlflow(trained):
    kept = {path.name for path in (trained.settings.state / "artifacts").rglob("*") if path.is_file()}
    assert not any(name.endswith(".parquet") for name in kept)


def test_decide_proves_its_policy_by_them(trained, monkeypatch):
    made = run(trained, monkeypatch, "first")
    manifest = json.loads((Path(made.path) / "manifest.json").read_text())
    before = made.summary.before_launch
    assert before.why_not == "" and len(before.policies) == 6 and before.rows > 500
    assert made.summary.forecast.basis == ("policy" if before.contacts >= 30 else "promise")
    assert len(manifest["digests"]["held_out"]) == 64 and "Before launch" in made.to_text()
    assert not run(trained, monkeypatch, "first").written


def test_a_damaged_file_is_refused_and_a_missing_one_told(trained, monkeypatch):
    content = trained.path.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 0x15
    trained.path.write_bytes(bytes(changed))
    try:
        with pytest.raises(DataError, match="held-out contacts are not what training wrote"):
            run(trained, monkeypatch, "damaged")
        assert not [*trained.settings.state.rglob("damaged")]
        trained.path.unlink()
        alone = run(trained, monkeypatch, "alone")
    finally:
        trained.path.write_bytes(content)
    assert alone.summary.before_launch.why_not == "missing" and alone.summary.forecast.basis in ("tenths", "promise")
    assert "netlift train uplift" in alone.to_text()
