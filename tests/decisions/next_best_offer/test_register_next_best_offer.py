from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from decide_world import (
    AS_OF,
    EFFECTS,
    FEATURES,
    MARGIN,
    WORDS,
    configure,
    decide,
    read_run,
    rewrite,
    uplift_files,
)
from offer_world import LEAVE_OUT, NOON, add_uplift, copy_shop, lead_uplift, make
from segment_world import opened

from netlift.config.next_best_offer import NextBestOfferDefinition
from netlift.decisions.choice.value import AtRisk, value_options
from netlift.decisions.eligibility.options import make_options
from netlift.decisions.next_best_offer import publish as module
from netlift.decisions.next_best_offer.model import TASK, find_lag
from netlift.decisions.next_best_offer.publish import find_definition
from netlift.decisions.run.customers import trained_costs
from netlift.decisions.run.inputs import offers_known, read_past_costs
from netlift.errors import BusyError, ConfigError, GateRefusedError
from netlift.estimators.expression import constant, linear
from netlift.estimators.stored import StoredModel
from netlift.features.build import iterate_features
from netlift.registry.models import aliases, describe, load
from netlift.registry.promotion import promote, read_history
from netlift.registry.store import open_store

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path_factory, tmp_path, store_template):
    return copy_shop(tmp_path_factory, tmp_path, store_template)


@pytest.fixture
def store(folder):
    return open_store(folder / "var", run_group="demo")


def customers(n=500) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({feature.name: rng.gamma(1.0, 1500, n) for feature in FEATURES})


def test_the_model_values_customers_as_a_decision_does_at_the_costs_of_the_tables(folder, store):
    lead_uplift(store)
    made = make(folder, store)
    assert (made.standing, made.version, made.uplift_version, made.left_out) == ("champion", 1, 1, ())
    frame = customers()
    found = load(store, TASK, made.version).model.predict(frame)
    with opened(configure(folder)) as (settings, tables):
        options = make_options(settings.decision, offers_known(tables))
        trained = trained_costs(options, read_past_costs(tables, as_of=AS_OF))
    uplift = StoredModel(uplift_files()).predict(frame)[[f"uplift_{o.offer_id}" for o in options]].to_numpy()
    n = len(frame)
    risk = AtRisk(p_churn=np.zeros(n), ltv=np.zeros(n), horizon_days=182, window_days=28, weight=0.0)
    expected = value_options(options, uplift=uplift, trained=trained, risk=risk).profit()
    assert [*found.columns] == ["best_offer", "expected_profit", "reason", *(f"profit_{o.offer_id}" for o in options)]
    np.testing.assert_allclose(found.iloc[:, 3:].to_numpy(float), expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found["expected_profit"], np.maximum(expected.max(axis=1), 0), rtol=0, atol=1e-8)
    assert (found["best_offer"] == "none").sum() == (expected.max(axis=1) <= 0).sum()


def sent_long_ago(contacts):
    return contacts.assign(**{at: contacts[at] - pd.Timedelta(days=60) for at in ("assigned_at", "delivered_at")})


@pytest.mark.parametrize("rewards", [{}, {"email_discount_10": linear(1.0, [0.004], [MARGIN])}])
def test_it_offers_what_decisions_offer_where_nothing_limits_them(folder, store, monkeypatch, rewards):
    def open_up(decision):
        decision["offers"]["email_discount_10"]["reward"] = 700.0  # other than training paid
        decision.update(budget="unlimited", triggers=[])
        decision["explore"].update(epsilon=0.0, floor=0.0)
        decision["contact_policy"].update(limits=[], quiet_after_purchase_days=0, quiet_after_complaint_days=0)
        for channel in decision["channels"].values():
            channel.pop("at_most", None)
        for offer in decision["offers"].values():
            offer["eligible"] = []

    consents = {f"consent_{channel}": True for channel in ("email", "sms", "push", "call")}
    rewrite(folder, "customers", lambda people: people.assign(**consents))
    rewrite(folder, "events", lambda events: events[~events["kind"].str.startswith("opt_out")])
    rewrite(
        folder, "contacts", sent_long_ago
    )  # no outcome window is open: the model is asked of customers, not of nights
    effects = EFFECTS | {f: linear(-25.0, [0.01], [MARGIN]) for f in ("email_discount_10", "push_reminder")}
    lead_uplift(store, effects, rewards=rewards)
    made = make(folder, store, change=open_up)
    with opened(configure(folder, open_up)) as (_, tables):
        days = np.array([AS_OF], dtype="datetime64[us]")
        parts = [*iterate_features(tables, days, WORDS, observation_days=365, rows_per_partition=10_000)]
    ids = np.concatenate([part.customer_id for part in parts])
    frame = pd.DataFrame({f.name: np.concatenate([part.column(f.name) for part in parts]) for f in FEATURES})
    served = load(store, TASK, made.version).model.predict(frame.astype(float)).set_index(ids)
    run = decide(configure(folder, open_up), monkeypatch, effects=effects, rewards=rewards)
    log = read_run(run)["decisions"].set_index("customer_id")
    log = log[log["arm"] == "policy"]
    assert len(log) > 300 and set(log["reason"]) == {"policy", "nothing_pays"}
    assert served.loc[log.index, "best_offer"].tolist() == log["offer_id"].tolist()
    assert set(log["offer_id"]) >= {"none", "sms_bonus_300", "call_advice"}, "the world shows different answers"
    assert (served.loc[log.index, "reason"] == log["reason"].replace("policy", "pays")).all()
    assert np.allclose(served.loc[log.index, "expected_profit"], log["promised_profit"], atol=0.01)


def test_it_is_made_once_and_again_when_economics_or_uplift_change(folder, store):
    lead_uplift(store)
    assert make(folder, store).standing == "champion"
    again = make(folder, store)
    assert (again.standing, again.version) == ("already champion", 1)

    def dearer(decision):
        decision["offers"]["sms_bonus_300"]["contact_cost"] = 9.0

    made = make(folder, store, change=dearer)
    assert (made.standing, made.version) == ("champion", 2)
    old, new = (load(store, TASK, version).model.predict(customers()) for version in (1, 2))
    assert (old["profit_sms_bonus_300"] - new["profit_sms_bonus_300"]).gt(0).all()
    assert old["profit_call_advice"].equals(new["profit_call_advice"])
    lead_uplift(store, EFFECTS | {"call_advice": constant(3.0)}, expect=1)
    assert "made from netlift-uplift version 1, whose champion is version 2" in find_lag(store)
    made = make(folder, store, change=dearer)
    assert (made.version, made.uplift_version, find_lag(store)) == (3, 2, "")
    assert aliases(store, TASK) == {"champion": 3, "previous_champion": 2}
    tags = describe(store, TASK, 3).tags
    with opened(configure(folder, dearer)) as (settings, _):
        assert tags["netlift.config_digest"] == settings.digest()
        assert tags["netlift.decision_digest"] == settings.decision.digest()
    assert tags["netlift.uplift_version"] == "2"
    assert [entry["version"] for entry in read_history(store, TASK)] == [1, 2, 3]


def test_a_budget_is_not_part_of_the_model(folder, store):
    lead_uplift(store)
    make(folder, store)

    def poorer(decision):
        decision["budget"] = 1.0

    assert make(folder, store, change=poorer).standing == "already champion"


def test_an_offer_without_effect_is_left_out_and_named_or_refused_by_the_definition(folder, store):
    lead_uplift(store, {offer: effect for offer, effect in EFFECTS.items() if offer != "push_reminder"})
    made = make(folder, store)
    assert made.left_out == ("push_reminder",)
    assert any("push_reminder" in note for note in made.notes)
    assert "profit_push_reminder" not in load(store, TASK, made.version).model.outputs
    assert describe(store, TASK, made.version).tags["netlift.left_out"] == "push_reminder"
    strict = NextBestOfferDefinition(**LEAVE_OUT.model_dump() | {"untrained": "refuse"})
    with pytest.raises(ConfigError, match="push_reminder: netlift-uplift version 1 knows no effect"):
        make(folder, store, definition=strict)


def test_a_refused_uplift_model_never_has_a_champion(folder, store):
    with pytest.raises(GateRefusedError, match="no champion for uplift"):
        make(folder, store)
    version = add_uplift(store, gate="refused")
    with pytest.raises(GateRefusedError, match="no champion for uplift"):
        make(folder, store)
    store.client.set_registered_model_alias("netlift-uplift", "champion", str(version))  # by hand, past the gate
    with pytest.raises(GateRefusedError, match="its gate refused it"):
        make(folder, store)
    assert aliases(store, TASK) == {}


def test_a_model_that_knows_no_offer_of_the_config_is_refused(folder, store):
    lead_uplift(store, {"postcard": constant(1.0)})
    with pytest.raises(GateRefusedError, match="knows the effect of no offer"):
        make(folder, store)


def test_an_offer_called_none_would_be_ambiguous(folder, store):
    lead_uplift(store)

    def rename(decision):
        decision["offers"]["none"] = {**decision["offers"]["push_reminder"], "eligible": []}

    with pytest.raises(ConfigError, match="rename the offer"):
        make(folder, store, change=rename)


def test_observational_effects_say_so(folder, store):
    lead_uplift(store, observational="spring")
    made = make(folder, store)
    assert describe(store, TASK, made.version).tags["netlift.observational"] == "spring"
    assert any("spring was not randomized" in note for note in made.notes)


def test_where_uplift_moves_meanwhile_it_is_made_again_from_the_one_that_leads(folder, store, monkeypatch):
    lead_uplift(store)
    real, left = module.register, [1]

    def move_first(*args, **kwargs):
        version = real(*args, **kwargs)
        if left:
            left.pop()
            lead_uplift(store, EFFECTS | {"call_advice": constant(3.0)}, expect=1)
        return version

    monkeypatch.setattr(module, "register", move_first)
    made = make(folder, store)
    assert (made.uplift_version, aliases(store, TASK)["champion"], find_lag(store)) == (2, made.version, "")


def test_where_another_process_leads_first_its_champion_stands_or_gives_way_by_name(folder, store, monkeypatch):
    lead_uplift(store)
    real = module.register

    def lose_race(store_, task, *args, **kwargs):
        version = real(store_, task, *args, **kwargs)
        if aliases(store, TASK).get("champion") is None:
            promote(store, TASK, version, expect_current=None, reasons=("other",), actor="other", at=NOON)
        return version

    monkeypatch.setattr(module, "register", lose_race)
    made = make(folder, store)
    assert (made.standing, made.version) == ("champion", 1)
    assert [entry["actor"] for entry in read_history(store, TASK)] == ["other"]
    monkeypatch.setattr(module, "_lead", lambda *args, **kwargs: False)
    with pytest.raises(BusyError, match="5 times"):
        make(folder, store)


def test_the_definition_is_beside_that_of_uplift(folder):
    with opened(configure(folder)) as (settings, _):
        assert find_definition(settings) == LEAVE_OUT
