"""Sums of campaign effects by offer, channel or customer segment.

    X_g = Σ n_a D_a - fixed        V_g = Σ_c [ Σ n_a² (V_a - V_0a) + (Σ n_a s_0a)² ]        a: arms of campaign c

Arms of one campaign share its control, whose error s_0a = √V_0a they all carry, so that it adds up straight; campaigns
are drawn apart. Where chances differed each arm has its own picture of that control, and straight is the most that two
pictures can have in common. The third cumulant of an arm comes from the same control, the smaller group, and adds up as
the cube of the sum of cube roots.

Luck is taken out by one normal with the mean and the spread that single effects have. Averages of several effects are
spread no wider, and less than effects one by one: what was tried more often keeps more of what was seen, and adding up
effects without luck, each drawn in for itself, would draw in their sum as if it had been seen once. Together the groups
add up to the sum as seen, and the interval of each covers whether or not that spread is true (`assisted_interval`).

References:
    Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control, JASA 50: the
    correlation of arms that share a control.
    Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics Bulletin 2(6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netlift.abtest.portfolio.result import OfferAdvice, Total
from netlift.abtest.portfolio.totals import Beliefs, Effect, agreeing, benchmark, scale_and_errors
from netlift.abtest.stats import skew
from netlift.abtest.stats.assisted_interval import assisted_intervals
from netlift.abtest.stats.moments import PROFIT, weights_of
from netlift.abtest.stats.skew import Shape
from netlift.results import Estimate


@dataclass(frozen=True, kw_only=True)
class Added:
    """Some effects added up, before fixed cost.

    Attributes:
        point: Total profit, currency.
        se: Its standard error.
        shape: How it is distributed.
    """

    point: float
    se: float
    shape: Shape


def add_effects(effects: Sequence[Effect]) -> Added:
    """Effects of one or many campaigns as one total.

    Args:
        effects: Arms or segments; those of one campaign share its control where they are of one segment.
    """
    n = np.array([effect.treated for effect in effects], dtype=np.float64)
    errors = np.array([effect.contrast.se(PROFIT) for effect in effects])
    shared = np.minimum([_control_error(effect) for effect in effects], errors)
    own = np.sqrt(errors**2 - shared**2)
    ends = np.array([(effect.contrast.shape.lower, effect.contrast.shape.upper) for effect in effects])
    freedom = np.array([effect.contrast.shape.freedom for effect in effects])
    variance = uncertain = 0.0
    cumulants = np.zeros(2)
    for i in _by_control(effects):
        part = _variance(n[i], own[i], shared[i])
        variance += part
        uncertain += part**2 / freedom[i].min()
        cumulants += ((n[i] * errors[i]) @ np.cbrt(ends[i])) ** 3
    point = float(n @ [effect.contrast.point(PROFIT) for effect in effects])
    if not variance > 0:
        return Added(point=point, se=0.0, shape=skew.NORMAL)
    lower, upper = map(float, cumulants / variance**1.5)
    shape = Shape(lower=lower, upper=upper, freedom=variance**2 / uncertain if uncertain > 0 else math.inf)
    return Added(point=point, se=math.sqrt(variance), shape=shape)


def total_by(
    beliefs: Beliefs, key: Callable[[Effect], str], *, dimension: str, level: float, currency: str
) -> tuple[Total, ...]:
    """Totals of the groups that a key makes, the best first.

    Args:
        beliefs: Of arms, or of the segments of one dimension.
        key: Name of an effect's group.
        dimension: What the groups are of, such as `offer`.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    names = sorted({key(effect) for effect in beliefs.effects})
    groups = [[place for place, effect in enumerate(beliefs.effects) if key(effect) == name] for name in names]
    if not groups:
        return ()
    parts = [[beliefs.effects[place] for place in own] for own in groups]
    added = [add_effects(own) for own in parts]
    fixed = [sum(effect.fixed for effect in own) for own in parts]
    raw = [
        skew.estimate(each.point - cost, each.se, shape=each.shape, level=level, unit=currency, method="sum as seen")
        for each, cost in zip(added, fixed, strict=True)
    ]
    believed = _without_luck(beliefs, groups, added, fixed, level=level, currency=currency)
    own_chances = [skew.chance_above(cost, a.point, a.se, shape=a.shape) for a, cost in zip(added, fixed, strict=True)]
    totals = []
    for place, (name, own) in enumerate(zip(names, parts, strict=True)):
        shrunken, chance = believed[place] if believed else (replace(raw[place], method=beliefs.method), None)
        totals.append(
            Total(
                dimension=dimension,
                name=name,
                campaigns=len({effect.campaign_id for effect in own}),
                contacts=sum(effect.treated for effect in own),
                raw=raw[place],
                shrunken=shrunken,
                per_contact=shrunken.point / sum(effect.treated for effect in own),
                chance_by_itself=own_chances[place],
                chance_of_profit=own_chances[place] if chance is None else chance,
                advice=advise(shrunken),
            )
        )
    return tuple(sorted(totals, key=lambda total: -total.shrunken.point))


def advise(profit: Estimate) -> OfferAdvice:
    """What an interval of profit lets a business do: only what it leaves no doubt about is scaled up or stopped.

    Examples:
        >>> money = {"level": 0.95, "unit": "EUR", "method": "sum"}
        >>> advise(Estimate(point=5.0, ci_lower=1.0, ci_upper=9.0, **money))
        'scale_up'
        >>> advise(Estimate(point=-2.0, ci_lower=-5.0, ci_upper=1.0, **money))
        'keep_testing'
    """
    return "scale_up" if profit.ci_lower > 0 else "stop" if profit.ci_upper < 0 else "keep_testing"


def _without_luck(
    beliefs: Beliefs,
    groups: Sequence[Sequence[int]],
    added: Sequence[Added],
    fixed: Sequence[float],
    *,
    level: float,
    currency: str,
) -> list[tuple[Estimate, float]]:
    """Profit and its chance of each group; nothing where the effects are too few to learn from."""
    if beliefs.prior is None:
        return []
    where = {int(place): i for i, place in enumerate(beliefs.spread)}
    varying = [[where[place] for place in own if place in where] for own in groups]
    contrasts = [beliefs.effects[place].contrast for place in beliefs.spread]
    scales, errors = scale_and_errors(contrasts)
    n = np.array([float(sum(beliefs.effects[place].treated for place in own)) for own in groups])
    weights = np.array([each.n_treated for each in contrasts], dtype=np.float64)
    scale = np.array([np.average(scales[own], weights=weights[own]) if own else scales.mean() for own in varying])
    noise = np.zeros(len(n))
    for g, own in enumerate(varying):
        for part in _by_control([beliefs.effects[beliefs.spread[place]] for place in own]):
            i = np.array(own)[part]
            noise[g] += _variance(weights[i], errors[i, 0], errors[i, 1])
    noise = np.sqrt(noise) / n
    se = np.array([each.se for each in added]) / n
    points = np.array([each.point for each in added]) / n
    still = ~(se > 0)
    noise, seen = np.where(still, 1.0, noise), np.where(still, 1.0, se)
    prior = {"mean": scale * beliefs.prior.mean, "sd": scale * beliefs.prior.sd}
    kept = prior["sd"] ** 2 / (prior["sd"] ** 2 + noise**2)
    means = np.where(still, points, kept * points + (1 - kept) * prior["mean"])
    sd = np.where(still, 0.0, np.hypot(np.sqrt(kept) * noise, (1 - kept) * scale * beliefs.prior.mean_sd))
    shift = benchmark(n, points, means, sd) if sd.any() else np.zeros(len(n))
    lower, upper = assisted_intervals(points, seen, [each.shape for each in added], **prior, level=level)
    cost = np.array(fixed) / n
    mean = means + shift
    lower, upper = (np.where(still, points, ends) for ends in (np.minimum(lower, mean), np.maximum(upper, mean)))
    chance = np.array([skew.chance_above(*own) for own in zip(cost, mean, sd, strict=True)])
    chance = agreeing(chance, lower - cost, upper - cost, level=level)
    return [
        (
            Estimate(
                point=float(n[g] * (mean[g] - cost[g])),
                ci_lower=float(n[g] * (lower[g] - cost[g])),
                ci_upper=float(n[g] * (upper[g] - cost[g])),
                level=level,
                unit=currency,
                method=beliefs.method,
            ),
            float(chance[g]),
        )
        for g in range(len(groups))
    ]


def _by_control(effects: Sequence[Effect]) -> list[list[int]]:
    """Positions of effects that were held against the same customers."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for place, effect in enumerate(effects):
        found.setdefault((effect.campaign_id, effect.dimension, effect.segment), []).append(place)
    return list(found.values())


def _variance(n: np.ndarray, own: np.ndarray, shared: np.ndarray) -> float:
    """Variance of Σ n D of arms that share a control."""
    return float(n**2 @ own**2 + (n @ shared) ** 2)


def _control_error(effect: Effect) -> float:
    """Standard error that the control brings into an effect."""
    order = weights_of(PROFIT, effect.contrast.names)
    return math.sqrt(max(float(order @ effect.contrast.control_cov @ order), 0.0))


__all__ = ["Added", "add_effects", "advise", "total_by"]
