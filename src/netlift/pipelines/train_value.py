"""Churn and future LTV: candidates fitted on past cutoffs, judged once on the newest whose label is whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from netlift.config.definitions import ChurnDefinition, LtvDefinition
from netlift.errors import UsageError
from netlift.estimators.churn import fit_churn
from netlift.estimators.ltv import fit_ltv
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.classification import compare_probabilities, evaluate_probabilities, tabulate_tenths
from netlift.evaluation.metric import Metric
from netlift.evaluation.money_at_risk import MoneyAtRisk, money_at_risk
from netlift.evaluation.value import ValueTenth, compare_values, evaluate_values, tabulate_value_tenths
from netlift.pipelines.calendar import Calendar, plan_calendar
from netlift.pipelines.standing import encode_for
from netlift.pipelines.training import Assignment, Trained
from netlift.pipelines.training_sets import build_labelled_rows, require_blind_features
from netlift.registry.gate import (
    Check,
    auc_believable,
    beats_baseline,
    calibration_within,
    features_believable,
    total_bias_within,
)
from netlift.report.charts import calibration_chart, deciles_chart, gains_chart, importance_chart
from netlift.results import Estimate, Table, format_number

BASELINES = ("own_rhythm", "logistic", "mean_by_rfm")
LIST_SHARE = 0.1
GAIN_POINTS = 101
YEARLY_MARGIN = "margin_365d"


@dataclass(frozen=True, kw_only=True)
class ChurnRow:
    """A churn candidate on the test cutoff.

    Attributes:
        candidate: Its name.
        roc_auc: Order of the predicted chances.
        pr_auc: Average precision.
        brier: Mean squared error of the chance.
        log_loss: Mean log loss.
        calibration_error: Predicted against observed share, over tenths.
        found_in_money: Share of the lost margin that stands in the tenth with the most expected loss.
    """

    candidate: str
    roc_auc: Estimate
    pr_auc: Estimate
    brier: Estimate
    log_loss: Estimate
    calibration_error: Estimate
    found_in_money: Estimate


@dataclass(frozen=True, kw_only=True)
class LtvRow:
    """A value candidate on the test cutoff.

    Attributes:
        candidate: Its name.
        total_bias: Predicted over observed total, less 1.
        normalized_gini: Order of the predicted money.
        spearman: Rank correlation.
        tenths_off: Distance of predicted and observed totals over tenths, over the total.
        capture_top_10: Share of the money that the top tenth holds.
    """

    candidate: str
    total_bias: Estimate
    normalized_gini: Estimate
    spearman: Estimate
    tenths_off: Estimate
    capture_top_10: Estimate


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
    judge = (
        _Churn(assignment, definition, test)
        if isinstance(definition, ChurnDefinition)
        else _Ltv(assignment, definition, test)
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
        return judge.compare(board[chosen], judge.predict(standing, encode=True))

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
            features_believable(candidate.importance, bound=judge.max_share),
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


def _choose(judge: _Churn | _Ltv, board: Mapping[str, np.ndarray]) -> tuple[str, list[Check]]:
    """The candidate that goes on, and what the gate asks of it against the best baseline."""
    score = {name: judge.primary(predicted) for name, predicted in board.items()}
    baselines = [name for name in board if name in BASELINES]
    learners = [name for name in board if name not in BASELINES]
    if not baselines or not learners:
        return max(board, key=lambda name: score[name]), []
    baseline, learner = (max(names, key=lambda name: score[name]) for names in (baselines, learners))
    gain = judge.compare(board[learner], board[baseline])
    check = beats_baseline(gain, baseline=f"the baseline {baseline}", measure=judge.measure, at_least=judge.least_gain)
    if check.passed:
        return learner, [check]
    kept = Check(
        name="beats_baseline",
        passed=True,
        found=gain.ci_lower,
        needed=judge.least_gain,
        words=f"The simple {baseline} is taken, because {learner} does not beat it. {check.words}",
    )
    return baseline, [kept]


def _by_name(metrics: Table[Metric]) -> dict[str, Estimate]:
    return {row.metric: row.value for row in metrics}


class _Churn:
    """How churn candidates are fitted and judged on the test rows."""

    measure = "ROC-AUC"

    def __init__(self, assignment: Assignment, definition: ChurnDefinition, test: LabelledRows) -> None:
        self._assignment = assignment
        self._definition = definition
        self._test = test
        self._level = definition.gates.level
        self.least_gain = definition.gates.min_gain_over_baseline
        self.max_share = definition.gates.max_gain_share

    def fit(self, name: str, fit: LabelledRows, later: LabelledRows) -> Candidate:
        return fit_churn(
            name,
            fit,
            later,
            search=self._definition.search,
            seed=self._assignment.settings.seed,
            threads=self._assignment.settings.engine.threads,
            progress=_telling(self._assignment, name),
        )

    def predict(self, model: StoredModel, *, encode: bool = False) -> np.ndarray:
        X = encode_for(model, self._test.X, self._test.features) if encode else self._test.X
        return model.predict_matrix(X)["p_churn"]

    def primary(self, p: np.ndarray) -> float:
        return _by_name(evaluate_probabilities(self._test.y, p, customer=self._test.customer, level=self._level))[
            "roc_auc"
        ].point

    def compare(self, p: np.ndarray, against: np.ndarray) -> Estimate:
        differences = compare_probabilities(self._test.y, p, against, customer=self._test.customer, level=self._level)
        return _by_name(differences)["roc_auc"]

    def _money(self, p: np.ndarray) -> MoneyAtRisk:
        return money_at_risk(
            p,
            self._test.y,
            self._test.column(YEARLY_MARGIN).astype(np.float64),
            list_share=LIST_SHARE,
            level=self._level,
            currency=self._assignment.settings.currency,
        )

    def metrics(self, p: np.ndarray) -> dict[str, Estimate]:
        figures = _by_name(evaluate_probabilities(self._test.y, p, customer=self._test.customer, level=self._level))
        money = self._money(p)
        return figures | {
            "margin_at_risk_predicted": money.predicted,
            "margin_at_risk_observed": money.observed,
            "margin_at_risk_found_in_top_tenth": money.found,
        }

    def say(self, candidate: Candidate) -> str:
        money = self._money(self.predict(StoredModel(candidate.files)))
        return (
            f"{candidate.name} judged: a list of {LIST_SHARE:.0%} of customers holds {money.found.point:.0%} of the "
            f"margin that leaves"
        )

    def headline(self, p: np.ndarray) -> str:
        money, currency = self._money(p), self._assignment.settings.currency
        return (
            f"of {len(p):,} customers {self._test.y.mean():.0%} were lost, and with them "
            f"{format_number(money.observed.point)} {currency} of margin a year (predicted "
            f"{format_number(money.predicted.point)}); the tenth named first holds {money.found.point:.0%} of it"
        )

    def leaderboard(self, board: Mapping[str, np.ndarray]) -> Table[ChurnRow]:
        rows = []
        for name, p in board.items():
            figures = self.metrics(p)
            rows.append(
                ChurnRow(
                    candidate=name,
                    roc_auc=figures["roc_auc"],
                    pr_auc=figures["pr_auc"],
                    brier=figures["brier"],
                    log_loss=figures["log_loss"],
                    calibration_error=figures["calibration_error"],
                    found_in_money=figures["margin_at_risk_found_in_top_tenth"],
                )
            )
        return Table(name="candidates on the test cutoff", rows=tuple(sorted(rows, key=lambda r: -r.roc_auc.point)))

    def tables(self, p: np.ndarray) -> dict[str, Table[object]]:
        tenths = tabulate_tenths(self._test.y, p, customer=self._test.customer, level=self._level)
        return {"tenths": Table(name=tenths.name, rows=tuple(tenths.rows))}

    def figures(self, p: np.ndarray, candidate: Candidate) -> dict[str, bytes]:
        tenths = list(tabulate_tenths(self._test.y, p, customer=self._test.customer, level=self._level))[::-1]
        figures = {
            "calibration.svg": calibration_chart(
                predicted=np.array([t.predicted for t in tenths]),
                observed=np.array([t.observed.point for t in tenths]),
                lower=np.array([t.observed.ci_lower for t in tenths]),
                upper=np.array([t.observed.ci_upper for t in tenths]),
                title="Chance of being lost: predicted and come true",
            ),
            "gains.svg": _gains(p, self._test.y, outcome="lost customers", title="Lost customers found"),
        }
        return figures | _importance(candidate, "What the chance of being lost depends on")

    def checks(self, p: np.ndarray) -> list[Check]:
        figures, gates = self.metrics(p), self._definition.gates
        return [
            calibration_within(figures["calibration_error"].point, bound=gates.max_calibration_error),
            auc_believable(figures["roc_auc"].point, bound=gates.max_auc),
        ]


class _Ltv:
    """How value candidates are fitted and judged on the test rows."""

    measure = "normalized Gini"

    def __init__(self, assignment: Assignment, definition: LtvDefinition, test: LabelledRows) -> None:
        self._assignment = assignment
        self._definition = definition
        self._test = test
        self._level = definition.gates.level
        self.least_gain = definition.gates.min_gain_over_baseline
        self.max_share = definition.gates.max_gain_share

    def fit(self, name: str, fit: LabelledRows, later: LabelledRows) -> Candidate:
        return fit_ltv(
            name,
            fit,
            later,
            horizon_days=self._definition.windows.horizon_days,
            search=self._definition.search,
            seed=self._assignment.settings.seed,
            threads=self._assignment.settings.engine.threads,
            progress=_telling(self._assignment, name),
        )

    def predict(self, model: StoredModel, *, encode: bool = False) -> np.ndarray:
        X = encode_for(model, self._test.X, self._test.features) if encode else self._test.X
        return model.predict_matrix(X)[model.outputs[0]]

    def metrics(self, predicted: np.ndarray) -> dict[str, Estimate]:
        return _by_name(evaluate_values(self._test.y, predicted, customer=self._test.customer, level=self._level))

    def primary(self, predicted: np.ndarray) -> float:
        return self.metrics(predicted)["normalized_gini"].point

    def compare(self, predicted: np.ndarray, against: np.ndarray) -> Estimate:
        differences = compare_values(self._test.y, predicted, against, customer=self._test.customer, level=self._level)
        return _by_name(differences)["normalized_gini"]

    def say(self, candidate: Candidate) -> str:
        predicted = self.predict(StoredModel(candidate.files))
        currency = self._assignment.settings.currency
        return (
            f"{candidate.name} judged: predicts {format_number(float(predicted.sum()))} {currency}, "
            f"{format_number(float(self._test.y.sum()))} came"
        )

    def headline(self, predicted: np.ndarray) -> str:
        figures, currency = self.metrics(predicted), self._assignment.settings.currency
        bias = figures["total_bias"]
        return (
            f"{len(predicted):,} customers brought {format_number(float(self._test.y.sum()))} {currency} of margin in "
            f"{self._definition.windows.horizon_days} days, {format_number(float(predicted.sum()))} predicted "
            f"({bias.point:+.1%} [{bias.ci_lower:+.1%}, {bias.ci_upper:+.1%}]); the top tenth holds "
            f"{figures['capture_top_10'].point:.0%} of it"
        )

    def leaderboard(self, board: Mapping[str, np.ndarray]) -> Table[LtvRow]:
        rows = []
        for name, predicted in board.items():
            figures = self.metrics(predicted)
            rows.append(
                LtvRow(
                    candidate=name,
                    total_bias=figures["total_bias"],
                    normalized_gini=figures["normalized_gini"],
                    spearman=figures["spearman"],
                    tenths_off=figures["tenths_off"],
                    capture_top_10=figures["capture_top_10"],
                )
            )
        ordered = sorted(rows, key=lambda row: -row.normalized_gini.point)
        return Table(name="candidates on the test cutoff", rows=tuple(ordered))

    def tables(self, predicted: np.ndarray) -> dict[str, Table[object]]:
        tenths = self._tenths(predicted)
        return {"tenths": Table(name=tenths.name, rows=tuple(tenths.rows))}

    def figures(self, predicted: np.ndarray, candidate: Candidate) -> dict[str, bytes]:
        tenths = self._tenths(predicted)
        figures = {
            "tenths.svg": deciles_chart(
                predicted=np.array([t.predicted for t in tenths]),
                observed=np.array([t.observed.point for t in tenths]),
                lower=np.array([t.observed.ci_lower for t in tenths]),
                upper=np.array([t.observed.ci_upper for t in tenths]),
                unit=self._assignment.unit,
                title="Margin of the horizon by tenth of customers",
            ),
            "gains.svg": _gains(predicted, self._test.y, outcome="margin", title="Margin held by the best customers"),
        }
        return figures | _importance(candidate, "What future margin depends on")

    def _tenths(self, predicted: np.ndarray) -> Table[ValueTenth]:
        return tabulate_value_tenths(
            self._test.y, predicted, customer=self._test.customer, level=self._level, unit=self._assignment.unit
        )

    def checks(self, predicted: np.ndarray) -> list[Check]:
        gates = self._definition.gates
        bought = (self._test.y > 0).astype(np.float64)
        low, high = float(predicted.min()), float(predicted.max())
        order = (predicted - low) / (high - low) if high > low else np.full(len(predicted), 0.5)
        auc = _by_name(evaluate_probabilities(bought, order, customer=self._test.customer, level=self._level))
        return [
            total_bias_within(self.metrics(predicted)["total_bias"].point, bound=gates.max_total_bias),
            auc_believable(auc["roc_auc"].point, bound=gates.max_auc),
        ]


def _telling(assignment: Assignment, name: str) -> Callable[[int, int, float], None]:
    task = assignment.definition.task

    def progress(done: int, total: int, best: float) -> None:
        assignment.progress.stage(task, f"{name}: setting {done} of {total}, lowest loss {best:.5g}")

    return progress


def _gains(score: np.ndarray, outcome_values: np.ndarray, *, outcome: str, title: str) -> bytes:
    order = np.argsort(-score, kind="stable")
    captured = np.concatenate([[0.0], np.cumsum(outcome_values[order]) / outcome_values.sum()])
    share = np.linspace(0, 1, GAIN_POINTS)
    at = np.round(share * len(score)).astype(np.int64)
    return gains_chart(share=share, captured=captured[at], outcome=outcome, title=title)


def _importance(candidate: Candidate, title: str) -> dict[str, bytes]:
    return {"importance.svg": importance_chart(candidate.importance, title=title)} if candidate.importance else {}


__all__ = ["train_value"]
