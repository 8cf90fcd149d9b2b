"""Observational campaigns, used by explicit consent: estimated propensities and their checks.

Per campaign: how each arm was chosen is estimated from the features (`estimators.propensity`); customers whom some arm
could hardly have got are left out and counted (overlap); with the estimated chances the arms must look alike (balance);
and the "effect" on the margin of as many days *before* the assignment, adjusted for what was known before these days,
must be zero (placebo outcome). The last is the test that can see an unseen reason for choosing: a reason that shows in
what they buy afterwards showed in what they bought before. It also fails where the choice looked at those very days,
which no data can tell apart from an unseen reason. What passes is given with the strength that a reason unseen by all
this would need (`evaluation.sensitivity`).

References:
    Imbens, Rubin (2015), Causal Inference, chapters 15 and 21: overlap; effects on pseudo-outcomes.
    Crump, Hotz, Imbens, Mitnik (2009), Dealing with Limited Overlap in Estimation of Average Treatment Effects.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from netlift.data.contract import CONTROL
from netlift.errors import NotRandomizedError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.propensity import FEWEST_PER_ARM, Chosen, estimate_propensities, expect_outcomes
from netlift.evaluation.causal_checks.adjusted_effects import AdjustedEffects
from netlift.evaluation.causal_checks.balance import Arms, compare_arms
from netlift.evaluation.causal_checks.placebos import shared_level
from netlift.results import Estimate, Table

OBSERVATIONAL = "observational"


@dataclass(frozen=True, kw_only=True)
class ObservationalMark:
    """Which rows are observational.

    Attributes:
        campaigns: Their campaigns.
        rows: Which rows, bool, shape (n,).
    """

    campaigns: tuple[str, ...]
    rows: np.ndarray

    @property
    def tag(self) -> str:
        """The campaigns, for tags and manifests."""
        return ", ".join(self.campaigns)

    @property
    def note(self) -> str:
        """How much of the rows it is, for the card."""
        marked, n = int(self.rows.sum()), len(self.rows)
        return (
            f"{OBSERVATIONAL}: {marked:,} of {n:,} rows ({marked / n:.0%}) are of campaigns that nobody randomized "
            f"({self.tag}), with estimated chances, by consent of the definition: what is made from them is an "
            "observation, not an experiment"
        )

    def replace_rows(self, rows: ContactRows, *, propensity: np.ndarray, kept: np.ndarray) -> ContactRows:
        """All rows, with estimated chances for the marked ones and without those of them that are not kept.

        Args:
            rows: The rows that the mark was made of.
            propensity: Of the marked rows, shape (marked,).
            kept: Which of them, bool, shape (marked,).
        """
        chances, among = rows.propensity.copy(), ~self.rows
        chances[self.rows] = propensity
        among[self.rows] = kept
        return replace(rows, propensity=chances).take(among)

    def mark(self, words: str) -> str:
        """A sentence that says it."""
        return f"{OBSERVATIONAL} (campaign {self.tag} was not randomized): {words}"


def mark_observational(
    rows: ContactRows, campaigns: Sequence[str], consented: Collection[str]
) -> ObservationalMark | None:
    """The mark of contact rows; None where all of them are of randomized campaigns.

    Args:
        rows: Contact rows.
        campaigns: Names of the campaigns, by code.
        consented: `UpliftDefinition.observational`.
    """
    codes = [code for code, name in enumerate(campaigns) if name in set(consented)]
    marked = np.isin(rows.campaign, codes)
    names = tuple(campaigns[code] for code in codes if np.any(rows.campaign == code))
    return ObservationalMark(campaigns=names, rows=marked) if names else None


TRIMMED = 0.1
MOST_SMD = 0.1
BALANCE_ALARM = 0.05


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is asked of consented campaigns.

    Attributes:
        rows: Their contact rows with `before`; propensities are not looked at.
        earlier: Features as of the start of the days of `before`, shape (n, k), NaN rows where nothing was known.
        campaigns: Names of the campaigns, by code.
        unit: Unit of money per customer.
        level: Confidence of the intervals.
        machine: Seed and threads.
    """

    rows: ContactRows
    earlier: np.ndarray
    campaigns: Sequence[str]
    unit: str
    level: float
    machine: Machine


@dataclass(frozen=True, kw_only=True)
class ObservationalRow:
    """One offer of an observational campaign.

    Attributes:
        campaign: The campaign.
        offer: The offer, against control.
        rows: Customers of the campaign.
        kept: Those whom every arm might have got.
        worst_smd_before: Greatest standardized mean difference of a feature between offer and control.
        worst_smd_after: The same with the estimated chances.
        placebo: "Effect" on the margin of the days before, by what was known before these.
        effect: On profit, adjusted: observational.
        robustness: Share of outcome and choice that an unseen reason must explain to be all of the effect.
        robustness_of_interval: The same for the end of the interval nearer to zero; 0 where it holds zero.
        e_value: Risk ratio that it must have with contact and purchase to explain the ratio of buyers; None without
            buyers.
    """

    campaign: str
    offer: str
    rows: int
    kept: int
    worst_smd_before: float
    worst_smd_after: float
    placebo: Estimate
    effect: Estimate
    robustness: float
    robustness_of_interval: float
    e_value: float | None


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """Rows of observational campaigns that can be learned from.

    Attributes:
        kept: Which rows, bool, shape (n,).
        propensity: Estimated chance of the arm that each got, shape (n,); NaN for rows not kept.
        found: What was asked and answered, a row per campaign and offer.
        notes: The same in words, each with "observational" in it.
    """

    kept: np.ndarray
    propensity: np.ndarray
    found: Table[ObservationalRow]
    notes: tuple[str, ...]


def adjust_observational(observed: Observed) -> Adjusted:
    """Estimate the chances of consented campaigns and refuse those whose arms cannot be compared.

    Raises:
        NotRandomizedError: No control, too little overlap, arms that stay unlike, or an effect on the past.
    """
    n = len(observed.rows)
    kept, propensity = np.zeros(n, dtype=bool), np.full(n, np.nan)
    found: list[ObservationalRow] = []
    for code in np.unique(observed.rows.campaign):
        inside = np.flatnonzero(observed.rows.campaign == code)
        campaign = _Campaign(observed=observed, name=observed.campaigns[code], inside=inside)
        found += campaign.judge()
        kept[inside] = campaign.clear
        propensity[inside[campaign.clear]] = campaign.own_chance[campaign.clear]
    return Adjusted(
        kept=kept,
        propensity=propensity,
        found=Table(name="observational", rows=tuple(found)),
        notes=tuple(_say(row) for row in found),
    )


@dataclass(frozen=True, kw_only=True)
class _Campaign:
    """One of the campaigns, with the positions of its rows."""

    observed: Observed
    name: str
    inside: np.ndarray

    @cached_property
    def rows(self) -> ContactRows:
        return self.observed.rows.take(self.inside)

    @cached_property
    def drawn(self) -> np.ndarray:
        """The arms that it has, by their code in the rows; control first, and an offer, or it is refused."""
        drawn = np.unique(self.rows.arm)
        if drawn[0] != 0 or len(drawn) < 2:
            raise self._refuse(
                f"holds no contact with offer_id {CONTROL!r} beside an offer: nobody shows what comes of no contact"
            )
        return drawn

    @cached_property
    def chosen(self) -> Chosen:
        """Its customers, arms numbered from 0 without gaps."""
        return Chosen(
            X=self.rows.X,
            features=self.rows.features,
            arm=np.searchsorted(self.drawn, self.rows.arm),
            customer=self.rows.customer,
            machine=self.observed.machine,
        )

    @cached_property
    def offers(self) -> list[str]:
        return [self.rows.offers[arm - 1] for arm in self.drawn[1:]]

    @cached_property
    def chances(self) -> np.ndarray:
        return self._estimate(self.chosen)

    @cached_property
    def own_chance(self) -> np.ndarray:
        """Of the arm that each got, shape (n,)."""
        return np.asarray(self.chances[np.arange(len(self.rows)), self.chosen.arm])

    @cached_property
    def clear(self) -> np.ndarray:
        """Customers whom each of the arms might have got, bool, shape (n,)."""
        return self._require_overlap(self.chances, self.chosen.arm)

    def judge(self) -> list[ObservationalRow]:
        """Overlap, balance, placebo outcome, effect and sensitivity, a row per offer."""
        n = len(self.rows)
        unweighted = self._worst_smd(np.ones(n), np.ones(n, dtype=bool))
        weighted = self._worst_smd(1.0 / self.own_chance, self.clear, must_hold=True)
        placebos = self._placebos()
        effects = AdjustedEffects(
            y=self.rows.y,
            arm=self.chosen.arm,
            chances=self.chances,
            expected=expect_outcomes(self.chosen, self.rows.y),
            customer=self.rows.customer,
        ).take(self.clear)
        found = []
        for j, offer in enumerate(self.offers, start=1):
            effect = effects.estimate(j, unit=self.observed.unit, level=self.observed.level)
            whole, nearer = effects.robustness(effect, j)
            row = ObservationalRow(
                campaign=self.name,
                offer=offer,
                rows=n,
                kept=int(self.clear.sum()),
                worst_smd_before=unweighted[offer],
                worst_smd_after=weighted[offer],
                placebo=placebos[j - 1],
                effect=effect,
                robustness=whole,
                robustness_of_interval=nearer,
                e_value=effects.e_value(self.rows.margin[self.clear] > 0, j),
            )
            found.append(row)
        return found

    def _estimate(self, chosen: Chosen) -> np.ndarray:
        counts = np.bincount(chosen.arm, minlength=len(self.drawn))
        if counts.min() < FEWEST_PER_ARM:
            raise self._refuse(
                f"has {', '.join(f'{count:,}' for count in counts)} customers by arm, control first; "
                f"{FEWEST_PER_ARM} of each are needed to estimate how they were chosen"
            )
        return estimate_propensities(chosen)

    def _require_overlap(self, chances: np.ndarray, arm: np.ndarray) -> np.ndarray:
        least = TRIMMED / len(self.drawn)
        clear = np.asarray(chances.min(axis=1) >= least)
        left = np.bincount(arm[clear], minlength=len(self.drawn))
        if left.min() < FEWEST_PER_ARM:
            raise self._refuse(
                f"chose so sharply that {clear.sum():,} of {len(clear):,} customers had a chance of at least "
                f"{least:.3g} of every arm (by arm, control first: {', '.join(f'{count:,}' for count in left)}; "
                f"{FEWEST_PER_ARM} of each are needed): there is nobody to compare the others with"
            )
        return clear

    def _worst_smd(self, weight: np.ndarray, among: np.ndarray, *, must_hold: bool = False) -> dict[str, float]:
        """Greatest standardized mean difference of any feature by offer; refused where it must not be."""
        arms = Arms(
            arm=self.chosen.arm[among],
            weight=weight[among],
            campaign=np.zeros(int(among.sum()), dtype=np.int64),
            offers=self.offers,
            campaigns=(self.name,),
        )
        found = compare_arms(self.rows.X[among], self.rows.features, arms)
        unlike = [row for row in found if abs(row.smd) > MOST_SMD and row.p_value < BALANCE_ALARM]
        if must_hold and unlike:
            worst = max(unlike, key=lambda row: abs(row.smd))
            raise self._refuse(
                f"has arms that stay unlike with the estimated chances: {worst.feature} of {worst.offer} and control "
                f"differs by {worst.smd:+.2f} standard deviations, {MOST_SMD:g} at most is allowed"
            )
        return {offer: max((abs(r.smd) for r in found if r.offer == offer), default=0.0) for offer in self.offers}

    def _placebos(self) -> list[Estimate]:
        """The "effect" of each offer on the margin of the days before, by what was known before these days."""
        known = ~np.isnan(self.observed.earlier[self.inside]).all(axis=1)
        y = np.asarray(self.rows.before)[known]
        past = replace(
            self.chosen,
            X=np.asfortranarray(self.observed.earlier[self.inside[known]]),
            arm=self.chosen.arm[known],
            customer=self.chosen.customer[known],
        )
        chances = self._estimate(past)
        clear = self._require_overlap(chances, past.arm)
        effects = AdjustedEffects(
            y=y, arm=past.arm, chances=chances, expected=expect_outcomes(past, y), customer=past.customer
        ).take(clear)
        level = shared_level(self.observed.level, len(self.offers))
        found = []
        for j, offer in enumerate(self.offers, start=1):
            placebo = effects.estimate(j, unit=self.observed.unit, level=level)
            if not placebo.ci_lower <= 0 <= placebo.ci_upper:
                raise self._refuse(
                    f'shows an "effect" of {offer} on what customers brought before it: {placebo} ({level:.1%} sure) '
                    f"among {int(clear.sum()):,} customers alike in all that was known before those days. The choice "
                    "knew something that the tables do not, or looked at those very days: either way that would pass "
                    "for an effect afterwards"
                )
            found.append(placebo)
        return found

    def _refuse(self, found: str) -> NotRandomizedError:
        return NotRandomizedError(
            f"observational campaign {self.name} {found}. Take it out of `observational`, and randomize the next one"
        )


def _say(row: ObservationalRow) -> str:
    ratio = "" if row.e_value is None else f"; E-value {row.e_value:.2f} for the share of buyers"
    return (
        f"observational: campaign {row.campaign}, {row.offer}: {row.kept:,} of {row.rows:,} customers might have got "
        f"every arm, the others are left out; worst SMD {row.worst_smd_before:.2f} before and "
        f"{row.worst_smd_after:.2f} after weighting; on the days before {row.placebo}; effect {row.effect}. A reason "
        f"for choosing that no feature shows would make it up alone if it explained {row.robustness:.1%} of what is "
        f"left of profit and of choice, and bring its interval to zero with {row.robustness_of_interval:.1%}{ratio}"
    )


__all__ = ["Adjusted", "ObservationalRow", "Observed", "adjust_observational"]
