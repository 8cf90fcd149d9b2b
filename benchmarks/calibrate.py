"""Do readouts hold what they claim? Each tail of their intervals, and every verdict, on customers drawn by chance.

    python benchmarks/calibrate.py                      # some minutes; writes the study and var/bench/calibrate.json
    python benchmarks/calibrate.py --quick              # a twentieth of the draws, nothing judged, nothing written
    python benchmarks/calibrate.py --only shape arms    # some sections

Sections: `none` no effect; `shape` offers that change how customers spend; `effects` known effects with rewards, and
their return; `covariates` adjusted as shipped; `clusters`; `arms` several; `looks` before the end; `portfolio` of fifty
campaigns; `unnamed` three designs that nothing was chosen by.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_campaigns import study_arms, study_looks
from calibrate_portfolio import study_portfolio
from calibrate_rows import study_clusters, study_covariates
from calibrate_tails import study_no_effect, study_shapes, study_true_effects
from calibrate_unnamed import study_unnamed
from calibrate_worlds import LEVEL, NOMINAL, Rows, Study

from netlift.results import to_plain

ROOT = Path(__file__).parents[1]
SLUG = "2026-11-readout-calibration"
OUT = ROOT / "var" / "bench"
LESS = 20
SECTIONS: dict[str, tuple[str, int, Study]] = {
    "none": ("No effect, re-randomised", 1_500, study_no_effect),
    "shape": ("Offers that change how customers spend", 4_000, study_shapes),
    "effects": ("Known effects, their cost and return", 2_000, study_true_effects),
    "covariates": ("Adjusted by the covariates that ship", 3_000, study_covariates),
    "clusters": ("Drawn by store or household", 1_000, study_clusters),
    "arms": ("Several arms without an effect", 1_000, study_arms),
    "looks": ("Looks before the end", 1_000, study_looks),
    "portfolio": ("Fifty campaigns", 300, study_portfolio),
    "unnamed": ("Designs that nobody named", 2_000, study_unnamed),
}
"""Name to title, draws of a design, and the study."""
SEEDS = dict(zip(SECTIONS, range(20261122, 20261122 + len(SECTIONS)), strict=True))
MONEY = ("truth", "raw sum", "sum without luck", *(f"winners, {how}" for how in ("truth", "as seen", "without luck")))
READING = (
    "Seen with `make calibrate`, on one core. `upper`: share of tests whose interval lies above the truth, so that a "
    "campaign is said to have earned more than it did; `lower`: below. Each claims 2.5 % and may be 3.5 %. All tests "
    "count but those in which a failed check takes the verdict away (`withheld`); in some the page warns that the "
    "control is too small (`warned`). `plain`: an interval without any correction."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the draws, nothing judged or written")
    parser.add_argument("--only", nargs="*", choices=tuple(SECTIONS), help="sections; nothing but the JSON is written")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    document: dict[str, Any] = {"schema_version": 1, "level": LEVEL, "nominal_tail": NOMINAL, "seconds": {}}
    document |= {"draws": {}, "rows": [], "targets": []}
    tables: dict[str, Rows] = {}
    for name in asked.only or SECTIONS:
        title, draws, study = SECTIONS[name]
        draws, begun = draws // LESS if asked.quick else draws, time.process_time()
        rows, targets = study(np.random.default_rng(SEEDS[name]), asked.data, draws)
        tables[title] = [to_plain(row) for row in rows]
        document["seconds"][name], document["draws"][name] = round(time.process_time() - begun, 1), draws
        document["rows"] += [{"case": name, "who": "netlift", "figures": row} for row in tables[title]]
        document["targets"] += [] if asked.quick else targets
        print(f"{title}: {document['seconds'][name]:.0f} CPU seconds", flush=True)
    text = to_text(tables, document["targets"])
    print(text)
    if asked.quick:
        return
    path = asked.json or OUT / ("calibrate-some.json" if asked.only else "calibrate.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if not asked.only:
        folder = ROOT / "experiments" / SLUG
        (folder / "readout.md").write_text(text, encoding="utf-8")
        (folder / "readout.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(document['seconds'].values()):.0f} CPU seconds; {path}")


def to_text(tables: dict[str, Rows], targets: Rows) -> str:
    """The study as Markdown."""
    missed = [each for each in targets if not each["met"]]
    parts = ["# Readouts, calibrated: what came out", READING]
    if targets:
        parts.append(f"Of {len(targets)} targets {len(targets) - len(missed)} are met, {len(missed)} missed.")
        parts.append("\n".join(f"- missed: {e['name']}: {e['value']:.4g} {e['sense']} {e['bound']:g}" for e in missed))
    for title, rows in tables.items():
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        lines += ["| " + " | ".join(_cell(name, row.get(name)) for name in names) + " |" for row in rows]
        parts += [f"## {title}", "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str | int):
        return f"{value:,}" if isinstance(value, int) else value
    if name in MONEY:
        return f"{value:,.0f}"
    return f"{value:.2f}" if name == "effect" or "MC errors" in name else f"{100 * value:.1f} %"


if __name__ == "__main__":
    main()
