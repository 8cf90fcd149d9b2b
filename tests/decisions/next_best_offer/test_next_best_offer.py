from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.decisions.choice.value import AtRisk, TrainedCosts, value_options
from netlift.decisions.eligibility.options import Option
from netlift.decisions.next_best_offer.economics import OfferEconomics, price
from netlift.decisions.next_best_offer.model import (
    ECONOMICS_FILE,
    TASK,
    Origin,
    compose,
    find_lag,
    known_offers,
    metadata_of,
    render_card,
)
from netlift.errors import ModelIntegrityError
from netlift.estimators import expression
from netlift.estimators.stored import StoredModel, StoredModelError
from netlift.features.matrix import Feature
from netlift.registry.models import ModelVersion, aliases, describe, load, register
from netlift.registry.promotion import promote
from netlift.registry.tracking import TrainingRecord, log_training

pytestmark = pytest.mark.slow

FEATURES = (
    Feature(name="days_since_last_purchase", unit="days", source="transactions", formula="c - last"),
    Feature(name="margin_365d", unit="RUB", source="transactions", formula="sum"),
    Feature(name="region", unit="category", source="customers", formula="region", kind="category",
            categories=("север", "юг", "other")),
)  # fmt: skip
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
OFFERS = ("письмо 10", "sms", "call")

PLAIN = """
import sys
class NoNetlift:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "netlift":
            raise ImportError("netlift is not here")
sys.meta_path.insert(0, NoNetlift())
import json, mlflow, pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.scoring_server import invocations
model = mlflow.pyfunc.load_model("models:/netlift-next-best-offer@champion")
frame = pd.DataFrame(json.loads(sys.argv[1])).astype({"days_since_last_purchase": float, "margin_365d": float})
print(model.predict(frame).to_json(orient="records", double_precision=15))
request = json.dumps({"dataframe_records": json.loads(sys.argv[1])})
answer = invocations(request, "application/json", model, model.metadata.get_input_schema())
print(answer.status, answer.response)
print([(spec.name, spec.type.name) for spec in model.metadata.get_output_schema().inputs])
try:
    model.predict(frame.drop(columns="margin_365d"))
except MlflowException as error:
    print(str(error).replace(chr(10), " "))
"""


def make_uplift(seed: int = 1, offers=OFFERS) -> dict[str, bytes]:
    """The stored form of an uplift model: one booster asked once an offer, and a straight line."""
    rng = np.random.default_rng(seed)
    X = draw(rng, 500)
    wide = np.column_stack([X, rng.integers(0, 2, 500)])
    arms = np.where(wide[:, 2] == 1, 30, -30), np.where(wide[:, 0] > 150, 40, -40)
    y = np.where(wide[:, 3] == 1, arms[1], arms[0]) + rng.normal(0, 5, 500)
    params = {"objective": "regression", "num_threads": 1, "verbosity": -1, "seed": seed, "deterministic": True}
    data = lgb.Dataset(wide, y, feature_name=[*(f.name for f in FEATURES), "arm"], categorical_feature=["region"])
    tree = lgb.train(params, data, num_boost_round=20)
    score = [expression.booster("arms.txt", append=[arm]) for arm in (0.0, 1.0)]
    line = expression.linear(-8.0, [0.05], [expression.column("margin_365d")])
    effects = dict(zip(OFFERS, (score[0], score[1], line), strict=True))
    return expression.write_files(
        task="uplift",
        features=FEATURES,
        outputs=[(f"uplift_{offer}", "RUB", effects[offer]) for offer in offers],
        boosters={"arms.txt": tree.model_to_string()},
    )


def wear_out(files: dict[str, bytes], offers=OFFERS[1:]) -> dict[str, bytes]:
    """The same model, whose contacts of some offers wear out a part of what a customer brings."""
    spec = json.loads(files["model.json"])
    worn = expression.linear(1.0, [0.02], [expression.column("margin_365d")])
    spec["outputs"] += [{"name": f"worn_{offer}", "unit": "RUB", "expression": worn} for offer in offers]
    return {**files, "model.json": json.dumps(spec).encode()}


def draw(rng, n: int) -> np.ndarray:
    return np.column_stack([rng.uniform(0, 300, n), rng.gamma(1.0, 300, n), rng.integers(0, 3, n)]).astype(np.float32)


def to_frame(X: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame(X, columns=[f.name for f in FEATURES]).astype(float)
    frame["region"] = [FEATURES[2].categories[int(code)] for code in X[:, 2]]
    return frame


def economics(*constants: float) -> tuple[OfferEconomics, ...]:
    return tuple(
        OfferEconomics(
            offer_id=offer, channel="sms", put_back=c + 3, contact_cost=2, reward=1, reward_before=1, fatigue=0
        )
        for offer, c in zip(OFFERS, constants, strict=True)
    )


def version_of(version: int = 1) -> ModelVersion:
    return ModelVersion(task="uplift", version=version, digest=f"d{version}", run_id="r", tags={}, folder=Path())


def origin_of(*constants: float, uplift: ModelVersion | None = None) -> Origin:
    return Origin(uplift=uplift or version_of(), currency="RUB", offers=economics(*constants))


def add(store, uplift_files, origin, *, run_id=None) -> int:
    run_id = run_id or log_training(store, TrainingRecord(task="uplift", run_name="u", started_at=NOON))
    return register(
        store,
        TASK,
        compose(uplift_files, origin),
        run_id=run_id,
        card=render_card(origin, description="Which offer pays."),
        metadata=metadata_of(origin),
    )


def lead(store, version, expect=None):
    return promote(store, TASK, version, expect_current=expect, reasons=("r",), actor="a", at=NOON)


def test_the_stored_form_says_what_the_arithmetic_of_decisions_says_of_random_customers():
    rng = np.random.default_rng(5)
    files = wear_out(make_uplift())
    X = draw(rng, 3000)
    m = len(OFFERS)
    trained = TrainedCosts(
        contact_cost=rng.uniform(0, 4, m), reward=rng.uniform(30, 50, m), redeemed=rng.uniform(0, 0.1, m)
    )
    options = [
        Option(offer_id=offer, channel="sms", contact_cost=cost, reward=reward, redeemed_by=share, fatigue=tired,
               save_rate=0.0, criteria=(), valid_from=None, valid_to=None)
        for offer, cost, reward, share, tired in zip(
            OFFERS, (2.5, 0.1, 12.0), (40.0, None, 0.0), (0.1, 0.05, None), (1.0, 0.0, 3.0), strict=True)
    ]  # fmt: skip
    risk = AtRisk(p_churn=np.zeros(len(X)), ltv=np.zeros(len(X)), horizon_days=180, window_days=28, weight=0.0)
    told = StoredModel(files).predict_matrix(X)
    uplift = np.column_stack([told[f"uplift_{offer}"] for offer in OFFERS])
    worn = np.column_stack([np.zeros(len(X)), *(told[f"worn_{offer}"] for offer in OFFERS[1:])])
    expected = value_options(options, uplift=uplift, trained=trained, risk=risk, worn=worn).profit()
    offers = price(options, trained)
    found = StoredModel(compose(files, Origin(uplift=version_of(), currency="RUB", offers=offers))).predict_matrix(X)
    assert list(found) == ["best_offer", "expected_profit", "reason", *(f"profit_{offer}" for offer in OFFERS)]
    profit = np.column_stack([found[f"profit_{offer}"] for offer in OFFERS])
    np.testing.assert_allclose(profit, expected, rtol=0, atol=1e-8)
    names = np.array([*OFFERS, "none"], dtype=object)
    best = np.where(profit.max(axis=1) > 0, profit.argmax(axis=1), -1)
    assert found["best_offer"].tolist() == names[best].tolist()
    np.testing.assert_array_equal(found["expected_profit"], np.maximum(profit.max(axis=1), 0))
    assert found["reason"].tolist() == np.where(best >= 0, "pays", "nothing_pays").tolist()
    assert set(found["best_offer"]) == {*OFFERS, "none"}, "the world shows every answer"


@settings(max_examples=50)
@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0, float("nan")]), min_size=3, max_size=3))
def test_nothing_is_offered_at_zero_the_first_wins_a_tie_and_the_unknown_stays_unknown(values):
    of = [expression.constant(value) for value in values]
    named = expression.name_of_largest(["a", "b", "c"], of, none="none")
    files = expression.write_files(task="t", features=FEATURES, outputs=[("best", "offer", named)], boosters={})
    (found,) = StoredModel(files).predict_matrix(np.zeros((1, 3), dtype=np.float32))["best"]
    if np.isnan(values).any():
        assert found is None
    elif max(values) <= 0:
        assert found == "none"
    else:
        assert found == "abc"[values.index(max(values))]


def test_plain_mlflow_answers_in_a_process_without_netlift_and_names_a_missing_column(store, tmp_path):
    files, origin = make_uplift(), origin_of(-3.0, -1.0, 0.0)
    lead(store, add(store, files, origin))
    frame = to_frame(draw(np.random.default_rng(2), 6))
    frame.loc[0, "region"] = "Марс"
    frame.loc[1, "margin_365d"] = np.nan
    frame.loc[2, "region"] = None
    expected = StoredModel(compose(files, origin)).predict(frame)
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", PLAIN, frame.to_json(orient="records", double_precision=15)],
        env=keep
        | {
            "MLFLOW_TRACKING_URI": store.uri,
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    predicted, served, schema, refusal = done.stdout.splitlines()[-4:]
    status, _, answer = served.partition(" ")
    assert status == "200"
    for rows in (json.loads(predicted), json.loads(answer)["predictions"]):
        for row, (_, wanted) in zip(rows, expected.iterrows(), strict=True):
            assert list(row) == list(expected.columns)
            for name, value in wanted.items():
                if pd.isna(value):
                    assert pd.isna(row[name])
                else:
                    assert row[name] == (value if isinstance(value, str) else pytest.approx(value, abs=1e-9))
    assert [json.loads(predicted)[1][name] for name in ("best_offer", "reason")] == ["none", "no_effect_known"]
    numbers = [(name, "double") for name in expected.columns[3:]]
    words = [("best_offer", "string"), ("expected_profit", "double"), ("reason", "string")]
    assert ast.literal_eval(schema) == [*words, *numbers]
    assert "margin_365d" in refusal


def test_where_an_effect_is_not_known_nothing_is_offered_and_the_reason_says_so():
    model = StoredModel(compose(make_uplift(), origin_of(-3.0, -1.0, 0.0)))
    frame = to_frame(draw(np.random.default_rng(3), 4))
    frame.loc[1, "margin_365d"] = np.nan  # which the line of the third offer cannot do without
    found = model.predict(frame)
    assert found.loc[1, ["best_offer", "reason"]].tolist() == ["none", "no_effect_known"]
    assert found.loc[1, ["expected_profit", "profit_call"]].isna().all()
    assert found.loc[1, ["profit_sms", "profit_письмо 10"]].notna().all(), "what is known is told"
    pd.testing.assert_frame_equal(found.drop(1), model.predict(frame.drop(1)))


def test_an_unknown_category_is_other_and_a_missing_column_is_named():
    model = StoredModel(compose(make_uplift(), origin_of(0.0, 0.0, 0.0)))
    frame = to_frame(draw(np.random.default_rng(3), 50))
    strange = model.predict(frame.assign(region="Марс"))
    pd.testing.assert_frame_equal(strange, model.predict(frame.assign(region="other")))
    with pytest.raises(StoredModelError, match="region"):
        model.predict(frame.drop(columns="region"))


def test_compiled_trees_and_boosters_answer_alike(monkeypatch):
    from netlift.estimators import compiled_forest

    files = compose(make_uplift(), origin_of(-3.0, -1.0, 0.0))
    X = draw(np.random.default_rng(4), 700)
    slow = StoredModel(files)
    by_boosters = slow.predict_matrix(X)
    assert slow.routes["arms.txt"].startswith("booster: ")
    monkeypatch.setattr(compiled_forest, "PAYS_FROM", 0)
    fast = StoredModel(files)
    compiled = fast.predict_matrix(X)
    assert fast.routes == {"arms.txt": "compiled"}
    for name, values in by_boosters.items():
        assert values.tolist() == compiled[name].tolist(), name


def test_the_same_economics_are_the_same_version_and_changed_ones_a_new_one(store):
    files = make_uplift()
    assert add(store, files, origin_of(-3.0, -1.0, 0.0)) == 1
    assert add(store, files, origin_of(-3.0, -1.0, 0.0)) == 1
    assert add(store, files, origin_of(-3.0, -1.5, 0.0)) == 2
    assert add(store, files, origin_of(-3.0, -1.0, 0.0, uplift=version_of(7))) == 3
    tags = describe(store, TASK, 3).tags
    assert (tags["netlift.uplift_version"], tags["netlift.gate"]) == ("7", "passed")
    row = store.client.get_model_version("netlift-next-best-offer", "3")
    assert "netlift-uplift version 7" in row.description
    assert load(store, TASK, 3).model.outputs[0] == "best_offer"


def test_changed_economics_of_a_registered_version_are_refused(store):
    version = add(store, make_uplift(), origin_of(-3.0, -1.0, 0.0))
    path = describe(store, TASK, version).folder / "artifacts/model" / ECONOMICS_FILE
    path.write_text(path.read_text().replace('"contact_cost": 2', '"contact_cost": 1'))
    with pytest.raises(ModelIntegrityError, match=r"economics\.json"):
        load(store, TASK, version)
    with pytest.raises(ModelIntegrityError):
        lead(store, version)
    assert "champion" not in aliases(store, TASK)


def test_the_card_says_what_is_added_and_where_not_to_trust_it():
    (first, *others) = economics(-3.0, -1.0, 0.0)
    changed = OfferEconomics(**{**vars(first), "reward": 2.0, "save_rate": 0.2})
    origin = Origin(
        uplift=version_of(4), currency="RUB", offers=(changed, *others), left_out=("push",), digests={"config": "abc"},
        observational="spring",
    )  # fmt: skip
    card = render_card(origin, description="Which offer pays.")
    for part in ("netlift-uplift version 4", "`abc`", "push", "observational: campaign spring", "about to leave",
                 "The reward of письмо 10 is 2 RUB a contact and was 1 in training"):  # fmt: skip
        assert part in card


def test_a_champion_made_from_another_uplift_model_is_said_to_lag(store):
    assert find_lag(store) == ""
    lead(store, add(store, make_uplift(), origin_of(-3.0, -1.0, 0.0)))
    assert "made from netlift-uplift version 1, whose champion is none" in find_lag(store)


def test_offers_are_those_whose_effect_the_model_knows():
    assert known_offers(make_uplift(offers=OFFERS[:2])) == set(OFFERS[:2])
