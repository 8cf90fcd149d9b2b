from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from netlift.config.business import load
from netlift.config.segments import SegmentSettings
from netlift.errors import ConfigError

HOUSE = Path(__file__).parents[2]
DEMO = HOUSE / "configs" / "demo.yaml"


def with_segments(folder, change):
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    change(content["segments"])
    path = folder / "demo.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def refusal(folder, change):
    with pytest.raises(ConfigError) as caught:
        load(with_segments(folder, change))
    return str(caught.value)


def test_mistakes_of_rules_are_told_all_at_once_with_what_was_meant(tmp_path):
    def spoil(segments):
        segments["rules"][2]["segment"] = "champion"
        segments["rules"][3]["when"] = {"purchase_days_al": {"at_most": 1}}
        segments["rules"][4]["when"] = {"risk": {"any_of": ["hig"]}}
        segments["rules"][5]["when"] = {"risk": {"at_least": 3}}
        segments["rules"].pop()
        segments["strategies"]["sleping"] = "keep"

    text = refusal(tmp_path, spoil)
    for words in (
        "rule 3 (champion): no such segment; did you mean champions?",
        "rule 4 (one_off): no variable 'purchase_days_al'; did you mean purchase_days_all?",
        "rule 5 (lost): risk is never 'hig'; did you mean high?",
        "rule 6 (sleeping): risk is a word; compare it by any_of: [unknown, low, middle, high]",
        "the last rule must have no `when`",
        "no segment 'sleping'; did you mean sleeping?",
    ):
        assert words in text


def test_a_rule_whose_customers_one_earlier_rule_takes_is_never_reached(tmp_path):
    def spoil(segments):
        segments["rules"][4], segments["rules"][5] = segments["rules"][5], segments["rules"][4]

    assert "rule 6 (lost) is never reached" in refusal(tmp_path, spoil)


def test_a_rule_whose_customers_two_earlier_rules_take_together_is_never_reached(tmp_path):
    def spoil(segments):
        segments["rules"] = [
            {"segment": "loyal", "when": {"f": {"at_least": 4}, "risk": {"any_of": ["low", "middle"]}}},
            {"segment": "sleeping", "when": {"f": {"at_least": 4}, "risk": {"any_of": ["high", "unknown"]}}},
            {"segment": "champions", "when": {"f": {"at_least": 5}}},
            {"segment": "new"},
        ]
        segments["strategies"] = {"loyal": "keep", "sleeping": "reactivate", "champions": "keep", "new": "grow"}

    assert re.findall(r"rule \d \(\w+\) is never reached", refusal(tmp_path, spoil)) == [
        "rule 3 (champions) is never reached"
    ]


def test_a_rule_that_takes_who_has_no_value_is_reached_after_rules_that_take_all_values(tmp_path):
    def change(segments):
        segments["rules"] = [
            {"segment": "loyal", "when": {"p_churn": {"below": 0.5}}},
            {"segment": "sleeping", "when": {"p_churn": {"at_least": 0.5}}},
            {"segment": "new"},
        ]
        segments["strategies"] = {"loyal": "keep", "sleeping": "reactivate", "new": "grow"}

    assert load(with_segments(tmp_path, change)).segments.segments == ("loyal", "new", "sleeping")


def test_a_condition_that_nobody_can_meet_is_told(tmp_path):
    def spoil(segments):
        segments["rules"][4]["when"] = {"r": {"at_least": 6}}

    assert "rule 5 (lost): no customer can meet its conditions" in refusal(tmp_path, spoil)


def test_every_segment_has_a_strategy_and_every_strategy_a_segment(tmp_path):
    def spoil(segments):
        del segments["strategies"]["new"]
        segments["rules"] = [rule for rule in segments["rules"] if rule["segment"] != "lost"]

    text = refusal(tmp_path, spoil)
    assert "strategies.lost: no rule gives this segment" in text
    assert "strategies.new: missing, a rule gives this segment" in text


def test_business_numbers_have_no_defaults(tmp_path):
    for name in SegmentSettings.model_fields.keys() - {"nps_days"}:
        assert f"segments.{name}: missing" in refusal(tmp_path, lambda segments, gone=name: segments.pop(gone))


def test_models_and_scores_do_not_depend_on_how_customers_are_divided(tmp_path):
    changed = load(with_segments(tmp_path, lambda segments: segments.update(lifetime_years=9)))
    assert changed.digest() == load(DEMO).digest()
    assert changed.segments.digest() != load(DEMO).segments.digest()
