"""Sample-ratio mismatch: whether logged propensities explain the arm sizes of a campaign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from netlift.data.contract import CONTROL

ROUNDING = 0.0005
FEWEST_EXPECTED = 5.0
FEWEST_EFFECTIVE = 30.0
MOST_ASTRAY = 0.02
"""Sums of propensities nearer to 1 than this are rounding, or a small arm that was lost: a mismatch, but a draw."""


Method = Literal["chi-square", "arm by arm", "none"]
Fault = Literal["", "certain", "sums"]


@dataclass(frozen=True, kw_only=True)
class ArmTotals:
    """What the test needs to know of one arm; totals of parts of a campaign add up.

    Rows with propensity 1 had no other choice, say nothing, and are left out.

    Attributes:
        arm: The offer, or `control`.
        rows: Customers drawn into the arm whose propensity lies strictly between 0 and 1.
        weight: Sum of 1/propensity over them.
        weight_squares: Sum of 1/propensity² over them.
    """

    arm: str
    rows: int
    weight: float
    weight_squares: float


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """Whether the arms of one campaign have the sizes that its propensities promise.

    Attributes:
        campaign_id: The campaign.
        rows: Customers whose arm was left to chance.
        arms: How many arms they are in.
        method: `chi-square` over all arms, `arm by arm` where some arms are not open to everyone, `none` where there
            are too few customers for a test.
        p_value: Chance of arms at least this far from the plan when all is well; None without a test.
        alarm: Whether that chance is below the alarm level.
        note: What a person should know beside it.
        fault: Why the propensities are those of no draw: `certain` where everybody of control, or of all other arms,
            had propensity 1; `sums` where those of the arms do not add up to 1, nor can arms that were closed to some
            customers explain it.
        certain: Customers who had propensity 1, and so no other choice.
        chances: What the mean propensities of the arms add up to; None where nobody was left to chance.
    """

    campaign_id: str
    rows: int
    arms: int
    method: Method
    p_value: float | None
    alarm: bool
    note: str
    fault: Fault = ""
    certain: int = 0
    chances: float | None = None


def judge_sample_ratio(campaign_id: str, arms: Sequence[ArmTotals], *, alarm: float) -> SampleRatio:
    """Hold the sizes of a campaign's arms against the propensities logged with them.

    Only the propensity of the drawn arm is known. With A the arm and p its propensity, Z(a) = sum of 1{A = a} / p over
    the N customers has mean N when everyone could draw arm a, whatever the propensities of the arms not drawn, and
    Z(a) - Z(b) has variance V(a) + V(b), V(a) = sum of 1/P(a), estimated by N sum(1/p²) / sum(1/p) within the arm. So
    the sum over arms of (Z(a) - mean Z)² / V(a), the mean weighted by 1/V, is chi-square with one degree of freedom
    less than there are arms. With the same propensities for everyone it is Pearson's chi-square on the planned shares.

    Where some offers are not open to everyone, Z of these has a mean below N. It shows in the mean propensities
    n(a) / Z(a), which add up to 1 when all arms are open and to more otherwise, however many rows were lost; then
    each arm is judged alone: control, always possible, may be neither below nor above N, an offer not above, and the
    least p-value counts times the number of arms. If they add up to less than 1, an arm that was planned is missing.

    Args:
        campaign_id: The campaign.
        arms: Totals of each arm.
        alarm: Level of the alarm, such as .001.

    References:
        Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD.
        Horvitz & Thompson (1952), A Generalization of Sampling Without Replacement, JASA 47, 663-685.

    Examples:
        >>> arms = [ArmTotals(arm="control", rows=510, weight=1020, weight_squares=2040),
        ...         ArmTotals(arm="sms", rows=490, weight=980, weight_squares=1960)]
        >>> round(judge_sample_ratio("may", arms, alarm=0.001).p_value, 4)
        0.5271
    """
    arms = [arm for arm in arms if arm.rows]
    rows = sum(arm.rows for arm in arms)
    beyond_one, noise = _sum_of_mean_propensities(arms)
    method: Method = "chi-square" if beyond_one <= noise else "arm by arm"
    missing = -beyond_one if arms and -beyond_one > 4 * noise else 0.0
    p_value = _chi_square(arms, rows, missing) if method == "chi-square" else _arm_by_arm(arms, rows)
    alarmed = p_value is not None and p_value < alarm
    strays = method == "arm by arm" or bool(missing)
    note = f"propensities add up to {1 - missing:.3f}: an arm that was planned is not in the table" if missing else ""
    return SampleRatio(
        campaign_id=campaign_id,
        rows=rows,
        arms=len(arms),
        method=method if p_value is not None else "none",
        p_value=p_value,
        alarm=alarmed,
        note=note if p_value is not None else "too few customers whose arm was left to chance",
        fault="sums" if alarmed and strays and abs(beyond_one) > MOST_ASTRAY else "",
        chances=1 + beyond_one if arms else None,
    )


def _sum_of_mean_propensities(arms: Sequence[ArmTotals]) -> tuple[float, float]:
    """By how much the arms' mean propensities add up to more than 1, and the standard error of that with rounding."""
    rows = sum(arm.rows for arm in arms)
    total = sum(arm.rows / arm.weight for arm in arms)
    spread = sum((arm.rows / arm.weight) ** 2 * arm.weight_squares - arm.rows for arm in arms)
    return total - 1, ROUNDING * (len(arms) + 1) + math.sqrt(max(spread, 0.0)) / max(rows, 1)


def _chi_square(arms: Sequence[ArmTotals], rows: int, missing: float) -> float | None:
    """The p-value of equal totals, arms too small for the approximation pooled with the next smallest."""
    from scipy.special import chdtrc

    cells = [(arm.weight / arm.weight_squares / rows, arm.weight) for arm in arms]
    if missing:
        cells.append((missing / rows, 0.0))
    cells.sort(reverse=True)
    while len(cells) > 1 and cells[-1][0] * rows**2 < FEWEST_EXPECTED:
        (precision, total), (more_precision, more_total) = cells.pop(), cells.pop()
        pooled = precision + more_precision
        cells.append((pooled, (precision * total + more_precision * more_total) / pooled))
        cells.sort(reverse=True)
    if len(cells) < 2:
        return None
    mean = sum(precision * total for precision, total in cells) / sum(precision for precision, _ in cells)
    statistic = sum(precision * (total - mean) ** 2 for precision, total in cells)
    return float(chdtrc(len(cells) - 1, statistic))


def _arm_by_arm(arms: Sequence[ArmTotals], rows: int) -> float | None:
    """The least p-value of an arm's total against the number of customers, times the number of arms (Bonferroni)."""
    from scipy.special import ndtr

    p_values = []
    for arm in arms:
        variance = rows * (arm.weight_squares / arm.weight - 1)
        if min(arm.weight**2 / arm.weight_squares, variance) < FEWEST_EFFECTIVE:
            continue
        distance = (arm.weight - rows) / math.sqrt(variance)
        p_values.append(2 * ndtr(-abs(distance)) if arm.arm == CONTROL else ndtr(-distance))
    return min(1.0, float(len(p_values) * min(p_values))) if p_values else None
