"""Daily update of all journeys: closed windows, exits, entries, then due steps.

Journeys go before everything else that a run decides, and each takes what the ones before it leave of budgets and
capacities. Steps go through the eligibility and the contact policy of all other contacts; that an earlier contact's
window is open closes the beginning of a journey, and no step of it. A step for which there is no room tonight, or that
a pause holds back, waits; one that the customer has not agreed to, or whose conditions do not hold, is passed over.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.decision import DecisionSettings
from netlift.config.journeys import CodeSettings, JourneySettings
from netlift.data.contract import CONTROL
from netlift.decisions.eligibility.conditions import all_hold
from netlift.decisions.eligibility.eligibility import Customers, find_eligible
from netlift.decisions.eligibility.journey_events import CLOSED, ENTERED, EXITED, SENT, SKIPPED, to_events
from netlift.decisions.eligibility.options import Option, Used
from netlift.decisions.eligibility.reasons import WORDS, Refusal
from netlift.decisions.journeys.passages import Passages, find_passages
from netlift.decisions.journeys.reach import JourneyLine, count_reach
from netlift.decisions.journeys.room import ContactRoom

if TYPE_CHECKING:
    import pandas as pd

IN_JOURNEY, TOO_SOON = "in_journey", "again"
OFFER_EXPIRED, CODE_EXPIRED = "offer_expired", "code_expired"
PASSING = (
    Refusal.PRIORITY_CAMPAIGN,
    Refusal.CONTACT_PRESSURE,
    Refusal.QUIET_AFTER_PURCHASE,
    Refusal.QUIET_AFTER_COMPLAINT,
    Refusal.NOT_VALID,
    Refusal.STOPPED,
)
"""Reasons for which a step waits; for any other it is passed over, as one whose conditions do not hold."""
Draw = Callable[[str, Sequence[str]], np.ndarray]
"""Name of a journey and ids to a number of [0, 1) each, the same every night, shape (n,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JourneyFacts:
    """What journeys ask of n customers.

    Attributes:
        fired: Whether each journey's trigger has fired since it was last asked, bool, (journeys, n).
        last_purchase: Day of the last purchase, that of the run included, datetime64[D], NaT without one, shape (n,).
        last_complaint: The same of complaints.
        stands_still: Whether a run of a later day has moved the journeys already, so that this one must not.
    """

    fired: np.ndarray
    last_purchase: np.ndarray
    last_complaint: np.ndarray
    stands_still: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Night:
    """What a night did, arrays in the order of customers.

    Attributes:
        events: Rows to be added.
        option: What a step gives each customer, -1 for none, int16, shape (n,).
        journey: Position of the journey of whoever gets a step, -1 for others, int16, shape (n,).
        step: Its number, from 1; 0 for others, int16, shape (n,).
        code: Its code; None without one, shape (n,).
        code_until: Last day on which the code holds, datetime64[D], NaT without one, shape (n,).
        occupied: Who is in a journey after tonight, control too, bool, shape (n,).
        closed: First passages whose outcome window is over since the last run, as `Passages` has them.
        used: What the run may count as used of day, month and its own budget: that of other runs, and of the steps.
        taken: What the steps alone took, by the names of limits; of the budget in currency.
        lines: How far each journey has come.
    """

    events: pd.DataFrame
    option: np.ndarray
    journey: np.ndarray
    step: np.ndarray
    code: np.ndarray
    code_until: np.ndarray
    occupied: np.ndarray
    closed: pd.DataFrame
    used: Used
    taken: Mapping[str, float]
    lines: tuple[JourneyLine, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class NightRequest:
    """What a night is asked about.

    Attributes:
        decision: The rules.
        options: All options of the config, m of them.
        customers: What is known of n customers.
        ids: Who they are, an index of n ids.
        cost: What an option takes from the budget, shape (m,) or (n, m).
        events: Of earlier runs, oldest first.
        facts: What journeys ask besides.
        used: What other runs have used.
        as_of: Day of the run.
        run_key: Its key.
        draw: Draws the arms.
        stopped: Positions of options that an operator has stopped; their steps wait.
    """

    decision: DecisionSettings
    options: tuple[Option, ...]
    customers: Customers
    ids: pd.Index
    cost: np.ndarray
    events: pd.DataFrame
    facts: JourneyFacts
    used: Used
    as_of: date
    run_key: str
    draw: Draw
    stopped: Collection[int] = ()

    @property
    def today(self) -> np.datetime64:
        """The day."""
        return np.datetime64(self.as_of, "D")

    def refused(self, **lifted: Any) -> np.ndarray:
        """Codes of `Refusal` where some of what is known of customers is replaced, uint8, shape (n, m).

        Whether a model knows an offer's effect is never asked: a journey is read as a whole.
        """
        everybody = np.ones((len(self.customers), len(self.options)), dtype=bool)
        customers = replace(self.customers, has_effect=everybody, **lifted)
        moment = datetime.combine(self.as_of, time())
        return find_eligible(self.decision, self.options, customers, as_of=moment, stopped=self.stopped).refused


def run_night(asked: NightRequest) -> Night:
    """Move all journeys on by a night.

    Args:
        asked: The rules, the customers, and what happened before.

    Raises:
        ConfigError: A journey changed, or went away, while customers are in it.
        GateRefusedError: No consents for a channel.
    """
    return _Mover(asked).run()


class _Mover:
    """The night while it is made: what was added so far, and what is left of budgets and capacities."""

    def __init__(self, asked: NightRequest) -> None:
        self.asked, self.journeys = asked, asked.decision.journeys
        n = len(asked.customers)
        self.rows: list[dict[str, Any]] = []
        self.option = np.full(n, -1, dtype=np.int16)
        self.journey, self.step = np.full(n, -1, dtype=np.int16), np.zeros(n, dtype=np.int16)
        self.code, self.code_until = np.full(n, None, dtype=object), np.full(n, np.datetime64("NaT", "D"))
        self.put_off: list[Counter[str]] = [Counter() for _ in self.journeys]
        self.refused: list[Counter[str]] = [Counter() for _ in self.journeys]
        self.room = ContactRoom(asked.decision, asked.options, asked.used)
        self.codes: dict[str, np.ndarray] = {}

    def run(self) -> Night:
        asked = self.asked
        passages = find_passages(asked.events, self.journeys, asked.ids)
        occupied, closed = passages.occupied(asked.as_of), passages.frame.iloc[:0]
        if not asked.facts.stands_still:
            over = (passages.frame["ends"] <= asked.today).to_numpy()
            closed = passages.frame[over]
            self._add(CLOSED, closed)
            under_way = self._leave(passages.frame[~over])
            entered = self._enter(passages, occupied)
            for frame in (under_way, entered):
                occupied[frame.loc[frame["customer"] >= 0, "customer"].to_numpy()] = True
            self._send(under_way, entered)
        events = to_events(self.rows)
        return Night(
            events=events,
            option=self.option,
            journey=self.journey,
            step=self.step,
            code=self.code,
            code_until=self.code_until,
            occupied=occupied,
            closed=closed[closed["first"]],
            used=self.room.used,
            taken=self.room.taken,
            lines=self._lines(events),
        )

    def _lines(self, events: pd.DataFrame) -> tuple[JourneyLine, ...]:
        import pandas as pd

        whole = pd.concat([self.asked.events, events], ignore_index=True) if len(events) else self.asked.events
        return tuple(
            count_reach(
                journey,
                whole,
                as_of=self.asked.as_of,
                run_key=self.asked.run_key,
                refused=self.refused[place],
                put_off=self.put_off[place],
            )
            for place, journey in enumerate(self.journeys)
        )

    def _add(self, event: str, passages: pd.DataFrame, **more: Any) -> None:
        """Write an event of some passages down."""
        fixed = {"event": event, "as_of": self.asked.as_of, "run_key": self.asked.run_key, **more}
        columns = ["journey", "customer_id", "entered", "arm", "propensity"]
        for journey, customer, entered, arm, propensity in passages[columns].itertuples(index=False):
            own = {"journey": journey, "customer_id": customer, "entered": entered.date(), "arm": arm}
            self.rows.append({**own, "propensity": propensity, **fixed})

    def _leave(self, passages: pd.DataFrame) -> pd.DataFrame:
        """The passages, those marked whose customers have said no, complained or bought since they began."""
        customers, facts = self.asked.customers, self.asked.facts
        exited = passages["exited"].to_numpy().copy()
        for place, journey in enumerate(self.journeys):
            channels = {option.channel for option in self.asked.options if option.offer_id in journey.offers}
            own = passages["treated"] & (passages["place"] == place) & (passages["step"] < len(journey.steps))
            rows = np.flatnonzero((own & (passages["customer"] >= 0)).to_numpy() & ~exited)
            who = passages["customer"].to_numpy()[rows]
            since = passages["entered"].to_numpy(dtype="datetime64[D]")[rows]
            opted_out = np.any([customers.opted_out[channel][who] for channel in sorted(channels)], axis=0)
            found = {
                "opted_out": opted_out | customers.left[who],
                "complained": facts.last_complaint[who] >= since,
                "bought": facts.last_purchase[who] >= since,
            }
            for reason in found:
                if reason not in journey.exits:
                    continue
                ended = rows[found[reason] & ~exited[rows]]
                self._add(EXITED, passages.iloc[ended], reason=reason)
                exited[ended] = True
        return passages.assign(exited=exited)

    def _enter(self, passages: Passages, occupied: np.ndarray) -> pd.DataFrame:
        """The passages that begin tonight; journeys in their order, so that the first takes a customer."""
        import pandas as pd

        asked, n = self.asked, len(self.asked.customers)
        none, never = np.zeros(n, dtype=bool), np.full(n, np.nan)
        codes = asked.refused(
            pressed=dict.fromkeys(asked.customers.pressed, none), days_since_purchase=never, days_since_complaint=never
        )
        taken, begun = occupied.copy(), [passages.frame.iloc[:0]]
        for place, journey in enumerate(self.journeys):
            if not journey.is_open(asked.as_of):
                continue
            wants = asked.facts.fired[place] & all_hold(asked.customers.columns, journey.criteria, n)
            last = passages.last_entered[place]
            again = timedelta(days=journey.again_after_days) if journey.again_after_days else None
            too_soon = ~np.isnat(last) if again is None else asked.today - last < np.timedelta64(again)
            first = codes[:, self._places(journey.steps[0].offers)]
            closed = np.where((first == Refusal.OPEN).any(axis=1), Refusal.OPEN, first.max(axis=1))
            reason = np.select([taken, too_soon], [IN_JOURNEY, TOO_SOON], default="").astype(object)
            shut = (reason == "") & (closed != Refusal.OPEN)
            reason[shut] = [WORDS[int(code)] for code in closed[shut]]
            self.refused[place].update(reason[wants & (reason != "")])
            who = np.flatnonzero(wants & (reason == ""))
            taken[who] = True
            begun.append(self._draw(place, journey, who, is_first=np.isnat(last[who])))
        return pd.concat([frame for frame in begun if len(frame)] or begun[:1], ignore_index=True)

    def _draw(self, place: int, journey: JourneySettings, who: np.ndarray, *, is_first: np.ndarray) -> pd.DataFrame:
        import pandas as pd

        ids = self.asked.ids[who]
        is_control = self.asked.draw(journey.name, list(ids)) < journey.control_share
        frame = pd.DataFrame(
            {
                "journey": journey.name,
                "customer_id": ids,
                "entered": np.full(len(who), self.asked.today.astype("datetime64[s]")),
                "arm": np.where(is_control, CONTROL, journey.name),
                "propensity": np.where(is_control, journey.control_share, 1 - journey.control_share),
                "first": is_first,
                "place": place,
                "customer": who,
                "treated": ~is_control,
                "exited": False,
                "step": 0,
                "moved": np.full(len(who), self.asked.today.astype("datetime64[s]")),
                "code_from": np.full(len(who), np.datetime64("NaT", "s")),
            }
        )
        self._add(ENTERED, frame, treatment=journey.treatment)
        return frame

    def _send(self, *frames: pd.DataFrame) -> None:
        """Send what is due, journey by journey: later steps first, and within a step who has waited longest."""
        import pandas as pd

        passages = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
        ahead = [[step.after_days for step in journey.steps] for journey in self.journeys]
        under_way = passages["treated"] & ~passages["exited"] & (passages["customer"] >= 0)
        under_way &= passages["step"] < passages["place"].map({k: len(days) for k, days in enumerate(ahead)})
        passages = passages[under_way.to_numpy(dtype=bool)]
        wait = [ahead[place][step] for place, step in zip(passages["place"], passages["step"], strict=True)]
        due = passages["moved"].to_numpy(dtype="datetime64[D]") + np.array(wait, dtype="timedelta64[D]")
        passages = passages.assign(due=due)[due <= self.asked.today].sort_values(["place", "due", "customer"])
        for place, journey in enumerate(self.journeys):
            for step in reversed(range(len(journey.steps))):
                rows = passages[(passages["place"] == place) & (passages["step"] == step)]
                if len(rows):
                    self._send_step(place, step, rows)

    def _send_step(self, place: int, step: int, passages: pd.DataFrame) -> None:
        """Send one step to those for whom it is due, pass it over, put it off, or end the journey."""
        asked, journey = self.asked, self.journeys[place]
        rule, number = journey.steps[step], step + 1
        moment = datetime.combine(asked.as_of, time())
        offers = self._places(rule.offers)
        if all(asked.options[j].is_over(moment) for j in offers):
            self._add(EXITED, passages, reason=OFFER_EXPIRED)
            return
        if journey.code is not None:
            last = passages["code_from"].to_numpy(dtype="datetime64[D]") + np.timedelta64(journey.code.days, "D")
            is_over = np.asarray(last <= asked.today)
            self._add(EXITED, passages.loc[is_over], reason=CODE_EXPIRED)
            passages = passages.loc[~is_over]
        who = passages["customer"].to_numpy()
        holds = all_hold(asked.customers.columns, rule.criteria, len(asked.customers))[who]
        codes = self._refused(journey, first=step == 0)
        fits = holds & np.isin(codes[who][:, offers], (Refusal.OPEN, *PASSING)).any(axis=1)
        self._add(SKIPPED, passages.loc[~fits], step=number)
        for k in np.flatnonzero(fits).tolist():
            option, cost, why = self._choose(who[k], offers, codes)
            if why:
                self.put_off[place][why] += 1
                continue
            told = {"step": number, "offer_id": option.offer_id, "channel": option.channel}
            told |= {"contact_cost": option.contact_cost, "expected_reward": cost - option.contact_cost}
            self._add(SENT, passages.iloc[[k]], **told)
            self.option[who[k]], self.journey[who[k]] = asked.options.index(option), place
            self.step[who[k]] = number
            if journey.code is not None:
                self._give_code(journey, journey.code, passages.iloc[k])

    def _choose(self, who: int, offers: Sequence[int], codes: np.ndarray) -> tuple[Option, float, str]:
        """The first offer that is open to a customer and has room, its cost, and why there is none."""
        waits = codes[who, offers][np.isin(codes[who, offers], PASSING)]
        why, cost = WORDS[int(waits.max(initial=0))] if len(waits) else "", self.asked.cost
        for j in offers:
            if codes[who, j] == Refusal.OPEN:
                own = float(cost[j] if cost.ndim == 1 else cost[who, j])
                why = self.room.take(j, own)
                if not why:
                    return self.asked.options[j], own, ""
        return self.asked.options[offers[0]], 0.0, why

    def _give_code(self, journey: JourneySettings, code: CodeSettings, passage: pd.Series[Any]) -> None:
        """Write the customer's code down, which holds from the first step that went out."""
        who, first = passage["customer"], passage["code_from"]
        began = self.asked.as_of if first != first else first.date()  # noqa: PLR0124 - NaT
        parts = (journey.name, passage["customer_id"], passage["entered"].date().isoformat())
        self.code[who] = _code(code.prefix, *parts, key=self.asked.decision.holdout.salt)
        self.code_until[who] = np.datetime64(began + timedelta(days=code.days - 1), "D")

    def _refused(self, journey: JourneySettings, *, first: bool) -> np.ndarray:
        """Codes of `Refusal` of a step; the first one may answer the event that quiet days follow."""
        asked = self.asked
        trigger = next(trigger for trigger in asked.decision.triggers if trigger.name == journey.trigger)
        answers = (trigger.answers if first and trigger.despite_quiet_days else None) or ""
        if answers not in self.codes:
            lifted = {"in_window": np.zeros_like(asked.customers.in_window)}
            lifted |= {f"days_since_{answers}": np.full(len(asked.customers), np.nan)} if answers else {}
            self.codes[answers] = asked.refused(**lifted)
        return self.codes[answers]

    def _places(self, offers: Sequence[str]) -> list[int]:
        names = [option.offer_id for option in self.asked.options]
        return [names.index(offer) for offer in offers]


def _code(prefix: str, *passage: str, key: str) -> str:
    """The code of a passage, the same in all its lists, that nobody guesses without the salt of the config."""
    text, salt = "\x1f".join(passage).encode(), hashlib.blake2b(key.encode()).digest()
    return f"{prefix}-{hashlib.blake2b(text, digest_size=5, key=salt).hexdigest().upper()}"


__all__ = ["JourneyFacts", "Night", "NightRequest", "run_night"]
