"""Allocation under a budget, offer caps and channel caps: netlift against two greedy rules and HiGHS.

Every contender is a whole process with one thread that reads the same arrays: n customers x 10 options, four in five of
them eligible, each customer's own costs, a budget, ten offer caps and three channel caps. Greedy by customer gives each
in turn the best that still fits, as engines do that fill caps as customers come; greedy by value takes the most
valuable customer and option first. HiGHS solves the linear relaxation by interior point; what it earns is the optimum
that no allocation exceeds. `cpu_s`, `wall_s` and `peak_mb` are of the whole process, imports and reading included,
netlift's compilation left out (a run before warms its cache); the greedy rules compile in their process, so compare
them by `in_process_cpu_s`, which leaves out imports, reading and compilation.

    python benchmarks/allocation.py --quick
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parents[1] / "var" / "bench"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
OPTIONS, CHANNELS = 10, 3
SIZES, QUICK_SIZES, HIGHS_MOST = (100_000, 1_000_000), (20_000,), 100_000
GAP, CPU_S, PEAK_MB = 1e-4, 6.0, 1_000.0


def write_arrays(folder: Path, *, n: int, seed: int) -> None:
    """Customers whose appetite differs widely, with costs of their own, in single precision."""
    rng = np.random.default_rng(seed)
    appetite = rng.lognormal(0, 0.8, n)
    value = appetite[:, None] * rng.uniform(0.5, 2.0, OPTIONS) * rng.gamma(2.0, 0.5, (n, OPTIONS))
    value -= rng.random((n, OPTIONS))
    value[rng.random((n, OPTIONS)) > 0.8] = -np.inf
    cost = np.array([0.05, 0.3, 1.2])[np.arange(OPTIONS) % CHANNELS] + rng.gamma(1.5, 0.4, (n, OPTIONS))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "value.npy", value.astype(np.float32))
    np.save(folder / "cost.npy", cost.astype(np.float32))


def limits_of(n: int) -> list[tuple[str, list[int], float]]:
    """Name, options and cap of each limit."""
    offers = [(f"offer {a}", [a], float(int(n * (0.02 + 0.003 * a)))) for a in range(OPTIONS)]
    channels = [(f"channel {c}", list(range(c, OPTIONS, CHANNELS)), float(int(n * s))) for c, s in enumerate(SHARES)]
    return offers + channels


SHARES = (0.12, 0.08, 0.07)
BUDGET = 0.14


def run_netlift(value: np.ndarray, cost: np.ndarray) -> dict[str, Any]:
    from netlift.decisions.allocation.allocate import allocate
    from netlift.decisions.allocation.problem import Limit, Problem

    n = len(value)
    limits = tuple(Limit(name=name, options=tuple(options), most=cap) for name, options, cap in limits_of(n))
    begun = time.process_time()
    best = allocate(Problem(value=value, cost=cost, budget=BUDGET * n, limits=limits))
    used = time.process_time() - begun
    binding = sum(price.binding for price in best.prices)
    return {"cpu_s": used, "profit": best.profit, "bound": best.bound, "gap": best.gap, "binding": binding}


def run_greedy(value: np.ndarray, cost: np.ndarray, *, by_value: bool) -> dict[str, Any]:
    from numba import njit

    @njit(cache=False)
    def fill(order, value, cost, usage, room):
        n, m = value.shape
        given, profit = np.zeros(n, dtype=np.bool_), 0.0
        for at in order:
            i, a = at // m, at % m
            if given[i] or value[i, a] <= 0 or cost[i, a] > room[-1]:
                continue
            fits = True
            for k in range(len(room) - 1):
                fits = fits and usage[k, a] <= room[k]
            if fits:
                given[i] = True
                profit += value[i, a]
                room[:-1] -= usage[:, a]
                room[-1] -= cost[i, a]
        return profit

    n, m = value.shape
    caps = limits_of(n)
    usage = np.array([[float(a in options) for a in range(m)] for _, options, _ in caps])
    room = np.array([cap for *_, cap in caps] + [BUDGET * n])
    fill(np.zeros(0, dtype=np.int64), value, cost, usage, room.copy())
    begun = time.process_time()
    if by_value:
        gainful = np.flatnonzero(value > 0)
        order = gainful[np.argsort(-value.ravel()[gainful], kind="stable")]
    else:
        order = (np.argsort(-value, axis=1, kind="stable") + m * np.arange(n)[:, None]).ravel()
    profit = fill(order, value, cost, usage, room)
    return {"cpu_s": time.process_time() - begun, "profit": float(profit)}


def run_highs(value: np.ndarray, cost: np.ndarray) -> dict[str, Any]:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    n = len(value)
    begun = time.process_time()
    customer, option = np.nonzero(value > 0)
    entries = np.arange(len(customer))
    caps = limits_of(n)
    rows, columns, data = [customer], [entries], [np.ones(len(entries))]
    for k, (_, options, _) in enumerate(caps):
        inside = np.flatnonzero(np.isin(option, options))
        rows, columns, data = [*rows, np.full(len(inside), n + k)], [*columns, inside], [*data, np.ones(len(inside))]
    rows, columns = [*rows, np.full(len(entries), n + len(caps))], [*columns, entries]
    data = np.concatenate([*data, cost[customer, option].astype(np.float64)])
    shape = (n + len(caps) + 1, len(entries))
    matrix = csr_array((data, (np.concatenate(rows), np.concatenate(columns))), shape=shape)
    bounds = np.concatenate([np.ones(n), [cap for *_, cap in caps], [BUDGET * n]])
    gain = value[customer, option].astype(np.float64)
    found = linprog(-gain, A_ub=matrix, b_ub=bounds, method="highs-ipm")
    return {"cpu_s": time.process_time() - begun, "profit": -found.fun, "status": found.status}


CONTENDERS = {
    "netlift": run_netlift,
    "greedy by customer": lambda value, cost: run_greedy(value, cost, by_value=False),
    "greedy by value": lambda value, cost: run_greedy(value, cost, by_value=True),
    "HiGHS": run_highs,
}


def be_contender(who: str, folder: Path) -> None:
    value, cost = np.load(folder / "value.npy"), np.load(folder / "cost.npy")
    try:
        answer = CONTENDERS[who](value, cost)
    except (ImportError, MemoryError, ValueError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer))


def run_contender(who: str, folder: Path) -> dict[str, Any]:
    """One process of one contender on one thread, with its CPU, wall and memory."""
    argv = [sys.executable, "-W", "ignore", str(Path(__file__)), "--be", who, str(folder)]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    begun = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as child:
        said = child.stdout.read() if child.stdout else ""
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    answer = json.loads(said.splitlines()[-1]) if said.strip() else {"error": f"left with {child.returncode}"}
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return {"cpu_s": cpu, "wall_s": time.perf_counter() - begun, "peak_mb": peak, "answer": answer}


def row_of(case: str, who: str, runs: list[dict[str, Any]], best: float | None) -> dict[str, Any]:
    """Medians of a contender's runs, and its share of the bound."""
    answer = runs[0]["answer"]
    if "error" in answer:
        return {"case": case, "who": who, "error": answer["error"]}
    middle = {name: round(statistics.median(run[name] for run in runs), 3) for name in ("cpu_s", "wall_s", "peak_mb")}
    figures = {"in_process_cpu_s": round(statistics.median(run["answer"]["cpu_s"] for run in runs), 3)}
    figures |= {name: value for name, value in answer.items() if name != "cpu_s"}
    if best:
        figures["share_of_bound"] = answer["profit"] / best
    return {"case": case, "who": who, **middle, "figures": figures}


def judge(rows: list[dict[str, Any]], case: str) -> list[dict[str, Any]]:
    """The targets of one size; whole processes are judged."""
    found = {row["who"]: row for row in rows if row["case"] == case and "error" not in row}
    ours, highs = found.get("netlift"), found.get("HiGHS")
    if not ours:
        return [{"name": f"netlift, {case}", "value": None, "bound": None, "sense": "<=", "met": False}]
    asked = [(f"gap, {case}", ours["figures"]["gap"], GAP), (f"CPU seconds, {case}", ours["cpu_s"], CPU_S)]
    asked.append((f"peak MB, {case}", ours["peak_mb"], PEAK_MB))
    if highs:
        short = 1 - ours["figures"]["profit"] / highs["figures"]["profit"]
        asked.append((f"profit below the optimum of HiGHS' relaxation, {case}", short, GAP))
    return [
        {"name": name, "value": value, "bound": bound, "sense": "<=", "met": bool(value <= bound)}
        for name, value, bound in asked
    ]


def show(document: dict[str, Any], path: Path) -> None:
    print(f"{'customers':>10}  {'who':20}{'cpu_s':>8}{'wall_s':>8}{'peak_mb':>9}{'inside':>8}{'of bound':>12}")
    for row in document["rows"]:
        if "error" in row:
            print(f"{row['case']:>10}  {row['who']:20}{row['error']}")
            continue
        figures = row["figures"]
        numbers = f"{row['cpu_s']:8.2f}{row['wall_s']:8.2f}{row['peak_mb']:9.0f}{figures['in_process_cpu_s']:8.2f}"
        print(f"{row['case']:>10}  {row['who']:20}{numbers}{100 * figures.get('share_of_bound', np.nan):11.5f}%")
    for each in document["targets"]:
        met = "met   " if each["met"] else "MISSED"
        print(f"{met} {each['name']}: {each['value']:.3g} {each['sense']} {each['bound']:g}")
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 customers, one round; targets are not judged")
    parser.add_argument("--customers", type=int, nargs="*")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="*", choices=tuple(CONTENDERS))
    parser.add_argument("--highs-most", type=int, default=HIGHS_MOST, help="customers up to which HiGHS takes part")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--be", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.be:
        be_contender(asked.be[0], Path(asked.be[1]))
        return
    rounds = asked.rounds or (1 if asked.quick else 3)
    rows, targets = [], []
    for n in asked.customers or (QUICK_SIZES if asked.quick else SIZES):
        folder, case = OUT / f"allocation-{n}", f"{n:,}"
        write_arrays(folder, n=n, seed=7)
        run_contender("netlift", folder)
        takes_part = [who for who in asked.only or CONTENDERS if who != "HiGHS" or n <= asked.highs_most]
        runs: dict[str, list[dict[str, Any]]] = {}
        for turn in range(rounds):
            for who in takes_part:
                if turn == 0 or who != "HiGHS":
                    runs.setdefault(who, []).append(run_contender(who, folder))
        bound = runs.get("netlift", [{"answer": {}}])[0]["answer"].get("bound")
        rows += [row_of(case, who, done, bound) for who, done in runs.items()]
        targets += [] if asked.quick else judge(rows, case)
    document = {"rounds": rounds, "rows": rows, "targets": targets}
    path = asked.json or OUT / ("allocation-quick.json" if asked.quick else "allocation.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    show(document, path)


if __name__ == "__main__":
    main()
