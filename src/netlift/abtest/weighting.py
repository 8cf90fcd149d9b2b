"""Arms as pictures of the whole campaign, where customers had different chances of them.

Where valuable customers were left alone more often, control is richer than the arms and a difference of means would be
about that. With p the logged chance of the drawn arm and w = 1/p, an arm's mean over the campaign's customers is

    μ = Σ w y / Σ w        and        u = w / w̄ · (y - μ) + μ,    w̄ the arm's mean weight

has mean μ and the spread of the estimate: rows whose figures are u are treated by everything downstream as rows of a
campaign with equal chances, exactly so for means and, to first order, for variance and skewness. Where everybody had
the same chance of an arm, w is constant and u = y.

References:
    Hájek (1971), Comment on Basu's essay, in Foundations of Statistical Inference. Särndal, Swensson, Wretman (1992),
    Model Assisted Survey Sampling, sec. 5.7: the linearized variable of a ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

SAME = 1e-9
KEYS = ("campaign_id", "arm")


@dataclass(frozen=True, kw_only=True)
class Chances:
    """How the chances of some campaigns lie.

    Attributes:
        unknown: Assigned customers whose propensity nobody logged.
        impossible: Those whose propensity lies outside (0, 1].
        unequal: Campaigns in which customers of one arm had different chances of it.
    """

    unknown: int
    impossible: int
    unequal: tuple[str, ...]


def read_chances(rows: ir.Table) -> Chances:
    """Look at the propensities of rows with campaign_id, arm, propensity."""
    p = rows.propensity
    found = rows.group_by(*KEYS).aggregate(
        unknown=p.isnull().sum(), impossible=(~((p > 0) & (p <= 1))).sum(), low=p.min(), high=p.max()
    )
    arms = found.to_pyarrow().to_pylist()
    unequal = {
        arm["campaign_id"] for arm in arms if arm["low"] is not None and arm["high"] - arm["low"] > SAME * arm["high"]
    }
    return Chances(
        unknown=sum(arm["unknown"] or 0 for arm in arms),
        impossible=sum(arm["impossible"] or 0 for arm in arms),
        unequal=tuple(sorted(unequal)),
    )


def picture_the_whole(rows: ir.Table, figures: Sequence[str], *, within: Sequence[str] = ()) -> ir.Table:
    """The rows with figures u in the place of y.

    Args:
        rows: One row per assigned customer: campaign_id, arm, propensity, the figures.
        figures: Columns to be moved; others stay.
        within: Columns inside whose values the means are taken, such as a segment that effects are read by.

    Raises:
        DataError: A propensity that is unknown or impossible; a campaign without chances cannot be weighted by them.
    """
    chances = read_chances(rows)
    if chances.unknown or chances.impossible:
        raise DataError(
            f"contacts.propensity: {chances.unknown:,} unknown and {chances.impossible:,} outside (0, 1]; weighting "
            "needs the chance of every arm that was drawn"
        )
    weight = 1 / rows.propensity
    keys = (*KEYS, *within)
    totals = rows.group_by(*keys).aggregate(
        weight_mean=weight.mean(), **{f"mean_{name}": (weight * rows[name]).sum() / weight.sum() for name in figures}
    )
    # Segments may be missing: two missing values are the same segment.
    joined = rows.left_join(totals, [rows[key].identical_to(totals[key]) for key in keys])
    relative = 1 / joined.propensity / joined.weight_mean
    moved = {name: relative * (joined[name] - joined[f"mean_{name}"]) + joined[f"mean_{name}"] for name in figures}
    return joined.mutate(**moved).select(*rows.columns)


def scale_by_chance(rows: ir.Table, figures: Sequence[str]) -> ir.Table:
    """The rows with a column `relative_weight` of mean 1 in each arm, and the figures times it.

    Sums over days of such rows give the weighted mean of every day; the spread is that of the Horvitz-Thompson
    estimate with a known total, a little wider than the ratio's.
    """
    weight = 1 / rows.propensity
    totals = rows.group_by(*KEYS).aggregate(weight_mean=weight.mean())
    joined = rows.inner_join(totals, list(KEYS))
    relative = 1 / joined.propensity / joined.weight_mean
    return joined.mutate(relative_weight=relative, **{name: joined[name] * relative for name in figures}).select(
        *rows.columns, "relative_weight"
    )
