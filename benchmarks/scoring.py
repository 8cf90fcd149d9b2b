"""Scoring many customers: netlift's compiled forests against LightGBM's own predict.

One contender is one process with one thread. It reads the same Parquet file of 60 features, scores it batch by batch
and writes what it found. `t`: a forest for control and one for each of ten offers. `s`: one forest, asked for control
and every offer, which is a constant column behind the features. `one`: one forest, whose whole process is judged.
`cpu_s`, `wall_s` and `peak_mb` are of the whole process, imports included; `in_process_cpu_s` is of scoring alone.
Scores are compared number by number.

    python benchmarks/scoring.py --quick
    python benchmarks/scoring.py --cases one --rows 5000000
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path(__file__).parents[1] / "var" / "bench"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
WHO = ("netlift", "LightGBM")
FEATURES, OFFERS, TREES, LEAVES = 60, 10, 200, 31
LEARN_ROWS, BATCH = 30_000, 1 << 18
ROWS = {"t": 1_000_000, "s": 1_000_000, "one": 5_000_000}
QUICK_ROWS = {"t": 50_000, "s": 50_000, "one": 200_000}
IN_PROCESS = {"t": 10.0, "s": 30.0}  # times less CPU
WHOLE_PROCESS, LARGEST_DIFFERENCE = 4.0, 1e-12
Score = Callable[[np.ndarray], np.ndarray]


def draw_features(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Numbers, counts and missing values, float32, shape (rows, 60)."""
    X = rng.standard_normal((FEATURES, rows), dtype=np.float32)
    X[30:45] = np.floor(3 * np.abs(X[30:45]))
    X[50:][rng.random((FEATURES - 50, rows)) < 0.2] = np.nan
    return X.T


def write_rows(path: Path, *, rows: int, seed: int) -> None:
    """Customers to score."""
    rng = np.random.default_rng(seed)
    names = [f"f{i:02d}" for i in range(FEATURES)]
    with pq.ParquetWriter(path, pa.schema([(name, pa.float32()) for name in names]), use_dictionary=False) as writer:
        for first in range(0, rows, BATCH):
            X = draw_features(rng, min(BATCH, rows - first))
            writer.write_table(pa.table(dict(zip(names, X.T, strict=True))))


def write_forests(folder: Path, *, seed: int) -> None:
    """The forests of all cases: rows of a campaign with ten offers, margins that depend on features and offer."""
    import lightgbm as lgb

    rng = np.random.default_rng(seed)
    X = draw_features(rng, LEARN_ROWS)
    arm = rng.integers(0, OFFERS + 1, LEARN_ROWS)
    F = np.nan_to_num(X)
    y = F[:, :20] @ rng.normal(size=20) + F[:, 20] * F[:, 21] + F[:, 30:60] @ rng.normal(size=30)
    y += 0.3 * arm + (arm % 3) * np.tanh(F[:, 22]) + 3 * rng.normal(size=LEARN_ROWS)
    params = {"num_leaves": LEAVES, "learning_rate": 0.05, "min_data_in_leaf": 20, "num_threads": 1, "seed": seed}

    def fit(X: np.ndarray, y: np.ndarray) -> str:
        return lgb.train(params | {"verbosity": -1, "max_bin": 127}, lgb.Dataset(X, y), TREES).model_to_string()

    folder.mkdir(parents=True)
    flags = np.eye(OFFERS + 1, dtype=np.float32)[arm, 1:]
    (folder / "s.txt").write_text(fit(np.column_stack([X, flags]), y))
    for j in range(OFFERS + 1):
        (folder / f"t{j}.txt").write_text(fit(X[arm == j], y[arm == j]))


def prepare_netlift(case: str, texts: dict[str, str]) -> Score:
    """The stored form, as `netlift score` reads it."""
    from netlift.estimators.compiled_forest import COMPILED
    from netlift.estimators.expression import booster, linear, write_files
    from netlift.estimators.stored import StoredModel
    from netlift.features.matrix import Feature

    if case == "s":
        arms = [booster("s.txt", append=flags.tolist()) for flags in np.eye(OFFERS + 1)[:, 1:]]
    else:
        arms = [booster(name) for name in texts]
    outputs = [(f"uplift_{j}", "currency", linear(0.0, [1.0, -1.0], [arms[j], arms[0]])) for j in range(1, len(arms))]
    features = [Feature(name=f"f{i:02d}", unit="ratio", source="", formula="") for i in range(FEATURES)]
    outputs = outputs or [("score", "currency", arms[0])]
    model = StoredModel(write_files(task="uplift", features=features, outputs=outputs, boosters=texts))

    def score(X: np.ndarray) -> np.ndarray:
        found = np.column_stack(list(model.predict_matrix(X).values()))
        if set(model.routes.values()) != {COMPILED}:
            raise RuntimeError(f"not compiled: {model.routes}")
        return found

    return score


def prepare_lightgbm(case: str, texts: dict[str, str]) -> Score:
    """Boosters asked as LightGBM's documentation says."""
    import lightgbm as lgb

    boosters = [lgb.Booster(model_str=text) for text in texts.values()]

    def ask(booster: Any, X: np.ndarray) -> np.ndarray:
        return np.asarray(booster.predict(X, raw_score=True, num_threads=1))

    def score(X: np.ndarray) -> np.ndarray:
        if case == "one":
            return ask(boosters[0], X)[:, None]
        if case == "t":
            arms = [ask(booster, X) for booster in boosters]
        else:
            wide = np.zeros((len(X), FEATURES + OFFERS), dtype=np.float32, order="F")
            wide[:, :FEATURES] = X
            arms = []
            for j in range(OFFERS + 1):
                wide[:, FEATURES:] = np.eye(OFFERS + 1)[j, 1:]
                arms.append(ask(boosters[0], wide))
        return np.column_stack([arm - arms[0] for arm in arms[1:]])

    return score


def iterate_batches(path: Path) -> Iterator[np.ndarray]:
    """Rows of a Parquet file, float32, Fortran order."""
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(batch_size=BATCH):
        X = np.empty((batch.num_rows, FEATURES), dtype=np.float32, order="F")
        for i, column in enumerate(batch.columns):
            X[:, i] = column.to_numpy(zero_copy_only=False)
        yield X


def contend(who: str, case: str, path: Path, forests: Path, out: Path) -> float:
    """Score a file; CPU seconds of scoring alone."""
    names = {"t": [f"t{j}.txt" for j in range(OFFERS + 1)], "s": ["s.txt"], "one": ["t0.txt"]}[case]
    texts = {name: (forests / name).read_text() for name in names}
    score = {"netlift": prepare_netlift, "LightGBM": prepare_lightgbm}[who](case, texts)
    spent = 0.0
    with out.open("wb") as file:
        for X in iterate_batches(path):
            begun = time.process_time()
            found = score(X)
            spent += time.process_time() - begun
            file.write(np.ascontiguousarray(found).tobytes())
    return spent


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process of one contender."""

    case: str
    who: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    in_process_cpu_s: float
    error: str | None = None


def run_contender(who: str, case: str, path: Path, forests: Path, out: Path) -> Run:
    argv = [sys.executable, __file__, "--contend", who, case, str(path), str(forests), str(out)]
    begun = time.perf_counter()
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as child:
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        case=case,
        who=who,
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=time.perf_counter() - begun,
        peak_mb=usage.ru_maxrss / 1024,
        in_process_cpu_s=float(said) if child.returncode == 0 else float("nan"),
        error=f"left with {child.returncode}" if child.returncode else None,
    )


@dataclass(kw_only=True)
class Found:
    """What the contenders of a case did."""

    case: str
    rows: int
    runs: list[Run] = field(default_factory=list)
    largest_difference: float = float("nan")

    def table(self) -> list[dict[str, Any]]:
        """A row per contender, medians of its runs."""
        table = []
        for who in WHO:
            own = [run for run in self.runs if run.who == who]
            row: dict[str, Any] = {"case": f"{self.case}, {self.rows:,} rows", "who": who}
            errors = [run.error for run in own if run.error]
            if errors:
                table.append(row | {"error": errors[0]})
                continue
            names = ("cpu_s", "wall_s", "peak_mb", "in_process_cpu_s")
            middle = {name: round(statistics.median(getattr(run, name) for run in own), 3) for name in names}
            inside = middle.pop("in_process_cpu_s")
            figures = {"in_process_cpu_s": inside, "rows_per_cpu_s": round(self.rows / inside)}
            table.append(row | middle | {"figures": figures})
        return table

    def targets(self) -> list[dict[str, Any]]:
        """What is promised, ratios for full sizes only; what a failed contender leaves unknown is missed."""
        ours, theirs = self.table()
        targets = [
            _target(f"{self.case}: largest difference from LightGBM", self.largest_difference, LARGEST_DIFFERENCE, "<=")
        ]
        if self.rows < ROWS[self.case]:
            return targets
        if self.case in IN_PROCESS:
            inside = _ratio(theirs.get("figures", {}), ours.get("figures", {}), "in_process_cpu_s")
            name = f"{self.case}: CPU of LightGBM over netlift's, scoring alone"
            targets.append(_target(name, inside, IN_PROCESS[self.case], ">="))
        if self.case == "one":
            name = "one: CPU of LightGBM over netlift's, whole process"
            targets.append(_target(name, _ratio(theirs, ours, "cpu_s"), WHOLE_PROCESS, ">="))
        return targets


def _ratio(over: dict[str, Any], under: dict[str, Any], name: str) -> float:
    return over[name] / under[name] if name in over and name in under else float("nan")


def _target(name: str, value: float, bound: float, sense: str) -> dict[str, Any]:
    met = value >= bound if sense == ">=" else value <= bound
    known = float(f"{value:.4g}") if math.isfinite(value) else None
    return {"name": name, "value": known, "bound": bound, "sense": sense, "met": bool(met)}


def measure(case: str, rows: int, *, rounds: int, seed: int) -> Found:
    """Let contenders take turns on a case, and compare what they found."""
    folder = OUT / f"scoring-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    path, forests = folder / "features.parquet", OUT / f"scoring-forests-{seed}"
    if not path.exists():
        write_rows(path, rows=rows, seed=seed)
    if not forests.exists():
        write_forests(forests, seed=seed)
    found, outs = Found(case=case, rows=rows), [folder / f"{case}-{who}.bin" for who in WHO]
    for _ in range(rounds):
        for who, out in zip(WHO, outs, strict=True):
            found.runs.append(run_contender(who, case, path, forests, out))
            print(found.runs[-1], file=sys.stderr)
    if not any(run.error for run in found.runs):
        ours, theirs = (np.memmap(out, dtype=np.float64) for out in outs)
        found.largest_difference = float(np.abs(ours - theirs).max())
    for out in outs:
        out.unlink(missing_ok=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows; ratios are judged at full size only")
    parser.add_argument("--cases", nargs="+", choices=tuple(ROWS), default=list(ROWS))
    parser.add_argument("--rows", type=int, help="of every case")
    parser.add_argument("--rounds", type=int, default=1, help="how often each contender runs; medians are reported")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--contend", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contend:
        who, case, *paths = asked.contend
        print(contend(who, case, *(Path(path) for path in paths)))
        return
    sizes = QUICK_ROWS if asked.quick else ROWS
    cases = [measure(c, asked.rows or sizes[c], rounds=asked.rounds, seed=asked.seed) for c in asked.cases]
    targets = [target for found in cases for target in found.targets()]
    result = {"rows": [row for found in cases for row in found.table()], "targets": targets}
    path = asked.json or OUT / ("scoring-quick.json" if asked.quick else "scoring.json")
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in result["rows"]:
        print(json.dumps(row))
    for target in targets:
        verdict = "met   " if target["met"] else "MISSED"
        print(f"{verdict} {target['name']}: {target['value']} {target['sense']} {target['bound']}")


if __name__ == "__main__":
    main()
