"""LTV candidates that predict the margin of the horizon, net of returns.

Every candidate ends alike: money that comes in, its level and season calibrated where it was learnt out of fold, less
the loss by returns, with an interval and a deviation for the one customer, and with what a longer time would bring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from netlift.config.definitions import Search
from netlift.config.own_parts import own_path
from netlift.errors import ConfigError, DataError
from netlift.estimators.boosting.lightgbm import TWEEDIE, Machine
from netlift.estimators.boosting.tuning import PART_WORDS, Progress
from netlift.estimators.calibration import calibrate_level, join_steps
from netlift.estimators.credibility import fit_cells
from netlift.estimators.cross_fit import Folds
from netlift.estimators.expression import Expression, column, linear, product, write_files
from netlift.estimators.own_learner import OWN_FILE, fit_own, own_expression, predict_own
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.value.baselines import (
    BEST_COLUMN,
    DEFAULT_LIGHTGBM,
    STANDARD_BASELINES,
    find_best_column,
    fit_default_lightgbm,
)
from netlift.estimators.value.baselines import (
    BOOSTER_FILE as DEFAULT_FILE,
)
from netlift.estimators.value.boosted import Tunings, fit_parts, tune_parts
from netlift.estimators.value.btyd import (
    Processes,
    add_expressions,
    evaluate_expressions,
    fit_processes,
    newest_of,
)
from netlift.estimators.value.level_correction import learn_anchor, learn_season, needs_anchor
from netlift.estimators.value.prediction_interval import learn_spread

UNIT = "currency"
RECENCY = "days_since_last_purchase"
RFM = (RECENCY, "purchases_365d", "margin_365d")
RFM_CELLS = 5
RETURN_CELLS = 8
BOOSTED = {"tweedie": "tweedie", "ziln": "ziln", "two_part": "two_part", "stack": "two_part"}
UNTUNED = ("mean_by_rfm", "last_period", "bg_nbd")
COLUMN_GROUPS = 100
CANDIDATES = (*UNTUNED, *BOOSTED, *STANDARD_BASELINES)


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """What is predicted.

    Attributes:
        days: Days predicted; part of the output's name.
        gap_days: Days between the cutoff and the first of them.
        discount_rate_year: By which later margin counts for less.
        extrapolate_to_days: A longer time that no label covers; None for none.
        name: Of the task, as the output's name begins.
        unit: What one unit is.
    """

    days: int
    gap_days: int = 0
    discount_rate_year: float = 0.0
    extrapolate_to_days: int | None = None
    name: str = "ltv"
    unit: str = UNIT

    @property
    def output(self) -> str:
        """Name of what is predicted."""
        return f"{self.name}_{self.days}d"


@dataclass(frozen=True, kw_only=True)
class RawValue:
    """Money that comes in, before it is calibrated.

    Attributes:
        expression: It, stored.
        predicted: It, for the rows learnt from, out of fold where that makes a difference; NaN for rows that take no
            part, shape (n,).
        honest: Whether the level may be calibrated on `predicted`: it did not see the rows' labels, or not their own.
        boosters: File name to LightGBM text.
        params: What tuning chose.
        notes: What a reader must know.
        importance: Share of gain by feature.
    """

    expression: Expression
    predicted: np.ndarray
    honest: bool
    boosters: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, float | int | str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    importance: Mapping[str, float] = field(default_factory=dict)


def tune_ltv(
    name: str, rows: LabelledRows, *, horizon: Horizon, search: Search, machine: Machine, progress: Progress
) -> Tunings:
    """Search the settings of a candidate; nothing for one that has none.

    Args:
        name: The candidate.
        rows: Customers at cutoffs; y is margin, in currency.
        horizon: What is predicted.
        search: How LightGBM is tuned.
        machine: Seed and threads.
        progress: Called with steps done, steps in all and the lowest loss so far.

    Raises:
        ConfigError: No candidate of that name.
        DataError: Nobody or everybody brought margin, or fewer customers than folds.
    """
    _require_known(name)
    if name not in BOOSTED:
        return {}
    buyers = int(np.count_nonzero(rows.y > 0))
    if buyers in (0, len(rows)):
        raise DataError(
            f"{buyers:,} of {len(rows):,} rows at the fit cutoffs have a label above zero, both kinds are needed; "
            "change horizon_days or active_within_days"
        )
    if name == "stack":
        rows = add_expressions(rows, _columns_of(fit_processes(newest_of(rows)), horizon))
    came_in = np.maximum(rows.y, 0.0)
    return tune_parts(BOOSTED[name], rows, came_in, search=search, machine=machine, progress=progress)


def fit_tuned_ltv(
    name: str,
    rows: LabelledRows,
    tunings: Tunings,
    *,
    newest: LabelledRows,
    horizon: Horizon,
    folds: Folds,
    machine: Machine,
) -> Candidate:
    """Fit a candidate whose settings are known.

    Args:
        name: mean_by_rfm (mean margin by cells), last_period (margin of the past horizon), bg_nbd (BG/NBD and
            Gamma-Gamma), tweedie, ziln, two_part, stack (two_part that also sees what the probability models say,
            and is bent to their law of ageing where today's customers are older than any learnt from), best_column or
            default_lightgbm (see `standard_baselines.py`); or an own learner by dotted path or entry point.
        rows: Customers at cutoffs whose labels are whole; y is margin, in currency.
        tunings: What `tune_ltv` gave.
        newest: Customers as of the newest cutoff known, whose histories the probability models learn from; their
            labels are not looked at.
        horizon: What is predicted.
        folds: Of customers, for cross-fitting.
        machine: Seed and threads.

    Raises:
        ConfigError: No candidate of that name.
        DataError: Fewer customers than folds, or a feature that the candidate needs is excluded.
    """
    _require_known(name)
    asked = name in ("bg_nbd", "stack") or horizon.extrapolate_to_days is not None
    processes = fit_processes(newest) if asked else None
    if name in BOOSTED:
        raw = _fit_boosted(name, rows, tunings, processes, horizon, folds=folds, machine=machine)
    elif name == "mean_by_rfm":
        expression = fit_cells(rows, rows.y, RFM, cells=RFM_CELLS)
        raw = _read_off(rows, expression, params={"cells": len(expression["values"])})
    elif name == BEST_COLUMN:
        raw = _best_column(rows)
    elif name == DEFAULT_LIGHTGBM:
        raw = _default_lightgbm(rows, folds, machine)
    elif processes is not None and name == "bg_nbd":
        raw = _read_off(rows, _expected_value(processes, horizon), notes=processes.notes)
    elif (path := own_path(name, "learner")) is not None:
        raw = _own(path, rows, folds, machine)
    else:
        raw = _read_off(rows, _last_period(rows, horizon.days))
    return _finish(name, raw, rows, newest, processes, horizon)


def fit_ltv(
    name: str,
    train: LabelledRows,
    calibration: LabelledRows,
    *,
    horizon_days: int,
    search: Search,
    seed: int,
    threads: int,
    progress: Progress,
) -> Candidate:
    """Search a candidate's settings on some rows and fit it on those and others, undiscounted and without a gap.

    Args:
        name: As `fit_tuned_ltv`.
        train: Customers at cutoffs whose labels were whole at the calibration cutoff; y is margin, in currency.
        calibration: Customers at the newest cutoff before the test, or more.
        horizon_days: Days predicted; part of the output's name.
        search: How LightGBM is tuned, and the folds of cross-fitting.
        seed: Of folds, search and fits.
        threads: LightGBM threads.
        progress: Called with steps done, steps in all and the lowest loss so far.

    Raises:
        ConfigError: No candidate of that name.
        DataError: As `tune_ltv` and `fit_tuned_ltv`.
    """
    machine, horizon = Machine(seed=seed, threads=threads), Horizon(days=horizon_days)
    rows = train.join(calibration)
    tunings = tune_ltv(name, train, horizon=horizon, search=search, machine=machine, progress=progress)
    return fit_tuned_ltv(
        name,
        rows,
        tunings,
        newest=newest_of(rows),
        horizon=horizon,
        folds=Folds(number=search.folds),
        machine=machine,
    )


def _require_known(name: str) -> None:
    if name not in CANDIDATES and own_path(name, "learner") is None:
        raise ConfigError(f"ltv has no candidate {name!r}; there are {', '.join(CANDIDATES)}, and own learners")


def _read_off(
    rows: LabelledRows,
    expression: Expression,
    *,
    params: Mapping[str, float | int | str] | None = None,
    notes: Sequence[str] = (),
) -> RawValue:
    """A value that is taken as it is: no more parameters than cells, or none learnt from labels."""
    predicted = evaluate_expressions(rows, {"value": expression})["value"]
    return RawValue(expression=expression, predicted=predicted, honest=False, params=params or {}, notes=notes)


def _last_period(rows: LabelledRows, days: int) -> Expression:
    """Margin of the past, as long as the horizon: the nearest window of the features, stretched to it."""
    windows = {
        int(match.group(1)): feature.name
        for feature in rows.features
        if (match := re.fullmatch(r"margin_(\d+)d", feature.name))
    }
    if not windows:
        raise DataError("last_period needs a margin_<days>d feature: take them out of `exclude`, or drop the candidate")
    nearest = min(windows, key=lambda window: abs(np.log(window / days)))
    return linear(0.0, [days / nearest], [{"op": "column", "name": windows[nearest]}])


def _best_column(rows: LabelledRows) -> RawValue:
    """The mean money by one column, rising with it or falling."""
    came_in = np.maximum(rows.y, 0.0)
    name, way = find_best_column(rows, came_in)
    turned = way * rows.column(name).astype(np.float64)
    start = 1.0 - float(turned.min())
    curve = join_steps(came_in, start + turned, groups=COLUMN_GROUPS, method="")
    return _read_off(rows, curve.on(linear(start, [way], [column(name)])), params={"column": name})


def _default_lightgbm(rows: LabelledRows, folds: Folds, machine: Machine) -> RawValue:
    fitted = fit_default_lightgbm(rows, np.maximum(rows.y, 0.0), TWEEDIE, folds=folds, machine=machine)
    return RawValue(
        expression=fitted.expression,
        predicted=fitted.out_of_fold,
        honest=True,
        boosters={DEFAULT_FILE: fitted.text},
        importance=fitted.importance,
    )


def _own(path: str, rows: LabelledRows, folds: Folds, machine: Machine) -> RawValue:
    came_in, fold = np.maximum(rows.y, 0.0), folds.draw(rows.customer, seed=machine.seed)
    predicted = predict_own(path, rows.X, rows.features, came_in, fold, seed=machine.seed)
    fitted = fit_own(path, rows.X, rows.features, came_in, seed=machine.seed)
    return RawValue(
        expression=own_expression(path),
        predicted=predicted,
        honest=True,
        boosters={OWN_FILE: fitted.dump()},
    )


def _expected_value(processes: Processes, horizon: Horizon) -> Expression:
    start = horizon.gap_days
    return processes.value(from_days=start, to_days=start + horizon.days, discount_rate_year=horizon.discount_rate_year)


def _columns_of(processes: Processes, horizon: Horizon) -> dict[str, Expression]:
    """What a stack sees beside the features."""
    start = horizon.gap_days
    return {
        "p_alive": processes.p_alive,
        "expected_purchase_days": processes.count(from_days=start, to_days=start + horizon.days),
        "expected_margin": _expected_value(processes, horizon),
    }


def _fit_boosted(
    name: str,
    rows: LabelledRows,
    tunings: Tunings,
    processes: Processes | None,
    horizon: Horizon,
    *,
    folds: Folds,
    machine: Machine,
) -> RawValue:
    columns: dict[str, Expression] = {}
    notes: tuple[str, ...] = ()
    if processes is not None and name == "stack":
        columns, notes = _columns_of(processes, horizon), processes.notes
    seen = add_expressions(rows, columns)
    fold = folds.draw(rows.customer, seed=machine.seed)
    fitted = fit_parts(
        BOOSTED[name],
        seen,
        np.maximum(rows.y, 0.0),
        tunings,
        fold=fold,
        machine=machine,
        extra=tuple(columns.values()),
    )
    record = [tuning.record(f"{PART_WORDS.get(part, part)}.") for part, tuning in tunings.items()]
    return RawValue(
        expression=fitted.expression,
        predicted=fitted.out_of_fold,
        honest=True,
        boosters=fitted.boosters,
        params={key: value for part in record for key, value in part.items()},
        notes=(*dict.fromkeys(note for tuning in tunings.values() for note in tuning.notes), *notes, *fitted.notes),
        importance=fitted.importance,
    )


def _finish(
    name: str,
    raw: RawValue,
    rows: LabelledRows,
    newest: LabelledRows,
    processes: Processes | None,
    horizon: Horizon,
) -> Candidate:
    """The candidate in its stored form: level, season and returns, the spread around it, and a longer time."""
    inside = ~np.isnan(raw.predicted)
    sample, predicted = rows.take(inside), raw.predicted[inside]
    value, notes = raw.expression, list(raw.notes)
    if raw.honest:
        came_in = np.maximum(sample.y, 0.0)
        curve = calibrate_level(came_in, predicted, sample.customer)
        season = learn_season(sample, came_in, curve.apply(predicted))
        predicted = season.apply(sample, curve.apply(predicted))
        value = season.on(curve.on(value))
        notes += [f"calibration: {curve.method}", season.note]
        if processes is not None and name == "stack" and needs_anchor(sample, newest):
            aged = _expected_value(processes.aged(), horizon)
            both = evaluate_expressions(newest, {"trees": value, "aged": aged}, raw.boosters)
            bent = learn_anchor(sample, newest, both["trees"], both["aged"])
            value = bent.on(value)
            notes.append(bent.method)
        losses, said = _returns(rows)
        notes.append(said)
        if losses is not None:
            value = linear(0.0, [1.0, -1.0], [value, losses])
            predicted = predicted - evaluate_expressions(sample, {"loss": losses})["loss"]
    outputs = [(horizon.output, horizon.unit, value)]
    outputs += learn_spread(sample.y, predicted).outputs(horizon.output, horizon.unit, value)
    if processes is not None and horizon.extrapolate_to_days:
        growth = processes.growth(
            from_days=horizon.gap_days,
            horizons=(horizon.days, horizon.extrapolate_to_days),
            discount_rate_year=horizon.discount_rate_year,
        )
        longer = f"ltv_{horizon.extrapolate_to_days}d_extrapolated"
        outputs.append((longer, horizon.unit, product([value, growth])))
        notes.append(
            f"{longer} is no forecast that a label was held against: {horizon.output} times what BG/NBD expects of the "
            "longer time over the shorter; it knows no season"
        )
    return Candidate(
        name=name,
        files=write_files(task=horizon.name, features=rows.features, outputs=outputs, boosters=raw.boosters),
        params=dict(raw.params),
        notes=tuple(notes),
        importance=dict(raw.importance),
    )


def _returns(rows: LabelledRows) -> tuple[Expression | None, str]:
    """What those lose us whose returns exceed their purchases, by cells of recency; and in words how much that is."""
    loss = np.maximum(-rows.y, 0.0)
    lost = loss.sum()
    if lost == 0:
        return None, "no label was below zero"
    share = lost / np.maximum(rows.y, 0.0).sum()
    note = (
        f"{np.count_nonzero(loss):,} of {len(rows):,} labels were below zero, together {share:.2%} of those above "
        f"zero; subtracted by cells of {RECENCY}"
    )
    return fit_cells(rows, loss, [RECENCY], cells=RETURN_CELLS), note
