"""What there is to train: each kind of definition, and how it is trained; ours and own tasks alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from netlift.config.definitions import (
    AmountDefinition,
    AnyDefinition,
    ChurnDefinition,
    EventDefinition,
    FlagDefinition,
    LtvDefinition,
    UpliftDefinition,
)
from netlift.data.checks.findings import LEARN_UPLIFT
from netlift.training.task import TrainedModel, TrainingTask
from netlift.training.uplift.train import train_uplift
from netlift.training.value import train_value


class Training(Protocol):
    """A training of a task."""

    def __call__(self, assignment: TrainingTask) -> TrainedModel:
        """The judged candidate."""


@dataclass(frozen=True, kw_only=True)
class TaskKind:
    """How the definitions of one kind are trained.

    Attributes:
        train: Fits and judges.
        after: Its place in the order of a training; who asks another's champion comes after it.
        asks_future_value: Whether the LTV champion says what goes with each customer.
        needs: What of the check must be without errors, beyond what every training needs.
    """

    train: Training
    after: int
    asks_future_value: bool = False
    needs: str | None = None


CHURN = TaskKind(train=train_value, after=1, asks_future_value=True)
OWN = TaskKind(train=train_value, after=2)
TASKS: Mapping[type[AnyDefinition], TaskKind] = {
    LtvDefinition: TaskKind(train=train_value, after=0),
    ChurnDefinition: CHURN,
    FlagDefinition: CHURN,
    EventDefinition: OWN,
    AmountDefinition: OWN,
    UpliftDefinition: TaskKind(train=train_uplift, after=3, needs=LEARN_UPLIFT),
}


def task_of(definition: AnyDefinition) -> TaskKind:
    """How a definition is trained."""
    return TASKS[type(definition)]


__all__ = ["TASKS", "TaskKind", "task_of"]
