"""The scoring contract: what a model saw in training, checked against today's tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netlift.config.settings import did_you_mean
from netlift.data.read import Tables
from netlift.errors import ModelIntegrityError, SchemaDriftError
from netlift.features.catalogue import CATALOGUE_VERSION
from netlift.features.shared_rows import FeatureRequest
from netlift.features.vocabulary import Vocabulary

CONTRACT_FILE = "scoring.json"
PROFILE_FILE = "profile.json"
OPTIONAL_COLUMNS: dict[str, set[str]] = {
    "customers": {"birth_date"},
    "transactions": {"category", "channel", "promo", "is_return", "ingested_at"},
    "contacts": {"delivered_at"},
    "offers": set(),
    "events": set(),
    "surveys": set(),
}


@dataclass(frozen=True, kw_only=True)
class ScoringContract:
    """What scoring needs to know of a training.

    Attributes:
        task: churn, ltv or uplift.
        vocabulary: Values of the categorical columns.
        observation_days: How far back the features saw.
        active_within_days: The population: last purchase at most this long ago; None where everybody was asked about.
        columns: Optional columns that the sources had, by table; without one of them features would go blank.
        level_sd: Relative error that all predictions share, one standard deviation; None where it is not known.
        level_seen: How many biases out of time it was learnt from; 1 where that was not kept.
        observational: Campaigns that nobody randomized and that it was made from by consent; empty for none.
        catalogue_version: Version of the feature catalogue.
    """

    task: str
    vocabulary: Vocabulary
    observation_days: int
    active_within_days: int | None
    columns: Mapping[str, tuple[str, ...]]
    level_sd: float | None = None
    level_seen: int = 1
    observational: str = ""
    catalogue_version: str = CATALOGUE_VERSION

    @property
    def request(self) -> FeatureRequest:
        """The features that the model is asked with."""
        return FeatureRequest(vocabulary=self.vocabulary, observation_days=self.observation_days)

    def to_json(self) -> bytes:
        """The contract as JSON bytes; the same contract gives the same bytes."""
        plain = {
            "task": self.task,
            "catalogue_version": self.catalogue_version,
            "observation_days": self.observation_days,
            "active_within_days": self.active_within_days,
            "level_sd": self.level_sd,
            "level_seen": self.level_seen,
            **({"observational": self.observational} if self.observational else {}),
            "vocabulary": self.vocabulary.to_dict(),
            "columns": {table: list(columns) for table, columns in sorted(self.columns.items())},
        }
        return json.dumps(plain, ensure_ascii=False, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> ScoringContract:
        """Read what `to_json` wrote.

        Raises:
            ModelIntegrityError: It is of another version of the feature catalogue.
        """
        plain: dict[str, Any] = json.loads(content)
        if plain["catalogue_version"] != CATALOGUE_VERSION:
            raise ModelIntegrityError(
                f"the model's features are of catalogue {plain['catalogue_version']!r}, this netlift computes "
                f"{CATALOGUE_VERSION!r}: score with the netlift that trained it, or train again"
            )
        return cls(
            task=plain["task"],
            vocabulary=Vocabulary.from_dict(plain["vocabulary"]),
            observation_days=plain["observation_days"],
            active_within_days=plain["active_within_days"],
            level_sd=plain.get("level_sd"),
            level_seen=plain.get("level_seen", 1),
            observational=plain.get("observational", ""),
            columns={table: tuple(columns) for table, columns in plain["columns"].items()},
        )


def present_columns(tables: Tables) -> dict[str, tuple[str, ...]]:
    """The optional columns behind features that the sources really have, by table, in a fixed order."""
    behind = {**OPTIONAL_COLUMNS, "customers": {*OPTIONAL_COLUMNS["customers"], *tables.attributes}}
    return {
        table: tuple(sorted(columns & behind[table]))
        for table, columns in sorted(tables.present.items())
        if table in behind
    }


def require_same_schema(contracts: Sequence[ScoringContract], tables: Tables) -> None:
    """Refuse tables that lack what a model learned from, or hold it in another type.

    Raises:
        SchemaDriftError: Every such column at once, with the nearest name that is there.
    """
    mistakes: list[str] = []
    for contract in contracts:
        for table, columns in contract.columns.items():
            found = sorted(tables.present.get(table, frozenset()))
            if table not in tables:
                mistakes.append(f"{table}: the {contract.task} model learned from it, the config does not name it now")
                continue
            mistakes += [
                f"{table}.{column}: the {contract.task} model learned from it, it is missing now"
                + did_you_mean(column, list(tables.unknown.get(table, ())), quote_all=False)
                for column in columns
                if column not in found
            ]
        for name, values in contract.vocabulary.attributes.items():
            if name not in tables["customers"].columns:
                continue
            text_now = tables["customers"][name].type().is_string()
            if text_now != (values is not None):
                was, now = ("text", "a number") if values is not None else ("a number", "text")
                mistakes.append(f"customers.{name}: was {was} when the {contract.task} model learned, is {now} now")
    if mistakes:
        raise SchemaDriftError("\n".join(dict.fromkeys(mistakes)))
