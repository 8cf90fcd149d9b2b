"""Features as of several cutoffs: netlift against pandas, polars and the best SQL we know.

Every contender is a whole process with one thread: it reads the same Parquet file of receipts and writes the same 60
features as of the same cutoffs. Contenders take turns, so that a busy machine is busy for all of them; medians are
compared. `cpu_s`, `wall_s` and `peak_mb` are of the whole process, imports included; `in_process_cpu_s` leaves out
imports, compilation and loading of kernels.

    python benchmarks/features.py --quick
    python benchmarks/features.py --receipts 50000000 --only netlift --rounds 1 --json var/bench/features-50m.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feature_contenders import NAMES, PREPARE

OUT = Path(__file__).parents[1] / "var" / "bench"
LAST_CUTOFF = datetime(2026, 1, 1)
HISTORY_DAYS = 730
THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
TARGETS_FROM_RECEIPTS = 10_000_000
RATIOS = {"pandas": 5.0, "polars": 5.0, "best SQL (DuckDB)": 3.0}
PEAK_MB = 1200.0
COMPARED_CUSTOMERS = 2000


def write_tables(folder: Path, *, receipts: int, customers: int, seed: int) -> None:
    """Customers of very unequal rates, and their receipts in time order, in the columns of the contract."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    ids = pa.array([f"c{number:09d}" for number in rng.permutation(customers)])
    rates = rng.gamma(0.6, size=customers) + 0.01
    upto = np.cumsum(rates / rates.sum())
    end = np.datetime64(LAST_CUTOFF, "us")
    joined = end - rng.integers(1, HISTORY_DAYS * 86_400, customers) * np.timedelta64(1, "s")
    pq.write_table(pa.table({"customer_id": ids, "joined_at": joined}), folder / "customers.parquet")
    span = HISTORY_DAYS * 86_400_000_000 // -(-receipts // 1_000_000)
    start = end - np.timedelta64(HISTORY_DAYS, "D")
    writer = None
    for first in range(0, receipts, 1_000_000):
        n = min(1_000_000, receipts - first)
        table = _receipts(rng, ids, upto, first, n)
        at = start + np.sort(rng.integers(0, span, n)) * np.timedelta64(1, "us")
        table = table.add_column(1, "occurred_at", pa.array(at))
        writer = writer or pq.ParquetWriter(folder / "transactions.parquet", table.schema)
        writer.write_table(table)
        start += np.timedelta64(span, "us")
    if writer:
        writer.close()


def _receipts(rng: np.random.Generator, ids: pa.Array, upto: np.ndarray, first: int, n: int) -> pa.Table:
    back = rng.random(n) < 0.03
    revenue = np.round(np.exp(rng.normal(3, 0.9, n)), 2) * np.where(back, -1, 1)
    categories = ["grocery", "fresh", "baby", "home", "pets", "drinks", "beauty", "toys", "fuel", "books"]
    channels = ["store", "app", "web", "phone"]
    return pa.table(
        {
            "customer_id": pc.take(ids, pa.array(np.searchsorted(upto, rng.random(n)).clip(max=len(ids) - 1))),
            "revenue": revenue,
            "margin": np.round(revenue * rng.uniform(0.1, 0.5, n), 2),
            "transaction_id": [f"t{number:010d}" for number in range(first, first + n)],
            "category": np.array(categories)[rng.integers(0, len(categories), n)],
            "channel": np.array(channels)[rng.choice(4, n, p=[0.6, 0.24, 0.15, 0.01])],
            "promo": rng.random(n) < 0.25,
            "is_return": back,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process of one contender; figures of the whole process, and those it measured itself."""

    who: str
    cpu_s: float
    wall_s: float
    peak_mb: float
    in_process_cpu_s: float = float("nan")
    error: str | None = None


def run_contender(who: str, folder: Path, out: Path, cutoffs: list[datetime]) -> Run:
    script = Path(__file__).with_name("feature_contenders.py")
    argv = [sys.executable, str(script), who, str(folder), str(out), *(cutoff.isoformat() for cutoff in cutoffs)]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    begun = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as child:
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall, cpu, peak = time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    answer = json.loads(said.splitlines()[-1]) if said.strip() else {"error": f"left with {child.returncode}"}
    return Run(
        who=who,
        cpu_s=cpu,
        wall_s=wall,
        peak_mb=peak,
        in_process_cpu_s=answer.get("cpu_s", float("nan")),
        error=answer.get("error"),
    )


def count_differences(ours: Path, theirs: Path) -> dict[str, int]:
    """Rows of a sample of customers in which a feature differs by more than float32 sums may."""
    ids = np.unique(pq.read_table(ours, columns=["customer_id"])["customer_id"].to_numpy(zero_copy_only=False))
    sample = pa.array(ids[:: max(1, len(ids) // COMPARED_CUSTOMERS)])
    order = [("customer_id", "ascending"), ("cutoff", "ascending")]
    a, b = (pq.read_table(x, filters=pc.field("customer_id").isin(sample)).sort_by(order) for x in (ours, theirs))
    if a.select(["customer_id", "cutoff"]) != b.select(["customer_id", "cutoff"]).cast(a.select([0, 1]).schema):
        return {"customer_id, cutoff": max(len(a), len(b))}
    differing = {}
    for name in NAMES:
        x, y = (t[name].to_numpy(zero_copy_only=False) for t in (a, b))
        same = np.isclose(x, y, rtol=1e-4, atol=1e-3, equal_nan=True)
        if not same.all():
            differing[name] = int((~same).sum())
    return differing


def summarise(
    runs: list[Run], case: str, differences: dict[str, dict[str, int]], *, with_ratios: bool
) -> dict[str, list[dict]]:
    """Medians per contender, and the targets they are held against: ratios are promised for large cases."""
    rows, inside, peaks = [], {}, {}
    for who in dict.fromkeys(run.who for run in runs):
        own = [run for run in runs if run.who == who]
        errors = [run.error for run in own if run.error]
        if errors:
            rows.append({"case": case, "who": who, "figures": {"error": errors[0]}})
            continue
        cpu, wall, peak, within = (
            statistics.median(getattr(run, name) for run in own)
            for name in ("cpu_s", "wall_s", "peak_mb", "in_process_cpu_s")
        )
        inside[who], peaks[who] = within, peak
        figures = {"in_process_cpu_s": round(within, 3), "runs": [round(run.in_process_cpu_s, 3) for run in own]}
        if who in differences:
            figures["features_that_differ_from_netlift"] = differences[who]
        rows.append(
            {"case": case, "who": who, "cpu_s": round(cpu, 2), "wall_s": round(wall, 2), "peak_mb": round(peak)}
            | {"figures": figures}
        )
    targets = [
        _target(f"in-process CPU of {who} over netlift's", inside[who] / inside["netlift"], bound, ">=")
        for who, bound in RATIOS.items()
        if with_ratios and who in inside and "netlift" in inside
    ]
    if "netlift" in peaks:
        targets.append(_target("peak memory of netlift, MB", peaks["netlift"], PEAK_MB, "<="))
    return {"rows": rows, "targets": targets}


def _target(name: str, value: float, bound: float, sense: str) -> dict:
    met = value >= bound if sense == ">=" else value <= bound
    return {"name": name, "value": round(value, 2), "bound": bound, "sense": sense, "met": bool(met)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receipts", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=500_000)
    parser.add_argument("--cutoffs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs; medians are reported")
    parser.add_argument("--only", nargs="+", choices=PREPARE, default=list(PREPARE))
    parser.add_argument("--json", type=Path, default=OUT / "features.json", help="where the figures are written")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="300,000 receipts, 15,000 customers, one round")
    asked = parser.parse_args()
    if asked.quick:
        asked.receipts, asked.customers, asked.rounds = 300_000, 15_000, 1
    folder = OUT / f"receipts-{asked.receipts}-{asked.customers}-{asked.seed}"
    if not folder.exists():
        print(f"writing {asked.receipts:,} receipts to {folder}", file=sys.stderr)
        write_tables(folder, receipts=asked.receipts, customers=asked.customers, seed=asked.seed)
    cutoffs = [LAST_CUTOFF - timedelta(days=91 * i) for i in reversed(range(asked.cutoffs))]
    case = f"{asked.receipts:,} receipts, {asked.customers:,} customers, {asked.cutoffs} cutoffs, {len(NAMES)} features"
    outputs = {who: folder / f"{who.split()[0]}.out.parquet" for who in asked.only}
    runs = []
    for _ in range(asked.rounds):
        for who in asked.only:
            runs.append(run_contender(who, folder, outputs[who], cutoffs))
            print(runs[-1], file=sys.stderr)
    failed = {run.who for run in runs if run.error}
    peers = [who for who in asked.only if who not in failed and who != "netlift" and "netlift" in outputs]
    differences = {who: count_differences(outputs["netlift"], outputs[who]) for who in peers}
    result = summarise(runs, case, differences, with_ratios=asked.receipts >= TARGETS_FROM_RECEIPTS)
    asked.json.write_text(json.dumps(result, indent=1) + "\n")
    for row in result["rows"]:
        print(json.dumps(row))
    for target in result["targets"]:
        verdict = "met   " if target["met"] else "MISSED"
        print(f"{verdict} {target['name']}: {target['value']} {target['sense']} {target['bound']}")


if __name__ == "__main__":
    main()
