"""Rows of the public data sets and of simulated retailers: who is asked about when, with what is known of him."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np

from netlift.config.business import BusinessSettings, load
from netlift.config.definitions import ChurnDefinition, LtvDefinition, load_definition
from netlift.data.history import History, read_history
from netlift.data.read import Tables, open_tables
from netlift.errors import UsageError
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.features.vocabulary import Vocabulary, learn_vocabulary
from netlift.progress import Silent
from netlift.training.calendar import plan_calendar
from netlift.training.customer_rows import build_labelled_rows
from netlift.training.task import TrainedModel, TrainingTask
from netlift.training.value import train_value

ROOT = Path(__file__).parents[1]
SEED, THREADS = 20261101, 1
Value = ChurnDefinition | LtvDefinition


@dataclass(frozen=True, kw_only=True)
class Case:
    """Labelled rows before a cutoff, and the rows to be judged on at it.

    Attributes:
        known: Rows whose labels were whole at the test cutoff.
        test: Rows at the test cutoff.
    """

    known: LabelledRows
    test: LabelledRows

    @property
    def blind(self) -> LabelledRows:
        """The test rows without their labels."""
        return self.test.relabel(np.full(len(self.test), np.nan))


def settings_of(config: str, data: Path | None = None) -> BusinessSettings:
    """A config of the project, its state kept away from the project's own; one thread.

    Args:
        config: Name of the file in `configs/`, without its ending.
        data: Folder of the data set's files, in place of the config's own.
    """
    settings = load(ROOT / "configs" / f"{config}.yaml")
    engine = settings.engine.model_copy(update={"threads": THREADS})
    changed = {"state": ROOT / "var" / "bench" / f"state-{config}", "engine": engine, "seed": SEED}
    if data is not None and settings.data.adapter:
        changed["data"] = settings.data.model_copy(update={"path": data.absolute()})
    return settings.model_copy(update=changed)


def moved(settings: BusinessSettings, folder: Path) -> BusinessSettings:
    """The same business with its tables in another folder."""
    tables = {
        name: source.model_copy(update={"path": folder / source.path.name})
        for name, source in settings.data.tables.items()
    }
    return settings.model_copy(update={"data": settings.data.model_copy(update={"tables": tables}), "state": folder})


def definition_of(settings: BusinessSettings, task: str) -> Value:
    """The definition of a task of a business."""
    definition = load_definition(settings.models[task], task)
    if not isinstance(definition, ChurnDefinition | LtvDefinition):
        raise UsageError(f"{task} is no task of value or churn")
    return definition


@contextmanager
def opened(settings: BusinessSettings) -> Iterator[Tables]:
    """The tables of a business; receipts of nothing are left out of CDNOW, as its published figures do."""
    with open_tables(settings) as tables:
        if settings.data.adapter == "cdnow":
            receipts = tables["transactions"]
            tables = tables.replace(transactions=receipts.filter(receipts.revenue > 0))
        yield tables


def rows_at(tables: Tables, definition: Value, cutoffs: Sequence[date], words: Vocabulary) -> LabelledRows:
    """The population at some cutoffs with its labels."""
    return build_labelled_rows(
        tables, definition, words, cutoffs=tuple(cutoffs), rows_per_partition=2_000_000, seed=SEED
    ).rows


def words_before(tables: Tables, cutoff: date) -> Vocabulary:
    """The words that features may know before a cutoff."""
    return learn_vocabulary(tables, before=datetime.combine(cutoff, datetime.min.time()))


def split(rows: LabelledRows, test: date) -> Case:
    """The rows of the test cutoff, and all the others."""
    at_test = rows.cutoff == np.datetime64(test, "us")
    return Case(known=rows.take(~at_test), test=rows.take(at_test))


def train_definition(settings: BusinessSettings, tables: Tables, definition: Value, history: History) -> TrainedModel:
    """What `netlift train` does for one task on a history, without the registry."""
    words = words_before(tables, plan_calendar(history, definition.windows).test)
    assignment = TrainingTask(
        settings=settings,
        definition=definition,
        tables=tables,
        history=history,
        vocabulary=words,
        progress=Silent(),
    )
    return train_value(assignment)


def train_case(settings: BusinessSettings, tables: Tables, definition: Value) -> tuple[TrainedModel, Case]:
    """What `netlift train` does for one task, without the registry; and the rows it did it on."""
    history = read_history(tables)
    trained = train_definition(settings, tables, definition, history)
    calendar = plan_calendar(history, definition.windows)
    words = words_before(tables, calendar.test)
    rows = rows_at(tables, definition, (*calendar.refit, calendar.test), words)
    return trained, split(rows, calendar.test)


def predict(files: dict[str, bytes], rows: LabelledRows, output: str | None = None) -> np.ndarray:
    """One output of a stored model, the first where none is named, shape (n,)."""
    model = StoredModel(files)
    return np.asarray(model.predict_matrix(rows.X)[output or model.outputs[0]])
