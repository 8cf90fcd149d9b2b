"""Return on incremental cost: a ratio of two differences with its confidence set.

    A = D_margin        B = D_reward + D_contact + F / n_T           ROI = A / B - 1
    Fieller's set = {θ : (A - θB)² <= z² (va - 2θ vab + θ² vb)}      g = z² vb / B²

At θ = 1 the inequality is that of the profit interval: ROI of zero lies in the set exactly when profit of zero lies in
its interval. The delta method may contradict it. With g at 1 and above the cost cannot be told apart from zero and no
number is a return; the net benefit A - (1 + h) B stays defined, and with it P(ROI > h).

Where profit's interval is corrected for skewness, z becomes Hall's h(z) on one side and -h(-z) on the other, with the
skewness of A - θB as far as it moves with profit: that of profit at θ = 1, so set and interval go on agreeing, and that
of the cost's own interval far from it. Where that one holds zero, no return is excluded. They share z, that of all arms
at once, or of a planned look, where the profit beside it has it.

References:
    Fieller (1954), Some problems in interval estimation, JRSS B 16(2), 175-185.
    Stinnett, Mullahy (1998), Net health benefits, Medical Decision Making 18(2): P(ROI > h) as acceptability curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from netlift.abtest.readout.result import CurvePoint, Roi
from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import COST, Contrast, money, scaled
from netlift.abtest.stats.moments import PROFIT
from netlift.abtest.stats.root import find_root
from netlift.abtest.stats.skew import NORMAL, Shape
from netlift.errors import DataError
from netlift.results import Estimate

MARGIN: Mapping[str, float] = {"margin": 1.0}
REVENUE: Mapping[str, float] = {"revenue": 1.0}
NOTHING = 1e-12


@dataclass(frozen=True, kw_only=True)
class RatioSet:
    """Ratios that the data do not exclude.

    Attributes:
        kind: `interval` [lower, upper]; `outside` everything but the open (lower, upper); `all` every number.
        lower: None for `all`.
        upper: None for `all`.
        g: Squared relative half-width of the denominator.
    """

    kind: Literal["interval", "outside", "all"]
    lower: float | None
    upper: float | None
    g: float


@dataclass(frozen=True, kw_only=True)
class TwoLines:
    """Numerator and denominator of a ratio with their variances, on one scale."""

    a: float
    b: float
    va: float
    vb: float
    vab: float

    def net(self, theta: float) -> float:
        """A - θB."""
        return self.a - theta * self.b

    def net_se(self, theta: float) -> float:
        """Standard error of A - θB."""
        return math.sqrt(max(self.va - 2 * theta * self.vab + theta**2 * self.vb, 0.0))

    def correlation(self, one: float, other: float) -> float:
        """Correlation of A - θB at two θ; with an infinite θ that of B."""
        if math.isinf(other):
            spread, shared = math.sqrt(self.vb), self.vab - one * self.vb
        else:
            spread, shared = self.net_se(other), self.va - (one + other) * self.vab + one * other * self.vb
        scale = self.net_se(one) * spread
        return shared / scale if scale > 0 else 0.0

    @property
    def empty(self) -> bool:
        """Whether the denominator is nothing at all."""
        return self.vb == 0 and abs(self.b) <= NOTHING * max(abs(self.a), math.sqrt(self.va), NOTHING)


def fieller(lines: TwoLines, *, z: float, shape: Shape = NORMAL, at: float = 1.0) -> RatioSet:
    """Fieller's set of A / B.

    Args:
        lines: A, B and their variances.
        z: Normal score of either side.
        shape: What to correct for.
        at: The θ whose A - θB has this shape, such as 1 for profit.

    Raises:
        DataError: The denominator is zero without any variance: there is no ratio.

    Examples:
        >>> found = fieller(TwoLines(a=2.0, b=1.0, va=0.01, vb=0.0025, vab=0.0), z=1.96)
        >>> found.kind, round(found.lower, 3), round(found.upper, 3)
        ('interval', 1.74, 2.299)
    """
    if lines.empty:
        raise DataError("the denominator of a ratio is zero for every customer; a return needs some incremental cost")
    if math.isinf(z):
        return RatioSet(kind="all", lower=None, upper=None, g=math.inf)
    student = float(skew.studentized(z, shape.freedom))
    width = student * math.sqrt(lines.vb) / abs(lines.b) if lines.b else math.inf
    g = width * width
    if g < 1 and lines.b < 0:  # the same ratio of both lines turned round
        turned = replace(lines, a=-lines.a, b=-lines.b)
        return fieller(turned, z=z, shape=replace(shape, lower=-shape.upper, upper=-shape.lower), at=at)
    if g < 1 and not skew.used(shape.largest):
        return RatioSet(kind="interval", lower=_roots(lines, student)[0], upper=_roots(lines, student)[1], g=g)
    if g < 1:
        cost = shape.along(lines.correlation(at, math.inf))
        if skew.interval(lines.b, math.sqrt(lines.vb), z=z, shape=cost)[0] > 0:
            lower, upper = (_end(lines, student, z=z, shape=shape, at=at, side=side) for side in (-1, 1))
            return RatioSet(kind="interval", lower=lower, upper=upper, g=g)
        return RatioSet(kind="all", lower=None, upper=None, g=g)
    if _discriminant(lines, student) < 0:
        return RatioSet(kind="all", lower=None, upper=None, g=g)
    first, last = sorted(_roots(lines, student))
    return RatioSet(kind="outside", lower=first, upper=last, g=g)


def _end(lines: TwoLines, student: float, *, z: float, shape: Shape, at: float, side: int) -> float:
    """The θ below (side -1) or above (1) A / B at which the interval of A - θB ends at zero; B is surely above zero."""

    def beyond(theta: float) -> float:
        own = shape.along(lines.correlation(at, theta))
        low, high = skew.interval(lines.net(theta), lines.net_se(theta), z=z, shape=own)
        return low if side < 0 else -high

    start, step = lines.a / lines.b, abs(_roots(lines, student)[(side + 1) // 2] - lines.a / lines.b)
    if (at - start) * side > 0:  # the end lies beyond `at` exactly when the interval there holds zero
        if beyond(at) > 0:
            return find_root(beyond, start, at)
        start = at
    if step == 0:  # A is known once B is
        return start
    while beyond(start + side * step) <= 0:
        step *= 2
    return find_root(beyond, start, start + side * step)


def _discriminant(lines: TwoLines, z: float) -> float:
    """A quarter of the discriminant: half the linear coefficient squared, less the product of the other two."""
    half = lines.a * lines.b - z**2 * lines.vab
    return half**2 - (lines.b**2 - z**2 * lines.vb) * (lines.a**2 - z**2 * lines.va)


def _roots(lines: TwoLines, z: float) -> tuple[float, float]:
    """Both θ where (A - θB)² = z² se(θ)²; with g below 1 the first is the lower."""
    square = lines.b**2 - z**2 * lines.vb
    middle = (lines.a * lines.b - z**2 * lines.vab) / square if square else math.inf
    half = math.sqrt(max(_discriminant(lines, z), 0.0)) / square if square else math.inf
    return middle - half, middle + half


def two_lines(
    contrast: Contrast, top: Mapping[str, float], bottom: Mapping[str, float], *, top_fixed: float = 0.0,
    bottom_fixed: float = 0.0,
) -> TwoLines:  # fmt: skip
    """Two lines of a contrast, per treated customer, each with a known total added."""
    n = contrast.n_treated
    return TwoLines(
        a=contrast.point(top) + top_fixed / n, b=contrast.point(bottom) + bottom_fixed / n, va=contrast.cov(top, top),
        vb=contrast.cov(bottom, bottom), vab=contrast.cov(top, bottom),
    )  # fmt: skip


def roi(contrast: Contrast, *, level: float, currency: str, fixed: float = 0.0, z: float | None = None) -> Roi:
    """Incremental profit over incremental cost.

    Where the offer surely costs less than control the kind is `saves_cost`, and no ratio is given: a saving is not an
    outlay that could return anything.

    Args:
        contrast: Arm against control.
        level: Confidence of the set.
        currency: Unit of the cost.
        fixed: Fixed cost of the arm.
        z: Normal score of the profit interval beside it; None for that of the level.
    """
    lines = two_lines(contrast, MARGIN, COST, bottom_fixed=fixed)
    cost = money(contrast, COST, level=level, currency=currency, fixed=-fixed)[0]
    if lines.empty:
        return Roi(kind="undefined", point=None, lower=None, upper=None, level=level, g=math.inf, cost=cost)
    found = fieller(lines, z=skew.critical(level) if z is None else z, shape=contrast.shape)
    if found.kind == "interval" and lines.b < 0:
        return Roi(kind="saves_cost", point=None, lower=None, upper=None, level=level, g=found.g, cost=cost)
    return Roi(
        kind=found.kind, point=lines.a / lines.b - 1 if found.kind == "interval" else None,
        lower=None if found.lower is None else found.lower - 1, upper=None if found.upper is None else found.upper - 1,
        level=level, g=found.g, cost=cost,
    )  # fmt: skip


def roi_curve(contrast: Contrast, hurdles: Sequence[float], *, fixed: float = 0.0) -> tuple[CurvePoint, ...]:
    """P(ROI > hurdle): the chance that margin exceeds (1 + hurdle) times the cost, defined whatever the cost is."""
    lines = two_lines(contrast, MARGIN, COST, bottom_fixed=fixed)
    return tuple(
        CurvePoint(at=float(h), value=skew.chance_above(0.0, lines.net(1 + h), lines.net_se(1 + h), shape=own))
        for h in hurdles
        for own in (contrast.shape.along(lines.correlation(1.0, 1 + h)),)
    )


def hurdles_about(roi: Roi, *, count: int = 61) -> tuple[float, ...]:
    """Hurdles that show the curve from sure to hopeless, zero among them; none where there is no cost to return.

    Examples:
        >>> cost = Estimate(point=1.0, ci_lower=1.0, ci_upper=1.0, level=0.95, unit="EUR", method="known")
        >>> found = hurdles_about(Roi(kind="all", point=None, lower=None, upper=None, level=0.95, g=2.0, cost=cost))
        >>> found[0], found[-1], 0.0 in found
        (-1.0, 2.0, True)
    """
    if roi.kind == "undefined":
        return ()
    lower, upper = -1.0, 2.0
    if roi.kind == "interval" and roi.lower is not None and roi.upper is not None:
        around = (roi.upper - roi.lower) / 2
        lower, upper = min(roi.lower - around, 0.0), max(roi.upper + around, 0.0)
    grid = np.round(np.linspace(lower, upper, count), 6)
    return tuple(sorted({0.0, *(float(h) for h in grid)}))


def ratio(lines: TwoLines, *, level: float, unit: str, method: str, shape: Shape = NORMAL) -> Estimate | None:
    """A / B with its Fieller interval; None where B is not surely above zero. The shape is that of A."""
    if lines.empty:
        return None
    found = fieller(lines, z=skew.critical(level), shape=shape, at=0.0)
    if found.kind != "interval" or lines.b <= 0 or found.lower is None or found.upper is None:
        return None
    return Estimate(
        point=lines.a / lines.b, ci_lower=found.lower, ci_upper=found.upper, level=level, unit=unit, method=method
    )


def iroas(contrast: Contrast, *, level: float, currency: str, fixed: float = 0.0) -> Estimate | None:
    """Incremental revenue over incremental cost; None where the cost is not surely above zero.

    References:
        Kerman, Wang, Vaver (2017), Estimating ad effectiveness using geo experiments in a time-based regression
        framework, Google: iROAS.
    """
    lines = two_lines(contrast, REVENUE, COST, bottom_fixed=fixed)
    return ratio(lines, level=level, unit=f"{currency}/{currency}", method="Fieller")


def profit_per_delivered(
    contrast: Contrast, *, level: float, currency: str, fixed: float = 0.0, delivered: str = "delivered"
) -> Estimate | None:
    """Profit over the difference in delivery: what the contact earned with each whom it reached.

    A customer's delivery is 1 or 0, one more outcome of the contrast; opening is never delivery, since control cannot
    open. None where delivery does not surely differ.

    References:
        Imbens, Angrist (1994), Identification and estimation of local average treatment effects, Econometrica 62(2).
    """
    lines = two_lines(contrast, PROFIT, {delivered: 1.0}, top_fixed=-fixed)
    return ratio(
        lines, level=level, unit=f"{currency}/delivered customer", method="effect on delivered, Fieller",
        shape=contrast.shape,
    )  # fmt: skip


def break_even_margin_rate(contrast: Contrast, *, fixed: float = 0.0) -> float | None:
    """Margin rate of the incremental revenue at which profit is zero; None where revenue did not rise.

    Only what the rate would have to be: the observed mix of items has its own.
    """
    lines = two_lines(contrast, COST, REVENUE, top_fixed=fixed)
    return lines.a / lines.b if lines.b > 0 else None


def break_even_reward(contrast: Contrast, *, fixed: float = 0.0) -> float:
    """Extra reward per treated customer at which profit is zero; negative: even a free reward would lose."""
    return contrast.point({"margin": 1.0, "contact_cost": -1.0}) - fixed / contrast.n_treated


def cost_of_holdout(contrast: Contrast, *, level: float, currency: str) -> Estimate:
    """Profit given up by not contacting control: n_0 times the profit per customer, fixed cost being spent anyway."""
    per_customer = money(contrast, PROFIT, level=level, currency=currency)[1]
    return scaled(per_customer, contrast.n_control, unit=currency)
