"""How much memory does a decision hold? Invented scores go through the code that chooses and writes, no receipts.

Customers have their effects, consents and costs drawn at random; what is measured are the real `value_options`,
`choose` and the log's files, in a process of its own, above what the process holds before any customer is there.
Reading and scoring are bounded by `engine.rows_per_partition` and are not in it.

    python benchmarks/decide_memory.py --customers 200000 1000000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from datetime import date, datetime
from pathlib import Path

import numpy as np

from netlift.abtest.assignment.draw import hash_units
from netlift.config.business import load
from netlift.data.write import file_digest
from netlift.decisions.choice.choose import choose
from netlift.decisions.choice.value import AtRisk, TrainedCosts, value_options
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.options import make_options
from netlift.decisions.launch_check.forecast import NOTHING
from netlift.decisions.run.export import write_files
from netlift.decisions.run.log import Log

AS_OF = date(2026, 10, 1)


def customers_of(n: int, m: int, channels: list[str], rng: np.random.Generator) -> Customers:
    """Consents, contacts and purchases of n invented customers."""
    return Customers(
        columns={"days_since_last_purchase": rng.integers(0, 500, n).astype(np.float32), "segment": _segments(n, rng)},
        consent={channel: rng.random(n) < 0.7 for channel in channels},
        opted_out={channel: rng.random(n) < 0.02 for channel in channels},
        left=rng.random(n) < 0.01,
        held_out=rng.random(n) < 0.05,
        reserved=np.zeros(n, dtype=bool),
        in_journey=np.zeros(n, dtype=bool),
        pressed={channel: rng.random(n) < 0.1 for channel in channels},
        days_since_purchase=rng.integers(0, 500, n).astype(np.float64),
        days_since_complaint=np.full(n, np.nan),
        in_window=np.zeros((n, m), dtype=bool),
        has_effect=np.ones((n, m), dtype=bool),
    )


def _segments(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.array(["champions", "one_off", "loyal", "lost"], dtype=object)[rng.integers(0, 4, n)]


def decide(n: int, config: Path, folder: Path) -> dict[str, float]:
    """Choose for n customers and write what a run writes; peak memory of each stage above the start, in MB."""
    settings = load(config)
    decision = settings.decision
    row = {"contact_cost": 1.0, "valid_from": None, "valid_to": None}
    known = {offer: {**row, "name": offer, "channel": rule.channel} for offer, rule in decision.offers.items()}
    options, rng = make_options(decision, known), np.random.default_rng(7)
    m, stages = len(options), {}
    with Peak(stages, "start"):
        pass
    with Peak(stages, "customers"):
        ids = np.array([f"c{i:010d}" for i in range(n)], dtype=object)
        customers = customers_of(n, m, [*dict.fromkeys(option.channel for option in options)], rng)
        uplift = rng.normal(0, 30, (n, m)).astype(np.float32)
        share = rng.random((n, m), dtype=np.float32)
    with Peak(stages, "values"):
        trained = TrainedCosts(contact_cost=np.ones(m), reward=np.full(m, 100.0), redeemed=0.1 * share)
        risk = AtRisk(p_churn=share[:, 0], ltv=uplift[:, 0], horizon_days=182, window_days=28, weight=1.0)
        values = value_options(options, uplift=uplift, trained=trained, risk=risk, worn=0.1 * share)
    with Peak(stages, "choose"):
        words = hash_units(ids, salt="bench", purpose="arm")
        decided = choose(decision, options, customers, values, words=words, as_of=datetime(2026, 10, 1))
    log = Log(run_key="bench", as_of=AS_OF, ids=ids, decided=decided, uplift=uplift, evidence=NOTHING, versions={})
    with Peak(stages, "write"):
        write_files(folder, log, outcome_days=28.0)
    return stages


class Peak:
    """The most memory that a block holds, in MB, by the kernel's own mark, which each block sets anew."""

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages, self._name = stages, name

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")

    def __exit__(self, *_: object) -> None:
        self._stages[self._name] = _status("VmHWM") / 1024
        self._stages[f"{self._name} held"] = _status("VmRSS") / 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    """One process for each size, so that no size inherits another's memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        with tempfile.TemporaryDirectory() as folder:
            stages = decide(asked.customers[0], asked.config, Path(folder))
            digests = {path.name: file_digest(path) for path in sorted(Path(folder).iterdir())}
        spent = resource.getrusage(resource.RUSAGE_SELF)
        json.dump({"stages": stages, "digests": digests, "cpu_s": spent.ru_utime + spent.ru_stime}, sys.stdout)
        return
    for n in asked.customers:
        command = [sys.executable, __file__, "--inside", "--config", str(asked.config), "--customers", str(n)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        stages, start = told["stages"], told["stages"]["start held"]
        print(f"{n:,} customers, {told['cpu_s']:.1f} CPU s")
        for name in ("customers", "values", "choose", "write"):
            peak, held = stages[name] - start, stages[f"{name} held"] - start
            print(f"  {name:10} {peak:8,.0f} MB at most, {held:8,.0f} after, {1024 * peak / n:6.2f} kB a customer")
        for name, digest in told["digests"].items():
            print(f"  {name} {digest[:16]}")


if __name__ == "__main__":
    main()
