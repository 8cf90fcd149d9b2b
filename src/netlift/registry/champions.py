"""Champions in force: loaded once, verified, and called with the features they know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from netlift.config.business import BusinessSettings, TaskName
from netlift.data.tables import Tables
from netlift.errors import GateRefusedError, SchemaDriftError
from netlift.estimators.stored import OTHER, StoredModel
from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.own_features import load_features
from netlift.features.profile import Profile
from netlift.registry.models import load, resolve
from netlift.registry.scoring_contract import CONTRACT_FILE, PROFILE_FILE, ScoringContract
from netlift.registry.store import open_business


def encode_for(model: StoredModel, X: np.ndarray, features: tuple[Feature, ...]) -> np.ndarray:
    """The matrix in a model's own columns and category codes.

    Args:
        model: The model to ask.
        X: Values, shape (n, k), categories coded by `features`.
        features: The k columns of `X`.

    Returns:
        float32, shape (n, the model's features), Fortran order.

    Raises:
        SchemaDriftError: The model learned from a column that is not there.
    """
    position = {feature.name: i for i, feature in enumerate(features)}
    missing = [name for name in model.names if name not in position]
    if missing:
        raise SchemaDriftError(f"the standing model learned from {missing[:5]}, which are no features any more")
    out = np.empty((len(X), len(model.names)), dtype=np.float32, order="F")
    for column, own in enumerate(model.features):
        given = features[position[own["name"]]]
        x = X[:, position[own["name"]]]
        if own["kind"] == "category" and list(given.categories) != own["categories"]:
            known = {value: code for code, value in enumerate(own["categories"])}
            codes = np.array([known.get(value, known[OTHER]) for value in given.categories], dtype=np.float32)
            x = np.where(np.isnan(x), np.nan, codes[np.nan_to_num(x).astype(np.int64)])
        out[:, column] = x
    return out


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


def load_champions(settings: BusinessSettings) -> tuple[list[Champion], tuple[str, ...]]:
    """The champion of each task of the config, each alias resolved once, and the tasks that have none.

    Raises:
        GateRefusedError: No task has a champion.
        ModelIntegrityError: A model's files are not those that were registered.
    """
    champions, without = find_champions(settings, tuple(settings.models))
    if not champions:
        tasks = ", ".join(without)
        raise GateRefusedError(f"no champion for {tasks}: run `netlift train`, or see why its gate refused")
    return champions, without


def find_champions(settings: BusinessSettings, tasks: Sequence[TaskName]) -> tuple[list[Champion], tuple[str, ...]]:
    """The champions that some tasks have, and the tasks that have none.

    Raises:
        ModelIntegrityError: A model's files are not those that were registered.
    """
    store = open_business(settings)
    champions, without = [], []
    for task in tasks:
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
    return champions, tuple(without)


def seen_by(champions: Sequence[Champion], tables: Tables, as_of: date) -> tuple[Tables, list[str]]:
    """The tables without receipts that no champion looks at, and those with customers that their features are made of.

    Args:
        champions: The champions.
        tables: The tables of a business.
        as_of: First day not seen.
    """
    contracts = [champion.contract for champion in champions]
    until = datetime.combine(as_of, time())
    since = until - timedelta(days=max(contract.observation_days for contract in contracts))
    receipts = tables["transactions"]
    receipts = receipts.filter((receipts.occurred_at >= since) & (receipts.occurred_at < until))
    words = [contract.vocabulary for contract in contracts]
    names = {"customers", "transactions", *(source for each in words for source in each.sources)}
    names |= {own.table for each in words for own in load_features(each.own)}
    return tables.replace(transactions=receipts), [name for name in sorted(names) if name in tables]


def select_features(matrix: FeatureMatrix, names: Sequence[str]) -> np.ndarray:
    """The model's columns in its order, float32, shape (n, len(names))."""
    if list(names) == matrix.names:
        return matrix.X
    position = {name: i for i, name in enumerate(matrix.names)}
    return np.asfortranarray(matrix.X[:, [position[name] for name in names]])


def in_population(contract: ScoringContract, matrix: FeatureMatrix) -> np.ndarray:
    """Who the model was trained to be asked about: a flag per row, shape (n,)."""
    if contract.active_within_days is None:
        return np.ones(len(matrix), dtype=bool)
    return matrix.column("days_since_last_purchase") <= contract.active_within_days
