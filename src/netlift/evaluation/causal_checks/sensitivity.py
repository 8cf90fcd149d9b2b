"""Sensitivity analysis: the strength of hidden confounding that would explain an effect.

Robustness value, for money. An unseen confounder that explains the share r of what is left of the outcome, and the
share r of the weights by which arms are compared, moves an effect by at most S·r / √(1 - r), S = √(E[residual²]·E[α²]),
α the weight 1{a}/p_a - 1{0}/p_0. The share that moves it by all of itself is, with k = |effect| / S,

    RV = (√(k⁴ + 4k²) - k²) / 2

For least squares k = |t| / √(degrees of freedom) and both shares are partial R². Below, say, 5 % the effect is fragile:
compare with the shares that the known features explain.

E-value, for shares of buyers. The risk ratio that the confounder must have with both the contact and the purchase:

    E = RR + √(RR·(RR - 1)),  RR turned upside down where it is below 1

References:
    Cinelli, Hazlett (2020), Making Sense of Sensitivity, JRSS B 82: equation 10. Chernozhukov, Cinelli, Newey, Sharma,
    Syrgkanis (2022), Long Story Short: Omitted Variable Bias in Causal Machine Learning, NBER 30302: the bound on S.
    VanderWeele, Ding (2017), Sensitivity Analysis in Observational Research: Introducing the E-Value, Annals 167.
"""

from __future__ import annotations

import math

import numpy as np

from netlift.errors import DataError
from netlift.results import Estimate


def robustness_value(relative_effect: float) -> float:
    """Share of outcome and choice that an unseen reason must explain to bring an effect to zero.

    Args:
        relative_effect: k, the effect over S, or |t| over the root of the degrees of freedom.

    Examples:
        >>> round(robustness_value(4.18 / 783**0.5), 3)
        0.139
        >>> robustness_value(0.0)
        0.0
    """
    square = relative_effect**2
    return (math.sqrt(square**2 + 4 * square) - square) / 2


def robustness_of_effect(effect: Estimate, *, residual: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Robustness values of a doubly robust effect and of the end of its interval that is nearer to zero.

    Args:
        effect: The effect with its interval.
        residual: Outcome less what was expected under the drawn arm, shape (n,).
        weight: 1 / p for the offer's rows, -1 / p for control's, 0 for other arms, shape (n,).

    Returns:
        For the effect; and for the end nearer to zero, 0 where the interval holds zero.
    """
    scale = math.sqrt(float(np.mean(residual**2)) * float(np.mean(weight**2)))
    if scale == 0:
        raise DataError(f"robustness of an effect of {effect}: no residual or no weight differs from zero")
    covers = effect.ci_lower <= 0 <= effect.ci_upper
    nearer = 0.0 if covers else min(abs(effect.ci_lower), abs(effect.ci_upper))
    return robustness_value(abs(effect.point) / scale), robustness_value(nearer / scale)


def e_value(risk_ratio: float) -> float:
    """The least risk ratio of an unseen reason with contact and purchase alike that explains a risk ratio away.

    Raises:
        DataError: A risk ratio that is not above zero.

    Examples:
        >>> round(e_value(3.9), 2), round(e_value(1.8), 2), e_value(1.0)
        (7.26, 3.0, 1.0)
    """
    if not risk_ratio > 0 or not math.isfinite(risk_ratio):
        raise DataError(f"an E-value needs a risk ratio above zero, found {risk_ratio}")
    ratio = max(risk_ratio, 1 / risk_ratio)
    return ratio + math.sqrt(ratio * (ratio - 1))
