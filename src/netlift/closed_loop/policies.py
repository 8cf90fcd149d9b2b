"""Baseline policies of the closed loop: nobody, everybody, likely buyers, oracle.

Each is asked about the same open offers (a consent, a purchase in the last year) and sends at most one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.data.read import open_tables
from netlift.estimators.stored import StoredModel
from netlift.features.build import build_features
from netlift.features.queries import Queries
from netlift.features.vocabulary import Vocabulary
from netlift.registry.champions import encode_for
from netlift.simulation.rounds import NOBODY, World
from netlift.simulation.truth import Future
from netlift.simulation.world import OFFERS

LIKELY_SHARE = 0.3
ORACLE_DAYS = 365
OFFER_IDS = tuple(offer.offer_id for offer in OFFERS)
CONTACT_COSTS = np.array([offer.contact_cost for offer in OFFERS])

Rule = Callable[[World], np.ndarray]  # offer of each person, `NOBODY` for none, shape (n,)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How features of a world's customers are read off its tables.

    Attributes:
        settings: The business; its tables are looked for in the folder that is given.
        vocabulary: Words that features know.
        observation_days: How far back features see.
    """

    settings: BusinessSettings
    vocabulary: Vocabulary
    observation_days: int

    def predict(self, world: World, folder: Path, model: StoredModel, persons: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs of a model for persons, by position, as of the world's today; each shape (persons,)."""
        midnight = np.datetime64(world.date, "us")
        ids = world.ids.to_numpy(zero_copy_only=False)[persons]
        queries = Queries(customer_id=ids, cutoff=np.full(len(persons), midnight))
        with open_tables(in_folder(self.settings, folder)) as tables:
            features = build_features(
                tables, queries, self.vocabulary, observation_days=self.observation_days, names=list(model.names)
            )
        return model.predict_matrix(encode_for(model, features.X, features.features))


def in_folder(settings: BusinessSettings, folder: Path) -> BusinessSettings:
    """The same business with its tables in a folder."""
    tables = {
        name: source.model_copy(
            update={"path": folder / f"{name}.parquet", "address": None, "table": None, "url_env": None}
        )
        for name, source in settings.data.tables.items()
    }
    return settings.model_copy(update={"data": settings.data.model_copy(update={"tables": tables})})


def contact_nobody(world: World) -> np.ndarray:
    """No contact at all."""
    return np.full(len(world.lives.people), NOBODY)


def contact_everybody(offer: int) -> Rule:
    """The same offer to everybody to whom it is open."""

    def choose(world: World) -> np.ndarray:
        return np.where(world.open_offers()[:, offer], offer, NOBODY)

    return choose


def contact_likely(offer: int, score: Callable[[World, np.ndarray], np.ndarray]) -> Rule:
    """The same offer to the likeliest buyers among those to whom it is open.

    Args:
        offer: Index into `OFFERS`.
        score: How likely persons, by position, are to buy.
    """

    def choose(world: World) -> np.ndarray:
        choice = contact_nobody(world)
        persons = np.flatnonzero(world.open_offers()[:, offer])
        order = np.argsort(-score(world, persons), kind="stable")
        choice[persons[order[: round(LIKELY_SHARE * len(persons))]]] = offer
        return choice

    return choose


def contact_by_truth(world: World) -> np.ndarray:
    """The offer of the highest true effect, if it pays: what nobody can know.

    It counts the margin of a year, so that customers who would leave are missed, and takes each contact for the last.
    """
    worth = np.where(world.open_offers(), true_worth(world, horizon_days=ORACLE_DAYS), -np.inf)
    return np.where(worth.max(axis=1) > 0, worth.argmax(axis=1), NOBODY)


def true_worth(world: World, *, horizon_days: int) -> np.ndarray:
    """True expected profit of each offer sent today, over no contact, shape (n, offers), in currency."""
    future = Future(world.lives, world.today, horizon_days=horizon_days)
    quiet = future.margin(horizon_days=horizon_days)
    worth = np.empty((len(quiet), len(OFFERS)))
    for j, offer in enumerate(OFFERS):
        truth = future.under(offer, horizons_days=(horizon_days,))
        worth[:, j] = truth.margins[0] - quiet - truth.reward - offer.contact_cost
    return worth


__all__ = [
    "CONTACT_COSTS", "LIKELY_SHARE", "OFFER_IDS", "ORACLE_DAYS", "Reader", "Rule", "contact_by_truth",
    "contact_everybody", "contact_likely", "contact_nobody", "in_folder", "true_worth",
]  # fmt: skip
