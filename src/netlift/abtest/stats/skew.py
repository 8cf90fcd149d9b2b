"""Skewness-corrected intervals for heavy-tailed spend and small control groups.

A mean of skewed spend is skewed itself when few customers make it; with a small control the difference of two such
means leans to one side, and a symmetric interval then calls too many campaigns a success. With gamma the skewness of
the difference, Hall's monotone transform of the studentized difference

    g(t) = t + gamma t²/3 + gamma² t³/27 + gamma/6                      (close to normal)
    h(x) = (3/gamma) ((1 + gamma (x - gamma/6))^(1/3) - 1)              (its inverse; x itself as gamma goes to 0)

gives the interval [D - se h(z), D - se h(-z)]. It is used only where |gamma| is above NOTICEABLE; above LARGE the
control is small for this spend pattern, and the interval wide, which is said.

No estimate of gamma serves every campaign. That of arms of one shape,

    gamma = m3 (1/n_T² - 1/n_0²) / (s² (1/n_T + 1/n_0))^(3/2)           s², m3 of a customer within both arms together

is steady, and wrong where the offer changes the shape; each arm's own, (m3_T / n_T² - m3_0 / n_0²) / se³, rests on the
few buyers of a small control, which mostly miss the rare large baskets. So each end of the interval takes the gamma
that puts it further out (`Shape`); which gammas compete is said in `spend_shape`. Where few clusters make the standard
error, the normal score becomes Student's t of as many degrees of freedom.

References:
    Hall (1992), On the removal of skewness by transformation, JRSS B 54(1), 221-228, eq. 2.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from netlift.results import Estimate

NOTICEABLE = 0.1
LARGE = 0.3
CORRECTED = "skew-corrected"
STUDENT = "Student's t of few clusters"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How the studentized difference is distributed.

    Attributes:
        lower: Skewness behind the lower end of an interval, and behind every doubt that profit is above something.
        upper: Skewness behind the upper end.
        freedom: Degrees of freedom of the standard error; infinite where customers are many.
    """

    lower: float = 0.0
    upper: float = 0.0
    freedom: float = math.inf

    @property
    def largest(self) -> float:
        """The skewness that is further from zero."""
        return max(self.lower, self.upper, key=abs)

    def along(self, correlation: float) -> Shape:
        """Shape of another line as far as it moves with this one, the rest of it being taken as even."""
        ends = (self.lower * correlation**3, self.upper * correlation**3)
        return Shape(lower=min(ends), upper=max(ends), freedom=self.freedom)


NORMAL = Shape()


def even(gamma: float) -> Shape:
    """The shape of one known skewness."""
    return Shape(lower=gamma, upper=gamma)


def gamma_of(skewness: float, n_treated: int, n_control: int) -> float:
    """Skewness of a difference of two means of customers with this skewness.

    Examples:
        >>> round(gamma_of(20.0, 9000, 1000), 3)
        -0.533
    """
    return skewness * (n_control - n_treated) / math.sqrt(n_treated * n_control * (n_treated + n_control))


def used(gamma: float) -> float:
    """The skewness that is corrected for: zero where it is too small to matter.

    Examples:
        >>> used(0.05), used(-0.2)
        (0.0, -0.2)
    """
    return gamma if abs(gamma) > NOTICEABLE else 0.0


def quantile(x: float | np.ndarray, gamma: float) -> float | np.ndarray:
    """h(x): the studentized value that stands at the normal score x.

    Examples:
        >>> round(float(quantile(1.96, 0.0)), 3), round(float(quantile(1.96, 0.3)), 3)
        (1.96, 1.63)
    """
    if abs(gamma) < 1e-6:
        return x
    return 3 / gamma * (np.cbrt(1 + gamma * (x - gamma / 6)) - 1)


def score(t: float | np.ndarray, gamma: float | np.ndarray) -> float | np.ndarray:
    """g(t): the normal score of a studentized value."""
    return t + gamma * t**2 / 3 + gamma**2 * t**3 / 27 + gamma / 6


def density_at(x: float | np.ndarray) -> np.ndarray:
    """The standard normal density.

    Examples:
        >>> round(float(density_at(0.0)), 4)
        0.3989
    """
    return np.exp(-0.5 * np.square(x)) / np.sqrt(2 * np.pi)


def critical(level: float) -> float:
    """Normal score that a two-sided interval of this level reaches on either side."""
    return float(ndtri((1 + level) / 2))


def studentized(z: float | np.ndarray, freedom: float) -> np.ndarray:
    """Student's t that is as improbable as the normal score z.

    Examples:
        >>> round(float(studentized(1.959964, 6.0)), 3), float(studentized(1.96, math.inf))
        (2.447, 1.96)
    """
    if math.isinf(freedom):
        return np.asarray(z)
    return -np.sign(z) * stdtrit(freedom, ndtr(-np.abs(z)))


def interval(point: float, se: float, *, z: float, shape: Shape = NORMAL) -> tuple[float, float]:
    """Ends of the interval: plain where skewness is small, Hall's otherwise.

    Args:
        point: The difference.
        se: Its standard error.
        z: Normal score of either side, such as 1.96.
        shape: How the studentized difference is distributed.

    Examples:
        >>> [round(end, 2) for end in interval(0.0, 1.0, z=1.96, shape=even(-0.3))]
        [-2.65, 1.63]
    """
    if se == 0:
        return point, point
    t = float(studentized(z, shape.freedom))
    return (
        point - se * float(quantile(t, used(shape.lower))),
        point - se * float(quantile(-t, used(shape.upper))),
    )


def normal_score(t: float | np.ndarray, shape: Shape) -> np.ndarray:
    """Normal score of a studentized difference, by the skewness of the end that it speaks against.

    A value above zero is judged as by the lower end of an interval, one below as by the upper end; it agrees with
    `interval` end by end.
    """
    straight = score(t, np.where(np.asarray(t) > 0, used(shape.lower), used(shape.upper)))
    if math.isinf(shape.freedom):
        return np.asarray(straight)
    return np.asarray(-np.sign(straight) * ndtri(stdtr(shape.freedom, -np.abs(straight))))


def chance_above(threshold: float, point: float, se: float, *, shape: Shape = NORMAL) -> float:
    """Confidence that the truth lies above a threshold; it agrees with `interval` end by end.

    A standard error of zero gives 0, 1, or .5 on the threshold itself.
    """
    if se == 0:
        return float(np.heaviside(point - threshold, 0.5))
    return float(ndtr(normal_score((point - threshold) / se, shape)))


def estimate(
    point: float, se: float, *, level: float, unit: str, method: str, shape: Shape = NORMAL, z: float | None = None
) -> Estimate:
    """A difference with its interval, the method saying what it was corrected for; z in the place of the level's."""
    lower, upper = interval(point, se, z=critical(level) if z is None else z, shape=shape)
    return Estimate(point=point, ci_lower=lower, ci_upper=upper, level=level, unit=unit, method=said(method, shape))


def said(method: str, shape: Shape) -> str:
    """The name of a method with what its interval was corrected for."""
    words = [method, *([CORRECTED] if used(shape.largest) else []), *([STUDENT] if shape.freedom < math.inf else [])]
    return ", ".join(words)
