"""Evaluation shared by all candidates of a label at a cutoff."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from netlift.config.definitions import CutoffTask, EventTask
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.evaluation.influence import Metric
from netlift.registry.champions import encode_for
from netlift.report.charts import gains_chart, importance_chart
from netlift.results import Estimate, Table
from netlift.training.gate import GateCheck
from netlift.training.task import TrainingTask

GAIN_POINTS = 101

AnyDefinition = TypeVar("AnyDefinition", bound=EventTask | CutoffTask)


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A cutoff before the test, predicted by a fit that knew only what was known then.

    Attributes:
        rows: Its rows, with what happened.
        predicted: The first output for them, shape (n,).
    """

    rows: LabelledRows
    predicted: np.ndarray


class Judge(ABC, Generic[AnyDefinition]):
    """Fits candidates and judges them on the rows of the test cutoff.

    Args:
        assignment: The task.
        definition: Its definition.
        test: Rows that nothing was fitted on.
    """

    measure: str
    columns: tuple[str, ...] = ()  # metrics to compare runs by

    def __init__(self, assignment: TrainingTask, definition: AnyDefinition, test: LabelledRows) -> None:
        self.assignment = assignment
        self.definition: AnyDefinition = definition
        self.test = test
        self.level = definition.gates.level
        self._measured: dict[int, tuple[np.ndarray | None, dict[str, Estimate]]] = {}

    def predict(self, model: StoredModel) -> np.ndarray:
        """The model's first output for the test rows, shape (n,)."""
        return self.ask(model, model.outputs[:1])[model.outputs[0]]

    def ask(self, model: StoredModel, outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Some outputs of a model for the test rows, or all, each of shape (n,)."""
        return model.predict_matrix(encode_for(model, self.test.X, self.test.features), only=outputs)

    def primary(self, predicted: np.ndarray) -> float:
        """The figure by which candidates are ordered."""
        return next(iter(self.metrics(predicted).values())).point

    def tell(self, name: str) -> Callable[[int, int, float], None]:
        """A watcher of the search over a candidate's settings."""

        def watch(done: int, total: int, best: float) -> None:
            words = f"{name}: setting {done} of {total}, lowest loss {best:.5g}"
            self.assignment.progress.note(self.definition.task, words)

        return watch

    @property
    @abstractmethod
    def held(self) -> str:
        """The held-out money that a list of a tenth is judged by, in words."""

    @property
    def machine(self) -> Machine:
        """Seed and threads of every fit."""
        settings = self.assignment.settings
        return Machine(seed=settings.seed, threads=settings.engine.threads)

    def further_metrics(self, model: StoredModel) -> dict[str, Estimate]:
        """Figures of the model's other outputs on the test rows."""
        return {}

    @abstractmethod
    def tune(self, name: str, rows: LabelledRows) -> Any:
        """Search the settings of a candidate."""

    @abstractmethod
    def fit(self, name: str, rows: LabelledRows, tuned: Any, newest: LabelledRows, *, once: bool = False) -> Candidate:
        """Fit a candidate with the settings found; of `newest` the labels are not looked at.

        With `once` it is calibrated on one fold of customers rather than on all: enough to compare candidates.
        """

    @abstractmethod
    def loss(self, y: np.ndarray, predicted: np.ndarray) -> float:
        """By which candidates are chosen before the test: a proper score, lower is better."""

    @abstractmethod
    def happened(self) -> np.ndarray:
        """What a single feature must not tell alone, bool, for the test rows."""

    def metrics(self, predicted: np.ndarray) -> dict[str, Estimate]:
        """Figures on the test rows, the one to order by first; computed once for an array."""
        known, figures = self._measured.get(id(predicted), (None, {}))
        if known is not predicted:
            figures = self.measured(predicted)
            self._measured[id(predicted)] = predicted, figures
        return figures

    @abstractmethod
    def measured(self, predicted: np.ndarray) -> dict[str, Estimate]:
        """Figures on the test rows, the one to order by first."""

    @abstractmethod
    def compare(self, predicted: np.ndarray, against: np.ndarray) -> Estimate:
        """Paired difference of `measure`, this less the other."""

    @abstractmethod
    def compare_money(self, predicted: np.ndarray, against: np.ndarray) -> Estimate:
        """Paired difference of the share of the money that a list of a tenth holds, this less the other."""

    @abstractmethod
    def say(self, name: str, predicted: np.ndarray) -> str:
        """What a candidate found, in money, in a few words."""

    @abstractmethod
    def headline(self, predicted: np.ndarray) -> str:
        """What was found, in money, in a sentence."""

    @abstractmethod
    def leaderboard(self, board: Mapping[str, np.ndarray]) -> Table[Any]:
        """Every candidate, best first."""

    @abstractmethod
    def tables(self, predicted: np.ndarray) -> dict[str, Table[Any]]:
        """Further tables for the run."""

    @abstractmethod
    def figures(self, predicted: np.ndarray, candidate: Candidate) -> dict[str, bytes]:
        """File name to SVG."""

    @abstractmethod
    def checks(self, predicted: np.ndarray, earlier: Callable[[], Sequence[Earlier]]) -> list[GateCheck]:
        """What the gate asks beyond the baselines; `earlier` fits and predicts anew, where the test leaves a doubt."""


def by_name(metrics: Table[Metric]) -> dict[str, Estimate]:
    """Figures by name, in their order."""
    return {row.metric: row.value for row in metrics}


def draw_gains(score: np.ndarray, outcome_values: np.ndarray, *, outcome: str, title: str) -> bytes:
    """How much of an outcome the highest-scored customers hold, as SVG.

    Args:
        score: Predictions, shape (n,).
        outcome_values: What came, shape (n,).
        outcome: What it is, such as "margin".
        title: Title of the chart.
    """
    order = np.argsort(-score, kind="stable")
    captured = np.concatenate([[0.0], np.cumsum(outcome_values[order]) / outcome_values.sum()])
    share = np.linspace(0, 1, GAIN_POINTS)
    at = np.round(share * len(score)).astype(np.int64)
    return gains_chart(share=share, captured=captured[at], outcome=outcome, title=title)


def draw_importance(candidate: Candidate, title: str) -> dict[str, bytes]:
    """The features that carry most of the gain, where the candidate has shares of gain."""
    return {"importance.svg": importance_chart(candidate.importance, title=title)} if candidate.importance else {}
