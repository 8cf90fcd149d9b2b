"""Inputs of every training, and its output to gate and registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.definitions import AnyDefinition
from netlift.data.history import History
from netlift.data.read import Tables
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature
from netlift.features.vocabulary import Vocabulary
from netlift.progress import Progress
from netlift.registry.champions import encode_for
from netlift.results import Estimate, Table
from netlift.training.gate import GateCheck


@dataclass(frozen=True, kw_only=True)
class FutureValue:
    """The LTV champion, asked what goes with the customers whom a churn model may lose.

    Attributes:
        model: The champion.
        words: What it predicts, such as "margin of the next 182 days".
    """

    model: StoredModel
    words: str

    def of(self, rows: LabelledRows) -> MoneyAtStake:
        """Predicted money of some rows."""
        X = encode_for(self.model, rows.X, rows.features)
        return MoneyAtStake(values=self.model.predict_matrix(X)[self.model.outputs[0]], words=self.words)


@dataclass(frozen=True, kw_only=True)
class MoneyAtStake:
    """What goes with each of some customers when they are lost.

    Attributes:
        values: Of each, shape (n,).
        words: What it is, such as "margin of the last year"; empty where nobody knows and customers are counted.
    """

    values: np.ndarray
    words: str


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """One task to train.

    Attributes:
        settings: The business.
        definition: What is trained.
        tables: The business's tables, checked.
        history: Days covered by receipts.
        vocabulary: Values of the categorical columns, the same for every task.
        progress: Who watches.
        mistrusted: Campaigns that the check speaks against, and why; they teach nothing.
        money: What the money is: margin, or revenue where the source has no margins.
        future_value: What goes with a lost customer; None where no LTV champion stands.
    """

    settings: BusinessSettings
    definition: AnyDefinition
    tables: Tables
    history: History
    vocabulary: Vocabulary
    progress: Progress
    mistrusted: Mapping[str, str] = field(default_factory=dict)
    money: str = "margin"
    future_value: FutureValue | None = None

    @property
    def unit(self) -> str:
        """Unit of money per customer."""
        return f"{self.settings.currency}/customer"


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A judged candidate, not yet registered.

    Attributes:
        candidate: The chosen candidate in its stored form.
        features: Its input columns.
        headline: What was found, in money, in a sentence.
        metrics: Held-out figures by name.
        leaderboard: Every candidate beside the baselines, held out.
        tables: Further tables for the run.
        figures: File name to SVG.
        checks: What the gate asks of it apart from the champion.
        against: Compares with a standing model on the same held-out rows: paired difference, this less that.
        measure: What `against` compares.
        population: Who is asked about, in a sentence.
        windows: Days by name.
        row_counts: Rows by use.
        notes: What a reader must know.
        profile_rows: The matrix of all rows, whose profile is kept to watch drift by, shape (n, k).
        active_within_days: The population's limit, None for everybody.
        observation_days: How far back features saw.
        profile_cutoff: Cutoffs of the rows of the profile, shape (n,); None where campaigns chose them.
        columns: Metrics to compare runs by, those of them that there are; all when empty.
        candidate_params: What tuning chose for each candidate, by its name.
        level_sd: Relative error that all predictions share, one standard deviation; None where it is not known.
        level_seen: How many biases out of time it was learnt from.
        observational: Campaigns that nobody randomized and that it was made from by consent; empty for none.
        explanation: What the model does, in sentences.
        captions: File name of a figure to what it shows, for those that the card holds.
    """

    candidate: Candidate
    features: tuple[Feature, ...]
    headline: str
    metrics: Mapping[str, Estimate]
    leaderboard: Table[Any]
    tables: Mapping[str, Table[Any]] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    checks: tuple[GateCheck, ...]
    against: Callable[[StoredModel], Estimate]
    measure: str
    population: str
    windows: Mapping[str, int]
    row_counts: Mapping[str, int]
    notes: tuple[str, ...]
    profile_rows: Any
    active_within_days: int | None
    observation_days: int
    columns: tuple[str, ...] = ()
    candidate_params: Mapping[str, Mapping[str, float | int | str]] = field(default_factory=dict)
    profile_cutoff: np.ndarray | None = None
    level_sd: float | None = None
    level_seen: int = 1
    observational: str = ""
    explanation: tuple[str, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
