"""CPU of the probability models against their peers', and of a whole LTV training against bare LightGBM fits."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from value_findings import Finding, Section, Target
from value_peers import PACKAGES, THREADS, PackageRun, run_package

OUT = Path(__file__).parents[1] / "var" / "bench"
TIMES_LESS, TIMES_BARE = 20.0, 1.3
PURCHASES = {"r": 0.25, "alpha": 4.5, "a": 0.8, "b": 2.4}
SPENDING = {"p": 6.25, "q": 3.74, "gamma": 15.44}
LONGEST_WEEKS = 104


def draw_histories(customers: int, *, seed: int) -> pd.DataFrame:
    """Customers of a BG/NBD and Gamma-Gamma population, in whole days as receipts have them.

    Args:
        customers: How many.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    T = rng.integers(7, 7 * LONGEST_WEEKS + 1, customers)
    rate = rng.gamma(PURCHASES["r"], 1 / PURCHASES["alpha"], customers) / 7
    leaves = rng.beta(PURCHASES["a"], PURCHASES["b"], customers)
    at, last, x = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    here = np.arange(customers)
    while len(here):
        at[here] += rng.exponential(1 / np.maximum(rate[here], 1e-300))
        here = here[at[here] < T[here]]
        day = np.floor(at[here])
        new = day > last[here]
        x[here[new]] += 1
        last[here] = day
        here = here[rng.random(len(here)) >= leaves[here]]
    shape = SPENDING["p"]
    scale = rng.gamma(SPENDING["q"], 1 / SPENDING["gamma"], customers)
    mean = np.where(x > 0, rng.gamma(np.maximum(shape * x, 1e-9)) / np.maximum(x, 1) / scale, np.nan)
    return pd.DataFrame({"x": x, "t_x": last / 7, "T": T / 7, "mean_spend": mean})


def run(*, quick: bool) -> Finding:
    """Both comparisons.

    Args:
        quick: 20,000 customers and one round in place of 500,000 and three; 20,000 rows in place of 2,000,000.
    """
    customers, rounds, rows = (20_000, 1, 20_000) if quick else (500_000, 3, 2_000_000)
    first, targets = _against_packages(customers, rounds, with_ratios=not quick)
    second, ratio = _against_bare(rows)
    targets.append(
        Target(name="CPU of LTV training over bare LightGBM fits", value=ratio, bound=TIMES_BARE, sense="<=")
    )
    return Finding(slug="speed", sections=(first, second), targets=targets)


def _against_packages(customers: int, rounds: int, *, with_ratios: bool) -> tuple[Section, list[Target]]:
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / f"histories-{customers}.parquet"
    draw_histories(customers, seed=7).to_parquet(file)
    runs: dict[str, list[PackageRun]] = {who: [] for who in ("netlift", *PACKAGES)}
    for _ in range(rounds):
        for who, done in runs.items():
            done.append(run_package(who, file))
    rows = [_row(who, done) for who, done in runs.items()]
    ours, targets = rows[0].get("fit_cpu_s"), []
    for row in rows[1:]:
        if "fit_cpu_s" in row and ours and with_ratios:
            ratio = row["fit_cpu_s"] / ours
            targets.append(Target(name=f"CPU of {row['who']} over ours", value=ratio, bound=TIMES_LESS, sense=">="))
    predicted = (
        f"BG/NBD on {customers:,} simulated customers and Gamma-Gamma on their repeat days; fit_cpu_s is of the fits "
        f"(imports left out, compilation in the process not), cpu_s of the whole process; medians of {rounds}, one "
        "thread, in turn."
    )
    return Section(title="Probability models", predicted=predicted, rows=rows), targets


def _row(who: str, runs: list[PackageRun]) -> dict[str, Any]:
    errors = [run.error for run in runs if run.error]
    if errors:
        return {"who": who, "error": errors[0]}
    names = ("fit_cpu_s", "cpu_s", "wall_s", "peak_mb")
    middle = {name: round(statistics.median(getattr(run, name) for run in runs), 3) for name in names}
    return {"who": who, **middle, **{name: float(f"{value:.5g}") for name, value in runs[0].parameters.items()}}


def _against_bare(rows: int) -> tuple[Section, float | None]:
    """A training of `stack` in a process of its own, and the same LightGBM fits done bare."""
    argv = [sys.executable, "-W", "ignore", str(Path(__file__)), str(rows)]
    done = subprocess.run(
        argv, capture_output=True, text=True, env={**os.environ, **dict.fromkeys(THREADS, "1")}, check=False
    )
    title = "LTV training"
    predicted = (
        f"Fit of the candidate stack on {rows:,} rows (customers x 4 cutoffs) x 60 synthetic features, with search, "
        "cross-fitting and calibration, one thread. Bare: for every booster that it fitted, one lgb.Dataset and one "
        "lgb.train of as many rows, with the same labels, parameters and number of trees, and nothing else."
    )
    if done.returncode:
        error = (done.stderr.strip().splitlines() or ["said nothing"])[-1]
        return Section(title=title, predicted=predicted, rows=[{"who": "netlift stack", "error": error}]), None
    said = json.loads(done.stdout.splitlines()[-1])
    rows_told = [
        {"who": "netlift stack", "cpu_s": said["ours"], "boosters": said["boosters"]},
        {"who": "bare LightGBM", "cpu_s": said["bare"], "boosters": said["boosters"]},
    ]
    return Section(title=title, predicted=predicted, rows=rows_told), said["ours"] / said["bare"]


def time_training(rows: int) -> dict[str, float]:
    """CPU seconds of a fit of `stack`, and of the same LightGBM fits done bare."""
    import lightgbm as lgb
    from value_cases import SEED, definition_of, settings_of

    from netlift.estimators.boosting.lightgbm import Machine
    from netlift.estimators.cross_fit import Folds
    from netlift.estimators.value.btyd import newest_of
    from netlift.estimators.value.ltv import Horizon, fit_tuned_ltv, tune_ltv

    known = _synthetic(rows)
    search = definition_of(settings_of("demo"), "ltv").search
    fits: list[tuple[dict[str, Any], np.ndarray, int]] = []
    bare_train = lgb.train

    def noted(params: dict[str, Any], train_set: Any, *args: Any, **more: Any) -> Any:
        fitted = bare_train(params, train_set, *args, **more)
        fits.append((dict(params), train_set.get_label(), fitted.current_iteration()))
        return fitted

    lgb.train = noted
    begun = time.process_time()
    asked = {"horizon": Horizon(days=182), "machine": Machine(seed=SEED, threads=1)}
    tunings = tune_ltv("stack", known, search=search, progress=lambda *_: None, **asked)
    fit_tuned_ltv("stack", known, tunings, newest=newest_of(known), folds=Folds(number=search.folds), **asked)
    ours = time.process_time() - begun
    lgb.train = bare_train
    bare = sum(_bare_cpu(known.X, *fit) for fit in fits)
    return {"ours": ours, "bare": bare, "boosters": len(fits)}


def _bare_cpu(X: np.ndarray, params: dict[str, Any], y: np.ndarray, trees: int) -> float:
    import lightgbm as lgb

    rows = np.asfortranarray(X[: len(y)])
    begun = time.process_time()
    lgb.train(params, lgb.Dataset(rows, y, params=params), num_boost_round=max(1, trees))
    return time.process_time() - begun


def _synthetic(rows: int) -> Any:
    """Customers at 4 cutoffs with 60 features, those that the probability models read among them."""
    from netlift.estimators.rows import LabelledRows
    from netlift.features.matrix import Feature

    rng = np.random.default_rng(7)
    people = rows // 4
    histories = pd.concat([draw_histories(people, seed=seed) for seed in range(4)], ignore_index=True)
    days = histories.x.to_numpy() + 1
    per_day = rng.gamma(4.0, 10.0, len(days))
    columns = {
        "purchase_days_all": days,
        "age_at_last_purchase_days": np.round(7 * histories.t_x),
        "days_since_first_purchase": np.round(7 * histories["T"]),
        "days_since_last_purchase": np.round(7 * (histories["T"] - histories.t_x)),
        "margin_all": days * per_day,
        "tenure_days": np.round(7 * histories["T"]),
    }
    own = np.column_stack(list(columns.values()))
    noise = rng.standard_normal((len(days), 60 - own.shape[1])) + 0.2 * np.log(days)[:, None]
    X = np.asfortranarray(np.column_stack([own, noise]), dtype=np.float32)
    names = [*columns, *(f"feature_{i}" for i in range(60 - own.shape[1]))]
    still = np.exp(-columns["days_since_last_purchase"] / 200) * days / (20 + days)
    y = np.where(rng.random(len(days)) < still, rng.gamma(1.5, per_day), 0.0)
    cutoffs = np.array(["2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01"], dtype="datetime64[us]")
    return LabelledRows(
        X=X,
        features=tuple(Feature(name=name, unit="", source="", formula="") for name in names),
        y=y,
        customer=np.tile(np.arange(people), 4),
        cutoff=np.repeat(cutoffs, people),
    )


if __name__ == "__main__":
    print(json.dumps(time_training(int(sys.argv[1]))))
