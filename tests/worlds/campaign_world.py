"""A small retailer before a campaign: customers with households and consents, receipts of two years, past contacts."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from netlift.abtest.design.request import DesignRequest
from netlift.config.business import load
from netlift.config.plan import dump_plan, freeze_plan
from netlift.data.write import write_bytes
from netlift.pipelines.assign import assign_campaign
from netlift.pipelines.design import design_campaign
from netlift.progress import Silent

END = datetime(2026, 10, 1)
START = datetime(2026, 10, 5)
CUSTOMERS = 3000
OFFERS = pd.DataFrame(
    {
        "offer_id": ["sms_bonus", "email_discount", "call_advice"],
        "channel": ["sms", "email", "call"],
        "contact_cost": [4.5, 0.5, 45.0],
    }
)


def make_world(folder: Path, *, seed: int = 1, change=lambda frames: None) -> Path:
    """Write the tables and a config; returns the config."""
    frames = make_frames(seed)
    change(frames)
    tables = folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_parquet(tables / f"{name}.parquet", index=False)
    content = {
        "name": "shop",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "data": {
            "tables": {name: {"path": f"tables/{name}.parquet"} for name in frames},
            "attributes": ["region", "household"],
        },
        "models": {"churn": "churn.yaml"},
        "state": "var",
        "engine": {"threads": 1},
        "score": {"max_data_age_days": 3, "max_unseen_share": 0.1, "max_drifted_share": 0.2},
        "seed": 1,
    }
    path = folder / "shop.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def make_frames(seed: int) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    ids = np.array([f"{i:06d}" for i in range(CUSTOMERS)])
    joined = END - pd.to_timedelta(rng.integers(1, 900, CUSTOMERS), unit="D")
    habit = rng.gamma(0.5, 6.0, CUSTOMERS)
    count = rng.poisson(habit)
    owner = np.repeat(np.arange(CUSTOMERS), count)
    age = (END - joined).days.to_numpy()[owner]
    occurred = END - pd.to_timedelta(rng.random(len(owner)) * age * 86_399, unit="s") - pd.Timedelta(hours=1)
    margin = rng.lognormal(2.5, 1.0, len(owner)).round(2)
    consent = {f"consent_{channel}": rng.random(CUSTOMERS) < 0.8 for channel in ("sms", "email")}
    consent["consent_sms"] = pd.array(consent["consent_sms"], dtype="boolean")
    consent["consent_sms"][:30] = pd.NA
    started = END - timedelta(days=10)
    shared = rng.permutation(CUSTOMERS)[:400]
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "joined_at": joined,
                "region": rng.choice(["north", "south", "east"], CUSTOMERS, p=[0.6, 0.3, 0.1]),
                "household": [None if i % 5 == 0 else f"h{i // 2}" for i in range(CUSTOMERS)],
                **consent,
            }
        ),
        "transactions": pd.DataFrame(
            {
                "customer_id": ids[owner],
                "occurred_at": occurred.floor("s"),
                "revenue": (3 * margin).round(2),
                "margin": margin,
                "transaction_id": [str(i) for i in range(len(owner))],
                "is_return": False,
            }
        ),
        "campaigns": pd.DataFrame(
            {"campaign_id": ["C01"], "started_at": [started], "outcome_days": [28], "randomized": [True]}
        ),
        "contacts": pd.DataFrame(
            {
                "campaign_id": "C01",
                "customer_id": ids[shared],
                "assigned_at": started,
                "offer_id": np.where(np.arange(400) < 100, "control", "sms_bonus"),
                "propensity": np.where(np.arange(400) < 100, 0.25, 0.75),
            }
        ),
        "offers": OFFERS,
    }


def request(**changes) -> DesignRequest:
    plain = {
        "campaign_id": "C12",
        "hypothesis": "A bonus brings sleepers back",
        "offers": ("sms_bonus",),
        "start": START,
        "outcome_days": 28,
        "tolerance": 500.0,
        "control_share": 0.2,
        "language": "en",
    }
    return DesignRequest(**plain | changes)


def run_design(config: Path, **changes):
    experiments = config.parent / "experiments"
    now = datetime(2026, 10, 4)
    return design_campaign(
        load(config), request(**changes), experiments=experiments, progress=Silent(), now=now, lock_timeout=0
    )


def make_plan(config: Path, *, campaign_id: str, slug: str = "", offers: tuple[str, ...] = ("sms_bonus",), **changes):
    """A frozen plan beside the config, without a design; returns its file."""
    known = OFFERS.set_index("offer_id")
    control = changes.pop("control_share", 0.2)
    holdout = changes.pop("holdout_share", 0.0)
    if holdout:
        changes["holdout"] = {"share": holdout, "salt": "shop-holdout", "rotate_months": 6, "washout_days": 28}
    arms = [
        {
            "offer_id": offer,
            "share": (1 - control) / len(offers),
            "channel": known.channel[offer],
            "contact_cost": float(known.contact_cost[offer]),
            "reward": 0.0,
            "reward_share": 0.0,
        }
        for offer in offers
    ]
    plain = {
        "campaign_id": campaign_id, "name": campaign_id, "hypothesis": "x", "metric": "incremental_profit",
        "currency": "EUR", "start": START, "outcome_days": 28, "control_share": control, "arms": arms,
        "fixed_cost": 0.0, "eligible": (), "strata": (), "segments": (), "looks": 1, "level": 0.95, "tolerance": 500.0,
        "salt": f"shop/{campaign_id}",
    }  # fmt: skip
    path = config.parent / "experiments" / (slug or campaign_id.lower()) / "plan.yaml"
    write_bytes(path, dump_plan(freeze_plan(**plain | changes)))
    return path


def run_assign(config: Path, plan: str | Path, *, language: str = "en"):
    now = datetime(2026, 10, 4)
    return assign_campaign(load(config), Path(plan), progress=Silent(), now=now, lock_timeout=0, language=language)
