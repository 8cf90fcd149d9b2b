"""Shared context of uplift training: fits by name, and rows to value policies on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from netlift.config.definitions import UpliftDefinition
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.contact_wear import add_wear
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.arm_outcomes import ArmOutcomes
from netlift.estimators.uplift.fit import (
    META,
    average_effects,
    fit_outcome_model,
    fit_uplift,
    know_purchases,
    share_outcomes,
)
from netlift.estimators.uplift.pairwise.outcome_model import ContactPurchases
from netlift.estimators.uplift.rewards import add_rewards
from netlift.evaluation.policy.off_policy import LoggedOutcomes, choose_arms, constant_policies, dr_scores
from netlift.registry.champions import encode_for

SHARING = ("s_learner", "t_learner", "x_learner", "r_learner", "dr_learner")
UNKNOWN_OFFER = -1e300  # predicted uplift of an offer that a model does not know: never chosen


@dataclass(frozen=True, kw_only=True)
class UpliftLearning:
    """How uplift is learned and judged in one training.

    Attributes:
        definition: What is trained.
        seed: Of folds, search and trees.
        threads: How many fits may run side by side.
        unit: Unit of money per customer.
        say: Told what is being done.
    """

    definition: UpliftDefinition
    seed: int
    threads: int
    unit: str
    say: Callable[[str], None]
    _known: list[ContactPurchases] = field(default_factory=list, repr=False, compare=False)

    def share_outcomes(self, rows: ContactRows) -> ArmOutcomes | None:
        """What several candidates start from, learned once; None where no two of them do."""
        if sum(name in SHARING for name in self.definition.candidates) < 2:
            return None
        return share_outcomes(
            rows,
            search=self.definition.search,
            folds=self.definition.folds,
            seed=self.seed,
            threads=self.threads,
        )

    def fit(self, name: str, rows: ContactRows, *, outcomes: ArmOutcomes | None = None) -> Candidate:
        """A candidate of the definition, fitted on some rows; `outcomes` as `share_outcomes` gave them for these."""
        return fit_uplift(
            name,
            rows,
            search=self.definition.search,
            folds=self.definition.folds,
            seed=self.seed,
            threads=self.threads,
            progress=lambda _share, words: self.say(f"{name}: {words}"),
            known=outcomes if name in META else self._purchases(rows),
        )

    def _purchases(self, rows: ContactRows) -> ContactPurchases:
        """What customers bring whatever the arm: of the rows asked about last it is learned once."""
        if not self._known or self._known[-1].rows is not rows:
            definition = self.definition
            self._known[:] = [
                know_purchases(
                    rows, search=definition.search, folds=definition.folds, seed=self.seed, threads=self.threads
                )
            ]
        return self._known[-1]

    def fit_response(self, rows: ContactRows) -> Candidate:
        """The response model, whether the definition has it among its candidates or not."""
        return self.fit("response", rows)

    def add_rewards(self, candidate: Candidate, rows: ContactRows) -> Candidate:
        """The candidate, fitted on these rows, with the reward that a contact of each offer will pay."""
        return add_rewards(candidate, rows, machine=Machine(seed=self.seed, threads=self.threads))

    def add_wear(self, candidate: Candidate, rows: ContactRows) -> Candidate:
        """The candidate with what a contact of each offer wears out, where the definition asks for it."""
        wear = self.definition.wear
        if wear is None:
            return candidate
        machine = Machine(seed=self.seed, threads=self.threads)
        return add_wear(candidate, rows, prior=wear.share, valued_days=wear.valued_days, machine=machine)

    def log_outcomes(self, learned: ContactRows, judged: ContactRows) -> LoggedOutcomes:
        """Rows to judge on with doubly robust scores, by an outcome model that never saw them."""
        outcomes = fit_outcome_model(self._purchases(learned))
        scores = dr_scores(
            y=judged.y,
            arm=judged.arm,
            propensity=judged.propensity,
            mu=outcomes.predict(judged.X, threads=self.threads),
            available=judged.available,
        )
        return LoggedOutcomes(
            y=judged.y,
            arm=judged.arm,
            propensity=judged.propensity,
            scores=scores,
            customer=judged.customer,
            campaign=judged.campaign,
            unit=self.unit,
            level=self.definition.gates.level,
        )


def predict_uplift(model: StoredModel, rows: ContactRows) -> np.ndarray:
    """Predicted uplift of each offer, shape (n, m); an offer that the model does not know is never worth choosing."""
    return _predict(model, rows, "uplift", unknown=UNKNOWN_OFFER)


def predict_rewards(model: StoredModel, rows: ContactRows) -> np.ndarray:
    """Reward that a contact of each offer is expected to pay, shape (n, m); 0 for offers that never paid any."""
    return _predict(model, rows, "reward", unknown=0.0)


def _predict(model: StoredModel, rows: ContactRows, what: str, *, unknown: float) -> np.ndarray:
    scores = model.predict_matrix(encode_for(model, rows.X, rows.features))
    none = np.full(len(rows), unknown)
    return np.column_stack([scores.get(f"{what}_{offer}", none) for offer in rows.offers])


def predict_worn(model: StoredModel, rows: ContactRows) -> np.ndarray:
    """What a contact of each offer wears out beyond the outcome window, shape (n, m); 0 where no model knows it."""
    return _predict(model, rows, "worn", unknown=0.0)


def policy_of(model: StoredModel, rows: ContactRows) -> np.ndarray:
    """The arm that the model would draw for each row, shape (n,)."""
    return choose_arms(predict_uplift(model, rows), rows.available)


def constants_for(learned: ContactRows, available: np.ndarray) -> dict[str, np.ndarray]:
    """Nobody, everybody each offer that was on offer to somebody, and everybody the best of them.

    Args:
        learned: Rows by whose average effects the offers are ordered.
        available: Which arms the judged rows' campaigns could draw, bool, shape (n, m + 1).
    """
    effects = average_effects(learned)
    order = [int(j) + 1 for j in np.argsort(-effects, kind="stable") if effects[j] > 0]
    constants = constant_policies(learned.offers, available, order)
    return {name: choice for name, choice in constants.items() if (choice >= 0).any()}
