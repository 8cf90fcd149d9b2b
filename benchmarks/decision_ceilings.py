"""Where the oracle's profit is lost: by features, by the learner, or by labels. So that the next step is known.

In markets that tell the truth of every contact (`decision_markets`), in % of the oracle's profit:

    ceiling     boosted trees taught the true gain of every arm: the best that today's features allow, from so many rows
    no noise    the learner taught true expected outcomes, each customer's of the arm that was drawn
    learner     the learner taught what customers did
    features    lost by features: 100 less the ceiling; the oracle also sees what no feature shows
    by learner  lost by the learner: the ceiling less what it earns without noise
    by labels   lost by labels: what it earns without noise, less what it earns

    python benchmarks/decision_ceilings.py --markets A C rest --customers 40000 --seeds 1 2
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import replace

import numpy as np
from decision_markets import MARKETS, Drawn
from uplift_contenders import read_definition

from netlift.config.definitions import UpliftDefinition
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.policy.off_policy import choose_arms
from netlift.training.uplift.context import UpliftLearning

TOLD = [name for name in MARKETS if name not in ("retailer", "sports")]
TREES = {"n_estimators": 400, "learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 50}


def measure(drawn: Drawn, learner: str, *, definition: UpliftDefinition, seed: int) -> tuple[float, float, float]:
    """Shares of the oracle: ceiling of the features, the learner without noise, and the learner."""
    assert drawn.expected is not None, "the market does not tell the truth of its contacts"
    learning = UpliftLearning(definition=definition, seed=seed, threads=1, unit="currency", say=lambda words: None)

    def learn(rows: ContactRows) -> np.ndarray:
        scores = StoredModel(learning.fit(learner, rows).files).predict_matrix(drawn.X)
        return np.column_stack([scores[f"uplift_{offer}"] for offer in rows.offers])

    quiet = without_noise(drawn.rows, drawn.expected)
    ceiling, unmoved, learned = (
        share(drawn, uplift) for uplift in (teach_truth(drawn, seed), learn(quiet), learn(drawn.rows))
    )
    return ceiling, unmoved, learned


def teach_truth(drawn: Drawn, seed: int) -> np.ndarray:
    """Gain of each offer by trees that were taught the true gain of every contact, shape (n, m)."""
    from lightgbm import LGBMRegressor

    assert drawn.expected is not None
    gains = drawn.expected[:, 1:] - drawn.expected[:, :1]
    found = []
    for gain in gains.T:
        model = LGBMRegressor(**TREES, n_jobs=1, random_state=seed, verbosity=-1).fit(drawn.rows.X, gain)
        found.append(model.predict(drawn.X))
    return np.column_stack(found)


def without_noise(rows: ContactRows, expected: np.ndarray) -> ContactRows:
    """The rows with expected outcomes of the drawn arms; margin is profit before what a contact costs."""
    lack = rows.margin - rows.y
    cost = np.array([lack[rows.arm == arm].min() for arm in range(len(rows.offers) + 1)])
    y = expected[np.arange(len(rows)), rows.arm]
    return replace(rows, y=y, margin=y + cost[rows.arm], reward=None)


def share(drawn: Drawn, uplift: np.ndarray) -> float:
    """Profit of choosing by predicted uplift, in % of the oracle's."""
    gain = drawn.profit - drawn.profit[:, :1]
    choice = choose_arms(uplift, drawn.available)
    oracle = np.where(drawn.available, gain, -np.inf).max(axis=1).mean()
    return float(100 * gain[np.arange(len(choice)), choice].mean() / oracle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", nargs="+", choices=TOLD, default=TOLD)
    parser.add_argument("--customers", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--learner", default="averaged_effects")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    definition = read_definition(6)
    print("market     ceiling  no noise  learner   features  by learner  by labels")
    for market in asked.markets:
        runs = []
        for seed in asked.seeds:
            runs.append(
                measure(MARKETS[market](asked.customers, seed), asked.learner, definition=definition, seed=seed)
            )
            print(f"{market}, seed {seed}: {runs[-1]}", file=sys.stderr, flush=True)
        ceiling, unmoved, learned = np.mean(runs, axis=0)
        lost = (100 - ceiling, ceiling - unmoved, unmoved - learned)
        print(f"{market:10s} {ceiling:7.0f}  {unmoved:8.0f}  {learned:7.0f}   " + "  ".join(f"{x:8.0f}" for x in lost))


if __name__ == "__main__":
    main()
