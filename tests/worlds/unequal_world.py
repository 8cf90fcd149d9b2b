"""A campaign that contacts valuable customers more often, and earns more with them: rows that are drawn."""

import json

import numpy as np
import pandas as pd
from readout_world import ASSIGNED, DAYS, NIGHT, Market, receipts

VALUABLE, EFFECTS = 0.2, (2.0, 40.0)
ONE_ARM = {"mail": (0.3, 0.7)}
TWO_ARMS = {"mail": (0.2, 0.5), "call": (0.3, 0.2)}


def draw_people(rng, customers, chances=ONE_ARM, *, valuable=VALUABLE):
    """Whether valuable, the past, what each would bring alone, the effect, the arm (0 is control) and all chances."""
    rich = rng.random(customers) < valuable
    past = rng.gamma(2.0, np.where(rich, 60.0, 10.0))
    alone = 0.3 * past + np.where(rng.random(customers) < 0.5, rng.gamma(2.0, 15.0, customers), 0.0)
    effect = np.where(rich, EFFECTS[1], EFFECTS[0])
    arms = np.array([np.where(rich, high, low) for low, high in chances.values()]).T
    vector = np.column_stack([1 - arms.sum(axis=1), arms])
    arm = (rng.random(customers)[:, None] >= np.cumsum(vector, axis=1)[:, :-1]).sum(axis=1)
    return rich, past, alone, effect, arm, vector


def make_unequal(customers=8000, *, seed=1, chances=ONE_ARM, logged=False, second_effect=0.5, fixed_cost=0.0):
    """The market, and what the treated of each arm earned in it, costs aside; the second arm does `second_effect`."""
    rng = np.random.default_rng(seed)
    rich, past, alone, effect, arm, vector = draw_people(rng, customers, chances)
    names = np.array(["control", *chances])
    gain = effect * np.select([arm == 1, arm == 2], [1.0, second_effect], 0.0)
    margin = alone + gain
    ids = np.array([f"c{i:05d}" for i in range(customers)])
    before = receipts(ids, past > 0, past, ASSIGNED - pd.to_timedelta(rng.integers(1, 80, customers), unit="D"))
    day = rng.integers(0, DAYS, customers)
    within = receipts(ids, margin > 0, margin, ASSIGNED + pd.to_timedelta(day, unit="D") + pd.Timedelta(hours=3))
    last = pd.DataFrame({"customer_id": [ids[0]], "occurred_at": [NIGHT], "revenue": [0.0], "margin": [0.0]})
    texts = [json.dumps(dict(zip(names.tolist(), row, strict=True))) for row in vector.tolist()]
    contacts = pd.DataFrame(
        {
            "campaign_id": "K1",
            "customer_id": ids,
            "assigned_at": ASSIGNED,
            "offer_id": names[arm],
            "propensity": vector[np.arange(customers), arm],
            "arm_propensities": pd.Series(texts if logged else [None] * customers, dtype="string"),
            "contact_cost": np.select([arm == 1, arm == 2], [0.37, 1.13], 0.0),
            "reward_cost": np.where((arm > 0) & rich, 3.0, 0.0).round(2),
        }
    )
    market = Market(
        customers=pd.DataFrame(
            {
                "customer_id": ids,
                "joined_at": ASSIGNED - pd.to_timedelta(rng.integers(100, 900, customers), unit="D"),
                "region": np.where(rich, "north", "south"),
            }
        ),
        transactions=pd.concat([before, within, last], ignore_index=True),
        campaigns=pd.DataFrame(
            {
                "campaign_id": ["K1"],
                "name": ["Spring"],
                "started_at": [ASSIGNED],
                "outcome_days": [float(DAYS)],
                "fixed_cost": [fixed_cost],
                "randomized": [True],
            }
        ),
        contacts=contacts,
        offers=pd.DataFrame({"offer_id": ["mail", "call"], "channel": ["email", "call"], "contact_cost": [0.37, 1.13]}),
    )
    return market, {name: float(gain[names[arm] == name].sum()) for name in chances}


__all__ = ["EFFECTS", "ONE_ARM", "TWO_ARMS", "VALUABLE", "draw_people", "make_unequal"]
