"""Rewards customer by customer, the page, and decisions beside scores: what joined the run of decisions later."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from decide_world import BUDGET, configure, decide, make_world, read_run, small_budget, table, touch
from segment_world import MARGIN

from netlift.errors import GateRefusedError
from netlift.estimators.expression import linear

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder)
    return folder


@pytest.fixture
def world(folder, tmp_path):
    """A copy of the shop, without runs."""
    shutil.copytree(folder / "var" / "demo", tmp_path / "var" / "demo")
    touch(tmp_path)
    configure(tmp_path)
    return tmp_path


def test_rewards_that_a_model_predicts_are_paid_customer_by_customer_and_the_budget_holds_them(world, monkeypatch):
    paid = {"email_discount_10": linear(1.0, [0.004], [MARGIN])}
    dear = decide(configure(world, small_budget), monkeypatch, rewards=paid)
    log = read_run(dear)["decisions"].set_index("customer_id")
    emailed = log[log["offer_id"] == "email_discount_10"]
    receipts = table(world, "transactions")
    year = receipts[(receipts["occurred_at"] >= "2025-10-01") & (receipts["occurred_at"] < "2026-10-01")]
    margin = year.groupby("customer_id")["margin"].sum()[emailed.index]
    assert len(emailed) >= 5 and emailed["expected_reward"].nunique() >= 5
    assert np.allclose(emailed["expected_reward"], 1.0 + 0.004 * margin, atol=0.01)
    assert np.allclose(emailed["promised_profit"], 5.0 + 0.01 * margin - 1.0, atol=0.01), "the effect is net of them"
    spend = (log["expected_reward"] + log["contact_cost"]).sum()
    assert spend == pytest.approx(dear.summary.spend, rel=1e-5) and 0.9 * BUDGET < spend <= BUDGET * (1 + 1e-6)


def test_a_reward_that_is_doubled_costs_each_customer_his_own_reward_once_more(world, monkeypatch):
    def double(decision):
        contacts = table(world, "contacts").merge(table(world, "campaigns")[["campaign_id", "randomized"]])
        whole = contacts["assigned_at"] + np.timedelta64(28, "D") <= np.datetime64("2026-10-01")
        taught = contacts[contacts["randomized"] & whole & (contacts["offer_id"] == "email_discount_10")]
        mean = taught.loc[taught["reward_cost"] > 0, "reward_cost"].mean()
        decision["offers"]["email_discount_10"]["reward"] = float(2 * mean)
        decision["budget"] = "unlimited"

    paid = {"email_discount_10": linear(1.0, [0.004], [MARGIN])}
    run = decide(configure(world, double), monkeypatch, rewards=paid)
    log = read_run(run)["decisions"].set_index("customer_id")
    emailed = log[log["offer_id"] == "email_discount_10"]
    own = emailed["expected_reward"] / 2
    uplift = 5.0 + 0.01 * (own - 1.0) / 0.004
    assert len(emailed) > 5 and np.allclose(emailed["promised_profit"], uplift - 1.0 - own, atol=0.05)


def test_decisions_beside_scores_of_other_models_or_data_are_refused_before_anything_is_made(world, monkeypatch):
    for name in ("model_uplift", "data"):
        with pytest.raises(GateRefusedError, match=f"{name} changed since the scores were written"):
            decide(configure(world), monkeypatch, scored={name: "another", "scores": "x"}, run_key="night")
    made = decide(configure(world), monkeypatch, scored={"model_uplift": "uplift-1", "scores": "x"}, run_key="night")
    assert made.written


def test_what_the_profit_rests_on_and_an_empty_strategy_are_on_the_page(world, monkeypatch):
    def with_strategy(decision):
        decision["strategies"] = [{"name": "VIP", "who": ["region = Atlantis"], "offers": ["push_reminder"]}]

    run = decide(configure(world, with_strategy), monkeypatch)
    assert run.summary.sensitivity
    english, russian = ((Path(run.path) / f"decisions_{lang}.html").read_text() for lang in ("en", "ru"))
    assert "What the profit is made of" in english and "Из чего складывается прибыль" in russian
    assert "No customer is in these strategies: VIP" in english
    for page in (english, russian):
        assert "://" not in page.replace("http://www.w3.org", "")
        assert not any(customer in page for customer in table(world, "customers")["customer_id"][:50])
