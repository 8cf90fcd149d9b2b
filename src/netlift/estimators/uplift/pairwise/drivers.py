"""Drivers: what a customer is like, shrunk by how much is known of the customer.

Whom a contact moves hangs on traits: whether they are still a customer, how often they buy, how late they are, how
often they take a promotion or open a message. Windows of history show traits through noise, much of it for who bought
twice and little for who bought fifty times, and effects are too faint to teach trees how far to trust each. So trees
are given the posterior means as columns of their own, behind the features:

    alive                          P(alive) by MBG/NBD
    purchases, each kind of event  (k·m + n) / (k + t), of t days of the last year as a customer
    late                           days since the last purchase · purchases a day: silence, in the customer's own gaps
    shares                         (k·m + n) / (k + t), of t purchases or contacts

m is the population's mean, k = within / between, `within` the variance of one trial or day about the customer's own
mean, `between` that of means among customers. What is learned of the population comes from features alone, no outcome
among them, and is written into the stored model as numbers: a served model computes the same columns from the same
features, and nothing is fitted anew.

References:
    Bühlmann, Straub (1970), Glaubwürdigkeit für Schadensätze: k and its estimate.
    Efron, Morris (1975), Data Analysis Using Stein's Estimator and its Generalizations, JASA.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from netlift.errors import DataError
from netlift.estimators.expression import (
    Expression,
    column,
    constant,
    linear,
    maximum,
    product,
    purchase_process,
    ratio,
)
from netlift.estimators.rows import ContactRows
from netlift.estimators.value.btyd import AGE, LAST_AGE, PURCHASE_DAYS, evaluate_expressions, fit_loyalty

PURCHASES, CONTACTS, TENURE, LAST = "purchases_365d", "contacts_365d", "tenure_days", "days_since_last_purchase"
PROCESS = {PURCHASE_DAYS, LAST_AGE, AGE}
YEAR = 365.0
EVENTS, CHANNEL, IN_YEAR = "events_", "share_channel_", "_365d"
RESPONSE, SENT = "response_share_", "contacts_"  # of all contacts, and of those by each channel
SHARES = {"promo_share_365d": PURCHASES}
COUNTS = {"openings_365d": CONTACTS}
MOST = 10_000  # customers from whom the population is learned


@dataclass(frozen=True, kw_only=True)
class Drivers:
    """Columns to put behind the features.

    Attributes:
        columns: Expression of each, by name.
        notes: What a reader of the card must know.
    """

    columns: dict[str, Expression] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def learn_drivers(rows: ContactRows) -> Drivers:
    """Learn the population from the newest row of each customer.

    A driver whose features are not there, or in which customers do not differ beyond chance, is left out.

    Args:
        rows: Contact rows.
    """
    known = {feature.name for feature in rows.features}
    newest = rows.take(_newest_rows(rows))
    year = linear(YEAR, [-1.0], [maximum([linear(YEAR, [-1.0], [column(TENURE)]), constant(0.0)])])
    trials: dict[str, tuple[Expression, Expression]] = {}
    if TENURE in known:
        per_day = [PURCHASES, *sorted(n for n in known if n.startswith(EVENTS) and n.endswith(IN_YEAR))]
        trials |= {name: (column(name), year) for name in per_day if name in known}
    responses = {n: n.replace(RESPONSE, SENT) for n in sorted(known) if n.startswith(RESPONSE)}
    for name, count in {
        **SHARES,
        **responses,
        **{n: PURCHASES for n in sorted(known) if n.startswith(CHANNEL)},
    }.items():
        if {name, count} <= known:
            trials[name] = product([column(name), column(count)]), column(count)
    trials |= {name: (column(name), column(count)) for name, count in COUNTS.items() if {name, count} <= known}
    columns = {name: of for name, pair in trials.items() if (of := _shrink(newest, *pair)) is not None}
    if LAST in known and PURCHASES in columns:
        columns["late"] = product([column(LAST), columns[PURCHASES]])
    notes: tuple[str, ...] = ()
    if known >= PROCESS:
        try:
            columns["alive"] = purchase_process(fit_loyalty(newest), "p_alive")
        except DataError as error:
            notes = (f"learned without P(alive): {error}",)
    return Drivers(columns={f"posterior_{name}": of for name, of in columns.items()}, notes=notes)


def _newest_rows(rows: ContactRows) -> np.ndarray:
    """Position of the newest row of each customer, of about `MOST` customers at most."""
    order = np.lexsort((rows.campaign, rows.customer))
    last = np.flatnonzero(np.diff(rows.customer[order], append=-1) != 0)
    return np.asarray(order[last[:: -(-len(last) // MOST)]])


def _shrink(rows: ContactRows, events: Expression, trials: Expression) -> Expression | None:
    """Events per trial, shrunk toward the population's; None where customers do not differ beyond chance."""
    found = evaluate_expressions(rows, {"events": events, "trials": trials})
    mean, prior = population_share(found["events"], found["trials"])
    if not np.isfinite(prior):
        return None
    return ratio(linear(mean * prior, [1.0], [events]), linear(prior, [1.0], [trials]), fallback=mean)


def population_share(events: np.ndarray, trials: np.ndarray) -> tuple[float, float]:
    """Mean share of a population, and how many trials of a customer weigh as much as it; inf where all are alike.

    One trial varies about a share p by p·(1 - p), and by p where nothing keeps events from outnumbering trials.

    Args:
        events: Of each customer, shape (n,).
        trials: Of each customer, shape (n,); who has none says nothing.

    Examples:
        >>> population_share(np.array([5.0, 5.0]), np.array([10.0, 10.0]))
        (0.5, inf)
        >>> mean, prior = population_share(np.array([0.0, 100.0]), np.array([100.0, 100.0]))
        >>> mean, round(prior, 2)
        (0.5, 0.0)
    """
    use = (trials > 0) & np.isfinite(events)
    k, n = events[use].astype(np.float64), trials[use].astype(np.float64)
    if len(n) < 2:
        return 0.0, float("inf")
    total, freedom, bounded = float(n.sum()), len(n) - 1, float(np.all(k <= n))
    mean = float(k.sum()) / total
    one = mean * (1.0 - bounded * mean)
    spread = total - float(n @ n) / total - bounded * freedom
    between = (float(n @ (k / n - mean) ** 2) - freedom * one) / spread if spread > 0 else 0.0
    return mean, max(0.0, one - bounded * between) / between if between > 0 else float("inf")
