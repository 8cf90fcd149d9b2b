from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd
import pytest
from campaign_world import END, START, make_frames, make_plan, make_world, run_assign, run_design

from netlift.abtest.assignment.audience import Question, read_audience
from netlift.abtest.assignment.overlaps import ASSIGNMENTS, find_collisions
from netlift.config.business import load
from netlift.config.criteria import parse_criterion
from netlift.config.plan import load_plan
from netlift.data.read import open_tables
from netlift.errors import DataError, GateRefusedError, HistoryTooShortError, UsageError
from netlift.results import to_plain

pytestmark = pytest.mark.slow

YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def frames():
    return make_frames(1)


def spend_by_hand(frames, *, days=28, consent="consent_sms"):
    """Margin of each customer who had joined by then and agreed, in the newest days."""
    cutoff = END - timedelta(days=days)
    people, receipts = frames["customers"], frames["transactions"]
    agreed = people[consent].fillna(False).astype(bool) if consent else np.ones(len(people), bool)
    own = people[(people.joined_at < cutoff) & agreed]
    within = receipts[(receipts.occurred_at >= cutoff) & (receipts.occurred_at < END)]
    return within.groupby("customer_id").margin.sum().reindex(own.customer_id).fillna(0.0).to_numpy()


def test_spend_is_what_the_rows_of_the_past_window_say(shop, frames):
    past = run_design(shop, slug="rows").design.past
    by_hand = spend_by_hand(frames)
    assert past.customers == len(by_hand)
    assert past.buyers == np.sum(by_hand > 0)
    assert past.margin_mean == pytest.approx(by_hand.mean())
    assert past.spread.sd == pytest.approx(by_hand.std())
    assert past.spread.skewness == pytest.approx(np.mean((by_hand - by_hand.mean()) ** 3) / by_hand.std() ** 3)
    assert (past.window.start, past.window.last) == ((END - timedelta(days=28)).date(), datetime(2026, 9, 30).date())


def test_who_is_left_after_each_step_is_counted(shop, frames):
    design = run_design(
        shop, slug="steps", eligible=("region = north, south", "tenure_days >= 30"), holdout_share=0.1, customers=700
    ).design
    people = frames["customers"]
    days = (START.date() - people.joined_at.dt.date).map(lambda gap: gap.days)
    fits = people.region.isin(["north", "south"]) & (days >= 30)
    agreed = fits & people.consent_sms.fillna(False)
    assert design.steps["known"] == len(people)
    assert design.steps["eligible"] == fits.sum()
    assert design.steps["consenting"] == agreed.sum()
    assert design.held_out == design.steps["consenting"] - design.steps["not_held_out"]
    assert abs(design.held_out / agreed.sum() - 0.1) < 0.03
    assert design.steps["taken"] == 700


@pytest.mark.parametrize(
    ("condition", "by_hand"),
    [
        ("purchase_days_365d >= 2", lambda f: f.days >= 2),
        ("purchase_days_365d = 0", lambda f: f.days == 0),
        ("margin_365d > 50", lambda f: f.margin > 50),
        ("revenue_365d <= 150", lambda f: f.revenue <= 150),
        ("days_since_last_purchase <= 100", lambda f: f.silence <= 100),
        ("days_since_last_contact > 5", lambda f: f.contacted),
        ("region != north", lambda f: f.region != "north"),
        ("household != h1", lambda f: f.household.notna() & (f.household != "h1")),
    ],
)
def test_conditions_take_whom_the_rows_say(shop, frames, condition, by_hand):
    receipts, people = frames["transactions"], frames["customers"].set_index("customer_id")
    year = receipts[receipts.occurred_at >= START - YEAR].assign(day=lambda rows: rows.occurred_at.dt.date)
    figures = {"days": ("day", "nunique"), "margin": ("margin", "sum"), "revenue": ("revenue", "sum")}
    sums = year.groupby("customer_id").agg(**figures)
    facts = people.join(sums).fillna({"days": 0, "margin": 0.0, "revenue": 0.0})
    last = receipts.groupby("customer_id").occurred_at.max()
    facts["silence"] = (pd.Timestamp(START) - last.dt.normalize()).dt.days.reindex(facts.index)
    sent = frames["contacts"][frames["contacts"].offer_id != "control"].customer_id
    facts["contacted"] = facts.index.isin(sent)
    with open_tables(load(shop)) as tables:
        question = Question(cutoff=START, criteria=(parse_criterion(condition),), channels=())
        found = set(read_audience(tables, question).ids)
    assert found == set(facts.index[by_hand(facts)])


def test_who_joins_on_the_day_or_had_left_is_not_known(tmp_path):
    def move(frames):
        people = frames["customers"]
        people["cancelled_at"] = pd.NaT
        people.loc[:9, "joined_at"] = START
        people.loc[10:29, "cancelled_at"] = START - timedelta(days=1)
        people.loc[30:39, "cancelled_at"] = START

    with open_tables(load(make_world(tmp_path, change=move))) as tables:
        found = read_audience(tables, Question(cutoff=START, criteria=(), channels=()))
    assert found.steps["known"] == 3000 - 30
    assert found.ids[:10] == [f"{i:06d}" for i in range(30, 40)]


def test_the_plan_is_written_frozen_and_says_what_was_asked(shop):
    run = run_design(
        shop, slug="whole", offers=("sms_bonus", "email_discount"), reward={"": 3.0, "email_discount": 0.0},
        reward_share={"email_discount": 0.1}, segments=("region",), strata=("region",), cluster="household",
        expected=9.0, fixed_cost=100.0, looks=2, holdout_share=0.05,
    )  # fmt: skip
    plan = load_plan(shop.parent / "experiments" / "whole").verify()
    assert plan == run.design.plan and run.written
    assert plan.shares == pytest.approx({"control": 0.2, "sms_bonus": 0.4, "email_discount": 0.4})
    assert [(arm.reward, arm.reward_share, arm.contact_cost) for arm in plan.arms] == [(3.0, 0.0, 4.5), (0.0, 0.1, 0.5)]
    assert plan.basis.chance == run.design.chosen.chance
    assert plan.cluster == "household" and plan.holdout.share == 0.05


def test_the_same_design_again_changes_nothing_and_another_is_refused(shop):
    first = run_design(shop, slug="once")
    content = (shop.parent / "experiments/once/plan.yaml").read_bytes()
    again = run_design(shop, slug="once")
    assert first.written and not again.written
    with pytest.raises(GateRefusedError, match=r"is frozen there.* give another --slug"):
        run_design(shop, slug="once", control_share=0.3)
    assert (shop.parent / "experiments/once/plan.yaml").read_bytes() == content


def test_another_file_in_its_place_is_left_alone(shop):
    place = shop.parent / "experiments/study/plan.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("title: a study\n")
    with pytest.raises(GateRefusedError, match="is no plan of a campaign"):
        run_design(shop, slug="study")
    assert place.read_text() == "title: a study\n"


def test_the_smallest_control_that_meets_the_aim_is_planned(shop):
    run = run_design(shop, slug="aim", control_share=None, half_width=2.7)
    chosen = run.design.chosen
    assert 2.69 < chosen.half_width <= 2.7
    assert chosen.lean != "too_small" and chosen.control_share > run.design.balance_share
    assert run.design.meets and run.design.weeks == 4


def test_an_aim_that_cannot_be_met_writes_no_plan_and_says_what_it_would_take(shop):
    run = run_design(shop, slug="never", control_share=None, expected=0.5, chance=0.9)
    assert run.design.plan is None and not (shop.parent / "experiments/never/plan.yaml").exists()
    assert run.design.needed > run.design.customers
    assert run.design.newcomers_a_week > 0
    with pytest.raises(GateRefusedError, match=r"no plan was written.* are needed"):
        run.raise_for_refusal()
    assert "No plan was written" in run.to_text()
    risky = run_design(shop, slug="risky", control_share=0.2, expected=0.5, chance=0.9)
    assert risky.design.plan is not None and not risky.design.meets


def test_running_campaigns_and_drawn_lists_are_counted(shop, frames):
    before = run_design(shop, slug="alone", offers=("email_discount",)).design
    agreed = frames["customers"].set_index("customer_id").consent_email
    shared = frames["contacts"].set_index("customer_id").join(agreed)
    found = before.collisions[0]
    assert (found.campaign_id, found.customers) == ("C01", shared.consent_email.sum())
    assert found.contacted == shared[shared.offer_id != "control"].consent_email.sum()
    run_assign(shop, make_plan(shop, campaign_id="C13"))
    settings = load(shop)
    with open_tables(settings) as tables:
        everybody, drawn = list(frames["customers"].customer_id), settings.state / ASSIGNMENTS
        look = partial(find_collisions, tables, everybody, assignments=drawn)
        both = look(own="C14", start=START, end=START + timedelta(days=28))
        own = look(own="C13", start=START, end=START + timedelta(days=28))
        later = look(own="C14", start=START + timedelta(days=28), end=START + timedelta(days=56))
    assert {c.campaign_id: c.assigned_only for c in both} == {"C01": False, "C13": True}
    assert [c.campaign_id for c in own] == ["C01"]
    assert later == ()


def test_a_holdout_is_sized_from_what_all_customers_spent(shop, frames):
    size = run_design(shop, slug="held", holdout_share=0.03, holdout_half_width=5000.0).design.holdout
    by_hand = spend_by_hand(frames, days=182, consent=None)
    assert size.customers == len(by_hand)
    assert size.margin == pytest.approx(by_hand.sum())
    row = next(row for row in size.rows if row.share == 0.03)
    assert row.half_width == pytest.approx(1.959964 * by_hand.std() * np.sqrt(len(by_hand) * 0.97 / 0.03), rel=1e-4)
    n = len(by_hand)
    share = size.share_needed
    assert 1.959964 * by_hand.std() * np.sqrt(n * (1 - share) / share) == pytest.approx(5000.0, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"offers": ("sms_bonsu",)}, UsageError, "did you mean sms_bonus"),
        ({"offers": ("call_advice",)}, GateRefusedError, "no column consent_call.*nobody is contacted"),
        ({"control_share": None}, UsageError, "how large control has to be"),
        ({"eligible": ("regoin = north",)}, UsageError, "'regoin'.*did you mean region"),
        ({"eligible": ("region >= 3",)}, UsageError, "number with words"),
        ({"eligible": ("region = nowhere",)}, DataError, "nobody is left"),
        ({"segments": ("regoin",)}, UsageError, "did you mean region"),
        ({"segments": ("segment",)}, UsageError, "no segments block"),
        ({"start": END - timedelta(days=5)}, UsageError, "can be seen already"),
        ({"outcome_days": 900}, UsageError, "--outcome-days 900"),
        ({"campaign_id": "../x", "slug": "x"}, UsageError, "campaign_id"),
        ({"slug": "../x"}, UsageError, "--slug"),
        ({"reward": {"smsbonus": 1.0}}, UsageError, "did you mean sms_bonus"),
        ({"tolerance": None}, UsageError, "which loss is immaterial"),
    ],
)
def test_what_cannot_be_designed_is_refused_with_the_cure(shop, changes, kind, words):
    with pytest.raises(kind, match=words):
        run_design(shop, **{"slug": "refused"} | changes)
    assert not (shop.parent / "experiments/refused").exists()


def test_a_history_shorter_than_the_window_is_refused(tmp_path):
    def shorten(frames):
        receipts = frames["transactions"]
        frames["transactions"] = receipts[receipts.occurred_at >= END - timedelta(days=20)]

    with pytest.raises(HistoryTooShortError, match="28 days"):
        run_design(make_world(tmp_path, change=shorten))


@pytest.mark.parametrize("language", ["ru", "en"])
def test_text_and_json_say_the_numbers_of_the_same_design(shop, language):
    run = run_design(shop, slug="words", expected=9.0, holdout_share=0.05, language=language)
    text = run.to_text()
    assert not re.search(r"\b(significant|p-value|lift|CUPED)\b|[{}]", text)
    assert str(run.design.chosen.control) in text
    assert "C01" in text and "€" in text
    plain = json.loads(json.dumps(to_plain(run)))
    assert plain["design"]["chosen"]["control"] == run.design.chosen.control


def test_a_name_that_tries_to_steer_the_terminal_is_shown_as_text(shop):
    text = run_design(shop, slug="tricks", name="\x1b[31mred", hypothesis="=cmd()|'x'!A1 <b>").to_text()
    assert "\x1b" not in text
    assert "=cmd()" in text
