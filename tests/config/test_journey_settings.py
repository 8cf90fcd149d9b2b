"""Journeys as a marketer writes them: what cannot be meant is refused when the config is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from marketing import rules
from pydantic import ValidationError

from netlift.config.business import load
from netlift.config.outreach import OWN_GAP, TriggerSettings

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"
TRIGGER = {"name": "quiet", "when": "silence", "over_gap": 3, "window_days": 1}
STEPS = [{"offers": ["mail"]}, {"after_days": 7, "offers": ["text", "mail"]}]
JOURNEY = {
    "name": "back", "trigger": "quiet", "steps": STEPS, "exits": ["bought"], "control_share": 0.2, "outcome_days": 28,
}  # fmt: skip


def with_journeys(*journeys, triggers=(TRIGGER,)):
    return rules(journeys=list(journeys), triggers=list(triggers))


def refusal(*journeys, **more) -> str:
    with pytest.raises(ValidationError) as caught:
        with_journeys(*journeys, **more)
    return str(caught.value)


def test_the_demo_ships_a_welcome_a_vip_a_win_back_with_a_code_and_a_replenishment():
    decision = load(DEMO).decision
    found = {journey.name: journey for journey in decision.journeys}
    assert list(found) == ["journey_welcome", "journey_vip", "journey_win_back", "journey_replenish"]
    triggers = {trigger.name: trigger for trigger in decision.triggers}
    assert triggers[found["journey_replenish"].trigger].event == OWN_GAP
    assert found["journey_win_back"].code.days == 28 and len(found["journey_welcome"].steps) == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exits": []}, "has no exit, and would go on with customers who have bought or said no"),
        ({"exits": ["moved"]}, "bought"),
        ({"steps": []}, "steps"),
        ({"outcome_days": 7}, "its last step comes on day 7, outcome_days are 7"),
        ({"steps": [*STEPS, {"offers": ["talk"]}]}, "step 3 comes on the day of step 2"),
        ({"control_share": 0}, "control_share"),
        ({"control_share": 1}, "control_share"),
        ({"again_after_days": 27}, "again_after_days (27) is below outcome_days (28)"),
        ({"code": {"prefix": "BACK", "days": 7}}, "its last step comes on day 8 of the code, which holds for 7"),
        ({"code": {"prefix": "back again", "days": 9}}, "prefix"),
        ({"who": ["p_churn >= 0.5", "p_churn < 0.3"]}, "who: p_churn >= 0.5 and p_churn < 0.3: nobody can meet these"),
        ({"steps": [{"offers": ["mail"], "when": ["segment = nobody"]}]}, "step 1, when: segment is never 'nobody'"),
        ({"steps": [{"offers": ["male"]}]}, "journeys.back: no offer 'male'; did you mean mail?"),
        ({"trigger": "quite"}, "journeys.back: no trigger 'quite'; did you mean quiet?"),
        ({"name": "mail"}, "journeys.mail: an offer, or no contact, is called so too"),
        ({"name": "control"}, "journeys.control: an offer, or no contact, is called so too"),
        ({"pace": 3}, "pace"),
    ],
)
def test_a_journey_that_cannot_be_meant_is_refused(changes, told):
    assert told in refusal(JOURNEY | changes)


def test_two_journeys_that_want_the_same_customers_are_told_apart_by_conditions_or_refused():
    assert "journeys.second: never begins, since journeys.back begins by the same trigger" in refusal(
        JOURNEY, JOURNEY | {"name": "second"}
    )
    assert "journeys: 'back' is there twice" in refusal(JOURNEY | {"who": ["margin_365d >= 1"]}, JOURNEY)
    found = with_journeys(JOURNEY | {"who": ["margin_365d >= 1"]}, JOURNEY | {"name": "second"})
    assert [journey.name for journey in found.journeys] == ["back", "second"] and "margin_365d" in found.asked


def test_a_trigger_has_offers_or_begins_a_journey():
    assert "triggers.quiet: has no offers and begins no journey" in refusal()
    assert not with_journeys(JOURNEY).triggers[0].offers


def test_the_treatment_is_what_is_done_and_not_how_many_are_left_alone():
    journey = with_journeys(JOURNEY).journeys[0]
    same = journey.model_copy(update={"control_share": 0.4, "enter_until": load(DEMO).segments.reference})
    other = journey.model_copy(update={"outcome_days": 29})
    assert same.treatment == journey.treatment != other.treatment


def test_the_old_name_of_a_replenishment_by_the_own_gap_is_read_with_a_notice():
    own = {"name": "due", "over_gap": 1.0, "window_days": 1}
    with pytest.warns(FutureWarning, match="is now called replenishment"):
        old = TriggerSettings.model_validate(own | {"when": "rhythm"})
    new = TriggerSettings.model_validate(own | {"when": "replenishment"})
    assert old == new and old.event == OWN_GAP
    with pytest.raises(ValidationError, match="with one of days_before and over_gap, not with both"):
        TriggerSettings.model_validate(own | {"when": "replenishment", "days_before": 3})
    with pytest.raises(ValidationError, match="replenishment needs days_before or over_gap"):
        TriggerSettings(name="due", when="replenishment", window_days=1)
