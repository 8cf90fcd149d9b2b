"""Challenger policies replayed on the randomized part of a run.

Everybody one offer, for each offer of the run, and the uplift model that leads now where another one decided then. The
model is asked about the day of the decision, from what features knew on that day; it chooses among what was open to
each customer, at the prices of the run's limits and the costs of the config. What offers claim to keep of those about
to leave is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.data.read import Tables
from netlift.decisions.allocation.dual import Prices, choose_by_prices
from netlift.decisions.choice.value import AtRisk, value_options
from netlift.decisions.eligibility.options import Option, make_options
from netlift.decisions.readout.record import DecisionRecord
from netlift.decisions.readout.result import EVERYBODY, LEADS_NOW, LeftOutPolicy
from netlift.decisions.run.customers import trained_costs
from netlift.decisions.run.inputs import offers_known, read_past_costs
from netlift.decisions.run.scores import UPLIFT
from netlift.errors import ConfigError, DataError
from netlift.features.build import build_features
from netlift.features.queries import Queries
from netlift.registry.champions import Champion, encode_for, find_champions


@dataclass(frozen=True, kw_only=True, eq=False)
class Challengers:
    """What is replayed beside a run's policy.

    Attributes:
        options: Name to option of each customer of the run, -1 for none, shape (n,).
        left_out: The model that leads now, where what it would have chosen cannot be told; None otherwise.
    """

    options: Mapping[str, np.ndarray]
    left_out: LeftOutPolicy | None = None


def find_challengers(
    settings: BusinessSettings, tables: Tables, record: DecisionRecord, summary: Mapping[str, Any]
) -> Challengers:
    """What other policies would have given the customers of a run.

    Args:
        settings: The business, with a decision block.
        tables: Its tables.
        record: The run's log.
        summary: Of the run, as its manifest has it: versions of models and prices of limits.
    """
    open_to = np.nan_to_num(record.chances[:, 1:]) > 0
    found = {
        f"{EVERYBODY}{offer}": np.where(open_to[:, j], j, -1)
        for j, offer in enumerate(record.offers)
        if open_to[:, j].any()
    }
    leads = next(iter(find_champions(settings, [UPLIFT])[0]), None)
    if leads is None or leads.version == summary["versions"].get(UPLIFT):
        return Challengers(options=found)
    model = f"netlift-uplift v{leads.version}"
    decision = settings.decision
    gone = tuple(offer for offer in record.offers if decision is None or offer not in decision.offers)
    if decision is None or gone:
        return Challengers(options=found, left_out=LeftOutPolicy(model=model, why="offers", offers=gone))
    own = {option.offer_id: option for option in make_options(decision, offers_known(tables))}
    options = tuple(own[offer] for offer in record.offers)
    chosen = _choose_now(options, tables, record, leads, summary, open_to)
    if chosen is None:
        return Challengers(options=found, left_out=LeftOutPolicy(model=model, why="costs"))
    return Challengers(options={**found, f"{LEADS_NOW}{model}": chosen})


def _choose_now(
    options: tuple[Option, ...],
    tables: Tables,
    record: DecisionRecord,
    leads: Champion,
    summary: Mapping[str, Any],
    open_to: np.ndarray,
) -> np.ndarray | None:
    """What the model that leads now would have chosen; None where nobody can tell what offers cost that day."""
    predicted = _predict(tables, record, leads)
    n, m = len(record), len(options)
    uplift, reward = np.full((2, n, m), np.nan)
    for j, offer in enumerate(record.offers):
        uplift[:, j] = predicted.get(f"uplift_{offer}", np.nan)
        reward[:, j] = predicted.get(f"reward_{offer}", np.nan)
    nobody = AtRisk(p_churn=np.zeros(n), ltv=np.zeros(n), horizon_days=1.0, window_days=0.0, weight=0.0)
    try:
        costs = trained_costs(options, read_past_costs(tables, as_of=record.as_of), reward=reward)
        values = value_options(options, uplift=uplift, trained=costs, risk=nobody)
    except (ConfigError, DataError):
        return None
    cost = np.broadcast_to(values.cost(), (n, m))
    return choose_by_prices(values.profit(), cost, open_to, _prices(summary, options)).astype(np.int64)


def _predict(tables: Tables, record: DecisionRecord, leads: Champion) -> dict[str, np.ndarray]:
    """What the model says of the run's customers as of its day."""
    queries = Queries(
        customer_id=np.asarray(record.ids, dtype=object),
        cutoff=np.full(len(record), np.datetime64(record.as_of, "us")),
    )
    features = build_features(
        tables,
        queries,
        leads.contract.vocabulary,
        observation_days=leads.contract.observation_days,
        names=list(leads.model.names),
    )
    return leads.model.predict_matrix(encode_for(leads.model, features.X, features.features))


def _prices(summary: Mapping[str, Any], options: tuple[Option, ...]) -> Prices:
    """What the run's limits charge for each option."""
    money, charge = 0.0, np.zeros(len(options))
    for price in summary["prices"]:
        sign = 1.0 if price["side"] == "most" else -1.0
        kind, _, name = price["name"].partition(" ")
        if kind == "budget":
            money = price["price"]
        for j, option in enumerate(options):
            if name == {"offer": option.offer_id, "channel": option.channel}.get(kind):
                charge[j] += sign * price["price"]
    return Prices(money=money, per_option=charge)


__all__ = ["Challengers", "find_challengers"]
