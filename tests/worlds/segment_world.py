"""A small retailer with champions made by hand, for the tests of snapshots and segments."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from netlift.config.business import load
from netlift.data.read import open_tables
from netlift.estimators.expression import constant, linear, write_files
from netlift.estimators.stored import StoredModel
from netlift.features.catalogue import build_catalogue
from netlift.features.profile import Profile
from netlift.features.vocabulary import Vocabulary
from netlift.registry.champions import Champion
from netlift.registry.scoring_contract import ScoringContract
from netlift.simulation.simulate import SimulationSettings, simulate

HOUSE = Path(__file__).parents[2]
END, AS_OF, PREVIOUS = date(2026, 10, 1), date(2026, 10, 1), date(2026, 9, 1)
HISTORY_DAYS = 800
MARGIN = {"op": "column", "name": "margin_365d"}
SILENCE = {"op": "column", "name": "days_since_last_purchase"}


def make_retailer(folder: Path, *, customers: int = 700) -> Path:
    """The demo's config in `folder` with a small world beside it; returns the config."""
    for name, content in simulated(customers).items():
        target = folder / "var" / "demo" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return write_config(folder)


@cache
def simulated(customers: int) -> Mapping[str, bytes]:
    """The files of the world, drawn once in a process."""
    settings = SimulationSettings(customers=customers, seed=3, end=END, history_days=HISTORY_DAYS)
    with TemporaryDirectory() as folder:
        target = Path(folder) / "demo"
        simulate(settings, target=target)
        files = (path for path in target.rglob("*") if path.is_file())
        return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


def write_config(folder: Path, change=lambda content: None, name: str = "demo") -> Path:
    content = yaml.safe_load((HOUSE / "configs" / "demo.yaml").read_text(encoding="utf-8"))
    content["models"] = {task: str(HOUSE / "models" / f"{task}.yaml") for task in ("churn", "ltv")}
    content["engine"]["threads"] = 1
    change(content)
    path = folder / "configs" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@contextmanager
def opened(path: Path):
    settings = load(path)
    with open_tables(settings) as tables:
        yield settings, tables


def make_champions(*, spread: bool = True, horizon: int = 182) -> tuple[list[Champion], tuple[str, ...]]:
    """Champions of churn and ltv: days of silence over 400, and a third of the margin of 365 days."""
    words = Vocabulary(attributes={}, sources=())
    features = tuple(f for f in build_catalogue(words) if f.name in ("days_since_last_purchase", "margin_365d"))
    third = linear(0.0, [1 / 3], [MARGIN])
    main = f"ltv_{horizon}d"
    value = [(main, "RUB", third)]
    if spread:
        value += [(f"{main}_{end}", "RUB", linear(by, [1 / 3], [MARGIN])) for end, by in (("lower", -9), ("upper", 9))]
        value.append((f"{main}_sd", "RUB", constant(50.0)))
    outputs = {
        "churn": [("p_churn", "share", linear(0.0, [1 / 400], [SILENCE]))],
        "ltv": value,
    }
    champions = []
    for task, own in outputs.items():
        contract = ScoringContract(
            task=task,
            vocabulary=words,
            observation_days=365,
            active_within_days=365,
            columns={},
            level_sd=0.1 if task == "ltv" and spread else None,
            level_seen=2,
        )
        files = write_files(task=task, features=features, outputs=own, boosters={})
        profile = Profile.of(np.zeros((1, len(features))), features)
        champions.append(
            Champion(
                task=task,
                version=1,
                digest=f"{task}-{horizon}",
                model=StoredModel(files),
                contract=contract,
                profile=profile,
            )
        )
    return champions, ()
