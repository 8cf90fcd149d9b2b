"""Economics of a segment: revenue, cost, risk and satisfaction, with intervals for predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from netlift.results import Estimate
from netlift.segments.payback import Payback
from netlift.segments.surveys import mean_satisfaction, net_promoter_score

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Valuation:
    """What is needed to judge a segment beside its customers.

    Attributes:
        currency: Of all money.
        horizon_days: Days that predicted value is of; None without a model.
        level_sd: Relative error of its level that all customers share, as `sums.normal_level_sd` gives it; NaN where
            not known.
        lifetime_years: Of the textbook formula.
        level: Confidence of the intervals.
    """

    currency: str
    horizon_days: int | None
    level_sd: float
    lifetime_years: float
    level: float


@dataclass(frozen=True, kw_only=True)
class SegmentEconomics:
    """One segment; a figure is None where its source is missing.

    Attributes:
        segment: Its name, or "all".
        strategy: What the config does with it.
        customers: How many.
        share: Of all customers.
        margin_365d: Margin of the last 365 days, in currency.
        ltv_customers: Customers with a predicted value.
        ltv_total: Their predicted value.
        ltv_mean: The same per customer.
        average_receipt: Revenue of 365 days over purchases.
        purchases_a_year: Purchases of 365 days per customer.
        margin_rate: Margin over revenue of 365 days.
        textbook_ltv: Average receipt x purchases a year x lifetime x margin rate.
        cac: Mean acquisition cost.
        ltv_to_cac: Predicted value over acquisition cost, of customers with both.
        textbook_to_cac: Textbook LTV over acquisition cost.
        payback: When acquisition was paid back.
        p_churn: Mean predicted chance to be lost.
        lost: Share that was lost, of those in the segment when the label was last whole.
        value_at_risk: Sum of chance to be lost times predicted value.
        expected_lifetime_days: Mean expected remaining lifetime.
        nps: Net promoter score.
        csi: Mean satisfaction.
    """

    segment: str
    strategy: str
    customers: int
    share: float
    margin_365d: float
    ltv_customers: int
    ltv_total: Estimate | None
    ltv_mean: Estimate | None
    average_receipt: float | None
    purchases_a_year: float | None
    margin_rate: float | None
    textbook_ltv: float | None
    cac: Estimate | None
    ltv_to_cac: Estimate | None
    textbook_to_cac: float | None
    payback: Payback | None
    p_churn: float | None
    lost: Estimate | None
    value_at_risk: Estimate | None
    expected_lifetime_days: float | None
    nps: Estimate | None
    csi: Estimate | None


def summarize_segment(
    frame: pd.DataFrame,
    *,
    segment: str,
    strategy: str,
    of_customers: int,
    valuation: Valuation,
    payback: Payback | None,
    lost: Estimate | None,
) -> SegmentEconomics:
    """The row of a segment.

    Args:
        frame: Its customers of a snapshot.
        segment: Its name.
        strategy: What the config does with it.
        of_customers: Customers of all segments.
        valuation: What is needed to judge it.
        payback: When acquisition was paid back.
        lost: Share observed to be lost.
    """
    textbook = _textbook(frame, valuation.lifetime_years)
    cac = acquisition_cost(frame, valuation)
    value = textbook.get("textbook_ltv")
    return SegmentEconomics(
        segment=segment,
        strategy=strategy,
        customers=len(frame),
        share=len(frame) / of_customers if of_customers else float("nan"),
        margin_365d=float(frame["margin_365d"].sum()),
        ltv_customers=int(frame["ltv"].notna().sum()),
        ltv_total=total_ltv(frame, valuation),
        ltv_mean=_mean_ltv(frame, valuation),
        average_receipt=textbook.get("average_receipt"),
        purchases_a_year=textbook.get("purchases_a_year"),
        margin_rate=textbook.get("margin_rate"),
        textbook_ltv=value,
        cac=cac,
        ltv_to_cac=_ltv_to_cac(frame, valuation),
        textbook_to_cac=value / cac.point if value is not None and cac is not None and cac.point > 0 else None,
        payback=payback,
        p_churn=_mean_known(frame["p_churn"]),
        lost=lost,
        value_at_risk=_value_at_risk(frame, valuation),
        expected_lifetime_days=_mean_known(frame["expected_lifetime_days"]),
        nps=net_promoter_score(frame["nps"].to_numpy(), level=valuation.level),
        csi=mean_satisfaction(frame["csi"].to_numpy(), level=valuation.level),
    )


def total_ltv(frame: pd.DataFrame, valuation: Valuation) -> Estimate | None:
    """Predicted value of all customers of a frame; None where nobody has any.

    Its variance is that of the customers' own outcomes, which add up, and of the common error of the level, which
    grows with the total: Σ sd² + (level_sd · Σ ltv)².
    """
    known = frame[frame["ltv"].notna()]
    if not len(known):
        return None
    total = float(known["ltv"].sum())
    method = f"predicted, {valuation.horizon_days} days, normal"
    if np.isnan(valuation.level_sd):
        method += ", without an error of the level"
    return _normal(total, _sd_of_total(known, valuation), valuation, unit=valuation.currency, method=method)


def _mean_ltv(frame: pd.DataFrame, valuation: Valuation) -> Estimate | None:
    total = total_ltv(frame, valuation)
    if total is None:
        return None
    n = int(frame["ltv"].notna().sum())
    return Estimate(
        point=total.point / n,
        ci_lower=total.ci_lower / n,
        ci_upper=total.ci_upper / n,
        level=total.level,
        unit=f"{valuation.currency}/customer",
        method=total.method,
    )


def _sd_of_total(known: pd.DataFrame, valuation: Valuation) -> float:
    own = float(np.sum(known["ltv_sd"].to_numpy() ** 2))
    common = 0.0 if np.isnan(valuation.level_sd) else valuation.level_sd * float(known["ltv"].sum())
    return float(np.sqrt(own + common**2))


def _textbook(frame: pd.DataFrame, lifetime_years: float) -> dict[str, float]:
    """The factors of the textbook formula and their product; without a purchase or revenue there is none."""
    revenue, purchases = float(frame["revenue_365d"].sum()), float(frame["purchases_365d"].sum())
    if not (purchases > 0 and revenue > 0):
        return {}
    receipt, rate = revenue / purchases, float(frame["margin_365d"].sum()) / revenue
    frequency = purchases / len(frame)
    return {
        "average_receipt": receipt,
        "purchases_a_year": frequency,
        "margin_rate": rate,
        "textbook_ltv": receipt * frequency * lifetime_years * rate,
    }


def acquisition_cost(frame: pd.DataFrame, valuation: Valuation) -> Estimate | None:
    """Mean acquisition cost of the customers whose cost is known; None where it is of nobody."""
    cost = frame["acquisition_cost"].dropna().to_numpy()
    if not len(cost):
        return None
    method = f"mean of {len(cost):,} known costs, normal"
    return _normal(float(cost.mean()), _error(cost), valuation, unit=f"{valuation.currency}/customer", method=method)


def _ltv_to_cac(frame: pd.DataFrame, valuation: Valuation) -> Estimate | None:
    """Ratio of means over customers with both, its interval by the delta method."""
    both = frame[frame["ltv"].notna() & frame["acquisition_cost"].notna()]
    cost = both["acquisition_cost"].to_numpy()
    if not len(both) or not cost.mean() > 0:
        return None
    n, mean = len(both), float(both["ltv"].mean())
    ratio = mean / float(cost.mean())
    spread = np.hypot(_sd_of_total(both, valuation) / n, ratio * _error(cost)) / float(cost.mean())
    method = f"predicted value of {valuation.horizon_days} days over acquisition cost, delta method"
    return _normal(ratio, float(spread), valuation, unit="", method=method)


def _value_at_risk(frame: pd.DataFrame, valuation: Valuation) -> Estimate | None:
    """Money that will leave: each customer is lost or not, with the value predicted."""
    known = frame[frame["value_at_risk"].notna()]
    if not len(known):
        return None
    p, worth = known["p_churn"].to_numpy(), np.maximum(known["ltv"].to_numpy(), 0.0)
    total = float(np.sum(p * worth))
    common = 0.0 if np.isnan(valuation.level_sd) else valuation.level_sd * total
    spread = float(np.sqrt(np.sum(worth**2 * p * (1 - p)) + common**2))
    method = "chance to be lost times predicted value, normal sum"
    return _normal(total, spread, valuation, unit=valuation.currency, method=method)


def observed_share(lost: np.ndarray, *, level: float, method: str) -> Estimate | None:
    """Share of customers who were lost, with Wilson's interval; None without customers.

    Args:
        lost: Whether each was, shape (n,).
        level: Confidence.
        method: Of whom and when, in words.

    References:
        Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference, JASA 22.

    Examples:
        >>> print(observed_share(np.array([True, False, False, False]), level=0.95, method="four customers"))
        0.25 [0.0456, 0.699] share
    """
    n = len(lost)
    if n == 0:
        return None
    z, p = float(ndtri(0.5 + level / 2)), float(np.mean(lost))
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)))
    return Estimate(
        point=p, ci_lower=middle - half, ci_upper=middle + half, level=level, unit="share", method=f"{method}, Wilson"
    )


def _normal(point: float, sd: float, valuation: Valuation, *, unit: str, method: str) -> Estimate:
    half = float(ndtri(0.5 + valuation.level / 2)) * sd
    return Estimate(
        point=point, ci_lower=point - half, ci_upper=point + half, level=valuation.level, unit=unit, method=method
    )


def _error(values: np.ndarray) -> float:
    """Standard error of a mean; NaN for a single value."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def _mean_known(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None
