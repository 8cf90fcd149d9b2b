"""What the loop learns of its contacts each month: the learner fitted anew, and once a quarter the word of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.data.read import Tables
from netlift.errors import UsageError
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift import average_effects
from netlift.evaluation.off_policy import NOBODY as NO_CONTACT
from netlift.evaluation.off_policy import best_constant
from netlift.features.vocabulary import Vocabulary
from netlift.pipelines.calendar import read_history
from netlift.pipelines.contact_sets import build_contact_rows
from netlift.pipelines.decide_inputs import PastCosts, read_past_costs
from netlift.pipelines.demo_policies import OFFER_IDS
from netlift.pipelines.ship_uplift import ShippedUplift, ship_uplift
from netlift.pipelines.train_uplift import judge_by_gate
from netlift.pipelines.uplift_learning import UpliftLearning, constants_for

LEARNERS = ("paired_effects",)
LOSS = -1.0


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one training taught.

    Attributes:
        model: The learner that was judged, fitted anew on all rows, those that judged it among them.
        passed: Whether the gate let it through.
        said: What the gate said, check by check.
        pays: Whether some offer to everybody did better than none when the gate was asked.
        averages: Mean effect of each offer, shape (m,); below 0 for all where none pays.
        rows: Contacts that it learned from or was judged by.
        costs: What past contacts paid.
    """

    model: StoredModel
    passed: bool
    said: tuple[str, ...]
    pays: bool
    averages: np.ndarray
    rows: int
    costs: PastCosts


@dataclass(frozen=True, kw_only=True)
class Study:
    """When and how a lesson is learned.

    Attributes:
        as_of: First day not seen.
        seed: Of folds and trees.
        currency: Of all money.
        rows_per_partition: Receipts held at once.
    """

    as_of: date
    seed: int
    currency: str
    rows_per_partition: int


def quick_definition(settings: BusinessSettings) -> UpliftDefinition:
    """The config's uplift definition with one learner, so that a round takes seconds.

    Raises:
        UsageError: The config trains no uplift.
    """
    if "uplift" not in settings.models:
        raise UsageError(f"config {settings.name} names no model for uplift; the closed loop runs on configs/demo.yaml")
    definition = load_definition(settings.models["uplift"], "uplift")
    if not isinstance(definition, UpliftDefinition):
        raise UsageError(f"{settings.models['uplift']}: not a definition of uplift")
    return definition.model_copy(update={"candidates": LEARNERS})


def learn_uplift(
    tables: Tables, definition: UpliftDefinition, vocabulary: Vocabulary, *, study: Study, standing: Lesson | None
) -> Lesson:
    """Learn from all contacts; with no standing lesson also ask the gate, as `netlift train uplift` does.

    Args:
        tables: Checked.
        definition: How uplift is learned.
        vocabulary: Words that features know.
        study: Day, seed and money.
        standing: A lesson whose gate was asked lately and still holds; None to ask it.

    Raises:
        NotRandomizedError: No campaign was randomized with known propensities.
        DataError: Contacts from which no effect can be learned.
    """
    unit = f"{study.currency}/customer"
    rows, _, _ = build_contact_rows(
        tables, definition, vocabulary, rows_per_partition=study.rows_per_partition, history=read_history(tables),
        seed=study.seed, unit=unit,
    )  # fmt: skip
    learning = UpliftLearning(definition=definition, seed=study.seed, threads=1, unit=unit, say=lambda _: None)
    checks = (
        ()
        if standing
        else judge_by_gate(shipped := ship_uplift(learning, rows, advance=lambda *_: None), definition.gates)
    )
    averages = average_effects(rows)[[rows.offers.index(offer) for offer in OFFER_IDS]]
    pays = standing.pays if standing else _some_constant_pays(shipped)
    return Lesson(
        model=StoredModel(learning.fit(LEARNERS[0], rows).files),
        passed=standing.passed if standing else all(check.passed for check in checks),
        said=standing.said if standing else tuple(check.words for check in checks),
        pays=pays,
        averages=averages if pays else np.minimum(averages, LOSS),
        rows=len(rows),
        costs=read_past_costs(tables, as_of=study.as_of),
    )


def _some_constant_pays(shipped: ShippedUplift) -> bool:
    """Whether some offer to everybody did better than none, on all evidence."""
    logged = shipped.evidence.logged
    return best_constant(logged, constants_for(shipped.training, logged.available)) != NO_CONTACT


__all__ = ["Lesson", "Study", "learn_uplift", "quick_definition"]
