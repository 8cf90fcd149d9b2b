"""`paired_effects` learned several times over, each with its own folds, draws and cuts, and averaged.

Effects are so small beside what customers do anyway that another seed makes another model: two fits on the same 20,000
customers choose differently for a tenth to a fifth of them. What the fits have in common is what the data say; the rest
is the draw of folds and cuts, and the mean over seeds has less of it:

    uplift_a(x) = mean over seeds s of uplift_a(x; s)

Four seeds are worth their time where data are few. Where a matrix is so large that a fit takes seconds, fits differ
less, and fewer are averaged: as many as `CELLS` of features allow, and one beyond.

Each fit is calibrated on rows that it did not see, so the mean is too, and a fit that finds nothing to tell customers
apart draws the mean towards one number for all.

References:
    Breiman (1996), Bagging Predictors, Machine Learning 24: averaging helps where small changes make another model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from netlift.config.definitions import Search
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.expression import linear
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.pairwise.learner import fit_paired_effects
from netlift.estimators.uplift.tuning import Progress

MOST_SEEDS = 4
CELLS = 8_000_000  # rows times features times seeds
APART = 1_000  # between seeds: folds are drawn by the seed, and by the few next to it


def fit_averaged_effects(
    rows: ContactRows, *, search: Search, folds: int, machine: Machine, progress: Progress
) -> Candidate:
    """Fit with as many seeds as `seeds_for` says, and average.

    Args:
        rows: Contact rows, checked.
        search: As `fit_paired_effects` takes it.
        folds: Folds of customers.
        machine: The first seed, and how many fits may run side by side.
        progress: Told what the first fit tells.

    Raises:
        DataError: Fewer customers than folds.
    """
    jobs = [
        partial(
            fit_paired_effects,
            rows,
            search=search,
            folds=folds,
            machine=replace(machine, seed=machine.seed + APART * k, threads=1),
            progress=progress if k == 0 else _silent,
        )
        for k in range(seeds_for(*rows.X.shape))
    ]
    return average(run_side_by_side(jobs, threads=machine.threads))


def seeds_for(rows: int, features: int) -> int:
    """How many fits are averaged.

    Examples:
        >>> seeds_for(20_000, 30), seeds_for(20_000, 115), seeds_for(80_000, 115)
        (4, 3, 1)
    """
    return max(1, min(MOST_SEEDS, CELLS // (rows * features)))


def average(fits: list[Candidate]) -> Candidate:
    """The mean of stored uplift models that have the same features and outputs."""
    specs = [json.loads(fit.files["model.json"]) for fit in fits]
    merged: dict[str, Any] = specs[0]
    for j, output in enumerate(merged["outputs"]):
        terms = [_rename(spec["outputs"][j]["expression"], k) for k, spec in enumerate(specs)]
        output["expression"] = linear(0.0, [1.0 / len(fits)] * len(fits), terms)
    files = {"model.json": json.dumps(merged, ensure_ascii=False, indent=1).encode()}
    for k, fit in enumerate(fits):
        files |= {_name(file, k): content for file, content in fit.files.items() if file != "model.json"}
    first = fits[0]
    told = f"the mean of {len(fits)} fits that differ by their seed; of the first:"
    return Candidate(
        name="averaged_effects",
        files=files,
        params={"seeds": len(fits), **first.params},
        notes=(told, *first.notes) if len(fits) > 1 else first.notes,
        importance={name: sum(fit.importance[name] for fit in fits) / len(fits) for name in first.importance},
    )


def _rename(node: Any, k: int) -> Any:
    """The expression with the names that the files of fit k have among those of all fits."""
    if isinstance(node, Mapping):
        return {key: _name(value, k) if key == "file" else _rename(value, k) for key, value in node.items()}
    return [_rename(one, k) for one in node] if isinstance(node, list) else node


def _name(file: str, k: int) -> str:
    return f"seed_{k + 1}_{file}"


def _silent(_share: float, _words: str) -> None:
    return


__all__ = ["average", "fit_averaged_effects", "seeds_for"]
