"""How often the gate ships an uplift policy that truly loses to the best constant, over retrained worlds.

Each world is drawn and trained on as the main job does it, choice of the learner and calibration included, and the
policy that ships is valued by the world's formula. Beside each world stands the same one with features shuffled among
customers: there nothing tells customers apart, every policy that differs between them loses, and a passed gate is a
mistake.

    python benchmarks/uplift_gate.py --worlds A B C --seeds 34 --rows 15000
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from uplift_contenders import fit_as_shipped, read_definition
from uplift_worlds import WORLDS, World

from netlift.estimators.rows import ContactRows
from netlift.evaluation.policy.off_policy import choose_arms

OUT = Path(__file__).parents[1] / "var" / "bench" / "uplift_gate.json"
FRESH = 50_000


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training.

    Attributes:
        world: Its name.
        shuffled: Whether features were shuffled among customers.
        seed: Of campaign and training.
        learner: Which was chosen.
        passed: Whether the gate let it ship.
        gain: True profit per customer above the best constant's, of the policy that ships.
    """

    world: str
    shuffled: bool
    seed: int
    learner: str
    passed: bool
    gain: float


def shuffle(rows: ContactRows, seed: int) -> ContactRows:
    """The same outcomes with the features of other customers."""
    order = np.random.default_rng([seed, 7]).permutation(len(rows))
    return replace(rows, X=np.asfortranarray(rows.X[order]))


def run(world: World, seed: int, *, rows: int, trials: int, shuffled: bool) -> Trial:
    """Train once and value what ships."""
    drawn = world.campaign(rows, seed)
    fitted = fit_as_shipped(shuffle(drawn, seed) if shuffled else drawn, trials=trials, seed=seed)
    X, profit = world.fresh(FRESH, seed)
    choice = choose_arms(fitted.predict(X), np.ones(profit.shape, dtype=bool))
    mean = profit.mean(axis=0)
    taken = np.bincount(choice, minlength=len(mean)) / len(choice)
    earned = float(taken @ mean) if shuffled else float(profit[np.arange(len(choice)), choice].mean())
    passed = fitted.chosen["gate"] != "the best constant"
    gain = earned - float(mean.max()) if passed else 0.0
    return Trial(
        world=world.name, shuffled=shuffled, seed=seed, learner=str(fitted.chosen["learner"]), passed=passed, gain=gain
    )


def summarise(found: list[Trial], *, confidence: float) -> dict[str, object]:
    """Rows by world and kind, and the two targets: both shares within what the gate's level allows."""
    rows = []
    for name, shuffled in sorted({(one.world, one.shuffled) for one in found}):
        here = [one for one in found if (one.world, one.shuffled) == (name, shuffled)]
        figures = {
            "trainings": len(here),
            "passed": sum(one.passed for one in here),
            "lost": sum(one.gain < 0 for one in here),
            "mean_gain_where_passed": float(np.mean([one.gain for one in here if one.passed] or [0.0])),
        }
        rows.append({"case": f"{name}, {'shuffled' if shuffled else 'as it is'}", "who": "netlift", "figures": figures})
    targets = []
    for shuffled in (True, False):
        here = [one for one in found if one.shuffled == shuffled]
        lost = sum(one.gain < 0 for one in here)
        name = "share of worlds lost, " + ("nothing to tell customers apart" if shuffled else "real effects")
        bound = round(1 - confidence + 2 * math.sqrt(confidence * (1 - confidence) / len(here)), 4)
        value = round(lost / len(here), 4)
        targets.append({"name": name, "value": value, "bound": bound, "sense": "<=", "met": value <= bound})
    return {"rows": rows, "targets": targets}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=34, help="trainings per world and kind")
    parser.add_argument("--rows", type=int, default=15_000)
    parser.add_argument("--trials", type=int, default=2)
    asked = parser.parse_args()
    found: list[Trial] = []
    for seed in range(1, asked.seeds + 1):
        for name in asked.worlds:
            for shuffled in (True, False):
                found.append(run(WORLDS[name], seed, rows=asked.rows, trials=asked.trials, shuffled=shuffled))
                print(found[-1], file=sys.stderr, flush=True)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        result = summarise(found, confidence=read_definition(asked.trials).gates.confidence)
        OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
