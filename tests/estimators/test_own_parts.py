"""The how-to of own parts, run as it stands: a package in a folder, a definition that names it, a model that scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from feature_tables import instants, make_tables
from own_shop import WRITTEN, forget, open_shop
from pydantic import ValidationError

from netlift.config.business import DataSettings, load
from netlift.config.definitions import load_definition
from netlift.data.checks.check import check_tables
from netlift.data.read import open_tables
from netlift.errors import ConfigError, LeakageError, SchemaDriftError
from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.cross_fit import Folds
from netlift.estimators.rows import ContactRows, LabelledRows
from netlift.estimators.stored import StoredModel, StoredModelError
from netlift.estimators.uplift.fit import fit_uplift
from netlift.estimators.value.churn import fit_tuned_churn
from netlift.estimators.value.ltv import Horizon, fit_tuned_ltv
from netlift.features.build import build_features
from netlift.features.leakage import require_no_leak
from netlift.features.matrix import Feature
from netlift.features.queries import Queries
from netlift.features.vocabulary import Vocabulary
from netlift.frames.search import SEARCH

ROOT = Path(__file__).parents[2]
LEARNER, EFFECTS = "shop.parts:Recent", "shop.effects:NewcomersFirst"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return open_shop(tmp_path, monkeypatch)


def define(shop: Path, task: str = "churn", **more: list[str]) -> Path:
    """The demo's definition with the lines of the how-to."""
    own = {name: WRITTEN[name] for name in ("features", "candidates")} | more
    path = shop / f"{task}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load((ROOT / f"models/{task}.yaml").read_text()) | own))
    return path


def test_a_definition_takes_own_parts_by_path_and_by_entry_point(shop: Path) -> None:
    definition = load_definition(define(shop), "churn")
    assert definition.candidates[-1] == LEARNER and len(definition.features) == 2
    named = load_definition(define(shop, candidates=["recent"], features=["visits_all"]), "churn")
    assert (named.candidates, named.features) == (("recent",), ("visits_all",))


def test_parts_that_are_not_there_are_named_with_the_others(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"candidates.*'lightgbn' is not one of own_rhythm.* did you mean lightgbm"):
        load_definition(define(shop, candidates=["lightgbn"]), "churn")
    path = define(shop)
    forget(monkeypatch, shop)
    with pytest.raises(ConfigError, match=r"(?s)2 mistakes|3 mistakes.*own feature shop.features:visits_all cannot"):
        load_definition(path, "churn")


def customers(n: int = 900) -> LabelledRows:
    rng = np.random.default_rng(3)
    silence = rng.exponential(60, n)
    return LabelledRows(
        X=np.asfortranarray(silence[:, None].astype(np.float32)),
        features=(Feature(name="days_since_last_purchase", unit="days", source="", formula=""),),
        y=(rng.random(n) < 0.1 + 0.6 * (silence > 60)).astype(float),
        customer=np.arange(n),
        cutoff=np.full(n, np.datetime64("2026-01-01", "us")),
    )


def test_an_own_learner_is_calibrated_stored_and_scores(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, machine = customers(), Machine(seed=0, threads=1)
    found = fit_tuned_churn(LEARNER, rows, None, newest=rows, folds=Folds(number=3), machine=machine)
    p = StoredModel(found.files).predict_matrix(rows.X)["p_churn"]
    assert p.mean() == pytest.approx(rows.y.mean(), abs=0.02)
    assert p[rows.X[:, 0] > 120].mean() == pytest.approx(0.7, abs=0.06)
    money = rows.relabel(rows.y * 100.0)
    named = fit_tuned_ltv(
        "recent", money, {}, newest=money, horizon=Horizon(days=90), folds=Folds(number=3), machine=machine
    )
    value = StoredModel(named.files).predict_matrix(rows.X)["ltv_90d"]
    assert value.mean() == pytest.approx(100 * rows.y.mean(), rel=0.05)
    forget(monkeypatch, shop)
    with pytest.raises(StoredModelError, match=f"learned by {LEARNER}, which cannot be imported here"):
        StoredModel(found.files)


def test_an_own_uplift_learner_finds_the_effects_that_are_there(shop: Path) -> None:
    rng, n = np.random.default_rng(4), 6000
    tenure, arm = rng.uniform(0, 900, n), rng.integers(0, 2, n)
    y = rng.gamma(2, 5, n) + arm * np.where(tenure < 365, 6.0, -2.0)
    rows = ContactRows(
        X=np.asfortranarray(tenure[:, None].astype(np.float32)),
        features=(Feature(name="tenure_days", unit="days", source="", formula=""),),
        y=y, margin=y, offers=("mail",), arm=arm, propensity=np.full(n, 0.5), available=np.ones((n, 2), dtype=bool),
        customer=np.arange(n), campaign=np.zeros(n, dtype=int),
    )  # fmt: skip
    found = fit_uplift(EFFECTS, rows, search=SEARCH, folds=3, seed=0, threads=1, progress=lambda *_: None)
    effect = StoredModel(found.files).predict_matrix(np.array([[100.0], [800.0]], dtype=np.float32))["uplift_mail"]
    assert effect == pytest.approx([6.0, -2.0], abs=0.8)
    with pytest.raises(ConfigError, match="uplift has no learner 'dr_lerner'; there are"):
        fit_uplift("dr_lerner", rows, search=SEARCH, folds=3, seed=0, threads=1, progress=lambda *_: None)


def world():
    at = pd.to_datetime
    return make_tables(
        {
            "customers": pd.DataFrame({"customer_id": ["a", "b"], "joined_at": at(["2025-01-01"] * 2)}),
            "transactions": pd.DataFrame(
                {
                    "customer_id": ["a", "a", "a"],
                    "occurred_at": at(["2025-12-01", "2025-12-22", "2026-01-01"]),
                    "revenue": [1.0] * 3, "margin": [1.0] * 3, "category": ["tea", "tea", "tea"],
                }
            ),
            "events": pd.DataFrame(
                {
                    "customer_id": ["a", "a", "a", "b"],
                    "occurred_at": at(["2025-12-01", "2025-12-02", "2026-01-02", "2024-01-01"]),
                    "kind": ["visit", "open", "visit", "visit"],
                }
            ),
            "contacts": pd.DataFrame(
                {
                    "campaign_id": ["k"], "customer_id": ["a"], "offer_id": ["mail"],
                    "assigned_at": at(["2025-12-30"]), "delivered_at": at(["2026-01-03"]),
                }
            ),
        }
    )  # fmt: skip


ASKED = Queries(customer_id=np.array(["b", "a"], dtype=object), cutoff=instants("2026-01-01", "2026-01-01"))
WORDS = {"attributes": {}, "sources": ()}


def test_own_features_see_what_lies_before_the_cutoff_and_nothing_else(shop: Path) -> None:
    words = Vocabulary(**WORDS, own=("shop.features:visits_all", "shop.features:days_since_tea"))
    assert Vocabulary.from_dict(words.to_dict()) == words
    found = build_features(world(), ASKED, words, observation_days=365)
    assert found.column("visits_all").tolist()[1] == 1.0 and np.isnan(found.column("visits_all")[0])
    assert found.column("days_since_tea").tolist()[1] == 10.0
    require_no_leak(world(), ASKED, words, observation_days=365)
    one = build_features(world(), ASKED, words, observation_days=365, names=["days_since_tea"])
    assert one.names == ["days_since_tea"]


def test_a_feature_of_a_table_beyond_the_contract(shop: Path, tmp_path: Path) -> None:
    at = pd.to_datetime
    parcels = pd.DataFrame(
        {
            "client": ["a", "a", "a", "a", "b"],
            "arrived_at": at(["2025-12-01", "2025-12-05", "2025-12-20", "2026-01-01", "2025-12-30"]),
            "days_late": ["4", "1", "9", "8", "5"],
            "ingested_at": at(["2025-12-02", "2025-12-06", "2026-01-05", "2026-01-02", None]),
        }
    )
    parcels.to_csv(tmp_path / "parcels.csv", index=False)
    tables = world()
    plain = {"customer_id": ["a", "b"], "joined_at": at(["2025-01-01"] * 2)}
    pd.DataFrame(plain).to_parquet(tmp_path / "customers.parquet")
    tables["transactions"].to_pandas().to_parquet(tmp_path / "receipts.parquet")
    own = WRITTEN["data"]["own_tables"]["parcels"] | {"path": tmp_path / "parcels.csv"}
    sources = {
        "customers": {"path": tmp_path / "customers.parquet"},
        "transactions": {"path": tmp_path / "receipts.parquet"},
    }
    data = DataSettings.model_validate({"tables": sources, "own_tables": {"parcels": own}})
    business = load(ROOT / "configs/demo.yaml").model_copy(update={"data": data, "state": tmp_path / "var"})
    words = Vocabulary(**WORDS, own=("shop.features:late_parcels",))
    with open_tables(business) as opened:
        found = build_features(opened, ASKED, words, observation_days=365)
        assert found.column("late_parcels").tolist() == [1.0, 1.0]  # one of a came in too late to be known, one later
        require_no_leak(opened, ASKED, words, observation_days=365)
        report = check_tables(opened, business, as_of=None)
    assert next(row.rows for row in report.tables if row.table == "parcels") == 5
    with pytest.raises(ConfigError, match=r"late_parcels is of the table 'parcels': name it in the config"):
        build_features(tables, ASKED, words, observation_days=365)
    with pytest.raises(ValidationError, match="'events' is a table of the contract"):
        DataSettings.model_validate({"tables": sources, "own_tables": {"events": own}})


def test_a_feature_that_sees_the_future_and_a_package_that_is_gone_are_refused(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LeakageError, match="late"):
        require_no_leak(world(), ASKED, Vocabulary(**WORDS, own=("shop.leaks:late",)), observation_days=365)
    with pytest.raises(ConfigError, match=r"shop.leaks:half is a dict"):
        build_features(world(), ASKED, Vocabulary(**WORDS, own=("shop.leaks:half",)), observation_days=365)
    with pytest.raises(ConfigError, match="rowwise is no aggregate"):
        build_features(world(), ASKED, Vocabulary(**WORDS, own=("shop.leaks:rowwise",)), observation_days=365)
    words = Vocabulary(**WORDS, own=("shop.features:visits_all",))
    with pytest.raises(SchemaDriftError, match="events: present"):
        build_features(world().without("events", ""), ASKED, words, observation_days=365)
    forget(monkeypatch, shop)
    with pytest.raises(ConfigError, match=r"own feature shop.features:visits_all cannot be imported"):
        build_features(world(), ASKED, words, observation_days=365)
