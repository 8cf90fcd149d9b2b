"""Empirical-Bayes effects of all campaigns, their sum, and the number of truly effective ones.

Each campaign's profit per treated customer, before fixed cost, over the standard deviation σ of a customer's profit in
it, is one of many draws from what such campaigns do; the mixture of `mixture` learns that from all of them and takes
out what was luck. Fixed cost is known and comes off after. Three things keep it honest where the control is small:

- With skewed spend and a small control an estimate and its own standard error move together: a control that missed the
  large baskets makes the campaign look both good and certain, and weighing by precision favours luck. The variance of
  customers within *both* arms is uncorrelated with their difference, Cov(x, n_T s_T² + n_0 s_0²) = m3 - m3 = 0 for arms
  of one shape, so that σ and the errors the mixture sees are made of it, with the ratio of the arms' variances taken
  from all campaigns together.
- Nobody picked the sum of all campaigns, so luck evens out in it: it is shown as seen. The effects without luck are
  benchmarked to it, each moved by as much as its own uncertainty allows, and add up to it.
- The interval of each effect is that of its own estimate, leaning toward the others (`assisted_interval`), and covers
  whether or not effects are as the mixture says.

    p_j = doubt that profit was above zero, one-sided; q_j by Benjamini-Hochberg

Arms are assigned independently from campaign to campaign, so that the campaigns' estimates are uncorrelated, even where
the same customers were in several. Arms of one campaign share its control: how they add up is said in `totals`.

References:
    Benjamini, Hochberg (1995), Controlling the false discovery rate, JRSS B 57(1), 289-300.
    Datta, Ghosh, Steorts, Maples (2011), Bayesian benchmarking with applications to small area estimation, TEST 20(3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from netlift.abtest.portfolio.result import Line, Sums
from netlift.abtest.readout.result import AmongCampaigns
from netlift.abtest.stats import skew
from netlift.abtest.stats.assisted_interval import assisted_intervals
from netlift.abtest.stats.difference import Contrast, money
from netlift.abtest.stats.moments import PROFIT, weights_of
from netlift.abtest.stats.shrinkage_prior import Posterior, Prior, shrink
from netlift.abtest.stats.skew import Shape
from netlift.errors import DataError
from netlift.results import Estimate

FEWEST = 10
"""Effects from which a spread can be learned; fewer are left as they are."""
WITHOUT_LUCK = "shrunken by a mixture of normals, benchmarked to the sum as seen"
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

    def total(self, per_customer: float) -> float:
        """Total profit at so much per customer before fixed cost."""
        return self.treated * per_customer - self.fixed

    @property
    def doubt(self) -> float:
        """One-sided p-value of a total profit above zero."""
        per_customer = self.fixed / self.treated
        return 1 - skew.chance_above(
            per_customer, self.contrast.point(PROFIT), self.contrast.se(PROFIT), shape=self.contrast.shape
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Beliefs:
    """What is believed of effects of one kind once each has been seen beside the others.

    Attributes:
        effects: All of them, n.
        spread: Positions of those with a standard error, which the prior was learned from, shape (j,).
        prior: How effects are spread, in standard deviations of a customer's profit; None where they are too few.
        posterior: Of each, in the same unit; None likewise.
        scale: Standard deviation of a customer's profit in each, currency, shape (j,).
        shift: What benchmarking moves each by, currency per customer, shape (j,).
    """

    effects: tuple[Effect, ...]
    spread: np.ndarray
    prior: Prior | None = None
    posterior: Posterior | None = None
    scale: np.ndarray = field(default_factory=lambda: np.zeros(0))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def method(self) -> str:
        """How luck was taken out, in a few words."""
        return WITHOUT_LUCK if self.posterior is not None else AS_SEEN

    @property
    def effect_mean(self) -> float | None:
        """Mean effect, currency per customer; None where too few tell."""
        return None if self.prior is None else self.prior.mean * float(self.scale.mean())

    @property
    def effect_sd(self) -> float | None:
        """Standard deviation of the true effects, likewise."""
        return None if self.prior is None else self.prior.sd * float(self.scale.mean())


@dataclass(frozen=True, kw_only=True)
class Believed:
    """One effect once it has been seen beside the others, currency per customer before fixed cost.

    Attributes:
        mean: Without luck.
        se: Its standard deviation.
        lower: Lower end of its interval.
        upper: Upper end.
        chance: Chance that the profit after fixed cost is above zero.
    """

    mean: float
    se: float
    lower: float
    upper: float
    chance: float


def believe(effects: Sequence[Effect]) -> Beliefs:
    """Learn how effects of one kind are spread: campaigns, or arms, or segments of a dimension.

    Args:
        effects: Exchangeable effects; those without any spread (nobody bought) are left as they are.
    """
    errors = np.array([effect.contrast.se(PROFIT) for effect in effects])
    spread = np.flatnonzero(errors > 0)
    if len(spread) < FEWEST:
        return Beliefs(effects=tuple(effects), spread=spread)
    own = [effects[int(place)].contrast for place in spread]
    points = np.array([each.point(PROFIT) for each in own])
    scale, errors_of = scale_and_errors(own)
    posterior, prior = shrink(points / scale, np.sqrt(np.sum(errors_of**2, axis=1)) / scale)
    n = np.array([each.n_treated for each in own], dtype=np.float64)
    shift = benchmark(n, points, scale * posterior.mean, scale * posterior.sd)
    return Beliefs(effects=tuple(effects), spread=spread, prior=prior, posterior=posterior, scale=scale, shift=shift)


def benchmark(n: np.ndarray, points: np.ndarray, means: np.ndarray, sds: np.ndarray) -> np.ndarray:
    """What each is moved by, as far as its uncertainty allows, so that Σ n (mean + shift) is the sum as seen."""
    return np.asarray(float(n @ (points - means)) * n * sds**2 / float(n**2 @ sds**2))


def scale_and_errors(contrasts: Sequence[Contrast]) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of a customer's profit, shape (j,), and the errors of arm and control made of it, (j, 2)."""
    order = [weights_of(PROFIT, each.names) for each in contrasts]
    total = np.array([each.cov(PROFIT, PROFIT) for each in contrasts])
    of_control = np.array([w @ each.control_cov @ w for w, each in zip(order, contrasts, strict=True)])
    n = np.array([(each.n_treated, each.n_control) for each in contrasts], dtype=np.float64)
    each_arm = np.column_stack([np.maximum(total - of_control, 0.0), of_control]) * n
    both = np.sum(n * each_arm, axis=1) / n.sum(axis=1)
    ratio = np.sum(n * each_arm / both[:, None], axis=0) / n.sum(axis=0)
    return np.sqrt(both), np.sqrt(both[:, None] * ratio / n)


def believed_of(beliefs: Beliefs, *, level: float) -> dict[int, Believed]:
    """Position of each effect to what is believed of it; nothing where they are too few, or it has no spread.

    Args:
        beliefs: The effects and what is believed of them.
        level: Confidence of the intervals.
    """
    if beliefs.posterior is None or beliefs.prior is None:
        return {}
    own, scale, shift = [beliefs.effects[place] for place in beliefs.spread], beliefs.scale, beliefs.shift
    mean = scale * beliefs.posterior.mean + shift
    fixed = np.array([effect.fixed / effect.treated for effect in own])
    chance = beliefs.posterior.chance_above((fixed - shift) / scale)
    lower, upper = assisted_intervals(
        np.array([effect.contrast.point(PROFIT) for effect in own]),
        np.array([effect.contrast.se(PROFIT) for effect in own]),
        [effect.contrast.shape for effect in own],
        mean=scale * beliefs.prior.mean,
        sd=scale * beliefs.prior.sd,
        level=level,
    )
    chance = agreeing(chance, lower - fixed, upper - fixed, level=level)
    columns = (mean, scale * beliefs.posterior.sd, np.minimum(lower, mean), np.maximum(upper, mean), chance)
    return {
        int(place): Believed(**dict(zip(("mean", "se", "lower", "upper", "chance"), map(float, row), strict=True)))
        for place, *row in zip(beliefs.spread, *columns, strict=True)
    }


def agreeing(chance: np.ndarray, lower: np.ndarray, upper: np.ndarray, *, level: float) -> np.ndarray:
    """Chances of a profit that say no less than an interval that leaves zero out."""
    chance = np.where(lower > 0, np.maximum(chance, (1 + level) / 2), chance)
    return np.where(upper < 0, np.minimum(chance, (1 - level) / 2), chance)


def read_lines(beliefs: Beliefs, *, level: float, currency: str) -> tuple[Line, ...]:
    """Each effect as seen and without luck.

    Args:
        beliefs: The effects and what is believed of them.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    believed = believed_of(beliefs, level=level)
    lines = []
    for place, effect in enumerate(beliefs.effects):
        total, per_customer = (
            money(effect.contrast, PROFIT, level=level, currency=currency, fixed=fixed)[each]
            for each, fixed in enumerate((effect.fixed, 0.0))
        )
        shrunken, own_chance = replace(total, method=AS_SEEN), 1 - effect.doubt
        chance = own_chance
        if (own := believed.get(place)) is not None:
            ends = [effect.total(value) for value in (own.mean, own.lower, own.upper)]
            shrunken, chance = _estimate(*ends, level=level, unit=currency, method=beliefs.method), own.chance
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
                chance_by_itself=own_chance,
                chance_of_profit=chance,
            )
        )
    return tuple(lines)


def among_campaigns(beliefs: Beliefs, *, level: float, currency: str) -> dict[tuple[str, str], AmongCampaigns]:
    """Campaign and arm to what its readout says of it among all; nothing where they are too few.

    Args:
        beliefs: Of campaigns, or of arms.
        level: Confidence of the intervals.
        currency: Unit of money.
    """
    found = {}
    for place, own in believed_of(beliefs, level=level).items():
        effect = beliefs.effects[place]
        ends = [effect.total(value) for value in (own.mean, own.lower, own.upper)]
        found[effect.campaign_id, effect.arm] = AmongCampaigns(
            campaigns=len(beliefs.spread),
            profit=_estimate(*ends, level=level, unit=currency, method=beliefs.method),
            chance_of_profit=own.chance,
            effect=own.mean,
            effect_se=own.se,
            effect_sd=beliefs.effect_sd or 0.0,
        )
    return found


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
    se = float(np.sqrt(n**2 @ errors**2))
    lower, upper = (
        float((n * errors) ** 3 @ [getattr(effect.contrast.shape, end) for effect in effects]) / se**3 if se else 0.0
        for end in ("lower", "upper")
    )
    return skew.estimate(
        float(sum(effect.treated * effect.contrast.point(PROFIT) - effect.fixed for effect in effects)),
        se,
        shape=Shape(lower=lower, upper=upper),
        level=level,
        unit=currency,
        method="sum as seen",
    )


def sum_shrunken(beliefs: Beliefs, *, level: float, currency: str, only: np.ndarray | None = None) -> Estimate:
    """Total profit without luck; of all the effects it is the sum as seen, in which luck evens out.

    Args:
        beliefs: Of campaigns.
        level: Confidence of the interval.
        currency: Unit of money.
        only: Which of them, bool, shape (n,).

    Raises:
        DataError: No campaign.
    """
    chosen = np.ones(len(beliefs.effects), dtype=bool) if only is None else only
    effects = [effect for effect, own in zip(beliefs.effects, chosen, strict=True) if own]
    as_seen = sum_raw(effects, level=level, currency=currency)
    if beliefs.posterior is None or chosen.all():
        return replace(as_seen, method=beliefs.method)
    n = np.array([effect.treated for effect in beliefs.effects], dtype=np.float64) * chosen
    own = n[beliefs.spread]
    mean, sd = beliefs.posterior.total(own * beliefs.scale)
    still = np.setdiff1d(np.flatnonzero(chosen), beliefs.spread)
    known = sum(n[place] * beliefs.effects[place].contrast.point(PROFIT) for place in still)
    mean += float(own @ beliefs.shift + known - sum(effect.fixed for effect in effects))
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
        winners=int(won.sum()),
        winners_raw=sum_raw(winners, level=level, currency=currency) if winners else nothing,
        winners_shrunken=sum_shrunken(beliefs, level=level, currency=currency, only=won) if winners else nothing,
        worked=int(np.sum(false_discovery_control(doubts, method="bh") <= false_share)),
        lost=int(np.sum(false_discovery_control(1 - doubts, method="bh") <= false_share)),
        false_share=false_share,
        effect_mean=beliefs.effect_mean,
        effect_sd=beliefs.effect_sd,
    )


def _estimate(point: float, lower: float, upper: float, *, level: float, unit: str, method: str) -> Estimate:
    return Estimate(point=point, ci_lower=lower, ci_upper=upper, level=level, unit=unit, method=method)


__all__ = [
    "FEWEST",
    "Beliefs",
    "Effect",
    "add_up",
    "among_campaigns",
    "believe",
    "read_lines",
    "sum_raw",
    "sum_shrunken",
    "with_q_values",
]
