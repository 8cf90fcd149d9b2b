"""Churn candidates that predict `p_churn`, the probability of being lost."""

from __future__ import annotations

import numpy as np

from netlift.config.definitions import Search
from netlift.config.own_parts import own_path
from netlift.errors import ConfigError, DataError
from netlift.estimators.boosting.lightgbm import BINARY, Machine, boosting_rows, gain_shares, to_expected
from netlift.estimators.boosting.tuning import Progress, Tuning, tune
from netlift.estimators.calibration import calibrate_probabilities
from netlift.estimators.credibility import fit_cells
from netlift.estimators.cross_fit import Folds, fit_and_score_out_of_fold, rows_learnt_from, sample_customers
from netlift.estimators.expression import Expression, booster, linear, write_files
from netlift.estimators.logistic import cross_fit_logistic, fit_logistic, prepare_columns
from netlift.estimators.own_learner import OWN_FILE, fit_own, own_expression, predict_own
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.value.baselines import (
    BEST_COLUMN,
    DEFAULT_LIGHTGBM,
    STANDARD_BASELINES,
    find_best_column,
    fit_default_lightgbm,
    has_receipts,
)
from netlift.estimators.value.baselines import (
    BOOSTER_FILE as DEFAULT_FILE,
)
from netlift.estimators.value.btyd import add_expressions, evaluate_expressions, fit_processes, newest_of
from netlift.estimators.value.level_correction import CALENDAR, covers_year, has_calendar

OUTPUT = "p_churn"
UNIT = "probability"
BOOSTER_FILE = "churn.txt"
RHYTHM = ("days_since_last_purchase", "days_since_last_purchase_over_gap")
RHYTHM_CELLS = 10
LOGISTIC_ROWS = 50_000
CANDIDATES = ("own_rhythm", "p_alive", "logistic", "lightgbm", *STANDARD_BASELINES)


def tune_churn(name: str, rows: LabelledRows, *, search: Search, machine: Machine, progress: Progress) -> Tuning | None:
    """Search the settings of a candidate; None for one that has none.

    Args:
        name: The candidate.
        rows: Customers at cutoffs; y is 1 for lost.
        search: How LightGBM is tuned.
        machine: Seed and threads.
        progress: Called with steps done, steps in all and the lowest loss so far.

    Raises:
        ConfigError: No candidate of that name.
        DataError: One class only, or fewer customers than folds.
    """
    _require_known(name)
    _require_both_kinds(rows)
    if name != "lightgbm":
        return None
    seen, _, _ = _with_p_alive(rows, newest_of(rows))
    everyone = np.ones(len(rows), dtype=bool)
    return tune(boosting_rows(seen, machine), rows.y, everyone, rows.customer, BINARY, search, progress=progress)


def fit_tuned_churn(
    name: str, rows: LabelledRows, tuning: Tuning | None, *, newest: LabelledRows, folds: Folds, machine: Machine
) -> Candidate:
    """Fit a candidate whose settings are known.

    Probabilities are calibrated by cross-fitting over all rows, customers kept whole: what one cutoff alone would teach
    is its season (see `calibration.py`). Nothing is resampled or weighted, so probabilities stay probabilities.

    Args:
        name: own_rhythm (share lost by silence and by silence over the own typical gap), p_alive (the chance of MBG/NBD
            that the customer is still one, calibrated), logistic, lightgbm (which sees p_alive too), best_column or
            default_lightgbm (see `standard_baselines.py`); or an own learner by dotted path or entry point.
        rows: Customers at cutoffs whose labels are whole; y is 1 for lost.
        tuning: What `tune_churn` gave.
        newest: Customers as of the newest cutoff known, whose histories P(alive) is learnt from; their labels are not
            looked at.
        folds: Of customers, for cross-fitting.
        machine: Seed and threads.

    Raises:
        ConfigError: No candidate of that name.
        DataError: One class only, fewer customers than folds, or a feature that the candidate needs is excluded.
    """
    _require_known(name)
    _require_both_kinds(rows)
    if name == "own_rhythm":
        return _fit_own_rhythm(rows)
    if name == "p_alive":
        return _fit_p_alive(rows, newest)
    if name == "logistic":
        return _fit_logistic(rows, folds, machine)
    if name == BEST_COLUMN:
        return _fit_best_column(rows)
    if name == DEFAULT_LIGHTGBM:
        return _fit_default_lightgbm(rows, folds, machine)
    if (path := own_path(name, "learner")) is not None:
        return _fit_own(name, path, rows, folds, machine)
    if tuning is None:
        raise ConfigError("churn: lightgbm is fitted with the settings of a search, none were given")
    return _fit_lightgbm(rows, tuning, newest, folds, machine)


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
    """Search a candidate's settings on some rows and fit it on those and others.

    Args:
        name: As `fit_tuned_churn`.
        train: Customers at cutoffs whose labels were whole at the calibration cutoff; y is 1 for lost.
        calibration: Customers at the newest cutoff before the test, or more.
        search: How LightGBM is tuned, and the folds of cross-fitting.
        seed: Of folds, search and fits.
        threads: How many fits may run side by side.
        progress: Called with steps done, steps in all and the lowest loss so far.

    Raises:
        ConfigError: No candidate of that name.
        DataError: As `tune_churn` and `fit_tuned_churn`.
    """
    machine = Machine(seed=seed, threads=threads)
    rows = train.join(calibration)
    tuning = tune_churn(name, train, search=search, machine=machine, progress=progress)
    return fit_tuned_churn(
        name, rows, tuning, newest=newest_of(rows), folds=Folds(number=search.folds), machine=machine
    )


def _require_known(name: str) -> None:
    if name not in CANDIDATES and own_path(name, "learner") is None:
        raise ConfigError(f"churn has no candidate {name!r}; there are {', '.join(CANDIDATES)}, and own learners")


def _require_both_kinds(rows: LabelledRows) -> None:
    lost = int(np.count_nonzero(rows.y))
    if lost in (0, len(rows)):
        raise DataError(
            f"{lost:,} of {len(rows):,} rows at the cutoffs learned from have label 1, both kinds are needed; "
            "change horizon_days or active_within_days"
        )


def _fit_own_rhythm(rows: LabelledRows) -> Candidate:
    expression = fit_cells(rows, rows.y, RHYTHM, cells=RHYTHM_CELLS)
    return Candidate(name="own_rhythm", files=_files(rows, expression), params={"cells": len(expression["values"])})


def _fit_p_alive(rows: LabelledRows, newest: LabelledRows) -> Candidate:
    processes = fit_processes(newest)
    gone = linear(1.0, [-1.0], [processes.p_alive])
    curve = calibrate_probabilities(rows.y, evaluate_expressions(rows, {"gone": gone})["gone"])
    notes = (*processes.notes, f"calibration: {curve.method}")
    return Candidate(name="p_alive", files=_files(rows, curve.on(gone)), notes=notes)


def _with_p_alive(
    rows: LabelledRows, newest: LabelledRows
) -> tuple[LabelledRows, tuple[Expression, ...], tuple[str, ...]]:
    """The rows with P(alive) behind the features, where purchases can teach it; its expression; and why not, if not."""
    if not has_receipts(rows):
        return rows, (), ()
    try:
        p_alive = fit_processes(newest).p_alive
    except DataError as error:
        return rows, (), (f"without P(alive): {error}",)
    return add_expressions(rows, {"p_alive": p_alive}), (p_alive,), ()


def _fit_best_column(rows: LabelledRows) -> Candidate:
    name, _ = find_best_column(rows, rows.y)
    column = rows.select([name])
    inputs = prepare_columns(column)
    if not inputs:
        raise DataError(f"{name} orders customers best and is the same for nearly all of them")
    expression = fit_logistic(column, inputs)
    return Candidate(name=BEST_COLUMN, files=_files(rows, expression), params={"column": name})


def _fit_default_lightgbm(rows: LabelledRows, folds: Folds, machine: Machine) -> Candidate:
    fitted = fit_default_lightgbm(rows, rows.y, BINARY, folds=folds, machine=machine)
    inside = ~np.isnan(fitted.out_of_fold)
    curve = calibrate_probabilities(rows.y[inside], fitted.out_of_fold[inside])
    return Candidate(
        name=DEFAULT_LIGHTGBM,
        files=_files(rows, curve.on(fitted.expression), {DEFAULT_FILE: fitted.text}),
        notes=(f"calibration: {curve.method}",),
        importance=fitted.importance,
    )


def _fit_logistic(rows: LabelledRows, folds: Folds, machine: Machine) -> Candidate:
    sample = rows.take(sample_customers(rows.customer, most=LOGISTIC_ROWS, seed=machine.seed))
    columns, notes = prepare_columns(sample), []
    if has_calendar(sample) and not covers_year(sample):
        columns = tuple(column for column in columns if column.name not in CALENDAR)
        notes.append("the calendar was left out: the cutoffs leave a third of the year unseen, a line would guess it")
    fold = folds.draw(sample.customer, seed=machine.seed)
    whole, p = cross_fit_logistic(sample, columns, fold)
    curve = calibrate_probabilities(sample.y[fold >= 0], p[fold >= 0])
    notes.append(f"calibration: {curve.method}")
    if len(sample) < len(rows):
        notes.append(f"fitted on {len(sample):,} of {len(rows):,} rows, whole customers drawn at random")
    files = _files(rows, curve.on(whole))
    return Candidate(name="logistic", files=files, params={"columns": len(columns)}, notes=tuple(notes))


def _fit_lightgbm(
    rows: LabelledRows, tuning: Tuning, newest: LabelledRows, folds: Folds, machine: Machine
) -> Candidate:
    seen, extra, notes = _with_p_alive(rows, newest)
    boosting = boosting_rows(seen, machine)
    fold = folds.draw(rows.customer, seed=machine.seed)
    everyone = np.ones(len(rows), dtype=bool)
    inside = fold >= 0
    final, raw = fit_and_score_out_of_fold(
        boosting,
        rows.y,
        everyone,
        fold,
        BINARY,
        whole=tuning.growth_for(len(rows)),
        by_fold=tuning.growth_for(rows_learnt_from(everyone, fold)),
    )
    curve = calibrate_probabilities(rows.y[inside], to_expected(raw[inside], BINARY))
    expression = curve.on(booster(BOOSTER_FILE, link=BINARY.link, extra=extra))
    return Candidate(
        name="lightgbm",
        files=_files(rows, expression, {BOOSTER_FILE: final.model_to_string()}),
        params=tuning.record(),
        notes=(*tuning.notes, *notes, f"calibration: {curve.method}"),
        importance=gain_shares(final, seen.features),
    )


def _fit_own(name: str, path: str, rows: LabelledRows, folds: Folds, machine: Machine) -> Candidate:
    fold = folds.draw(rows.customer, seed=machine.seed)
    p, inside = predict_own(path, rows.X, rows.features, rows.y, fold, seed=machine.seed), fold >= 0
    curve = calibrate_probabilities(rows.y[inside], np.clip(p[inside], 0.0, 1.0))
    fitted = fit_own(path, rows.X, rows.features, rows.y, seed=machine.seed)
    files = _files(rows, curve.on(own_expression(path)), {OWN_FILE: fitted.dump()})
    return Candidate(name=name, files=files, notes=(f"calibration: {curve.method}",))


def _files(rows: LabelledRows, expression: Expression, boosters: dict[str, str] | None = None) -> dict[str, bytes]:
    outputs = [(OUTPUT, UNIT, expression)]
    return write_files(task="churn", features=rows.features, outputs=outputs, boosters=boosters or {})
