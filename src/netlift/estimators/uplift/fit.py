"""Uplift learners by name: expected incremental profit of each offer against no contact.

Every candidate has one output per offer, `uplift_<offer>`, in currency per customer, and is in the stored form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import get_args

from netlift.config.definitions import Search
from netlift.config.own_parts import own_path
from netlift.errors import ConfigError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.own_learner import fit_own_uplift
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.arm_outcomes import ArmOutcomes, learn_outcomes
from netlift.estimators.uplift.causalml.forest import fit_causalml_forest
from netlift.estimators.uplift.causalml.meta_learners import Kind as CausalmlKind
from netlift.estimators.uplift.causalml.meta_learners import fit_causalml
from netlift.estimators.uplift.meta_learners import Kind, fit_meta_learner
from netlift.estimators.uplift.pairwise.averaged import fit_averaged_effects
from netlift.estimators.uplift.pairwise.learner import fit_paired_effects
from netlift.estimators.uplift.pairwise.outcome_model import ContactPurchases, OutcomeModel, fit_outcome_model
from netlift.estimators.uplift.randomization import average_effects, check_contacts
from netlift.estimators.uplift.recency_frequency import fit_recency_frequency
from netlift.estimators.uplift.response import fit_response
from netlift.estimators.uplift.tuning import Progress
from netlift.estimators.uplift.two_part import fit_two_part

__all__ = [
    "ArmOutcomes",
    "Progress",
    "average_effects",
    "check_contacts",
    "fit_arm_outcomes",
    "fit_outcome_model",
    "fit_uplift",
    "know_purchases",
    "share_outcomes",
]


def _fit_causalml(
    kind: CausalmlKind, rows: ContactRows, search: Search, folds: int, machine: Machine, _: Progress
) -> Candidate:
    return fit_causalml(kind, rows, search=search, folds=folds, machine=machine)


Fit = Callable[[ContactRows, Search, int, Machine, Progress], Candidate]
LEARNERS: Mapping[str, Fit] = MappingProxyType(
    {
        "two_part": lambda rows, search, folds, machine, progress: fit_two_part(
            rows, search=search, folds=folds, machine=machine, progress=progress
        ),
        "response": lambda rows, search, folds, machine, _: fit_response(
            rows, search=search, folds=folds, machine=machine
        ),
        "recency_frequency": lambda rows, *_: fit_recency_frequency(rows),
        "causalml_forest": lambda rows, _search, _folds, machine, _: fit_causalml_forest(rows, machine=machine),
        **{f"causalml_{kind}": partial(_fit_causalml, kind) for kind in get_args(CausalmlKind)},
    }
)
"""Learners by name that start from the rows alone; those of `META` and `PAIRWISE` start from what they may share."""
META: Mapping[str, Kind] = MappingProxyType({f"{kind}_learner": kind for kind in get_args(Kind)})


PAIRWISE: Mapping[str, Callable[[ContactPurchases, Progress], Candidate]] = MappingProxyType(
    {
        "averaged_effects": lambda known, progress: fit_averaged_effects(known, progress=progress),
        "paired_effects": lambda known, progress: fit_paired_effects(known, progress=progress),
    }
)


def fit_uplift(
    name: str,
    rows: ContactRows,
    *,
    search: Search,
    folds: int,
    seed: int,
    threads: int,
    progress: Progress,
    known: ArmOutcomes | ContactPurchases | None = None,
) -> Candidate:
    """Fit a candidate on training rows.

    Args:
        name: Of `LEARNERS`, `META` or `PAIRWISE`, or an own learner by dotted path or entry point.
        rows: Contact rows of randomized campaigns; rows kept for judgement must not be among them.
        search: How LightGBM is tuned; the baselines, causalml's learners, `paired_effects` and `averaged_effects` take
            its `fixed` parameters and its early stopping at most.
        folds: Folds of customers for cross-fitting.
        seed: Of folds, thinning, search and LightGBM.
        threads: How many fits may run side by side; the result does not depend on it.
        progress: Called with the share of the work done and a line of text.
        known: What has been learned of the same rows, folds and seed already; anything else is learned anew, to the
            same result. The learners of `META` start from `share_outcomes`, those of `PAIRWISE` from `know_purchases`.

    Raises:
        NotRandomizedError: A propensity is missing.
        DataError: Rows from which no effect can be learned, see `check_contacts`.
        ConfigError: No such learner, or one whose package does not import.
        ValueError: `known` is of other rows.
    """
    check_contacts(rows)
    machine = Machine(seed=seed, threads=threads)
    if name in META:
        if not isinstance(known, ArmOutcomes):
            known = learn_outcomes(rows, search=search, folds=folds, machine=machine)
        _require_same(known.known.boosting.rows, rows)
        return fit_meta_learner(META[name], known, search=search, progress=progress)
    if name in PAIRWISE:
        if not isinstance(known, ContactPurchases):
            known = ContactPurchases(rows=rows, search=search, folds=folds, machine=machine)
        _require_same(known.rows, rows)
        return PAIRWISE[name](known, progress)
    if name in LEARNERS:
        return LEARNERS[name](rows, search, folds, machine, progress)
    path = own_path(name, "learner")
    if path is None:
        raise ConfigError(
            f"uplift has no learner {name!r}; there are {', '.join([*PAIRWISE, *LEARNERS, *META])}, and own ones"
        )
    return fit_own_uplift(name, path, rows, search=search, folds=folds, machine=machine)


def _require_same(known: ContactRows, rows: ContactRows) -> None:
    if known is not rows:
        raise ValueError(f"given what was learned of other rows than the {len(rows):,} to learn from")


def share_outcomes(rows: ContactRows, *, search: Search, folds: int, seed: int, threads: int) -> ArmOutcomes:
    """Cross-fitted outcomes and doubly robust scores, learned once for all candidates of `fit_uplift` that start there.

    Args:
        rows: Training rows, the very ones that `fit_uplift` is given.
        search: `fixed` LightGBM parameters are taken, nothing is tuned.
        folds: Folds of customers.
        seed: Of folds, thinning and LightGBM.
        threads: How many fits may run side by side; the result does not depend on it.

    Raises:
        NotRandomizedError: A propensity is missing.
        DataError: Rows from which no effect can be learned.
    """
    check_contacts(rows)
    return learn_outcomes(rows, search=search, folds=folds, machine=Machine(seed=seed, threads=threads))


def know_purchases(rows: ContactRows, *, search: Search, folds: int, seed: int, threads: int) -> ContactPurchases:
    """What customers bring whatever the arm, learned once for `fit_uplift` and `fit_outcome_model` of the same rows.

    Args:
        rows: Training rows.
        search: `fixed` LightGBM parameters are taken, nothing is tuned.
        folds: Folds of customers, whose summed loss stops the trees.
        seed: Of folds, thinning and LightGBM.
        threads: How many fits may run side by side; the result does not depend on it.

    Raises:
        NotRandomizedError: A propensity is missing.
        DataError: Rows from which no effect can be learned.
    """
    check_contacts(rows)
    return ContactPurchases(rows=rows, search=search, folds=folds, machine=Machine(seed=seed, threads=threads))


def fit_arm_outcomes(rows: ContactRows, *, search: Search, folds: int, seed: int, threads: int) -> OutcomeModel:
    """Expected profit under every arm, the `mu` of `off_policy.dr_scores` for rows that are not among these.

    Args and errors as `know_purchases`. The model's `predict(X, threads=...)` gives shape (n, m + 1).
    """
    return fit_outcome_model(know_purchases(rows, search=search, folds=folds, seed=seed, threads=threads))
