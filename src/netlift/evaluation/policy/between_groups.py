"""Between-group variance of effects beyond sampling error.

With d_g the estimate of group g and s_g its standard error,

    d_g ~ N(mu, s_g² + t²)        mu flat, t half-normal with a scale that is believed beforehand

and the answer is the posterior mean of t². With the three to ten groups there are, the moment estimate of t² is mostly
zero where the truth is not, and intervals made with it miss; a prior keeps it from zero, and many groups overrule it.

References:
    Higgins, Thompson, Spiegelhalter (2009), A re-evaluation of random-effects meta-analysis, JRSS A 172(1).
    Gelman (2006), Prior distributions for variance parameters in hierarchical models, Bayesian Analysis 1(3).
"""

from __future__ import annotations

import numpy as np

FINENESS, FURTHEST = 200, 6.0  # points of the grid of t, and scales that it goes beyond what is seen


def between_variance(estimate: np.ndarray, error: np.ndarray, *, scale: float) -> float:
    """Posterior mean of the variance between groups; 0 for fewer than two groups, of which nothing can be seen.

    Args:
        estimate: Of each group, shape (g,).
        error: Its standard error, above 0, shape (g,).
        scale: What the standard deviation between groups is believed to be, in the unit of the estimates.

    Examples:
        >>> alike, apart = np.zeros(8), np.array([-1.0, 1.0] * 4)
        >>> [round(between_variance(one, np.full(8, 0.1), scale=0.2) ** 0.5, 2) for one in (alike, apart)]
        [0.05, 0.68]
    """
    if len(estimate) < 2:
        return 0.0
    t = np.linspace(0.0, FURTHEST * scale, FINENESS)
    variance = error**2 + t[:, None] ** 2
    precision = (1.0 / variance).sum(axis=1)
    mean = (estimate / variance).sum(axis=1) / precision
    likelihood = np.log(variance).sum(axis=1) + ((estimate - mean[:, None]) ** 2 / variance).sum(axis=1)
    log_posterior = -0.5 * (likelihood + np.log(precision) + (t / scale) ** 2)
    weight = np.exp(log_posterior - log_posterior.max())
    return float(weight @ t**2 / weight.sum())


__all__ = ["between_variance"]
