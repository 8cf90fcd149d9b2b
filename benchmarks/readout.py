"""Readouts from rows: netlift against a bare DuckDB query of the same sums, tea-tasting and statsmodels.

Every contender is a whole process with one thread that reads one Parquet file of assigned customers. `one`: a campaign
with three arms, five metrics, covariates. `many`: 200 campaigns x 10 segments x 3 arms, all in one pass. Contenders
take turns, medians are compared. `cpu_s`, `wall_s` and `peak_mb` are of the whole process; `in_process_cpu_s` leaves
out imports.

    python benchmarks/readout.py --quick
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from readout_peers import PREPARE

OUT = Path(__file__).parents[1] / "var" / "bench"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
CAMPAIGNS, SEGMENTS, ARMS, SHARES = 200, 10, ("control", "mail", "sms"), (0.2, 0.4, 0.4)
ROWS, QUICK_ROWS, CHUNK = 10_000_000, 500_000, 1_000_000
TIMES_BARE, PEAK_MB, MANY_CPU_S = 1.5, 300.0, 5.0


def write_rows(path: Path, *, rows: int, campaigns: int, seed: int) -> None:
    """Assigned customers, most of whom buy nothing, a few a lot, and what they spent before."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for first in range(0, rows, CHUNK):
        table = _chunk(rng, min(CHUNK, rows - first), campaigns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def _chunk(rng: np.random.Generator, n: int, campaigns: int) -> pa.Table:
    arm = rng.choice(len(ARMS), n, p=SHARES)
    before = np.where(rng.random(n) < 0.6, np.exp(rng.normal(3, 1, n)), 0.0)
    bought = rng.random(n) < 0.04 + 0.01 * (arm > 0) + 0.05 * (before > 30)
    revenue = np.where(bought, np.round(np.exp(rng.normal(3, 1, n)) + 0.2 * before, 2), 0.0)
    treated = arm > 0
    return pa.table(
        {
            "campaign_id": _names(rng.integers(0, campaigns, n), [f"K{i:03d}" for i in range(campaigns)]),
            "arm": _names(arm, ARMS),
            "segment": _names(rng.integers(0, SEGMENTS, n), [f"segment {i}" for i in range(SEGMENTS)]),
            "revenue": revenue,
            "margin": np.round(0.35 * revenue, 2),
            "reward": np.where(treated & bought, np.round(0.1 * revenue, 2), 0.0),
            "contact_cost": np.where(treated, 0.05, 0.0),
            "pre_revenue": np.round(before, 2),
            "pre_margin": np.round(0.35 * before, 2),
            "bought": bought,
        }
    )


def _names(codes: np.ndarray, names: Any) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes.astype(np.int16), pa.array(list(names))).cast(pa.string())


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process of one contender."""

    case: str
    who: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    in_process_cpu_s: float = float("nan")
    figures: dict[str, float] = field(default_factory=dict)
    error: str | None = None


def run_contender(who: str, path: Path, case: str) -> Run:
    argv = [sys.executable, str(Path(__file__).with_name("readout_peers.py")), who, str(path), case]
    begun = time.perf_counter()
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as child:
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    answer = json.loads(said.splitlines()[-1]) if said.strip() else {"error": f"left with {child.returncode}"}
    return Run(
        case=case,
        who=who,
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=time.perf_counter() - begun,
        peak_mb=usage.ru_maxrss / 1024,
        in_process_cpu_s=answer.get("cpu_s", float("nan")),
        figures=answer.get("figures", {}),
        error=answer.get("error"),
    )


def row_of(runs: list[Run]) -> dict[str, Any]:
    """Medians of a contender's runs in one case."""
    first = runs[0]
    if first.error:
        return {"case": first.case, "who": first.who, "error": first.error}
    names = ("cpu_s", "wall_s", "peak_mb", "in_process_cpu_s")
    middle = {name: round(statistics.median(getattr(run, name) for run in runs), 3) for name in names}
    figures = {"in_process_cpu_s": middle.pop("in_process_cpu_s"), **first.figures}
    return {"case": first.case, "who": first.who, **middle, "figures": figures}


def judge(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The targets; whole processes are judged, imports included."""
    found = {(row["case"], row["who"]): row for row in rows if "error" not in row}
    ours, bare, many = found.get(("one", "netlift")), found.get(("one", "bare DuckDB")), found.get(("many", "netlift"))
    targets = []
    if ours and bare:
        targets.append(
            _target("CPU over a bare DuckDB query, whole processes", ours["cpu_s"] / bare["cpu_s"], TIMES_BARE)
        )
        inside = [row["figures"]["in_process_cpu_s"] for row in (ours, bare)]
        targets.append(_target("CPU over a bare DuckDB query, imports left out", inside[0] / inside[1], TIMES_BARE))
        targets.append(_target("peak MB of one campaign", ours["peak_mb"], PEAK_MB))
    if many:
        name = f"CPU seconds of {CAMPAIGNS} campaigns x {SEGMENTS} segments"
        targets.append(_target(name, many["cpu_s"], MANY_CPU_S))
    return targets


def _target(name: str, value: float, bound: float) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "bound": bound, "sense": "<=", "met": bool(value <= bound)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half a million rows, one round; targets are not judged")
    parser.add_argument("--write", action="store_true", help="write the rows and leave")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="*", choices=tuple(PREPARE))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = asked.rows or (QUICK_ROWS if asked.quick else ROWS)
    rounds = asked.rounds or (1 if asked.quick else 3)
    folder = OUT / f"readout-{rows}"
    if asked.write:
        for case, campaigns in (("one", 1), ("many", CAMPAIGNS)):
            write_rows(folder / f"{case}.parquet", rows=rows, campaigns=campaigns, seed=7)
        return
    if not (folder / "many.parquet").is_file():
        # In a process of its own: a child's peak memory begins at that of its parent.
        subprocess.run([sys.executable, __file__, "--write", "--rows", str(rows)], check=True)
    runs: dict[tuple[str, str], list[Run]] = {}
    for _ in range(rounds):
        for case in ("one", "many"):
            for who in asked.only or PREPARE:
                if case == "one" or who in ("netlift", "bare DuckDB"):
                    runs.setdefault((case, who), []).append(run_contender(who, folder / f"{case}.parquet", case))
    table = [row_of(done) for done in runs.values()]
    document = {"case_rows": rows, "rounds": rounds, "rows": table, "targets": [] if asked.quick else judge(table)}
    target = asked.json or OUT / ("readout-quick.json" if asked.quick else "readout.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{'case':6}{'who':14}{'cpu_s':>8}{'wall_s':>8}{'peak_mb':>9}{'inside':>8}  figures")
    for row in table:
        if "error" in row:
            print(f"{row['case']:6}{row['who']:14}{row['error']}")
            continue
        figures = {name: round(value, 5) for name, value in row["figures"].items() if name != "in_process_cpu_s"}
        numbers = (
            f"{row['cpu_s']:8.2f}{row['wall_s']:8.2f}{row['peak_mb']:9.0f}{row['figures']['in_process_cpu_s']:8.2f}"
        )
        print(f"{row['case']:6}{row['who']:14}{numbers}  {figures}")
    for each in document["targets"]:
        print(
            f"{'met   ' if each['met'] else 'MISSED'} {each['name']}: {each['value']} {each['sense']} {each['bound']}"
        )
    print(target)


if __name__ == "__main__":
    main()
