"""The nightly job: champions, features as of a day, one Parquet file of scores and its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.data.check import check_tables
from netlift.data.read import Tables, open_tables
from netlift.data.write import file_digest, parquet_writer, require_free_space, staged_directory, write_bytes
from netlift.errors import DataError, GateRefusedError, UsageError
from netlift.estimators.stored import StoredModel
from netlift.features.build import iterate_features
from netlift.features.matrix import FeatureMatrix
from netlift.features.profile import DRIFTED, Drift, DriftWatch, Profile
from netlift.pipelines.calendar import read_history
from netlift.pipelines.fingerprint import combine_digests, digest_sources
from netlift.pipelines.progress import Progress
from netlift.pipelines.scoring_contract import CONTRACT_FILE, PROFILE_FILE, ScoringContract, require_same_schema
from netlift.registry.locks import exclusive
from netlift.registry.models import load, resolve
from netlift.registry.store import open_store
from netlift.results import to_plain

if TYPE_CHECKING:
    import pyarrow as pa

SCORES_FILE = "scores.parquet"
MANIFEST_FILE = "manifest.json"
SHOWN_DRIFTS = 10


@dataclass(frozen=True, kw_only=True)
class Champion:
    """A champion with all that scoring needs of it.

    Attributes:
        task: churn, ltv or uplift.
        version: Its version in the registry.
        digest: Digest of its files.
        model: The stored model, verified.
        contract: What it saw in training.
        profile: What its features looked like in training.
    """

    task: str
    version: int
    digest: str
    model: StoredModel
    contract: ScoringContract
    profile: Profile


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """What a scoring job did; the same content stands in the manifest.

    Attributes:
        run_key: The job's key.
        as_of: First day not seen.
        path: The Parquet file of scores.
        rows: Customers scored.
        customers: Customers in the table, those who join later included.
        versions: Task to the version that scored.
        without_champion: Tasks of the config that have no champion, and so no column.
        outside_population: Task to customers it was not asked about; their score is null.
        unseen: Task and column to rows with a value that the vocabulary of training does not name, taken as "other".
        drifted: Features that moved most since training, the largest first.
        drifted_features: How many features are above the limit.
        digests: What the scores were made from, and the file's own digest.
        seconds: Wall time of the job that wrote them.
        written: False where this key had been written before from the same inputs; nothing was written again.
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
        BusyError: Another job writes this key.
    """
    started = perf_counter()
    key = run_key or as_of.isoformat()
    target = settings.state / "out" / "scores" / _safe_key(key)
    require_free_space(settings.state, needed_mb=200)
    with exclusive(settings.state / "locks" / f"score-{key}.lock", timeout_seconds=lock_timeout, holder=f"score {key}"):
        champions, without = load_champions(settings)
        inputs = _input_digests(settings, champions, as_of)
        if target.exists():
            return _standing(target, inputs, key)
        with open_tables(settings) as tables:
            require_same_schema([champion.contract for champion in champions], tables)
            progress.stage("check", "holding the tables against the contract")
            check_tables(tables, settings, as_of=None).raise_for_errors()
            _require_fresh(tables, as_of, settings.score.max_data_age_days)
            job = _Job(champions, tables, settings, as_of, progress)
            with staged_directory(target) as staging:
                job.write(staging / SCORES_FILE)
                job.require_sound()
                summary = ScoreSummary(
                    run_key=key,
                    as_of=as_of,
                    path=str(target / SCORES_FILE),
                    rows=job.rows,
                    customers=job.customers,
                    versions={champion.task: champion.version for champion in champions},
                    without_champion=without,
                    outside_population=job.outside,
                    unseen=job.unseen,
                    drifted=job.drifts[:SHOWN_DRIFTS],
                    drifted_features=sum(drift.psi > DRIFTED for drift in job.drifts),
                    digests={**inputs, "scores": file_digest(staging / SCORES_FILE)},
                    seconds=round(perf_counter() - started, 3),
                    written=True,
                )
                manifest = {"schema_version": 1, "written_at": now.isoformat(), **to_plain(summary)}
                write_bytes(staging / MANIFEST_FILE, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
    return summary


def load_champions(settings: BusinessSettings) -> tuple[list[Champion], tuple[str, ...]]:
    """The champion of each task of the config, each alias resolved once, and the tasks that have none.

    Raises:
        GateRefusedError: No task has a champion.
        ModelIntegrityError: A model's files are not those that were registered.
    """
    store = open_store(settings.state, run_group=settings.name)
    champions, without = [], []
    for task in settings.models:
        version = resolve(store, task, "champion")
        if version is None:
            without.append(task)
            continue
        loaded = load(store, task, version.version, threads=settings.engine.threads)
        champions.append(
            Champion(
                task=task,
                version=version.version,
                digest=version.digest,
                model=loaded.model,
                contract=ScoringContract.from_json(loaded.files[CONTRACT_FILE]),
                profile=Profile.from_json(loaded.files[PROFILE_FILE]),
            )
        )
    if not champions:
        tasks = ", ".join(without)
        raise GateRefusedError(f"no champion for {tasks}: run `netlift train`, or see why its gate refused")
    return champions, tuple(without)


class _Job:
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
        self._not_finite: dict[str, int] = {}

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
        """Write the scores of all customers, part by part."""
        self._progress.stage("score", f"features and scores as of {self._as_of}")
        writer = None
        try:
            for parts in self._parts():
                table = self._score(parts)
                writer = writer or parquet_writer(path, table.schema)
                writer.write_table(table)
                self.rows += len(table)
                self._progress.advance("score", self.rows, self.customers, f"{self.rows:,} customers scored")
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise DataError(f"customers: nobody had joined before {self._as_of}; check --as-of and joined_at")

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
        drifted = [drift.feature for drift in self.drifts if drift.psi > DRIFTED]
        if len(drifted) > limits.max_drifted_share * max(len(self.drifts), 1):
            reasons.append(
                f"{len(drifted)} of {len(self.drifts)} features drifted since training, over the "
                f"{limits.max_drifted_share:.0%} of score.max_drifted_share, most of all {', '.join(drifted[:3])}; "
                "train again, or correct the source"
            )
        if reasons:
            raise GateRefusedError("no scores were written: " + "; ".join(reasons))

    def _parts(self) -> Iterator[list[FeatureMatrix]]:
        """Partitions of the customers, each as one matrix per champion; the same pass where vocabularies agree."""
        shapes = [(c.contract.vocabulary, c.contract.observation_days) for c in self._champions]
        distinct = [shape for i, shape in enumerate(shapes) if shape not in shapes[:i]]
        streams = [
            iterate_features(
                self._tables,
                np.array([self._as_of], dtype="datetime64[us]"),
                vocabulary,
                observation_days=observation_days,
                rows_per_partition=self._settings.engine.rows_per_partition,
            )
            for vocabulary, observation_days in distinct
        ]
        for matrices in zip(*streams, strict=True):
            yield [matrices[distinct.index(shape)] for shape in shapes]

    def _score(self, parts: list[FeatureMatrix]) -> pa.Table:
        import pyarrow as pa

        n = len(parts[0])
        columns: dict[str, Any] = {
            "customer_id": pa.array(parts[0].customer_id, type=pa.string()),
            "as_of": pa.array([self._as_of] * n, type=pa.date32()),
        }
        for champion, part, watch in zip(self._champions, parts, self._watches, strict=True):
            asked = _population(champion.contract, part)
            self.outside[champion.task] = self.outside.get(champion.task, 0) + int((~asked).sum())
            watch.see(part.take(asked))
            counted = self.unseen.setdefault(champion.task, {})
            for column, count in part.unseen.items():
                counted[column] = counted.get(column, 0) + count
            scores = champion.model.predict_matrix(_select(part, champion.model.names))
            for name, values in scores.items():
                bad = asked & ~np.isfinite(values)
                self._not_finite[name] = self._not_finite.get(name, 0) + int(bad.sum())
                columns[name] = pa.array(values, mask=~asked)
        for champion in self._champions:
            columns[f"{champion.task}_version"] = pa.array(np.full(n, champion.version, dtype=np.int32))
        return pa.table(columns)


def _select(matrix: FeatureMatrix, names: Sequence[str]) -> np.ndarray:
    """The model's columns in its order."""
    if list(names) == matrix.names:
        return matrix.X
    position = {name: i for i, name in enumerate(matrix.names)}
    return np.asfortranarray(matrix.X[:, [position[name] for name in names]])


def _population(contract: ScoringContract, matrix: FeatureMatrix) -> np.ndarray:
    """Who the model was trained to be asked about."""
    if contract.active_within_days is None:
        return np.ones(len(matrix), dtype=bool)
    return matrix.column("days_since_last_purchase") <= contract.active_within_days


def _require_fresh(tables: Tables, as_of: date, most_days: int) -> None:
    end = read_history(tables).end
    newest = end - timedelta(days=1)
    if as_of - newest > timedelta(days=most_days):
        raise DataError(
            f"transactions: the newest receipt is of {newest}, {(as_of - newest).days} days before "
            f"--as-of {as_of}; score.max_data_age_days allows {most_days}. Load newer receipts, or name an earlier day"
        )


def _input_digests(settings: BusinessSettings, champions: Sequence[Champion], as_of: date) -> dict[str, str]:
    digests = {f"model_{champion.task}": champion.digest for champion in champions}
    digests["config"] = settings.digest()
    digests["data"] = combine_digests(digest_sources(settings))
    return digests | {"inputs": combine_digests({**digests, "as_of": as_of.isoformat()})}


def _standing(target: Path, inputs: Mapping[str, str], key: str) -> ScoreSummary:
    """What was written under this key before, if it was made from the same inputs and is whole."""
    manifest, written = _read_manifest(target)
    changed = [name for name, digest in inputs.items() if manifest["digests"].get(name) != digest and name != "inputs"]
    if changed or manifest["digests"]["inputs"] != inputs["inputs"]:
        raise UsageError(
            f"run key {key} was written before from other inputs ({', '.join(changed) or 'as_of'} changed since); the "
            f"same key never gives other bytes. Give another --run-key, or remove {target}"
        )
    if written != manifest["digests"]["scores"]:
        raise GateRefusedError(f"{target / SCORES_FILE} is not what was written; remove {target} and rerun")
    fields = {name: manifest[name] for name in ScoreSummary.__dataclass_fields__ if name in manifest}
    return ScoreSummary(
        **fields
        | {
            "as_of": date.fromisoformat(manifest["as_of"]),
            "without_champion": tuple(manifest["without_champion"]),
            "drifted": tuple(Drift(**drift) for drift in manifest["drifted"]),
            "written": False,
        }
    )


def _read_manifest(target: Path) -> tuple[dict[str, Any], str]:
    """What the manifest says, and the digest of the scores as they are."""
    try:
        manifest: dict[str, Any] = json.loads((target / MANIFEST_FILE).read_text())
        return manifest, file_digest(target / SCORES_FILE)
    except (OSError, ValueError) as error:
        raise GateRefusedError(f"{target} is not whole ({type(error).__name__}); remove it and rerun") from error


def _safe_key(key: str) -> str:
    """The key as a folder name.

    Raises:
        UsageError: It holds anything but letters, digits, `.`, `-` and `_`, or begins with a point.
    """
    allowed = all(letter.isalnum() or letter in "-_." for letter in key)
    if not key or not allowed or key.startswith(".") or len(key) > 100:
        raise UsageError("--run-key holds letters, digits, '.', '-' and '_' only, at most 100, and no point first")
    return key
