"""What does the model that ships earn? Training as `netlift train uplift` does it, in markets whose truth is known.

Each run draws a market (`decision_markets`), trains with the project's own definition, asks the gate, and gives every
customer who may be decided for what ships: a refusal contacts nobody and counts 0.

    share      true profit of what ships above contacting nobody, in % of that of who knows the truth
    learned    the same of the learner alone, whatever the gate says of it
    promise    what a launch by that learner is forecast to earn, freed of the winner's curse, over what it would earn
    width      of the forecast's interval, over what who knows the truth would earn

Shuffled, contacts have the features of others: nothing tells customers apart, and what ships is an error of the gate
where it truly earns less than nobody.

    python benchmarks/decisions.py --markets A retailer --customers 20000 --seeds 1 2 --label before
    python benchmarks/decisions.py --shuffled --customers 20000 --seeds 1 2 3
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from decision_markets import KEPT, MARKETS, Drawn
from uplift_contenders import read_definition

from netlift.config.definitions import UpliftDefinition
from netlift.errors import DataError
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.policy.forecast_lines import Lines
from netlift.evaluation.policy.off_policy import choose_arms
from netlift.evaluation.policy.profit_forecast import find_worth
from netlift.training.uplift.context import UpliftLearning
from netlift.training.uplift.evidence_rows import gather_proof_rows
from netlift.training.uplift.fit_final import ShippedUplift, ship_uplift
from netlift.training.uplift.train import judge_by_gate

UNIT = "currency/customer"
WARM_ROWS = 3_000


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training.

    Attributes:
        label: Of the code that trained.
        market: Its name.
        customers: Asked of it.
        seed: Of market and training.
        shuffled: Whether features were shuffled among contacts.
        rows: Contacts learned from.
        learner: Which was chosen.
        ships: What goes live: whole, constant, part, or nobody.
        share: In % of the oracle; 0 where nothing ships.
        learned: Of the learner alone.
        constant: Of the better of nobody and everybody one offer, with hindsight.
        promised: Forecast per customer of a launch by the learner, with its interval; None where nothing can be told.
        came_true: What that launch would truly earn per customer.
        oracle: Per customer.
        cpu_s: Of the training.
    """

    label: str
    market: str
    customers: int
    seed: int
    shuffled: bool
    rows: int
    learner: str
    ships: str
    share: float
    learned: float
    constant: float
    promised: tuple[float, float, float] | None
    came_true: float
    oracle: float
    cpu_s: float


def run(market: str, customers: int, seed: int, *, label: str, shuffled: bool, definition: UpliftDefinition) -> Run:
    """Train once, and value what ships by the truth."""
    drawn = MARKETS[market](customers, seed)
    if shuffled:
        drawn = shuffle(drawn, seed)
    learning = UpliftLearning(definition=definition, seed=seed, threads=1, unit=UNIT, say=lambda words: None)
    begun = time.process_time()
    shipped = ship_uplift(learning, drawn.rows, advance=lambda done, of, words: None)
    checks = judge_by_gate(shipped, definition.gates)
    spent = time.process_time() - begun
    passed = all(check.passed for check in checks)
    kind = shipped.permission.kind
    uplift = predict(shipped, drawn)
    choice = choose_arms(uplift, drawn.available)
    gain = drawn.profit - drawn.profit[:, :1]
    oracle = float(np.where(drawn.available, gain, -np.inf).max(axis=1).mean())
    earned = value(gain, choice, shuffled=shuffled)
    constants = np.where(drawn.available, gain, 0.0).mean(axis=0)
    return Run(
        label=label,
        market=market,
        customers=customers,
        seed=seed,
        shuffled=shuffled,
        rows=len(drawn.rows),
        learner=shipped.learner,
        ships=kind if passed else "nobody",
        share=100 * earned / oracle if passed else 0.0,
        learned=100 * earned / oracle,
        constant=100 * max(0.0, float(constants.max())) / oracle,
        promised=promise(shipped, learning, uplift, choice),
        came_true=earned,
        oracle=oracle,
        cpu_s=spent,
    )


def shuffle(drawn: Drawn, seed: int) -> Drawn:
    """The same outcomes with the features of other contacts."""
    order = np.random.default_rng([seed, 7]).permutation(len(drawn.rows))
    rows: ContactRows = replace(drawn.rows, X=np.asfortranarray(drawn.rows.X[order]))
    return replace(drawn, rows=rows)


def predict(shipped: ShippedUplift, drawn: Drawn) -> np.ndarray:
    """Predicted uplift of those who are decided for, shape (n, m)."""
    scores = StoredModel(shipped.candidate.files).predict_matrix(drawn.X)
    return np.column_stack([scores[f"uplift_{offer}"] for offer in drawn.rows.offers])


def value(gain: np.ndarray, choice: np.ndarray, *, shuffled: bool) -> float:
    """True gain per customer of choices; where features say nothing, of as many of each at random."""
    if shuffled:
        return float((np.bincount(choice, minlength=gain.shape[1]) / len(choice)) @ gain.mean(axis=0))
    return float(gain[np.arange(len(choice)), choice].mean())


def promise(
    shipped: ShippedUplift, learning: UpliftLearning, uplift: np.ndarray, choice: np.ndarray
) -> tuple[float, float, float] | None:
    """What a launch to these customers is forecast to earn per customer, and its interval, as decisions forecast it."""
    proof = gather_proof_rows(shipped, learning)
    held = choose_arms(proof.uplift, proof.logged.available)
    at = np.arange(len(held))
    try:
        worth = find_worth(proof.logged, held, proof.uplift[at, np.maximum(held - 1, 0)])
    except DataError:
        return None
    offers = uplift.shape[1]
    lines = Lines.of(worth.gains_by_arm(range(1, offers + 1)), level=proof.logged.level, chosen=[True] * offers)
    given = np.flatnonzero(choice > 0)
    total = lines.total(uplift[given, choice[given] - 1], choice[given] - 1, unit="", method="")
    return total.point / len(choice), total.ci_lower / len(choice), total.ci_upper / len(choice)


def table(runs: Sequence[Run]) -> str:
    """Means over seeds by market and size, for people."""
    lines = [
        "market     customers  share of oracle by seed             mean  learned  constant  promise/truth  covered  "
        "width  CPU s"
    ]
    for market, customers in sorted(
        {(r.market, r.customers) for r in runs}, key=lambda k: (k[1], list(MARKETS).index(k[0]))
    ):
        own = [r for r in runs if (r.market, r.customers) == (market, customers)]
        told = [(r.promised, r.came_true, r.oracle) for r in own if r.promised is not None]
        ratio = sum(p[0] for p, _, _ in told) / max(sum(t for _, t, _ in told), 1e-9) if told else float("nan")
        covered = sum(p[1] <= t <= p[2] for p, t, _ in told)
        width = float(np.mean([(p[2] - p[1]) / oracle for p, _, oracle in told])) if told else float("nan")
        shares = " ".join(f"{r.share:.0f}" for r in own)
        figures = [
            float(np.mean([getattr(r, name) for r in own])) for name in ("share", "learned", "constant", "cpu_s")
        ]
        lines.append(
            f"{market:10s} {customers:9,d}  {shares:34s}  {figures[0]:4.0f}  {figures[1]:7.0f}  {figures[2]:8.0f}  "
            f"{ratio:13.2f}  {covered:3d}/{len(told):3d}  {width:5.2f}  {figures[3]:5.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", nargs="+", choices=MARKETS, default=list(MARKETS))
    parser.add_argument("--customers", type=int, nargs="+", default=[20_000, 40_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shuffled", action="store_true", help="features shuffled among contacts: errors of the gate")
    parser.add_argument("--trials", type=int, default=6, help="settings that learners may try")
    parser.add_argument("--candidates", nargs="+", help="learners to choose among, in place of the definition's")
    parser.add_argument("--label", default="now", help="of the code, to hold one against another")
    parser.add_argument("--json", type=Path, default=KEPT / "runs.jsonl", help="a line per run, appended")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    definition, runs = read_definition(asked.trials), []
    if asked.candidates:
        definition = definition.model_copy(update={"candidates": tuple(asked.candidates)})
    warm = MARKETS["A"](WARM_ROWS, 0)
    ship_uplift(
        UpliftLearning(definition=definition, seed=0, threads=1, unit=UNIT, say=lambda words: None),
        warm.rows,
        advance=lambda done, of, words: None,
    )
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    for customers in asked.customers:
        for seed in asked.seeds:
            for market in asked.markets:
                found = run(
                    market, customers, seed, label=asked.label, shuffled=asked.shuffled, definition=definition
                )  # fmt: skip
                runs.append(found)
                with asked.json.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(asdict(found)) + "\n")
                print(
                    f"{market} {customers:,} seed {seed}: {found.ships} of {found.learner}, {found.share:.0f} % of the "
                    f"oracle, {found.cpu_s:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
    print(table(runs))


if __name__ == "__main__":
    main()
