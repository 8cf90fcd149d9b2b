"""Value candidates, judged by ranking and level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.config.definitions import LtvDefinition
from netlift.estimators.cross_fit import Folds
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.boosted import Tunings
from netlift.estimators.value.ltv import Horizon, fit_tuned_ltv, tune_ltv
from netlift.evaluation.churn.metrics import evaluate_probabilities
from netlift.evaluation.value.metrics import (
    ValueTenth,
    compare_values,
    evaluate_values,
    interval_coverage,
    money_deviance,
    tabulate_value_tenths,
)
from netlift.report.charts import deciles_chart
from netlift.results import Estimate, Table, format_number
from netlift.training.gate import GateCheck, auc_believable, total_bias_within
from netlift.training.judge import Earlier, Judge, by_name, draw_gains, draw_importance


@dataclass(frozen=True, kw_only=True)
class LtvRow:
    """A value candidate on the test cutoff.

    Attributes:
        candidate: Its name.
        total_bias: Predicted over observed total, less 1.
        normalized_gini: Order of the predicted money.
        spearman: Rank correlation.
        tenths_off: Distance of predicted and observed totals over tenths, over the total.
        tenths_mape: Mean relative distance by tenth.
        capture_top_10: Share of the money that the top tenth holds.
    """

    candidate: str
    total_bias: Estimate
    normalized_gini: Estimate
    spearman: Estimate
    tenths_off: Estimate
    tenths_mape: Estimate
    capture_top_10: Estimate


class LtvJudge(Judge[LtvDefinition]):
    """How value candidates are fitted and judged on the test rows."""

    measure = "normalized Gini"
    charts = ("Margin of the horizon by tenth of customers", "Margin held by the best customers", "margin")
    columns = ("normalized_gini", "total_bias", "capture_top_10", "prediction_interval_coverage")

    @property
    def horizon(self) -> Horizon:
        """What is predicted."""
        windows = self.definition.windows
        return Horizon(
            days=windows.horizon_days,
            gap_days=windows.gap_days,
            discount_rate_year=self.definition.discount_rate_year,
            extrapolate_to_days=self.definition.extrapolate_to_days,
        )

    def tune(self, name: str, rows: LabelledRows) -> Tunings:
        return tune_ltv(
            name, rows, horizon=self.horizon, search=self.definition.search, machine=self.machine,
            progress=self.tell(name),
        )  # fmt: skip

    def fit(self, name: str, rows: LabelledRows, tuned: Any, newest: LabelledRows, *, once: bool = False) -> Candidate:
        folds = Folds(number=self.definition.search.folds, once=once)
        return fit_tuned_ltv(name, rows, tuned, newest=newest, horizon=self.horizon, folds=folds, machine=self.machine)

    def loss(self, y: np.ndarray, predicted: np.ndarray) -> float:
        return money_deviance(y, predicted)

    def happened(self) -> np.ndarray:
        return np.asarray(self.test.y > 0)

    def further_metrics(self, model: StoredModel) -> dict[str, Estimate]:
        name = self.horizon.output
        outputs = self.ask(model, [f"{name}_lower", f"{name}_upper"])
        covered = interval_coverage(
            self.test.y,
            outputs[f"{name}_lower"],
            outputs[f"{name}_upper"],
            customer=self.test.customer,
            level=self.level,
        )
        return {"prediction_interval_coverage": covered}

    def measured(self, predicted: np.ndarray) -> dict[str, Estimate]:
        return by_name(evaluate_values(self.test.y, predicted, customer=self.test.customer, level=self.level))

    def compare(self, predicted: np.ndarray, against: np.ndarray) -> Estimate:
        differences = compare_values(self.test.y, predicted, against, customer=self.test.customer, level=self.level)
        return by_name(differences)["normalized_gini"]

    @property
    def held(self) -> str:
        """The money that a list is judged by."""
        return f"the {self.assignment.money} that came"

    def compare_money(self, predicted: np.ndarray, against: np.ndarray) -> Estimate:
        differences = compare_values(self.test.y, predicted, against, customer=self.test.customer, level=self.level)
        return by_name(differences)["capture_top_10"]

    def say(self, name: str, predicted: np.ndarray) -> str:
        currency = self.assignment.settings.currency
        return (
            f"{name} judged: predicts {format_number(float(predicted.sum()))} {currency}, "
            f"{format_number(float(self.test.y.sum()))} came"
        )

    def headline(self, predicted: np.ndarray) -> str:
        currency = self.assignment.settings.currency
        return (
            f"{len(predicted):,} customers brought {format_number(float(self.test.y.sum()))} {currency} of "
            f"{self.assignment.money} in "
            f"{self.definition.windows.horizon_days} days{self._discounted}, "
            f"{self._foretold(predicted)}"
        )

    @property
    def unit(self) -> str:
        """Unit of a customer's label."""
        return self.assignment.unit

    def _foretold(self, predicted: np.ndarray) -> str:
        """What was predicted of the total, and what a list holds of it."""
        figures = self.metrics(predicted)
        bias = figures["total_bias"]
        return (
            f"{format_number(float(predicted.sum()))} predicted "
            f"({bias.point:+.1%} [{bias.ci_lower:+.1%}, {bias.ci_upper:+.1%}]); the top tenth holds "
            f"{figures['capture_top_10'].point:.0%} of it"
        )

    @property
    def _discounted(self) -> str:
        rate = self.definition.discount_rate_year
        return f" (discounted at {rate:.0%} a year)" if rate else ""

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
                    tenths_mape=figures["tenths_mape"],
                    capture_top_10=figures["capture_top_10"],
                )
            )
        ordered = sorted(rows, key=lambda row: -row.normalized_gini.point)
        return Table(name="candidates on the test cutoff", rows=tuple(ordered))

    def tables(self, predicted: np.ndarray) -> dict[str, Table[Any]]:
        return {"tenths": self._tenths(predicted)}

    def figures(self, predicted: np.ndarray, candidate: Candidate) -> dict[str, bytes]:
        tenths = self._tenths(predicted)
        figures = {
            "tenths.svg": deciles_chart(
                predicted=np.array([t.predicted for t in tenths]),
                observed=np.array([t.observed.point for t in tenths]),
                lower=np.array([t.observed.ci_lower for t in tenths]),
                upper=np.array([t.observed.ci_upper for t in tenths]),
                unit=self.unit,
                title=self.charts[0],
            ),
            "gains.svg": draw_gains(predicted, self.test.y, outcome=self.charts[2], title=self.charts[1]),
        }
        return figures | draw_importance(candidate, "What future margin depends on")

    def _tenths(self, predicted: np.ndarray) -> Table[ValueTenth]:
        return tabulate_value_tenths(
            self.test.y, predicted, customer=self.test.customer, level=self.level, unit=self.unit
        )

    def checks(self, predicted: np.ndarray, earlier: Callable[[], Sequence[Earlier]]) -> list[GateCheck]:
        gates = self.definition.gates
        bought = (self.test.y > 0).astype(np.float64)
        low, high = float(predicted.min()), float(predicted.max())
        order = (predicted - low) / (high - low) if high > low else np.full(len(predicted), 0.5)
        auc = by_name(evaluate_probabilities(bought, order, customer=self.test.customer, level=self.level))
        return [
            total_bias_within(self.metrics(predicted)["total_bias"].point, bound=gates.max_total_bias),
            auc_believable(auc["roc_auc"].point, bound=gates.max_auc),
        ]
