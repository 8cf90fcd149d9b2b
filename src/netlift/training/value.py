"""Training of churn, LTV and own tasks: fits on past cutoffs, evaluation on the newest complete label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netlift.config.definitions import (
    AmountDefinition,
    ChurnDefinition,
    CutoffTask,
    EventDefinition,
    FlagDefinition,
    LtvDefinition,
    UpliftDefinition,
    Windows,
)
from netlift.data.contract import MONTHLY_MONEY
from netlift.errors import DataError, UsageError
from netlift.estimators.boosting.tuning import PART_WORDS, Tuning
from netlift.estimators.cross_fit import sample_customers
from netlift.estimators.rows import Candidate, LabelledRows, RowSplit
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.baselines import STANDARD_BASELINES
from netlift.evaluation.churn.attributes import AttributeRow, HeldOut, explain_attributes, tell_attributes
from netlift.evaluation.churn.gains import strongest_feature
from netlift.evaluation.influence import Clusters, mean_of
from netlift.features.snapshot import ONE_DAY, order_categories
from netlift.results import Estimate, Table
from netlift.training.calendar import plan_calendar, warn_of_season
from netlift.training.churn import ChurnJudge
from netlift.training.customer_rows import (
    TrainingSet,
    build_flagged_rows,
    build_labelled_rows,
    require_blind_features,
)
from netlift.training.gate import (
    GateCheck,
    beats_baseline,
    feature_alone_believable,
    features_believable,
    money_agrees,
)
from netlift.training.judge import Earlier, Judge
from netlift.training.ltv import LtvJudge
from netlift.training.own import AmountJudge, EventJudge
from netlift.training.task import TrainedModel, TrainingTask

BASELINES = ("own_rhythm", "p_alive", "logistic", "mean_by_rfm", "last_period", "bg_nbd", *STANDARD_BASELINES)
JUDGES: dict[type[CutoffTask], type[Judge[Any]]] = {
    ChurnDefinition: ChurnJudge,
    LtvDefinition: LtvJudge,
    EventDefinition: EventJudge,
    AmountDefinition: AmountJudge,
}
LEAST_LEVEL_SD = 0.005
COMPARED_ROWS = 30_000  # that candidates are fitted on to be compared before the test


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A candidate at the cutoff where candidates are compared, before the test.

    Attributes:
        candidate: Its name.
        loss: Mean log loss, or deviance of money: lower is better.
        bias: Predicted over observed total, less 1.
    """

    candidate: str
    loss: float
    bias: float


@dataclass(frozen=True, kw_only=True)
class SearchRow:
    """A setting that the search of a candidate tried, on customer folds before the test.

    Attributes:
        candidate: Its name.
        part: Which of its models, such as purchase or amount; empty where it has one.
        trial: Its number, from 1.
        loss: Held-out loss, lower is better.
        trees: At the lowest loss; 0 where it was cut short.
        pruned: Whether it was cut short.
        settings: What was tried.
    """

    candidate: str
    part: str
    trial: int
    loss: float
    trees: float
    pruned: bool
    settings: str


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The chosen candidate held against another on the test cutoff.

    Attributes:
        against: The other.
        difference: By how much the chosen one's figure is higher, paired by customer.
        money_in_top_tenth: How much more of the held-out money its list of a tenth holds, as a share, paired likewise.
    """

    against: str
    difference: Estimate
    money_in_top_tenth: Estimate


@dataclass(frozen=True, kw_only=True)
class _Posed:
    """The rows of a task, what each is for, and what is known of how they came to be."""

    made: TrainingSet
    split: RowSplit
    judge: Judge[Any]
    windows: Windows | None
    population: str
    active_within_days: int | None
    notes: tuple[str, ...]
    last_notes: tuple[str, ...]
    metrics: dict[str, Estimate] = field(default_factory=dict)


def train_value(assignment: TrainingTask) -> TrainedModel:
    """Fit every candidate of churn, LTV or an own task, choose one, and judge it on rows that were kept apart.

    Candidates are compared at the calibration cutoff, by fits that knew only what was known then; the test cutoff
    judges the one chosen. A history too short for that lets the test cutoff choose too, and the notes say so. Of one
    extract, customers drawn by their ids stand for cutoffs. A learner that neither beats the order of the best baseline
    nor comes nearer to what happened gives way to the nearest of those that order as well as the best.

    Raises:
        HistoryTooShortError: The receipts cover too few days.
        LeakageError: A feature saw what came after its cutoff, or an attribute of an extract tells its flag.
        DataError: Too few rows, one class only, or no candidate that can be fitted.
    """
    definition = assignment.definition
    if isinstance(definition, UpliftDefinition):
        raise UsageError(f"train_value was given the definition of {definition.task}")
    posed = (
        _pose_snapshot(assignment, definition)
        if isinstance(definition, FlagDefinition)
        else _pose_history(assignment, definition)
    )
    made, split, judge = posed.made, posed.split, posed.judge
    known, test = made.rows.take(~split.test), judge.test
    fitted = _fit_candidates(judge, made.rows, split)
    board = fitted.board
    chosen, checks = _choose(judge, board, fitted.trials)
    candidate, outcome = fitted.candidates[chosen], judge.metrics(board[chosen])
    model = StoredModel(candidate.files)
    biases = _biases(outcome, fitted.trials, chosen)
    alone = strongest_feature(
        order_categories(test.X, test.features, judge.happened().astype(np.float64)),
        [feature.name for feature in test.features],
        judge.happened(),
    )
    attributes = _explain(judge, model, board[chosen]) if isinstance(definition, FlagDefinition) else None

    def against(standing: StoredModel) -> Estimate:
        return judge.compare(board[chosen], judge.predict(standing))

    def look_back() -> list[Earlier]:
        return _look_back(judge, chosen, fitted.tunings[chosen], known, posed.windows) if posed.windows else []

    return TrainedModel(
        candidate=candidate,
        features=made.rows.features,
        headline=judge.headline(board[chosen]),
        metrics=outcome | judge.further_metrics(model) | posed.metrics,
        leaderboard=judge.leaderboard(board),
        tables=judge.tables(board[chosen])
        | {"paired": _pair(judge, board, chosen)}
        | ({"before_the_test": Table(name="candidates before the test", rows=fitted.trials)} if fitted.trials else {})
        | ({"search": search} if (search := _tell_search(fitted.tunings)).rows else {})
        | ({"attributes": attributes} if attributes is not None else {}),
        columns=judge.columns,
        candidate_params={name: one.params for name, one in fitted.candidates.items()},
        figures=judge.figures(board[chosen], candidate),
        checks=(
            *checks,
            *judge.checks(board[chosen], look_back),
            features_believable(candidate.importance, bound=definition.gates.max_gain_share),
            feature_alone_believable(*alone, bound=definition.gates.max_feature_auc),
        ),
        against=against,
        measure=judge.measure,
        population=posed.population,
        windows={} if posed.windows is None else _days(posed.windows),
        row_counts={"training": len(known), "test": len(test)},
        notes=(*posed.notes, *fitted.notes, *candidate.notes, *made.notes, *posed.last_notes),
        profile_rows=made.rows.X,
        profile_cutoff=made.rows.cutoff,
        active_within_days=posed.active_within_days,
        observation_days=ONE_DAY if posed.windows is None else posed.windows.observation_days,
        level_sd=max(LEAST_LEVEL_SD, float(np.sqrt(np.mean(np.square(biases))))) if biases else None,
        level_seen=max(len(biases), 1),
        explanation=() if attributes is None else tell_attributes(attributes),
    )


def _pose_history(assignment: TrainingTask, definition: CutoffTask) -> _Posed:
    """Customers at past cutoffs, the newest whose label is whole to judge on."""
    windows = definition.windows
    calendar = plan_calendar(assignment.history, windows)
    assignment.progress.stage(definition.task, f"features of {len(calendar.refit) + 1} cutoffs")
    made = build_labelled_rows(
        assignment.tables,
        definition,
        assignment.vocabulary,
        cutoffs=(*calendar.refit, calendar.test),
        rows_per_partition=assignment.settings.engine.rows_per_partition,
        seed=assignment.settings.seed,
    )
    asked = require_blind_features(
        assignment.tables,
        assignment.vocabulary,
        cutoff=calendar.test,
        observation_days=windows.observation_days,
        seed=assignment.settings.seed,
    )
    split = calendar.split(made.rows.cutoff)
    known, test = made.rows.take(~split.test), made.rows.take(split.test)
    return _Posed(
        made=made,
        split=split,
        judge=JUDGES[type(definition)](assignment, definition, test),
        windows=windows,
        population=_population(definition),
        active_within_days=definition.population.active_within_days,
        notes=(
            f"fitted on cutoffs {', '.join(map(str, calendar.refit))}, settings searched on "
            f"{', '.join(map(str, calendar.fit or calendar.refit))}; judged on {calendar.test}",
            *_say_basis(assignment),
            *warn_of_season(calendar.refit, calendar.test, windows, known),
        ),
        last_notes=(
            *_say_treated(assignment, made.treated[~split.test]),
            f"leak lint: features of {asked:,} customers were computed again without the rows after the cutoff, "
            "without late writes, and with a poisoned future, all equal to the bit",
        ),
        metrics=_treated_shares(made, split.test, level=definition.gates.level),
    )


def _pose_snapshot(assignment: TrainingTask, definition: FlagDefinition) -> _Posed:
    """Flagged customers of one extract, some drawn by their ids to judge on."""
    assignment.progress.stage(definition.task, "attributes of one extract")
    extract = build_flagged_rows(assignment.tables, definition, assignment.vocabulary, seed=assignment.settings.seed)
    return _Posed(
        made=extract.made,
        split=extract.split,
        judge=ChurnJudge(assignment, definition, extract.made.rows.take(extract.split.test), worth=extract.worth),
        windows=None,
        population="Customers of one extract, told apart by a flag.",
        active_within_days=None,
        notes=(
            f"one extract of {assignment.tables.snapshot_of}: {definition.held_out_share:.0%} of the customers, drawn "
            "by their ids, were kept for the judgement; no other time was seen, so how well the order and the level "
            "hold for the months after is not known",
            f"money: {extract.worth.words}"
            if extract.worth.words
            else f"money: the extract names none ({' or '.join(MONTHLY_MONEY)}), so customers are counted",
        ),
        last_notes=(
            "leak lint: not tested; attributes without time do not say whether they were written down before a "
            "customer left or after. Only one that tells the flag by itself is found: ask of each when it was last "
            "changed",
        ),
    )


def _explain(judge: Judge[Any], model: StoredModel, p: np.ndarray) -> Table[AttributeRow]:
    test = judge.test
    return explain_attributes(
        HeldOut(X=test.X, features=test.features, y=test.y, p=p),
        predict=lambda X: model.predict_matrix(X, only=model.outputs[:1])[model.outputs[0]],
        compare=judge.compare,
        level=judge.level,
        seed=judge.machine.seed,
    )


def _days(windows: Windows) -> dict[str, int]:
    return {name: getattr(windows, name) for name in ("observation_days", "gap_days", "horizon_days")}


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """Candidates as they would be registered, what they say of the test rows, and how they did before the test."""

    candidates: dict[str, Candidate]
    board: dict[str, np.ndarray]
    tunings: dict[str, Any]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]


def _fit_candidates(judge: Judge[Any], rows: LabelledRows, split: RowSplit) -> _Fitted:
    """Every candidate of the definition; one that the data do not allow is left out, with the reason."""
    task, progress = judge.definition.task, judge.assignment.progress
    known, before, choice = rows.take(~split.test), rows.take(split.search), rows.take(split.compare)
    compared = before.take(sample_customers(before.customer, most=COMPARED_ROWS, seed=judge.machine.seed))
    candidates: dict[str, Candidate] = {}
    board: dict[str, np.ndarray] = {}
    tunings: dict[str, Any] = {}
    trials, notes = [], []
    names = dict.fromkeys((*judge.definition.candidates, *STANDARD_BASELINES))
    for name in names:
        progress.stage(task, f"{name}: fitting on {len(known):,} rows")
        try:
            tuned = tunings[name] = judge.tune(name, before if len(before) else known)
            if len(before):
                trials.append(_try(judge, name, judge.fit(name, compared, tuned, _blind(choice), once=True), choice))
            candidates[name] = judge.fit(name, known, tuned, _blind(judge.test))
        except DataError as error:
            notes.append(f"{name} was left out: {error}")
            continue
        board[name] = judge.predict(StoredModel(candidates[name].files))
        progress.advance(task, len(candidates), len(names), judge.say(name, board[name]))
    if not candidates:
        raise DataError(f"{task}: no candidate can be fitted; " + "; ".join(notes))
    if not trials:
        notes.append("history too short to compare candidates before the test: the test cutoff chose among them too")
    kept = tuple(trial for trial in trials if trial.candidate in candidates)
    return _Fitted(candidates=candidates, board=board, tunings=tunings, trials=kept, notes=tuple(notes))


def _look_back(judge: Judge[Any], name: str, tuned: Any, known: LabelledRows, windows: Windows) -> list[Earlier]:
    """Every cutoff learnt from at which an earlier label was whole already, predicted by a fit on those labels only."""
    label = np.timedelta64(windows.gap_days + windows.horizon_days, "D")
    found = []
    for cutoff in np.unique(known.cutoff):
        past, rows = known.take(known.cutoff + label <= cutoff), known.take(known.cutoff == cutoff)
        try:
            model = StoredModel(judge.fit(name, past, tuned, _blind(rows)).files) if len(past) else None
        except DataError:
            continue
        if model is not None:
            found.append(Earlier(rows=rows, predicted=_first_output(model, rows)))
    return found


def _blind(rows: LabelledRows) -> LabelledRows:
    """The rows without their labels."""
    return rows.relabel(np.full(len(rows), np.nan))


def _first_output(model: StoredModel, rows: LabelledRows) -> np.ndarray:
    return model.predict_matrix(rows.X, only=model.outputs[:1])[model.outputs[0]]


def _try(judge: Judge[Any], name: str, candidate: Candidate, rows: LabelledRows) -> Trial:
    predicted = _first_output(StoredModel(candidate.files), rows)
    bias = float(predicted.sum() / rows.y.sum() - 1)
    return Trial(candidate=name, loss=judge.loss(rows.y, predicted), bias=bias)


def _choose(judge: Judge[Any], board: Mapping[str, np.ndarray], trials: Sequence[Trial]) -> tuple[str, list[GateCheck]]:
    """The candidate that goes on, and what the gate asks of it against the best baseline."""
    loss = {trial.candidate: trial.loss for trial in trials}
    if not loss:
        loss = {name: judge.loss(judge.test.y, predicted) for name, predicted in board.items()}
    score = {name: -loss[name] for name in board}
    baselines = [name for name in board if name in BASELINES]
    learners = [name for name in board if name not in BASELINES]
    if not baselines or not learners:
        return max(board, key=lambda name: score[name]), []
    learner = max(learners, key=lambda name: score[name])
    rival = max(baselines, key=lambda name: judge.primary(board[name]))
    gain = judge.compare(board[learner], board[rival])
    least = judge.definition.gates.min_gain_over_baseline
    check = beats_baseline(gain, baseline=f"the baseline {rival}", measure=judge.measure, at_least=least)
    money = money_agrees(
        judge.compare_money(board[learner], board[rival]), baseline=f"the baseline {rival}", held=judge.held
    )
    if check.passed:
        return learner, [check, money]
    tied = [name for name in baselines if name == rival or judge.compare(board[name], board[rival]).ci_upper >= 0]
    nearest = max(tied, key=lambda name: score[name])
    if gain.ci_upper >= 0 and score[learner] > score[nearest]:
        words = (
            f"{learner} orders customers as well as the baseline {rival}, and came nearer to what happened at the "
            f"cutoff where candidates were compared. {check.words}"
        )
        return learner, [replace(check, passed=True, words=words), money]
    return nearest, [
        replace(check, passed=True, words=f"The simple {nearest} is taken, {learner} does not beat it. {check.words}")
    ]


def _pair(judge: Judge[Any], board: Mapping[str, np.ndarray], chosen: str) -> Table[Paired]:
    """The chosen candidate less each other one, on the same customers."""
    rows = [
        Paired(
            against=name,
            difference=judge.compare(board[chosen], predicted),
            money_in_top_tenth=judge.compare_money(board[chosen], predicted),
        )
        for name, predicted in board.items()
        if name != chosen
    ]
    ordered = sorted(rows, key=lambda row: row.difference.point)
    return Table(
        name=f"{judge.measure} of {chosen} less that of each candidate, paired by customer", rows=tuple(ordered)
    )


def _tell_search(tunings: Mapping[str, Any]) -> Table[SearchRow]:
    """Every setting that was tried, of the candidates that have any."""
    parts = [
        (name, PART_WORDS.get(part, part), tuning)
        for name, found in tunings.items()
        for part, tuning in (found.items() if isinstance(found, dict) else [("", found)])
        if isinstance(tuning, Tuning)
    ]
    rows = tuple(
        SearchRow(
            candidate=name,
            part=part,
            trial=i,
            loss=one.loss,
            trees=one.trees,
            pruned=one.pruned,
            settings=", ".join(f"{setting} {value:.4g}" for setting, value in one.params.items()),
        )
        for name, part, tuning in parts
        for i, one in enumerate(tuning.tried, start=1)
    )
    return Table(name="settings tried", rows=rows)


def _biases(outcome: Mapping[str, Estimate], trials: Sequence[Trial], chosen: str) -> list[float]:
    """The biases of the total that were seen out of time, at the test and before it; none of what is no money."""
    if "total_bias" not in outcome:
        return []
    return [outcome["total_bias"].point, *(trial.bias for trial in trials if trial.candidate == chosen)]


def _population(definition: CutoffTask) -> str:
    limit = definition.population.active_within_days
    if limit is None:
        return "Customers under contract at a cutoff."
    return f"Customers with a purchase in the {limit} days before a cutoff."


def _treated_shares(made: TrainingSet, at_test: np.ndarray, *, level: float) -> dict[str, Estimate]:
    """Shares of rows that an offer reached inside the label, for training and test."""
    shares = {}
    for name, part in (("treated_share_training", ~at_test), ("treated_share_test", at_test)):
        flags, customer = made.treated[part].astype(np.float64), made.rows.customer[part]
        shares[name] = mean_of(flags).estimate(
            Clusters.of(customer), level=level, unit="share", method="mean, clustered by customer", between_0_and_1=True
        )
    return shares


def _say_basis(assignment: TrainingTask) -> tuple[str, ...]:
    if assignment.money == "margin":
        return ()
    return ("margin equals revenue on every receipt: there are no margins, and all value here is revenue-based",)


def _say_treated(assignment: TrainingTask, treated: np.ndarray) -> tuple[str, ...]:
    if "contacts" not in assignment.tables:
        return ("there is no contacts table: whether offers shaped the labels is not known",)
    if not treated.any():
        return ("no offer reached anybody inside a label",)
    return (
        f"an offer reached {treated.mean():.1%} of the training rows inside their label: predictions hold for the "
        "contact policy of that time, not for no contact",
    )
