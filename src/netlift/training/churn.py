"""Churn candidates, judged by ranking, calibration and the margin that leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from netlift.config.definitions import EventTask, FlagDefinition
from netlift.estimators.boosting.tuning import Tuning
from netlift.estimators.calibration import level_probabilities
from netlift.estimators.cross_fit import Folds
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.value.churn import fit_tuned_churn, tune_churn
from netlift.evaluation.churn.metrics import compare_probabilities, evaluate_probabilities, log_loss, tabulate_tenths
from netlift.evaluation.churn.money_at_risk import MoneyAtRisk, compare_found, money_at_risk
from netlift.report.charts import calibration_chart
from netlift.results import Estimate, Table, format_number
from netlift.training.gate import Cutoffs, GateCheck, auc_believable, calibration_over_cutoffs, calibration_within
from netlift.training.judge import Earlier, Judge, by_name, draw_gains, draw_importance
from netlift.training.task import MoneyAtStake, TrainingTask

LIST_SHARE = 0.1
YEARLY_MARGIN = "margin_365d"
FOUND = (
    "margin_at_risk_found_in_top_tenth",
    "customers_at_risk_found_in_top_tenth",
)  # one of the two, as money is known
FEWEST_OTHERS = 3  # cutoffs before the test, of which a swing is learnt


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
        found_in_top_tenth: Share of what was lost (money, or customers where nobody knows it) that stands in the tenth
            with the most expected loss.
    """

    candidate: str
    roc_auc: Estimate
    pr_auc: Estimate
    brier: Estimate
    log_loss: Estimate
    calibration_error: Estimate
    found_in_top_tenth: Estimate


class ChurnJudge(Judge[EventTask]):
    """How churn candidates are fitted and judged on the test rows.

    Args:
        assignment: The task.
        definition: Its definition.
        test: Rows that nothing was fitted on.
        worth: What goes with each of them; None asks the LTV champion, or takes the margin of the last year.
    """

    measure = "ROC-AUC"
    charts = ("Chance of being lost: predicted and come true", "Lost customers found", "lost customers")
    columns: tuple[str, ...] = ("roc_auc", "log_loss", "calibration_error", "lift_top_tenth", *FOUND)

    def __init__(
        self, assignment: TrainingTask, definition: EventTask, test: LabelledRows, *, worth: MoneyAtStake | None = None
    ) -> None:
        super().__init__(assignment, definition, test)
        self._own_worth = worth

    def tune(self, name: str, rows: LabelledRows) -> Tuning | None:
        return tune_churn(name, rows, search=self.definition.search, machine=self.machine, progress=self.tell(name))

    def fit(self, name: str, rows: LabelledRows, tuned: Any, newest: LabelledRows, *, once: bool = False) -> Candidate:
        folds = Folds(number=self.definition.search.folds, once=once)
        return fit_tuned_churn(name, rows, tuned, newest=newest, folds=folds, machine=self.machine)

    def loss(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return log_loss(y, predicted)

    def happened(self) -> np.ndarray:
        return np.asarray(self.test.y == 1)

    def compare(self, p: np.ndarray, against: np.ndarray) -> Estimate:
        differences = compare_probabilities(self.test.y, p, against, customer=self.test.customer, level=self.level)
        return by_name(differences)["roc_auc"]

    @property
    def held(self) -> str:
        """The money that a list is judged by."""
        return f"the {self._worth.words or 'customers'} that left"

    def compare_money(self, p: np.ndarray, against: np.ndarray) -> Estimate:
        return compare_found(p, against, self.test.y, self._worth.values, list_share=LIST_SHARE, level=self.level)

    @cached_property
    def _worth(self) -> MoneyAtStake:
        if self._own_worth is not None:
            return self._own_worth
        if self.assignment.future_value is not None:
            return self.assignment.future_value.of(self.test)
        margin = self.test.column(YEARLY_MARGIN).astype(np.float64)
        return MoneyAtStake(values=margin, words=f"{self.assignment.money} of the last year")

    def _money(self, p: np.ndarray) -> MoneyAtRisk:
        return money_at_risk(
            p,
            self.test.y,
            self._worth.values,
            list_share=LIST_SHARE,
            level=self.level,
            currency=self.assignment.settings.currency if self._worth.words else "customers",
        )

    def measured(self, p: np.ndarray) -> dict[str, Estimate]:
        figures = by_name(evaluate_probabilities(self.test.y, p, customer=self.test.customer, level=self.level))
        money = self._money(p)
        return figures | {
            f"{self.stake}_predicted": money.predicted,
            f"{self.stake}_observed": money.observed,
            f"{self.stake}_found_in_top_tenth": money.found,
        }

    @property
    def stake(self) -> str:
        """What a list holds, as names of figures begin."""
        return "margin_at_risk" if self._worth.words else "customers_at_risk"

    def say(self, name: str, p: np.ndarray) -> str:
        return (
            f"{name} judged: a list of {LIST_SHARE:.0%} of customers holds {self._money(p).found.point:.0%} of the "
            f"{self._worth.words or 'customers'} that leaves"
        )

    def headline(self, p: np.ndarray) -> str:
        money, words = self._money(p), self._worth.words
        lost = f"of {len(p):,} customers {self.test.y.mean():.0%} were lost"
        if not words:
            return (
                f"{lost} ({money.observed.point:,.0f}, predicted {money.predicted.point:,.0f}); the tenth named first "
                f"holds {money.found.point:.0%} of them"
            )
        return (
            f"{lost}, and with them {format_number(money.observed.point)} {money.observed.unit} of {words} (predicted "
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
                    found_in_top_tenth=self._money(p).found,
                )
            )
        return Table(name="candidates on the test cutoff", rows=tuple(sorted(rows, key=lambda r: -r.roc_auc.point)))

    def tables(self, p: np.ndarray) -> dict[str, Table[Any]]:
        return {"tenths": tabulate_tenths(self.test.y, p, customer=self.test.customer, level=self.level)}

    def figures(self, p: np.ndarray, candidate: Candidate) -> dict[str, bytes]:
        tenths = list(tabulate_tenths(self.test.y, p, customer=self.test.customer, level=self.level))[::-1]
        figures = {
            "calibration.svg": calibration_chart(
                predicted=np.array([t.predicted for t in tenths]),
                observed=np.array([t.observed.point for t in tenths]),
                lower=np.array([t.observed.ci_lower for t in tenths]),
                upper=np.array([t.observed.ci_upper for t in tenths]),
                title=self.charts[0],
            ),
            "gains.svg": draw_gains(p, self.test.y, outcome=self.charts[2], title=self.charts[1]),
        }
        return figures | draw_importance(candidate, "What the chance of being lost depends on")

    def checks(self, p: np.ndarray, earlier: Callable[[], Sequence[Earlier]]) -> list[GateCheck]:
        figures, gates = self.metrics(p), self.definition.gates
        error, bound = figures["calibration_error"].point, gates.max_calibration_error
        by_chance = figures["calibration_error_by_chance"].point if isinstance(self.definition, FlagDefinition) else 0.0
        calibrated = calibration_within(error, bound=bound, by_chance=by_chance)
        if not calibrated.passed:
            others = earlier()
            if len(others) >= FEWEST_OTHERS:
                calibrated = calibration_over_cutoffs(error, self._over_cutoffs(p, others), bound=bound)
        return [calibrated, auc_believable(figures["roc_auc"].point, bound=gates.max_auc)]

    def _over_cutoffs(self, p: np.ndarray, others: Sequence[Earlier]) -> Cutoffs:
        """How the test cutoff lies among others: whether its season alone, or the model, is off."""
        from scipy.special import stdtrit

        bias = float(np.mean(p - self.test.y))
        biases = np.array([np.mean(one.predicted - one.rows.y) for one in others])
        n, alone = len(biases), biases.std(ddof=1)
        together = np.append(biases, bias)
        quantile = 0.5 + self.level / 2
        levelled = level_probabilities(p, float(self.test.y.mean()))
        shape = evaluate_probabilities(self.test.y, levelled, customer=self.test.customer, level=self.level)
        return Cutoffs(
            number=n + 1,
            level=float(together.mean()),
            level_error=float(stdtrit(n, quantile) * together.std(ddof=1) / np.sqrt(n + 1)),
            shape=by_name(shape)["calibration_error"].point,
            off=float(abs(bias - biases.mean())),
            swing=float(stdtrit(n - 1, quantile) * np.sqrt(1 + 1 / n) * alone),
        )
