"""All campaigns together: their sum with and without luck, and how many of them really worked.

Each campaign's profit per treated customer, before fixed cost, is one of many draws from what such campaigns do; the
mixture of `mixture` learns that from all of them and takes out what was luck. Fixed cost is known and comes off after.

    raw sum = Σ n_j x_j - F_j            shrunken sum = Σ n_j E[θ_j | all] - F_j
    p_j = doubt that profit was above zero, one-sided; q_j by Benjamini-Hochberg

Arms are assigned independently from campaign to campaign, so that the campaigns' estimates are uncorrelated, even where
the same customers were in several. Segments and arms of one campaign share its control, so their sums are not taken.

References:
    Benjamini, Hochberg (1995), Controlling the false discovery rate, JRSS B 57(1), 289-300.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from netlift.abtest import skew
from netlift.abtest.contrast import Contrast, money
from netlift.abtest.mixture import Kind, Posterior, Prior, shrink
from netlift.abtest.moments import PROFIT
from netlift.abtest.portfolio import Line, Sums
from netlift.errors import DataError
from netlift.results import Estimate

FEWEST = 10
"""Effects from which a spread can be learned; fewer are left as they are."""
METHODS: Mapping[Kind, str] = {"mixture": "shrunken by a mixture of normals", "normal": "shrunken by one normal"}
AS_SEEN = "as seen, too few to shrink"


@dataclass(frozen=True, kw_only=True, eq=False)
class Effect:
    """What one arm of a campaign, or all of them, did.

    Attributes:
        campaign_id: The campaign.
        name: What the business calls it.
        started: First assignment.
        arm: Offer id, or `ALL_ARMS`.
        contrast: Against control.
        buyers: Of arm and control.
        fixed: Fixed cost.
        dimension: What customers are split by; empty where they are not.
        segment: The value of it.
    """

    campaign_id: str
    name: str
    started: date
    arm: str
    contrast: Contrast
    buyers: int
    fixed: float = 0.0
    dimension: str = ""
    segment: str = ""

    @property
    def treated(self) -> int:
        """Customers of the arm."""
        return self.contrast.n_treated

    @property
    def doubt(self) -> float:
        """One-sided p-value of a total profit above zero."""
        per_customer = self.fixed / self.treated
        return 1 - skew.chance_above(
            per_customer, self.contrast.point(PROFIT), self.contrast.se(PROFIT), gamma=self.contrast.gamma
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Beliefs:
    """What is believed of effects of one kind once each has been seen beside the others.

    Attributes:
        effects: All of them.
        spread: Positions of those with a standard error, which the prior was learned from.
        posterior: Of these; None where they are too few.
        prior: How effects are spread; None likewise.
        kind: Of the prior.
    """

    effects: tuple[Effect, ...]
    spread: np.ndarray
    posterior: Posterior | None
    prior: Prior | None
    kind: Kind

    @property
    def method(self) -> str:
        """How luck was taken out, in a few words."""
        return METHODS[self.kind] if self.posterior is not None else AS_SEEN


def believe(effects: Sequence[Effect], *, kind: Kind = "mixture") -> Beliefs:
    """Learn how effects of one kind are spread: campaigns, or arms, or segments of a dimension.

    Args:
        effects: Exchangeable effects; those without any spread (nobody bought) are left as they are.
        kind: A mixture of scales, or one normal.
    """
    errors = np.array([effect.contrast.se(PROFIT) for effect in effects])
    spread = np.flatnonzero(errors > 0)
    posterior = prior = None
    if len(spread) >= FEWEST:
        points = np.array([effect.contrast.point(PROFIT) for effect in effects])[spread]
        posterior, prior = shrink(points, errors[spread], kind=kind)
    return Beliefs(effects=tuple(effects), spread=spread, posterior=posterior, prior=prior, kind=kind)


def read_lines(beliefs: Beliefs, *, level: float, currency: str) -> tuple[Line, ...]:
    """Each effect as seen and without luck.

    Args:
        beliefs: The effects and what is believed of them.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    believed: dict[int, tuple[float, float, float, float]] = {}
    if beliefs.posterior is not None:
        own = [beliefs.effects[place] for place in beliefs.spread]
        lower, upper = beliefs.posterior.interval(level)
        chance = beliefs.posterior.chance_above(np.array([effect.fixed / effect.treated for effect in own]))
        columns = (beliefs.posterior.mean, lower, upper, chance)
        believed = {int(place): tuple(map(float, row)) for place, *row in zip(beliefs.spread, *columns, strict=True)}  # type: ignore[misc]
    lines = []
    for place, effect in enumerate(beliefs.effects):
        total, per_customer = (
            money(effect.contrast, PROFIT, level=level, currency=currency, fixed=fixed)[each]
            for each, fixed in enumerate((effect.fixed, 0.0))
        )
        shrunken, chance_of_profit = replace(total, method=AS_SEEN), 1 - effect.doubt
        if place in believed:
            mean, low, high, chance_of_profit = believed[place]
            ends = [effect.treated * value - effect.fixed for value in (mean, low, high)]
            shrunken = _estimate(*ends, level=level, unit=currency, method=beliefs.method)
        lines.append(
            Line(
                campaign_id=effect.campaign_id,
                name=effect.name,
                started=effect.started,
                arm=effect.arm,
                dimension=effect.dimension,
                segment=effect.segment,
                treated=effect.treated,
                control=effect.contrast.n_control,
                buyers=effect.buyers,
                raw=total,
                shrunken=shrunken,
                effect=per_customer,
                effect_se=effect.contrast.se(PROFIT),
                chance_of_profit=chance_of_profit,
            )
        )
    return tuple(lines)


def with_q_values(lines: Sequence[Line], beliefs: Beliefs) -> tuple[Line, ...]:
    """The lines with the share of false ones among all that look at least as good."""
    from scipy.stats import false_discovery_control  # imported late: it costs most of a second

    doubts = np.array([effect.doubt for effect in beliefs.effects])
    q_values = false_discovery_control(doubts, method="bh") if len(doubts) else doubts
    return tuple(replace(line, q_value=float(q)) for line, q in zip(lines, q_values, strict=True))


def sum_raw(effects: Sequence[Effect], *, level: float, currency: str) -> Estimate:
    """Total profit of some campaigns as seen.

    Raises:
        DataError: No campaign.
    """
    if not effects:
        raise DataError("no campaign to add up; at least one with a control is needed")
    n = np.array([effect.treated for effect in effects], dtype=np.float64)
    errors = np.array([effect.contrast.se(PROFIT) for effect in effects])
    cumulants = errors**3 * [effect.contrast.gamma for effect in effects]
    se = float(np.sqrt(n**2 @ errors**2))
    return skew.estimate(
        float(sum(effect.treated * effect.contrast.point(PROFIT) - effect.fixed for effect in effects)),
        se,
        gamma=float(n**3 @ cumulants) / se**3 if se else 0.0,
        level=level,
        unit=currency,
        method="sum as seen",
    )


def sum_shrunken(beliefs: Beliefs, *, level: float, currency: str, only: np.ndarray | None = None) -> Estimate:
    """Total profit without luck, of all the effects or some.

    Args:
        beliefs: Of campaigns.
        level: Confidence of the interval.
        currency: Unit of money.
        only: Which of them, bool, shape (j,).

    Raises:
        DataError: No campaign.
    """
    chosen = np.ones(len(beliefs.effects), dtype=bool) if only is None else only
    effects = [effect for effect, own in zip(beliefs.effects, chosen, strict=True) if own]
    if beliefs.posterior is None or not effects:
        return replace(sum_raw(effects, level=level, currency=currency), method=AS_SEEN)
    n = np.array([effect.treated for effect in beliefs.effects], dtype=np.float64) * chosen
    mean, sd = beliefs.posterior.total(n[beliefs.spread])
    still = np.setdiff1d(np.flatnonzero(chosen), beliefs.spread)
    known = sum(n[place] * beliefs.effects[place].contrast.point(PROFIT) for place in still)
    mean += float(known - sum(effect.fixed for effect in effects))
    z = skew.critical(level)
    return _estimate(mean, mean - z * sd, mean + z * sd, level=level, unit=currency, method=beliefs.method)


def add_up(beliefs: Beliefs, lines: Sequence[Line], *, level: float, currency: str, false_share: float) -> Sums:
    """The campaigns added up.

    Args:
        beliefs: Of campaigns, all arms of each together.
        lines: Their lines.
        level: Confidence of the intervals.
        currency: Unit of money.
        false_share: Share of false ones tolerated among campaigns that are said to have worked.

    Raises:
        DataError: No campaign.
    """
    from scipy.stats import false_discovery_control

    won = np.array([line.raw.ci_lower > 0 for line in lines])
    nothing = Estimate(point=0.0, ci_lower=0.0, ci_upper=0.0, level=level, unit=currency, method="no campaign")
    doubts = np.array([effect.doubt for effect in beliefs.effects])
    winners = [effect for effect, own in zip(beliefs.effects, won, strict=True) if own]
    return Sums(
        raw=sum_raw(beliefs.effects, level=level, currency=currency),
        shrunken=sum_shrunken(beliefs, level=level, currency=currency),
        normal=sum_shrunken(believe(beliefs.effects, kind="normal"), level=level, currency=currency),
        winners=int(won.sum()),
        winners_raw=sum_raw(winners, level=level, currency=currency) if winners else nothing,
        winners_shrunken=sum_shrunken(beliefs, level=level, currency=currency, only=won) if winners else nothing,
        worked=int(np.sum(false_discovery_control(doubts, method="bh") <= false_share)),
        lost=int(np.sum(false_discovery_control(1 - doubts, method="bh") <= false_share)),
        false_share=false_share,
        effect_mean=beliefs.prior.mean if beliefs.prior else None,
        effect_sd=beliefs.prior.sd if beliefs.prior else None,
    )


def _estimate(point: float, lower: float, upper: float, *, level: float, unit: str, method: str) -> Estimate:
    return Estimate(point=point, ci_lower=lower, ci_upper=upper, level=level, unit=unit, method=method)


__all__ = ["FEWEST", "Beliefs", "Effect", "add_up", "believe", "read_lines", "sum_raw", "sum_shrunken", "with_q_values"]
