"""What customer value is worth: LTV and churn held against published figures, peers and targets, in one run.

Each protocol prints the definition of what is predicted, and writes its readout beside its plan in experiments/. A
target that is missed is written as missed. All figures of the run stand in var/bench/value.json.

    python benchmarks/value.py             # everything, 40 minutes and more
    python benchmarks/value.py --quick     # minutes: one seed, fewer candidates, small speed cases, no readouts
    python benchmarks/value.py --only cdnow-spend churn --seeds 1 2
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import value_baselines
import value_cdnow
import value_market
import value_out_of_time
import value_retailer
import value_speed
from value_findings import Finding, write_readout, write_results

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
OUT = ROOT / "var" / "bench"


def protocols(asked: argparse.Namespace) -> dict[str, Callable[[], Finding]]:
    """Every protocol by the slug of its readout."""
    quick, seeds, customers, data = asked.quick, asked.seeds, asked.customers, asked.data
    return {
        "baselines": lambda: value_baselines.run(data, quick=quick),
        "cdnow-purchases": lambda: value_cdnow.run(data, quick=quick),
        "cdnow-spend": lambda: value_out_of_time.run_cdnow(data, quick=quick),
        "online-retail": lambda: value_out_of_time.run_one_year("online_retail", data, quick=quick),
        "complete-journey": lambda: value_out_of_time.run_one_year("complete_journey", data, quick=quick),
        "retailer": lambda: value_retailer.run_ltv(seeds, customers=customers),
        "seasons": lambda: value_market.run(customers=8_000 if quick else 40_000, seed=7),
        "churn": lambda: value_retailer.run_churn(seeds, customers=customers, data=data),
        "speed": lambda: value_speed.run(quick=quick),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="protocols to run, by the slugs of their readouts")
    parser.add_argument("--seeds", nargs="+", type=int, help="of the simulated retailers; 1 to 5 where not given")
    parser.add_argument("--customers", type=int, default=20_000, help="of each simulated retailer")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the public data sets")
    parser.add_argument("--json", type=Path, help="where all figures are written")
    parser.add_argument("--quick", action="store_true", help="one seed, small cases, no readouts written")
    asked = parser.parse_args()
    asked.seeds = asked.seeds or ([1] if asked.quick else [1, 2, 3, 4, 5])
    asked.json = asked.json or OUT / ("value-quick.json" if asked.quick else "value.json")
    known = protocols(asked)
    unknown = [name for name in asked.only or [] if name not in known]
    if unknown:
        parser.error(f"no protocol {unknown[0]}; there are {', '.join(known)}")
    findings = []
    for name in asked.only or known:
        begun = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        finding = known[name]()
        findings.append(finding)
        for section in finding.sections:
            print(section.to_markdown() + "\n", flush=True)
        if not asked.quick and name != "speed":
            write_readout(finding, root=ROOT, command=f"python benchmarks/value.py --only {name}")
        write_results(findings, asked.json)
        print(f"{name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    for finding in findings:
        for target in finding.targets:
            print(f"{finding.slug}: {target.to_text()}")


if __name__ == "__main__":
    main()
