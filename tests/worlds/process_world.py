"""Customers who buy as BG/NBD and Gamma-Gamma say, seen at several cutoffs, with what they brought afterwards."""

import numpy as np

from netlift.estimators.rows import LabelledRows
from netlift.features.matrix import Feature

NAMES = (
    "purchase_days_all",
    "age_at_last_purchase_days",
    "days_since_first_purchase",
    "margin_all",
    "days_since_last_purchase",
    "purchases_365d",
    "margin_365d",
    "margin_180d",
)
FEATURES = tuple(Feature(name=name, unit="days", source="transactions", formula="made for a test") for name in NAMES)
TRUE = {"r": 0.8, "alpha": 60.0, "a": 0.8, "b": 4.0, "p": 6.0, "q": 4.0, "gamma": 40.0}


def draw_process_rows(*, customers, cutoffs, horizon, seed):
    """Rows of everybody who had bought by each cutoff (days since the start), y the margin of the horizon.

    Rates are a day, Gamma(r, mean r / alpha); each purchase is the last with a chance drawn from Beta(a, b); margins
    of a purchase are Gamma(p, rate nu), nu Gamma(q, gamma). First purchases are spread over the first 300 days.
    """
    rng = np.random.default_rng(seed)
    rate = rng.gamma(TRUE["r"], 1 / TRUE["alpha"], customers)
    drop = rng.beta(TRUE["a"], TRUE["b"], customers)
    nu = rng.gamma(TRUE["q"], 1 / TRUE["gamma"], customers)
    first = rng.integers(0, 300, customers)
    end = max(cutoffs) + horizon
    columns, y, who, when = [], [], [], []
    for i in range(customers):
        days = [first[i]]
        at = float(first[i])
        while True:  # the first purchase is never the last one, as BG/NBD has it
            at += rng.exponential(1 / rate[i])
            if at >= end:
                break
            days.append(int(at))
            if rng.random() < drop[i]:
                break
        at_days = np.unique(days)
        margin = rng.gamma(TRUE["p"], 1 / nu[i], len(at_days))
        for cutoff in cutoffs:
            seen = at_days < cutoff
            if not seen.any():
                continue
            past, money = at_days[seen], margin[seen]
            columns.append(
                (
                    len(past),
                    past[-1] - past[0],
                    cutoff - past[0],
                    money.sum(),
                    cutoff - past[-1],
                    np.count_nonzero(past >= cutoff - 365),
                    money[past >= cutoff - 365].sum(),
                    money[past >= cutoff - 180].sum(),
                )
            )
            y.append(margin[(at_days >= cutoff) & (at_days < cutoff + horizon)].sum())
            who.append(i)
            when.append(cutoff)
    return LabelledRows(
        X=np.asfortranarray(columns, dtype=np.float32),
        features=FEATURES,
        y=np.array(y),
        customer=np.array(who),
        cutoff=np.datetime64("2022-01-01", "us") + np.array(when) * np.timedelta64(1, "D"),
    )
