"""Who is leaving: the candidates that answer with `p_churn`, the chance of being lost."""

from __future__ import annotations

import numpy as np

from netlift.config.definitions import Search
from netlift.errors import ConfigError, DataError
from netlift.estimators.boosting import BINARY, Machine, bin_rows, fit_rounds, gain_shares
from netlift.estimators.calibration import calibrate_probabilities
from netlift.estimators.cells import fit_cells
from netlift.estimators.cross_fit import OUTSIDE, assign_folds, draw_folds, predict_out_of_fold, sample_customers
from netlift.estimators.expression import Expression, booster, write_files
from netlift.estimators.logistic import fit_logistic, prepare_columns
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.season import CALENDAR, covers_year, has_calendar
from netlift.estimators.stored import StoredModel
from netlift.estimators.tuning import Progress, tune

OUTPUT = "p_churn"
UNIT = "probability"
BOOSTER_FILE = "churn.txt"
RHYTHM = ("days_since_last_purchase", "days_since_last_purchase_over_gap")
RHYTHM_CELLS = 10
LOGISTIC_ROWS = 100_000


def fit_churn(
    name: str,
    train: LabelledRows,
    calibration: LabelledRows,
    *,
    search: Search,
    seed: int,
    threads: int,
    progress: Progress,
) -> Candidate:
    """Fit one candidate for the chance of being lost.

    Settings are searched on `train`. The final fit sees both, and its probabilities are calibrated by cross-fitting
    over both, customers kept whole: what one cutoff alone would teach is its season (see `calibration.py`). Nothing is
    resampled or weighted, so probabilities stay probabilities.

    Args:
        name: own_rhythm (share lost by silence and by silence over the own typical gap), logistic or lightgbm.
        train: Customers at cutoffs whose labels were whole at the calibration cutoff; y is 1 for lost.
        calibration: Customers at the newest cutoff before the test, or more.
        search: How LightGBM is tuned, and the folds of cross-fitting.
        seed: Of folds, search and fits.
        threads: LightGBM and linear algebra threads.
        progress: Called with steps done, steps in all and the lowest loss so far.

    Raises:
        ConfigError: No candidate of that name.
        DataError: One class only, fewer customers than folds, or a feature that the candidate needs is excluded.
    """
    rows = train.join(calibration)
    for which, part in (("fit", train), ("calibration", calibration)):
        lost = int(np.count_nonzero(part.y))
        if lost in (0, len(part)):
            raise DataError(
                f"churn: {lost:,} of {len(part):,} rows at the {which} cutoffs were lost, both kinds are needed; "
                "change horizon_days or active_within_days"
            )
    machine = Machine(seed=seed, threads=threads)
    if name == "own_rhythm":
        return _fit_own_rhythm(rows)
    if name == "logistic":
        return _fit_logistic(rows, search, machine)
    if name == "lightgbm":
        return _fit_lightgbm(train, rows, search, machine, progress)
    raise ConfigError(f"churn has no candidate {name!r}; there are own_rhythm, logistic and lightgbm")


def _fit_own_rhythm(rows: LabelledRows) -> Candidate:
    expression = fit_cells(rows, rows.y, RHYTHM, cells=RHYTHM_CELLS)
    return Candidate(name="own_rhythm", files=_files(rows, expression), params={"cells": len(expression["values"])})


def _fit_logistic(rows: LabelledRows, search: Search, machine: Machine) -> Candidate:
    sample = rows.take(sample_customers(rows.customer, most=LOGISTIC_ROWS, seed=machine.seed))
    columns, notes = prepare_columns(sample), []
    if has_calendar(sample) and not covers_year(sample):
        columns = tuple(column for column in columns if column.name not in CALENDAR)
        notes.append("the calendar was left out: the cutoffs leave a third of the year unseen, a line would guess it")
    fold = assign_folds(sample.customer, folds=search.folds, seed=machine.seed)
    p = np.empty(len(sample))
    for k in range(search.folds):
        part = fit_logistic(sample.take(fold != k), columns, threads=machine.threads)
        held_out = StoredModel(_files(sample, part))
        p[fold == k] = held_out.predict_matrix(sample.X[fold == k])[OUTPUT]
    curve = calibrate_probabilities(sample.y, p)
    expression = curve.on(fit_logistic(sample, columns, threads=machine.threads))
    notes.append(f"calibration: {curve.method}")
    if len(sample) < len(rows):
        notes.append(f"fitted on {len(sample):,} of {len(rows):,} rows, whole customers drawn at random")
    return Candidate(
        name="logistic", files=_files(rows, expression), params={"columns": len(columns)}, notes=tuple(notes)
    )


def _fit_lightgbm(
    train: LabelledRows, rows: LabelledRows, search: Search, machine: Machine, progress: Progress
) -> Candidate:
    binned = bin_rows(rows, machine)
    learn = np.arange(len(rows)) < len(train)
    tuning = tune(binned, rows.y, learn, rows.customer, BINARY, search, progress=progress)
    fold = draw_folds(rows.customer, folds=search.folds, seed=machine.seed)
    everyone = np.ones(len(rows), dtype=bool)
    inside = fold != OUTSIDE
    rounds = tuning.rounds_for(round(inside.sum() * (1 - 1 / search.folds)))
    p = predict_out_of_fold(binned, rows.y, everyone, fold, BINARY, tuning.params, rounds=rounds)
    curve = calibrate_probabilities(rows.y[inside], p[inside])
    final = fit_rounds(binned.bins, BINARY, tuning.params, machine, rounds=tuning.rounds_for(len(rows)))
    expression = curve.on(booster(BOOSTER_FILE, link=BINARY.link))
    return Candidate(
        name="lightgbm",
        files=_files(rows, expression, {BOOSTER_FILE: final.model_to_string()}),
        params=tuning.record(),
        notes=(*tuning.notes, f"calibration: {curve.method}"),
        importance=gain_shares(final, rows.features),
    )


def _files(rows: LabelledRows, expression: Expression, boosters: dict[str, str] | None = None) -> dict[str, bytes]:
    outputs = [(OUTPUT, UNIT, expression)]
    return write_files(task="churn", features=rows.features, outputs=outputs, boosters=boosters or {})
