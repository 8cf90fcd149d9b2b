"""A small retailer whose effects are written by hand, for the tests of decisions."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from segment_world import HOUSE, MARGIN, SILENCE, make_retailer, write_config

from netlift.config.business import load
from netlift.data.checks.findings import CheckReport
from netlift.decisions.launch_check.forecast import fit_line
from netlift.decisions.run import decide as decide_run
from netlift.decisions.run.decide import DecideRequest
from netlift.estimators.expression import constant, linear, write_files
from netlift.estimators.stored import StoredModel
from netlift.features.catalogue import build_catalogue
from netlift.features.profile import Profile
from netlift.features.vocabulary import Vocabulary
from netlift.pipelines import decide as module
from netlift.pipelines.decide import decide_business
from netlift.progress import Silent
from netlift.registry.champions import Champion
from netlift.registry.scoring_contract import ScoringContract
from netlift.results import Table

NOW = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)
AS_OF = date(2026, 10, 1)
BUDGET = 2000.0
OFFERS = ("email_discount_10", "sms_bonus_300", "push_reminder", "call_advice")
WORDS = Vocabulary(attributes={}, sources=())
FEATURES = tuple(
    f for f in build_catalogue(WORDS) if f.name in ("days_since_last_purchase", "margin_365d", "tenure_days")
)
TENURE = {"op": "column", "name": "tenure_days"}
EFFECTS = {
    "email_discount_10": linear(5.0, [0.01], [MARGIN]),
    "sms_bonus_300": linear(-15.0, [0.02, 0.02], [MARGIN, TENURE]),
    "push_reminder": linear(2.0, [0.002], [MARGIN]),
    "call_advice": linear(-60.0, [0.04], [MARGIN]),
}
HALF_TRUE = [
    {
        "rows": 1000,
        "predicted": x,
        "observed": {"point": 0.5 * x, "ci_lower": 0.5 * x - 20, "ci_upper": 0.5 * x + 20, "level": 0.95},
    }
    for x in (10.0, 40.0, 80.0, 200.0)
]
EVIDENCE = fit_line(HALF_TRUE)
UNCHECKED = CheckReport(
    as_of=None,
    tables=Table(name="tables", rows=()),
    findings=Table(name="findings", rows=()),
    sample_ratios=Table(name="sample ratios", rows=()),
)


def small_budget(decision):
    decision["budget"] = BUDGET
    decision["channels"]["sms"]["at_most"] = 60
    decision["channels"]["call"]["at_most"] = 20
    decision["explore"]["epsilon"] = 0.2


def make_world(folder: Path, *, customers: int = 600) -> Path:
    """The demo's config with a small world beside it, its files as old as the night; returns the config."""
    make_retailer(folder, customers=customers)
    touch(folder)
    return configure(folder)


def configure(folder: Path, change=lambda decision: None, name: str = "demo", more=lambda content: None) -> Path:
    """The config with its decision block changed; without strategies, whose segments take as long as all the rest."""

    def both(content):
        content["models"]["uplift"] = str(HOUSE / "models" / "uplift.yaml")
        content["score"]["max_drifted_share"] = 1.0
        content["decision"] |= {"strategies": [], "journeys": []}
        content["decision"]["triggers"] = [one for one in content["decision"]["triggers"] if "offers" in one]
        change(content["decision"])
        more(content)

    return write_config(folder, both, name)


def touch(folder: Path, at: datetime = NOW) -> None:
    """Make the tables as old as an hour before a moment."""
    for path in (folder / "var" / "demo").glob("*.parquet"):
        os.utime(path, (at.timestamp() - 3600,) * 2)


def rewrite(folder: Path, table: str, change) -> None:
    """Change a table in place; it stays as old as it was."""
    path = folder / "var" / "demo" / f"{table}.parquet"
    changed = change(pd.read_parquet(path))
    changed.to_parquet(path)
    touch(folder)


def uplift_files(effects=EFFECTS, rewards=MappingProxyType({})) -> dict[str, bytes]:
    outputs = [(f"uplift_{offer}", "RUB", effect) for offer, effect in effects.items()]
    outputs += [(f"reward_{offer}", "RUB", reward) for offer, reward in rewards.items()]
    return write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={})


def contract_of(task: str, active: int | None = None) -> ScoringContract:
    return ScoringContract(task=task, vocabulary=WORDS, observation_days=365, active_within_days=active, columns={})


def champion_of(task: str, files: dict[str, bytes], *, active: int | None = None) -> Champion:
    return Champion(
        task=task,
        version=1,
        digest=f"{task}-1",
        model=StoredModel(files),
        contract=contract_of(task, active),
        profile=Profile([], [], [], []),
    )


def make_deciders(effects=EFFECTS, *, tasks=("uplift",), rewards=MappingProxyType({})):
    """Champions by hand, as `find_deciders` finds them."""
    churn = [("p_churn", "share", linear(0.0, [1 / 400], [SILENCE]))]
    ltv = [("ltv_182d", "RUB", linear(0.0, [0.5], [MARGIN])), ("ltv_182d_sd", "RUB", constant(5.0))]
    files = {"uplift": uplift_files(effects, rewards)}
    files["churn"] = write_files(task="churn", features=FEATURES, outputs=churn, boosters={})
    files["ltv"] = write_files(task="ltv", features=FEATURES, outputs=ltv, boosters={})
    found = {task: champion_of(task, files[task], active=None if task == "uplift" else 365) for task in tasks}
    return found, tuple(task for task in ("churn", "ltv") if task not in tasks)


def decide(
    config: Path,
    patch,
    *,
    effects=EFFECTS,
    tasks=("uplift",),
    now=NOW,
    evidence=EVIDENCE,
    kept=None,
    checked=False,
    rewards=MappingProxyType({}),
    scored=None,
    **asked,
):
    """A run with champions made by hand, on tables that were checked before unless told otherwise; returns it."""
    if not checked:
        patch.setattr(module, "read_sound", lambda tables, *_, **__: (tables, UNCHECKED))
    patch.setattr(module, "find_deciders", lambda _: make_deciders(effects, tasks=tasks, rewards=rewards))
    for reader in (module, decide_run):
        patch.setattr(reader, "read_evidence", lambda *_: evidence)
    patch.setattr(module, "find_champions_file", lambda *_: kept)
    request = DecideRequest(**{"as_of": AS_OF, **asked})
    return decide_business(load(config), request, progress=Silent(), now=now, lock_timeout=0, scored=scored)


def read_run(run) -> dict[str, pd.DataFrame]:
    """Its log, contacts, campaign and lists."""
    folder = Path(run.path)
    names = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
    names["lists"] = pd.concat([frame for name, frame in names.items() if name.startswith("export_")])
    return names


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "var" / "demo" / f"{name}.parquet")


def days(frame: pd.Series, as_of: date = AS_OF) -> np.ndarray:
    """Whole days from a moment's day to the day."""
    return (pd.Timestamp(as_of) - frame.dt.normalize()).dt.days.to_numpy()
