"""Profit forecast of a launch, corrected for the winner's curse.

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

Effects differ from campaign to campaign by season and by what nobody wrote down, and the launch is one more campaign.
With e_c the mean residual of campaign c over its mean prediction, and t² the variance between the e_c beyond chance
(`between_groups`), the slope gets a variance of

    drift = t² (1 + sum of v_c²)      v_c the campaign's share of all that is predicted

the launch's own and what the line has from the campaigns that it was fitted on. Offers differ too: one may be predicted
ten times too high while the others are right. The line of offer j has the slope

    b_j = b + k_j e_j      k_j = w² / (w² + s_j²),   w² the variance between offers beyond chance, s_j the error of e_j

drawn towards the policy's own slope by how little is known of the offer; (1 - k_j)² w² is what that leaves in doubt.

References:
    Smith, Winkler (2006), The Optimizer's Curse, Management Science 52(3).
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the best linear predictor.
    Higgins, Thompson, Spiegelhalter (2009), A re-evaluation of random-effects meta-analysis, JRSS A 172(1): prediction
    of one more study.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netlift.errors import DataError
from netlift.evaluation.influence import Figure, interval_half, make_estimate
from netlift.evaluation.policy.between_groups import between_variance
from netlift.evaluation.policy.comparison import support
from netlift.evaluation.policy.forecast_lines import FittedLine, Lines
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.evaluation.policy.replay_variance import ReplayNoise, RowNoise, chances_of
from netlift.results import Estimate, Table

__all__ = [
    "FEWEST_CONTACTS",
    "OfferPromise",
    "Worth",
    "WorthTenth",
    "find_drawn_worth",
    "find_worth",
    "promise_by_offer",
    "worth_by_tenth",
]

FEWEST_CONTACTS = 30
ONE_NUMBER = 1e-9
BETWEEN_CAMPAIGNS = 0.12  # what slopes are believed to differ by from campaign to campaign; measured: docs/adr/0022
BETWEEN_OFFERS = 0.5  # and from offer to offer


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
        arm: What each row is given, 0 where not contacted, shape (n,).
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
    arm: np.ndarray
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
        these rows, and no predicted gain becomes a loss. Campaigns differ, and it says by how much.
        """
        line = self.line
        if line.intercept < 0 < self.level.point and self.predicted > 0:
            slope = self.level.point / self.predicted
            pull = self.share * (self.effect - slope * self.x) / self.predicted
            influence = np.column_stack([np.zeros(len(pull)), pull])
            line = replace(line, intercept=0.0, slope=slope, influence=influence)
        return replace(line, drift=self._drift(line))

    def gains_by_arm(self, arms: Sequence[int]) -> tuple[FittedLine, ...]:
        """A line as `gains` for each of these arms, drawn towards it; itself for an arm that too few rows are given."""
        whole = self.gains
        beside = self._beside(whole, self.arm, [arm for arm in arms if arm > 0])
        between = between_variance(*_spread(beside.values()), scale=BETWEEN_OFFERS)
        return tuple(
            beside[arm].draw(whole, between) if arm in beside else replace(whole, apart=between) for arm in arms
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

    @property
    def effect(self) -> np.ndarray:
        """Effect of each row, shape (n,); not to be looked at where it is not contacted."""
        return self.residual + self.level.point + self.slope.point * (self.x - self.predicted)

    def _beside(self, line: FittedLine, group: np.ndarray, codes: Iterable[int]) -> dict[int, _Beside]:
        """How far the slope of each group of rows is beside a line's; groups of too few contacts are left out.

        Args:
            line: Fitted on all of these rows.
            group: Code of each row's group, shape (n,).
            codes: Groups to look at.
        """
        left = self.effect - line.intercept - line.slope * self.x
        found = {}
        for code in codes:
            share = self.share * (group == code)
            contacts, predicted = float(np.mean(share)), float(np.mean(share * self.x))
            if np.count_nonzero(share) >= FEWEST_CONTACTS and predicted > 0:
                point = float(np.mean(share * left)) / predicted
                own = share * (left - point * self.x) / predicted
                found[code] = _Beside(
                    point=point,
                    error=self.logged.clusters.error(own),
                    influence=own - line.influence @ np.array([contacts / predicted, 1.0]),
                    predicted=predicted,
                )
        return found

    def _drift(self, line: FittedLine) -> float:
        """Variance that the slope has from campaign to campaign, as it bears on one more; 0 where nobody can see it."""
        campaign = self.logged.campaign
        if campaign is None:
            return 0.0
        beside = self._beside(line, campaign, np.unique(campaign).tolist()).values()
        between = between_variance(*_spread(beside), scale=BETWEEN_CAMPAIGNS)
        predicted = np.array([one.predicted for one in beside])
        return between * (1.0 + float(np.sum(predicted**2)) / float(predicted.sum()) ** 2) if between else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Beside:
    """A group of rows beside a line: the difference of slopes, its own error, and the influence of every row on it."""

    point: float
    error: float
    influence: np.ndarray
    predicted: float

    def draw(self, whole: FittedLine, between: float) -> FittedLine:
        """The line of all, moved by what is known of the group."""
        kept = between / (between + self.error**2) if between else 0.0
        influence = whole.influence + kept * np.column_stack([np.zeros(len(self.influence)), self.influence])
        apart = (1.0 - kept) ** 2 * between
        return replace(whole, slope=whole.slope + kept * self.point, influence=influence, apart=apart)


def _spread(beside: Collection[_Beside]) -> tuple[np.ndarray, np.ndarray]:
    """Differences of slopes and their errors."""
    return np.array([one.point for one in beside]), np.array([one.error for one in beside])


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
        arm=np.where(contacted, taken, 0),
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
    effect = worth.effect
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


@dataclass(frozen=True, kw_only=True)
class OfferPromise:
    """What contacts of one offer are promised to earn.

    Attributes:
        offer: Its name.
        customers: Contacts of past campaigns that the policy would give it to.
        predicted: What the model predicts that they earn, in currency.
        promised: The same without the luck of the choice: never more, and with its interval.
    """

    offer: str
    customers: int
    predicted: float
    promised: Estimate


def promise_by_offer(worth: Worth, offers: Sequence[str]) -> Table[OfferPromise]:
    """What a policy's contacts of each offer are promised to earn, on the very rows that its lines are fitted on.

    Args:
        worth: Of the policy.
        offers: Names of the m offers; arm j is offers[j - 1].
    """
    arms = range(1, len(offers) + 1)
    lines = Lines.of(worth.gains_by_arm(arms), level=worth.logged.level, chosen=[True] * len(offers))
    currency, rows = worth.logged.unit.split("/", maxsplit=1)[0], []
    for arm, offer in zip(arms, offers, strict=True):
        x = worth.x[worth.arm == arm]
        promised = lines.total(x, np.full(len(x), arm - 1), unit=currency, method="DR, all campaigns out of fold")
        rows.append(OfferPromise(offer=offer, customers=len(x), predicted=float(x.sum()), promised=promised))
    return Table(name="promises", rows=tuple(rows))


MOST_PAIRS = 1_000_000
OTHER = -1  # an arm that a pair is not about


def find_drawn_worth(logged: LoggedOutcomes, chances: np.ndarray, predicted: np.ndarray) -> Worth:
    """Fit the line of what a lot gives.

    Args:
        logged: Rows that the model never saw.
        chances: Chance that the lot gives each arm but none, shape (n, m); what was not on offer is left out.
        predicted: Predicted profit of each arm, shape (n, m); not looked at where the chance is 0.

    Raises:
        DataError: Too few pairs to tell anything.
    """
    given = (chances > 0) & logged.available[:, 1:]
    every = max(1, math.ceil(np.count_nonzero(given) / MOST_PAIRS))
    row, j = np.nonzero(given[::every])
    row *= every
    if len(row) < FEWEST_CONTACTS:
        raise DataError(
            f"forecast: a lot could give {len(row)} pairs of a held-out row and an offer; at least {FEWEST_CONTACTS} "
            "are needed to hold predictions against what came true"
        )
    arm = logged.arm[row]
    pairs = LoggedOutcomes(
        y=logged.y[row],
        arm=np.where(arm == j + 1, 1, np.where(arm == 0, 0, OTHER)),
        propensity=logged.propensity[row],
        scores=np.column_stack([logged.scores[row, 0], logged.scores[row, j + 1]]),
        customer=logged.customer[row],
        unit=logged.unit,
        level=logged.level,
        weight=logged.relative_weight[row] * chances[row, j],
    )
    return find_worth(pairs, np.ones(len(row), dtype=np.int64), predicted[row, j])
