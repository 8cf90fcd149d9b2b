"""Calendar level correction of a boosted model's predicted money.

Trees see the calendar as two columns among many, split on them late and stop early: out of fold, predictions of the
high season stay too low and those of the low season too high, up to 9 % on a simulated retailer whose demand swings by
35 %. Where the cutoffs cover the year, that rest is a sine and a cosine of the day of the year; a factor of these two,
shrunk to 1 where it may be noise, halved the error of totals there (root mean square 7.1 % to 3.4 %) and changed
nothing where there was no season.

With six cutoffs or more a straight line in time stands beside the two, and predictions start from its value at the
newest cutoff, shrunk to 1 likewise: what the business has become counts, not the mean of the years. The line is not
drawn on into the days to come. On six seeds of that retailer the bias of totals fell from +1.6 % (worst +4.1 %) to
+0.3 % (worst +2.3 %).

References:
    James, Stein (1961), Estimation with Quadratic Loss: the positive-part shrinkage, here of two coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlift.estimators.calibration import Curve, join_steps
from netlift.estimators.expression import Expression, linear, product
from netlift.estimators.rows import LabelledRows
from netlift.estimators.value.btyd import AGE

OLDER_SHARE = 0.5
GROUPS = 100


def needs_anchor(rows: LabelledRows, newest: LabelledRows) -> bool:
    """Whether most of the newest customers are older than any learnt from; where they are not, trees know them."""
    return bool(_are_older(rows, newest).mean() > OLDER_SHARE)


def learn_anchor(rows: LabelledRows, newest: LabelledRows, trees: np.ndarray, anchor: np.ndarray) -> Curve:
    """The curve from what trees say of the newest customers to the mean of that and what a law of ageing says.

    Args:
        rows: Rows learnt from.
        newest: Customers of today; labels are not looked at.
        trees: Predicted money of the newest, shape (m,).
        anchor: Money of the same customers by the probability models, shape (m,).
    """
    older = _are_older(rows, newest)
    wanted = np.where(older, (trees + anchor) / 2, trees)
    curve = join_steps(wanted, trees, groups=GROUPS, method="")
    bent = float(curve.apply(trees).sum() / trees.sum())
    words = (
        f"{older.mean():.0%} of today's customers are older than any that labels were seen of: the level is the mean "
        f"of that of the trees and that of MBG/NBD and Gamma-Gamma, x {bent:.3f} of the trees' total"
    )
    return Curve(x=curve.x, y=curve.y, method=words)


def _are_older(rows: LabelledRows, newest: LabelledRows) -> np.ndarray:
    """Whose first purchase lies further back than that of any row learnt from, bool, shape (m,)."""
    return np.asarray(newest.column(AGE) > np.nanmax(rows.column(AGE)))


CALENDAR = ("calendar_sin", "calendar_cos")
WIDEST_GAP = 2 * np.pi / 3
FEWEST_FOR_DRIFT = 6  # cutoffs; an intercept, a sine, a cosine and a slope leave two to speak against them


@dataclass(frozen=True, kw_only=True)
class Season:
    """A factor level + weights · (sine, cosine) on predicted money.

    Attributes:
        weights: Of the two calendar features; none where no season was learnt.
        note: What was found, in words.
        level: Observed over predicted at the newest cutoff, the season aside; 1 where no drift was learnt.
    """

    weights: tuple[float, ...]
    note: str
    level: float = 1.0

    def apply(self, rows: LabelledRows, predicted: np.ndarray) -> np.ndarray:
        """The predictions of some rows times the factor, shape (n,)."""
        if not self.weights:
            return np.asarray(predicted * self.level)
        calendar = np.column_stack([rows.column(name).astype(np.float64) for name in CALENDAR])
        return np.asarray(predicted * (self.level + calendar @ np.array(self.weights)))

    def on(self, expression: Expression) -> Expression:
        """The prediction times the factor, stored."""
        if not self.weights and self.level == 1.0:
            return expression
        columns: list[Expression] = [{"op": "column", "name": name} for name in CALENDAR[: len(self.weights)]]
        return product([expression, linear(self.level, self.weights, columns)])


def has_calendar(rows: LabelledRows) -> bool:
    """Whether the calendar is among the features."""
    return {feature.name for feature in rows.features}.issuperset(CALENDAR)


def covers_year(rows: LabelledRows) -> bool:
    """Whether no stretch of the year longer than a third lies between neighbouring cutoffs."""
    calendar, _ = _calendar(rows)
    angle = np.sort(np.arctan2(calendar[:, 0], calendar[:, 1]))
    return bool(np.max(np.diff(np.append(angle, angle[0] + 2 * np.pi))) <= WIDEST_GAP)


def learn_season(rows: LabelledRows, y: np.ndarray, predicted: np.ndarray) -> Season:
    """Learn the factor from observed over predicted money by cutoff.

    Args:
        rows: Rows at several cutoffs.
        y: Observed money, shape (n,).
        predicted: Out-of-fold predictions, above zero, shape (n,).
    """
    if not has_calendar(rows):
        return Season(weights=(), note="season: the calendar is not among the features")
    if not covers_year(rows):
        return Season(weights=(), note="season: the cutoffs leave a third of the year unseen, so it was not learnt")
    calendar, code = _calendar(rows)
    years = _years_before_newest(rows)
    drifts = len(calendar) >= FEWEST_FOR_DRIFT
    columns = np.column_stack([calendar, years]) if drifts else calendar
    found, covariance = _fit_ratios(columns, code, y, predicted, rows.customer)
    season, spread = found[1:3], covariance[1:3, 1:3]
    known = float(season @ np.linalg.solve(spread, season))
    trust = max(0.0, 1 - len(season) / known) if known > 0 else 0.0
    level, drift_note = _shrink_level(found[0], covariance[0, 0]) if drifts else (1.0, "")
    if trust == 0:
        return Season(weights=(), note=f"season: nothing left over beyond noise{drift_note}", level=level)
    kept = (trust * season).tolist()
    note = f"season: level x (1 {_signed(kept)}), {trust:.0%} of what was seen{drift_note}"
    return Season(weights=tuple(kept), note=note, level=level)


def _shrink_level(ratio: float, variance: float) -> tuple[float, str]:
    """Observed over predicted at the newest cutoff, trusted as far as it lies beyond noise; and it in words."""
    off = ratio - 1
    trust = max(0.0, 1 - variance / off**2) if off else 0.0
    if trust == 0:
        return 1.0, "; no drift beyond noise"
    return float(1 + trust * off), f"; drift to the newest cutoff: level x {1 + trust * off:.3f}"


def _fit_ratios(
    columns: np.ndarray, code: np.ndarray, y: np.ndarray, predicted: np.ndarray, customer: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and weights of the columns in observed over predicted by cutoff, and their covariance by customers."""
    number = len(columns)
    total = np.bincount(code, weights=predicted, minlength=number)
    ratio = np.bincount(code, weights=y, minlength=number) / total
    Z = np.column_stack([np.ones(number), columns])
    fit = np.linalg.solve((Z * total[:, None]).T @ Z, (Z * total[:, None]).T)
    _, who = np.unique(customer, return_inverse=True)
    residual = (y - ratio[code] * predicted) / total[code]
    by_customer = np.bincount(who * number + code, weights=residual, minlength=(who.max() + 1) * number)
    by_customer = by_customer.reshape(-1, number)
    return fit @ ratio, fit @ (by_customer.T @ by_customer) @ fit.T


def _years_before_newest(rows: LabelledRows) -> np.ndarray:
    """Years from each cutoff to the newest, not above zero, shape (cutoffs,)."""
    cutoffs = np.unique(rows.cutoff)
    return np.asarray((cutoffs - cutoffs[-1]) / np.timedelta64(1, "D") / 365.25)


def _calendar(rows: LabelledRows) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of each cutoff, shape (cutoffs, 2), and the position of each row's cutoff, shape (n,)."""
    _, at, code = np.unique(rows.cutoff, return_index=True, return_inverse=True)
    return np.column_stack([rows.column(name)[at].astype(np.float64) for name in CALENDAR]), code


def _signed(weights: Sequence[float]) -> str:
    return " ".join(f"{weight:+.3f} {name}" for weight, name in zip(weights, CALENDAR, strict=True))
