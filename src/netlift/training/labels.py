"""Labels of customers at a cutoff: what each task takes for having happened in its horizon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from netlift.config.definitions import (
    AmountDefinition,
    ChurnDefinition,
    CutoffTask,
    EventDefinition,
    LtvDefinition,
    Windows,
)
from netlift.data.read import Tables
from netlift.errors import DataError
from netlift.features.labels import Labels, build_labels
from netlift.features.own_labels import find_label, label_values, require_horizon_alone
from netlift.features.queries import Queries


@dataclass(frozen=True, kw_only=True)
class LabelRequest:
    """Customers at cutoffs whose labels are asked for.

    Attributes:
        tables: The tables of a business.
        queries: Customers and cutoffs.
        cancelled: When the contract of each ended, NaT for not yet, shape (n,).
        seed: Of samples that are asked about again.
    """

    tables: Tables
    queries: Queries
    cancelled: np.ndarray
    seed: int

    def horizon(self, windows: Windows) -> tuple[np.ndarray, np.ndarray]:
        """First moment of each horizon, and the first after it, shape (n,) each."""
        start = self.queries.cutoff + np.timedelta64(windows.gap_days, "D")
        return start, start + np.timedelta64(windows.horizon_days, "D")

    def receipts(self, windows: Windows, *, discount_rate_year: float = 0.0) -> Labels:
        """Purchases and money of the horizon."""
        return build_labels(
            self.tables,
            self.queries,
            gap_days=windows.gap_days,
            horizon_days=windows.horizon_days,
            discount_rate_year=discount_rate_year,
        )


class Label(Protocol):
    """The label of a task."""

    @property
    def happened(self) -> str:
        """What is said of those whose label is above zero."""

    def ask(self, asked: LabelRequest) -> tuple[np.ndarray, str]:
        """The label of each, float64, NaN for who has none, shape (n,); and why some have none, in words."""


@dataclass(frozen=True)
class NoPurchase:
    """1 for who buys nothing in the horizon."""

    definition: ChurnDefinition
    happened: str = "were lost"

    def ask(self, asked: LabelRequest) -> tuple[np.ndarray, str]:
        """As `Label`."""
        return (asked.receipts(self.definition.windows).purchases == 0).astype(np.float64), ""


@dataclass(frozen=True)
class Cancellation:
    """1 for whose contract ends in the horizon; none for whose ended in the gap, who is neither lost nor kept."""

    definition: ChurnDefinition
    happened: str = "were lost"

    def ask(self, asked: LabelRequest) -> tuple[np.ndarray, str]:
        """As `Label`."""
        start, end = asked.horizon(self.definition.windows)
        if not asked.tables.has("customers", "cancelled_at"):
            raise DataError(
                "customers.cancelled_at: missing, and the churn label is a cancellation; map the column that holds its "
                "date under data.tables.customers.columns, or set label.kind to no_purchase"
            )
        lost = ((asked.cancelled >= start) & (asked.cancelled < end)).astype(np.float64)
        lost[(asked.cancelled >= asked.queries.cutoff) & (asked.cancelled < start)] = np.nan
        return lost, "their contract ended between cutoff and horizon, in the gap"


@dataclass(frozen=True)
class Margin:
    """Margin of the horizon, discounted to the cutoff."""

    definition: LtvDefinition
    happened: str = "brought margin"

    def ask(self, asked: LabelRequest) -> tuple[np.ndarray, str]:
        """As `Label`."""
        rate = self.definition.discount_rate_year
        return asked.receipts(self.definition.windows, discount_rate_year=rate).margin, ""


@dataclass(frozen=True)
class Own:
    """A label of a user's package."""

    definition: EventDefinition | AmountDefinition
    happened: str = "have a label above zero"

    def ask(self, asked: LabelRequest) -> tuple[np.ndarray, str]:
        """As `Label`."""
        own, task = find_label(self.definition.label.own), self.definition.task
        span = asked.horizon(self.definition.windows)
        y = label_values(asked.tables, own, asked.queries.customer_id, *span)
        has = ~np.isnan(y)
        if not has.any():
            raise DataError(
                f"{task}: the label {own.formula!r} is missing for all {len(y):,} rows; it needs rows of {own.table} "
                f"in the {self.definition.windows.horizon_days} days of the horizon. Check the table, or say what a "
                "customer without rows counts as (OwnLabel.nothing)"
            )
        values = np.unique(y[has])
        if np.isinf(values).any():
            raise DataError(f"{task}: the label {own.formula!r} is infinite for {np.isinf(y).sum():,} rows: mend it")
        if len(values) == 1:
            raise DataError(
                f"{task}: the label {own.formula!r} is {values[0]:g} for all {int(has.sum()):,} rows, which teaches "
                "nothing; change label.own, the horizon or the population"
            )
        if isinstance(self.definition, EventDefinition) and not np.isin(values, (0.0, 1.0)).all():
            odd = values[~np.isin(values, (0.0, 1.0))]
            raise DataError(
                f"{task}: the label {own.formula!r} is an event and takes the value {odd[0]:g}; an event is 0 or 1: "
                "end it in .any(), or say label.kind: amount"
            )
        require_horizon_alone(asked.tables, own, asked.queries.customer_id, *span, seed=asked.seed)
        return y, f"they have no label: {own.formula} needs rows of {own.table} in the horizon"


def _churn(definition: ChurnDefinition) -> Label:
    return NoPurchase(definition) if definition.label.kind == "no_purchase" else Cancellation(definition)


LABELS: Mapping[type[CutoffTask], Callable[[Any], Label]] = {
    ChurnDefinition: _churn,
    LtvDefinition: Margin,
    EventDefinition: Own,
    AmountDefinition: Own,
}


def label_of(definition: CutoffTask) -> Label:
    """The label of a definition."""
    return LABELS[type(definition)](definition)


__all__ = ["Label", "LabelRequest", "label_of"]
