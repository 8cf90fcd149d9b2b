"""Hierarchical normal model of profit per contact that pools randomized evidence over similar offers.

    x_jr = θ_j + b_jr + e_jr                campaign r of offer j, n_jr contacts, b_jr ~ N(0, τ_campaign²)
    e_jr ~ N(0, v_j / n_jr + c_jr)          c_jr is control's part, the same luck for all offers of the campaign
    θ ~ N(μ 1, τ_like² L + τ_own² I)        L_jk = ½ [same channel] + ½ [same kind], μ flat

An offer that nobody has tried has the distribution that offers with history give it, nearest to those of its channel
and kind. Given the three scales everything is normal and exact; the scales are averaged over a grid by their restricted
likelihood, so that few offers do not pass for a precise prior: over quantiles of a half-Cauchy distribution as wide as
the offers' effects, and between campaigns, of which one alone tells nothing, of one that is an eighth as wide.
v_j pools an offer's campaigns, since the variances of small ones go along with their effects. The offers of one
campaign are held against one control, whose luck would else pass for what they have in common. The posterior is the
same however the number of contacts was chosen: chances that earlier outcomes moved leave the likelihood as it is.

References:
    Gelman (2006), Prior Distributions for Variance Parameters in Hierarchical Models, Bayesian Analysis 1(3).
    Robbins (1956), An Empirical Bayes Approach to Statistics: a prior learned from the like.
    Patterson, Thompson (1971), Biometrika 58(3): restricted likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from netlift.errors import DataError

STEPS = 7  # quantiles of each scale
BETWEEN_CAMPAIGNS = 0.125  # of the offers' effects: the median of how much one differs from campaign to campaign
QUANTILES = (np.arange(STEPS) + 0.5) / STEPS
BISECTIONS = 60
REACH = 8.0  # standard deviations that hold all of a normal distribution
MOST_DESIGN_EFFECT = 4.0
NEGLIGIBLE = 1e-5  # weight of a choice of scales, as a share of the likeliest


@dataclass(frozen=True, kw_only=True, eq=False)
class OfferHistory:
    """Randomized contacts of an offer, by campaign; r may be 0.

    Attributes:
        offer_id: The offer.
        channel: Its channel.
        kind: What else makes offers alike, such as whether they pay a reward.
        contacts: Of each campaign, shape (r,).
        effect: Profit per contact against no contact, currency, shape (r,).
        error: Its standard error, above 0, shape (r,).
        campaigns: Names of the campaigns, r of them.
        control: What control adds to the variance of each effect, shape (r,).
        cost: Contacts and rewards that were paid in all, currency.
    """

    offer_id: str
    channel: str
    kind: str
    contacts: np.ndarray
    effect: np.ndarray
    error: np.ndarray
    campaigns: tuple[str, ...]
    control: np.ndarray
    cost: float = 0.0

    @property
    def total(self) -> int:
        """Contacts in all."""
        return int(self.contacts.sum())

    @property
    def variance(self) -> float:
        """Variance of the effect of one contact, of which n have that over n; NaN without history."""
        return float(self.contacts**2 @ self.error**2 / self.contacts.sum()) if self.total else float("nan")

    @property
    def noise(self) -> np.ndarray:
        """Variance of each effect, v / n + c, shape (r,)."""
        own = np.maximum(self.error**2 - self.control, 0.0)
        return np.asarray((self.contacts**2 @ own / self.contacts.sum()) / self.contacts + self.control)


@dataclass(frozen=True, kw_only=True, eq=False)
class PooledEffects:
    """Posterior of the offers' effects: a mixture of normal distributions, one for each choice of scales.

    Attributes:
        offers: Names, k of them.
        weights: Of the g choices of scales, shape (g,).
        means: Profit per contact, currency, shape (g, k).
        covariances: Shape (g, k, k).
    """

    offers: tuple[str, ...]
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Expected profit per contact, shape (k,)."""
        return np.asarray(self.weights @ self.means)

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation, shape (k,)."""
        second = self.weights @ (self.means**2 + self._sds**2)
        return np.sqrt(np.maximum(second - self.mean**2, 0.0))

    def chance_above(self, bound: np.ndarray | float) -> np.ndarray:
        """Probability that each effect is above a bound, shape (k,)."""
        from scipy.special import ndtr

        return np.asarray(self.weights @ ndtr((self.means - bound) / self._sds))

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Equal-tailed intervals, each of shape (k,)."""
        return self._quantile((1 - level) / 2), self._quantile((1 + level) / 2)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Effects of all offers together, drawn from the posterior, shape (count, k)."""
        which = rng.choice(len(self.weights), size=count, p=self.weights)
        root = np.linalg.cholesky(self.covariances)[which]
        away = np.einsum("dij,dj->di", root, rng.standard_normal((count, len(self.offers))))
        return np.asarray(self.means[which] + away)

    @property
    def _sds(self) -> np.ndarray:
        return np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2))

    def _quantile(self, q: float) -> np.ndarray:
        low, high = (self.means - REACH * self._sds).min(axis=0), (self.means + REACH * self._sds).max(axis=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            is_below = 1 - self.chance_above(middle) < q
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
        return np.asarray((low + high) / 2)


def is_well_held(*, contacts: float, control_rows: float, own_variance: float, control_variance: float) -> bool:
    """Whether control's weights are even enough for its error to be told from it.

    Where an offer is given to nearly all whom it is open to, a few customers of control stand for all of them. The
    design effect says how many times the variance of their mean is what it would be with equal weights, both groups
    spread alike.

    Args:
        contacts: Of the offer in a campaign.
        control_rows: Customers of its control.
        own_variance: What the contacted add to the variance of the effect.
        control_variance: What control adds.

    Examples:
        >>> is_well_held(contacts=1000, control_rows=50, own_variance=1.0, control_variance=20.0)
        True
        >>> is_well_held(contacts=1000, control_rows=5000, own_variance=1.0, control_variance=20.0)
        False
    """
    return control_variance * control_rows <= MOST_DESIGN_EFFECT * own_variance * contacts


def pool_effects(histories: Sequence[OfferHistory]) -> PooledEffects:
    """What is known of every offer.

    Args:
        histories: Offers, with or without history.

    Raises:
        DataError: No offer has history, so that there is nothing to learn a prior from; or an effect or error that is
            not a number, or an error that is not above 0.

    Examples:
        >>> past = [OfferHistory(offer_id=name, channel="sms", kind="reward", contacts=np.array([4000]),
        ...                      effect=np.array([effect]), error=np.array([2.0]), campaigns=(name,),
        ...                      control=np.array([1.0]))
        ...         for name, effect in (("a", 9.0), ("b", 11.0), ("c", 10.0))]
        >>> none = np.zeros(0)
        >>> new = OfferHistory(offer_id="d", channel="sms", kind="reward", contacts=none, effect=none, error=none,
        ...                    campaigns=(), control=none)
        >>> pooled = pool_effects([*past, new])
        >>> bool(abs(pooled.mean[3] - 10) < 1), bool(pooled.sd[3] > pooled.sd[0])
        (True, True)
    """
    seen = np.array([history.total > 0 for history in histories], dtype=bool)
    known = [history for history in histories if history.total]
    _require_numbers(known)
    noise = [history.noise for history in known]
    level = np.array([np.average(h.effect, weights=h.contacts) for h in known])
    widths = np.sqrt([h.variance / h.total for h in known])
    like = np.array([[0.5 * (a.channel == b.channel) + 0.5 * (a.kind == b.kind) for b in histories] for a in histories])
    reach = max(float(np.sqrt(np.mean(level**2))), float(widths.min()))
    spread = reach * np.tan(np.pi / 2 * QUANTILES)
    between = BETWEEN_CAMPAIGNS * spread
    scales = np.array([*product(spread, spread)])
    parts = [_given(like, seen, scales, *_collapse(known, noise, scale)) for scale in between]
    logs, means, covariances = (np.concatenate(part) for part in zip(*parts, strict=True))
    weights = np.exp(logs - logs.max())
    kept = weights > NEGLIGIBLE
    return PooledEffects(
        offers=tuple(history.offer_id for history in histories),
        weights=weights[kept] / weights[kept].sum(),
        means=means[kept],
        covariances=covariances[kept],
    )


def _collapse(
    known: Sequence[OfferHistory], noise: Sequence[np.ndarray], scale: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Each offer's mean over its campaigns, the covariance of these, and the log-likelihood of what they leave."""
    place = {name: r for r, name in enumerate(dict.fromkeys(name for one in known for name in one.campaigns))}
    means, variances, log = np.empty(len(known)), np.empty(len(known)), 0.0
    shared = np.zeros(
        (len(known), len(place))
    )  # what a standard deviation of each campaign's control does to each offer
    for j, (history, own) in enumerate(zip(known, noise, strict=True)):
        weight = 1 / (own + scale**2)
        means[j], variances[j] = weight @ history.effect / weight.sum(), 1 / weight.sum()
        shared[j, [place[name] for name in history.campaigns]] = weight / weight.sum() * np.sqrt(history.control)
        log += 0.5 * float(np.log(weight).sum() - np.log(weight.sum()) - weight @ (history.effect - means[j]) ** 2)
    covariance = shared @ shared.T
    np.fill_diagonal(covariance, np.maximum(variances, np.diagonal(covariance) * (1 + NEGLIGIBLE)))
    return means, covariance, log


def _given(
    like: np.ndarray, seen: np.ndarray, scales: np.ndarray, effect: np.ndarray, noise: np.ndarray, log: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Restricted log-likelihood, mean and covariance of all effects given each of g pairs of scales."""
    like_scale, own_scale = scales[:, 0, None, None], scales[:, 1, None, None]
    prior = like_scale**2 * like + own_scale**2 * np.eye(len(like))
    inverse = np.linalg.inv(prior[:, seen][:, :, seen] + noise)
    by_one = inverse.sum(axis=2)
    precision = by_one.sum(axis=1)
    centre = by_one @ effect / precision
    away = effect - centre[:, None]
    gain = prior[:, :, seen] @ inverse
    left = 1 - gain.sum(axis=2)
    covariance = prior - gain @ prior[:, seen] + np.einsum("gi,gj->gij", left, left) / precision[:, None, None]
    fit = np.einsum("gi,gij,gj->g", away, inverse, away)
    log_likelihood = log + 0.5 * (np.linalg.slogdet(inverse)[1] - np.log(precision) - fit)
    return log_likelihood, centre[:, None] + np.einsum("gij,gj->gi", gain, away), covariance


def _require_numbers(known: Sequence[OfferHistory]) -> None:
    if not known:
        raise DataError(
            "new offers: no offer has contacts of a randomized campaign whose window is over, so there is nothing to "
            "learn from what like offers brought; run a campaign with a random control first"
        )
    for history in known:
        values = np.concatenate([history.effect, history.error])
        if not np.isfinite(values).all() or (history.error <= 0).any():
            raise DataError(f"new offers: {history.offer_id} has a campaign whose effect or error is not a number")


__all__ = ["OfferHistory", "PooledEffects", "is_well_held", "pool_effects"]
