"""Aggregation of assigned customers to moments of campaign, arm and segment, in one Ibis query.

The database gives counts, sums, sums of all products and sums of cubes; rows stay where they are. Sums of squares lose
digits where a mean is large against its spread: where that is seen, the sums are taken a second time about the mean of
each arm. Segments of several dimensions are read in one pass over their common cells, as long as those are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from netlift.abtest.stats.moments import (
    DUST,
    OUTCOMES,
    PROFIT,
    SPEND,
    ClusterSums,
    LogSpend,
    Moments,
    merge,
    of_sums,
    weights_of,
)
from netlift.data.contract import CONTROL
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

EVERYBODY = ""
KEYS = ("campaign_id", "arm")
SHIFT = "shift_"
MOST_CROSSED = 20_000
LOST_DIGITS = 1e6
"""Square of a mean over a variance from which sums are taken about the mean: half of a double's digits are gone."""

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class MomentCell:
    """Whose moments they are.

    Attributes:
        campaign: Campaign id.
        arm: Offer id, or control.
        dimension: What customers are split by; `EVERYBODY` where they are not.
        segment: The value of it; None where it is missing, and empty for everybody.
    """

    campaign: str
    arm: str
    dimension: str = EVERYBODY
    segment: str | None = ""


Cells = dict[MomentCell, Moments]


def aggregate(
    rows: ir.Table,
    *,
    figures: Sequence[str] = OUTCOMES,
    dimensions: Sequence[str] = (),
    cluster: str | None = None,
) -> Cells:
    """Moments of every campaign and arm, as a whole and by the segments of each dimension.

    Args:
        rows: One row per assigned customer: campaign_id, arm, bought (bool), the figures and the dimensions.
        figures: Outcomes, then covariates; a flag such as `delivered` counts as 0 and 1.
        dimensions: Columns to split by, one at a time.
        cluster: Column of what customers share, such as a household; its sums are kept with each cell.

    Raises:
        DataError: No rows, or a figure that is missing or infinite.
    """
    weights_of(PROFIT, figures)
    groups = _share_passes(rows, dimensions)
    cells: Cells = {}
    for position, group in enumerate(groups):
        fine = _fine_cells(rows, figures, group)
        for dimension in ([EVERYBODY] if position == 0 else []) + list(group):
            cells |= _collect(fine, dimension)
    if not cells:
        raise DataError("no assigned customers were found; a readout needs at least two customers in each arm")
    if cluster is not None:
        for dimension in (EVERYBODY, *dimensions):
            cells |= _with_clusters(rows, cells, dimension, cluster)
    return cells


def by_arm(cells: Cells) -> dict[str, Moments]:
    """Arm to moments, control first, then by name."""
    found = {cell.arm: moments for cell, moments in cells.items() if not cell.dimension}
    return {arm: found[arm] for arm in sorted(found, key=lambda arm: (arm != CONTROL, arm))}


def _share_passes(rows: ir.Table, dimensions: Sequence[str]) -> list[tuple[str, ...]]:
    """Dimensions that are read together, so that each pass has few cells."""
    if len(dimensions) <= 1:
        return [tuple(dimensions)]
    counts = rows.aggregate(**{name: rows[name].approx_nunique() for name in (*KEYS, *dimensions)})
    sizes = counts.to_pyarrow().to_pylist()[0]
    room = MOST_CROSSED // max(1, sizes[KEYS[0]] * sizes[KEYS[1]])
    groups: list[tuple[str, ...]] = []
    crossed = 0
    for name in sorted(dimensions, key=lambda name: (sizes[name], name)):
        size = sizes[name] + 1
        if groups and crossed * size <= room:
            groups[-1], crossed = (*groups[-1], name), crossed * size
        else:
            groups, crossed = [*groups, (name,)], size
    return groups


def _fine_cells(rows: ir.Table, figures: Sequence[str], dimensions: Sequence[str]) -> list[tuple[Row, Moments]]:
    """Moments of each campaign x arm x all the dimensions, about the arms' means where the sums lose digits."""
    totals = sum_up(rows, figures, dimensions)
    if totals and _loses_digits(totals, figures):
        totals = sum_up(_about_means(rows, totals, figures), figures, dimensions)
    return [(total, _moments(total, figures)) for total in totals]


def sum_up(rows: ir.Table, figures: Sequence[str], dimensions: Sequence[str]) -> list[Row]:
    """One row of sums per campaign x arm x dimensions; `shift_i` are what was taken off the figures."""
    value = {name: rows[name].cast("float64") for name in figures}
    profit = sum(sign * value[name] for name, sign in PROFIT.items() if name in value)
    sums = {f"sum_{i}": value[name].sum() for i, name in enumerate(figures)}
    for (i, a), (j, b) in combinations_with_replacement(enumerate(figures), 2):
        sums[f"product_{i}_{j}"] = (value[a] * value[b]).sum()
    answer = rows.group_by(*KEYS, *dimensions).aggregate(
        n=rows.count(),
        complete=sum(value.values()).count(),
        buyers=rows.bought.sum(),
        cubes=(profit * profit * profit).sum(),
        **sums,
        **_log_spend(rows),
        **{f"low_{i}": value[name].min() for i, name in enumerate(figures)},
        **{f"high_{i}": value[name].max() for i, name in enumerate(figures)},
        **{name: rows[name].max() for name in rows.columns if name.startswith(SHIFT)},
    )
    found = cast(list[Row], answer.to_pyarrow().to_pylist())
    missing = sum(row["n"] - row["complete"] for row in found)
    if missing:
        raise DataError(
            f"{missing:,} of {sum(row['n'] for row in found):,} assigned customers have no value in one of "
            f"{', '.join(figures)}; a customer who bought nothing counts as zero: fill them before"
        )
    return found


def _log_spend(rows: ir.Table) -> dict[str, ir.Value]:
    """Sums of powers of the logarithm of what buyers spent, `spend` where the figures are weighted."""
    column = next((name for name in (SPEND, "revenue") if name in rows.columns), None)
    if column is None:
        return {}
    spent = rows[column].cast("float64")
    log = (spent > DUST).ifelse(spent, None).ln()
    powers = {1: log, 2: log * log, 3: log * log * log, 4: log * log * log * log}
    return {"logs_0": log.count(), **{f"logs_{k}": power.sum() for k, power in powers.items()}}


def log_spend_of(total: Row) -> LogSpend:
    """Logarithms of what buyers spent, out of a row of sums."""
    if "logs_0" not in total:
        return LogSpend()
    first, second, third, fourth = (float(total[f"logs_{k}"] or 0.0) for k in (1, 2, 3, 4))
    return LogSpend(buyers=int(total["logs_0"]), sums=(first, second, third, fourth))


def _moments(total: Row, figures: Sequence[str]) -> Moments:
    sums, products, shift = sums_and_products(total, figures)
    low, high = (np.array([total[f"{end}_{i}"] for i in range(len(figures))], dtype=float) for end in ("low", "high"))
    found = of_sums(figures, total["n"], sums, products, total["cubes"], buyers=total["buyers"], shift=shift)
    return replace(found, spend=log_spend_of(total), low=low + shift, high=high + shift)


def sums_and_products(total: Row, figures: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums (k,), products (k, k) and the shift (k,) that both are about."""
    k = len(figures)
    products = np.zeros((k, k))
    for i, j in combinations_with_replacement(range(k), 2):
        products[i, j] = products[j, i] = total[f"product_{i}_{j}"]
    sums = np.array([total[f"sum_{i}"] for i in range(k)], dtype=np.float64)
    return sums, products, np.array([total.get(f"{SHIFT}{i}", 0.0) for i in range(k)])


def _loses_digits(totals: Sequence[Row], figures: Sequence[str]) -> bool:
    """Whether a figure's square, in any cell, is so far above its variance within cells that digits are gone."""
    n = np.array([total["n"] for total in totals], dtype=np.float64)[:, None]
    sums, squares = (
        np.array([[total[name.format(i)] for i in range(len(figures))] for total in totals], dtype=np.float64)
        for name in ("sum_{0}", "product_{0}_{0}")
    )
    if not (np.isfinite(sums).all() and np.isfinite(squares).all()):
        return False  # refused by `of_sums`, which says of what
    within = np.abs(squares - sums**2 / n).sum(axis=0) / n.sum()
    outcome = np.array([name in OUTCOMES for name in figures])
    within[outcome] = within[outcome].max(initial=0.0)  # outcomes are added up to profit: the largest spread rules
    return bool(np.any((squares / n > LOST_DIGITS * within) & (within > 0)))


def _about_means(rows: ir.Table, totals: Sequence[Row], figures: Sequence[str]) -> ir.Table:
    """The rows with each figure about its mean in the arm, and the means beside them as `shift_i`."""
    import ibis

    arms: dict[tuple[str, ...], np.ndarray] = {}
    for total in totals:
        key = tuple(total[name] for name in KEYS)
        arms[key] = arms.get(key, 0.0) + np.array([total["n"], *(total[f"sum_{i}"] for i in range(len(figures)))])
    names = [*KEYS, *(f"{SHIFT}{i}" for i in range(len(figures)))]
    columns = [[*key, *(counted[1:] / counted[0])] for key, counted in arms.items()]
    means = ibis.memtable(columns, columns=names)
    joined = rows.inner_join(means, list(KEYS))
    centred = {name: joined[name].cast("float64") - joined[f"{SHIFT}{i}"] for i, name in enumerate(figures)}
    spend = {} if SPEND in rows.columns or "revenue" not in rows.columns else {SPEND: joined.revenue}
    return joined.mutate(**centred, **spend)


def _collect(fine: Iterable[tuple[Row, Moments]], dimension: str) -> Cells:
    """The cells of one dimension, or of everybody, out of the common cells of a pass."""
    parts: dict[MomentCell, list[Moments]] = {}
    for total, moments in fine:
        parts.setdefault(_cell(total, dimension), []).append(moments)
    return {cell: merge(*found) for cell, found in parts.items()}


def _cell(total: Row, dimension: str) -> MomentCell:
    segment = total[dimension] if dimension else ""
    return MomentCell(
        campaign=total["campaign_id"],
        arm=total["arm"],
        dimension=dimension,
        segment=None if segment is None else str(segment),
    )


def _with_clusters(rows: ir.Table, cells: Cells, dimension: str, cluster: str) -> Cells:
    """The cells of one dimension with the sums of their clusters, each about the mean of its arm."""
    figures = next(iter(cells.values())).names
    arms = {cell: moments for cell, moments in cells.items() if cell.dimension == EVERYBODY}
    totals = [
        {"campaign_id": cell.campaign, "arm": cell.arm, "n": moments.n}
        | {f"sum_{i}": total for i, total in enumerate(moments.mean * moments.n)}
        for cell, moments in arms.items()
    ]
    missing = int(rows[cluster].isnull().sum().to_pyarrow().as_py() or 0)
    if missing:
        raise DataError(f"{cluster}: {missing:,} assigned customers have none; give each one of its own")
    centred = _about_means(rows, totals, figures)
    keys = [*KEYS, *([dimension] if dimension else [])]
    shifts = [f"{SHIFT}{i}" for i in range(len(figures))]
    sums = {"a_0": centred.count().cast("float64")}
    sums |= {f"a_{i + 1}": centred[name].sum() for i, name in enumerate(figures)}
    profit = sum(sign * centred[name] for name, sign in PROFIT.items() if name in figures)
    per = centred.group_by(*keys, cluster).aggregate(
        profit=profit.sum(), **sums, **{name: centred[name].max() for name in shifts}
    )
    pairs = list(combinations_with_replacement(range(len(sums)), 2))
    p, m = per.profit, per.a_0
    cubes = {f"cubes_{i}": each.sum() for i, each in enumerate((p * p * p, p * p * m, p * m * m, m * m * m))}
    answer = per.group_by(*keys).aggregate(
        count=per.count(),
        **cubes,
        **{f"product_{i}_{j}": (per[f"a_{i}"] * per[f"a_{j}"]).sum() for i, j in pairs},
        **{name: per[name].max() for name in shifts},
    )
    found: Cells = {}
    for total in answer.to_pyarrow().to_pylist():
        cell = _cell(total, dimension)
        products = np.zeros((len(sums), len(sums)))
        for i, j in pairs:
            products[i, j] = products[j, i] = total[f"product_{i}_{j}"]
        shift = np.array([total[name] for name in shifts])
        clusters = ClusterSums(
            count=total["count"], products=products, cubes=np.array([total[f"cubes_{i}"] for i in range(4)])
        )
        off = cells[cell].mean - shift
        found[cell] = replace(cells[cell], cluster=clusters.shifted(off, float(weights_of(PROFIT, figures) @ off)))
    return found


__all__ = ["EVERYBODY", "Cells", "MomentCell", "aggregate"]
