"""Rounds of the closed loop: check, train, gate, decide, log and learn.

Decisions are made by the engine of `netlift decide` (`pipelines.decide_choice`), without budget, caps, strategies and
contact policy; a customer with an open outcome window is left alone by the engine's own rule, and what a contact wears
out is taken off as the uplift model says it. The gate is asked once a quarter; in between the learner that it let
through learns on, from all contacts whose outcome windows are over. What follows a refusal is in `learning.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import numpy as np

from netlift.abtest.assignment.draw import hash_units
from netlift.abtest.assignment.holdout import Period, is_held_out
from netlift.closed_loop.learning import Lesson, Study, learn_uplift, quick_definition
from netlift.closed_loop.policies import OFFER_IDS, Reader, in_folder
from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import LEARN_UPLIFT
from netlift.data.read import open_tables
from netlift.decisions.choice.choose import Decided, choose
from netlift.decisions.choice.value import AtRisk, TrainedCosts, value_options
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.open_windows import Rest, find_open_windows
from netlift.decisions.eligibility.options import Option, make_options
from netlift.decisions.readout.compute import DecisionReading
from netlift.decisions.run.customers import rests_of
from netlift.decisions.run.inputs import PastCosts, offers_known
from netlift.errors import ConfigError
from netlift.features.vocabulary import Vocabulary
from netlift.simulation.campaigns import OUTCOME_DAYS
from netlift.simulation.rounds import NOBODY, World

GATE_EVERY = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Round:
    """What the loop decided in a round.

    Attributes:
        persons: Who had joined, by position, k of them.
        offer: Offer of each person of the world, `NOBODY` for none, shape (n,).
        decided: The engine's answer, for `persons`.
        promised: Profit of the outcome window that the model promises of the contacts made.
        lesson: What was learned before.
    """

    persons: np.ndarray
    offer: np.ndarray
    decided: Decided
    promised: float
    lesson: Lesson


class Loop:
    """The loop's state between rounds: rules, words, and who is held out.

    Args:
        settings: The business, with its decision block.
        world: The world as it stands before the first round.
        epsilon: Share of customers whose offer is drawn evenly; None for that of the config.
        rest_days: A customer is left alone for so long after a contact, 0 for no such rule; None for the engine's rule.
        vocabulary: Words that features know.
        seed: Of learning.
    """

    def __init__(
        self,
        settings: BusinessSettings,
        world: World,
        *,
        epsilon: float | None,
        rest_days: int | None,
        vocabulary: Vocabulary,
        seed: int,
    ) -> None:
        self._settings, self._seed, self._rest_days = settings, seed, rest_days
        self._rules = plain_rules(settings, epsilon=epsilon)
        self._definition = quick_definition(settings)
        self._vocabulary = vocabulary
        self._reader = Reader(
            settings=settings, vocabulary=vocabulary, observation_days=self._definition.observation_days
        )
        self._ids = world.ids.to_numpy(zero_copy_only=False)
        self.epsilon = self._rules.explore.epsilon
        holdout, year = self._rules.holdout, Period(start=world.date, read_from=world.date, end=date.max)
        self.holdout_share = holdout.share
        self.held_out = is_held_out(self._ids, share=holdout.share, salt=holdout.salt, period=year)

    def learn(self, world: World, folder: Path, *, standing: Lesson | None) -> Lesson:
        """Check the tables and train on all contacts whose outcome windows are over; ask the gate once a quarter."""
        settings = in_folder(self._settings, folder)
        with open_tables(settings, verb=LEARN_UPLIFT, repeatable=True) as tables:
            tables, _ = read_sound(tables, settings, verb=LEARN_UPLIFT)
            study = Study(
                as_of=world.date,
                seed=self._seed,
                currency=settings.currency,
                rows_per_partition=settings.engine.rows_per_partition,
                asks=world.round % GATE_EVERY == 0,
            )
            return learn_uplift(tables, self._definition, self._vocabulary, study=study, standing=standing)

    def decide(self, world: World, folder: Path, lesson: Lesson) -> Round:
        """One offer or none for everybody who had joined."""
        persons = np.flatnonzero(world.is_known)
        with open_tables(in_folder(self._settings, folder)) as tables:
            options = make_options(self._rules, offers_known(tables))
        worn = None
        if lesson.model is not None:
            scores = self._reader.predict(world, folder, lesson.model, persons)
            uplift = np.column_stack([scores[f"uplift_{offer}"] for offer in OFFER_IDS])
            if f"worn_{OFFER_IDS[0]}" in scores:
                worn = np.column_stack([scores[f"worn_{offer}"] for offer in OFFER_IDS])
        else:
            uplift = np.tile(lesson.averages, (len(persons), 1))
        windows = find_open_windows(
            world.days_since_contact()[persons], self._rests(options, lesson), window_days=OUTCOME_DAYS
        )
        uplift = uplift * windows.share
        values = value_options(
            options, uplift=uplift, trained=_trained(options, lesson.costs), risk=_no_risk(len(persons)), worn=worn
        )
        key = f"R{world.round + 1:02d}"
        decided = choose(
            self._rules,
            options,
            self._describe(world, persons, in_window=windows.closed),
            values,
            words=hash_units(
                self._ids[persons], salt=f"{self._rules.holdout.salt}\x1f{self._seed}\x1f{key}", purpose="arm"
            ),
            as_of=datetime.combine(world.date, time()),
            is_list=True,  # a month in which everybody rests is no mistake
        )
        offer = np.full(len(self._ids), NOBODY)
        offer[persons] = decided.draw.option
        given = np.flatnonzero(decided.draw.option != NOBODY)
        promised = float(uplift[given, decided.draw.option[given]].sum())
        return Round(persons=persons, offer=offer, decided=decided, promised=promised, lesson=lesson)

    def reading(self, *, level: float) -> DecisionReading:
        """How the rounds are read out."""
        return DecisionReading(
            holdout_share=self.holdout_share, epsilon=self.epsilon, currency=self._settings.currency, level=level
        )

    def rest_of(self, lesson: Lesson) -> int:
        """For how many days a customer is left alone after a contact; of offers that differ, the longest."""
        if self._rest_days is not None:
            return self._rest_days
        return max((one.rest_days for one in lesson.ruling.added), default=OUTCOME_DAYS)

    def _rests(self, options: tuple[Option, ...], lesson: Lesson) -> tuple[Rest, ...]:
        """When each option may follow another contact."""
        if self._rest_days is not None:
            return (Rest(days=self._rest_days, share=1.0),) * len(options)
        return rests_of(options, lesson.ruling.added, OUTCOME_DAYS)

    def _describe(self, world: World, persons: np.ndarray, *, in_window: np.ndarray) -> Customers:
        """What eligibility asks: what is open in the world, and nothing that only the loop would know."""
        nobody, open_to = np.zeros(len(persons), dtype=bool), world.open_offers()[persons]
        channels = [offer.channel for offer in self._rules.offers.values()]
        never = np.full(len(persons), np.nan)
        return Customers(
            columns={},
            consent={channel: open_to[:, j] for j, channel in enumerate(channels)},
            opted_out=dict.fromkeys(channels, nobody),
            left=nobody,
            held_out=self.held_out[persons],
            reserved=nobody,
            in_journey=nobody,
            pressed=dict.fromkeys(channels, nobody),
            days_since_purchase=never,
            days_since_complaint=never,
            in_window=in_window,
            has_effect=np.ones(open_to.shape, dtype=bool),
        )


def plain_rules(settings: BusinessSettings, *, epsilon: float | None) -> DecisionSettings:
    """The config's decision block without budget, caps, strategies, triggers, journeys and contact policy.

    Args:
        settings: The business.
        epsilon: Share of customers whose offer is drawn evenly; None for that of the config.

    Raises:
        ConfigError: The config has no decision block, or its offers are not those of the simulated retailer.
    """
    rules = settings.decision
    if rules is None:
        raise ConfigError(f"config {settings.name}: no decision block; the closed loop runs on configs/demo.yaml")
    if tuple(rules.offers) != OFFER_IDS:
        raise ConfigError(
            f"config {settings.name}: decision.offers are {', '.join(rules.offers)}, the simulated retailer has "
            f"{', '.join(OFFER_IDS)}; the closed loop runs on configs/demo.yaml"
        )
    policy = rules.contact_policy.model_copy(
        update={"limits": (), "quiet_after_purchase_days": 0, "quiet_after_complaint_days": 0, "priority_campaigns": ()}
    )
    open_offers = {
        name: offer.model_copy(
            update={"eligible": (), "at_least": 0, "at_most": None, "monthly_at_most": None, "save_rate": None}
        )
        for name, offer in rules.offers.items()
    }
    channels = {
        name: channel.model_copy(update={"at_most": None, "monthly_at_most": None})
        for name, channel in rules.channels.items()
    }
    explore = rules.explore if epsilon is None else rules.explore.model_copy(update={"epsilon": epsilon})
    return rules.model_copy(
        update={
            "budget": None, "monthly_budget": None, "strategies": (), "triggers": (), "journeys": (),
            "contact_policy": policy, "offers": open_offers, "channels": channels, "explore": explore,
        }
    )  # fmt: skip


def _trained(options: tuple[Option, ...], costs: PastCosts) -> TrainedCosts:
    def of(known: Mapping[str, float | None]) -> np.ndarray:
        return np.array([known.get(option.offer_id) or 0.0 for option in options])

    return TrainedCosts(contact_cost=of(costs.contact_cost), reward=of(costs.reward), redeemed=of(costs.redeemed))


def _no_risk(count: int) -> AtRisk:
    """No offer claims to keep customers: what the loop does not measure it does not count."""
    return AtRisk(
        p_churn=np.zeros(count), ltv=np.zeros(count), horizon_days=OUTCOME_DAYS, window_days=OUTCOME_DAYS, weight=0.0
    )


__all__ = ["Loop", "Round", "plain_rules"]
