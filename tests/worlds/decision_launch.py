"""A simulated launch whose effects are known: drawn by the machinery of decisions, answered by planted potential
outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from netlift.decisions.allocation.exploration import draw_decisions, draw_exploration
from netlift.decisions.allocation.problem import Problem
from netlift.decisions.new_offers.trials import Trials
from netlift.decisions.readout.outcomes import Outcomes

OFFERS = ("mail", "sms", "call")
HOLDOUT, EPSILON = 0.1, 0.2
NEW = Trials(options=(2,), shares=(1.0,), left=(10**6,), budget=1.0)
KEY, DAY = "2026-10-01", date(2026, 10, 1)


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A log as it is written, what everybody brought, and the truth.

    Attributes:
        log: Columns of decisions.parquet.
        outcomes: Of everybody.
        effects: True effect of each option on profit, shape (n, m).
        policy: What the policy gives, or would have given, -1 for none.
        held_out: Whom the holdout has.
        open_to: Who has something open, the holdout included.
    """

    log: pd.DataFrame
    outcomes: Outcomes
    effects: np.ndarray
    policy: np.ndarray
    held_out: np.ndarray
    open_to: np.ndarray

    def truth(self, option: np.ndarray, rows: np.ndarray) -> float:
        """Mean true effect of an option each over rows."""
        padded = np.column_stack([self.effects, np.zeros(len(self.effects))])
        return float(padded[np.arange(len(padded)), option][rows].mean())


def launch(n: int, *, seed: int, slope: float = 1.0, new: bool = False) -> Launched:
    """Three quarters have something open; predictions are `1 / slope` times the mean effect given what is known.

    With `new` the last offer is new: the policy gives it to nobody, and chances of its own do.
    """
    rng = np.random.default_rng(seed)
    known = rng.normal(0.6, 1.5, (n, 3))
    effects = known + rng.normal(0, 1.0, (n, 3))
    open_to = rng.random(n) < 0.75
    explorable = open_to[:, None] & (rng.random((n, 3)) < 0.9)
    open_to = explorable.any(axis=1)
    held_out = rng.random(n) < HOLDOUT
    explorable[held_out] = False
    predicted = known / slope
    value = np.where(explorable, predicted, -np.inf)
    value[:, -1] = -np.inf if new else value[:, -1]
    policy = np.where(value.max(axis=1) > 0, value.argmax(axis=1), -1)
    words = rng.integers(0, 2**63, n, dtype=np.uint64) * np.uint64(2) + rng.integers(0, 2, n, dtype=np.uint64)
    problem = Problem(value=value.astype(np.float32), cost=np.zeros(3), budget=None)
    drawn = draw_exploration(
        words, explorable, problem, epsilon=EPSILON, most_of_limits=0.5, trials=NEW if new else None
    )
    draw = draw_decisions(policy, explorable, drawn, held_out=held_out)
    usual = rng.gamma(0.5, 20.0, n)
    cost = np.array([0.1, 0.5, 2.0, 0.0])[draw.option]
    true = np.column_stack([effects, np.zeros(n)])[np.arange(n), draw.option]
    margin = usual + rng.gamma(0.5, 6.0, n) + true + cost
    names = np.array([*OFFERS, "none"], dtype=object)
    padded = np.column_stack([predicted, np.zeros(n)])
    ids = np.array([f"c{i:06d}" for i in range(n)])
    log = pd.DataFrame(
        {
            "customer_id": ids,
            "as_of": DAY,
            "run_key": KEY,
            "offer_id": names[draw.option],
            "arm": draw.arms,
            "propensity": draw.propensity,
            **{f"p_{name}": draw.chances[:, j] for j, name in enumerate(names)},
            "expected_profit": padded[np.arange(n), draw.option],
            "policy_profit": padded[np.arange(n), policy],
        }
    )
    order = rng.permutation(n)
    outcomes = Outcomes(
        ids=ids[order], margin=margin[order], reward=np.zeros(n), contact_cost=cost[order],
        before=(usual + rng.gamma(0.5, 6.0, n))[order],
    )  # fmt: skip
    return Launched(log=log, outcomes=outcomes, effects=effects, policy=policy, held_out=held_out, open_to=open_to)
