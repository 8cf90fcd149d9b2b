"""Nights of journeys: who is sent which step when, what ends it, and that events alone tell where everybody stands."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marketing import OFFERS, customers, rules

from netlift.decisions.eligibility.journey_events import to_events, to_table
from netlift.decisions.eligibility.options import Used, make_options
from netlift.decisions.journeys.contacts import to_campaigns, to_contacts
from netlift.decisions.journeys.night import JourneyFacts, NightRequest, run_night
from netlift.errors import ConfigError

pytestmark = pytest.mark.slow

FIRST = date(2026, 10, 5)
NEVER = np.datetime64("NaT", "D")
TRIGGER = {"name": "quiet", "when": "silence", "over_gap": 3, "window_days": 1}
STEPS = [
    {"offers": ["mail"]},
    {"after_days": 3, "offers": ["text", "mail"]},
    {"after_days": 2, "offers": ["talk"]},
    {"after_days": 4, "offers": ["mail"]},
]
BACK = {
    "name": "back", "trigger": "quiet", "steps": STEPS, "exits": ["bought", "opted_out", "complained"],
    "control_share": 0.3, "outcome_days": 14,
}  # fmt: skip
CALLS = {"email": {"fatigue": 1}, "sms": {"fatigue": 1}, "call": {"fatigue": 1, "at_most": 5}}
COST = np.array([10.5, 4.0, 40.0])


def decision(*journeys, **changes):
    policy = {"limits": [], "quiet_after_purchase_days": 0, "quiet_after_complaint_days": 0}
    free = {
        "budget": "unlimited",
        "contact_policy": policy,
        "triggers": [TRIGGER],
        "journeys": list(journeys or [BACK]),
    }
    free["channels"] = {name: {"fatigue": 1} for name in ("email", "sms", "call")}
    return rules(**free | changes)


def draw(journey: str, ids) -> np.ndarray:
    """The first three of every ten are control."""
    return np.array([int(name[1:]) % 10 / 10 for name in ids])


class Shop:
    """A shop of n customers whose journeys move on night by night."""

    def __init__(self, asked=None, n: int = 20, **open_to) -> None:
        self.rules, self.n, self.open_to, self.nights = asked or decision(), n, open_to, []
        self.ids = pd.Index([f"c{i:03d}" for i in range(n)])

    def night(
        self, after: int, *, fired=(), bought=None, complained=None, offers=OFFERS, used=None, still=False, **known
    ):
        day, m = FIRST + timedelta(days=after), len(self.rules.journeys)
        hits = np.zeros((m, self.n), dtype=bool)
        hits[:, list(fired)] = True

        def days(found):
            moments = np.full(self.n, NEVER)
            for who, when in (found or {}).items():
                moments[who] = np.datetime64(FIRST + timedelta(days=when), "D")
            return moments

        asked = NightRequest(
            decision=self.rules,
            options=make_options(self.rules, offers),
            customers=customers(self.n, **self.open_to | known),
            ids=self.ids,
            cost=COST,
            events=self.events,
            facts=JourneyFacts(
                fired=hits, last_purchase=days(bought), last_complaint=days(complained), stands_still=still
            ),
            used=used or Used(),
            as_of=day,
            run_key=day.isoformat(),
            draw=draw,
        )
        found = run_night(asked)
        self.nights.append(found)
        return found

    @property
    def events(self):
        return pd.concat([night.events for night in self.nights], ignore_index=True) if self.nights else to_events([])

    def sent(self) -> list[tuple[str, int, int, str]]:
        """Customer, day, step and offer of everything that went out."""
        rows = self.events[self.events["event"] == "sent"]
        day = (rows["as_of"] - pd.Timestamp(FIRST)).dt.days
        return [*zip(rows["customer_id"], day, rows["step"].astype(int), rows["offer_id"], strict=True)]


def flags(n: int, *who: int) -> np.ndarray:
    found = np.zeros(n, dtype=bool)
    found[list(who)] = True
    return found


@pytest.fixture(scope="module")
def whole():
    """Sixteen nights: ten customers begin on the first, ten on the second."""
    shop = Shop()
    for after in range(16):
        shop.night(after, fired=range(10) if after == 0 else range(10, 20) if after == 1 else ())
    return shop


def test_steps_go_out_on_their_days_once_and_control_gets_none(whole):
    shop = whole
    treated = [f"c{i:03d}" for i in range(20) if i % 10 >= 3]
    wanted = [
        (day, step, offer)
        for day, step, offer in zip((0, 3, 5, 9), (1, 2, 3, 4), ("mail", "text", "talk", "mail"), strict=True)
    ]
    late = {who: int(who >= "c010") for who in treated}
    assert sorted(shop.sent()) == sorted((who, day + late[who], *more) for who in treated for day, *more in wanted)
    line = shop.nights[-1].lines[0]
    assert (line.entered, line.control, line.sent, line.finished, line.closed) == (14, 6, (14,) * 4, 14, 20)
    assert line.spent == pytest.approx(14 * (2 * 10.5 + 4 + 40))
    first = shop.nights[0]
    assert first.occupied[:10].all() and not shop.nights[15].occupied.any() and shop.nights[13].occupied.all()
    assert (first.option[:3] == -1).all() and (first.step[3:10] == 1).all()


def test_a_journey_is_told_as_a_campaign_once_when_the_windows_are_over(whole):
    shop = whole
    tables = [(to_contacts(night.closed), to_campaigns(shop.rules.journeys, night)) for night in shop.nights]
    assert [len(contacts) for contacts, _ in tables] == [0] * 14 + [10, 10]
    assert [len(campaigns) for _, campaigns in tables] == [0] * 14 + [1, 0]
    contacts = pd.concat([contacts.to_pandas() for contacts, _ in tables]).set_index("customer_id")
    assert (contacts["offer_id"] == np.where(contacts["propensity"] == 0.3, "control", "back")).all()
    assert (contacts["contact_cost"] == np.where(contacts["offer_id"] == "back", 0.5 + 4 + 40 + 0.5, 0.0)).all()
    assert contacts.loc["c015", "assigned_at"] == pd.Timestamp(FIRST) + pd.Timedelta(days=1)
    campaign = tables[14][1].to_pylist()[0]
    assert (campaign["campaign_id"], campaign["outcome_days"], campaign["randomized"]) == ("back", 14.0, True)
    assert campaign["started_at"] == datetime.combine(FIRST, datetime.min.time())


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("bought", {"bought": {5: 2}}),
        ("complained", {"complained": {5: 3}}),
        ("opted_out", {"opted_out": {"email": flags(20), "sms": flags(20, 5), "call": flags(20)}}),
    ],
)
def test_what_a_customer_did_since_the_beginning_ends_the_journey(reason, told):
    shop = Shop()
    shop.night(0, fired=[5, 6])
    shop.night(3, **told)
    shop.night(12)
    assert [one[:3] for one in shop.sent() if one[0] == "c005"] == [("c005", 0, 1)]
    assert shop.nights[-1].lines[0].exits == {reason: 1}
    assert sum(one[0] == "c006" for one in shop.sent()) == 3 and shop.nights[-1].occupied[5]


def test_a_purchase_before_the_beginning_ends_nothing():
    shop = Shop()
    shop.night(0, fired=[5], bought={5: -1})
    shop.night(3, bought={5: -1})
    assert len(shop.sent()) == 2


def test_two_journeys_that_want_one_customer_the_first_has_him_and_the_second_is_counted():
    vip = BACK | {"name": "vip", "who": ["p_churn >= 0.5"], "steps": [{"offers": ["talk"]}]}
    known = {"columns": {"p_churn": np.where(np.arange(20) < 8, 0.9, 0.1)}}
    shop = Shop(decision(vip, BACK), **known)
    shop.night(0, fired=range(20))
    first, second = shop.nights[0].lines
    assert (first.entered + first.control, second.entered + second.control) == (8, 12)
    assert first.refused_now == {} and second.refused_now == {"in_journey": 8}
    shop.night(1, fired=range(20))
    assert [line.refused_now for line in shop.nights[1].lines] == [{"in_journey": 8}, {"in_journey": 20}]
    assert len({one[0] for one in shop.sent()}) == len(shop.sent()) == 14


def test_open_windows_close_the_beginning_of_a_journey_and_none_of_its_steps():
    shop, window = Shop(), np.zeros((20, 3), dtype=bool)
    window[[4, 5]] = True
    shop.night(0, fired=range(20), in_window=window)
    assert shop.nights[0].lines[0].refused_now == {"open_window": 2}
    shop.night(3, in_window=np.ones((20, 3), dtype=bool))
    assert len(shop.sent()) == 2 * 12


def test_an_offer_that_expires_in_the_middle_ends_the_journey_for_those_who_wait_for_it():
    shop = Shop()
    shop.night(0, fired=range(20))
    ended = OFFERS | {"talk": OFFERS["talk"] | {"valid_to": datetime(2026, 10, 9)}}
    for after in (3, 5, 9):
        shop.night(after, offers=ended)
    line = shop.nights[-1].lines[0]
    assert line.exits == {"offer_expired": 14} and line.sent == (14, 14, 0, 0) and line.waiting == 0


def test_a_code_is_the_customers_own_and_no_step_goes_out_after_it():
    asked = decision(BACK | {"code": {"prefix": "BACK", "days": 11}})
    quiet = {"email": flags(20, *range(10, 20)), "sms": flags(20), "call": flags(20)}
    shop = Shop(asked)
    nights = [
        shop.night(0, fired=range(20)),
        shop.night(3),
        shop.night(5),
        shop.night(9, pressed=quiet),
        shop.night(11),
    ]
    codes = [night.code[night.option >= 0] for night in nights]
    assert len(set(codes[0])) == 14 and all(code.startswith("BACK-") for code in codes[0])
    assert (codes[1] == codes[0]).all() and (nights[0].code_until[3] == np.datetime64("2026-10-15")).all()
    assert nights[3].lines[0].put_off_now == {"contact_pressure": 7} and nights[4].lines[0].exits == {"code_expired": 7}
    assert nights[4].lines[0].sent == (14, 14, 14, 7)


def test_what_is_short_goes_to_those_who_have_waited_longest_and_the_others_are_put_off():
    asked = decision(BACK | {"steps": [{"offers": ["talk"]}]}, budget=160, monthly_budget=240)
    shop = Shop(asked)
    one = shop.night(0, fired=range(3, 10))
    assert one.lines[0].sent_now == 4 and one.lines[0].put_off_now == {"no_budget": 3} and one.taken["budget"] == 160
    two = shop.night(1, fired=range(13, 20), used=Used(spent=160.0, month={"channel call": 4}))
    assert two.lines[0].put_off_now == {"no_budget": 8}
    assert [one[0] for one in shop.sent()][4:] == ["c007", "c008"], "those of the night before come first"
    three = shop.night(2, used=Used(spent=240.0))
    assert three.lines[0].sent_now == 0 and three.lines[0].waiting == 8, "the month is spent, and says so"
    room = Shop(decision(BACK | {"steps": [{"offers": ["talk"]}]}, channels=CALLS))
    assert room.night(0, fired=range(3, 10), used=Used(today={"channel call": 2})).lines[0].put_off_now == {
        "no_capacity": 4
    }


def test_the_second_offer_of_a_step_goes_out_where_the_first_is_not_open_and_nobody_waits_for_a_consent():
    shop = Shop(consent={"email": ~flags(20, 7, 8), "sms": ~flags(20, 5, 8), "call": ~flags(20)})
    shop.night(0, fired=range(20))
    assert shop.nights[0].lines[0].refused_now == {"consent": 2}
    shop.night(3)
    offers = {who: offer for who, _, step, offer in shop.sent() if step == 2}
    assert offers["c005"] == "mail" and offers["c006"] == "text"
    later = {"email": flags(20), "sms": flags(20), "call": flags(20)}
    shop.night(5, consent=later)
    assert shop.nights[-1].lines[0].skipped == (0, 0, 12, 0) and shop.nights[-1].lines[0].waiting == 12


def test_a_night_made_again_from_the_same_events_is_the_same_to_the_byte_and_an_earlier_one_moves_nothing():
    shop = Shop()
    shop.night(0, fired=range(20))
    before = shop.nights.copy()
    once, again = shop.night(3), None
    shop.nights = before
    again = shop.night(3)
    assert to_table(once.events).equals(to_table(again.events))
    late = shop.night(2, fired=range(20), still=True)
    assert late.events.empty and late.occupied.all() and (late.option == -1).all()


def test_a_customer_may_come_again_after_the_pause_keeps_his_arm_and_is_told_once():
    shop = Shop(decision(BACK | {"again_after_days": 20}))
    for after in (0, 3, 5, 9, 14, 19):
        shop.night(after, fired=[2, 5] if after in (0, 19) else ())
    assert shop.nights[-1].lines[0].refused_now == {"again": 2}
    shop.night(20, fired=[2, 5])
    shop.night(34)
    line = shop.nights[-1].lines[0]
    assert (line.entered, line.control, line.closed) == (2, 2, 4)
    assert sum(len(night.closed) for night in shop.nights) == 2
    once = Shop()
    once.night(0, fired=[5])
    assert once.night(300, fired=[5]).lines[0].refused_now == {"again": 1}


def test_nobody_begins_after_the_last_day_and_who_is_in_goes_on():
    shop = Shop(decision(BACK | {"enter_until": FIRST}))
    shop.night(0, fired=range(10))
    shop.night(3, fired=range(20))
    assert shop.nights[-1].lines[0].entered == 7 and shop.nights[-1].lines[0].sent == (7, 7, 0, 0)


def test_a_journey_that_changes_or_goes_away_under_its_customers_is_refused():
    shop = Shop()
    shop.night(0, fired=range(20))
    shop.rules = decision(BACK | {"steps": STEPS[:2]})
    with pytest.raises(ConfigError, match="20 customers began it with other steps"):
        shop.night(1)
    shop.rules = decision(BACK | {"name": "other"})
    with pytest.raises(ConfigError, match="20 customers are in 'back', which the config has no more"):
        shop.night(1)
    shop.rules = decision(BACK | {"control_share": 0.5})
    shop.night(1)


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(1, 4), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9))), max_size=5))
def test_whatever_happens_nobody_gets_a_step_twice_and_all_who_entered_are_accounted_for(story):
    shop, day, bought = Shop(n=10), 0, {}
    for gap, fired, buyers in story:
        day += gap
        bought |= dict.fromkeys(buyers, day)
        night = shop.night(day, fired=fired, bought=bought)
        line = night.lines[0]
        assert line.entered == line.finished + line.waiting + line.unfinished + sum(line.exits.values())
        assert line.sent == tuple(sorted(line.sent, reverse=True))
        assert not (night.option >= 0)[~night.occupied].any()
    steps = [(who, step) for who, _, step, _ in shop.sent()]
    assert len(steps) == len(set(steps))
