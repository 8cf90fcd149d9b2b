"""Features, scores, values and eligibility inputs of all customers, aligned for one decision."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.abtest.assignment.audience import read_segments
from netlift.abtest.assignment.holdout import is_held_out, period_of
from netlift.config.business import BusinessSettings
from netlift.config.criteria import SEGMENT
from netlift.config.outreach import TriggerSettings
from netlift.data.read import Tables
from netlift.decisions.choice.value import AtRisk, OptionValues, TrainedCosts, value_options
from netlift.decisions.eligibility.consents import agreed, read_opt_outs
from netlift.decisions.eligibility.contact_history import (
    ContactHistory,
    contact_log,
    read_history,
    reserved_customers,
    spent_by_runs,
)
from netlift.decisions.eligibility.contact_policy import ContactLog, find_pressure
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.open_windows import OpenWindows, Rest, days_to_nearest, find_open_windows
from netlift.decisions.eligibility.options import Option, Used, make_options
from netlift.decisions.eligibility.stops import Stop, find_stopped
from netlift.decisions.journeys.night import JourneyFacts, Night
from netlift.decisions.new_offers.plan import NewOffers
from netlift.decisions.request import DecideRequest, require_decision
from netlift.decisions.run.inputs import (
    PastCosts,
    bought_on,
    days_since_events,
    offers_known,
    read_past_costs,
    read_people,
)
from netlift.decisions.run.journeys import JourneyHistory, ask_journeys, read_journeys
from netlift.decisions.run.new_offers import read_new_offers
from netlift.decisions.run.scores import (
    LAST_PURCHASE,
    OVER_GAP,
    SCORES,
    Scored,
    feature_names,
    ltv_days,
    score_customers,
)
from netlift.decisions.run.trigger_lists import asks_when_due, earlier_runs, find_fired, find_trigger
from netlift.errors import ConfigError
from netlift.evaluation.policy.added_effects import SINCE, AddedEffect, find_added_effects
from netlift.evaluation.policy.off_policy import choose_arms
from netlift.next_purchase.evaluation import Evaluation
from netlift.next_purchase.fields import FIELDS, Foretold, asks_for_purchases, foretell_purchases
from netlift.next_purchase.item_scores import ITEM_FIELDS, read_top_items
from netlift.progress import Progress
from netlift.registry.champions import Champion
from netlift.training.uplift.evidence_rows import ProofRows

if TYPE_CHECKING:
    import pandas as pd

OTHER_CHANNEL = "(other)"
MOMENTS = ("customer_id", "joined_at", "birth_date", "cancelled_at")


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What one decision is made from.

    Attributes:
        positions: Customers in order, an index of n ids.
        options: The options, m of them.
        customers: What eligibility asks of customers.
        values: Expected money of each option.
        uplift: What a contact of each option is predicted to add, NaN where unknown, float32, shape (n, m).
        worn: What it wears out beyond its outcome window, 0 where unknown, float32, shape (n, m).
        outcome_days: Length of the outcome windows that the effects are of.
        windows: What earlier contacts leave open; `uplift` is what a contact adds to it.
        proven: Offers that are proven to add profit within the window, in the order of options.
        lists: Lists beside the table of contacts whose contacts were counted.
        drifted: Features that moved far since training.
        used: What other runs have used of what day and month allow.
        next_purchase: How good the fields of the next purchase were out of time; None where nobody asked for them.
        journeys: What other runs did with journeys.
        facts: What journeys ask of the customers; None for the list of a trigger, which moves none of them.
        new: New offers; None where the config names none.
        stops: What operators have stopped.
    """

    positions: pd.Index
    options: tuple[Option, ...]
    customers: Customers
    values: OptionValues
    uplift: np.ndarray
    worn: np.ndarray
    outcome_days: float
    windows: OpenWindows
    proven: tuple[str, ...]
    lists: tuple[str, ...]
    drifted: tuple[str, ...]
    used: Used
    journeys: JourneyHistory
    facts: JourneyFacts | None
    next_purchase: Evaluation | None = None
    new: NewOffers | None = None
    stops: tuple[Stop, ...] = ()

    @property
    def stopped(self) -> tuple[int, ...]:
        """Positions of the options that are stopped."""
        return find_stopped(self.stops, self.options)

    def after(self, night: Night) -> Known:
        """The same when journeys have moved: whom they have is left to them, and no step has an effect of its own."""
        sent, margin, uplift = night.option >= 0, self.values.margin, self.uplift
        return replace(
            self,
            customers=replace(self.customers, in_journey=night.occupied),
            values=replace(self.values, margin=np.where(sent[:, None], np.nan, margin)),
            uplift=np.where(sent[:, None], np.float32(np.nan), uplift),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Past:
    """Contacts that were made or promised, the same by position of customer and channel, and what they leave open.

    For the list of a trigger also who is in a journey; in the run of all customers that is known when these have moved.
    """

    history: ContactHistory
    log: ContactLog
    windows: OpenWindows
    in_journey: np.ndarray


def names_known(tables: Tables, champion: Champion) -> frozenset[str]:
    """What conditions may ask about: features, scores, the segment, columns of customers, and the next purchase."""
    own = frozenset(tables.present["customers"]) - frozenset(MOMENTS)
    return own | feature_names(champion) | frozenset(SCORES) | {SEGMENT} | frozenset(FIELDS)


def describe_customers(
    settings: BusinessSettings,
    tables: Tables,
    champions: Mapping[str, Champion],
    request: DecideRequest,
    *,
    held_out: ProofRows | None,
    progress: Progress,
    rested: bool = False,
    stops: tuple[Stop, ...] = (),
) -> Known:
    """Read and predict all that a decision needs.

    Args:
        settings: The business, with its decision block.
        tables: Its tables, checked.
        champions: Task to its champion; uplift is among them.
        request: What is asked: of a trigger only customers for whom it fires, and its offers. The own list of its key
            is not counted.
        held_out: Contacts that the model never saw, which tell how soon offers may follow another contact; None where
            the training kept none, and every offer waits for the window to be over.
        progress: Who watches.
        rested: Whether nobody counts as contacted lately, as in a month whose earlier outcome windows are over.
        stops: What operators have stopped.

    Raises:
        GateRefusedError: Scores that are not to be used.
        ConfigError: An offer whose costs nobody knows, a priority campaign or a household's column that is not there.
        UsageError: The trigger has run for the day under another key, or the key is a campaign's that is logged.
        DataError: Customers that are there twice, or nobody.
    """
    decision, as_of, key = require_decision(settings), request.as_of, request.key
    trigger = find_trigger(decision, request.trigger)
    every = make_options(decision, offers_known(tables))
    options = tuple(o for o in every if trigger is None or o.offer_id in trigger.offers)
    costs = read_past_costs(tables, as_of=as_of)
    history = read_history(
        tables,
        decision.contact_policy,
        state=settings.state,
        own_key=key,
        as_of=as_of,
        window_days=costs.outcome_days,
    )
    if rested:
        history = replace(history, frame=history.frame.iloc[:0], lists=())
    named = {*tables.present["customers"], *SCORES, SEGMENT, *FIELDS}
    features = [name for name in decision.asked if name not in named]
    scored = score_customers(
        settings,
        tables,
        champions,
        as_of=as_of,
        offers=[option.offer_id for option in options],
        asked=list(dict.fromkeys([*features, LAST_PURCHASE, OVER_GAP])),
        progress=progress,
    )
    scored, foretold = _with_next_purchases(settings, tables, scored, trigger, as_of, progress)
    journeys, facts = read_journeys(settings.state, own_key=key), None
    if trigger is None:
        facts = ask_journeys(settings, decision, tables, champions, scored, journeys, as_of=as_of, foretold=foretold)
    else:
        runs = earlier_runs(settings.state, trigger, as_of=as_of, own_key=key)
        fired = find_fired(settings, tables, trigger, champions, scored, as_of=as_of, runs=runs, foretold=foretold)
        scored = scored.take(fired)
    segments = read_segments(settings, tables, as_of, names=decision.asked, progress=progress)
    window_days = math.ceil(costs.outcome_days)
    added = () if held_out is None else added_on(held_out, options, window_days=window_days)
    log = _log_of(settings, tables, history, scored)
    days = days_to_nearest(log, customers=len(scored), moment=np.datetime64(as_of, "us"))
    windows = find_open_windows(days, rests_of(options, added, window_days), window_days=window_days)
    in_journey = np.zeros(len(scored), dtype=bool)
    if trigger is not None:
        in_journey = journeys.occupied(decision, _index(scored.ids), as_of)
    past = _Past(history=history, log=log, windows=windows, in_journey=in_journey)
    learned = [o.offer_id for o, known in zip(options, ~np.isnan(scored.uplift).all(axis=0), strict=True) if known]
    new = read_new_offers(settings, tables, every, history, learned=learned, as_of=as_of, key=key, progress=progress)
    uplift = scored.uplift * windows.share.astype(np.float32)
    undecided = () if new is None else new.of("learning", "unproven", "retired")
    uplift[:, [option.offer_id in undecided for option in options]] = np.nan
    scored = replace(scored, uplift=uplift)
    trained = trained_costs(options, costs, reward=scored.reward)
    risk = AtRisk(
        p_churn=scored.p_churn,
        ltv=scored.ltv,
        horizon_days=ltv_days(champions.get("ltv")),
        window_days=costs.outcome_days,
        weight=decision.future_weight or 0.0,
    )
    worn = np.nan_to_num(scored.worn)
    return Known(
        positions=_index(scored.ids),
        options=options,
        customers=_customers(settings, tables, options, scored, past, segments, as_of, trigger),
        values=value_options(options, uplift=scored.uplift, trained=trained, risk=risk, worn=worn),
        uplift=scored.uplift,
        worn=worn,
        outcome_days=costs.outcome_days,
        windows=past.windows,
        proven=tuple(one.offer_id for one in added if one.share),
        lists=history.lists,
        drifted=scored.drifted,
        used=_used(settings.state, history, tables, as_of, key),
        next_purchase=None if foretold is None else foretold.evaluation,
        journeys=journeys,
        facts=facts,
        new=new,
        stops=stops,
    )


def _with_next_purchases(
    settings: BusinessSettings,
    tables: Tables,
    scored: Scored,
    trigger: TriggerSettings | None,
    as_of: date,
    progress: Progress,
) -> tuple[Scored, Foretold | None]:
    """The customers with the fields of next purchases and of the recommender that lists and conditions ask for."""
    decision = require_decision(settings)
    asked = [name for name in decision.asked if name not in tables.present["customers"]]
    found: dict[str, np.ndarray] = {}
    foretold = None
    if asks_for_purchases(asked) or asks_when_due(decision, trigger, as_of):
        progress.stage("decide", "next purchases, judged on the newest horizon")
        foretold = foretell_purchases(tables, settings.next_purchase, as_of=as_of, seed=settings.seed)
        found |= foretold.columns(scored.ids)
    if set(ITEM_FIELDS) & set(asked):
        found |= read_top_items(tables, scored.ids)
    wanted = {name: values for name, values in found.items() if name in asked}
    return replace(scored, columns={**scored.columns, **wanted}), foretold


def _customers(
    settings: BusinessSettings,
    tables: Tables,
    options: Sequence[Option],
    scored: Scored,
    past: _Past,
    segments: Mapping[str, str] | None,
    as_of: date,
    trigger: TriggerSettings | None,
) -> Customers:
    """What eligibility asks of the customers."""
    decision = require_decision(settings)
    positions, policy = _index(scored.ids), decision.contact_policy
    answered = trigger.answers if trigger and trigger.despite_quiet_days else None
    consents = {channel: decision.consent_column(channel) for channel in dict.fromkeys(o.channel for o in options)}
    own = [name for name in decision.asked if name in tables.present["customers"]]
    people = read_people(tables, scored.ids, ["cancelled_at", *consents.values(), *own])
    midnight, channels = datetime.combine(as_of, time()), (*decision.channels, OTHER_CHANNEL)
    pressure = find_pressure(
        past.log, policy.limits, channels=channels, customers=len(positions), as_of=midnight, planned=past.log
    )
    return Customers(
        columns=_columns(scored, people, segments, own, decision.asked),
        consent={channel: agreed(people[column]) for channel, column in consents.items()},
        opted_out=read_opt_outs(tables, decision, positions, [*consents], as_of=as_of),
        left=people["cancelled_at"] < np.datetime64(as_of + timedelta(days=1), "us"),
        held_out=_held_out(settings, tables, scored.ids, as_of),
        reserved=reserved_customers(past.history, policy.priority_campaigns, positions, as_of),
        in_journey=past.in_journey,
        pressed=pressure.pressed,
        days_since_purchase=_unless(
            answered == "purchase", np.where(bought_on(tables, positions, as_of), 0.0, scored.columns[LAST_PURCHASE])
        ),
        days_since_complaint=_unless(
            answered == "complaint", days_since_events(tables, policy.complaint_events, positions, as_of)
        ),
        in_window=past.windows.closed,
        has_effect=~np.isnan(scored.uplift),
    )


def rests_of(options: Sequence[Option], added: Sequence[AddedEffect], window_days: int) -> tuple[Rest, ...]:
    """When each option may follow another contact: that is for its offer; the whole window where nothing is proven."""
    known = {one.offer_id: Rest(days=one.rest_days, share=one.share) for one in added if one.share}
    whole = Rest(days=window_days)
    return tuple(known.get(option.offer_id, whole) for option in options)


def added_on(rows: ProofRows, options: Sequence[Option], *, window_days: int) -> tuple[AddedEffect, ...]:
    """How soon each offer may follow another contact, by contacts that the model never saw."""
    names = [feature.name for feature in rows.features]
    return find_added_effects(
        rows.logged,
        choose_arms(rows.uplift - rows.worn, rows.logged.available),
        rows.X[:, names.index(SINCE)] if SINCE in names else None,
        offers=rows.offers,
        window_days=window_days,
        channels={option.offer_id: option.channel for option in options},
    )


def _log_of(settings: BusinessSettings, tables: Tables, history: ContactHistory, scored: Scored) -> ContactLog:
    """All contacts that were made or promised, by position of customer and channel."""
    channel_of = {offer: row["channel"] for offer, row in offers_known(tables).items()}
    return contact_log(history, _index(scored.ids), channel_of, (*require_decision(settings).channels, OTHER_CHANNEL))


def _used(state: Path, history: ContactHistory, tables: Tables, day: date, key: str) -> Used:
    """What other runs have used of what the day and its calendar month allow."""
    first = day.replace(day=1)
    return Used(
        today=_made_between(history, tables, day, day + timedelta(days=1)),
        month=_made_between(history, tables, first, (first + timedelta(days=31)).replace(day=1)),
        spent=spent_by_runs(state, month=day, own_key=key),
    )


def _made_between(history: ContactHistory, tables: Tables, first: date, end: date) -> dict[str, float]:
    """Contacts of some days that were made or promised, by the names that limits have."""
    channel_of = {offer: row["channel"] for offer, row in offers_known(tables).items()}
    made: dict[str, float] = defaultdict(float)
    for offer, count in history.made_between(first, end).items():
        made[f"offer {offer}"] += count
        made[f"channel {channel_of.get(offer, OTHER_CHANNEL)}"] += count
    return dict(made)


def _index(ids: np.ndarray) -> pd.Index:
    import pandas as pd

    return pd.Index(ids, dtype=object)


def _columns(
    scored: Scored,
    people: Mapping[str, np.ndarray],
    segments: Mapping[str, str] | None,
    own: Sequence[str],
    asked: Sequence[str],
) -> dict[str, np.ndarray]:
    """What conditions ask about, from the tables where they have it."""
    columns = {name: people[name] for name in own}
    scores = {"p_churn": scored.p_churn, "ltv": scored.ltv}
    columns |= {name: scores[name] for name in asked if name in scores and name not in columns}
    columns |= {name: scored.columns[name] for name in asked if name in scored.columns and name not in columns}
    if segments is not None:
        columns[SEGMENT] = np.array([segments.get(customer) for customer in scored.ids], dtype=object)
    return columns


def _unless(answered: bool, days: np.ndarray) -> np.ndarray:  # noqa: FBT001 - one word on a line of arguments
    """Days that quiet days are counted by; not known, and so never too few, where the list answers that event."""
    return np.full(len(days), np.nan) if answered else days


def _held_out(settings: BusinessSettings, tables: Tables, ids: np.ndarray, as_of: date) -> np.ndarray:
    """Whom the universal holdout has: whole households where readouts go by households, as plans draw it too."""
    holdout = require_decision(settings).holdout
    period = period_of(as_of, rotate_months=holdout.rotate_months, washout_days=holdout.washout_days)
    household = settings.readout.household if settings.readout else None
    units = None
    if household is not None:
        if household not in tables["customers"].columns:
            raise ConfigError(
                f"readout.household: customers has no column {household!r} here, and the holdout is drawn by it; name "
                "it under data.attributes"
            )
        units = list(read_people(tables, ids, [household])[household])
    return is_held_out(list(ids), share=holdout.share, salt=holdout.salt, period=period, cluster=units)


def trained_costs(options: Sequence[Option], costs: PastCosts, *, reward: np.ndarray | None = None) -> TrainedCosts:
    """What the training campaigns paid, by option; rewards that nobody logs are none, unless they are asked for.

    Args:
        options: The options, m of them.
        costs: Of past contacts.
        reward: What a contact of each customer is expected to pay, NaN where no model knows it, shape (n, m): the share
            who redeem is then counted in mean rewards, customer by customer. None for past contacts alone.
    """

    def of(logged: Mapping[str, float | None], option: Option) -> float:
        value = logged.get(option.offer_id)
        if value is not None:
            return value
        asks = option.reward is None or option.redeemed_by is None
        return np.nan if asks or option.offer_id not in logged else 0.0

    paid = np.array([of(costs.reward, option) for option in options])
    redeemed = np.array([of(costs.redeemed, option) for option in options])
    own = np.zeros(len(options), dtype=bool) if reward is None else (paid > 0) & ~np.isnan(reward).all(axis=0)
    if reward is not None and own.any():
        redeemed = np.where(own, reward / np.where(own, paid, 1.0), redeemed)
    return TrainedCosts(
        contact_cost=np.array([costs.contact_cost.get(option.offer_id, np.nan) for option in options]),
        reward=paid,
        redeemed=redeemed,
    )


__all__ = ["Known", "describe_customers", "names_known", "rests_of", "trained_costs"]
