"""Limits that meet in one run: exploration within them, minimums that nobody can reach, and who is named for it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from decide_world import EFFECTS, OFFERS, configure, decide, make_world, read_run, rewrite

from netlift.errors import GateRefusedError

pytestmark = pytest.mark.slow

KNOWN = {offer: effect for offer, effect in EFFECTS.items() if offer != "push_reminder"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=300)
    rewrite(folder, "contacts", lambda old: old[old["assigned_at"] < "2026-08-25"])  # nobody has a window open
    return folder


def limited(epsilon, budget, *, most_of_limits=0.2, sms=None, call=None, push=None, least=0, untrained="refuse"):
    def change(decision):
        decision.update(budget=budget, triggers=[])
        decision["explore"].update(epsilon=epsilon, floor=0.0, most_of_limits=most_of_limits, untrained=untrained)
        for name, most in (("sms", sms), ("call", call)):
            decision["channels"][name]["at_most"] = 10_000 if most is None else most
        decision["offers"]["push_reminder"].update(at_least=least, at_most=10_000 if push is None else push)

    return change


@pytest.mark.parametrize(
    "rules",
    [
        limited(0.0, 500),
        limited(0.5, 500),
        limited(0.5, "unlimited", sms=1, call=1, push=1),
        limited(0.5, "unlimited", sms=0, call=0, push=0),
        limited(0.5, 150, most_of_limits=1.0, call=2),
        limited(0.5, 0),
        limited(0.3, 0.01),
    ],
    ids=[
        "no chance",
        "half by chance",
        "caps of one",
        "caps of nothing",
        "all of them to chance",
        "no money",
        "a kopeck",
    ],
)
def test_no_limit_is_passed_whatever_chance_takes_and_its_chances_add_up(shop, monkeypatch, rules):
    config = configure(shop, rules)
    run = decide(config, monkeypatch, run_key="one")
    log = read_run(run)["decisions"]
    spent = (log["expected_reward"] + log["contact_cost"]).sum()
    for price in run.summary.prices:
        if price.side == "most":
            kind, _, name = price.name.partition(" ")
            used = spent if kind == "budget" else (log["channel" if kind == "channel" else "offer_id"] == name).sum()
            assert used == pytest.approx(price.used) and used <= price.bound + 1e-9
    drawn = log[log["arm"] != "holdout"]
    names = [f"p_{offer}" for offer in (*OFFERS, "none")]
    chances = drawn[names].to_numpy()
    assert np.allclose(chances.sum(axis=1), 1) and (chances >= 0).all() and (drawn["propensity"] > 0).all()
    shutil.rmtree(run.path)


def test_a_minimum_for_an_offer_that_chance_alone_may_give_says_so(shop, monkeypatch):
    with pytest.raises(GateRefusedError, match="no model knows the effect of push_reminder"):
        decide(
            configure(shop, limited(0.3, "unlimited", least=5, untrained="explore")), monkeypatch, effects=KNOWN,
            run_key="two",
        )  # fmt: skip


def test_minimums_that_contradict_each_other_say_what_exploration_has_had(shop, monkeypatch):
    def both(decision):
        limited(0.3, "unlimited", least=170)(decision)
        decision["offers"]["email_discount_10"]["at_least"] = 170

    with pytest.raises(GateRefusedError, match=r"what exploration left: it drew for \d+ customers") as refused:
        decide(configure(shop, both), monkeypatch, run_key="three")
    assert "email_discount_10" in str(refused.value)
