"""A small shop of its own folder in which every verb of the command line can run: tables, store, champions, a plan."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "worlds"))  # run as a script, where no conftest makes them importable: so E402 below

import yaml  # noqa: E402
from decide_world import EFFECTS, FEATURES, contract_of  # noqa: E402
from segment_world import HOUSE, MARGIN, SILENCE, make_retailer, write_config  # noqa: E402

from netlift.estimators.expression import constant, linear, write_files  # noqa: E402
from netlift.features.profile import Profile  # noqa: E402
from netlift.registry.models import register  # noqa: E402
from netlift.registry.promotion import promote  # noqa: E402
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE  # noqa: E402
from netlift.registry.store import open_store  # noqa: E402
from netlift.registry.tracking import TrainingRecord, log_training  # noqa: E402

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
SHOP, EMPTY, TINY = "configs/demo.yaml", "configs/empty.yaml", "configs/tiny.yaml"
DAY = "2026-10-01"
DESIGN = (
    f"design --campaign-id C40 --offers sms_bonus_300 --start 2026-10-05 --outcome-days 28 --hypothesis x --tolerance "
    f"1000 --control-share 0.3 --half-width 100000 --reward 60 --lang en --config {SHOP}"
).split()
READOUT = f"readout C08 --lang en --config {SHOP}".split()
VERBS: dict[str, tuple[list[str], ...]] = {
    "simulate": (f"simulate --customers 200 --config {EMPTY}".split(),),
    "train": (f"train churn --config {TINY}".split(),),
    "promote": (f"promote uplift --version 2 --expect-current 1 --reason better --config {SHOP}".split(),),
    "score": (f"score --as-of {DAY} --config {SHOP}".split(),),
    "segments": (f"segments --as-of {DAY} --lang en --config {SHOP}".split(),),
    "scorecard": (f"scorecard --months 2 --until 2026-09 --lang en --config {SHOP}".split(),),
    "forecast": (f"forecast --as-of {DAY} --lang en --config {SHOP}".split(),),
    "readout": (READOUT,),
    "portfolio": (f"portfolio --lang en --config {SHOP}".split(),),
    "design": (DESIGN,),
    "assign": (DESIGN, f"assign experiments/2026-10-c40 --lang en --config {SHOP}".split()),
    "decide": (f"decide --as-of {DAY} --lang en --config {SHOP}".split(),),
    "night": (f"decide --as-of {DAY} --score --lang en --config {SHOP}".split(),),
    "trigger": (f"decide --as-of {DAY} --trigger birthday --lang en --config {SHOP}".split(),),
    "doctor": (f"doctor --fix --config {SHOP}".split(),),
}
"""Verb to what is run before it, and at its end the call that is killed."""


def make_shop(folder: Path, *, customers: int = 300, template: Path | None = None) -> Path:
    """The shop: `SHOP` with champions and one more version of uplift, `EMPTY` without tables, `TINY` to train with."""
    make_retailer(folder, customers=customers)
    write_config(folder, _small)
    write_config(folder, _elsewhere, "empty")
    _write_tiny(folder)
    store = open_store(folder / "var", run_group="demo", template=template)
    churn = [("p_churn", "share", linear(0.0, [1 / 400], [SILENCE]))]
    ltv = [("ltv_182d", "RUB", linear(0.0, [0.5], [MARGIN])), ("ltv_182d_sd", "RUB", constant(5.0))]
    lead(store, "churn", churn, active=365)
    lead(store, "ltv", ltv, active=365)
    lead(store, "uplift", [(f"uplift_{offer}", "RUB", effect) for offer, effect in EFFECTS.items()])
    other = EFFECTS | {"call_advice": constant(3.0)}
    add(store, "uplift", [(f"uplift_{offer}", "RUB", effect) for offer, effect in other.items()])
    return folder


def add(store, task, outputs, *, active=None) -> int:
    """A version whose gate passed, written by hand."""
    files = write_files(task=task, features=FEATURES, outputs=outputs, boosters={})
    files |= {CONTRACT_FILE: contract_of(task, active).to_json(), PROFILE_FILE: Profile([], [], [], []).to_json()}
    run_id = log_training(store, TrainingRecord(task=task, run_name=task, started_at=NOON))
    return register(store, task, files, run_id=run_id, card="#", metadata={"gate": "passed"})


def lead(store, task, outputs, *, active=None, expect=None) -> None:
    version = add(store, task, outputs, active=active)
    promote(store, task, version, expect_current=expect, reasons=("r",), actor="a", at=NOON)


def _small(content) -> None:
    content["models"]["uplift"] = str(HOUSE / "models" / "uplift.yaml")
    content["score"]["max_drifted_share"] = 1.0
    content["decision"]["strategies"] = []
    content["engine"] |= {"threads": 1, "memory_mb": 512}


def _elsewhere(content) -> None:
    _small(content)
    for source in content["data"]["tables"].values():
        source["path"] = source["path"].replace("/demo/", "/fresh/")


def _write_tiny(folder: Path) -> None:
    definition = yaml.safe_load((HOUSE / "models" / "churn.yaml").read_text(encoding="utf-8"))
    definition["candidates"] = ["own_rhythm", "logistic"]
    definition["search"] |= {"trials": 1, "folds": 2, "max_rounds": 10}
    definition["windows"] |= {"cutoffs": 3}
    (folder / "churn.yaml").write_text(yaml.safe_dump(definition), encoding="utf-8")

    def tiny(content):
        _small(content)
        content["models"] = {"churn": str(folder / "churn.yaml")}

    write_config(folder, tiny, "tiny")


def restore(shop: Path, pristine: Path) -> None:
    """Bring a shop back to what it was; its tables, which no verb writes, stay."""
    for path in [*shop.iterdir(), *(shop / "var").iterdir()]:
        if path not in (shop / "var", shop / "var" / "demo"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(pristine, shop, dirs_exist_ok=True)


def keep(shop: Path, pristine: Path) -> None:
    """What `restore` brings back."""
    tables = str(shop / "var")
    shutil.copytree(shop, pristine, ignore=lambda at, _: ["demo"] if at == tables else [])
