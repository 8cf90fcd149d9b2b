"""What the probability models say of one customer: the formulas that fitting, judging and the served model share.

A customer buys at a rate λ of their own while alive, and leaves after a purchase with a chance p of their own. Over
customers, λ is Gamma(r, α) and p is Beta(a, b). Under `bg_nbd` the first purchase starts the clock and cannot be the
last; under `mbg_nbd` it can. Given x purchase days after the first, the newest at age t_x, seen for T, and alive at T,
λ is Gamma(s, α + T) with s = r + x, and p is Beta(a, β) with β = b + x under `bg_nbd` and b + x + 1 under `mbg_nbd`.
Expectations are averages over that Beta: the usual closed forms by ₂F₁ overflow at x = 3,000 and break at a = 1, while
the averages are of positive numbers and know neither.

The file imports nothing of netlift: it is copied into the registered model in front of `stored.py`.

References:
    Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2).
    Batislam, Denizel, Filiztekin (2007), Empirical Validation and Comparison of Models for Customer Base Analysis,
        International Journal of Research in Marketing 24(3).
    Fader, Hardie (2013), The Gamma-Gamma Model of Monetary Value.
    Golub, Welsch (1969), Calculation of Gauss Quadrature Rules, Mathematics of Computation 23.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit

FEWEST_NODES, MOST_NODES = 32, 1024
RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-10, 1e-12
BLOCK = 20_000
KEPT = 4096  # sets of nodes: a model asks for the same ones time after time


@dataclass(frozen=True, kw_only=True)
class PurchaseMixture:
    """How the customers of a population differ in buying and in leaving.

    Attributes:
        family: bg_nbd or mbg_nbd.
        r: Shape of the purchase rates.
        alpha: Their inverse scale, in the unit of time.
        a: First shape of the chance of leaving after a purchase.
        b: Second shape of it.
        unit_days: Days in the unit of time: 7 for weeks, 1 for days.
    """

    family: str
    r: float
    alpha: float
    a: float
    b: float
    unit_days: float

    def beta(self, x: np.ndarray) -> np.ndarray:
        """Second shape of the chance of leaving of those alive after x purchases beyond the first, shape (n,)."""
        return self.b + x + (1.0 if self.family == "mbg_nbd" else 0.0)


@dataclass(frozen=True, kw_only=True)
class SpendMixture:
    """How the customers of a population differ in spend per purchase day.

    Attributes:
        p: Shape of a customer's spend on one day.
        q: Shape of the customers' rates.
        gamma: Scale of them, in currency.
    """

    p: float
    q: float
    gamma: float


def log_odds_gone(mixture: PurchaseMixture, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Logarithm of P(gone) over P(alive), shape (n,); -inf for those whose only purchase cannot have been their last.

    Args:
        mixture: The population.
        x: Purchase days after the first, shape (n,).
        t_x: Age at the newest of them, shape (n,), in the mixture's unit.
        T: Time since the first purchase, shape (n,), in the mixture's unit.
    """
    could_leave = mixture.beta(x) - 1.0
    possible = (x > 0) | (mixture.family == "mbg_nbd")
    silence = np.log(mixture.alpha + T) - np.log(mixture.alpha + t_x)
    odds = np.log(mixture.a) - np.log(np.where(possible, could_leave, 1.0)) + (mixture.r + x) * silence
    return np.where(possible, odds, -np.inf)


def p_alive(mixture: PurchaseMixture, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Chance of being alive now, shape (n,); arguments as for `log_odds_gone`.

    Under `bg_nbd` every one-time buyer has 1: take `mbg_nbd` for an answer about them.
    """
    return np.asarray(expit(-log_odds_gone(mixture, x, t_x, T)))


def p_alive_after(mixture: PurchaseMixture, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, days: float) -> np.ndarray:
    """Chance of being alive `days` from now, shape (n,): P(alive) times the mean of (1 + p·τ)^-s, τ = t / (α + T)."""
    now = p_alive(mixture, x, t_x, T)
    if days == 0:
        return now
    tau = days / mixture.unit_days / (mixture.alpha + T)
    return now * _average_over_dropout(mixture, x, tau, _survival)


def expected_purchases(
    mixture: PurchaseMixture, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, days: float
) -> np.ndarray:
    """Expected purchase days of the next `days`, shape (n,): P(alive) times the mean of (1 - (1 + p·τ)^-s) / p.

    Args:
        mixture: The population.
        x: Purchase days after the first, shape (n,).
        t_x: Age at the newest of them, shape (n,), in the mixture's unit.
        T: Time since the first purchase, shape (n,), in the mixture's unit.
        days: How far ahead, in days, not in the mixture's unit.

    Raises:
        FloatingPointError: The average did not settle.
    """
    tau = days / mixture.unit_days / (mixture.alpha + T)
    return p_alive(mixture, x, t_x, T) * _average_over_dropout(mixture, x, tau, _purchases)


def mean_spend(mixture: SpendMixture, mean: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Expected spend of a purchase day, shape (n,): p·(γ + m·x) / (p·x + q - 1); the population's mean at x = 0.

    Args:
        mixture: The population.
        mean: Mean spend of the customer's purchase days m, shape (n,), above zero.
        count: How many they are x, shape (n,).
    """
    return mixture.p * (mixture.gamma + mean * count) / (mixture.p * count + mixture.q - 1.0)


def group_equal(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal rows, counted as one.

    Args:
        *columns: Each of shape (n,).

    Returns:
        Position of one row of each group, groups ascending by the columns in turn, and the group of each row, (n,).

    Examples:
        >>> first, group = group_equal(np.array([2, 1, 2]), np.array([5, 5, 5]))
        >>> first.tolist(), group.tolist()
        ([1, 0], [1, 0, 1])
    """
    order = np.lexsort(columns[::-1])
    starts = np.zeros(len(order), dtype=bool)
    starts[:1] = True
    for column in columns:
        sorted_column = column[order]
        starts[1:] |= sorted_column[1:] != sorted_column[:-1]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(starts) - 1
    return order[starts], group


Integrand = Callable[[np.ndarray, float, np.ndarray], np.ndarray]


def _purchases(p: np.ndarray, s: float, tau: np.ndarray) -> np.ndarray:
    return np.asarray(-np.expm1(-s * np.log1p(p * tau)) / p)


def _survival(p: np.ndarray, s: float, tau: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-s * np.log1p(p * tau)))


def _average_over_dropout(mixture: PurchaseMixture, x: np.ndarray, tau: np.ndarray, of: Integrand) -> np.ndarray:
    """Mean of a function over p ~ Beta(a, β), shape (n,): quadrature, its nodes doubled until nothing moves."""
    first, group = group_equal(x, tau)
    x, tau = x[first], tau[first]
    value = _quadrature(mixture, x, tau, of, nodes=FEWEST_NODES)
    unsettled, nodes = np.arange(len(first)), FEWEST_NODES
    while len(unsettled) and nodes < MOST_NODES:
        nodes *= 2
        finer = _quadrature(mixture, x[unsettled], tau[unsettled], of, nodes=nodes)
        change = np.abs(finer - value[unsettled])
        moved = ~(change <= RELATIVE_TOLERANCE * np.abs(finer) + ABSOLUTE_TOLERANCE)
        value[unsettled] = finer
        unsettled = unsettled[moved]
    if len(unsettled):
        raise FloatingPointError(
            f"{mixture.family}: expectations of {len(unsettled):,} kinds of history did not settle; "
            "check that times are finite and in the unit of the fit"
        )
    return np.asarray(value[group])


def _quadrature(mixture: PurchaseMixture, x: np.ndarray, tau: np.ndarray, of: Integrand, *, nodes: int) -> np.ndarray:
    """The average at a fixed number of nodes, shape (n,); x ascending, so that equal ones share their nodes."""
    value = np.empty(len(x))
    edges = np.flatnonzero(np.diff(x, prepend=-1.0, append=np.inf))
    for start, end in pairwise(edges.tolist()):
        p, weight = beta_nodes(mixture.a, float(mixture.beta(x[start])), nodes)
        s = mixture.r + float(x[start])
        for low in range(start, end, BLOCK):
            high = min(end, low + BLOCK)
            # not by BLAS, whose order of additions depends on how many rows share the block
            value[low:high] = np.einsum("ij,j->i", of(p[None, :], s, tau[low:high, None]), weight)
    return value


@lru_cache(maxsize=KEPT)
def beta_nodes(a: float, b: float, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes and weights for averages over Beta(a, b), each of shape (nodes,), read-only: they are kept.

    Examples:
        >>> p, weight = beta_nodes(2.0, 6.0, 8)
        >>> round(float(weight @ p), 12), round(float(weight.sum()), 12)
        (0.25, 1.0)
    """
    k = np.arange(1.0, nodes)
    m = 2 * k + a + b - 2.0
    diagonal = np.empty(nodes)
    diagonal[0] = a / (a + b)
    diagonal[1:] = (1.0 + (a - b) * (a + b - 2.0) / (m * (m + 2.0))) / 2.0
    beside = np.empty(nodes - 1)
    beside[:1] = a * b / ((a + b) ** 2 * (a + b + 1.0))
    k, m = k[1:], m[1:]
    beside[1:] = k * (k + a - 1.0) * (k + b - 1.0) * (k + a + b - 2.0) / (m**2 * (m + 1.0) * (m - 1.0))
    p, vectors = eigh_tridiagonal(diagonal, np.sqrt(beside))
    found = np.maximum(p, np.finfo(np.float64).tiny), vectors[0] ** 2
    for values in found:
        values.setflags(write=False)
    return found
