"""Empirical-Bayes prior of effects over many campaigns: a scale mixture of normals.

Campaigns that look best were lucky more often than not, so the sum of winners, or of all, said twice what was true
wherever effects are small against their errors. With a prior learned from the campaigns themselves,

    x_j ~ N(θ_j, s_j²)        θ_j ~ Σ_k π_k N(μ, σ_k²)        σ_k a grid from 0 (no effect beyond the mean) upward

the posterior of θ_j is a mixture of normals too. A grid of scales lets a few large effects stand while the many small
ones are drawn together; one normal would draw in the large ones as well. π is found by EM for each centre μ of a
grid, and the centres are averaged by their likelihood, since the mean of a few campaigns is itself uncertain. π is
taken as known.

References:
    Stephens (2017), False discovery rates: a new deal, Biostatistics 18(2), 275-294: the grid and its EM.
    Efron (2011), Tweedie's formula and selection bias, JASA 106(496): no correction for selection is needed after.
    Morris (1983), Parametric empirical Bayes inference, JASA 78(381): the normal prior, kept as a cross-check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from netlift.errors import DataError

Kind = Literal["mixture", "normal"]
CENTRES = 13
REACH = 3.6
"""Standard errors of the mean effect that the centres reach to either side."""
FINEST = 10.0
"""The smallest scale is this part of the smallest standard error."""
STEPS, TOLERANCE = 1_000, 1e-6
UNSEEN = 1.0
"""Campaigns' worth of belief that is spread evenly over the scales, so that a dozen campaigns exclude none of them."""
BISECTIONS = 30
NEGLIGIBLE = 1e-5
RARE = 1e-4
"""Weight below which a scale is left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior:
    """How effects are spread over campaigns.

    Attributes:
        centres: Possible means of the effects, shape (m,).
        chances: Of each centre, in all 1, shape (m,).
        scales: Standard deviations about the centre, shape (k,).
        weights: Of each scale given the centre, rows in all 1, shape (m, k).
    """

    centres: np.ndarray
    chances: np.ndarray
    scales: np.ndarray
    weights: np.ndarray

    @property
    def mean(self) -> float:
        """Mean effect."""
        return float(self.chances @ self.centres)

    @property
    def mean_sd(self) -> float:
        """How uncertain that mean is: its standard deviation."""
        return float(np.sqrt(self.chances @ (self.centres - self.mean) ** 2))

    @property
    def sd(self) -> float:
        """Standard deviation of the effects about their mean."""
        return float(np.sqrt(self.chances @ self.weights @ self.scales**2))


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """What is believed of each effect: normals with chances, for each centre of the prior and each of its scales.

    Attributes:
        centre_chances: Shape (m,).
        shares: Of each scale given the centre, shape (m, k, j); in all 1 over the scales.
        means: Shape (m, k, j).
        sds: Shape (k, j); zero where the scale is.
    """

    centre_chances: np.ndarray
    shares: np.ndarray
    means: np.ndarray
    sds: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Shape (j,)."""
        return np.asarray(self.centre_chances @ self._by_centre()[0])

    @property
    def sd(self) -> np.ndarray:
        """Shape (j,)."""
        means, variances = self._by_centre()
        within, between = self.centre_chances @ variances, self.centre_chances @ (means - self.mean) ** 2
        return np.asarray(np.sqrt(within + between))

    def chance_above(self, threshold: float | np.ndarray) -> np.ndarray:
        """P(θ_j > threshold), shape (j,); a threshold for each or one for all."""
        scale = np.where(self.sds > 0, self.sds, 1.0)
        gap = self.means - threshold
        above = np.where(self.sds > 0, ndtr(gap / scale), np.heaviside(gap, 0.5))
        return np.asarray(np.einsum("m,mkj,mkj->j", self.centre_chances, self.shares, above))

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Ends that leave half of what the level leaves on either side, each of shape (j,)."""
        outside = (1 - level) / 2
        return self._quantile(outside), self._quantile(1 - outside)

    def total(self, weights: np.ndarray) -> tuple[float, float]:
        """Mean and standard deviation of Σ w_j θ_j; effects share the uncertainty of the centre and nothing else.

        Args:
            weights: Shape (j,), such as the treated customers of each campaign.
        """
        means, variances = self._by_centre()
        totals = means @ weights
        mean = float(self.centre_chances @ totals)
        variance = self.centre_chances @ (variances @ weights**2 + (totals - mean) ** 2)
        return mean, float(np.sqrt(variance))

    def _by_centre(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of each effect given the centre, each of shape (m, j)."""
        means = np.einsum("mkj,mkj->mj", self.shares, self.means)
        squares = np.einsum("mkj,mkj->mj", self.shares, self.means**2 + self.sds**2)
        return means, np.maximum(squares - means**2, 0.0)

    def _quantile(self, q: float) -> np.ndarray:
        reach = -ndtri(NEGLIGIBLE)
        low = (self.means - reach * self.sds).min(axis=(0, 1))
        high = (self.means + reach * self.sds).max(axis=(0, 1))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = 1 - self.chance_above(middle) < q
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray((low + high) / 2)


def shrink(effects: np.ndarray, errors: np.ndarray, *, kind: Kind = "mixture") -> tuple[Posterior, Prior]:
    """Learn how effects are spread and what each then is.

    Args:
        effects: Estimates of exchangeable effects, such as profit per treated customer, shape (j,).
        errors: Their standard errors, above zero, shape (j,).
        kind: A mixture of scales, or one normal.

    Raises:
        DataError: Fewer than two effects, or an error that is not a number above zero.

    Examples:
        >>> posterior, prior = shrink(np.array([9.0, -1.0, 0.5, 0.2, 0.9, -0.6]), np.ones(6))
        >>> bool(abs(posterior.mean[1]) < 1), bool(posterior.mean[0] > 6)
        (True, True)
    """
    effects, errors = np.asarray(effects, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(effects) < 2 or not (np.isfinite(effects).all() and np.isfinite(errors).all() and (errors > 0).all()):
        raise DataError(
            f"{len(effects)} effects, {int(np.sum(~(errors > 0)))} of them without an error above zero: how effects "
            "are spread can be told from two at least, each with its error"
        )
    prior = fit_prior(effects, errors, kind=kind)
    return posterior_of(prior, effects, errors), prior


def fit_prior(effects: np.ndarray, errors: np.ndarray, *, kind: Kind) -> Prior:
    """The spread of effects that explains the estimates best, at each centre that they leave possible."""
    spread = _normal_scale(effects, errors)
    precision = 1 / (errors**2 + spread**2)
    mean, error = float(effects @ precision / precision.sum()), float(1 / np.sqrt(precision.sum()))
    centres = mean + error * np.linspace(-REACH, REACH, CENTRES)
    scales = np.array([spread]) if kind == "normal" else _scales(effects - mean, errors)
    weights, likelihood = np.empty((CENTRES, len(scales))), np.empty(CENTRES)
    start = np.full(len(scales), 1 / len(scales))
    for row, centre in enumerate(centres):
        densities, logs = _densities(effects, errors, centre, scales)
        weights[row], likelihood[row] = _fit_weights(densities, start)
        likelihood[row] += logs.sum()
        start = 0.9 * weights[row] + 0.1 / len(scales)
    chances = np.exp(likelihood - likelihood.max())
    used = (weights > RARE).any(axis=0)
    weights = weights[:, used] / weights[:, used].sum(axis=1, keepdims=True)
    return Prior(centres=centres, chances=chances / chances.sum(), scales=scales[used], weights=weights)


def posterior_of(prior: Prior, effects: np.ndarray, errors: np.ndarray) -> Posterior:
    """What effects are, given how they are spread.

    Args:
        prior: The spread; of these effects or of others like them.
        effects: Estimates, shape (j,).
        errors: Their standard errors, shape (j,).
    """
    densities = np.stack([_densities(effects, errors, centre, prior.scales)[0].T for centre in prior.centres])
    shares = densities * prior.weights[:, :, None]
    variance, noise = prior.scales[:, None] ** 2, errors[None, :] ** 2
    kept = variance / (variance + noise)
    centres = prior.centres[:, None, None]
    return Posterior(
        centre_chances=prior.chances,
        shares=shares / shares.sum(axis=1, keepdims=True),
        means=centres + kept * (effects - centres),
        sds=np.sqrt(kept * noise),
    )


def _scales(centred: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Zero, then from a tenth of the smallest error to twice what effects exceed their errors by, √2 apart."""
    low = errors.min() / FINEST
    high = 2 * np.sqrt(max(np.max(centred**2 - errors**2), (8 * low) ** 2))
    return np.concatenate([[0.0], low * np.sqrt(2.0) ** np.arange(np.ceil(2 * np.log2(high / low)) + 1)])


def _densities(
    effects: np.ndarray, errors: np.ndarray, centre: float, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each effect under each scale over the largest of them, shape (j, k), and the logarithm of that, (j,)."""
    total = np.sqrt(errors[:, None] ** 2 + scales[None, :] ** 2)
    logs = -0.5 * ((effects[:, None] - centre) / total) ** 2 - np.log(total)
    largest = logs.max(axis=1)
    return np.exp(logs - largest[:, None]), largest


def _fit_weights(densities: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights of the scales by EM, and the log-posterior that they reach."""
    effects, scales = densities.shape
    weights, reached = start, -np.inf
    for _ in range(STEPS):
        mixed = densities @ weights
        likelihood = float(np.log(mixed).sum() + UNSEEN / scales * np.log(weights).sum())
        if likelihood - reached < TOLERANCE * effects:
            break
        reached = likelihood
        weights = (weights * (densities.T @ (1 / mixed)) + UNSEEN / scales) / (effects + UNSEEN)
    return weights, likelihood


def _normal_scale(effects: np.ndarray, errors: np.ndarray) -> float:
    """Scale of one normal by restricted maximum likelihood, on a fine grid that begins at zero."""
    high = 2 * np.sqrt(max(np.max((effects - effects.mean()) ** 2), errors.min() ** 2))
    grid = np.concatenate([[0.0], np.geomspace(high * 1e-4, high, 400)])
    precision = 1 / (errors[None, :] ** 2 + grid[:, None] ** 2)
    mean = precision @ effects / precision.sum(axis=1)
    squares = (precision * (effects[None, :] - mean[:, None]) ** 2).sum(axis=1)
    score = np.log(precision).sum(axis=1) - squares - np.log(precision.sum(axis=1))
    return float(grid[np.argmax(score)])


__all__ = ["Kind", "Posterior", "Prior", "fit_prior", "posterior_of", "shrink"]
