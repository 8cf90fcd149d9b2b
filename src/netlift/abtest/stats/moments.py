"""Counts and central moments of one cell (arm, segment, day) that add up exactly.

Everything a readout says, but for quantiles, is computed from these numbers, so rows may stay in their database:

    n      customers
    mean   of each outcome and covariate
    cov    second central moments over n
    cube   third central moment of profit over n, profit being margin - reward - contact_cost
    spend  how many spent something, and sums of powers of the logarithm of that
    low, high   smallest and largest value of each outcome and covariate

Where customers share a cluster (a household), sums of clusters are kept too: only they tell how the mean may vary.

References:
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3).
    Pébay (2008), Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
    moments, Sandia report SAND2008-6212, eq. 2.1 and 3.12.
    Liang, Zeger (1986), Longitudinal data analysis using generalized linear models, Biometrika 73(1): cluster sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

import numpy as np

from netlift.errors import DataError

OUTCOMES = ("revenue", "margin", "reward", "contact_cost")
PROFIT: Mapping[str, float] = {"margin": 1.0, "reward": -1.0, "contact_cost": -1.0}
SPEND = "spend_in_window"
"""Column of what each customer spent, where the column revenue is weighted or moved."""
DUST = 1e-6
"""Money up to which nothing was spent: receipts and returns that cancel leave a rest, as the order of adding has it."""
ROUNDING = 1e-12
"""Share of a sum of squares below which what is left about the mean is rounding, not variation."""
DIGITS = 1e-14
"""Share of a value that its own digits cannot tell."""
EMPTY = "a cell without customers was found; an arm needs at least 2. Was it planned and never sent?"


@dataclass(frozen=True, kw_only=True)
class LogSpend:
    """Powers of the logarithm of what buyers spent; sums of two cells add up.

    Attributes:
        buyers: Customers whose revenue is above zero.
        sums: Of the logarithm to the powers 1 to 4, over them.
    """

    buyers: int = 0
    sums: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __add__(self, other: LogSpend) -> LogSpend:
        first, second, third, fourth = (a + b for a, b in zip(self.sums, other.sums, strict=True))
        return LogSpend(buyers=self.buyers + other.buyers, sums=(first, second, third, fourth))

    @property
    def mean(self) -> float:
        """Of the logarithm; zero without buyers."""
        return self.sums[0] / self.buyers if self.buyers else 0.0

    @property
    def variance(self) -> float:
        """Of the logarithm, over buyers less one; zero with fewer than two."""
        left = self.sums[1] - self.buyers * self.mean**2
        return left / (self.buyers - 1) if self.buyers > 1 and left > ROUNDING * self.sums[1] else 0.0

    @property
    def third(self) -> float:
        """Third central moment of the logarithm; zero without buyers."""
        if not self.buyers:
            return 0.0
        one, two, three = (total / self.buyers for total in self.sums[:3])
        return three - 3 * one * two + 2 * one**3

    @property
    def fourth(self) -> float:
        """Fourth central moment of the logarithm; zero without buyers."""
        if not self.buyers:
            return 0.0
        one, two, three, four = (total / self.buyers for total in self.sums)
        return max(four - 4 * one * three + 6 * one**2 * two - 3 * one**4, 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClusterSums:
    """Second and third moments of the sums of clusters, such as households.

    Attributes:
        count: How many clusters.
        products: Sum over clusters of a a', shape (k + 1, k + 1), where a = (customers of the cluster, the sum over
            them of values less a shift).
        cubes: Sums over clusters of p³, p² m, p m², m³, shape (4,), p the sum of profit less its shift, m the
            customers; zeros where nobody took them.
    """

    count: int
    products: np.ndarray
    cubes: np.ndarray = field(default_factory=lambda: np.zeros(4))

    def shifted(self, by: np.ndarray, profit: float) -> ClusterSums:
        """The same about a shift that lies higher by so much, shape (k,), and its profit by `profit`."""
        move = np.eye(len(by) + 1)
        move[1:, 0] = -by
        d = -profit
        cubes = np.array([[1, 3 * d, 3 * d**2, d**3], [0, 1, 2 * d, d**2], [0, 0, 1, d], [0, 0, 0, 1.0]]) @ self.cubes
        return ClusterSums(count=self.count, products=move @ self.products @ move.T, cubes=cubes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Counts and central moments of one cell; `a + b` is the cell of both.

    Attributes:
        names: Outcomes and covariates, k of them.
        n: Customers.
        mean: Shape (k,).
        cov: Second central moments over n, shape (k, k).
        cube: Third central moment of profit over n.
        buyers: Customers who bought.
        cluster: Sums of clusters about the mean; None where every customer stands for himself.
        spend: Logarithms of what buyers spent.
        low: Smallest value of each, shape (k,); None where nobody looked.
        high: Largest value of each, likewise.
    """

    names: tuple[str, ...]
    n: int
    mean: np.ndarray
    cov: np.ndarray
    cube: float
    buyers: int
    cluster: ClusterSums | None = None
    spend: LogSpend = LogSpend()
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def __add__(self, other: Moments) -> Moments:
        return merge(self, other)

    @property
    def clusters(self) -> int | None:
        """How many clusters; None without."""
        return self.cluster.count if self.cluster else None

    @cached_property
    def mean_cov(self) -> np.ndarray:
        """Covariance of the mean, shape (k, k): from customers, or from clusters where they are known.

        Large clusters pull the mean to themselves, which makes their sums about it too small: by the share
        2 Σm³ / (N Σm²) - Σm² / N² of the variance where the m customers of a cluster move as one, by 1 / G for G equal
        ones.

        Raises:
            DataError: Fewer than two customers or clusters.

        References:
            Bell, McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage samples,
            Survey Methodology 28(2): the leverage of a cluster.
        """
        units, what = (self.n, "customer") if self.cluster is None else (self.cluster.count, "cluster")
        if units < 2:
            raise DataError(
                f"a cell of {units} {what} was found; its variance needs at least 2. Give the arm more, or leave it out"
            )
        if self.cluster is None:
            return self.cov / (self.n - 1)
        squares = float(self.cluster.products[0, 0])
        cubes = max(float(self.cluster.cubes[3]), squares**2 / self.n)
        pulled = (2 * cubes / squares - squares / self.n) / self.n
        return self.cluster.products[1:, 1:] / self.n**2 / (1 - pulled)

    @property
    def effective_units(self) -> float:
        """Customers, or so many clusters of one size as would weigh as these do.

        References:
            Kish (1965), Survey Sampling, sec. 11.7: effective size under unequal weights.
        """
        return float(self.n) if self.cluster is None else self.n**2 / float(self.cluster.products[0, 0])

    @property
    def leverages(self) -> np.ndarray:
        """Share of each value's sum of squares about the mean that its most extreme customer makes, shape (k,)."""
        if self.low is None or self.high is None:
            return np.zeros(len(self.names))
        farthest = np.maximum(self.high - self.mean, self.mean - self.low)
        squares = np.diag(self.cov) * self.n
        return np.divide(farthest**2, squares, out=np.zeros(len(self.names)), where=squares > 0)

    @property
    def cluster_cov(self) -> np.ndarray | None:
        """Covariance of the mean from cluster sums, times n, shape (k, k); None without clusters."""
        return None if self.cluster is None else self.mean_cov * self.n

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of a customer, shape (k,), over n - 1; zero for a single one."""
        return np.sqrt(np.diag(self.cov) * self.n / max(self.n - 1, 1))

    def take(self, names: Sequence[str]) -> Moments:
        """The cell with these outcomes and covariates only, in this order; third moment and counts stay."""
        places = np.array([self.names.index(name) for name in known(names, self.names)], dtype=int)
        cluster = None
        if self.cluster is not None:
            kept = np.concatenate([[0], places + 1])
            cluster = replace(self.cluster, products=self.cluster.products[np.ix_(kept, kept)])
        low, high = (None if ends is None else ends[places] for ends in (self.low, self.high))
        return replace(
            self, names=tuple(names), mean=self.mean[places], cov=self.cov[np.ix_(places, places)], cluster=cluster,
            low=low, high=high,
        )  # fmt: skip

    def value(self, name: str) -> float:
        """Mean of one outcome, or of `profit`."""
        return float(weights_of(PROFIT if name == "profit" else {name: 1.0}, self.names) @ self.mean)


def known(names: Sequence[str], available: Sequence[str]) -> Sequence[str]:
    """The names, all of which must be available."""
    missing = [name for name in names if name not in available]
    if missing:
        raise DataError(f"no figures named {', '.join(missing)}; there are {', '.join(available)}")
    return names


def weights_of(weights: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    """Weights in the order of names, shape (k,); one that is not among the names counts as nothing, all must not be.

    Examples:
        >>> weights_of(PROFIT, OUTCOMES)
        array([ 0.,  1., -1., -1.])
    """
    if not any(name in weights for name in names):
        known(tuple(weights), names)
    return np.array([weights.get(name, 0.0) for name in names])


def of_rows(
    values: np.ndarray, names: Sequence[str], *, cluster: np.ndarray | None = None, bought: np.ndarray | None = None
) -> Moments:
    """Moments of rows, one row per assigned customer.

    Args:
        values: Outcomes and covariates, shape (n, k); zero, not missing, where nothing was bought.
        names: What the columns hold.
        cluster: Code of each customer's cluster, shape (n,).
        bought: Who bought, bool, shape (n,); without it those with revenue (else margin) above zero.

    Raises:
        DataError: No rows, or a value that is missing or infinite.

    Examples:
        >>> cell = of_rows(np.array([[0.0, 0.0], [30.0, 12.0]]), ("revenue", "margin"))
        >>> cell.n, cell.mean.tolist(), cell.buyers
        (2, [15.0, 6.0], 1)
    """
    values = np.asarray(values, dtype=np.float64)
    _refuse_missing(values, names)
    mean = values.mean(axis=0)
    mean = mean + (values - mean).mean(axis=0)  # once more: a sum of many equal prices is not quite their multiple
    centred = values - mean
    profit = centred @ weights_of(PROFIT, names)
    spent = values[:, names.index("revenue" if "revenue" in names else "margin")]
    if bought is None:
        bought = spent > DUST
    return Moments(
        names=tuple(names), n=len(values), mean=mean, cov=_flushed(centred.T @ centred / len(values), mean, 0 * mean),
        cube=float(np.mean(profit**3)), buyers=int(np.sum(bought)),
        cluster=None if cluster is None else _cluster_sums(centred, profit, cluster),
        spend=log_spend(spent), low=values.min(axis=0), high=values.max(axis=0),
    )  # fmt: skip


def log_spend(spent: np.ndarray) -> LogSpend:
    """Logarithms of what those spent who spent something.

    Args:
        spent: Revenue of each customer, shape (n,).

    Examples:
        >>> log_spend(np.array([0.0, 1.0, np.e])).sums
        (1.0, 1.0, 1.0, 1.0)
    """
    logs = np.log(spent[spent > DUST])
    first, second, third, fourth = (float(np.sum(logs**power)) for power in (1, 2, 3, 4))
    return LogSpend(buyers=len(logs), sums=(first, second, third, fourth))


def of_sums(
    names: Sequence[str],
    n: int,
    sums: np.ndarray,
    products: np.ndarray,
    cubes: float,
    *,
    buyers: int,
    shift: np.ndarray | None = None,
    cluster: ClusterSums | None = None,
) -> Moments:
    """Moments from the raw sums that a database gives.

    Sums of squares of large numbers lose digits: a shift near the mean, taken off each value first, keeps them.

    Args:
        names: Outcomes and covariates, k of them.
        n: Customers.
        sums: Sums of (value - shift), shape (k,).
        products: Sums of (value - shift)(value - shift)', shape (k, k).
        cubes: Sum of (profit - profit of the shift)³.
        buyers: Customers who bought.
        shift: What was taken off each value, shape (k,); None for nothing.
        cluster: Sums of clusters about the same shift.

    Raises:
        DataError: No customers, or a sum that is missing or infinite.

    Examples:
        >>> cell = of_sums(("margin",), 2, np.array([12.0]), np.array([[144.0]]), 1728.0, buyers=1)
        >>> cell.mean.tolist(), cell.cov.tolist(), cell.cube
        ([6.0], [[36.0]], 0.0)
    """
    sums, products = np.asarray(sums, dtype=np.float64), np.asarray(products, dtype=np.float64)
    shift = np.zeros(len(names)) if shift is None else np.asarray(shift, dtype=np.float64)
    if n < 1:
        raise DataError(EMPTY)
    if not (np.isfinite(sums).all() and np.isfinite(products).all() and np.isfinite(cubes)):
        raise DataError(f"sums of {', '.join(names)} over {n} customers: one is missing or infinite; check the tables")
    offset = sums / n
    profit = weights_of(PROFIT, names)
    p, square = float(profit @ offset), float(profit @ products @ profit) / n
    return Moments(
        names=tuple(names), n=int(n), mean=shift + offset,
        cov=_flushed(products / n - np.outer(offset, offset), shift + offset, np.diag(products) / n),
        cube=float(cubes) / n - 3 * p * square + 2 * p**3, buyers=int(buyers),
        cluster=None if cluster is None else cluster.shifted(offset, p),
    )  # fmt: skip


def merge(*cells: Moments) -> Moments:
    """The cell of all customers of one or more cells, exactly; no cluster may be in two of them.

    Raises:
        DataError: Cells of different figures, or clusters known of some only.
    """
    return reduce(_merge_two, cells)


def _merge_two(a: Moments, b: Moments) -> Moments:
    if a.names != b.names or (a.cluster is None) != (b.cluster is None):
        raise DataError(f"cells of {', '.join(a.names)} and of {', '.join(b.names)} cannot be merged: their figures "
                        "and their clusters must be the same")  # fmt: skip
    n, move = a.n + b.n, b.mean - a.mean
    mean = a.mean + move * (b.n / n)
    profit = weights_of(PROFIT, a.names)
    step = float(profit @ move)
    square_a, square_b = (float(profit @ cell.cov @ profit) for cell in (a, b))
    share_a, share_b = a.n / n, b.n / n
    cube = (
        share_a * a.cube + share_b * b.cube + share_a * share_b * (share_a - share_b) * step**3
        + 3 * share_a * share_b * step * (square_b - square_a)
    )  # fmt: skip
    cluster = None
    if a.cluster is not None and b.cluster is not None:
        both = [c.cluster.shifted(mean - c.mean, float(profit @ (mean - c.mean))) for c in (a, b) if c.cluster]
        cluster = ClusterSums(
            count=sum(c.count for c in both), products=both[0].products + both[1].products,
            cubes=both[0].cubes + both[1].cubes,
        )  # fmt: skip
    return Moments(
        names=a.names, n=n, mean=mean, buyers=a.buyers + b.buyers, cube=cube, cluster=cluster, spend=a.spend + b.spend,
        low=None if a.low is None or b.low is None else np.minimum(a.low, b.low),
        high=None if a.high is None or b.high is None else np.maximum(a.high, b.high),
        cov=share_a * a.cov + share_b * b.cov + share_a * share_b * np.outer(move, move),
    )  # fmt: skip


def _cluster_sums(centred: np.ndarray, profit: np.ndarray, cluster: np.ndarray) -> ClusterSums:
    names, codes = np.unique(cluster, return_inverse=True)
    sums = np.zeros((len(names), centred.shape[1] + 1))
    sums[:, 0] = np.bincount(codes, minlength=len(names))
    for column in range(centred.shape[1]):
        sums[:, column + 1] = np.bincount(codes, weights=centred[:, column], minlength=len(names))
    p, m = np.bincount(codes, weights=profit, minlength=len(names)), sums[:, 0]
    cubes = np.array([np.sum(p ** (3 - power) * m**power) for power in range(4)])
    return ClusterSums(count=len(names), products=sums.T @ sums, cubes=cubes)


def _flushed(cov: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Second central moments, those of a constant set to zero: what is left of it is rounding."""
    constant = np.diag(cov) <= ROUNDING * squares + (DIGITS * mean) ** 2
    cov = (cov + cov.T) / 2
    cov[constant, :] = 0.0
    cov[:, constant] = 0.0
    return cov


def _refuse_missing(values: np.ndarray, names: Sequence[str]) -> None:
    if values.ndim != 2 or values.shape[1] != len(names):
        raise DataError(f"values of shape {values.shape} were given; {len(names)} names need a column each")
    if not len(values):
        raise DataError(EMPTY)
    bad = np.sum(~np.isfinite(values), axis=0)
    if bad.any():
        found = ", ".join(f"{name} {count}" for name, count in zip(names, bad, strict=True) if count)
        raise DataError(
            f"missing or infinite values among {len(values)} customers ({found}); a customer who bought nothing counts "
            "as zero: fill them before"
        )
