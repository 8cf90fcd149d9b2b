"""Uplift learners by name: expected profit that an offer adds over the outcome window, against no contact.

Every candidate has one output per offer, `uplift_<offer>`, in currency per customer, and is in the stored form.
"""

from __future__ import annotations

from typing import cast

from netlift.config.definitions import Search, UpliftCandidate
from netlift.estimators.boosting import Machine
from netlift.estimators.causalml_adapter import Kind, fit_causalml
from netlift.estimators.contact_design import average_effects, check_contacts
from netlift.estimators.paired_effects import fit_paired_effects
from netlift.estimators.response_uplift import fit_response
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.two_part_uplift import OutcomeModel, fit_outcome_model, fit_two_part
from netlift.estimators.uplift_tuning import Progress

__all__ = ["Progress", "average_effects", "check_contacts", "fit_arm_outcomes", "fit_uplift"]


def fit_uplift(
    name: UpliftCandidate,
    rows: ContactRows,
    *,
    search: Search,
    folds: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> Candidate:
    """Fit a candidate on training rows.

    Args:
        name: One of the candidates in `config.definitions`.
        rows: Contact rows of randomized campaigns; rows kept for judgement must not be among them.
        search: How LightGBM is tuned; all but the two-part learner take its `fixed` parameters and its early stopping
            at most.
        folds: Folds of customers for cross-fitting.
        seed: Of folds, thinning, search and LightGBM.
        threads: How many fits may run side by side; the result does not depend on it.
        progress: Called with the share of the work done and a line of text.

    Raises:
        NotRandomizedError: A propensity is missing.
        DataError: Rows from which no effect can be learned, see `check_contacts`.
        ConfigError: causalml does not import.
    """
    check_contacts(rows)
    machine = Machine(seed=seed, threads=threads)
    if name == "paired_effects":
        return fit_paired_effects(rows, search=search, folds=folds, machine=machine, progress=progress)
    if name == "two_part":
        return fit_two_part(rows, search=search, folds=folds, machine=machine, progress=progress)
    if name == "response":
        return fit_response(rows, search=search, folds=folds, machine=machine)
    return fit_causalml(cast(Kind, name.removeprefix("causalml_")), rows, search=search, folds=folds, machine=machine)


def fit_arm_outcomes(rows: ContactRows, *, search: Search, folds: int, seed: int, threads: int) -> OutcomeModel:
    """Expected profit under every arm, the `mu` of `off_policy.dr_scores` for rows that are not among these.

    Args:
        rows: Training rows.
        search: `fixed` LightGBM parameters are taken, nothing is tuned.
        folds: One of so many folds of customers stops the trees.
        seed: Of folds, thinning and LightGBM.
        threads: How many fits may run side by side; the result does not depend on it.

    Returns:
        A model whose `predict(X, threads=...)` gives shape (n, m + 1).

    Raises:
        NotRandomizedError: A propensity is missing.
        DataError: Rows from which no effect can be learned.
    """
    check_contacts(rows)
    return fit_outcome_model(rows, search=search, folds=folds, machine=Machine(seed=seed, threads=threads))
