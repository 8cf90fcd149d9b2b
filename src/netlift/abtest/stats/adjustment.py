"""Covariate adjustment: per-arm regression on pre-period spend for the whole outcome vector.

    β_a = Sxx_a⁻¹ Sxy_a                    μ_a = ȳ_a - (x̄_a - x̄)'β_a           D = μ_T - μ_0
    V   = [I, -β_T]'V_T[I, -β_T] + the same of control + (β_T - β_0)' cov(x̄) (β_T - β_0)

with V_a the covariance of the means of outcomes and covariates in arm a (from customers, or from clusters), so the
first two terms are those of the residuals, and x̄ the mean of all assigned customers. The last term is there because the
assigned stand for a population. One regression serves every outcome, so adjusted margin less adjusted reward and
contact cost *is* adjusted profit.

Only figures from before assignment may be covariates. Slopes through a few customers far out make the difference move
with those customers, and its standard error does not know it: covariates of money are taken as logarithms (`outcomes`),
and one of which a single customer makes too much in either arm is left out. The third moment of the residuals cannot be
had from these sums: the shape of the raw profit difference stands in for it.

Tails with logarithms, and beside them with past spend as it is, are what `make calibrate` shows (section "covariates").

References:
    Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics 7(1).
    Negi, Wooldridge (2021), Revisiting regression adjustment in experiments, Econometric Reviews 40(5): last term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from netlift.abtest.stats.difference import Contrast, contrast, refuse_small
from netlift.abtest.stats.moments import PROFIT, Moments

CUSTOMERS_A_COVARIATE = 20
COLLINEAR = 0.01
"""Share of a covariate's variance that earlier ones must leave: less of it rests on a few customers, such as the few
with returns where margin is a fixed share of revenue, and so would the slope."""
MOST_LEVERAGE = 0.5
"""Share of a covariate's sum of squares in an arm that one customer may make."""
METHOD = "difference of means, adjusted per arm for the time before"


@dataclass(frozen=True, kw_only=True, eq=False)
class Adjustment:
    """An adjusted difference beside the raw one.

    Attributes:
        contrast: Adjusted; the raw one where no covariate could be used.
        raw: As seen.
        used: Covariates of the regression.
        dropped: Covariates left out: constant, told by others or resting on one customer in one of the arms, or too
            many for its customers.
    """

    contrast: Contrast
    raw: Contrast
    used: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def variance_ratio(self) -> float:
        """Variance of adjusted over raw profit: .7 saves 30 % of the customers."""
        raw = self.raw.se(PROFIT) ** 2
        return self.contrast.se(PROFIT) ** 2 / raw if raw else 1.0


def adjusted(
    treated: Moments,
    control: Moments,
    *,
    outcomes: Sequence[str],
    covariates: Sequence[str],
    everyone: Moments | None = None,
    arm: str = "treated",
) -> Adjustment:
    """Arm against control, adjusted for covariates.

    Args:
        treated: Outcomes and covariates of the arm.
        control: The same of control.
        outcomes: Names of the outcomes.
        covariates: Names of pre-period figures, the most telling first: later ones are dropped first.
        everyone: All assigned customers of the test; without it those of the two arms.
        arm: What an error calls the arm.

    Raises:
        DataError: An arm of fewer than two customers.
    """
    refuse_small(treated, control, arm=arm)
    raw = contrast(treated.take(outcomes), control.take(outcomes), arm=arm)
    used = independent(covariates, treated, control)
    dropped = tuple(name for name in covariates if name not in used)
    if not used:
        return Adjustment(contrast=raw, raw=raw, used=(), dropped=dropped)
    names = (*outcomes, *used)
    mean = (everyone or treated + control).take(used)
    cells = (treated.take(names), control.take(names))
    found = _at_centre(raw, cells, mean, _slopes(*cells, covariates=len(used)))
    return Adjustment(contrast=found, raw=raw, used=used, dropped=dropped)


def adjusted_inside(
    treated: Moments, control: Moments, whole: tuple[Moments, Moments], *, outcomes: Sequence[str],
    covariates: Sequence[str], everyone: Moments | None = None, arm: str = "treated",
) -> Contrast:  # fmt: skip
    """A part of the customers, such as a segment, by the slopes of the whole arm and its control.

    A segment has too few customers for slopes of its own; with those of the whole, effects of segments times their
    treated add up to the arm's but for what the groups differ in composition.

    Args:
        treated: Outcomes and covariates of the part.
        control: The same of control.
        whole: Arm and control that the slopes are of.
        outcomes: Names of the outcomes.
        covariates: Those used of the whole; empty for a plain difference.
        everyone: Whose past the difference is taken at; without it that of the part's treated.
        arm: What an error calls the arm.

    Raises:
        DataError: Fewer than two customers.
    """
    raw = contrast(treated.take(outcomes), control.take(outcomes), arm=arm)
    if not covariates:
        return raw
    names = (*outcomes, *covariates)
    slopes = _slopes(*(cell.take(names) for cell in whole), covariates=len(covariates))
    cells = (treated.take(names), control.take(names))
    return _at_centre(raw, cells, (everyone or treated).take(covariates), slopes, fitted=False)


def independent(covariates: Sequence[str], *cells: Moments) -> tuple[str, ...]:
    """Covariates, in order, that vary in every cell beyond what earlier ones tell, at 20 customers (or clusters) each.

    One customer may make half of a covariate's sum of squares at most.

    References:
        Harrell (2015), Regression Modeling Strategies, 2nd ed., sec. 4.4: ten to twenty observations a predictor.
    """
    kept: list[str] = []
    for name in covariates:
        room = min(cell.effective_units for cell in cells) // CUSTOMERS_A_COVARIATE
        if len(kept) < room and all(_is_usable(cell.take([*kept, name])) for cell in cells):
            kept.append(name)
    return tuple(kept)


def _is_usable(cell: Moments) -> bool:
    """Whether the last figure varies beyond what the others tell, and does not rest on one customer."""
    return cell.leverages[-1] <= MOST_LEVERAGE and _varies(cell.cov)


def _varies(cov: np.ndarray) -> bool:
    """Whether the last of these has a variance that the others do not tell."""
    own = cov[-1, -1]
    if own <= 0:
        return False
    told = cov[-1, :-1] @ np.linalg.lstsq(cov[:-1, :-1], cov[:-1, -1], rcond=None)[0] if len(cov) > 1 else 0.0
    return bool(own - told > COLLINEAR * own)


def _slopes(*cells: Moments, covariates: int) -> list[np.ndarray]:
    """Slopes of the outcomes on the last columns, in each cell."""
    found = []
    for cell in cells:
        k = len(cell.names) - covariates
        # Scaled to unit variance first: tenure in days beside spend in millions must not look collinear.
        scale = np.sqrt(np.diag(cell.cov)[k:])
        slopes = np.linalg.solve(cell.cov[k:, k:] / np.outer(scale, scale), cell.cov[k:, :k] / scale[:, None])
        found.append(slopes / scale[:, None])
    return found


def _at_centre(
    raw: Contrast, cells: tuple[Moments, Moments], centre: Moments, slopes: Sequence[np.ndarray], *, fitted: bool = True
) -> Contrast:
    """The difference at the centre's past; `fitted` slopes are those of these very cells."""
    (mean_t, cov_t), (mean_0, cov_0) = (
        _regressed(cell, slope, centre.mean, fitted=fitted) for cell, slope in zip(cells, slopes, strict=True)
    )
    apart = slopes[0] - slopes[1]
    return replace(
        raw, difference=mean_t - mean_0, covariance=cov_t + cov_0 + apart.T @ centre.mean_cov @ apart,
        control_cov=cov_0, method=METHOD,
    )  # fmt: skip


def _regressed(cell: Moments, slopes: np.ndarray, centre: np.ndarray, *, fitted: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the outcomes at the centre and its covariance."""
    covariates, k = slopes.shape
    mean = cell.mean[:k] - (cell.mean[k:] - centre) @ slopes
    residual = np.vstack([np.eye(k), -slopes])
    units = cell.effective_units
    freedom = (units - 1) / (units - 1 - covariates) if fitted else 1.0
    return mean, residual.T @ cell.mean_cov @ residual * freedom
