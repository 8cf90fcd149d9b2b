"""One extract of customers with a flag, no receipts and no history: trained, judged, explained, scored, or refused."""

from __future__ import annotations

import json
import resource
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from netlift.config.business import BusinessSettings, load
from netlift.config.definitions import FlagDefinition, load_definition
from netlift.data.checks.check import check_tables
from netlift.data.read import open_tables
from netlift.errors import ConfigError, DataError, GateRefusedError, LeakageError, ResourceError, UsageError
from netlift.features.vocabulary import learn_vocabulary
from netlift.pipelines.readouts import read_sound
from netlift.pipelines.score import score_business
from netlift.pipelines.train import train_business
from netlift.progress import Silent
from netlift.registry.models import load as load_model
from netlift.registry.store import open_store
from netlift.registry.tracking import PARENT_TAG
from netlift.training.customer_rows import build_flagged_rows

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]
NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)
DAY = "2026-09-30"
ATTRIBUTES = ["contract", "tenure", "monthly_revenue", "support"]


def draw_extract(seed: int, customers: int = 2_400) -> pd.DataFrame:
    """Customers of a telecom whose chance to be flagged is `chance`."""
    rng = np.random.default_rng(seed)
    contract = rng.choice(["month", "year", "two years"], customers, p=[0.55, 0.25, 0.2])
    tenure, bill = rng.integers(1, 73, customers), np.round(rng.gamma(9, 7, customers), 2)
    support = rng.choice(["yes", "no"], customers)
    score = -1.2 + 1.3 * (contract == "month") - 1.2 * (contract == "two years") - 0.03 * tenure
    chance = 1 / (1 + np.exp(-(score + 0.015 * (bill - 60) + 0.6 * (support == "no"))))
    return pd.DataFrame(
        {
            "customerID": [f"t{seed}{i:06d}" for i in range(customers)],
            "contract": contract,
            "tenure": tenure,
            "MonthlyCharges": bill,
            "support": support,
            "Churn": np.where(rng.random(customers) < chance, "Yes", "No"),
            "chance": chance,
        }
    )


def configure(folder: Path, frame: pd.DataFrame, *, gates: dict | None = None, **data: object) -> BusinessSettings:
    """A config beside the extract as CSV, with few settings to search."""
    frame.drop(columns="chance", errors="ignore").to_csv(folder / "extract.csv", index=False)
    churn = yaml.safe_load((HOUSE / "models" / "churn_flag.yaml").read_text())
    churn["search"] |= {"trials": 1, "folds": 2, "max_rounds": 20}
    churn["gates"] |= gates or {}
    (folder / "churn.yaml").write_text(yaml.safe_dump(churn))
    columns = {"customer_id": "customerID", "churned": "Churn", "monthly_revenue": "MonthlyCharges"}
    content = {
        "name": "telecom",
        "currency": "RUB",
        "time_zone": "Europe/Moscow",
        "data": {
            "snapshot_of": DAY,
            "tables": {
                "customers": {
                    "path": "extract.csv",
                    "columns": {ours: theirs for ours, theirs in columns.items() if theirs in frame},
                }
            },
            "attributes": ATTRIBUTES,
            "attribute_types": {"tenure": "number"},
        }
        | data,
        "models": {"churn": "churn.yaml"},
        "state": "state",
        "engine": {"threads": 1},
        "score": {"max_data_age_days": 31, "max_unseen_share": 0.05, "max_drifted_share": 0.5},
        "seed": 1,
    }
    (folder / "telecom.yaml").write_text(yaml.safe_dump(content))
    return load(folder / "telecom.yaml")


def build(settings: BusinessSettings):
    definition = load_definition(settings.models["churn"], "churn")
    assert isinstance(definition, FlagDefinition)
    with open_tables(settings) as tables:
        vocabulary = learn_vocabulary(tables, before=NOW.replace(tzinfo=None))
        return build_flagged_rows(tables, definition, vocabulary, seed=settings.seed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("telecom")
    settings = configure(folder, draw_extract(1))
    return settings, train_business(settings, tasks=[], progress=Silent(), now=NOW, lock_timeout=0.0)


def score(settings: BusinessSettings, folder: Path, frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """Scores of a later extract by the standing champion."""
    later = configure(folder, frame, snapshot_of="2026-10-31").model_copy(update={"state": settings.state})
    summary = score_business(later, as_of=date(2026, 11, 1), run_key=key, progress=Silent(), now=NOW, lock_timeout=0.0)
    return pd.read_parquet(summary.path).set_index("customer_id")


def test_the_chance_built_in_is_found_again_in_a_new_extract_with_the_flag_or_without(trained, tmp_path):
    settings, report = trained
    (outcome,) = report.outcomes
    assert outcome.standing == "champion", outcome.reasons
    new = draw_extract(2)
    blind = score(settings, tmp_path, new.drop(columns="Churn"), "blind")
    seen = score(settings, tmp_path, new, "seen")
    pd.testing.assert_frame_equal(blind, seen)
    p, chance = blind.loc[new.customerID].p_churn.to_numpy(), new.chance.to_numpy()
    assert np.corrcoef(p, chance)[0, 1] > 0.95
    assert abs(p.mean() - chance.mean()) < 0.03
    at_risk = blind.loc[new.customerID].monthly_revenue_at_risk
    np.testing.assert_allclose(at_risk, p * new.MonthlyCharges)


def test_it_is_judged_on_customers_kept_apart_against_every_baseline_in_money(trained):
    settings, report = trained
    (outcome,) = report.outcomes
    rows = draw_extract(1)
    extract = build(settings)
    held_out = rows.sort_values("customerID").iloc[extract.split.test.nonzero()[0]]
    lost = held_out.Churn == "Yes"
    assert outcome.metrics["margin_at_risk_observed"].point == pytest.approx(held_out.MonthlyCharges[lost].sum())
    assert extract.made.rows.y[extract.split.test].sum() == lost.sum()
    leaderboard, *others = outcome.tables
    names = {row.candidate for row in leaderboard}
    assert names == {"logistic", "lightgbm", "best_column", "default_lightgbm"}
    attributes = next(table for table in others if "attributes" in table.name)
    assert next(iter(attributes)).attribute == "contract"
    assert next(iter(attributes)).lost_most == "month"
    assert any("leak lint: not tested" in note for note in outcome.notes)
    assert "one extract of 2026-09-30" in report.to_text()


def test_the_model_is_registered_with_a_card_that_says_what_was_not_tested(trained):
    settings, _ = trained
    store = open_store(settings.state, run_group=settings.name)
    assert list(load_model(store, "churn", 1).model.outputs) == ["p_churn"]
    (card,) = settings.state.rglob("card.md")
    text = card.read_text()
    assert "leak lint: not tested" in text and "were lost of month" in text and "calibration_error" in text


def test_its_run_shows_few_columns_and_each_candidate_and_setting_below_it(trained):
    settings, report = trained
    (outcome,) = report.outcomes
    store = open_store(settings.state, run_group=settings.name)
    runs = {run.info.run_name: run for run in store.client.search_runs([store.experiment_id])}
    parent = next(run for name, run in runs.items() if name.startswith("netlift-churn-"))
    children = {name: run for name, run in runs.items() if run.data.tags.get(PARENT_TAG) == parent.info.run_id}
    assert set(children) == {row.candidate for row in outcome.tables[0]} == set(runs) - {parent.info.run_name}
    assert [name for name, run in children.items() if run.data.tags["netlift.chosen"] == "true"] == [outcome.estimator]
    for row in outcome.tables[0]:
        assert children[row.candidate].data.metrics["roc_auc"] == row.roc_auc.point
    assert children["lightgbm"].data.params["search_trials"] == "1"
    points = [name for name in parent.data.metrics if not name.endswith(("_ci_lower", "_ci_upper"))]
    assert "roc_auc" in points and len(points) <= 6 < len(outcome.metrics)
    artifacts = settings.state / "artifacts" / settings.name / parent.info.run_id / "artifacts"
    told = {row["metric"]: row["value"] for row in json.loads((artifacts / "tables/metrics.json").read_text())["rows"]}
    assert {name: value["point"] for name, value in told.items()} == {n: e.point for n, e in outcome.metrics.items()}
    (tried,) = json.loads((artifacts / "tables/search.json").read_text())["rows"]
    assert (tried["candidate"], tried["trial"]) == ("lightgbm", 1) and "num_leaves" in tried["settings"]
    assert len(list((artifacts / "figures").iterdir())) <= 12
    (table,) = parent.inputs.dataset_inputs
    assert table.dataset.name == "customers" and json.loads(table.dataset.source)["uri"].endswith("extract.csv")


def test_the_same_customers_are_held_out_of_every_extract(tmp_path):
    first = draw_extract(1)
    other = first.sample(frac=0.8, random_state=3).assign(tenure=lambda frame: frame.tenure + 1)
    found = []
    for frame in (first, other):
        extract, ids = build(configure(tmp_path, frame)), np.sort(frame.customerID.to_numpy())
        found.append(pd.Series(extract.split.test, index=ids))
        assert not (extract.split.test & extract.split.compare).any()
        assert extract.split.test.mean() == pytest.approx(0.25, abs=0.03)
    assert (found[0].loc[found[1].index] == found[1]).all()


REFUSED = {
    "no flag": ({"Churn": None}, {}, "customers.churned: missing"),
    "other values": ({"Churn": "maybe"}, {}, r"customers.churned: .*\byes and no"),
    "constant": ({"Churn": "No"}, {}, "customers.churned: is no for all 2,400 customers"),
    "empty": ({"Churn": ""}, {}, "customers.churned: is empty"),
    "no such attribute": ({}, {"attributes": ["plan"], "attribute_types": {}}, "customers.plan: an attribute"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "data", "words"), REFUSED.values(), ids=REFUSED)
def test_an_extract_that_cannot_teach_is_refused_by_name(tmp_path, columns, data, words):
    frame = draw_extract(1).assign(**columns)
    frame = frame.drop(columns=[name for name, value in columns.items() if value is None])
    with pytest.raises(DataError, match=words):
        build(configure(tmp_path, frame, **data))


def test_too_few_who_left_are_counted(tmp_path):
    frame = draw_extract(1)
    with pytest.raises(DataError, match=r"customers.churned: 60 of 2,400 customers left, .* at least 25"):
        build(configure(tmp_path, frame.assign(Churn=["Yes"] * 60 + ["No"] * 2_340)))


LEAKS = {
    "the flag in other words": lambda frame, left: np.where(left, "closed", "open"),
    "as a number": lambda frame, left: left.astype(int),
    "a code without order": lambda frame, left: np.where(left, 2, np.where(frame.tenure > 30, 1, 3)),
    "filled in when they left": lambda frame, left: np.where(left, frame.tenure + 0.5, np.nan),
    "empty for who left": lambda frame, left: np.where(left, np.nan, frame.MonthlyCharges * 1.17),
    "nearly the flag": lambda frame, left: np.where(np.arange(len(frame)) == 7, 1 - left.astype(int), left.astype(int)),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_an_attribute_that_tells_the_flag_is_refused_by_name(tmp_path, leak):
    frame = draw_extract(1)
    frame = frame.assign(status=leak(frame, frame.Churn == "Yes"))
    settings = configure(tmp_path, frame, attributes=[*ATTRIBUTES, "status"])
    with pytest.raises(LeakageError, match=r"customers\.status: tells by itself who left"):
        build(settings)


def test_a_model_and_a_feature_beyond_each_bound_are_refused_by_its_key_and_raising_all_accepts(tmp_path):
    frame = draw_extract(1)
    status = np.where(np.arange(len(frame)) % 80 == 0, frame.Churn == "No", frame.Churn == "Yes").astype(int)
    frame = frame.assign(status=status)
    bounds = {"max_auc": 0.97, "max_feature_auc": 0.95, "max_gain_share": 0.8}
    others = {"max_calibration_error": 0.2, "min_gain_over_baseline": -0.1}
    found = {}
    for name, gates in (("bound", bounds | others), ("raised", dict.fromkeys(bounds, 1) | others)):
        (tmp_path / name).mkdir()
        settings = configure(tmp_path / name, frame, gates=gates, attributes=[*ATTRIBUTES, "status"])
        (found[name],) = train_business(settings, tasks=[], progress=Silent(), now=NOW, lock_timeout=0.0).outcomes
    told = " ".join(found["bound"].reasons)
    assert found["bound"].standing == "refused", told
    assert all(f"gates.{key}" in told for key in ("max_auc", "max_feature_auc", "max_gain_share")), told
    assert found["raised"].standing == "champion", found["raised"].reasons


def test_an_attribute_that_tells_all_is_learned_from_where_the_definition_says_so(tmp_path):
    frame = draw_extract(1)
    frame = frame.assign(status=(frame.Churn == "Yes").astype(int))
    build(configure(tmp_path, frame, gates={"max_feature_auc": 1}, attributes=[*ATTRIBUTES, "status"]))


@pytest.mark.parametrize("name", ["Churn", "churned"])
def test_the_flag_is_no_attribute(tmp_path, name):
    with pytest.raises(ConfigError, match=f"attributes names '{name}', which is the flag"):
        configure(tmp_path, draw_extract(1), attributes=[*ATTRIBUTES, name])


def test_duplicate_ids_are_left_out_and_counted_and_many_stop_the_training(tmp_path):
    frame = draw_extract(1)
    for copies, stops in ((5, ()), (200, ("train", "score"))):
        settings = configure(tmp_path, pd.concat([frame, frame.head(copies)]))
        with open_tables(settings) as tables:
            found = [f for f in check_tables(tables, settings, as_of=None).errors if f.code == "duplicated-key"]
            assert [(f.count, f.leaves_out) for f in found] == [(copies, "rows")]
            assert set(stops) <= set(found[0].stops)
            assert bool(found[0].stops) is bool(stops)


def test_customers_without_a_flag_teach_nothing_and_are_counted(tmp_path):
    frame = draw_extract(1)
    frame.loc[frame.index < 300, "Churn"] = None
    extract = build(configure(tmp_path, frame))
    assert len(extract.made.rows) == 2_100
    assert extract.made.notes == ("300 customers without a flag taught nothing",)


def test_without_money_customers_are_counted(tmp_path):
    frame = draw_extract(1).drop(columns="MonthlyCharges")
    worth = build(configure(tmp_path, frame, attributes=["contract", "tenure", "support"])).worth
    assert worth.words == "" and (worth.values == 1).all()


def test_an_extract_asks_for_nothing_that_needs_receipts(tmp_path):
    settings = configure(tmp_path, draw_extract(1))
    with pytest.raises(ConfigError, match="snapshot_of is for a single table"):
        configure(tmp_path, draw_extract(1), complete_until=DAY)
    with open_tables(settings) as tables, pytest.raises(UsageError, match="readout needs receipts"):
        read_sound(tables, settings, verb="readout")
    with open_tables(settings) as tables, pytest.raises(DataError, match="say its day in data"):
        vocabulary = learn_vocabulary(tables, before=NOW.replace(tzinfo=None))
        definition = load_definition(settings.models["churn"], "churn")
        build_flagged_rows(replace(tables, snapshot_of=None), definition, vocabulary, seed=1)


def test_a_limit_under_which_no_chart_is_drawn_is_named_before_anything_is_fitted(tmp_path, monkeypatch):
    settings = configure(tmp_path, draw_extract(1))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 * 2**30, 64 * 2**30))
    with pytest.raises(ResourceError, match=r"ulimit -v.*charts reserve addresses") as refusal:
        train_business(settings, tasks=[], progress=Silent(), now=NOW, lock_timeout=0.0)
    assert refusal.value.exit_code == 6


def test_values_and_attributes_that_training_did_not_see_stop_the_scores_above_the_limits_of_the_config(
    trained, tmp_path
):
    settings, _ = trained
    new = draw_extract(3)
    few, many = (new.assign(contract=new.contract.where(new.index >= n, "five years")) for n in (72, 168))
    assert len(score(settings, tmp_path, few, "few")) == len(new)
    with pytest.raises(GateRefusedError, match=r"contract: 7\.0% of customers .* score\.max_unseen_share allows 5\.0%"):
        score(settings, tmp_path, many, "many")
    moved = new.assign(tenure=new.tenure + 90, MonthlyCharges=10 * new.MonthlyCharges, support="yes")
    with pytest.raises(GateRefusedError, match=r"3 of 4 features drifted .* 50% of score\.max_drifted_share"):
        score(settings, tmp_path, moved, "moved")


def test_an_extract_is_not_scored_before_its_day_nor_long_after(trained):
    settings, _ = trained
    for day, words in ((date(2026, 9, 30), "the extract is of 2026-09-30"), (date(2027, 1, 1), "max_data_age_days")):
        with pytest.raises(DataError, match=words):
            score_business(settings, as_of=day, run_key="", progress=Silent(), now=NOW, lock_timeout=0.0)
