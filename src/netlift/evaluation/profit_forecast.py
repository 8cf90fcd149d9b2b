"""What a launch will earn, freed of the luck that chose its contacts.

A policy chooses what is predicted to pay most, so what it chose is predicted too high: the best of several noisy
predictions is high by merit and by noise (the winner's curse). On rows that the model never saw, with x the prediction
of what the policy chooses there and d = Γ_chosen - Γ_none the doubly robust effect of it, the line

    d = a + b · x,    by least squares over the rows that the policy contacts

says what such a prediction has been worth. A launch of K contacts with predictions of mean x_L earns

    K (a + b x_L)      variance  K² var(a + b x_L) + K (s²_with + s²_without)

The first part is the error of the line, from its influence function summed within customers: all contacts share it. The
second is what customers do by chance, with and without the contact: s² are variances of profit on the same rows, and
the two are taken as independent, which no data can check; they are mostly alike, so this errs on the wide side.

The luck in the choice is in the held-out rows as well as in the launch, as long as both are chosen by one rule: choose
on these rows by the prices of the launch. The line does not help where the launch's customers are others by nature.

References:
    Smith, Winkler (2006), The Optimizer's Curse, Management Science 52(3).
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the best linear predictor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.forecast_lines import FittedLine
from netlift.evaluation.influence import Figure, interval_half, make_estimate
from netlift.evaluation.off_policy import LoggedOutcomes
from netlift.evaluation.policy_proof import support
from netlift.evaluation.replay_noise import ReplayNoise, RowNoise, chances_of
from netlift.results import Estimate, Table

FEWEST_CONTACTS = 30
ONE_NUMBER = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """What predictions of chosen contacts have been worth: the line and what it was fitted on.

    Attributes:
        level: Mean effect per contact.
        slope: Effect per unit predicted; 1 with no interval where all predictions are one number.
        predicted: Mean prediction per contact: what a naive forecast takes.
        contacts: Held-out rows that the policy contacts.
        without_support: Share of rows whose choice was not on offer, or whose prediction is not known: left out.
        own_noise: Variance of a customer's profit with a contact plus that without.
        logged: The rows.
        x: Predictions, 0 where not contacted, shape (n,).
        share: Weight of a row in the line, mean 1, 0 where not contacted, shape (n,).
        residual: Effect less the line, 0 where not contacted, shape (n,).
        spread: Variance of predictions among the contacted; 0 for one number.
        noise: How far each row's effect may stray, where the draw tells it; None for the rows' own spread.
    """

    level: Estimate
    slope: Estimate
    predicted: float
    contacts: int
    without_support: float
    own_noise: float
    logged: LoggedOutcomes
    x: np.ndarray
    share: np.ndarray
    residual: np.ndarray
    spread: float
    noise: RowNoise | None = None

    def at(self, x: float) -> Figure:
        """Expected effect of a contact with a prediction of x, with its influence."""
        pull = (x - self.predicted) * (self.x - self.predicted) / self.spread if self.spread else 0.0
        point = self.level.point + self.slope.point * (x - self.predicted)
        return Figure(point=point, influence=self.share * self.residual * (1 + pull))

    @property
    def gains(self) -> FittedLine:
        """The line of contacts that were chosen for a gain: through 0 where the other would make losses of small gains.

        A few large predictions turn the line, and what it says of the many small ones is then the turn and not their
        effects. With an intercept below 0 the mean effect over the mean prediction takes its place: the same total of
        these rows, and no predicted gain becomes a loss.
        """
        if self.at(0.0).point >= 0 or self.level.point <= 0 or self.predicted <= 0:
            return self.line
        share = self.level.point / self.predicted
        effect = self.residual + self.level.point + self.slope.point * (self.x - self.predicted)
        pull = self.share * (effect - share * self.x) / self.predicted
        return FittedLine(
            intercept=0.0,
            slope=share,
            influence=np.column_stack([np.zeros(len(pull)), pull]),
            customer=self.logged.customer,
            own_noise=self.own_noise,
        )

    @property
    def line(self) -> FittedLine:
        """The line as intercept and slope."""
        here, there = self.at(0.0), self.at(1.0)
        rise = there - here
        return FittedLine(
            intercept=here.point,
            slope=rise.point,
            influence=np.column_stack([here.influence, rise.influence]),
            customer=self.logged.customer,
            own_noise=self.own_noise,
        )


def find_worth(
    logged: LoggedOutcomes, choice: np.ndarray, predicted: np.ndarray, *, noise: ReplayNoise | None = None
) -> Worth:
    """Fit the line on held-out rows.

    Args:
        logged: Rows that the model never saw.
        choice: Arm of the policy per row, shape (n,); 0 and -1 are no contact.
        predicted: Predicted profit of the chosen arm, shape (n,); not looked at where there is no contact.
        noise: What the draw says of these rows, where few of them drew what is asked; None for their own spread.

    Raises:
        DataError: Too few contacts to tell anything, or arrays of another length.
    """
    if not len(choice) == len(predicted) == len(logged):
        raise DataError(f"forecast: {len(choice)} choices and {len(predicted)} predictions for {len(logged)} rows")
    taken, missed = support(logged, choice)
    unknown = (taken > 0) & ~np.isfinite(predicted)
    contacted = (taken > 0) & ~unknown
    if contacted.sum() < FEWEST_CONTACTS:
        raise DataError(
            f"forecast: the policy contacts {int(contacted.sum())} of {len(logged)} held-out rows; at least "
            f"{FEWEST_CONTACTS} are needed to hold its predictions against what came true"
        )
    weight = logged.relative_weight * contacted
    share = weight / weight.mean()
    effect = _effect(logged, taken, contacted)
    x = np.where(contacted, predicted, 0.0)
    middle, level = float(np.mean(share * x)), float(np.mean(share * effect))
    centred = x - middle
    spread = float(np.mean(share * centred**2))
    if spread <= ONE_NUMBER * max(1.0, middle**2):
        spread, slope = 0.0, 1.0
    else:
        slope = float(np.mean(share * centred * effect)) / spread
    residual = np.where(contacted, effect - level - slope * centred, 0.0)
    pull = share * centred / spread if spread else np.zeros(len(x))
    rows = None if noise is None else _noise_of_effects(noise, taken, contacted)
    mean = logged.estimate(Figure(point=level, influence=share * np.where(contacted, effect - level, 0.0)), "DR")
    rise = make_estimate(
        slope,
        interval_half(logged.clusters.error(pull * residual), logged.level),
        level=logged.level,
        unit="",
        method="DR effect on prediction, clustered by customer",
    )
    return Worth(
        level=mean if rows is None else rows.widen(mean, share),
        slope=rise if rows is None else rows.widen(rise, pull),
        predicted=middle,
        contacts=int(contacted.sum()),
        without_support=float(np.average(missed | unknown, weights=logged.relative_weight)),
        own_noise=_own_noise(logged, taken, weight),
        logged=logged,
        x=x,
        share=share,
        residual=residual,
        spread=spread,
        noise=rows,
    )


def _noise_of_effects(noise: ReplayNoise, taken: np.ndarray, contacted: np.ndarray) -> RowNoise:
    """How far the effects of the chosen arms over none may stray."""
    arms = noise.chances.shape[1]
    none = np.zeros(len(taken), dtype=np.int64)
    return noise.of_difference((chances_of(taken, arms) - chances_of(none, arms)) * contacted[:, None])


def _effect(logged: LoggedOutcomes, taken: np.ndarray, contacted: np.ndarray) -> np.ndarray:
    """Doubly robust effect of the chosen arm over none, 0 where not contacted, shape (n,)."""
    gained = logged.scores[np.arange(len(logged)), taken] - logged.scores[:, 0]
    return np.where(contacted, gained, 0.0)


def _own_noise(logged: LoggedOutcomes, taken: np.ndarray, weight: np.ndarray) -> float:
    """Variance of profit with the chosen contact plus that without, by inverse chances among the contacted."""
    total = 0.0
    for arm, what in ((taken, "the arm it chooses"), (np.zeros_like(taken), "no contact")):
        share = weight * (logged.arm == arm) / logged.propensity
        if not share.any():
            raise DataError(f"forecast: none of {int(np.sum(weight > 0))} held-out contacts of the policy drew {what}")
        mean = np.average(logged.y, weights=share)
        total += float(np.average((logged.y - mean) ** 2, weights=share))
    return total


@dataclass(frozen=True, kw_only=True)
class WorthTenth:
    """Contacts of neighbouring predictions.

    Attributes:
        tenth: 1 for the highest predictions.
        contacts: Rows of it.
        predicted: Mean prediction.
        realised: Mean effect that came true, by DR.
    """

    tenth: int
    contacts: int
    predicted: float
    realised: Estimate


def worth_by_tenth(worth: Worth, *, parts: int = 10) -> Table[WorthTenth]:
    """Predicted against realised effect of contacts in tenths by prediction, highest first.

    Args:
        worth: The fitted line.
        parts: How many; fewer where predictions are tied, so that equal ones stay together.
    """
    who = np.flatnonzero(worth.share > 0)
    ends = np.unique(np.quantile(worth.x[who], np.linspace(0, 1, parts + 1)[1:-1]))
    group = np.full(len(worth.x), -1)
    group[who] = len(ends) - np.searchsorted(ends, worth.x[who], side="left")
    effect = worth.residual + worth.level.point + worth.slope.point * (worth.x - worth.predicted)
    rows: list[WorthTenth] = []
    for g in range(len(ends) + 1):
        share = worth.share * (group == g)
        if not share.any():
            continue
        share = share / share.mean()
        mean = float(np.mean(share * effect))
        realised = worth.logged.estimate(Figure(point=mean, influence=share * (effect - mean)), "DR")
        rows.append(
            WorthTenth(
                tenth=len(rows) + 1,
                contacts=int(np.sum(share > 0)),
                predicted=float(np.mean(share * worth.x)),
                realised=realised if worth.noise is None else worth.noise.widen(realised, share),
            )
        )
    return Table(name="worth by tenth", rows=tuple(rows))


__all__ = [
    "FEWEST_CONTACTS",
    "Worth",
    "WorthTenth",
    "find_worth",
    "worth_by_tenth",
]
