"""Monthly refit of the learner in the closed loop, and the quarterly gate.

As in the registry, a refusal leaves the champion in place: the model that decided before decides on, as it was. Where
no model ever passed, everybody gets the offer that did best on average, if that clearly paid, and else nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from netlift.closed_loop.policies import OFFER_IDS
from netlift.closed_loop.result import CONSTANT, PASSED, SILENT, STANDS, Verdict
from netlift.config.business import BusinessSettings
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.data.history import read_history
from netlift.data.read import Tables
from netlift.decisions.run.inputs import PastCosts, read_past_costs
from netlift.errors import UsageError
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.counted_gains import Counted, count_gains
from netlift.estimators.uplift.fit import average_effects
from netlift.evaluation.policy.added_effects import SINCE, AddedEffect, find_added_effects
from netlift.features.vocabulary import Vocabulary
from netlift.simulation.campaigns import OUTCOME_DAYS
from netlift.training.contact_rows import build_contact_rows
from netlift.training.uplift.context import UpliftLearning
from netlift.training.uplift.fit_final import ShippedUplift, ship_uplift
from netlift.training.uplift.train import judge_by_gate

LEARNERS = ("averaged_effects",)
LOSS = -1.0


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What the gate said when it was last asked, and what follows.

    Attributes:
        verdict: Who decides until it is asked again.
        said: Its words, check by check.
        added: How soon each offer may follow another contact, and what it then adds.
        counted: Which gains of the model count; None for all.
    """

    verdict: Verdict
    said: tuple[str, ...]
    added: tuple[AddedEffect, ...]
    counted: Counted | None = None


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one training taught.

    Attributes:
        model: What decides: the learner fitted anew on all rows, or the champion as it was; None where none ever
            passed.
        ruling: The gate's last word.
        averages: Mean effect of each offer, shape (m,); below 0 for all where none clearly pays.
        rows: Contacts that it learned from or was judged by.
        costs: What past contacts paid.
    """

    model: StoredModel | None
    ruling: Ruling
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
        asks: Whether the gate is asked; it is without a standing lesson in any case.
    """

    as_of: date
    seed: int
    currency: str
    rows_per_partition: int
    asks: bool = True


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
    """Learn from all contacts, and where it is time ask the gate, as `netlift train uplift` does.

    Args:
        tables: Checked.
        definition: How uplift is learned.
        vocabulary: Words that features know.
        study: Day, seed, money, and whether the gate is asked.
        standing: The lesson of the month before; None in the first month.

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
    ruling = _rule(learning, rows, standing) if study.asks or standing is None else standing.ruling
    averages = average_effects(rows)[[rows.offers.index(offer) for offer in OFFER_IDS]]
    model = standing.model if standing else None
    if ruling.verdict == PASSED:
        fitted = learning.fit(LEARNERS[0], rows)
        if ruling.counted is not None:
            fitted = count_gains(fitted, ruling.counted, offers=rows.offers)
        model = StoredModel(learning.add_wear(fitted, rows).files)
    return Lesson(
        model=model,
        ruling=ruling,
        averages=np.minimum(averages, LOSS) if ruling.verdict == SILENT else averages,
        rows=len(rows),
        costs=read_past_costs(tables, as_of=study.as_of),
    )


def _rule(learning: UpliftLearning, rows: ContactRows, standing: Lesson | None) -> Ruling:
    """Ask the gate of the learner, and how soon its contacts may follow one another."""
    gates = learning.definition.gates
    shipped = ship_uplift(learning, rows, advance=lambda *_: None)
    checks = judge_by_gate(shipped, gates)
    said = tuple(check.words for check in checks)
    permission = shipped.permission
    if all(check.passed for check in checks) and permission.kind != "constant":
        return Ruling(verdict=PASSED, said=said, added=_added(shipped), counted=permission.counted)
    if standing is not None and standing.model is not None:
        return replace(standing.ruling, verdict=STANDS, said=said)
    verdict: Verdict = CONSTANT if permission.kind == "constant" else SILENT
    return Ruling(verdict=verdict, said=said, added=())


def _added(shipped: ShippedUplift) -> tuple[AddedEffect, ...]:
    """How soon each offer may follow another contact, on the evidence that the gate was asked by."""
    rows, judged = shipped.rows, shipped.evidence
    names = [feature.name for feature in rows.features]
    return find_added_effects(
        judged.logged,
        judged.policy,
        np.asarray(rows.X[judged.rows, names.index(SINCE)]) if SINCE in names else None,
        offers=rows.offers,
        window_days=OUTCOME_DAYS,
    )


__all__ = ["Lesson", "Ruling", "Study", "learn_uplift", "quick_definition"]
