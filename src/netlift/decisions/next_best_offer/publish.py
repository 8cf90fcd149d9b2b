"""Publication of the next best offer when the uplift champion or the economics change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.next_best_offer import NextBestOfferDefinition, load_next_best_offer
from netlift.data.read import Tables
from netlift.data.run import find_sources
from netlift.decisions.choice.value import TrainedCosts
from netlift.decisions.eligibility.options import Option, make_options
from netlift.decisions.next_best_offer.economics import COSTS, digest_costs, price
from netlift.decisions.next_best_offer.model import (
    NONE,
    TASK,
    UPLIFT,
    Origin,
    compose,
    find_limits,
    known_offers,
    metadata_of,
    predicted_rewards,
    render_card,
)
from netlift.decisions.run.customers import trained_costs
from netlift.decisions.run.inputs import offers_known, read_past_costs
from netlift.errors import BusyError, ConfigError, GateRefusedError, NetliftError, UsageError
from netlift.registry.models import CHAMPION, LoadedModel, aliases, load, model_name, register
from netlift.registry.promotion import finish_promotion, promote, read_history
from netlift.registry.store import Store
from netlift.registry.tracking import TAG
from netlift.results import Told

DEFINITION = "next_best_offer.yaml"
ATTEMPTS = 5


@dataclass(frozen=True, kw_only=True)
class NextBestOffer(Told):
    """What became of the next best offer.

    Attributes:
        standing: Whether a new version leads, or the one that led already is still what would be made.
        version: The version that leads.
        uplift_version: The version of uplift that it was made from.
        offers: Offers that it chooses among.
        left_out: Offers of the config whose effect nobody knows.
        notes: What a reader must know.
    """

    standing: Literal["champion", "already champion"]
    version: int
    uplift_version: int
    offers: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """What became of it, in a few lines."""
        made = f"from {model_name(UPLIFT)} v{self.uplift_version}, {len(self.offers)} offers"
        lines = [f"{TASK}: {self.standing} v{self.version} ({made})", *(f"  - {note}" for note in self.notes)]
        return "\n".join(lines)


def find_definition(settings: BusinessSettings) -> NextBestOfferDefinition:
    """The definition, which is the file next_best_offer.yaml beside that of uplift.

    Raises:
        ConfigError: The config has no uplift, the file is missing, or holds mistakes.
    """
    if UPLIFT not in settings.models:
        raise ConfigError(f"config {settings.name}: no model of uplift, on which the next best offer stands")
    return load_next_best_offer(settings.models[UPLIFT].with_name(DEFINITION))


def offer_what_leads(
    settings: BusinessSettings,
    store: Store,
    *,
    tables: Tables,
    as_of: date,
    actor: str,
    now: datetime,
    lock_timeout: float = 60.0,
) -> str:
    """Register the next best offer of the uplift that leads now; in words what was done, or why it could not be.

    Args:
        settings: The business, with its decision block.
        store: Its store.
        tables: Its tables.
        as_of: Campaigns over by then tell what the effects are net of.
        actor: Who decides.
        now: When.
        lock_timeout: Seconds to wait for another process that registers or promotes.
    """
    try:
        definition = find_definition(settings)
        return register_next_best_offer(
            settings,
            store,
            definition=definition,
            tables=tables,
            as_of=as_of,
            actor=actor,
            now=now,
            lock_timeout=lock_timeout,
        ).to_text()
    except NetliftError as error:
        return say_not_made(store, error)


def say_not_made(store: Store, error: NetliftError) -> str:
    """Why it could not be made, what leads meanwhile, and what to run next."""
    leads = aliases(store, TASK).get(CHAMPION)
    still = f"; {model_name(TASK)} version {leads} leads on, of another uplift or other costs" if leads else ""
    return f"{TASK}: not made: {error}{still}. When that is mended: `netlift doctor --fix`"


def register_next_best_offer(
    settings: BusinessSettings,
    store: Store,
    *,
    definition: NextBestOfferDefinition,
    tables: Tables,
    as_of: date,
    actor: str,
    now: datetime,
    lock_timeout: float = 60.0,
) -> NextBestOffer:
    """Register the next best offer of the uplift champion, and make it champion; call it after every promotion.

    The same champion with the same economics is the same version. It is idempotent: where a process dies between the
    promotion of uplift and this, calling it again sets things right. Where somebody else moves either champion
    meanwhile, it is made again from what leads then.

    Args:
        settings: The business, with its decision block.
        store: Its store.
        definition: What is left out or refused.
        tables: Its tables: offers, campaigns and contacts are asked.
        as_of: Campaigns whose outcome windows were over by then tell what the effects are net of.
        actor: Who decides.
        now: When.
        lock_timeout: Seconds to wait for another process that registers or promotes.

    Raises:
        ConfigError: No decision block, an offer that the table of offers does not have or whose costs nobody knows, or
            one without a trained effect where the definition refuses it.
        GateRefusedError: No champion of uplift, one that its gate refused, or one that knows none of the offers.
        BusyError: The champions kept moving, or another process kept the registry's lock.
    """
    sources = find_sources(settings)
    options = _options(settings, tables)
    trained = trained_costs(options, read_past_costs(tables, as_of=as_of))
    sources.require_unchanged()
    for _ in range(ATTEMPTS):
        leads = aliases(store, TASK).get(CHAMPION)
        uplift = _find_uplift(store)
        origin = _originate(settings, definition, options, trained, uplift)
        origin = replace(origin, digests={**origin.digests, "data": sources.digest})
        version = register(
            store,
            TASK,
            compose(uplift.files, origin),
            run_id=uplift.version.run_id,
            card=render_card(origin, description=definition.description),
            metadata={"business": settings.name, **metadata_of(origin)},
            lock_timeout_seconds=lock_timeout,
        )
        if _lead(store, version, leads=leads, origin=origin, actor=actor, now=now, lock_timeout=lock_timeout):
            return NextBestOffer(
                standing="already champion" if version == leads else "champion",
                version=version,
                uplift_version=uplift.version.version,
                offers=tuple(offer.offer_id for offer in origin.offers),
                left_out=origin.left_out,
                notes=find_limits(origin),
            )
    raise BusyError(f"{model_name(TASK)}: champions were moved {ATTEMPTS} times while it was made: try again later")


def _originate(
    settings: BusinessSettings,
    definition: NextBestOfferDefinition,
    options: tuple[Option, ...],
    trained: TrainedCosts,
    uplift: LoadedModel,
) -> Origin:
    """What is added to the effects that the champion knows, and which offers it does not know."""
    known = known_offers(uplift.files)
    keep = np.array([option.offer_id in known for option in options])
    left_out = tuple(option.offer_id for option in options if option.offer_id not in known)
    _require_known(left_out, uplift, definition, everything=len(options))
    digests = {"config": settings.digest(), "definition": definition.digest()}
    if settings.decision is not None:
        digests |= {"decision": settings.decision.digest(), COSTS: digest_costs(settings.decision)}
    return Origin(
        uplift=uplift.version,
        currency=settings.currency,
        offers=price(
            tuple(option for option in options if option.offer_id in known),
            _take(trained, keep),
            predicted=predicted_rewards(uplift.files),
        ),
        left_out=left_out,
        digests=digests,
        observational=uplift.version.tags.get(f"{TAG}observational", ""),
    )


def _options(settings: BusinessSettings, tables: Tables) -> tuple[Option, ...]:
    """The offers of the config but for new ones, whose state `netlift decide` asks anew every run."""
    if settings.decision is None:
        raise ConfigError(
            f"config {settings.name}: no decision block, so nobody has said what offers cost; write one, as in "
            "configs/demo.yaml"
        )
    if NONE in settings.decision.offers:
        raise ConfigError(f"decision.offers.{NONE}: stands for no offer in what the model answers; rename the offer")
    new = settings.decision.explore.new_offers
    options = make_options(settings.decision, offers_known(tables))
    return tuple(option for option in options if new is None or option.offer_id not in new.offers)


def _find_uplift(store: Store) -> LoadedModel:
    version = aliases(store, UPLIFT).get(CHAMPION)
    if version is None:
        raise GateRefusedError(
            "no champion for uplift, so nobody knows what an offer changes: run `netlift train uplift`, or see why its "
            "gate refused"
        )
    loaded = load(store, UPLIFT, version)
    passed = loaded.version.tags.get(f"{TAG}gate") == "passed"
    if not passed and version not in {entry["version"] for entry in read_history(store, UPLIFT)}:
        raise GateRefusedError(
            f"{model_name(UPLIFT)} version {version}: its gate refused it and netlift never promoted it, so no next "
            "best offer is made from it; promote a version that passed"
        )
    return loaded


def _require_known(
    left_out: tuple[str, ...], uplift: LoadedModel, definition: NextBestOfferDefinition, *, everything: int
) -> None:
    name = f"{model_name(UPLIFT)} version {uplift.version.version}"
    if len(left_out) == everything:
        raise GateRefusedError(
            f"{name} knows the effect of no offer of the config: {', '.join(left_out)}; train uplift"
        )
    if left_out and definition.untrained == "refuse":
        raise ConfigError(
            f"decision.offers: {', '.join(left_out)}: {name} knows no effect of them, and the definition refuses that; "
            "try them in a campaign and train uplift, take them out, or set untrained: leave_out"
        )


def _take(trained: TrainedCosts, keep: np.ndarray) -> TrainedCosts:
    return TrainedCosts(
        contact_cost=trained.contact_cost[keep], reward=trained.reward[keep], redeemed=trained.redeemed[..., keep]
    )


def _lead(
    store: Store, version: int, *, leads: int | None, origin: Origin, actor: str, now: datetime, lock_timeout: float
) -> bool:
    """Make a version champion in place of the one that led; False where somebody moved a champion meanwhile."""
    if version == leads:
        finish_promotion(store, TASK, at=now, lock_timeout_seconds=lock_timeout)
    else:
        try:
            promote(
                store,
                TASK,
                version,
                expect_current=leads,
                reasons=(f"Made from {model_name(UPLIFT)} version {origin.uplift.version}, which leads.",),
                actor=actor,
                at=now,
                lock_timeout_seconds=lock_timeout,
            )
        except UsageError:
            return False
    return aliases(store, UPLIFT).get(CHAMPION) == origin.uplift.version


__all__ = ["NextBestOffer", "find_definition", "offer_what_leads", "register_next_best_offer", "say_not_made"]
