"""Held-out rows of a training as a Parquet file, found by model version.

The name holds the digest of the model's stored form, so that a version finds its rows whichever run registered it, and
the digest of the file itself: a changed byte is an error and not another number, and the same training writes the same
file. There is nothing of customers in mlflow, and no id in the file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.data.write import STAGING_PREFIX, file_digest, parquet_writer, write_bytes
from netlift.errors import DataError
from netlift.estimators.stored import build_manifest, sha256
from netlift.evaluation.policy.off_policy import LoggedOutcomes
from netlift.features.matrix import Feature
from netlift.registry.champions import Champion
from netlift.registry.models import describe, read_files
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE
from netlift.registry.store import open_business
from netlift.training.uplift.evidence_rows import ProofRows

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "evidence"
SCHEMA_VERSION, EARLIER = 3, (1, 2)  # version 1 knew no campaigns, 2 nothing of what contacts wear out
WORDS = b"netlift.evidence"
PLAIN = ("arm", "propensity", "y", "weight", "cluster", "campaign", "likely", "best")
DIGITS = 24


@dataclass(frozen=True, kw_only=True)
class ProofFile:
    """A file that stands.

    Attributes:
        path: Where.
        digest: Its sha256.
    """

    path: Path
    digest: str


def write_proof_rows(state: Path, files: Mapping[str, bytes], rows: ProofRows) -> Path:
    """Write the rows of a model, in the place of those it had; numbers as float32 but for money and chances.

    Args:
        state: Of the business.
        files: The model's stored form.
        rows: What is kept.

    Raises:
        ResourceError: The disk is full or the place cannot be written.
    """
    folder, name = state / FOLDER, name_proof_file(files)
    table = _table(rows)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=folder) as staging:
        made = Path(staging, name)
        with parquet_writer(made, table.schema) as writer:
            writer.write_table(table)
        content = made.read_bytes()
    path = folder / f"{name}-{sha256(content)[:DIGITS]}.parquet"
    write_bytes(path, content, mode=0o600)
    for old in folder.glob(f"{name}-*.parquet"):
        if old != path:
            old.unlink(missing_ok=True)
    return path


def find_proof_file(state: Path, files: Mapping[str, bytes]) -> ProofFile | None:
    """The held-out rows of a model; None where its training kept none, or the state has moved without them.

    Args:
        state: Of the business.
        files: The model's stored form; what training adds beside it for scoring does not count.

    Raises:
        DataError: The file is not byte for byte what training wrote.
    """
    standing = sorted(
        (state / FOLDER).glob(f"{name_proof_file(files)}-*.parquet"), key=lambda path: path.stat().st_mtime_ns
    )
    if not standing:
        return None
    path = standing[-1]  # a training that was killed before it removed the older one leaves two
    digest = file_digest(path)
    if not path.stem.endswith(f"-{digest[:DIGITS]}"):
        raise _changed(path)
    return ProofFile(path=path, digest=digest)


def find_champions_file(settings: BusinessSettings, champion: Champion) -> ProofFile | None:
    """The held-out rows of a registered model; None where there are none.

    Raises:
        DataError: The file is not byte for byte what training wrote.
        ModelIntegrityError: The champion's files are not those that were registered.
    """
    store = open_business(settings)
    version = describe(store, champion.task, champion.version)
    return find_proof_file(settings.state, read_files(store, version))


def name_proof_file(files: Mapping[str, bytes]) -> str:
    """Beginning of the name of a model's file."""
    own = {name: content for name, content in files.items() if name not in (CONTRACT_FILE, PROFILE_FILE)}
    return f"uplift-{sha256(build_manifest(own))[:DIGITS]}"


def _changed(path: Path) -> DataError:
    return DataError(
        f"{path}: the held-out contacts are not what training wrote; bring the file back from a backup, or run "
        "`netlift train uplift` again"
    )


def read_proof_rows(path: Path, *, asked: Sequence[str]) -> ProofRows:
    """Read the rows back.

    Args:
        path: The file.
        asked: Features that conditions ask about; no others are read.

    Raises:
        DataError: It is not what a training wrote.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        words = json.loads((pq.read_schema(path).metadata or {})[WORDS])
        if words["schema_version"] not in (SCHEMA_VERSION, *EARLIER):
            raise ValueError(f"schema version {words['schema_version']}")
        features = tuple(Feature(**one | {"categories": tuple(one["categories"])}) for one in words["features"])
        wanted = [feature for feature in features if feature.name in asked]
        offers = tuple(words["offers"])
        names = [
            *(name for name in PLAIN if name != "campaign" or words["schema_version"] > 1),
            *_scores(offers),
            *_uplifts(offers),
            *_rewards(offers),
            *(_worns(offers) if words["schema_version"] == SCHEMA_VERSION else ()),
            *(f"x_{feature.name}" for feature in wanted),
        ]
        table = pq.read_table(path, columns=names, page_checksum_verification=True)
        return _rows(table, words, offers, tuple(wanted))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise _changed(path) from error


def _table(rows: ProofRows) -> pa.Table:
    import pyarrow as pa

    logged = rows.logged
    columns: dict[str, np.ndarray] = {
        "arm": logged.arm.astype(np.int16),
        "propensity": logged.propensity,
        "y": logged.y,
        "weight": np.ones(len(rows)) if logged.weight is None else logged.weight,
        "cluster": logged.customer.astype(np.int32),
        "campaign": (np.zeros(len(rows)) if logged.campaign is None else logged.campaign).astype(np.int32),
        "likely": rows.likely.astype(np.float32),
        "best": rows.best.astype(np.int16),
    }
    columns |= dict(zip(_scores(rows.offers), logged.scores.T.astype(np.float32), strict=True))
    columns |= dict(zip(_uplifts(rows.offers), rows.uplift.T.astype(np.float32), strict=True))
    columns |= dict(zip(_rewards(rows.offers), rows.reward.T.astype(np.float32), strict=True))
    columns |= dict(zip(_worns(rows.offers), rows.worn.T.astype(np.float32), strict=True))
    columns |= {f"x_{feature.name}": rows.X[:, i] for i, feature in enumerate(rows.features)}
    words = {
        "schema_version": SCHEMA_VERSION,
        "offers": rows.offers,
        "unit": logged.unit,
        "level": logged.level,
        "how": rows.how,
        "features": [asdict(feature) for feature in rows.features],
    }
    metadata = {WORDS: json.dumps(words, ensure_ascii=False).encode()}
    return pa.table({name: pa.array(values) for name, values in columns.items()}, metadata=metadata)


def _rows(
    table: pa.Table, words: Mapping[str, Any], offers: tuple[str, ...], features: tuple[Feature, ...]
) -> ProofRows:
    column = {name: table[name].to_numpy() for name in table.column_names}
    logged = LoggedOutcomes(
        y=column["y"],
        arm=column["arm"].astype(np.int64),
        propensity=column["propensity"],
        scores=np.column_stack([column[name] for name in _scores(offers)]).astype(np.float64),
        customer=column["cluster"].astype(np.int64),
        unit=words["unit"],
        level=words["level"],
        weight=column["weight"],
        campaign=column["campaign"].astype(np.int64) if "campaign" in column else None,
    )
    worn = [column.get(name, np.zeros(len(logged))) for name in _worns(offers)]
    X = [column[f"x_{feature.name}"] for feature in features]
    return ProofRows(
        logged=logged,
        offers=offers,
        uplift=np.column_stack([column[name] for name in _uplifts(offers)]).astype(np.float64),
        reward=np.column_stack([column[name] for name in _rewards(offers)]).astype(np.float64),
        worn=np.column_stack(worn).astype(np.float64),
        likely=column["likely"],
        best=column["best"].astype(np.int64),
        X=np.column_stack(X) if X else np.empty((len(logged), 0), dtype=np.float32),
        features=features,
        how=words["how"],
    )


def _scores(offers: Sequence[str]) -> list[str]:
    return [f"score_{arm}" for arm in range(len(offers) + 1)]


def _uplifts(offers: Sequence[str]) -> list[str]:
    return [f"uplift_{arm}" for arm in range(1, len(offers) + 1)]


def _rewards(offers: Sequence[str]) -> list[str]:
    return [f"reward_{arm}" for arm in range(1, len(offers) + 1)]


def _worns(offers: Sequence[str]) -> list[str]:
    return [f"worn_{arm}" for arm in range(1, len(offers) + 1)]


__all__ = [
    "ProofFile",
    "find_champions_file",
    "find_proof_file",
    "name_proof_file",
    "read_proof_rows",
    "write_proof_rows",
]
