"""The score command: one Parquet file of champion scores and its manifest."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from netlift.config.business import BusinessSettings
from netlift.data.by_customer import run_by_customer
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import Finding, read_findings
from netlift.data.history import read_history
from netlift.data.read import Tables, open_tables
from netlift.data.run import (
    RunFolder,
    SourceFiles,
    combine_digests,
    find_sources,
    safe_key,
)
from netlift.data.snapshot import monthly_money
from netlift.data.write import parquet_writer, row_groups
from netlift.errors import DataError, GateRefusedError
from netlift.evaluation.value.retention import RetentionEconomics, churn_threshold, retention_profit
from netlift.features.build import iterate_together
from netlift.features.matrix import FeatureMatrix
from netlift.features.profile import WHAT_HELPS, Drift, DriftWatch
from netlift.progress import Progress, Silent
from netlift.registry.champions import Champion, in_population, load_champions, seen_by, select_features
from netlift.registry.locks import job
from netlift.registry.scoring_contract import require_same_schema
from netlift.results import Told

if TYPE_CHECKING:
    import pyarrow as pa

SCORES_FILE = "scores.parquet"
FILES = {"scores": SCORES_FILE}
SHOWN_DRIFTS = 10


@dataclass(frozen=True, kw_only=True)
class ScoreSummary(Told):
    """What a scoring job did; the same content stands in the manifest.

    Attributes:
        run_key: The job's key.
        as_of: First day not seen.
        path: The Parquet file of scores.
        rows: Customers scored.
        customers: Customers in the table, those who join later included.
        versions: Task to the version that scored.
        without_champion: Tasks of the config that have no champion, and so no column.
        observational: Task to the campaigns that nobody randomized and that its model was made from, where there are.
        routes: Task to how each file of its model was asked: compiled, or by LightGBM and why.
        outside_population: Task to customers it was not asked about; their score is null.
        unseen: Task and column to rows with a value that the vocabulary of training does not name, taken as "other".
        drifted: Features that moved most since training, the largest first.
        drifted_features: How many features are above the limit.
        digests: What the scores were made from, and the file's own digest.
        seconds: Wall time of the job that wrote them.
        written: False where this key had been written before from the same inputs; nothing was written again.
        left_out: What of the tables was not read, as the check found it.
    """

    run_key: str
    as_of: date
    path: str
    rows: int
    customers: int
    versions: Mapping[str, int]
    without_champion: tuple[str, ...]
    outside_population: Mapping[str, int]
    unseen: Mapping[str, Mapping[str, int]]
    drifted: tuple[Drift, ...]
    drifted_features: int
    digests: Mapping[str, str]
    seconds: float
    written: bool
    observational: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left_out: tuple[Finding, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Customers in the table, and scored."""
        return {"in": self.customers, "out": self.rows}

    def to_text(self) -> str:
        """The summary as lines for people."""
        models = ", ".join(f"{task} v{version}" for task, version in self.versions.items())
        lines = [
            f"{self.rows:,} customers scored as of {self.as_of} by {models}"
            if self.written
            else f"run key {self.run_key}: already written from the same inputs, nothing to do",
            f"  {self.path}",
            f"  {self.seconds:.1f} s, {self.drifted_features} features drifted since training",
        ]
        lines += [f"  observational: {task} learned from {names}" for task, names in self.observational.items()]
        lines += [f"  no champion for {task}: no column for it" for task in self.without_champion]
        lines += [f"  {task}: {n:,} outside its population, null" for task, n in self.outside_population.items()]
        return "\n".join(lines)


def score_business(
    settings: BusinessSettings,
    *,
    as_of: date,
    run_key: str,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
) -> ScoreSummary:
    """Score every customer who had joined, with the champions of this moment.

    Args:
        settings: The business.
        as_of: First day not seen by the features.
        run_key: Name of the output folder; empty for `as_of`. The same key gives the same bytes, or a refusal.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another job with this key.

    Raises:
        GateRefusedError: No champion, scores that are not finite, too many unseen values, or too much drift; nothing
            was written.
        SchemaDriftError: Columns that training had are missing or of another type.
        DataError: The newest receipt is older than the config allows.
        UsageError: The key was written before, from other inputs.
        BusyError: Another job writes this key, or somebody wrote the tables meanwhile; nothing was written.
    """
    started = perf_counter()
    key = run_key or as_of.isoformat()
    target = settings.state / "out" / "scores" / safe_key(key)
    lock, holder = f"score-{key}", f"score {key}"
    with job(settings.state, lock, holder=holder, timeout_seconds=lock_timeout, needed_mb=200):
        champions, without = load_champions(settings)
        sources = find_sources(settings)
        run = RunFolder(
            target=target,
            inputs=_input_digests(settings, champions, sources, as_of),
            files=FILES,
            access=settings.ids_readable_by,
        )
        if standing := run.read():
            return _summary(standing, written=False)
        with open_tables(settings, verb="score") as tables:
            require_same_schema([champion.contract for champion in champions], tables)
            progress.stage("check", "holding the tables against the contract")
            tables, report = read_sound(tables, settings, verb="score")
            require_fresh(tables, as_of, settings.score.max_data_age_days)
            scoring = _Scoring(champions, tables, settings, as_of, progress)
            with run.staged() as staging:
                scoring.write(staging / SCORES_FILE)
                scoring.require_sound()
                told = {
                    "run_key": key,
                    "as_of": as_of,
                    "path": str(target / SCORES_FILE),
                    "rows": scoring.rows,
                    "customers": scoring.customers,
                    "versions": {champion.task: champion.version for champion in champions},
                    "without_champion": without,
                    "outside_population": scoring.outside,
                    "unseen": scoring.unseen,
                    "drifted": scoring.drifts[:SHOWN_DRIFTS],
                    "drifted_features": sum(drift.is_news for drift in scoring.drifts),
                    "seconds": round(perf_counter() - started, 3),
                    "written": True,
                    "observational": {c.task: c.contract.observational for c in champions if c.contract.observational},
                    "routes": scoring.routes,
                    "left_out": report.left_out_of("score"),
                }
                manifest = run.seal(staging, told, now=now)
                sources.require_unchanged()
    return _summary(manifest, written=True)


class _Scoring:
    """One pass over all customers: features once per vocabulary, scores of every champion, counts along the way."""

    def __init__(
        self, champions: Sequence[Champion], tables: Tables, settings: BusinessSettings, as_of: date, progress: Progress
    ) -> None:
        self._champions = champions
        self._tables = tables
        self._settings = settings
        self._as_of = as_of
        self._progress = progress
        self._watches: list[DriftWatch] = [champion.profile.watch() for champion in champions]
        self.customers = int(tables["customers"].count().to_pyarrow().as_py())
        self.rows = 0
        self.outside: dict[str, int] = {}
        self.unseen: dict[str, dict[str, int]] = {}
        self.routes: dict[str, dict[str, str]] = {champion.task: {} for champion in champions}
        self._not_finite: dict[str, int] = {}

    @cached_property
    def _gone(self) -> pd.Series:
        return _who_cancelled(self._tables, self._as_of)

    @cached_property
    def _monthly(self) -> pd.Series | None:
        return _monthly_money(self._tables)

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """The largest drift of each feature over the champions that have a population.

        Uplift learns from whom campaigns chose, so that all customers differ from its rows by design; its drift is
        looked at where no other champion scores.
        """
        asked = [w for w, c in zip(self._watches, self._champions, strict=True) if c.contract.active_within_days]
        largest: dict[str, Drift] = {}
        for watch in asked or self._watches:
            for drift in watch.drifts():
                if drift.feature not in largest or drift.psi > largest[drift.feature].psi:
                    largest[drift.feature] = drift
        return tuple(sorted(largest.values(), key=lambda drift: (-drift.psi, drift.feature)))

    def write(self, path: Path) -> None:
        """Write the scores of all customers, part by part: one file, or a folder of one for each part of a cluster."""
        self._progress.stage("score", f"features and scores as of {self._as_of}")
        on_cluster = self._settings.engine.kind == "spark"
        rows = 0
        with ExitStack() as stack:
            for number, table in enumerate(self._on_cluster() if on_cluster else row_groups(self.scores())):
                if on_cluster or not number:
                    part = path / f"part-{number:05}.parquet" if on_cluster else path
                    part.parent.mkdir(exist_ok=True)
                    stack.close()
                    writer = stack.enter_context(parquet_writer(part, table.schema))
                writer.write_table(table)
                rows += len(table)
                self._progress.advance("score", rows, self.customers, f"{rows:,} customers scored")
        if not self.rows:
            raise DataError(f"customers: nobody had joined before {self._as_of}; check --as-of and joined_at")

    def scores(self) -> Iterator[pa.Table]:
        """The scores of each partition of the customers."""
        for parts in self._parts():
            table = self._score(parts)
            self.rows += len(table)
            yield table

    def _on_cluster(self) -> Iterator[pa.Table]:
        """The same, worked out by a cluster for each part of the customers, and what was counted there added here."""
        settings = self._settings
        tables, names = seen_by(self._champions, self._tables, self._as_of)
        work = partial(_score_part, self._champions, settings, self._as_of)
        counted = yield from run_by_customer(tables, names, work, engine=settings.engine, state=settings.state)
        for counts in counted:
            self.add(counts)

    def counts(self) -> dict[str, Any]:
        """What was counted along the way."""
        return {
            "rows": self.rows,
            "outside": self.outside,
            "unseen": self.unseen,
            "not_finite": self._not_finite,
            "routes": self.routes,
            "seen": [watch.counts() for watch in self._watches],
        }

    def add(self, counts: Mapping[str, Any]) -> None:
        """Count what another pass over other customers counted."""
        self.rows += counts["rows"]
        unseen = [(self.unseen.setdefault(task, {}), found) for task, found in counts["unseen"].items()]
        for mine, theirs in [(self.outside, counts["outside"]), (self._not_finite, counts["not_finite"]), *unseen]:
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        for task, routes in counts["routes"].items():
            self.routes[task] |= routes
        for watch, seen in zip(self._watches, counts["seen"], strict=True):
            watch.add(seen)

    def require_sound(self) -> None:
        """Refuse what must not leave the house.

        Raises:
            GateRefusedError: Scores that are not finite, too many unseen values or too much drift.
        """
        limits = self._settings.score
        reasons = [f"{name}: {n:,} of {self.rows:,} scores are not finite" for name, n in self._not_finite.items() if n]
        reasons += [
            f"{drift.feature}: {drift.other_now:.1%} of customers have a value that the vocabulary does not name, "
            f"{drift.other_before:.1%} had in training; score.max_unseen_share allows {limits.max_unseen_share:.1%} "
            "more. Train again, or correct the source"
            for drift in self.drifts
            if drift.other_now - drift.other_before > limits.max_unseen_share
        ]
        drifted = [drift.feature for drift in self.drifts if drift.is_news]
        if len(drifted) > limits.max_drifted_share * max(len(self.drifts), 1):
            reasons.append(
                f"{len(drifted)} of {len(self.drifts)} features drifted since training, over the "
                f"{limits.max_drifted_share:.0%} of score.max_drifted_share, most of all {', '.join(drifted[:3])}; "
                f"what ages with its cohort or follows your own contacts does not count. {WHAT_HELPS}"
            )
        if reasons:
            raise GateRefusedError("no scores were written: " + "; ".join(reasons))

    def _parts(self) -> Iterator[list[FeatureMatrix]]:
        """Partitions of the customers, each as one matrix per champion; one pass over the receipts."""
        requests = [champion.contract.request for champion in self._champions]
        cutoffs = np.array([self._as_of], dtype="datetime64[us]")
        rows = self._settings.engine.rows_per_partition
        return iterate_together(self._tables, cutoffs, requests, rows_per_partition=rows)

    def _score(self, parts: list[FeatureMatrix]) -> pa.Table:
        import pyarrow as pa

        n = len(parts[0])
        columns: dict[str, Any] = {
            "customer_id": pa.array(parts[0].customer_id, type=pa.string()),
            "as_of": pa.array([self._as_of] * n, type=pa.date32()),
        }
        here = ~pd.Index(parts[0].customer_id).isin(self._gone)
        money: dict[str, np.ndarray] = {}
        for champion, part, watch in zip(self._champions, parts, self._watches, strict=True):
            asked = here & in_population(champion.contract, part)
            self.outside[champion.task] = self.outside.get(champion.task, 0) + int((~asked).sum())
            watch.see(part.take(asked))
            counted = self.unseen.setdefault(champion.task, {})
            for column, count in part.unseen.items():
                counted[column] = counted.get(column, 0) + count
            scores = champion.model.predict_matrix(select_features(part, champion.model.names))
            self.routes[champion.task] |= champion.model.routes
            for name, values in scores.items():
                bad = asked & ~np.isfinite(values)
                self._not_finite[name] = self._not_finite.get(name, 0) + int(bad.sum())
                columns[name] = pa.array(values, mask=~asked)
            money[champion.task] = np.where(asked, next(iter(scores.values())), np.nan)
        at_risk = self._at_risk(money) | self._at_risk_a_month(money, parts[0].customer_id)
        columns |= {name: pa.array(x, mask=np.isnan(x)) for name, x in at_risk.items()}
        for champion in self._champions:
            columns[f"{champion.task}_version"] = pa.array(np.full(n, champion.version, dtype=np.int32))
        return pa.table(columns)

    def _at_risk(self, money: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What may be lost with each customer, and from which chance on a contact would pay, where both are known."""
        if not {"churn", "ltv"} <= set(money):
            return {}
        p_lost, value = money["churn"], money["ltv"]
        known = ~np.isnan(p_lost) & ~np.isnan(value)
        columns = {"money_at_risk": p_lost * np.maximum(value, 0.0)}
        if self._settings.retention is not None:
            economics = RetentionEconomics(**self._settings.retention.model_dump())
            threshold, profit = (np.full(len(known), np.nan) for _ in range(2))
            threshold[known] = np.minimum(churn_threshold(value[known], economics), 1.0)
            profit[known] = retention_profit(p_lost[known], value[known], economics)
            columns |= {"churn_threshold": threshold, "retention_profit": profit}
        return columns

    def _at_risk_a_month(self, money: Mapping[str, np.ndarray], ids: np.ndarray) -> dict[str, np.ndarray]:
        """What a month may be lost with each customer of an extract."""
        if self._monthly is None or "churn" not in money:
            return {}
        return {
            f"{self._monthly.name}_at_risk": money["churn"] * np.maximum(self._monthly.reindex(ids).to_numpy(), 0.0)
        }


def _score_part(
    champions: Sequence[Champion], settings: BusinessSettings, as_of: date, tables: Tables
) -> Generator[pa.Table, None, dict[str, Any]]:
    """Scores of the customers of some tables; returns what was counted. It runs on the workers of a cluster."""
    scoring = _Scoring(champions, tables, settings, as_of, Silent())
    yield from scoring.scores()
    return scoring.counts()


def _monthly_money(tables: Tables) -> pd.Series | None:
    """What each customer of an extract brings in a month, by id; None where nobody knows."""
    column = monthly_money(tables) if tables.snapshot_of is not None else ""
    if not column:
        return None
    return tables["customers"].select("customer_id", column).to_pandas().set_index("customer_id")[column]


def _who_cancelled(tables: Tables, as_of: date) -> pd.Series:
    """Ids of those whose contract had ended: nobody is asked about them."""
    customers = tables["customers"]
    gone = customers.filter(customers.cancelled_at < datetime.combine(as_of, datetime.min.time()))
    return tables.connection.to_pyarrow(gone.select("customer_id"))["customer_id"].to_pandas()


def require_fresh(tables: Tables, as_of: date, most_days: int) -> None:
    """Refuse a day that the receipts do not reach.

    Raises:
        DataError: The data end earlier than the config allows, or an extract is of a later day.
    """
    history = read_history(tables)
    if history.is_snapshot and as_of < history.end:
        raise DataError(
            f"customers: the extract is of {history.first} (data.snapshot_of), and nobody knows what it would "
            f"have held before --as-of {as_of}; name {history.end}, or an older extract"
        )
    newest = history.end - timedelta(days=1)
    table, rows = ("customers", "rows") if history.is_snapshot else ("transactions", "receipts")
    if as_of - newest > timedelta(days=most_days):
        quiet = "" if tables.complete_end else "; if nothing was sold since, say data.complete_until"
        raise DataError(
            f"{table}: {history.said} {newest}, {(as_of - newest).days} days before --as-of {as_of}; "
            f"score.max_data_age_days allows {most_days}. Load newer {rows}, or name an earlier day{quiet}"
        )


def _input_digests(
    settings: BusinessSettings, champions: Sequence[Champion], sources: SourceFiles, as_of: date
) -> dict[str, str]:
    digests = {f"model_{champion.task}": champion.digest for champion in champions}
    digests["config"] = settings.digest()
    digests["data"] = sources.digest
    return digests | {"inputs": combine_digests({**digests, "as_of": as_of.isoformat()})}


def _summary(manifest: Mapping[str, Any], *, written: bool) -> ScoreSummary:
    """What a manifest tells of the scores beside it."""
    fields = {name: manifest[name] for name in ScoreSummary.__dataclass_fields__ if name in manifest}
    return ScoreSummary(
        **fields
        | {
            "as_of": date.fromisoformat(manifest["as_of"]),
            "without_champion": tuple(manifest["without_champion"]),
            "drifted": tuple(Drift(**drift) for drift in manifest["drifted"]),
            "left_out": read_findings(manifest.get("left_out", ())),
            "written": written,
        }
    )
