"""The rules of decisions: they read as written, and refuse what cannot be meant."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from marketing import content, rules
from pydantic import ValidationError

from netlift.config.business import load
from netlift.config.contradictions import find_contradictions
from netlift.config.criteria import parse_criterion
from netlift.config.decision import DecisionSettings
from netlift.errors import ConfigError

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


def refusal(**changes):
    with pytest.raises(ValidationError) as caught:
        rules(**changes)
    return str(caught.value)


def offer(**changes):
    return content()["offers"] | {"mail": content()["offers"]["mail"] | changes}


def policy(*limits):
    return content()["contact_policy"] | {"limits": list(limits)}


def explore(**changes):
    return content()["explore"] | changes


def test_the_rules_of_the_demo_name_what_their_conditions_ask_about():
    found = load(DEMO).decision
    assert found.asked == ("days_since_last_purchase", "segment", "margin_365d", "purchase_days_365d")
    assert {trigger.when for trigger in found.triggers} == {
        "first_purchase", "silence", "replenishment", "birthday", "spend_step", "complaint", "churn"
    }  # fmt: skip
    assert found.consent_column("sms") == "consent_sms"


def test_what_is_left_open_is_said_by_a_word_and_never_by_leaving_it_out():
    found = rules(budget="unlimited")
    assert found.budget is None
    assert found.offers["text"].reward is None
    assert found.offers["text"].redeemed_by is None
    missing = {name: value for name, value in content().items() if name != "budget"}
    with pytest.raises(ValidationError, match="budget"):
        DecisionSettings.model_validate(missing)


def test_rules_of_the_same_content_have_the_same_digest_and_read_back_what_they_wrote():
    found = rules()
    assert DecisionSettings.model_validate(found.model_dump()) == found
    assert rules().digest() == found.digest() != rules(budget=999).digest()


def test_mistakes_of_a_file_are_reported_all_at_once_with_their_places(tmp_path):
    plain = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    decision = copy.deepcopy(plain["decision"])
    decision["budget"] = -5
    decision["offers"]["sms_bonus_300"]["reward"] = "lots"
    decision["chanels"] = {}
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(plain | {"decision": decision}, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    said = str(caught.value)
    assert "3 mistakes" in said
    for part in ("decision.budget", "'-5'", "decision.offers.sms_bonus_300.reward", "did you mean channels?"):
        assert part in said


def test_an_unknown_offer_or_channel_is_answered_with_what_was_probably_meant():
    said = refusal(
        strategies=[{"name": "VIP", "who": ["segment = champions"], "offers": ["male"], "channels": ["emial"]}],
        triggers=[{"name": "hello", "when": "first_purchase", "window_days": 1, "offers": ["texts"]}],
    )
    assert "strategies.VIP: no offer 'male'; did you mean mail?" in said
    assert "strategies.VIP: no channel 'emial'; did you mean email?" in said
    assert "triggers.hello: no offer 'texts'; did you mean text?" in said


@pytest.mark.parametrize(
    "conditions",
    [
        ["p_churn >= 0.5", "p_churn < 0.5"],
        ["p_churn >= 0.5", "p_churn < 0.5", "p_churn <= 0.5"],
        ["p_churn > 1"],
        ["segment = champions", "segment != champions, new"],
        ["region = Tver", "region = Moscow"],
        ["margin_365d = 3", "margin_365d > 3"],
        ["tenure_days < 0"],
    ],
)
def test_an_offer_whose_conditions_nobody_can_meet_is_refused(conditions):
    assert "nobody can meet" in refusal(offers=offer(eligible=conditions))


@pytest.mark.parametrize(
    "conditions",
    [
        ["p_churn >= 0.5", "p_churn <= 0.5"],
        ["segment != champions", "segment = new, champions"],
        ["region != Tver"],
        ["margin_365d >= 1000", "days_since_last_purchase <= 365", "days_since_last_purchase > 10"],
    ],
)
def test_conditions_that_somebody_can_meet_are_taken(conditions):
    assert find_contradictions([parse_criterion(text) for text in conditions]) == []
    assert rules(offers=offer(eligible=conditions))


def test_an_offer_for_a_segment_whose_strategy_leaves_it_out_is_eligible_nowhere():
    vip = {"name": "VIP", "who": ["segment = champions"], "offers": ["talk"]}
    said = refusal(offers=offer(eligible=["segment = champions"]), strategies=[vip])
    assert "offers.mail: is eligible nowhere" in said
    some = vip | {"who": ["segment = champions", "p_churn > 0.3"]}
    assert rules(offers=offer(eligible=["segment = champions"]), strategies=[some])


def test_a_strategy_that_leaves_no_offer_has_to_say_so_in_words():
    one = {"name": "cheap", "who": ["segment = lost"], "offers": ["talk"], "channels": ["email"]}
    assert "strategies.cheap: no offer is left" in refusal(strategies=[one])
    assert rules(strategies=[{"name": "none", "who": ["segment = lost"], "offers": []}])
    assert "changes nothing" in refusal(strategies=[{"name": "idle", "who": ["segment = lost"]}])


def test_a_limit_of_no_contacts_closes_its_offers_and_that_is_refused():
    assert "allows 0 contacts over all channels" in refusal(contact_policy=policy({"at_most": 0, "days": 7}))
    said = refusal(contact_policy=policy({"at_most": 0, "days": 7, "channel": "sms"}))
    assert "offers.text: may go nowhere" in said
    assert "offers.mail" not in said


def test_a_limit_that_another_makes_idle_is_refused_once():
    said = refusal(
        contact_policy=policy({"at_most": 3, "days": 7, "channel": "sms"}, {"at_most": 2, "days": 28}),
    )
    assert "number 1, at most 3 over sms in 7 days, can never be reached, since number 2" in said
    twice = refusal(contact_policy=policy({"at_most": 2, "days": 7}, {"at_most": 2, "days": 7}))
    assert twice.count("can never be reached") == 1
    assert rules(contact_policy=policy({"at_most": 1, "days": 7}, {"at_most": 2, "days": 28}))


def test_volumes_that_contradict_one_another_or_the_budget_are_refused():
    assert "at_least 10 is above at_most 5" in refusal(offers=offer(at_least=10, at_most=5))
    talk = content()["offers"] | {"talk": content()["offers"]["talk"] | {"at_least": 6}}
    assert "channels.call: its offers ask for 6 contacts at least, at_most is 5" in refusal(offers=talk)
    assert "does not pay for the offers' minimums" in refusal(offers=offer(at_least=200))


def test_a_floor_above_what_exploration_gives_each_arm_is_refused_with_what_would_do():
    assert "raise epsilon to 0.12 or lower the floor" in refusal(explore=explore(floor=0.03))


def test_an_offer_that_keeps_customers_needs_to_know_how_much_of_them_counts():
    assert "save_rate needs decision.future_weight" in refusal(offers=offer(save_rate=0.1))
    assert rules(offers=offer(save_rate=0.1), future_weight=0.5)


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"when": "silence"}, "silence needs over_gap"),
        ({"when": "complaint", "step": 5}, "step does not go with complaint"),
        ({"when": "birthday", "days_before": 3, "window_days": 7}, "days_before must be 6 at least"),
        ({"when": "anniversary"}, "first_purchase"),
        (
            {"when": "birthday", "days_before": 3, "despite_quiet_days": True},
            "despite_quiet_days goes with first_purch",
        ),
    ],
)
def test_a_trigger_takes_its_own_number_and_no_other(trigger, said):
    assert said in refusal(triggers=[{"name": "x", "window_days": 1, "offers": ["mail"]} | trigger])


@pytest.mark.parametrize(
    ("when", "quiet"), [("first_purchase", "purchase"), ("spend_step", "purchase"), ("complaint", "complaint")]
)
def test_a_trigger_whose_customers_are_all_within_their_quiet_days_is_refused(when, quiet):
    """The day after a purchase, and quiet for two days: the list would be empty every day."""
    one = {"name": "x", "when": when, "offers": ["mail"], "window_days": 1}
    if when == "spend_step":
        one["step"] = 5
    days = {f"quiet_after_{name}_days": 0 for name in ("purchase", "complaint")}

    def under(quiet_days, **changes):
        return {
            "triggers": [one | changes],
            "contact_policy": policy() | days | {f"quiet_after_{quiet}_days": quiet_days},
        }

    said = refusal(**under(2))
    assert "its list would be empty" in said and "despite_quiet_days: true" in said
    assert rules(**under(2, despite_quiet_days=True)).triggers[0].despite_quiet_days
    assert rules(**under(1)) and rules(**under(2, window_days=2))


def test_a_wrong_name_does_not_hide_the_other_mistakes():
    said = refusal(
        offers=offer(channel="emial", valid_from="2026-10-02", valid_to="2026-10-01")
        | {"text": {**content()["offers"]["text"], "at_least": 9, "at_most": 3}},
        explore=explore(floor=0.4),
        strategies=[{"name": "VIP", "who": ["segment = champion"], "offers": ["gold"]}],
        triggers=[{"name": "thanks", "when": "first_purchase", "offers": ["mial"], "window_days": 1}],
    )
    assert "no channel 'emial'" in said and "no offer 'gold'" in said and "no offer 'mial'" in said
    assert "is before valid_from" in said and "at_least 9 is above at_most 3" in said
    assert "below the floor" in said and "did you mean champions" in said and "its list would be empty" in said


def test_doing_nothing_is_no_offer_and_dates_run_forward():
    assert "doing nothing is always allowed" in refusal(offers=content()["offers"] | {"control": offer()["mail"]})
    assert "is before valid_from" in refusal(offers=offer(valid_from="2026-10-02", valid_to="2026-10-01"))
