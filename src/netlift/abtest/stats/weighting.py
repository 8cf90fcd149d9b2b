"""Inverse-probability weights for arms with unequal propensities.

Where valuable customers were left alone less often, control is poorer than the arms and a difference of means would be
about that. With e_a(x) the chance of arm a and w the weight of a customer,

    μ = Σ w y / Σ w        and        u = w / w̄ · (y - μ) + μ,    w̄ the group's mean weight

u has mean μ and the spread of the estimate: rows whose figures are u are treated by everything downstream as rows of a
campaign with equal chances, exactly so for means and, to first order, for variance and skewness. Where everybody had
the same chance of an arm, w is constant and u = y. Each question has its weights:

- What did the customers of arm a earn? They stand as they are, with the rewards and contacts that were paid; control
  is their picture, w = e_a / e_0. Of several arms the control of all is the sum of the arms' controls by their shares,
  so that arms add up to the campaign.
- What would the campaign's average customer earn? Every group is a picture of the whole campaign, w = 1 / e_a.
- What did it cost to leave control alone? Control stands as it is, the arm is its picture, w = e_0 / e_a.

One arm has e_a = 1 - e_0. Of several, e_a of a customer in control is known where `arm_propensities` was logged.
Without it all arms together are still held against their picture, w = (1 - e_0) / e_0; a single arm has the second
answer only.

References:
    Hájek (1971), Comment on Basu's essay, in Foundations of Statistical Inference. Särndal, Swensson, Wretman (1992),
    Model Assisted Survey Sampling, sec. 5.7: the linearized variable of a ratio.
    Imbens (2004), Nonparametric Estimation of Average Treatment Effects under Exogeneity, Review of Economics and
    Statistics 86(1), sec. III.C: weights of the effect on the treated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from netlift.abtest.stats.moments import Moments, merge
from netlift.data.arm_chances import parse_chances
from netlift.data.contract import CONTROL
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

SAME = 1e-9
KEYS = ("campaign_id", "arm")
_OF = "\x1f"
TREATED = f"treated{_OF}"
"""Customers of all arms as they are, of a campaign whose single arms are pictures of the whole campaign."""
AVERAGE = f"{CONTROL}{_OF}"
"""Control as a picture of the whole campaign, of such a campaign."""

Group = TypeVar("Group")


def picture_of(arm: str) -> str:
    """Name of control as the picture of an arm's customers."""
    return f"{CONTROL}{_OF}{arm}"


@dataclass(frozen=True, kw_only=True)
class Chances:
    """How the chances of some campaigns lie.

    Attributes:
        unknown: Assigned customers whose propensity nobody logged.
        impossible: Those whose propensity lies outside (0, 1].
        unequal: Campaigns in which customers of one arm had different chances of it, and some of control another arm's.
        unlogged: Of these, such with several arms whose chances were not logged with every customer.
        only_arm: Campaign and arm of the others, where there is one.
        of_arms: What was logged where there are several: campaign, text, arm, chance.
    """

    unknown: int
    impossible: int
    unequal: tuple[str, ...]
    unlogged: tuple[str, ...] = ()
    only_arm: tuple[tuple[str, str], ...] = ()
    of_arms: tuple[tuple[str, str, str, float], ...] = field(default=(), repr=False)


def read_chances(rows: ir.Table) -> Chances:
    """Look at the chances of rows with campaign_id, arm, propensity, arm_propensities."""
    p = rows.propensity
    found = rows.group_by(*KEYS).aggregate(
        unknown=p.isnull().sum(), impossible=(~((p > 0) & (p <= 1))).sum(), low=p.min(), high=p.max()
    )
    arms = found.to_pyarrow().to_pylist()
    unequal = {
        arm["campaign_id"] for arm in arms if arm["low"] is not None and arm["high"] - arm["low"] > SAME * arm["high"]
    }
    # Control that nobody in it could have left is no picture of an arm: such a campaign is read as it stands.
    unequal &= {arm["campaign_id"] for arm in arms if arm["arm"] == CONTROL and (arm["low"] or 1.0) < 1}
    drawn: dict[str, set[str]] = {campaign: set() for campaign in unequal}
    for arm in arms:
        if arm["campaign_id"] in unequal and arm["arm"] != CONTROL:
            drawn[arm["campaign_id"]].add(arm["arm"])
    several = {campaign: own for campaign, own in drawn.items() if len(own) > 1}
    unlogged, of_arms = _read_logged(rows, several) if several else ((), ())
    return Chances(
        unknown=sum(arm["unknown"] or 0 for arm in arms),
        impossible=sum(arm["impossible"] or 0 for arm in arms),
        unequal=tuple(sorted(unequal)),
        unlogged=unlogged,
        only_arm=tuple(sorted((campaign, min(own)) for campaign, own in drawn.items() if len(own) == 1)),
        of_arms=of_arms,
    )


def _read_logged(
    rows: ir.Table, several: Mapping[str, set[str]]
) -> tuple[tuple[str, ...], tuple[tuple[str, str, str, float], ...]]:
    """Campaigns that lack the chances of their arms, and the chances of the others."""
    own = rows.filter(rows.campaign_id.isin(sorted(several)))
    distinct = own.select("campaign_id", "arm", "propensity", text=own.arm_propensities).distinct()
    lacking: set[str] = set()
    logged: dict[tuple[str, str, str], float] = {}
    possible: set[tuple[str, str]] = set()
    for row in distinct.to_pyarrow().to_pylist():
        campaign, text = row["campaign_id"], row["text"] or ""
        chances = parse_chances(text, arm=row["arm"], propensity=row["propensity"])
        logged |= {(campaign, text, arm): chances.get(arm, 0.0) for arm in (CONTROL, *several[campaign])}
        if row["arm"] == CONTROL:
            possible |= {(campaign, arm) for arm, chance in chances.items() if chance > 0}
        if not chances:
            lacking.add(campaign)
    lacking |= {campaign for campaign, arms in several.items() if any((campaign, arm) not in possible for arm in arms)}
    found = ((*key, chance) for key, chance in logged.items() if key[0] not in lacking)
    return tuple(sorted(lacking)), tuple(sorted(found))


def picture_the_treated(
    rows: ir.Table, figures: Sequence[str], chances: Chances, *, within: Sequence[str] = ()
) -> ir.Table:
    """The rows of the arms as they are, and control as pictures of them; campaigns with equal chances stay untouched.

    A campaign with unequal chances has control once as `picture_of` each arm, and once as `control`, the picture of
    all arms. Where the arms' chances are unlogged its arms are pictures of the whole campaign, beside control under
    the name `AVERAGE`, and all its arms as they are stand under `TREATED`.

    Args:
        rows: One row per assigned customer: campaign_id, customer_id, arm, propensity, arm_propensities, the figures.
        figures: Columns to be moved; others stay.
        chances: Of these rows, as `read_chances` found them.
        within: Columns inside whose values the means are taken, such as a segment that effects are read by.

    Raises:
        DataError: A propensity that is unknown or impossible; a campaign without chances cannot be weighted by them.
    """
    if not chances.unequal:
        return rows
    moved = _moved(_pictured(rows, chances), figures, (*KEYS, *within))
    whole = _sum_by_share(moved, rows, figures, chances, within)
    return _stacked(rows.columns, [_as_they_are(rows, chances), moved, whole])


def weigh_the_treated(rows: ir.Table, chances: Chances) -> ir.Table:
    """Each arm and its control as in `picture_the_treated`, figures as they are beside a `relative_weight`.

    The weight r has mean 1 in each group; u = r (y - mean of r y) + mean of r y is what `picture_the_treated` makes of
    any figure. A customer of several groups is a row of each, and control as the picture of all arms is none of them.
    """
    import ibis

    plain = _as_they_are(rows, chances).mutate(relative_weight=ibis.literal(1.0))
    weighted = _pictured(rows, chances)
    mean = weighted.weight.mean().over(group_by=[weighted[key] for key in KEYS])
    weighted = weighted.mutate(relative_weight=weighted.weight / mean, mean_weight=mean)
    return _stacked(plain.columns, [plain, weighted.filter(weighted.mean_weight > 0)])


def picture_the_whole(rows: ir.Table, figures: Sequence[str], *, within: Sequence[str] = ()) -> ir.Table:
    """The rows with figures u in the place of y, every group a picture of the whole campaign.

    Args:
        rows: One row per assigned customer: campaign_id, arm, propensity, the figures.
        figures: Columns to be moved; others stay.
        within: Columns inside whose values the means are taken, such as a segment that effects are read by.
    """
    return _moved(rows.mutate(weight=1 / rows.propensity), figures, (*KEYS, *within)).select(*rows.columns)


def picture_the_control(rows: ir.Table, figures: Sequence[str], chances: Chances) -> ir.Table:
    """Control as it is, and each arm as its picture, w = e_0 / e_a, of campaigns whose chances are known.

    Args:
        rows: As for `picture_the_treated`.
        figures: Columns to be moved; others stay.
        chances: Of these rows.
    """
    arms = _stacked([*rows.columns, "weight"], _against(rows, chances, rows.arm != CONTROL))
    return _stacked(rows.columns, [rows.filter(rows.arm == CONTROL), _moved(arms, figures, KEYS)])


def arms_of(groups: Mapping[str, Group]) -> dict[str, Group]:
    """The arms among groups, without control and pictures."""
    return {name: group for name, group in groups.items() if name != CONTROL and _OF not in name}


def control_of(groups: Mapping[str, Group], arm: str) -> Group:
    """What an arm is held against."""
    return groups[_control_name(groups, arm)]


def has_control(groups: Mapping[str, Group], arm: str) -> bool:
    """Whether there is what to hold an arm against: in a segment nobody in control may have had a chance of it."""
    return _control_name(groups, arm) in groups


def _control_name(groups: Mapping[str, Group], arm: str) -> str:
    if not is_pictured(groups):
        return CONTROL
    return AVERAGE if AVERAGE in groups else picture_of(arm)


def treated_of(groups: Mapping[str, Moments]) -> Moments:
    """Customers of all arms, as they are."""
    return groups[TREATED] if TREATED in groups else merge(*arms_of(groups).values())


def centre_of(groups: Mapping[str, Moments], arm: str) -> Moments:
    """Whose past a difference is taken at: the arm's own customers, of whom the total is, with the costs they had.

    An arm that is a picture of the campaign's average customer is taken at the past of everybody.
    """
    return merge(control_of(groups, arm), *arms_of(groups).values()) if AVERAGE in groups else groups[arm]


def is_pictured(groups: Mapping[str, object]) -> bool:
    """Whether chances differed, and control is a picture."""
    return any(_OF in name for name in groups)


def _as_they_are(rows: ir.Table, chances: Chances) -> ir.Table:
    """Campaigns with equal chances, and the arms of the others."""
    import ibis

    if not chances.unequal:
        return rows
    is_equal = ~rows.campaign_id.isin(list(chances.unequal))
    name = rows.arm
    if chances.unlogged:
        name = ibis.ifelse(rows.campaign_id.isin(list(chances.unlogged)), TREATED, name)
    return rows.filter(is_equal | (rows.arm != CONTROL)).mutate(arm=ibis.ifelse(is_equal, rows.arm, name))


def _pictured(rows: ir.Table, chances: Chances) -> ir.Table:
    """The rows that are pictures of others, under the names of these, with a column `weight`."""
    import ibis

    if chances.unknown or chances.impossible:
        raise DataError(
            f"contacts.propensity: {chances.unknown:,} unknown and {chances.impossible:,} outside (0, 1]; weighting "
            "needs the chance of every arm that was drawn"
        )
    parts = [part.mutate(arm=AVERAGE + part.other) for part in _against(rows, chances, rows.arm == CONTROL)]
    if chances.unlogged:
        unlogged = rows.filter(rows.campaign_id.isin(list(chances.unlogged)))
        name = ibis.ifelse(unlogged.arm == CONTROL, AVERAGE, unlogged.arm)
        parts.append(unlogged.mutate(arm=name, weight=1 / unlogged.propensity))
        alone = unlogged.filter(unlogged.arm == CONTROL)
        parts.append(alone.mutate(weight=1 / alone.propensity - 1))
    return _stacked([*rows.columns, "weight"], parts)


def _against(rows: ir.Table, chances: Chances, which: ir.BooleanValue) -> list[ir.Table]:
    """These rows of logged campaigns, once for each `other` group, `weight` being its chance over that of their own."""
    import ibis

    parts, chosen = [], rows.filter(which)
    if chances.only_arm:
        arms = ibis.memtable(list(chances.only_arm), columns=["campaign_id", "only_arm"])
        joined = chosen.inner_join(arms, "campaign_id")
        other = ibis.ifelse(joined.arm == CONTROL, joined.only_arm, CONTROL)
        parts.append(joined.mutate(other=other, weight=1 / joined.propensity - 1))
    if chances.of_arms:
        arms = ibis.memtable(list(chances.of_arms), columns=["campaign_id", "arm_propensities", "other", "chance"])
        joined = chosen.inner_join(arms, ["campaign_id", "arm_propensities"])
        joined = joined.filter((joined.arm == CONTROL) != (joined.other == CONTROL))
        parts.append(joined.mutate(weight=joined.chance / joined.propensity))
    return parts


def _moved(weighted: ir.Table, figures: Sequence[str], keys: Sequence[str]) -> ir.Table:
    """The rows with u in the place of each figure, by their column `weight`; groups without any weight are gone."""
    w = weighted.weight
    totals = weighted.group_by(*keys).aggregate(
        weight_mean=w.mean(), **{f"mean_{name}": (w * weighted[name]).sum() / w.sum() for name in figures}
    )
    joined = weighted.inner_join(totals.filter(totals.weight_mean > 0), _same(weighted, totals, keys))
    relative = joined.weight / joined.weight_mean
    moved = {name: relative * (joined[name] - joined[f"mean_{name}"]) + joined[f"mean_{name}"] for name in figures}
    return joined.mutate(**moved).select(*weighted.columns)


def _sum_by_share(
    pictures: ir.Table, rows: ir.Table, figures: Sequence[str], chances: Chances, within: Sequence[str]
) -> ir.Table:
    """Control of logged campaigns as the picture of all arms: that of each arm, by the arm's share of the treated."""
    counted = rows.filter(rows.arm != CONTROL)
    counted = counted.group_by(*KEYS, *within).aggregate(treated=counted.count().cast("float64"))
    counted = counted.mutate(arm=AVERAGE + counted.arm)
    keys = (*KEYS, *within)
    joined = pictures.inner_join(counted, _same(pictures, counted, keys))
    sums = joined.group_by("campaign_id", "customer_id").aggregate(
        **{f"sum_{name}": (joined.treated * joined[name]).sum() / joined.treated.sum() for name in figures}
    )
    control = rows.filter((rows.arm == CONTROL) & ~rows.campaign_id.isin([*chances.unlogged, ""]))
    control = control.inner_join(sums, ["campaign_id", "customer_id"])
    return control.mutate(**{name: control[f"sum_{name}"] for name in figures})


def _same(left: ir.Table, right: ir.Table, keys: Sequence[str]) -> list[ir.BooleanValue]:
    """Segments may be missing: two missing values are the same segment."""
    return [left[key].identical_to(right[key]) for key in keys]


def _stacked(columns: Sequence[str], parts: Sequence[ir.Table]) -> ir.Table:
    import ibis

    return ibis.union(*(part.select(*columns) for part in parts)) if len(parts) > 1 else parts[0].select(*columns)


__all__ = [
    "AVERAGE", "TREATED", "Chances", "arms_of", "centre_of", "control_of", "has_control", "is_pictured", "picture_of",
    "picture_the_control", "picture_the_treated", "picture_the_whole", "read_chances", "treated_of",
    "weigh_the_treated",
]  # fmt: skip
