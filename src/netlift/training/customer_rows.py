"""Training rows of customers as of cutoffs, with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import pandas as pd

from netlift.config.business import FLAG
from netlift.config.definitions import CutoffTask, FlagDefinition, Windows
from netlift.data.contract import CONTROL
from netlift.data.read import Tables
from netlift.data.snapshot import monthly_money
from netlift.errors import DataError
from netlift.estimators.cross_fit import sample_customers
from netlift.estimators.rows import LabelledRows, RowSplit
from netlift.features.build import Queries, build_features
from netlift.features.catalogue import Vocabulary
from netlift.features.leakage import require_no_leak
from netlift.features.matrix import FeatureMatrix
from netlift.features.queries import queries_of_joined
from netlift.features.snapshot import read_flagged, refuse_the_answer
from netlift.training.labels import LabelRequest, label_of
from netlift.training.task import MoneyAtStake

MIN_ROWS = 200
MIN_CLASS_ROWS = 25
BLIND_SAMPLE = 1_000
COMPARED_SHARE = 0.25  # of the customers of an extract who are not held out, for comparing candidates


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Rows to learn from and to be judged on, and what is known of how they came to be.

    Attributes:
        rows: The rows of all cutoffs.
        treated: Whether an offer reached the customer inside the label's window, bool, shape (n,); all False without
            a contacts table.
        notes: Which rows were left out, and why.
    """

    rows: LabelledRows
    treated: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Extract:
    """The flagged customers of one extract.

    Attributes:
        made: Their rows, all of one cutoff.
        split: What each is for, by its id.
        worth: What goes with each of those to judge on.
    """

    made: TrainingSet
    split: RowSplit
    worth: MoneyAtStake


def build_flagged_rows(tables: Tables, definition: FlagDefinition, vocabulary: Vocabulary, *, seed: int) -> Extract:
    """The customers of one extract with their attributes and their flag.

    Args:
        tables: The tables of the extract.
        definition: What is held out, and which attributes are left out.
        vocabulary: Values of the attributes that are text.
        seed: What the draw of those to judge on depends on besides their ids.

    Raises:
        DataError: No flag, the same for everybody, or too few customers of either kind.
        LeakageError: An attribute tells the flag by itself.
    """
    found = read_flagged(tables, vocabulary, seed=seed)
    matrix = drop_features(found.matrix, definition.exclude)
    test = found.draw < definition.held_out_share
    _require_flags(found.left, test)
    refuse_the_answer(matrix, found.left, max_auc=definition.gates.max_feature_auc)
    compare = ~test & (found.draw < definition.held_out_share + COMPARED_SHARE * (1 - definition.held_out_share))
    rows = LabelledRows(
        X=matrix.X,
        features=matrix.features,
        y=found.left,
        customer=np.arange(len(matrix)),
        cutoff=matrix.cutoff,
    )
    notes = [f"{found.unflagged:,} customers without a flag taught nothing"] * (found.unflagged > 0)
    return Extract(
        made=TrainingSet(rows=rows, treated=np.zeros(len(rows), dtype=bool), notes=tuple(notes)),
        split=RowSplit(search=~test & ~compare, compare=compare, test=test),
        worth=_monthly_worth(tables, matrix.customer_id[test]),
    )


def _require_flags(left: np.ndarray, test: np.ndarray) -> None:
    """Refuse too few of either kind among those to judge on, who are the fewest."""
    lost = int(left.sum())
    fewest = min(int(np.count_nonzero(left[part] == kind)) for part in (test, ~test) for kind in (0, 1))
    if len(left) < MIN_ROWS or fewest < MIN_CLASS_ROWS:
        raise DataError(
            f"customers.{FLAG}: {lost:,} of {len(left):,} customers left, {int(left[test].sum()):,} of "
            f"{int(test.sum()):,} among those kept to judge on; at least {MIN_CLASS_ROWS} who left and as many who "
            f"stayed are needed in each part, of {MIN_ROWS} customers in all. Bring a longer extract, or raise "
            "held_out_share"
        )


def _monthly_worth(tables: Tables, ids: np.ndarray) -> MoneyAtStake:
    column = monthly_money(tables)
    if not column:
        return MoneyAtStake(values=np.ones(len(ids)), words="")
    known = tables["customers"].select("customer_id", column).to_pandas().set_index("customer_id")[column]
    return MoneyAtStake(values=known.reindex(ids).to_numpy(dtype=np.float64), words=f"{column.replace('_', ' ')}")


def build_labelled_rows(
    tables: Tables,
    definition: CutoffTask,
    vocabulary: Vocabulary,
    *,
    cutoffs: Sequence[date],
    rows_per_partition: int,
    seed: int,
) -> TrainingSet:
    """The population at each cutoff, with features before it and the label after it.

    Args:
        tables: The business's tables.
        definition: Windows, population and label.
        vocabulary: Values of the categorical columns.
        cutoffs: Midnights, the first moment not seen.
        rows_per_partition: Receipts held at once.
        seed: Where the sample of customers comes from, when there are more than the definition allows.

    Raises:
        DataError: Too few rows, or only one class, to learn from; says how many there are and how many are needed.
    """
    customers = tables["customers"].select("customer_id", "joined_at", "cancelled_at").to_pandas()
    customers = customers.sort_values("customer_id", ignore_index=True)
    ids = customers.customer_id.to_numpy(dtype=object)
    joined = customers.joined_at.to_numpy(dtype="datetime64[us]")
    cancelled = customers.cancelled_at.to_numpy(dtype="datetime64[us]")
    at = np.array([np.datetime64(cutoff, "us") for cutoff in sorted(cutoffs)])
    code, which = np.nonzero((joined[:, None] < at[None, :]) & ~(cancelled[:, None] < at[None, :]))
    of = len(code)
    kept = sample_customers(code, most=definition.population.max_rows, seed=seed)
    code, which = code[kept], which[kept]

    features = build_features(
        tables,
        Queries(customer_id=ids[code], cutoff=at[which]),
        vocabulary,
        observation_days=definition.windows.observation_days,
        rows_per_partition=rows_per_partition,
    )
    limit = definition.population.active_within_days
    if limit is not None:
        active = features.column("days_since_last_purchase") <= limit
        features, code = features.take(active), code[active]
    features = drop_features(features, definition.exclude)
    label = label_of(definition)
    queries = Queries(customer_id=features.customer_id, cutoff=features.cutoff)
    y, why = (
        label.ask(LabelRequest(tables=tables, queries=queries, cancelled=cancelled[code], seed=seed))
        if len(code)
        else (np.zeros(0), "")
    )
    gone = np.isnan(y)
    features, code, y = features.take(~gone), code[~gone], y[~gone]
    rows = LabelledRows(X=features.X, features=features.features, y=y, customer=code, cutoff=features.cutoff)
    _require_learnable(rows, definition.task, label.happened)
    notes = []
    if len(kept) < of:
        notes.append(f"customers were sampled down to {definition.population.max_rows:,} rows")
    if gone.any():
        notes.append(f"{gone.sum():,} rows were left out: {why}")
    return TrainingSet(rows=rows, treated=flag_treated(tables, features, definition.windows), notes=tuple(notes))


def flag_treated(tables: Tables, features: FeatureMatrix, windows: Windows) -> np.ndarray:
    """Whether an offer reached the customer of each row inside its label's window, bool, shape (n,).

    Such customers show what the old policy made of them, not what they would have done alone.
    """
    import ibis

    treated = np.zeros(len(features), dtype=bool)
    if "contacts" not in tables:
        return treated
    contacts = tables["contacts"]
    reached = contacts.filter(contacts.offer_id != CONTROL).mutate(
        at=contacts.delivered_at.coalesce(contacts.assigned_at)
    )
    cutoffs = np.unique(features.cutoff)
    start = cutoffs + np.timedelta64(windows.gap_days, "D")
    labels = pd.DataFrame({"label": np.arange(len(cutoffs)), "start": start})
    labels["end"] = start + np.timedelta64(windows.horizon_days, "D")
    asked = ibis.memtable(labels)
    inside = reached.inner_join(asked, [reached.at >= asked.start, reached.at < asked.end])
    found = tables.connection.to_pyarrow(inside.select("label", "customer_id").distinct()).to_pandas()
    for label, cutoff in enumerate(cutoffs):
        here = np.flatnonzero(features.cutoff == cutoff)
        treated[here] = pd.Index(features.customer_id[here]).isin(found.customer_id[found.label == label])
    return treated


def require_blind_features(
    tables: Tables, vocabulary: Vocabulary, *, cutoff: date, observation_days: int, seed: int
) -> int:
    """Refuse features that change, for a sample of customers, when everything after the cutoff is taken away.

    Returns:
        How many customers were asked about.

    Raises:
        LeakageError: Names the features.
    """
    everybody = queries_of_joined(tables, [datetime.combine(cutoff, datetime.min.time())])
    drawn = np.random.default_rng(seed).permutation(len(everybody))[:BLIND_SAMPLE]
    sample = everybody.take(np.sort(drawn))
    require_no_leak(tables, sample, vocabulary, observation_days=observation_days)
    return len(drawn)


def drop_features(matrix: FeatureMatrix, exclude: Sequence[str]) -> FeatureMatrix:
    """The matrix without some features.

    Raises:
        DataError: A name that is no feature.
    """
    unknown = sorted(set(exclude) - set(matrix.names))
    if unknown:
        raise DataError(f"exclude names {unknown}, which are no features; see docs/features.md for their names")
    keep = [i for i, name in enumerate(matrix.names) if name not in set(exclude)]
    return FeatureMatrix(
        customer_id=matrix.customer_id,
        cutoff=matrix.cutoff,
        X=np.asfortranarray(matrix.X[:, keep]),
        features=tuple(matrix.features[i] for i in keep),
    )


def _require_learnable(rows: LabelledRows, task: str, happened: str) -> None:
    if len(rows) < MIN_ROWS:
        raise DataError(
            f"{task}: {len(rows)} customers in the population over all cutoffs, {MIN_ROWS} needed; widen "
            "population.active_within_days or bring more history"
        )
    positives = int(np.count_nonzero(rows.y > 0))
    if min(positives, len(rows) - positives) < MIN_CLASS_ROWS:
        raise DataError(
            f"{task}: {positives:,} of {len(rows):,} rows {happened}; at least {MIN_CLASS_ROWS} of either kind "
            "are needed. Change the horizon or the population"
        )


__all__ = ["Extract", "TrainingSet", "build_flagged_rows", "build_labelled_rows", "drop_features", "flag_treated"]
