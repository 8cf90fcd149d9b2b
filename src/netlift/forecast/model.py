"""Monthly margin of the next year by customer group.

Each group, a value segment or those who join later, is forecast from its own months a year before:

    margin of group g in month h = what g brought in month h a year before  ×  worth of g now / worth of g then

The worth of known customers is what their own histories say (`worth.py`), so that season, prices and what the purchase
process gets wrong cancel in the ratio. The worth of those who join is how many join a month, then as they came and now
as in the last six months, times what a joiner brings at each age. A small group's ratio of brought to expected is drawn
towards that of all known customers,

    c = (brought + k) / (expected + k),        k = Σ y² / Σ y / τ²,

the Bühlmann credibility of a group whose customers' margins y vary by chance, where groups truly differ by τ.

With less than a year and a quarter of history nothing says what a season does: the quarter just past takes the place of
the year before, one level for all months, and `has_season` is false.

References:
    Fader, Hardie, Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2).
    Bühlmann, Gisler (2005), A Course in Credibility Theory and its Applications, ch. 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netlift.errors import HistoryTooShortError
from netlift.estimators.process_formulas import PurchaseMixture
from netlift.forecast.purchases import HORIZON, PurchaseHistory
from netlift.forecast.worth import fit_rhythm, known_at, worth_of_groups

YEAR, QUARTER = 12, 3
SHORTEST = 3
JOIN_MONTHS = 6  # of joiners a month; three where a quarter stands for the year
GROUPS_DIFFER = 0.2  # τ: by how much the groups' ratios differ among themselves, as a share
GROWTH_SD = 0.3  # of the logarithm of how joining grows in a year
SEASON_SD = 0.2  # of a month's season of joining, as a share
DAMPING = 0.9  # of a trend from a month to the next
TINY = np.finfo(float).tiny


@dataclass(frozen=True, kw_only=True, eq=False)
class Outlook:
    """A forecast of the next twelve months.

    Attributes:
        margin: By group, those who join later last, in currency, shape (g + 1, 12).
        kept: Share of what known customers bring that is left by a month after those who leave until then, season and
            prices apart, shape (12,); 1 where no year before tells it from the season.
        dispersion: Variance over mean of a customer's margin of a quarter, in currency.
        has_season: Whether the same months a year before are behind it.
        has_rhythm: Whether customers bought often enough to fit how they leave.
    """

    margin: np.ndarray
    kept: np.ndarray
    dispersion: float
    has_season: bool
    has_rhythm: bool


def lag_of(purchases: PurchaseHistory, month: int) -> int:
    """How many months before lies what a month's forecast is compared with: a year, else a quarter; 0 for neither."""
    return next((lag for lag in (YEAR, QUARTER) if month - lag - purchases.whole_from >= SHORTEST), 0)


def months_needed(purchases: PurchaseHistory, month: int) -> tuple[int, int]:
    """The months whose groups a forecast needs: its own and the one it is compared with.

    Raises:
        HistoryTooShortError: Fewer than six whole months lie before.
    """
    lag = lag_of(purchases, month)
    if not lag:
        raise HistoryTooShortError(
            f"transactions: {month - purchases.whole_from} whole months before the day, {QUARTER + SHORTEST} are "
            "needed to forecast a quarter; name a later --as-of, or bring more history"
        )
    return month, month - lag


def brought_by_groups(
    purchases: PurchaseHistory, month: int, group: np.ndarray, *, groups: int, months: int = HORIZON
) -> np.ndarray:
    """What groups brought from a month on, those who joined since last, NaN where not known yet, (groups + 1, months).

    Args:
        purchases: Of all customers.
        month: The month.
        group: Group of each customer at its beginning, -1 for who had not joined, shape (n,).
        groups: How many there are.
        months: How many to add up.
    """
    rows = (purchases.month >= month) & (purchases.month < month + months)
    own = group[purchases.customer[rows]]
    cell = np.where(own < 0, groups, own) * months + purchases.month[rows] - month
    sums = np.bincount(cell, weights=purchases.margin[rows], minlength=(groups + 1) * months)
    brought = sums.reshape(groups + 1, months)
    brought[:, max(purchases.months - month, 0) :] = np.nan
    return brought


def look_ahead(purchases: PurchaseHistory, month: int, group_of: Mapping[int, np.ndarray], *, groups: int) -> Outlook:
    """Forecast the twelve months from the beginning of a month; nothing of it or after is looked at.

    Args:
        purchases: Of all customers.
        month: The month, the number of past months for a forecast of what is to come.
        group_of: Group of each customer at the beginning of the months that `months_needed` names, (n,) each.
        groups: How many there are.

    Raises:
        HistoryTooShortError: Fewer than six whole months lie before.
    """
    now, then = months_needed(purchases, month)
    lag = now - then
    known = known_at(purchases, now)
    rhythm = fit_rhythm(known)
    ahead, behind = purchases.starts[now + 1 :] - purchases.starts[now], purchases.starts[then + 1 : now + 1]
    worth = worth_of_groups(known, rhythm, group_of[now], ahead[:HORIZON], groups=groups)
    expected = worth_of_groups(
        known_at(purchases, then), rhythm, group_of[then], behind - purchases.starts[then], groups=groups
    )
    brought = brought_by_groups(purchases, then, group_of[then], groups=groups, months=lag)
    each = _brought_by_idle(purchases, then, group_of[then], lag)
    worth += np.outer(
        _idle(purchases, now, group_of[now], groups), each if lag == YEAR else np.full(HORIZON, each.mean())
    )
    expected += np.outer(_idle(purchases, then, group_of[then], groups), each)
    level = _ratio(brought[:-1].sum(axis=0), expected.sum(axis=0))
    dispersion = _dispersion(purchases, then, group_of[then], lag)
    drawn = _credible(brought[:-1], expected * level[:lag], dispersion / GROUPS_DIFFER**2)
    return Outlook(
        margin=np.vstack(
            [worth * level * drawn, _joiners(purchases, now, then, brought[-1], level, dispersion / GROUPS_DIFFER**2)]
        ),
        kept=np.ones(HORIZON) if lag < YEAR else _kept(purchases, now, rhythm, brought[:-1].sum(axis=0), expected),
        dispersion=dispersion,
        has_season=lag == YEAR,
        has_rhythm=rhythm is not None,
    )


def _kept(
    purchases: PurchaseHistory, now: int, rhythm: PurchaseMixture | None, brought: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """What leaving takes, by the same quarter seen from a year before and from its own beginning.

    Those known a year ago, and those known as the quarter just past began, brought in it so many times what their
    histories said of a month at once. Season and prices are in both, nine more months of leaving in the one alone.
    """
    month = now - QUARTER
    own = np.where(purchases.joined < month, 0, -1)
    ends = purchases.starts[month + 1 : now + 1] - purchases.starts[month]
    at_once = worth_of_groups(known_at(purchases, month), rhythm, own, ends, groups=1)[0]
    came = brought_by_groups(purchases, month, own, groups=1, months=QUARTER)[0]
    days = np.diff(purchases.starts[now - YEAR : now + 1])
    early = float(expected[:, 0].sum() / days[0] * days[-QUARTER:].sum())
    late = float(at_once[0] / ends[0] * ends[-1])
    if min(early, late, came.sum(), brought[-QUARTER:].sum()) <= 0:
        return np.ones(HORIZON)
    left = min(float(brought[-QUARTER:].sum() / early / (came.sum() / late)), 1.0)
    return np.asarray(left ** (np.arange(HORIZON) / (YEAR - QUARTER)))


def _ratio(brought: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Brought over expected by month ahead, shape (12,): of each month of a year, of a quarter as one level."""
    if len(brought) < YEAR:
        brought, expected = np.full(HORIZON, brought.sum()), np.full(HORIZON, expected.sum())
    return np.divide(brought, expected, out=np.ones(HORIZON), where=expected > 0)


def _credible(brought: np.ndarray, expected: np.ndarray, k: float) -> np.ndarray:
    """Each group's ratio by quarter ahead, drawn towards 1, shape (g, 12); the last one known goes on."""
    quarters = [np.add.reduceat(part, np.arange(0, part.shape[1], QUARTER), axis=1) for part in (brought, expected)]
    ratio = np.maximum((quarters[0] + k) / np.maximum(quarters[1] + k, np.finfo(float).tiny), 0.0) if k > 0 else 1.0
    ratio = np.broadcast_to(ratio, quarters[0].shape)
    return np.repeat(np.pad(ratio, ((0, 0), (0, HORIZON // QUARTER - ratio.shape[1])), mode="edge"), QUARTER, axis=1)


def _dispersion(purchases: PurchaseHistory, month: int, group: np.ndarray, months: int) -> float:
    """Variance over mean of a known customer's margin of a quarter, in currency; 0 where nobody brought any."""
    rows = (purchases.month >= month) & (purchases.month < month + months) & (group[purchases.customer] >= 0)
    quarter = (purchases.month[rows] - month) // QUARTER
    own = np.bincount(purchases.customer[rows] * (months // QUARTER) + quarter, weights=purchases.margin[rows])
    return float(own @ own / own.sum()) if own.sum() > 0 else 0.0


def _is_idle(purchases: PurchaseHistory, month: int, group: np.ndarray) -> np.ndarray:
    """Who had joined and not bought yet, bool, shape (n,)."""
    return (group >= 0) & (purchases.first_day >= purchases.starts[month])


def _idle(purchases: PurchaseHistory, month: int, group: np.ndarray, groups: int) -> np.ndarray:
    """How many of each group had not bought yet, shape (g,)."""
    return np.bincount(group[_is_idle(purchases, month, group)], minlength=groups)


def _brought_by_idle(purchases: PurchaseHistory, month: int, group: np.ndarray, months: int) -> np.ndarray:
    """What one who had not bought yet brought in each month from then on, in currency, shape (months,)."""
    idle = _is_idle(purchases, month, group)
    rows = (purchases.month >= month) & (purchases.month < month + months) & idle[purchases.customer]
    sums = np.bincount(purchases.month[rows] - month, weights=purchases.margin[rows], minlength=months)
    return sums / max(int(idle.sum()), 1)


def _joiners(
    purchases: PurchaseHistory, now: int, then: int, brought: np.ndarray, season: np.ndarray, k: float
) -> np.ndarray:
    """What those who join later bring in each month ahead, in currency, shape (12,).

    Args:
        purchases: Of all customers.
        now: The month of the forecast.
        then: The month that it is compared with.
        brought: What joiners brought from `then` to `now`, in currency, (months,).
        season: What customers known then brought over what was expected, by month ahead, (12,).
        k: Margin, in currency, from which joiners' own months say as much as the season of all.
    """
    joined = np.bincount(purchases.joined[purchases.joined >= 0], minlength=now)
    at_age = _margin_by_age(purchases, now)
    came = np.convolve(joined[then:now], at_age)[: now - then]
    shape = season[: now - then]
    whole = float(brought.sum() / max(came @ shape, TINY))
    ratio = (brought + k * whole * shape) / (came + k) if k > 0 else _ratio(brought, came)[: now - then]
    ratio = ratio if len(ratio) == HORIZON else np.full(HORIZON, brought.sum() / max(came.sum(), TINY))
    return np.convolve(joining_rate(joined[purchases.whole_from :]), at_age)[:HORIZON] * ratio


def joining_rate(joined: np.ndarray) -> np.ndarray:
    """Customers who will join in each month ahead, shape (12,).

    The level of the last six months moves on by the growth of those months over the same months a year before, drawn
    towards none by how far chance moves such counts; it fades by a tenth a month, as a damped trend does. Each month
    has its season of the year before, drawn towards none likewise.

    Args:
        joined: Of past months, oldest first.

    References:
        Gardner, McKenzie (1985), Forecasting trends in time series, Management Science 31(10).

    Examples:
        >>> joining_rate(np.full(24, 30.0)).round(1).tolist()[:2]
        [30.0, 30.0]
    """
    joined = np.asarray(joined, dtype=np.float64)
    recent = joined[-JOIN_MONTHS:]
    level = np.full(HORIZON, recent.mean())
    before = joined[-YEAR - len(recent) : -YEAR]
    if len(before) < len(recent) or min(before.sum(), recent.sum()) <= 0:
        return level
    last = joined[-YEAR:]
    growth = float(np.log(recent.sum() / before.sum()))
    doubt = _overdispersion(joined) * (1 / recent.sum() + 1 / before.sum())
    growth *= GROWTH_SD**2 / (GROWTH_SD**2 + doubt) / YEAR
    ahead = np.cumsum(DAMPING ** np.arange(1, HORIZON + 1)) + (len(recent) - 1) / 2
    fitted = recent.mean() * np.exp(growth * (np.arange(-YEAR, 0) + (len(recent) + 1) / 2))
    k = _overdispersion(joined) / SEASON_SD**2
    return level * np.exp(growth * ahead) * (last + k) / (fitted + k)


def _overdispersion(joined: np.ndarray) -> float:
    """Variance of monthly counts over their mean, of neighbouring months, 1 at least as for a Poisson count."""
    steps = np.diff(joined)
    return max(float(steps @ steps / len(steps) / 2 / joined.mean()), 1.0)


def _margin_by_age(purchases: PurchaseHistory, month: int) -> np.ndarray:
    """Mean margin of a joiner in the month of joining and each one after, in currency, shape (12,).

    Of those who joined in the two years before; what nobody was old enough for is as at the oldest age seen.
    """
    first = max(purchases.whole_from, month - 2 * YEAR)
    joined = np.bincount(purchases.joined[purchases.joined >= first], minlength=month)[first:month]
    at = purchases.joined[purchases.customer]
    rows = (at >= first) & (at < month) & (purchases.month < month)
    age = purchases.month[rows] - at[rows]
    young = age < HORIZON
    margin = np.bincount(age[young], weights=purchases.margin[rows][young], minlength=HORIZON)
    seen = np.cumsum(joined)[::-1][:HORIZON]  # how many were of each age, the youngest first
    mean = np.divide(margin[: len(seen)], seen, out=np.zeros(len(seen)), where=seen > 0)
    return np.pad(mean, (0, HORIZON - len(mean)), mode="edge")


__all__ = ["QUARTER", "YEAR", "Outlook", "brought_by_groups", "lag_of", "look_ahead", "months_needed"]
