"""Money of real customers after a cutoff, out of time: our candidates, plain LightGBM, simple rules, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from value_cases import (
    SEED,
    THREADS,
    Case,
    definition_of,
    opened,
    predict,
    rows_at,
    settings_of,
    split,
    train_case,
    words_before,
)
from value_findings import MONEY_COLUMNS, Finding, Section, Target, against, money_row
from value_peers import plain_lightgbm

from netlift.config.definitions import LtvDefinition, Search
from netlift.data.history import read_history
from netlift.data.read import Tables, open_tables
from netlift.errors import DataError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import Folds
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.value.ltv import CANDIDATES, Horizon, fit_tuned_ltv, tune_ltv
from netlift.training.task import TrainedModel

FIRST_DAY = date(1997, 1, 1)
TEST_WEEK, TRAINING_WEEKS, HORIZON = 52, (14, 17, 20, 23, 26), 182
WHOLE_HISTORY = 546
GINI, BIAS = 0.760, 0.05
UNTUNED = ("mean_by_rfm", "last_period", "bg_nbd")
RIVALS = ("bg_nbd", "LightGBM, Tweedie 1.5", "last_period", "mean_by_rfm")
STEP_DAYS = 14
Fits = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is predicted of whom: days, and what labels there are to learn it from.

    Attributes:
        horizon: Days predicted.
        learnt: Days of the labels that were learnt from; less than the horizon where no longer label was whole.
        gap: Days between the cutoff and the first predicted.
    """

    horizon: int
    learnt: int
    gap: int = 0

    @property
    def asked(self) -> Horizon:
        """The horizon of a label-free model."""
        return Horizon(days=self.horizon, gap_days=self.gap)

    @property
    def trained(self) -> Horizon:
        """The horizon of a model that learns from labels."""
        longer = self.horizon if self.horizon > self.learnt else None
        return Horizon(days=self.learnt, gap_days=self.gap, extrapolate_to_days=longer)

    @property
    def output(self) -> str:
        """The output that answers, of a model that learnt from labels."""
        return f"ltv_{self.horizon}d" + ("_extrapolated" if self.horizon > self.learnt else "")


def run_cdnow(data: Path, *, quick: bool) -> Finding:
    """Protocol 6.1, second part: spend of 26 weeks after week 52, learnt from cutoffs of weeks 14 to 26.

    Args:
        data: Folder of the public files.
        quick: Only the candidates that need no search, and the stack.
    """
    settings = settings_of("cdnow", data)
    definition = _widened(definition_of(settings, "ltv"), HORIZON, WHOLE_HISTORY)
    test = FIRST_DAY + timedelta(weeks=TEST_WEEK)
    cutoffs = [FIRST_DAY + timedelta(weeks=week) for week in TRAINING_WEEKS]
    with opened(settings) as tables:
        rows = rows_at(tables, definition, (*cutoffs, test), words_before(tables, cutoffs[0]))
    with open_tables(settings) as everything:
        shipped, asked = train_case(settings, everything, definition_of(settings, "ltv"))
    case = split(rows, test)
    names = (*UNTUNED, "stack") if quick else CANDIDATES
    question = Question(horizon=HORIZON, learnt=HORIZON)
    fits, notes = fit_candidates(case, question, definition.search, names)
    board = fits | plain_lightgbm(case.known, case.test)
    targets = []
    if "stack" in fits:
        figures = money_row("stack", case.test.y, fits["stack"], case.test.customer)
        targets = [
            Target(name="normalized Gini of stack", value=figures["gini"].point, bound=GINI, sense=">="),
            Target(name="|bias| of the same model", value=abs(figures["bias"].point), bound=BIAS, sense="<="),
        ]
    predicted = (
        f"Spend in USD of the {len(case.test):,} customers who had spent anything, over the {HORIZON} days from {test} "
        f"on, no gap, not discounted. Learnt from labels of {HORIZON} days at {', '.join(map(str, cutoffs))}; receipts "
        f"of 0 dollars left out. {np.mean(case.test.y > 0):.1%} bought."
    )
    as_shipped, own_targets = _shipped(shipped, asked)
    targets += own_targets
    sections = (
        Section(title="Spend of 26 weeks, out of time", predicted=predicted, rows=_table(case, board), notes=notes),
        _compared("stack", case, board, predicted),
        as_shipped,
    )
    return Finding(slug="cdnow-spend", sections=sections, targets=targets)


def _shipped(trained: TrainedModel, case: Case) -> tuple[Section, list[Target]]:
    """What `netlift train ltv --config configs/cdnow.yaml` makes champion, everybody of the cohort asked about."""
    gini, bias = trained.metrics["normalized_gini"], trained.metrics["total_bias"]
    row = {"who": f"champion ({trained.candidate.name})", "gini": gini, "bias": bias}
    row |= {name: trained.metrics[name] for name in ("spearman", "tenths_mape", "prediction_interval_coverage")}
    predicted = (
        f"Spend in USD of all {len(case.test):,} customers of the cohort, those with receipts of 0 dollars only "
        "included, by the model that `netlift train` makes champion with configs/cdnow.yaml: same cutoffs and horizon."
    )
    targets = [
        Target(name="normalized Gini of the champion of netlift train", value=gini.point, bound=GINI, sense=">="),
        Target(name="|bias| of that champion", value=abs(bias.point), bound=BIAS, sense="<="),
    ]
    return Section(title="As shipped", predicted=predicted, rows=[row], notes=trained.notes), targets


def run_one_year(config: str, data: Path, *, quick: bool) -> Finding:
    """A data set of a single year: the horizon that its year can teach, and the half-year that it cannot.

    Args:
        config: online_retail or complete_journey.
        data: Folder of the public files.
        quick: Leave out the half-year.
    """
    settings = settings_of(config, data)
    definition = definition_of(settings, "ltv")
    if not isinstance(definition, LtvDefinition):
        raise TypeError(f"{config}: the definition of ltv is one of {definition.task}")
    with opened(settings) as tables:
        sections, targets = _taught(settings, tables, definition)
        if not quick:
            further, missed = _half_year(tables, definition)
            sections, targets = [*sections, *further], [*targets, *missed]
    return Finding(slug=config.replace("_", "-"), sections=sections, targets=targets)


def fit_candidates(case: Case, question: Question, search: Search, names: Sequence[str]) -> tuple[Fits, list[str]]:
    """Predictions of our candidates for the test rows, and why one is missing.

    Args:
        case: Rows.
        question: What is predicted.
        search: How LightGBM is tuned.
        names: Candidates.
    """
    fits, notes = {}, []
    for name in names:
        try:
            candidate, output = _fit(name, case, question, search)
        except DataError as error:
            notes.append(f"{name} was left out: {error}")
            continue
        fits[name] = predict(candidate.files, case.test, output)
        notes += [f"{name}: {note}" for note in candidate.notes if "calibration" in note or "stack" in note]
    return fits, notes


def _fit(name: str, case: Case, question: Question, search: Search) -> tuple[Candidate, str]:
    machine = Machine(seed=SEED, threads=THREADS)
    free = name in ("bg_nbd", "last_period")
    horizon = question.asked if free else question.trained
    tunings = tune_ltv(name, case.known, horizon=horizon, search=search, machine=machine, progress=lambda *_: None)
    candidate = fit_tuned_ltv(
        name, case.known, tunings, newest=case.blind, horizon=horizon, folds=Folds(number=search.folds), machine=machine
    )
    return candidate, horizon.output if free else question.output


def _widened(definition: Any, horizon: int, observation: int) -> LtvDefinition:
    """The definition with another horizon, seeing the whole history, of everybody who bought in it."""
    windows = definition.windows.model_copy(update={"horizon_days": horizon, "observation_days": observation})
    people = definition.population.model_copy(update={"active_within_days": observation})
    return definition.model_copy(update={"windows": windows, "population": people})


def _table(case: Case, board: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    y = case.test.y
    rows = []
    for who, predicted in board.items():
        row = money_row(who if who not in CANDIDATES else f"netlift {who}", y, predicted, case.test.customer)
        rows.append(row | {"auc(buys)": float(roc_auc_score(y > 0, predicted))})
    return rows


def _compared(champion: str, case: Case, board: Mapping[str, np.ndarray], predicted: str) -> Section:
    """The champion less every other, paired by customer."""
    peers = {who: values for who, values in board.items() if who != champion}
    return Section(
        title=f"{champion} less each other, paired by customer",
        predicted=predicted,
        rows=against(case.test.y, board[champion], peers, case.test.customer) if champion in board else [],
        notes=("gini above zero: ours orders better; absolute bias below zero: our total is nearer",),
    )


def _taught(settings: Any, tables: Tables, definition: LtvDefinition) -> tuple[list[Section], list[Target]]:
    """The horizon of the definition: what `netlift train` makes champion, against peers on the same customers."""
    trained, case = train_case(settings, tables, definition)
    windows = definition.windows
    question = Question(horizon=windows.horizon_days, learnt=windows.horizon_days, gap=windows.gap_days)
    champion = f"champion ({trained.candidate.name})"
    board = {champion: predict(trained.candidate.files, case.test)}
    board |= fit_candidates(case, question, definition.search, UNTUNED)[0]
    board |= plain_lightgbm(case.known, case.test)
    cutoff = case.test.cutoff[0].astype("datetime64[D]")
    predicted = (
        f"Margin in {settings.currency} of {len(case.test):,} customers with a purchase in the "
        f"{definition.population.active_within_days} days before {cutoff}, over {windows.horizon_days} days after a "
        f"gap of {windows.gap_days}, returns netted, not discounted: the horizon that a year teaches three times over."
    )
    compared = _compared(champion, case, board, predicted)
    bias = money_row(champion, case.test.y, board[champion], case.test.customer)["bias"].point
    why = "one year cannot teach the season of its own end"
    targets = _targets(f"{windows.horizon_days} days", compared, bias, why)
    rows = [*_table(case, board), *_others(trained, board)]
    table = Section(title=f"{windows.horizon_days} days", predicted=predicted, rows=rows, notes=trained.notes)
    return [table, compared], targets


def _others(trained: TrainedModel, board: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Our candidates that are in the training's leaderboard alone."""
    return [
        {"who": f"netlift {row.candidate}"} | {short: getattr(row, name, None) for name, short in MONEY_COLUMNS.items()}
        for row in trained.leaderboard.rows
        if row.candidate not in board and row.candidate != trained.candidate.name
    ]


def _targets(horizon: str, compared: Section, bias: float, why: str) -> list[Target]:
    """Best or tied in order against each rival of the issue, and the level; a missed level says why it had to be."""
    order = [
        Target(
            name=f"{horizon}: gini less that of {row['against']}, upper end (above 0: better or tied)",
            value=row["gini"].ci_upper,
            bound=0.0,
            sense=">=",
        )
        for row in compared.rows
        if row["against"].startswith(RIVALS)
    ]
    why = why if abs(bias) > BIAS else ""
    return [*order, Target(name=f"{horizon}: |bias|", value=abs(bias), bound=BIAS, sense="<=", why=why)]


def _half_year(tables: Tables, definition: LtvDefinition) -> tuple[list[Section], list[Target]]:
    """26 weeks: no label of 26 weeks is whole before the only cutoff that leaves 26 to judge, so it is extrapolated."""
    history, gap = read_history(tables), definition.windows.gap_days
    late = definition.windows.late_arrival_days
    test = history.end - timedelta(days=HORIZON + gap + late)
    learnt = definition.windows.horizon_days
    newest = test - timedelta(days=learnt + gap)
    earliest = history.first + timedelta(days=STEP_DAYS * 2)
    cutoffs = [cutoff for k in range(8) if (cutoff := newest - timedelta(days=STEP_DAYS * k)) >= earliest]
    if not cutoffs:
        return [], []
    seen = (test - history.first).days
    words = words_before(tables, min(cutoffs))
    known = rows_at(tables, _widened(definition, learnt, seen), cutoffs, words)
    judged = rows_at(tables, _widened(definition, HORIZON, seen), [test], words)
    case = Case(known=_aligned(known), test=_aligned(judged))
    question = Question(horizon=HORIZON, learnt=learnt, gap=gap)
    fits, notes = fit_candidates(case, question, definition.search, (*UNTUNED, "tweedie", "two_part", "stack"))
    rate = HORIZON / learnt
    board = fits | {
        f"{who}, x {rate:.2f}": rate * values for who, values in plain_lightgbm(case.known, case.test).items()
    }
    predicted = (
        f"Margin of {len(judged):,} customers who had bought by {test}, over {HORIZON} days after a gap of {gap}. The "
        f"year has {history.days} days: {seen} before that cutoff, and no label of {HORIZON} days was whole by then. "
        f"bg_nbd and last_period need no label. The others learnt labels of {learnt} days at {min(cutoffs)} to "
        f"{max(cutoffs)} and are extrapolated: ours by what BG/NBD expects of the longer time over the shorter, plain "
        "LightGBM by the ratio of days."
    )
    first = "stack" if "stack" in board else next(iter(board))
    compared = _compared(first, case, board, predicted)
    bias = money_row(first, case.test.y, board[first], case.test.customer)["bias"].point
    why = "no label of 26 weeks was whole before the cutoff, so neither level nor season could be learnt"
    table = Section(title="26 weeks, extrapolated", predicted=predicted, rows=_table(case, board), notes=notes)
    return [table, compared], _targets("26 weeks", compared, bias, why)


def _aligned(rows: LabelledRows) -> LabelledRows:
    """Rows in the order of their customers."""
    return rows.take(np.lexsort((rows.customer, rows.cutoff)))
