"""What customers bring whatever the arm, learned once for a learner and for the outcome model that judges others.

The pairwise learner starts from who buys and what buyers bring; doubly robust scores of rows kept apart want the same
of the same rows. Whoever holds one `ContactPurchases` of some rows has it learned no more than once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.boosting.folds import draw_folds
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.expression import extend_boosters, write_files
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.pairwise.case_control import CaseControlContacts, LearnedPurchases, learn_purchases
from netlift.estimators.uplift.pairwise.drivers import Drivers, learn_drivers
from netlift.estimators.uplift.purchase_model import ExpectedPurchases, PurchaseModel
from netlift.estimators.uplift.randomization import average_effects
from netlift.estimators.value.btyd import add_expressions

MOST_SEEDS = 3
CELLS = 8_000_000  # rows times features times seeds
MOST_DRAWS = 2  # what customers bring anyway is learned from all arms and needs less averaging


def seeds_for(rows: int, features: int) -> int:
    """How many fits of effects are averaged.

    Examples:
        >>> seeds_for(20_000, 30), seeds_for(20_000, 115), seeds_for(80_000, 115)
        (3, 3, 1)
    """
    return max(1, min(MOST_SEEDS, CELLS // (rows * features)))


@dataclass(frozen=True, kw_only=True, eq=False)
class ContactPurchases:
    """Contact rows, and what is learned from them of purchases when it is first asked for.

    Attributes:
        rows: Contact rows, checked.
        search: `fixed` LightGBM parameters are taken, nothing is tuned.
        folds: Folds of customers, whose summed loss stops the trees.
        machine: Seed, and how many fits may run side by side.
    """

    rows: ContactRows
    search: Search
    folds: int
    machine: Machine

    @cached_property
    def drivers(self) -> Drivers:
        """What a customer is like, behind the features."""
        return learn_drivers(self.rows)

    @cached_property
    def boosting(self) -> CaseControlContacts:
        """The rows with the drivers, thinned and binned."""
        return CaseControlContacts(add_expressions(self.rows, self.drivers.columns), self.machine, self.search.fixed)

    @cached_property
    def expected(self) -> LearnedPurchases:
        """Purchases of each row out of fold."""
        draws = min(MOST_DRAWS, seeds_for(*self.rows.X.shape))
        folds = draw_folds(self.rows.customer, folds=self.folds, seed=self.machine.seed, draws=draws)
        return learn_purchases(self.boosting, folds)

    @cached_property
    def model(self) -> PurchaseModel:
        """The same, fitted on all kept rows."""
        return self.expected.fit(self.boosting)


@dataclass(frozen=True, kw_only=True)
class OutcomeModel:
    """Expected profit under every arm, to steady the judgement of policies on other rows.

    Attributes:
        purchases: Who buys and what buyers bring, in the stored form.
        rest: What profit lacks of expected margin, over the basis 1, p, p·m, shape (3,).
        effects: Average effect of each arm over the mean of all arms, shape (m + 1,), in currency.
    """

    purchases: dict[str, bytes]
    rest: np.ndarray
    effects: np.ndarray

    def predict(self, X: np.ndarray, *, threads: int) -> np.ndarray:
        """Expected profit, shape (n, m + 1)."""
        found = StoredModel(self.purchases, threads=threads).predict_matrix(X)
        basis = purchase_basis(ExpectedPurchases(chance=found["chance"], amount=found["amount"]))
        return np.asarray((basis[:, 2] - basis @ self.rest)[:, None] + self.effects)


def fit_outcome_model(known: ContactPurchases) -> OutcomeModel:
    """Take what customers bring whatever the arm, and add each arm's average effect."""
    rows, boosting, model = known.rows, known.boosting, known.model
    basis = purchase_basis(known.expected.average())
    rest = weighted_least_squares(basis, boosting.amount - rows.y, boosting.weight)
    effects = np.concatenate([[0.0], average_effects(rows)])
    shares = np.bincount(rows.arm, minlength=len(effects)) / len(rows)
    extra = list(known.drivers.columns.values())
    parts = {"chance": ("probability", model.chance), "amount": ("currency", model.amount)}
    purchases = write_files(
        task="uplift",
        features=rows.features,
        outputs=[(name, unit, extend_boosters(part.expression(), extra)) for name, (unit, part) in parts.items()],
        boosters=model.booster_texts(),
    )
    return OutcomeModel(purchases=purchases, rest=rest, effects=effects - shares @ effects)


def purchase_basis(expected: ExpectedPurchases) -> np.ndarray:
    """1, p, p·m, shape (n, 3)."""
    return np.column_stack([np.ones(len(expected.chance)), expected.chance, expected.margin])


def weighted_least_squares(basis: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Coefficients of the basis, shape (k,)."""
    root = np.sqrt(weight)
    return np.asarray(np.linalg.lstsq(basis * root[:, None], y * root, rcond=None)[0])
