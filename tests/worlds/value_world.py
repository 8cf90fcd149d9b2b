"""Customers at several cutoffs whose chance of being lost and expected margin are known, as they were made here."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from netlift.config.definitions import Range, Search
from netlift.estimators.rows import LabelledRows
from netlift.features.matrix import Feature

CHANNELS = ("shop", "web", "other")
FEATURES = (
    *(
        Feature(name=name, unit="ratio", source="transactions", formula="made for a test")
        for name in (
            "days_since_last_purchase",
            "days_since_last_purchase_over_gap",
            "purchases_365d",
            "margin_365d",
            "calendar_sin",
            "calendar_cos",
            "noise",
        )
    ),
    Feature(name="channel", unit="category", source="customers", formula="customers.channel", kind="category",
            categories=CHANNELS),
)  # fmt: skip
SEARCH = Search(
    trials=3,
    folds=3,
    max_rounds=150,
    patience=10,
    space={
        "learning_rate": Range(low=0.06, high=0.2, log=True),
        "num_leaves": Range(low=4, high=12, whole=True),
        "min_data_in_leaf": Range(low=40, high=150, log=True, whole=True),
    },
)


@dataclass(frozen=True, kw_only=True)
class World:
    """Rows with their truth: y is left to the caller to choose."""

    rows: LabelledRows
    p_lost: np.ndarray
    lost: np.ndarray
    expected_margin: np.ndarray
    margin: np.ndarray

    def labelled(self, what):
        return self.rows.relabel(self.lost if what == "churn" else self.margin)

    def at(self, cutoffs):
        keep = np.isin(self.rows.cutoff, np.array(cutoffs, dtype="datetime64[us]"))
        return World(rows=self.rows.take(keep), p_lost=self.p_lost[keep], lost=self.lost[keep],
                     expected_margin=self.expected_margin[keep], margin=self.margin[keep])  # fmt: skip


def draw_world(*, customers, cutoffs, seed, season=0.0, spread=0.7, returns=0.0):
    """Purchases are likelier for the recent and the frequent; margin is zero-inflated and log-normal.

    Args:
        customers: How many.
        cutoffs: Dates as text.
        seed: Of everything.
        season: Half the swing of the logit of buying over the year.
        spread: Standard deviation of the logarithm of margin.
        returns: Share of rows without a purchase that return what they bought before.
    """
    rng = np.random.default_rng(seed)
    at = np.array(cutoffs, dtype="datetime64[us]")
    customer = np.tile(np.arange(customers), len(at))
    cutoff = np.repeat(at, customers)
    n = len(customer)
    rate = rng.gamma(1.0, 1.0, customers)[customer]
    since = rng.exponential(40 + 60 / (0.2 + rate))
    purchases = rng.poisson(6 * rate).astype(float)
    over_gap = np.where(purchases > 1, since * (purchases + 0.5) / 365, np.nan)
    worth = np.exp(rng.normal(0, 0.5, customers))[customer]
    channel = rng.integers(0, len(CHANNELS), customers)[customer].astype(float)
    channel[rng.uniform(size=n) < 0.05] = np.nan
    day = (cutoff - cutoff.astype("datetime64[Y]")).astype("timedelta64[D]").astype(float)
    phase = 2 * np.pi * day / 365.25
    logit = 0.4 + 0.5 * np.log1p(purchases) - since / 90 + 0.5 * (channel == 1) + season * np.sin(phase)
    p_buy = expit(logit)
    buys = rng.uniform(size=n) < p_buy
    mean_log = 2.5 + 0.8 * np.log(worth) + 0.15 * np.log1p(purchases)
    amount = np.exp(mean_log + spread * rng.normal(size=n))
    loss = 0.3 * np.exp(mean_log + spread**2 / 2)
    returned = ~buys & (rng.uniform(size=n) < returns * np.exp(-since / 60))
    X = np.column_stack(
        [since, over_gap, purchases, 12 * worth * purchases * rng.uniform(0.8, 1.2, n), np.sin(phase).round(6),
         np.cos(phase).round(6), rng.normal(size=n), channel]
    )  # fmt: skip
    rows = LabelledRows(X=np.asfortranarray(X, dtype=np.float32), features=FEATURES, y=np.zeros(n), customer=customer,
                        cutoff=cutoff)  # fmt: skip
    expected_loss = (1 - p_buy) * returns * np.exp(-since / 60) * loss
    return World(
        rows=rows,
        p_lost=1 - p_buy,
        lost=(~buys).astype(float),
        expected_margin=p_buy * np.exp(mean_log + spread**2 / 2) - expected_loss,
        margin=buys * amount - returned * loss,
    )


def ignore(done, total, best):
    """Watch nothing."""
