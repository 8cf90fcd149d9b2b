"""Customer value over a year in the simulated shop: one LTV model fitted before the first round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from netlift.closed_loop.policies import Reader
from netlift.config.business import BusinessSettings
from netlift.config.definitions import LtvDefinition, load_definition
from netlift.data.history import read_history
from netlift.data.read import Tables
from netlift.errors import UsageError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import Folds
from netlift.estimators.stored import StoredModel
from netlift.estimators.value.ltv import Horizon, fit_tuned_ltv
from netlift.features.vocabulary import Vocabulary
from netlift.simulation.rounds import World
from netlift.training.customer_rows import build_labelled_rows

TASK, LEARNER = "ltv_year", "bg_nbd"


@dataclass(frozen=True, kw_only=True)
class CustomerValue:
    """A fitted value model.

    Attributes:
        model: It.
        reader: How its features are read.
        horizon_days: Days that it predicts.
    """

    model: StoredModel
    reader: Reader
    horizon_days: int

    def predict(self, world: World, folder: Path, persons: np.ndarray) -> np.ndarray:
        """Margin of the horizon that each person is expected to bring, by position, shape (persons,)."""
        return self.reader.predict(world, folder, self.model, persons)[self.model.outputs[0]]


def learn_value(settings: BusinessSettings, tables: Tables, vocabulary: Vocabulary, *, seed: int) -> CustomerValue:
    """Fit the quickest candidate of the config's `ltv_year` at the newest cutoff whose labels are whole.

    Raises:
        UsageError: The config trains no `ltv_year`.
        DataError: Too few customers had bought by then.
    """
    if TASK not in settings.models:
        raise UsageError(f"config {settings.name} names no model for {TASK}; the closed loop runs on configs/demo.yaml")
    definition = load_definition(settings.models[TASK], TASK)
    if not isinstance(definition, LtvDefinition):
        raise UsageError(f"{settings.models[TASK]}: not a definition of {TASK}")
    windows = definition.windows
    seen = timedelta(days=windows.late_arrival_days + windows.gap_days + windows.horizon_days)
    rows = build_labelled_rows(
        tables, definition, vocabulary, cutoffs=(read_history(tables).end - seen,),
        rows_per_partition=settings.engine.rows_per_partition, seed=seed,
    ).rows  # fmt: skip
    fitted = fit_tuned_ltv(
        LEARNER, rows, {}, newest=rows, folds=Folds(number=definition.search.folds),
        horizon=Horizon(days=windows.horizon_days, gap_days=windows.gap_days),
        machine=Machine(seed=seed, threads=1),
    )  # fmt: skip
    reader = Reader(settings=settings, vocabulary=vocabulary, observation_days=windows.observation_days)
    return CustomerValue(model=StoredModel(fitted.files), reader=reader, horizon_days=windows.horizon_days)


__all__ = ["CustomerValue", "learn_value"]
