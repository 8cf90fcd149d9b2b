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
from netlift.config.settings import did_you_mean
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
        table: The table that it is made from: of the contract, or one that the config names under `data.own_tables`.
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
        ConfigError: One cannot be imported, or is no `OwnFeature`.
    """
    found = []
    for path in paths:
        own = load_own(path, "feature")
        if not isinstance(own, OwnFeature):
            raise ConfigError(f"the own feature {path} is a {type(own).__name__}; make it an OwnFeature")
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
        require_customer_rows(tables, feature.table, what=f"the own feature {feature.name}")
        of_table[feature.table].append(feature)
    found: dict[str, np.ndarray] = {}
    for table, own in of_table.items():
        rows, at = tables[table], tables[table][str(tables.known[table].time)]
        together = [rows.customer_id == asked.customer_id, at < asked.cutoff]
        together += [] if table in UNDATED else [at >= asked.since_]
        if tables.has(table, "ingested_at"):
            together.append(rows.ingested_at.coalesce(at) < asked.cutoff)
        seen = rows.inner_join(asked, together)
        values = {
            f"value_{i}": aggregate_of(feature.value, seen, what=f"the own feature {feature.name}")
            for i, feature in enumerate(own)
        }
        answer = tables.connection.to_pyarrow(seen.group_by("row_").aggregate(**values))
        place = answer["row_"].to_numpy()
        for i, feature in enumerate(own):
            column = np.full(len(cutoff), np.nan, dtype=np.float32)
            column[place] = answer[f"value_{i}"].to_numpy(zero_copy_only=False)
            found[feature.name] = column
    return found


def aggregate_of(value: Callable[[ir.Table], ir.Value], seen: ir.Table, *, what: str) -> ir.Value:
    """One number of the rows of a customer, as a double.

    Raises:
        ConfigError: The expression is no aggregate.
    """
    import ibis.expr.types as ir

    found = value(seen)
    if not isinstance(found, ir.Scalar):
        raise ConfigError(f"{what} is no aggregate of its rows; end it in .sum(), .max() or the like")
    return found.cast("float64")


def require_customer_rows(tables: Tables, table: str, *, what: str) -> None:
    """Refuse a table that an own part cannot be made from.

    Raises:
        ConfigError: A table that neither contract nor config know, or whose rows are of no customer or no time.
    """
    known = tables.known.get(table)
    if known is None:
        hint = did_you_mean(table, list(tables.known))
        raise ConfigError(f"{what} is of the table {table!r}: name it in the config under data.own_tables{hint}")
    if known.time is None or known.column("customer_id") is None:
        raise ConfigError(f"{what} is of the table {table!r}, which has no dated rows of customers")
