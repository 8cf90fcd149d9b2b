"""Whom does a contact change? netlift against the uplift libraries, in three worlds whose effects are known.

Every contender is a whole process with one thread: it draws the same campaign of two offers and control, learns from
it, and is asked about 200,000 fresh customers whose true profit under every arm is known (`uplift_worlds`). Contenders
take turns within a seed, seeds within a world; medians and ranges over seeds are reported, and nothing on one seed.
`cpu_s`, `wall_s` and `peak_mb` are of whole processes, imports and drawing included; `fit_cpu_s` and `predict_cpu_s`
are in process, after a small fit that imports and compiles. A contender that fails, or takes more CPU than the limit,
is named with its error.

    python benchmarks/uplift.py --quick
    python benchmarks/uplift.py --rows 100000 1000000 --seeds 1 2 3 4 5 6 7 8
    python benchmarks/uplift.py --resume --worlds A --who "netlift as shipped" "causalml S"
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from uplift_contenders import FRESH_ROWS, SHIPPED, names
from uplift_evaluation import draw, measure
from uplift_readout import render, summarise, target
from uplift_worlds import WORLDS

ROOT = Path(__file__).parents[1]
OUT = ROOT / "var" / "bench"
READOUT = ROOT / "experiments" / "2026-11-uplift-peers" / "readout.md"
THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
SLOW = ("causalml UpliftRandomForest", "econml CausalForestDML")
EVALUATED_ROWS = 1_000_000
Key = tuple[str, int, int, str, int]


def run_contender(key: Key, *, fresh: int, cpu_limit: int) -> dict[str, Any]:
    """One process of one contender; what it says, and what the process took."""
    world, rows, seed, who, trials = key
    argv = [sys.executable, str(Path(__file__).with_name("uplift_contenders.py")), who, world, "--rows", str(rows)]
    argv += ["--seed", str(seed), "--trials", str(trials), "--fresh", str(fresh), "--cpu-limit", str(cpu_limit)]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "OMP_WAIT_POLICY": "passive", "MPLBACKEND": "agg"}
    begun = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment) as child,
    ):
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        complaints.seek(0)
        last = (complaints.read().strip().splitlines() or [""])[-1]
    found: dict[str, Any] = dict(zip(("world", "rows", "seed", "who", "trials"), key, strict=True))
    found |= {"cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": time.perf_counter() - begun}
    found["peak_mb"] = usage.ru_maxrss / 1024
    if child.returncode == 0:
        return found | json.loads(said.splitlines()[-1])
    over = found["cpu_s"] >= cpu_limit - 1
    return found | {"error": f"more than {cpu_limit:,} s of CPU" if over else last or f"left with {child.returncode}"}


def time_evaluation(rows: int) -> dict[str, Any]:
    """CPU of judging two models on many rows, every figure with its interval (`uplift_evaluation`)."""
    logged, truth = draw(rows, rows, seed=1)
    rng, begun = np.random.default_rng(2), time.perf_counter()
    spent = measure(logged, *(truth + noise * rng.normal(size=truth.shape) for noise in (0.3, 0.6)))
    took = {"cpu_s": round(sum(spent.values()), 2), "wall_s": round(time.perf_counter() - begun, 2)}
    figures = {part: round(seconds, 2) for part, seconds in spent.items()}
    return {"case": f"evaluation of 2 models, {rows:,} rows", "who": "netlift", **took, "figures": figures}


def plan(asked: argparse.Namespace) -> list[Key]:
    """Runs in their order: contenders take turns within a seed; the slow forests on the first seeds only."""
    return [
        (world, rows, seed, who, asked.trials)
        for rows in asked.rows
        for world in asked.worlds
        for i, seed in enumerate(asked.seeds)
        for who in asked.who
        if who not in SLOW or i < asked.forest_seeds
    ]


def read_runs(path: Path) -> dict[Key, dict[str, Any]]:
    """Runs of an earlier, unfinished call, those with errors left out."""
    if not path.exists():
        return {}
    runs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(r["world"], r["rows"], r["seed"], r["who"], r["trials"]): r for r in runs if "error" not in r}


def run_all(asked: argparse.Namespace, keys: Iterable[Key], path: Path) -> list[dict[str, Any]]:
    """Every run, written down as it ends."""
    known, runs = (read_runs(path) if asked.resume else {}), []
    path.parent.mkdir(parents=True, exist_ok=True)
    if not asked.resume:
        path.unlink(missing_ok=True)
    for key in keys:
        run = known.get(key)
        if run is None:
            run = run_contender(key, fresh=asked.fresh, cpu_limit=asked.cpu_limit)
            with path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(run) + "\n")
            share = run.get("share_of_oracle")
            told = run["error"] if share is None else f"{share:.0f} % of the oracle, {run['cpu_s']:.0f} s of CPU"
            print(f"{run['world']}, {run['rows']:,} rows, seed {run['seed']}: {run['who']}: {told}", file=sys.stderr)
        runs.append(run)
    return runs


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000], help="training rows, several sizes in turn")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 9)))
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--who", nargs="+", choices=names(), default=names())
    parser.add_argument("--trials", type=int, default=4, help="settings that every contender may try")
    parser.add_argument("--forest-seeds", type=int, default=2, help="seeds on which the two slow forests run")
    parser.add_argument("--cpu-limit", type=int, default=1800, help="CPU seconds a contender may take on a campaign")
    parser.add_argument("--fresh", type=int, default=FRESH_ROWS, help="customers that policies are valued on")
    parser.add_argument(
        "--resume", action="store_true", help="go on with an unfinished call; its code must be this one"
    )
    parser.add_argument("--json", type=Path, default=OUT / "uplift.json", help="where the figures are written")
    parser.add_argument("--readout", type=Path, default=READOUT, help="where the page for people is written")
    parser.add_argument("--quick", action="store_true", help="world B, 20,000 rows, one seed, two settings, no forests")
    asked = parser.parse_args()
    if asked.quick:
        asked.rows, asked.seeds, asked.trials, asked.forest_seeds, asked.fresh = [20_000], [1], 2, 0, 50_000
        asked.worlds = ["B"] if asked.worlds == list(WORLDS) else asked.worlds
        asked.json, asked.readout = OUT / "uplift-quick.json", OUT / "uplift-quick.md"
    return asked


def main() -> None:
    asked = parse()
    runs = run_all(asked, plan(asked), asked.json.with_suffix(".jsonl"))
    result = summarise(runs, ours=SHIPPED)
    if not asked.quick:
        evaluation = time_evaluation(EVALUATED_ROWS)
        result["rows"].append(evaluation)
        result["targets"].append(target(f"CPU s of {evaluation['case']}", evaluation["cpu_s"], 2.0, "<="))
    asked.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    asked.readout.parent.mkdir(parents=True, exist_ok=True)
    asked.readout.write_text(render(result, WORLDS, trials=asked.trials), encoding="utf-8")
    for found in result["targets"]:
        verdict = "met   " if found["met"] else "MISSED"
        print(f"{verdict} {found['name']}: {found['value']} {found['sense']} {found['bound']}")


if __name__ == "__main__":
    main()
