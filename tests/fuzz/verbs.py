"""Verbs run in this process, as the command line runs them, on a shop of a few customers."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

from netlift import cli

CODES = {0, 1, 2, 3, 4, 5, 6}
MOST_TEXT = 4_000
CONFIG = """\
name: fuzz
currency: RUB
time_zone: Europe/Moscow
data:
  tables:
{tables}
  attributes: [region]
models: {{churn: churn.yaml}}
state: state
engine: {{threads: 1}}
score: {{max_data_age_days: 3, max_unseen_share: 0.05, max_drifted_share: 0.2}}
seed: 1
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a verb left."""

    code: int
    out: str
    err: str
    seconds: float


def run_verb(*arguments: str) -> Outcome:
    out, err, begun = io.StringIO(), io.StringIO(), time.perf_counter()
    code = 0
    with patch.object(sys, "argv", ["netlift", *arguments]), contextlib.redirect_stdout(out):
        with contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as left:
                code = int(left.code or 0)
    return Outcome(code=code, out=out.getvalue(), err=err.getvalue(), seconds=time.perf_counter() - begun)


def make_shop(customers: int = 40) -> dict[str, pd.DataFrame]:
    """Five tables that break no rule, ids and regions of which no message may quote any."""
    draws = np.random.default_rng(0)
    ids = np.array([f"CANARY{n:04d}" for n in range(customers)], dtype=object)
    start, n = pd.Timestamp("2025-01-01"), 6 * customers
    treated = np.arange(customers) % 2 == 0
    revenue = np.round(draws.gamma(2.0, 500.0, n), 2)
    return {
        "customers": pd.DataFrame(
            {"customer_id": ids, "joined_at": start, "region": "CANARYREGION", "consent_sms": True}
        ),
        "transactions": pd.DataFrame(
            {
                "customer_id": draws.choice(ids, n),
                "occurred_at": start + pd.to_timedelta(np.sort(draws.integers(1, 10_000, n)), unit="h"),
                "revenue": revenue,
                "margin": np.round(0.3 * revenue, 2),
                "transaction_id": [f"CANARYT{k}" for k in range(n)],
            }
        ),
        "campaigns": pd.DataFrame(
            {"campaign_id": ["K1"], "started_at": [pd.Timestamp("2026-01-10")], "outcome_days": [28], "name": ["K"]}
        ),
        "contacts": pd.DataFrame(
            {
                "campaign_id": "K1",
                "customer_id": ids,
                "assigned_at": pd.Timestamp("2026-01-10"),
                "offer_id": np.where(treated, "sms_1", "control"),
                "propensity": 0.5,
                "contact_cost": np.where(treated, 3.0, 0.0),
            }
        ),
        "offers": pd.DataFrame({"offer_id": ["sms_1"], "channel": ["sms"], "contact_cost": [3.0]}),
    }


def write_config(folder: Path, paths: dict[str, str]) -> Path:
    lines = "\n".join(f"    {name}: {{path: {path}}}" for name, path in paths.items())
    (folder / "config.yaml").write_text(CONFIG.format(tables=lines))
    return folder / "config.yaml"
