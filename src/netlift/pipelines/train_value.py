"""Churn and future LTV: candidates fitted on past cutoffs, judged once on the newest whose label is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from netlift.config.definitions import ChurnDefinition, LtvDefinition
from netlift.errors import UsageError
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.pipelines.calendar import Calendar, plan_calendar
from netlift.pipelines.judge_churn import ChurnJudge
from netlift.pipelines.judge_ltv import LtvJudge
from netlift.pipelines.judging import Judge
from netlift.pipelines.training import Assignment, Trained
from netlift.pipelines.training_sets import build_labelled_rows, require_blind_features
from netlift.registry.gate import Check, beats_baseline, features_believable
from netlift.results import Estimate

BASELINES = ("own_rhythm", "logistic", "mean_by_rfm")


def train_value(assignment: Assignment) -> Trained:
    """Fit every candidate of a churn or LTV definition and judge them on the test cutoff.

    A LightGBM candidate goes on where it beats the best baseline by the gate's bound; where it does not, the best
    baseline does, and the gate says by how much the other missed.

    Raises:
        HistoryTooShortError: The receipts cover too few days.
        DataError: Too few rows, or one class only.
    """
    definition = assignment.definition
    if not isinstance(definition, ChurnDefinition | LtvDefinition):
        raise UsageError(f"train_value was given the definition of {definition.task}")
    task = definition.task
    calendar = plan_calendar(assignment.history, definition.windows)
    assignment.progress.stage(task, f"features of {len(calendar.refit) + 1} cutoffs")
    rows, sampling = build_labelled_rows(
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
        observation_days=definition.windows.observation_days,
        seed=assignment.settings.seed,
    )
    fit, later, test = _split(rows, calendar)
    judge: Judge[Any] = (
        ChurnJudge(assignment, definition, test)
        if isinstance(definition, ChurnDefinition)
        else LtvJudge(assignment, definition, test)
    )
    candidates: dict[str, Candidate] = {}
    for name in definition.candidates:
        assignment.progress.stage(task, f"{name}: fitting on {len(fit) + len(later):,} rows")
        candidates[name] = judge.fit(name, fit, later)
        assignment.progress.advance(task, len(candidates), len(definition.candidates), judge.say(candidates[name]))
    board = {name: judge.predict(StoredModel(candidate.files)) for name, candidate in candidates.items()}
    chosen, checks = _choose(judge, board)
    candidate = candidates[chosen]
    blind = f"features of {asked:,} customers were computed again without the rows after the cutoff, all equal"
    notes = [*candidate.notes, *([sampling.reason] if sampling.reason else []), blind]
    windows = definition.windows

    def against(standing: StoredModel) -> Estimate:
        return judge.compare(board[chosen], judge.predict(standing))

    return Trained(
        candidate=candidate,
        features=rows.features,
        headline=judge.headline(board[chosen]),
        metrics=judge.metrics(board[chosen]),
        leaderboard=judge.leaderboard(board),
        tables=judge.tables(board[chosen]),
        figures=judge.figures(board[chosen], candidate),
        checks=(
            *checks,
            *judge.checks(board[chosen]),
            features_believable(candidate.importance, bound=definition.gates.max_gain_share),
        ),
        against=against,
        measure=judge.measure,
        population=f"Customers with a purchase in the {definition.population.active_within_days} days before a cutoff.",
        windows={
            "observation_days": windows.observation_days,
            "gap_days": windows.gap_days,
            "horizon_days": windows.horizon_days,
        },
        row_counts={"training": len(fit) + len(later), "test": len(test)},
        notes=(
            f"fitted on cutoffs {', '.join(map(str, calendar.refit))}, settings searched on "
            f"{', '.join(map(str, calendar.fit))}; judged on {calendar.test}",
            *notes,
        ),
        profile_rows=rows.X,
        active_within_days=definition.population.active_within_days,
        observation_days=windows.observation_days,
    )


def _split(rows: LabelledRows, calendar: Calendar) -> tuple[LabelledRows, LabelledRows, LabelledRows]:
    fit = np.isin(rows.cutoff, np.array(calendar.fit, dtype="datetime64[us]"))
    test = rows.cutoff == np.datetime64(calendar.test, "us")
    return rows.take(fit), rows.take(~fit & ~test), rows.take(test)


def _choose(judge: Judge[Any], board: Mapping[str, np.ndarray]) -> tuple[str, list[Check]]:
    """The candidate that goes on, and what the gate asks of it against the best baseline."""
    score = {name: judge.primary(predicted) for name, predicted in board.items()}
    baselines = [name for name in board if name in BASELINES]
    learners = [name for name in board if name not in BASELINES]
    if not baselines or not learners:
        return max(board, key=lambda name: score[name]), []
    baseline, learner = (max(names, key=lambda name: score[name]) for names in (baselines, learners))
    gain = judge.compare(board[learner], board[baseline])
    least = judge.definition.gates.min_gain_over_baseline
    check = beats_baseline(gain, baseline=f"the baseline {baseline}", measure=judge.measure, at_least=least)
    if check.passed:
        return learner, [check]
    kept = Check(
        name="beats_baseline",
        passed=True,
        found=gain.ci_lower,
        needed=least,
        words=f"The simple {baseline} is taken, because {learner} does not beat it. {check.words}",
    )
    return baseline, [kept]
