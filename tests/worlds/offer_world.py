"""A small shop with a store of its own, uplift models written by hand, and the next best offer made from them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from decide_world import AS_OF, EFFECTS, HOUSE, WORDS, configure, make_world, touch, uplift_files
from segment_world import opened

from netlift.config.next_best_offer import load_next_best_offer
from netlift.decisions.next_best_offer.publish import register_next_best_offer
from netlift.features.profile import Profile
from netlift.registry.models import register
from netlift.registry.promotion import promote
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE, ScoringContract
from netlift.registry.store import open_store
from netlift.registry.tracking import TrainingRecord, log_training

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
LEAVE_OUT = load_next_best_offer(HOUSE / "models" / "next_best_offer.yaml")


def make_shop(factory) -> Path:
    """A shop of 400 customers, made once a session."""
    folder = factory.getbasetemp() / "offer-shop"
    if not folder.exists():
        make_world(folder, customers=400)
    return folder


def copy_shop(factory, folder: Path, template: Path) -> Path:
    """A shop of its own with an empty store."""
    shutil.copytree(make_shop(factory) / "var" / "demo", folder / "var" / "demo")
    open_store(folder / "var", run_group="demo", template=template)
    touch(folder)
    configure(folder)
    return folder


def add_uplift(store, effects=EFFECTS, *, gate="passed", rewards=MappingProxyType({}), **tags) -> int:
    contract = ScoringContract(
        task="uplift", vocabulary=WORDS, observation_days=365, active_within_days=None, columns={}
    )
    files = uplift_files(effects, rewards) | {
        CONTRACT_FILE: contract.to_json(),
        PROFILE_FILE: Profile([], [], [], []).to_json(),
    }
    run_id = log_training(store, TrainingRecord(task="uplift", run_name="uplift", started_at=NOON))
    return register(store, "uplift", files, run_id=run_id, card="#", metadata={"gate": gate, **tags})


def lead_uplift(store, effects=EFFECTS, *, expect=None, **tags) -> int:
    version = add_uplift(store, effects, **tags)
    promote(store, "uplift", version, expect_current=expect, reasons=("r",), actor="a", at=NOON)
    return version


def make(folder, store, *, definition=LEAVE_OUT, change=lambda decision: None):
    with opened(configure(folder, change)) as (settings, tables):
        return register_next_best_offer(
            settings, store, definition=definition, tables=tables, as_of=AS_OF, actor="test", now=NOON, lock_timeout=5
        )
