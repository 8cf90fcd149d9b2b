"""Candidates of own tasks: events judged as churn is and amounts as value is, in their own words and units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from netlift.config.definitions import AmountDefinition, EventDefinition
from netlift.estimators.expression import name_output
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.value.ltv import Horizon
from netlift.features.own_labels import OwnLabel, find_label
from netlift.results import format_number
from netlift.training.churn import ChurnJudge
from netlift.training.ltv import LtvJudge
from netlift.training.task import MoneyAtStake, TrainingTask


class EventJudge(ChurnJudge):
    """How candidates for an event are fitted and judged; a list of a tenth is judged by how many of them it holds.

    Args:
        assignment: The task.
        definition: Its definition.
        test: Rows that nothing was fitted on.
    """

    columns = ("roc_auc", "log_loss", "calibration_error", "lift_top_tenth", "customers_found_in_top_tenth")
    stake = "customers"
    charts = ("Probability of the event: predicted and come true", "Customers with the event found", "event")

    def __init__(self, assignment: TrainingTask, definition: EventDefinition, test: LabelledRows) -> None:
        super().__init__(assignment, definition, test, worth=MoneyAtStake(values=np.ones(len(test)), words=""))
        self._what = find_label(definition.label.own).formula

    def fit(self, name: str, rows: LabelledRows, tuned: Any, newest: LabelledRows, *, once: bool = False) -> Candidate:
        """Fit a candidate with the settings found, its output named after the task."""
        found, task = super().fit(name, rows, tuned, newest, once=once), self.definition.task
        return replace(found, files=name_output(found.files, task=task, output=f"p_{task}"))

    @property
    def held(self) -> str:
        """What a list is judged by."""
        return f"the customers for whom it came true ({self._what})"

    def say(self, name: str, p: np.ndarray) -> str:
        """What a candidate found, in a few words."""
        return f"{name} judged: a list of a tenth of customers holds {self._money(p).found.point:.0%} of the events"

    def headline(self, p: np.ndarray) -> str:
        """What was found, in a sentence."""
        money = self._money(p)
        return (
            f"of {len(p):,} customers it came true for {self.test.y.mean():.1%} ({self._what}; "
            f"{money.observed.point:,.0f}, predicted {money.predicted.point:,.0f}); the tenth named first holds "
            f"{money.found.point:.0%} of them"
        )


class AmountJudge(LtvJudge):
    """How candidates for an amount are fitted and judged."""

    charts = ("Amount of the horizon by tenth of customers", "Amount held by the first customers", "the amount")

    @property
    def _own(self) -> OwnLabel:
        return find_label(cast(AmountDefinition, self.definition).label.own)

    @property
    def horizon(self) -> Horizon:
        """What is predicted."""
        windows = self.definition.windows
        return Horizon(
            days=windows.horizon_days, gap_days=windows.gap_days, name=self.definition.task, unit=self._own.unit
        )

    @property
    def held(self) -> str:
        """What a list is judged by."""
        return f"the {self._own.unit} that came ({self._own.formula})"

    @property
    def unit(self) -> str:
        """Unit of a customer's amount."""
        return f"{self._own.unit}/customer"

    def say(self, name: str, predicted: np.ndarray) -> str:
        """What a candidate found, in a few words."""
        return (
            f"{name} judged: predicts {format_number(float(predicted.sum()))} {self._own.unit}, "
            f"{format_number(float(self.test.y.sum()))} came"
        )

    def headline(self, predicted: np.ndarray) -> str:
        """What was found, in a sentence."""
        total, unit = format_number(float(self.test.y.sum())), self._own.unit
        return (
            f"{len(predicted):,} customers came to {total} {unit} in {self.definition.windows.horizon_days} days "
            f"({self._own.formula}), {self._foretold(predicted)}"
        )


__all__ = ["AmountJudge", "EventJudge"]
