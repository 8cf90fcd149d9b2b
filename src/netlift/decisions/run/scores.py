"""Champion scores and requested features of all customers, by partition."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from netlift.config.business import BusinessSettings, ScoreSettings, TaskName
from netlift.data.by_customer import run_by_customer
from netlift.data.read import Tables
from netlift.errors import DataError, GateRefusedError
from netlift.features.build import iterate_together
from netlift.features.catalogue import build_catalogue
from netlift.features.matrix import FeatureMatrix
from netlift.features.profile import WHAT_HELPS, DriftWatch
from netlift.progress import Progress
from netlift.registry.champions import Champion, find_champions, in_population, seen_by, select_features
from netlift.segments.snapshot_features import ltv_output

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Work = Callable[[Tables], Generator[dict[str, np.ndarray], None, dict[str, Any]]]

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")
Part = dict[str, np.ndarray]
UPLIFT: TaskName = "uplift"
TASKS: tuple[TaskName, ...] = ("uplift", "churn", "ltv")
SCORES = ("p_churn", "ltv")
LAST_PURCHASE, OVER_GAP = "days_since_last_purchase", "days_since_last_purchase_over_gap"


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Customers who had joined by the day, in the order of ids, and what is predicted of them.

    Attributes:
        ids: Customers, shape (n,), dtype object of str.
        uplift: Predicted profit that each offer adds over no contact, NaN where no model knows it, float32, (n, m).
        reward: Reward that a contact of each offer is expected to pay, NaN where no model knows it, float32, (n, m).
        worn: What a contact wears out beyond its outcome window, NaN where no model knows it, float32, (n, m).
        p_churn: Chance of churn, NaN where not known, float32, shape (n,).
        ltv: Predicted value, NaN where not known, float32, shape (n,).
        columns: Features asked for by name, float32 or words, shape (n,).
        drifted: Features that moved far since training, by the champions that are asked of everybody.
    """

    ids: np.ndarray
    uplift: np.ndarray
    reward: np.ndarray
    worn: np.ndarray
    p_churn: np.ndarray
    ltv: np.ndarray
    columns: Mapping[str, np.ndarray]
    drifted: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Scored:
        """The given customers alone, by position or mask."""
        return replace(
            self,
            ids=self.ids[rows],
            uplift=self.uplift[rows],
            reward=self.reward[rows],
            worn=self.worn[rows],
            p_churn=self.p_churn[rows],
            ltv=self.ltv[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
        )


def find_deciders(settings: BusinessSettings) -> tuple[dict[str, Champion], tuple[str, ...]]:
    """The champions of uplift, churn and ltv that stand, and the tasks of the config without one.

    Raises:
        GateRefusedError: No champion of uplift: nobody knows what an offer changes.
    """
    champions, without = find_champions(settings, [task for task in TASKS if task in settings.models])
    found = {champion.task: champion for champion in champions}
    if UPLIFT not in found:
        raise GateRefusedError(
            "no champion for uplift, so nobody knows what an offer changes and nothing goes out: run `netlift train "
            "uplift`, or see why its gate refused"
        )
    return found, without


def ltv_days(champion: Champion | None) -> float:
    """Days that the ltv champion predicts; 1 without one, where nothing is predicted."""
    if champion is None:
        return 1.0
    days = ltv_output(champion).removeprefix("ltv_").removesuffix("d")
    if not days.isdigit() or int(days) == 0:
        raise DataError(
            f"the ltv champion's first output is {ltv_output(champion)!r}, needed is ltv_<days>d: train again"
        )
    return float(days)


def feature_names(champion: Champion) -> frozenset[str]:
    """Names of the features that conditions may ask about: those of the uplift champion's catalogue."""
    return frozenset(feature.name for feature in build_catalogue(champion.contract.vocabulary))


def score_customers(
    settings: BusinessSettings,
    tables: Tables,
    champions: Mapping[str, Champion],
    *,
    as_of: date,
    offers: Sequence[str],
    asked: Sequence[str],
    progress: Progress,
) -> Scored:
    """Ask the champions of every customer who had joined.

    Args:
        settings: The business.
        tables: Its tables.
        champions: Task to its champion; uplift is among them.
        as_of: First day not seen.
        offers: Offers of the config, m of them.
        asked: Features to bring along.
        progress: Who watches.

    Raises:
        GateRefusedError: Scores that are not finite, too much drift, or too many values that training did not know.
        DataError: Nobody had joined.
    """
    total = int(tables["customers"].count().to_pyarrow().as_py())
    parts: list[Part] = []
    watches = {task: champion.profile.watch() for task, champion in champions.items()}
    work = partial(_score_part, champions, as_of, offers, asked, settings.engine.rows_per_partition)
    rows = 0
    for part in _parts(settings, tables, champions, as_of, work, watches):
        parts.append(part)
        rows += len(part["ids"])
        progress.advance("decide", rows, total, f"{rows:,} customers scored")
    if not rows:
        raise DataError(f"customers: nobody had joined before {as_of}; check --as-of and joined_at")
    joined = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
    if settings.engine.kind == "spark":  # whose parts come in no order
        order = np.argsort(joined["ids"], kind="stable")
        joined = {name: values[order] for name, values in joined.items()}
    drifted = _require_familiar(settings.score, champions, watches)
    return Scored(
        ids=joined.pop("ids"),
        uplift=joined.pop("uplift"),
        reward=joined.pop("reward"),
        worn=joined.pop("worn"),
        p_churn=joined.pop("p_churn"),
        ltv=joined.pop("ltv"),
        columns=joined,
        drifted=drifted,
    )


def score_churn(settings: BusinessSettings, tables: Tables, champion: Champion, *, as_of: date) -> pd.Series:
    """Chance of churn by customer as of an earlier day, of those whom the model is asked about."""
    import pandas as pd

    parts = []
    for matrices in _partitions(
        tables, {champion.task: champion}, as_of, rows_per_partition=settings.engine.rows_per_partition
    ):
        matrix = matrices[champion.task]
        there = matrix.take(in_population(champion.contract, matrix))
        told = champion.model.predict_matrix(select_features(there, champion.model.names))
        parts.append(pd.Series(told[champion.model.outputs[0]], index=pd.Index(there.customer_id, dtype=object)))
    return pd.concat(parts) if parts else pd.Series(dtype=np.float64)


def _partitions(
    tables: Tables, champions: Mapping[str, Champion], as_of: date, *, rows_per_partition: int
) -> Iterator[dict[str, FeatureMatrix]]:
    """One matrix per champion of each partition of customers; one pass over the receipts."""
    cutoffs = np.array([as_of], dtype="datetime64[us]")
    requests = [champion.contract.request for champion in champions.values()]
    for matrices in iterate_together(tables, cutoffs, requests, rows_per_partition=rows_per_partition):
        yield dict(zip(champions, matrices, strict=True))


def _parts(
    settings: BusinessSettings,
    tables: Tables,
    champions: Mapping[str, Champion],
    as_of: date,
    work: Work,
    watches: Mapping[str, DriftWatch],
) -> Iterator[Part]:
    """What is predicted of each part of the customers, here or by the workers of a cluster, and their drift counted."""
    if settings.engine.kind == "spark":
        seen, names = seen_by([*champions.values()], tables, as_of)
        made = run_by_customer(seen, names, partial(_packed, work), engine=settings.engine, state=settings.state)
        counted = yield from _each(made, _unpack)
    else:
        counted = [(yield from work(tables))]
    for counts in counted:
        for task, watch in watches.items():
            watch.add(counts[task])


def _score_part(
    champions: Mapping[str, Champion],
    as_of: date,
    offers: Sequence[str],
    asked: Sequence[str],
    rows_per_partition: int,
    tables: Tables,
) -> Generator[Part, None, dict[str, Any]]:
    watches = {task: champion.profile.watch() for task, champion in champions.items()}
    for matrices in _partitions(tables, champions, as_of, rows_per_partition=rows_per_partition):
        for task, watch in watches.items():
            watch.see(matrices[task].take(in_population(champions[task].contract, matrices[task])))
        yield _score(champions, matrices, offers, asked)
    return {task: watch.counts() for task, watch in watches.items()}


def _packed(work: Work, tables: Tables) -> Generator[pa.Table, None, dict[str, Any]]:
    """A part as a table; what is two-dimensional has a column for each of its columns."""
    return (yield from _each(work(tables), _pack))


def _pack(part: Part) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name, values in part.items():
        flat = {f"{name}/{j}": values[:, j] for j in range(values.shape[1])} if values.ndim > 1 else {name: values}
        for each, column in flat.items():
            columns[each] = pa.array(column, pa.string() if column.dtype == object else None, from_pandas=False)
    return pa.table(columns)


def _unpack(table: pa.Table) -> Part:
    part: Part = {}
    for what in ("uplift", "reward", "worn"):
        columns = [table[name].to_numpy() for name in table.column_names if name.startswith(f"{what}/")]
        part[what] = np.stack(columns, axis=1) if columns else np.empty((len(table), 0), dtype=np.float32)
    return part | {name: table[name].to_numpy() for name in table.column_names if "/" not in name}


def _each(made: Generator[A, None, R], change: Callable[[A], B]) -> Generator[B, None, R]:
    """What a generator yields, changed, and what it returns, as it is."""
    while True:
        try:
            item = next(made)
        except StopIteration as end:
            returned: R = end.value
            return returned
        yield change(item)


def _score(
    champions: Mapping[str, Champion],
    matrices: Mapping[str, FeatureMatrix],
    offers: Sequence[str],
    asked: Sequence[str],
) -> dict[str, np.ndarray]:
    own = matrices[UPLIFT]
    n = len(own)
    model = champions[UPLIFT].model
    predicted = model.predict_matrix(select_features(own, model.names))
    found: dict[str, np.ndarray] = {"ids": own.customer_id}
    for what in ("uplift", "reward", "worn"):
        found[what] = np.full((n, len(offers)), np.nan, dtype=np.float32)
        for j, offer in enumerate(offers):
            if f"{what}_{offer}" in predicted:
                found[what][:, j] = _finite(predicted[f"{what}_{offer}"], f"{what}_{offer}")
    for task, name in (("churn", "p_churn"), ("ltv", "ltv")):
        found[name] = np.full(n, np.nan, dtype=np.float32)
        if task in champions:
            champion, matrix = champions[task], matrices[task]
            there = in_population(champion.contract, matrix)
            told = champion.model.predict_matrix(select_features(matrix.take(there), champion.model.names))
            found[name][there] = _finite(told[champion.model.outputs[0]], name)
    return found | {name: _column(own, name) for name in asked}


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise GateRefusedError(
            f"{name}: {bad:,} of {len(values):,} scores are not finite, so nothing goes out; run `netlift check`, or "
            "train again"
        )
    return values


def _column(matrix: FeatureMatrix, name: str) -> np.ndarray:
    """A feature as numbers, or as words where it is a category; none where the catalogue does not have it."""
    if name not in matrix.names:
        return np.full(len(matrix), np.nan, dtype=np.float32)
    feature = matrix.features[matrix.names.index(name)]
    values = matrix.column(name)
    if feature.kind == "number":
        return np.ascontiguousarray(values)
    words = np.array([*feature.categories, None], dtype=object)
    return words[np.where(np.isnan(values), len(feature.categories), values).astype(np.int64)]


def _require_familiar(
    limits: ScoreSettings, champions: Mapping[str, Champion], watches: Mapping[str, DriftWatch]
) -> tuple[str, ...]:
    """Refuse customers whom training had not seen the like of; which features have drifted.

    Only drift of champions that have a population closes. Uplift learns from whom campaigns chose, so that all
    customers differ from its rows by design.
    """
    asked = [task for task, champion in champions.items() if champion.contract.active_within_days]
    drifts = [drift for task in asked for drift in watches[task].drifts()]
    reasons = [
        f"{drift.feature}: {drift.other_now:.1%} of customers have a value that training did not name, "
        f"{drift.other_before:.1%} had in training, over the {limits.max_unseen_share:.1%} more that "
        "score.max_unseen_share allows"
        for drift in {drift.feature: drift for watch in watches.values() for drift in watch.drifts()}.values()
        if drift.other_now - drift.other_before > limits.max_unseen_share
    ]
    names = {drift.feature for drift in drifts}
    drifted = sorted({drift.feature for drift in drifts if drift.is_news})
    if len(drifted) > limits.max_drifted_share * max(len(names), 1):
        reasons.append(
            f"{len(drifted)} of {len(names)} features drifted since training, over the {limits.max_drifted_share:.0%} "
            f"of score.max_drifted_share, such as {', '.join(drifted[:3])}"
        )
    if reasons:
        raise GateRefusedError(f"nothing goes out: {'; '.join(reasons)}. {WHAT_HELPS}")
    return tuple(drifted)


__all__ = ["LAST_PURCHASE", "OVER_GAP", "SCORES", "UPLIFT", "Scored", "feature_names", "find_deciders", "ltv_days",
           "score_churn", "score_customers"]  # fmt: skip
