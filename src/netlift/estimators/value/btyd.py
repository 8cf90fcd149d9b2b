"""Candidates from BTYD models: probability alive, expected purchases and money.

Their parameters are fitted on purchase histories alone, which need no label: those known at the newest cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np

from netlift.errors import DataError
from netlift.estimators.expression import Expression, linear, product, purchase_process, ratio, spend, write_files
from netlift.estimators.rows import ContactRows, LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.bg_nbd import PurchaseProcess, fit_purchases
from netlift.estimators.value.btyd_columns import group_histories
from netlift.estimators.value.gamma_gamma import SpendModel, fit_spend
from netlift.features.matrix import Feature

PURCHASE_DAYS = "purchase_days_all"
LAST_AGE = "age_at_last_purchase_days"
AGE = "days_since_first_purchase"
MARGIN = "margin_all"
DAYS_PER_WEEK = 7
DAYS_PER_YEAR = 365.25
STEP_DAYS = 28
Rows = TypeVar("Rows", LabelledRows, ContactRows)
KEPT = 4  # fits: of the histories searched on, compared on, and judged on


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Probability models of one population.

    Attributes:
        purchases: BG/NBD: how many purchases to come.
        loyalty: MBG/NBD: whether the customer is still one; BG/NBD says yes of everybody who bought once.
        spend: Gamma-Gamma: margin of a purchase day.
        notes: What a reader must know.
    """

    purchases: PurchaseProcess
    loyalty: PurchaseProcess
    spend: SpendModel
    notes: tuple[str, ...]

    @property
    def p_alive(self) -> Expression:
        """Chance that the customer is still one, stored."""
        return purchase_process(self.loyalty, "p_alive")

    def count(self, *, from_days: int, to_days: int) -> Expression:
        """Expected purchase days between two times after the cutoff, stored."""
        return purchase_process(self.purchases, "purchases", from_days=from_days, to_days=to_days)

    def value(self, *, from_days: int, to_days: int, discount_rate_year: float) -> Expression:
        """Expected margin between two times after the cutoff, discounted to it, stored."""
        return product([self._discounted(from_days, to_days, discount_rate_year), spend(self.spend)])

    def growth(self, *, from_days: int, horizons: tuple[int, int], discount_rate_year: float) -> Expression:
        """How many times the money of the first horizon a longer one brings, stored; horizons in days after the gap."""
        short, long = (self._discounted(from_days, from_days + h, discount_rate_year) for h in horizons)
        return ratio(long, short, fallback=1.0)

    def aged(self) -> Processes:
        """The same models with MBG/NBD for purchases too, which doubts those who bought once."""
        return replace(self, purchases=self.loyalty)

    def _discounted(self, start: int, end: int, rate: float) -> Expression:
        """Expected purchase days, each counted at its discount, in steps of four weeks."""
        if rate == 0:
            return self.count(from_days=start, to_days=end)
        edges = [*range(start, end, STEP_DAYS), end]
        steps = list(pairwise(edges))
        weights = [(1 + rate) ** (-(a + b) / 2 / DAYS_PER_YEAR) for a, b in steps]
        return linear(0.0, weights, [self.count(from_days=a, to_days=b) for a, b in steps])


def fit_processes(rows: Rows) -> Processes:
    """Fit the probability models on the histories of some rows, one per customer; labels are not looked at.

    Args:
        rows: Customers, each as of one cutoff.

    Raises:
        DataError: A feature that the models need is excluded, nobody bought twice, or a fit does not converge.
    """
    return _fit_columns(*(_column(rows, name).tobytes() for name in (PURCHASE_DAYS, LAST_AGE, AGE, MARGIN)))


def fit_loyalty(rows: Rows) -> PurchaseProcess:
    """MBG/NBD alone: whether customers still are some. Rows and errors as in `fit_processes`."""
    return _fit_rhythm("mbg_nbd", *(_column(rows, name).tobytes() for name in (PURCHASE_DAYS, LAST_AGE, AGE)))


@lru_cache(maxsize=2 * KEPT)
def _fit_rhythm(family: Literal["bg_nbd", "mbg_nbd"], *columns: bytes) -> PurchaseProcess:
    """One family fitted to purchase days, age at the last and age as float32."""
    days, last, age = (np.frombuffer(column, dtype=np.float32).astype(np.float64) for column in columns)
    if not np.any(days > 1):
        raise DataError(
            f"probability models: none of {len(days):,} customers bought on a second day, a rhythm cannot be learnt; "
            "drop bg_nbd, stack, p_alive and extrapolate_to_days from the definition, or bring more history"
        )
    known = days >= 1
    histories = group_histories(days[known] - 1, last[known] / DAYS_PER_WEEK, age[known] / DAYS_PER_WEEK)
    return fit_purchases(histories, family=family)


@lru_cache(maxsize=KEPT)
def _fit_columns(*columns: bytes) -> Processes:
    """The fit to purchase days, age at the last, age and margin as float32; every candidate asks for the same one."""
    days, margin = (np.frombuffer(columns[i], dtype=np.float32).astype(np.float64) for i in (0, 3))
    known = days >= 1
    bought = known & (margin > 0)
    purchases = _fit_rhythm("bg_nbd", *columns[:3])
    loyalty = _fit_rhythm("mbg_nbd", *columns[:3])
    money = fit_spend(margin[bought] / days[bought], days[bought])
    notes = [
        f"purchases: BG/NBD r {purchases.r:.3f}, alpha {purchases.alpha:.2f} weeks, a {purchases.a:.3f}, "
        f"b {purchases.b:.3f} on {int(known.sum()):,} histories; margin of a purchase day: Gamma-Gamma p "
        f"{money.p:.2f}, q {money.q:.2f}, gamma {money.gamma:.2f}; correlation of the two {money.correlation:+.2f} "
        "(assumed 0)"
    ]
    if purchases.at_bound:
        notes.append(
            f"BG/NBD: {', '.join(purchases.at_bound)} ran to the end of their range: these histories hardly show "
            "anybody leave, so that P(alive) is near 1 for everybody"
        )
    if (known & ~bought).any():
        notes.append(
            f"{int((known & ~bought).sum()):,} of {int(known.sum()):,} customers had no margin left after returns: "
            "they taught the rhythm, not the margin of a purchase"
        )
    return Processes(purchases=purchases, loyalty=loyalty, spend=money, notes=tuple(notes))


def newest_of(rows: LabelledRows) -> LabelledRows:
    """The rows of the newest cutoff."""
    return rows.take(rows.cutoff == rows.cutoff.max())


def evaluate_expressions(
    rows: Rows, expressions: Mapping[str, Expression], boosters: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Values of stored expressions for rows, each of shape (n,)."""
    outputs = [(name, "", expression) for name, expression in expressions.items()]
    files = write_files(task="ltv", features=rows.features, outputs=outputs, boosters=boosters or {})
    return StoredModel(files).predict_matrix(rows.X)


def add_expressions(rows: Rows, expressions: Mapping[str, Expression]) -> Rows:
    """The rows with further columns, behind the others, that a stored model computes anew by the same expressions."""
    if not expressions:
        return rows
    values = evaluate_expressions(rows, expressions)
    features = tuple(
        Feature(name=name, unit="ratio", source="probability models", formula=name) for name in expressions
    )
    return rows.add_columns(np.column_stack([values[name] for name in expressions]), features)


def _column(rows: Rows, name: str) -> np.ndarray:
    if all(feature.name != name for feature in rows.features):
        raise DataError(
            f"the feature {name} is needed by the probability models and not there: take it out of `exclude`, or drop "
            "bg_nbd, stack and p_alive from candidates"
        )
    return rows.column(name).astype(np.float32)
