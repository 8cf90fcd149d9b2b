"""Randomized evidence on new offers from campaigns and runs, read for one decision."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, time

import numpy as np

from netlift.abtest.assignment.draw import hash_units
from netlift.abtest.portfolio.compute import read_arm_effects
from netlift.abtest.portfolio.totals import Effect
from netlift.abtest.stats.moments import PROFIT, weights_of
from netlift.config.business import BusinessSettings
from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.data.history import seen_until
from netlift.data.read import Tables
from netlift.decisions.eligibility.contact_history import ContactHistory, spent_by_runs, tried_by_runs
from netlift.decisions.eligibility.options import Option
from netlift.decisions.new_offers.plan import Gate, NewOffers, plan_new_offers
from netlift.decisions.new_offers.pooled_effects import OfferHistory, is_well_held, pool_effects
from netlift.decisions.run.inputs import offers_known
from netlift.errors import ConfigError
from netlift.progress import Progress

REWARD, NO_REWARD = "reward", "no reward"


def read_new_offers(
    settings: BusinessSettings,
    tables: Tables,
    options: Sequence[Option],
    history: ContactHistory,
    *,
    learned: Collection[str],
    as_of: date,
    key: str,
    progress: Progress,
) -> NewOffers | None:
    """States of the new offers of a config, and how its budget for them is shared out; None where it names none.

    A run that sent a new offer as it sends all others is no evidence of it: hardly anybody whom it suits went without.

    Args:
        settings: The business.
        tables: Its tables, checked.
        options: All options of the config.
        history: Contacts that were made or promised.
        learned: Offers whose effect the champion of uplift knows.
        as_of: First day not seen.
        key: Run key, by which posterior draws are seeded and whose own spending is not counted.
        progress: Who watches.

    Raises:
        DataError: No offer has a randomized campaign whose window is over.
    """
    decision = settings.decision
    new = None if decision is None else decision.explore.new_offers
    if decision is None or new is None:
        return None
    midnight = datetime.combine(as_of, time())
    effects = read_arm_effects(settings, tables, until=seen_until(tables, midnight), progress=progress)
    tried = tried_by_runs(settings.state)
    effects = tuple(
        effect
        for effect in effects
        if effect.arm not in new.offers or effect.arm in tried.get(effect.campaign_id, new.offers)
    )
    histories = tuple(_histories(effects, offers_known(tables), options))
    gates = uplift_definition(settings).gates
    word = hash_units([key], salt=f"{decision.holdout.salt}\x1f{settings.name}\x1fnew offers", purpose="arm")
    before = spent_by_runs(settings.state, month=as_of, own_key=key, on_new=True)
    left = math.inf if new.monthly_budget is None else max(0.0, new.monthly_budget - before)
    offers = plan_new_offers(
        pool_effects(histories),
        histories,
        new=new.offers,
        waiting=[name for name in new.offers if name not in learned],
        pending=_pending(history, midnight),
        gate=Gate(
            least=gates.min_gain_over_constant,
            confidence=gates.confidence,
            level=gates.level,
            most_contacts=new.most_contacts,
        ),
        floor=new.floor,
        rng=np.random.default_rng(int(word[0])),
    )
    return NewOffers(
        offers=offers,
        level=gates.level,
        confidence=gates.confidence,
        budget=min(new.budget, left),
        monthly_budget=new.monthly_budget,
        before=before,
    )


def uplift_definition(settings: BusinessSettings) -> UpliftDefinition:
    """The definition of the uplift model, whose gate new offers have to pass as well."""
    definition = load_definition(settings.models["uplift"], "uplift")
    if not isinstance(definition, UpliftDefinition):
        raise ConfigError(f"models.uplift: {settings.models['uplift']} defines {definition.task}")
    return definition


def _histories(
    effects: Sequence[Effect], known: Mapping[str, Mapping[str, object]], options: Sequence[Option]
) -> Iterator[OfferHistory]:
    """Offers of the config, and others that campaigns had."""
    by_offer: dict[str, list[Effect]] = {option.offer_id: [] for option in options}
    for effect in effects:
        if effect.contrast.se(PROFIT) > 0 and effect.arm in known and _is_held(effect):
            by_offer.setdefault(effect.arm, []).append(effect)
    asks = {option.offer_id: option.reward for option in options}
    for offer, own in by_offer.items():
        contacts = np.array([effect.treated for effect in own], dtype=np.float64)
        reward, price = (
            np.array([_mean(effect, name) for effect in own], dtype=np.float64) for name in ("reward", "contact_cost")
        )
        pays = asks.get(offer)
        has_reward = bool((reward > 0).any()) if pays is None else pays > 0
        yield OfferHistory(
            offer_id=offer,
            channel=str(known[offer]["channel"]),
            kind=REWARD if has_reward else NO_REWARD,
            contacts=contacts,
            effect=np.array([effect.contrast.point(PROFIT) for effect in own], dtype=np.float64),
            error=np.array([effect.contrast.se(PROFIT) for effect in own], dtype=np.float64),
            campaigns=tuple(effect.campaign_id for effect in own),
            control=np.array([_control_variance(effect) for effect in own], dtype=np.float64),
            cost=float(contacts @ (reward + price)),
        )


def _is_held(effect: Effect) -> bool:
    control = _control_variance(effect)
    return is_well_held(
        contacts=effect.contrast.n_treated,
        control_rows=effect.contrast.n_control,
        own_variance=max(effect.contrast.se(PROFIT) ** 2 - control, 0.0),
        control_variance=control,
    )


def _control_variance(effect: Effect) -> float:
    """What control adds to the variance of an effect on profit."""
    weights = weights_of(PROFIT, effect.contrast.names)
    return max(float(weights @ effect.contrast.control_cov @ weights), 0.0)


def _mean(effect: Effect, name: str) -> float:
    """Mean of what customers of an arm were paid, 0 where nobody logs it."""
    found = effect.contrast
    return float(found.treated_mean[found.names.index(name)]) if name in found.names else 0.0


def _pending(history: ContactHistory, moment: datetime) -> dict[str, int]:
    """Offer to its contacts whose windows are open."""
    rows = history.frame
    running = rows["offer_id"][(rows["ends_at"].to_numpy(dtype="datetime64[us]") > np.datetime64(moment, "us"))]
    return {str(offer): int(count) for offer, count in running.value_counts().items()}


__all__ = ["read_new_offers", "uplift_definition"]
