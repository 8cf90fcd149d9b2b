"""Own features: one number a customer and cutoff from the rows of a table before it, from a user's own package.

A feature sees no row of its cutoff or later, whatever it does with the others: they are taken away before it is asked,
and training holds every feature against tables with another future all the same (`leakage.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.own_parts import load_own
from netlift.data.contract import CONTRACT
from netlift.errors import ConfigError
from netlift.features.matrix import Feature

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

UNDATED = ("customers",)  # a customer's row is of no time; only whether he had joined is known


@dataclass(frozen=True, kw_only=True)
class OwnFeature:
    """A feature of a user's package.

    Attributes:
        name: Its name, with its unit or window in it.
        table: The table of the contract that it is made from.
        unit: What one unit is, such as "days".
        formula: How it is made, in a line.
        value: An aggregate over the rows that a customer has before his cutoff; they have the columns of the table and
            `cutoff`. Customers without a row are missing.

    Examples:
        >>> visits = OwnFeature(name="visits_all", table="events", unit="events", formula="events of kind 'visit'",
        ...                     value=lambda seen: (seen.kind == "visit").sum())
        >>> visits.feature.source
        'events'
    """

    name: str
    table: str
    unit: str
    formula: str
    value: Callable[[ir.Table], ir.Value]

    @property
    def feature(self) -> Feature:
        """As the catalogue has it."""
        return Feature(name=self.name, unit=self.unit, source=self.table, formula=self.formula)


def load_features(paths: Sequence[str]) -> list[OwnFeature]:
    """The own features of dotted paths.

    Raises:
        ConfigError: One cannot be imported, is no `OwnFeature`, or is of a table that the contract does not have.
    """
    found = []
    for path in paths:
        own = load_own(path, "feature")
        if not isinstance(own, OwnFeature):
            raise ConfigError(f"the own feature {path} is a {type(own).__name__}; make it an OwnFeature")
        if own.table not in CONTRACT or not (CONTRACT[own.table].time and "customer_id" in _columns(own.table)):
            raise ConfigError(f"the own feature {path} is of the table {own.table!r}, which has no rows of customers")
        found.append(own)
    return found


def own_values(
    tables: Tables,
    features: Sequence[OwnFeature],
    customer_id: np.ndarray,
    cutoff: np.ndarray,
    *,
    since: np.timedelta64,
) -> dict[str, np.ndarray]:
    """Own features by name, float32, shape (n,) each, NaN where a customer has no row.

    Args:
        tables: The tables of a business.
        features: What is asked.
        customer_id: Customer of each query, shape (n,).
        cutoff: Its cutoff, shape (n,).
        since: How long before a cutoff rows are seen.
    """
    import ibis
    import pandas as pd

    asked = ibis.memtable(
        pd.DataFrame(
            {"customer_id": customer_id, "cutoff": cutoff, "since_": cutoff - since, "row_": range(len(cutoff))}
        )
    )
    of_table: dict[str, list[OwnFeature]] = defaultdict(list)
    for feature in features:
        of_table[feature.table].append(feature)
    found: dict[str, np.ndarray] = {}
    for table, own in of_table.items():
        rows, at = tables[table], tables[table][CONTRACT[table].time]
        together = [rows.customer_id == asked.customer_id, at < asked.cutoff]
        together += [] if table in UNDATED else [at >= asked.since_]
        if tables.has(table, "ingested_at"):
            together.append(rows.ingested_at.coalesce(at) < asked.cutoff)
        seen = rows.inner_join(asked, together)
        values = {f"value_{i}": _aggregate(feature, seen) for i, feature in enumerate(own)}
        answer = tables.connection.to_pyarrow(seen.group_by("row_").aggregate(**values))
        place = answer["row_"].to_numpy()
        for i, feature in enumerate(own):
            column = np.full(len(cutoff), np.nan, dtype=np.float32)
            column[place] = answer[f"value_{i}"].to_numpy(zero_copy_only=False)
            found[feature.name] = column
    return found


def _aggregate(own: OwnFeature, seen: ir.Table) -> ir.Value:
    import ibis.expr.types as ir

    value = own.value(seen)
    if not isinstance(value, ir.Scalar):
        raise ConfigError(
            f"the own feature {own.name} is no aggregate of its rows; end it in .sum(), .max() or the like"
        )
    return value.cast("float64")


def _columns(table: str) -> set[str]:
    return {column.name for column in CONTRACT[table].columns}
