from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netlift.config import plan as plans
from netlift.config.criteria import BEHAVIOURS, parse_criterion
from netlift.config.plan import dump_plan, freeze_plan, load_plan
from netlift.data.contract import CONTROL
from netlift.errors import ConfigError, GateRefusedError

SMS = {
    "offer_id": "sms_bonus", "share": 0.8, "channel": "sms", "contact_cost": 4.5, "reward": 60, "reward_share": 0,
}  # fmt: skip


def content(**changes):
    plain = {
        "campaign_id": "C12",
        "name": "Осень: да/нет",
        "hypothesis": "A bonus brings sleepers back: yes # or no",
        "metric": "incremental_profit",
        "currency": "RUB",
        "start": datetime(2026, 10, 5, 8),
        "outcome_days": 28,
        "control_share": 0.2,
        "arms": [SMS],
        "fixed_cost": 0,
        "eligible": ["days_since_last_purchase <= 365", "region = Тверь, Тула"],
        "strata": [],
        "segments": ["region"],
        "looks": 1,
        "level": 0.95,
        "tolerance": 5000,
        "salt": "demo/C12",
    }
    return plain | changes


def written(folder, text):
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_is_read_back_as_it_was_frozen(tmp_path):
    plan = freeze_plan(**content(holdout={"share": 0.02, "salt": "demo", "rotate_months": 6, "washout_days": 28}))
    written(tmp_path, dump_plan(plan).decode())
    again = load_plan(tmp_path)
    assert again == plan
    assert again.is_unchanged and again.verify() is again


@pytest.mark.parametrize(
    ("old", "new"),
    [("tolerance: 5000.0", "tolerance: 50000.0"), ("sleepers back", "sleepers away"), ("share: 0.8", "share: 0.80001"),
     ("- region\n", "- region\n- acquisition_channel\n"), ("2026-10-05T08", "2026-10-06T08")],
)  # fmt: skip
def test_a_word_changed_after_freezing_is_noticed(tmp_path, old, new):
    text = dump_plan(freeze_plan(**content())).decode()
    rest = "0.19999" if "80001" in new else "0.2"
    changed = text.replace(old, new).replace("control_share: 0.2\n", f"control_share: {rest}\n")
    assert changed != text
    plan = load_plan(written(tmp_path, changed))
    assert not plan.is_unchanged
    with pytest.raises(GateRefusedError, match="was changed since"):
        plan.verify()


def test_layout_and_comments_are_not_content(tmp_path):
    text = dump_plan(freeze_plan(**content())).decode().replace("tolerance: 5000.0", "# why\ntolerance: 5e3")
    assert load_plan(written(tmp_path, text)).is_unchanged


def test_mistakes_are_told_all_at_once_with_what_was_meant(tmp_path):
    text = dump_plan(freeze_plan(**content())).decode()
    text = text.replace("tolerance:", "tolerence:").replace("metric: incremental_profit", "metric: revenue")
    text = text.replace("days_since_last_purchase <= 365", "days_since_last_purchase below 365")
    with pytest.raises(ConfigError) as caught:
        load_plan(written(tmp_path, text))
    message = str(caught.value)
    for part in ("tolerence: no such key; did you mean tolerance?", "tolerance: missing", "metric:", "is no condition"):
        assert part in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"control_share": 0.3}, "add up to 1.1"),
        ({"arms": [SMS | {"share": 0.4}, SMS | {"share": 0.4}]}, "found twice"),
        ({"arms": [SMS | {"offer_id": "control"}]}, "gets nothing"),
        ({"start": datetime.fromisoformat("2026-10-05T08:00:00+03:00")}, "without a zone"),
        ({"campaign_id": "../C12"}, "campaign_id"),
        ({"arms": []}, "arms"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"level": 95}, "level"),
    ],
)
def test_what_is_no_plan_is_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        freeze_plan(**content(**change))


def test_shares_name_control_first_and_channels_once():
    call = SMS | {"offer_id": "call", "share": 0.4, "channel": "call"}
    mail = SMS | {"offer_id": "sms_more", "share": 0.4}
    plan = freeze_plan(**content(arms=[call, mail]))
    assert list(plan.shares) == [CONTROL, "call", "sms_more"]
    assert plan.channels == ("call", "sms")
    assert plans.CONTROL == CONTROL
    assert plan.end == datetime(2026, 11, 2, 8)


@given(
    name=st.from_regex(r"[a-z_][a-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name not in BEHAVIOURS),
    words=st.lists(st.from_regex(r"[А-Яа-яA-Za-z0-9][А-Яа-яA-Za-z0-9 -]{0,10}[а-яa-z]", fullmatch=True), min_size=1,
                   max_size=4),
    sign=st.sampled_from(["=", "!="]),
)  # fmt: skip
def test_a_condition_on_words_is_read_as_it_was_written(name, words, sign):
    found = parse_criterion(f"  {name} {sign} {', '.join(words)} ")
    assert (found.name, found.sign, found.values) == (name, sign, tuple(words))


def test_two_signs_of_equality_are_one():
    assert parse_criterion("region == Тверь") == parse_criterion("region = Тверь")


@pytest.mark.parametrize(
    "text",
    [
        "", "region", "region ==", "margin_365d >= many", "tenure_days < 1, 2", "tenure_days = x",
        "a; drop table customers", "__import__('os') = 1",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ValueError, match=r"condition|compares|is a number"):
        parse_criterion(text)
