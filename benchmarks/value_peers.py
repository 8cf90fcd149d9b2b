"""Peers of the value models: plain LightGBM with each loss, and the probability models of other packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

from netlift.estimators.rows import LabelledRows

PLAIN = {"learning_rate": 0.03, "num_leaves": 15, "verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 7}
ROUNDS = 250
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGES = ("lifetimes", "pymc-marketing")
CACHE = Path(__file__).parents[1] / "var" / "cache" / "pytensor"


def plain_lightgbm(known: LabelledRows, test: LabelledRows) -> dict[str, np.ndarray]:
    """Predictions of LightGBM as most people fit it: 250 trees, rate .03, 15 leaves, one loss each.

    Args:
        known: Rows to learn from; negative labels count as nothing where the loss cannot take them.
        test: Rows to predict.
    """
    y, bought = np.maximum(known.y, 0.0), known.y > 0

    def fit(loss: str, label: np.ndarray, rows: np.ndarray | slice = slice(None), **more: float) -> np.ndarray:
        data = lgb.Dataset(known.X[rows], label[rows])
        return np.asarray(lgb.train(PLAIN | {"objective": loss} | more, data, ROUNDS).predict(test.X))

    chance = fit("binary", bought.astype(np.float64))
    logs = np.log(np.where(bought, y, 1.0))
    data = lgb.Dataset(known.X[bought], logs[bought])
    on_log = lgb.train(PLAIN | {"objective": "regression"}, data, ROUNDS)
    smear = float(np.mean(np.exp(logs[bought] - on_log.predict(known.X[bought]))))
    return {
        "LightGBM, squared": fit("regression", known.y),
        "LightGBM, Tweedie 1.5": fit("tweedie", y, tweedie_variance_power=1.5),
        "LightGBM, Tweedie 1.8": fit("tweedie", y, tweedie_variance_power=1.8),
        "LightGBM, two-part gamma": chance * fit("gamma", y, bought),
        "LightGBM, two-part log and smearing": chance * np.exp(on_log.predict(test.X)) * smear,
    }


@dataclass(frozen=True, kw_only=True)
class PackageRun:
    """A probability model fitted by one package in a process of its own.

    Attributes:
        who: The package.
        cpu_s: CPU seconds of the whole process.
        wall_s: Its wall seconds.
        peak_mb: Its peak memory.
        fit_cpu_s: CPU seconds of the fits alone, imports left out, compilation not.
        parameters: What it found.
        expected: Expected purchases by customer, shape (n,); None where not asked for.
        error: Why there is none of it.
    """

    who: str
    cpu_s: float = float("nan")
    wall_s: float = float("nan")
    peak_mb: float = float("nan")
    fit_cpu_s: float = float("nan")
    parameters: Mapping[str, float] = field(default_factory=dict)
    expected: np.ndarray | None = None
    error: str | None = None


def run_package(who: str, histories: Path, *, weeks: float | None = None) -> PackageRun:
    """Fit BG/NBD, and Gamma-Gamma where there is spend, by one package; see `value_contenders.py`.

    Args:
        who: netlift, lifetimes or pymc-marketing.
        histories: Parquet file of histories.
        weeks: Also predict the purchases of so many weeks.
    """
    script = Path(__file__).with_name("value_contenders.py")
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTENSOR_FLAGS": f"base_compiledir={CACHE}"}
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        out, complaints = Path(folder) / "expected.parquet", Path(folder) / "stderr"
        argv = [sys.executable, "-W", "ignore", str(script), who, str(histories)]
        argv += ["--weeks", str(weeks), "--out", str(out)] if weeks else []
        begun = time.perf_counter()
        with (
            complaints.open("w") as errors,
            subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as child,
        ):
            said = child.stdout.read() if child.stdout else ""
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begun
        lines = [line for line in said.splitlines() if line.startswith("{")]
        if not lines:
            reason = (complaints.read_text().strip().splitlines() or ["said nothing"])[-1]
            return PackageRun(who=who, error=f"left with {child.returncode}: {reason}")
        answer = json.loads(lines[-1])
        if "error" in answer:
            return PackageRun(who=who, error=answer["error"])
        return PackageRun(
            who=who,
            cpu_s=usage.ru_utime + usage.ru_stime,
            wall_s=wall,
            peak_mb=usage.ru_maxrss / 1024,
            fit_cpu_s=answer["cpu_s"],
            parameters=answer["parameters"],
            expected=pd.read_parquet(out)["expected"].to_numpy() if weeks else None,
        )
