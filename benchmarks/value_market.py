"""A market with seasons, small enough to read: does a model that saw the season of its label get the level right?

Customers join evenly over 156 weeks, with a purchase. They order at their own rate (gamma-distributed, times 0.7, 1 or
1.4 by channel, times the season 1 + 0.35 sin(2 pi t / 52)) until they leave (exponential, hazard gamma-distributed,
times 1.6, 1 or 0.7); receipts are log-normal around their own mean. The season repeats exactly, as no real one does:
the order of the layouts is the lesson, not the size of their errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
from value_cases import definition_of, rows_at, settings_of, split
from value_findings import Finding, Section, money_row
from value_out_of_time import Question, fit_candidates
from value_peers import plain_lightgbm

from netlift.config.definitions import LtvDefinition
from netlift.data.read import Tables, conform
from netlift.features.vocabulary import Vocabulary

START = datetime(2023, 1, 2)
WEEKS, HORIZON_WEEKS, TEST_WEEK = 156, 26, 130
CHANNELS = ("search", "friends", "store")
RATE, HAZARD = (0.7, 1.0, 1.4), (1.6, 1.0, 0.7)
OURS = ("last_period", "bg_nbd", "two_part", "stack")
LAYOUTS = {
    "c-26 weeks (other half-year)": (104,),
    "c-52 (same season)": (78,),
    "c-52, c-26": (78, 104),
    "4, 26 weeks apart": (26, 52, 78, 104),
    "7, 13 weeks apart": (26, 39, 52, 65, 78, 91, 104),
}


@dataclass(frozen=True, kw_only=True)
class Market:
    """The two tables of the contract that a value needs.

    Attributes:
        customers: customer_id, joined_at, acquisition_channel.
        transactions: customer_id, occurred_at, revenue, margin.
    """

    customers: pd.DataFrame
    transactions: pd.DataFrame

    @contextmanager
    def opened(self) -> Iterator[Tables]:
        """The tables as the features read them."""
        connection = ibis.duckdb.connect(threads=1)
        try:
            sources = {name: ibis.memtable(getattr(self, name)) for name in ("customers", "transactions")}
            yield conform(connection, sources, attributes=("acquisition_channel",), zone=ZoneInfo("UTC"))
        finally:
            connection.disconnect()


def draw_market(customers: int, *, seed: int) -> Market:
    """Simulate customers and their receipts.

    Orders are drawn at the season's peak rate and thinned to the season of their week.

    Args:
        customers: How many join over the 156 weeks.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    joined = rng.uniform(0, WEEKS, customers)
    channel = rng.integers(0, len(CHANNELS), customers)
    rate = rng.gamma(0.9, 0.1 / 0.9, customers) * np.array(RATE)[channel]
    hazard = rng.gamma(0.8, 0.02 / 0.8, customers) * np.array(HAZARD)[channel]
    left = np.minimum(joined + rng.exponential(1 / np.maximum(hazard, 1e-12)), WEEKS)
    own = rng.normal(3.4, 0.5, customers)
    peak = 1.35
    count = rng.poisson(rate * peak * (left - joined))
    who = np.repeat(np.arange(customers), count)
    week = joined[who] + rng.random(len(who)) * (left - joined)[who]
    kept = rng.random(len(who)) * peak < 1 + 0.35 * np.sin(2 * np.pi * week / 52)
    first = np.arange(customers)
    who, week = np.concatenate([first, who[kept]]), np.concatenate([joined, week[kept]])
    order = np.argsort(week, kind="stable")
    who, week = who[order], week[order]
    revenue = np.round(np.exp(rng.normal(own[who], 0.4)), 2) + 0.01
    ids = np.array([f"c{number:06d}" for number in range(customers)], dtype=object)
    at = np.datetime64(START, "us") + (week * 7 * 86_400_000_000).astype("timedelta64[us]")
    joining = np.datetime64(START, "us") + (joined * 7 * 86_400_000_000).astype("timedelta64[us]")
    return Market(
        customers=pd.DataFrame(
            {"customer_id": ids, "joined_at": joining, "acquisition_channel": np.array(CHANNELS, dtype=object)[channel]}
        ),
        transactions=pd.DataFrame({"customer_id": ids[who], "occurred_at": at, "revenue": revenue, "margin": revenue}),
    )


def market_definition(*, observation_days: int = 182, **windows: int) -> LtvDefinition:
    """The demo's ltv in the market: no gap, no late rows, everybody who bought within the observation."""
    definition = definition_of(settings_of("demo"), "ltv")
    if not isinstance(definition, LtvDefinition):
        raise TypeError("the demo's ltv is no definition of value")
    changed = {"observation_days": observation_days, "gap_days": 0, "late_arrival_days": 0, **windows}
    people = definition.population.model_copy(update={"active_within_days": observation_days})
    return definition.model_copy(
        update={
            "windows": definition.windows.model_copy(update=changed),
            "population": people,
            "exclude": (),
            "extrapolate_to_days": None,
        }
    )


def run(*, customers: int, seed: int) -> Finding:
    """The biases of 26 weeks after week 130, a low half-year, by the cutoffs that were learnt from.

    Args:
        customers: How many are simulated.
        seed: Of the market.
    """
    definition = market_definition(observation_days=7 * WEEKS, horizon_days=7 * HORIZON_WEEKS)
    words = Vocabulary(attributes={"acquisition_channel": CHANNELS}, sources=())
    question = Question(horizon=7 * HORIZON_WEEKS, learnt=7 * HORIZON_WEEKS)
    market, sections = draw_market(customers, seed=seed), []
    with market.opened() as tables:
        for layout, weeks in LAYOUTS.items():
            dates = [(START + timedelta(weeks=week)).date() for week in (*weeks, TEST_WEEK)]
            case = split(rows_at(tables, definition, dates, words), dates[-1])
            board, notes = fit_candidates(case, question, definition.search, OURS)
            board |= {
                who: values
                for who, values in plain_lightgbm(case.known, case.test).items()
                if who in ("LightGBM, Tweedie 1.5", "LightGBM, two-part gamma")
            }
            predicted = (
                f"Margin of {len(case.test):,} simulated customers over 26 weeks from week {TEST_WEEK} on, a low "
                f"half-year, no gap; {len(market.transactions):,} receipts, seed {seed}. Learnt from weeks {weeks}. "
                "The features hold the phase of the year at the cutoff, rounded."
            )
            rows = [money_row(who, case.test.y, values, case.test.customer) for who, values in board.items()]
            sections.append(Section(title=f"Trained at {layout}", predicted=predicted, rows=rows, notes=notes))
    return Finding(slug="seasons", sections=sections)
