"""Own labels: one number a customer and cutoff from the rows of a table in the horizon, from a user's own package.

A label sees the rows of [start, end) and no others, whatever it does with them. It must not depend on what became known
after the horizon, nor on who else is asked: that is held by computing it again, for two cutoffs, from tables that end
where the horizon ends and begin where it begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.own_parts import load_own, own_path
from netlift.errors import ConfigError, LeakageError
from netlift.features.leakage import truncate
from netlift.features.own_features import UNDATED, aggregate_of, require_customer_rows

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

SAMPLE = 1_000
ROUNDING = 1e-9  # sums in another order


@dataclass(frozen=True, kw_only=True)
class OwnLabel:
    """What an own task predicts, from a user's package.

    Attributes:
        table: The table that it is made from: of the contract, or one that the config names under `data.own_tables`.
        unit: What one unit is, such as "tickets".
        formula: How it is made, in a line.
        value: An aggregate over the rows that a customer has in the horizon; they have the columns of the table, and
            `window_start` and `window_end`. An event is true or false, or 1 or 0.
        nothing: The label of a customer without rows, or without a value of them; None where such a customer has none,
            as with a rate: he is neither learned from nor judged on, and counted.

    Examples:
        >>> tea = OwnLabel(table="transactions", unit="customers", formula="buys tea",
        ...                value=lambda seen: (seen.category == "tea").any())
        >>> tea.nothing
        0.0
    """

    table: str
    unit: str
    formula: str
    value: Callable[[ir.Table], ir.Value]
    nothing: float | None = 0.0


def find_label(name: str) -> OwnLabel:
    """The own label of a dotted path or an entry point of `netlift.tasks`.

    Raises:
        ConfigError: It cannot be imported, or is no `OwnLabel`.
    """
    path = own_path(name, "task") or name
    found = load_own(path, "task")
    if not isinstance(found, OwnLabel):
        raise ConfigError(f"label.own: {path} is a {type(found).__name__}; make it an OwnLabel")
    return found


def label_values(
    tables: Tables, label: OwnLabel, customer_id: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """The label of each query, float64, shape (n,), NaN where it has none.

    Args:
        tables: The tables of a business.
        label: What is asked.
        customer_id: Customer of each query, shape (n,).
        start: First moment of each horizon, datetime64[us], shape (n,).
        end: First moment after it.

    Raises:
        ConfigError: A table that nobody names or that has no dated rows of customers, or no aggregate.
    """
    import ibis
    import pandas as pd

    what = f"the own label {label.formula!r}"
    require_customer_rows(tables, label.table, what=what)
    if label.table in UNDATED or label.table not in tables:
        need = "has no dated rows of customers" if label.table in UNDATED else "is not among data.tables"
        raise ConfigError(f"{what} is of the table {label.table!r}, which {need}; name one that has")
    plain = {"customer_id": customer_id, "window_start": start, "window_end": end, "row_": range(len(start))}
    asked = ibis.memtable(pd.DataFrame(plain))
    rows = tables[label.table]
    at = rows[str(tables.known[label.table].time)]
    seen = rows.inner_join(
        asked, [rows.customer_id == asked.customer_id, at >= asked.window_start, at < asked.window_end]
    )
    found = seen.group_by("row_").aggregate(value_=aggregate_of(label.value, seen, what=what))
    answer = tables.connection.to_pyarrow(found)
    values = np.full(len(start), np.nan)
    values[answer["row_"].to_numpy()] = answer["value_"].to_numpy(zero_copy_only=False)
    return values if label.nothing is None else np.where(np.isnan(values), label.nothing, values)


def require_horizon_alone(
    tables: Tables, label: OwnLabel, customer_id: np.ndarray, start: np.ndarray, end: np.ndarray, *, seed: int
) -> int:
    """Refuse a label that differs when what lies outside its horizon is taken away, at the first and last cutoff.

    Args:
        tables: The tables of a business.
        label: What is asked.
        customer_id: Customer of each query, shape (n,).
        start: First moment of each horizon, datetime64[us], shape (n,).
        end: First moment after it.
        seed: Of the sample.

    Returns:
        How many queries were asked about.

    Raises:
        LeakageError: How many differ, and for which horizon.
    """
    whole = label_values(tables, label, customer_id, start, end)
    asked = 0
    for first in dict.fromkeys((start.min(), start.max())):
        here = np.random.default_rng(seed).permutation(np.flatnonzero(start == first))[:SAMPLE]
        until = end[here[0]]
        inside = truncate(tables, until.item())
        rows = inside[label.table]
        rows = rows.filter(rows[str(tables.known[label.table].time)] >= first.item())
        alone = label_values(inside.replace(**{label.table: rows}), label, customer_id[here], start[here], end[here])
        differing = ~np.isclose(whole[here], alone, rtol=ROUNDING, atol=0.0, equal_nan=True)
        if differing.any():
            raise LeakageError(
                f"the own label {label.formula!r} differs for {int(differing.sum()):,} of {len(here):,} customers when "
                f"only the rows of its horizon, {first.astype('datetime64[D]')} to {until.astype('datetime64[D]')}, "
                "are there and nothing dated later is known: it must be made of these alone, without chance. Take "
                "columns with a later date out of it"
            )
        asked += len(here)
    return asked


__all__ = ["OwnLabel", "find_label", "label_values", "require_horizon_alone"]
