"""The how-to's own task, from definition to scores: learned where there is something to learn, else refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from own_shop import OWN_TASK, forget, open_shop

from netlift.config.business import BusinessSettings, load
from netlift.config.definitions import AmountDefinition, EventDefinition, load_definition
from netlift.data.read import open_tables
from netlift.errors import ConfigError, GateRefusedError, LeakageError
from netlift.features.own_labels import find_label, label_values, require_horizon_alone
from netlift.pipelines.score import score_business
from netlift.pipelines.train import train_business
from netlift.progress import Silent
from netlift.registry.models import CHAMPION, resolve
from netlift.registry.models import load as load_model
from netlift.registry.store import open_business

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS, CUSTOMERS = 420, 2_400
OFTEN, SELDOM, RETURNS, SOUND = 0.45, 0.05, 0.5, 0.04

BROKEN = """
import ibis
from netlift.features.own_labels import OwnLabel

def of(table, value, **more):
    return OwnLabel(table=table, unit="things", formula="broken", value=value, **more)

never = of("events", lambda seen: (seen.kind == "no such kind").any())
missing = of("surveys", lambda seen: seen.score.mean(), nothing=None)
counted = of("events", lambda seen: seen.count())
rowwise = of("events", lambda seen: seen.kind == "ticket")
elsewhere = of("parcels", lambda seen: seen.count())
timeless = of("customers", lambda seen: seen.count())
chance = of("events", lambda seen: (seen.occurred_at.epoch_seconds() * ibis.random()).sum())
delivered = of("contacts", lambda seen: seen.delivered_at.count())
number = 3
"""


def draw_market(seed: int = 5) -> dict[str, pd.DataFrame]:
    """Half open a ticket in 14 days with a chance of 45 %, half with 5 %; a third return half of what they buy."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"{i:05d}" for i in range(CUSTOMERS)])
    angry, region = np.arange(CUSTOMERS) % 2 == 0, np.where(np.arange(CUSTOMERS) % 3 == 0, "north", "south")
    start = pd.Timestamp("2024-11-01")

    def draw(per_day: np.ndarray) -> tuple[np.ndarray, pd.DatetimeIndex]:
        count = rng.poisson(per_day * DAYS)
        return np.repeat(np.arange(CUSTOMERS), count), start + pd.to_timedelta(rng.uniform(0, DAYS, count.sum()), "D")

    bought, at = draw(np.full(CUSTOMERS, 0.1))
    returned = rng.random(len(bought)) < np.where(region[bought] == "north", RETURNS, SOUND)
    money = np.where(returned, -10.0, 20.0)
    asked, then = draw(-np.log1p(-np.where(angry, OFTEN, SELDOM)) / 14)
    contacted = rng.integers(0, CUSTOMERS, 6_000)
    assigned = start + pd.to_timedelta(rng.uniform(0, DAYS, 6_000), "D")
    return {
        "customers": pd.DataFrame({"customer_id": ids, "joined_at": start - pd.Timedelta(days=90), "region": region}),
        "transactions": pd.DataFrame(
            {
                "customer_id": ids[bought], "occurred_at": at, "revenue": money, "margin": money / 2,
                "is_return": returned,
            }
        ),
        "events": pd.DataFrame({"customer_id": ids[asked], "occurred_at": then, "kind": "ticket"}),
        "surveys": pd.DataFrame({"customer_id": ids[:1], "answered_at": start, "kind": "nps", "score": 5.0}),
        "contacts": pd.DataFrame(
            {
                "campaign_id": "k", "customer_id": ids[contacted], "offer_id": "mail", "assigned_at": assigned,
                "delivered_at": assigned + pd.Timedelta(days=10), "propensity": 0.5,
            }
        ),
    }  # fmt: skip


def write(folder: Path, models: dict[str, dict], *, with_contacts: bool = False) -> BusinessSettings:
    frames = draw_market()
    if not with_contacts:
        del frames["contacts"]
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet")
    for task, definition in models.items():
        (folder / f"{task}.yaml").write_text(yaml.safe_dump(definition))
    config = {
        "name": "own", "currency": "EUR", "time_zone": "UTC", "state": "state", "seed": 1, "engine": {"threads": 1},
        "models": {task: f"{task}.yaml" for task in models},
        "data": {"tables": {name: {"path": f"{name}.parquet"} for name in frames}, "attributes": ["region"]},
        "score": {"max_data_age_days": 40, "max_unseen_share": 0.05, "max_drifted_share": 0.9},
    }  # fmt: skip
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    return load(folder / "own.yaml")


def event(own: str = "shop.tasks:opens_ticket", task: str = "opens_ticket") -> dict:
    known = yaml.safe_load(OWN_TASK)
    gates = known["gates"] | {"max_gain_share": 1.0}  # one thing drives each label of the market
    return known | {"task": task, "label": {"kind": "event", "own": own}, "gates": gates}


def amount(own: str = "return_share", task: str = "returns") -> dict:
    gates = {"max_total_bias": 0.1, "min_gain_over_baseline": 0.0, "level": 0.95, "max_gain_share": 1.0}
    windows = yaml.safe_load(OWN_TASK)["windows"] | {"horizon_days": 30, "cutoffs": 4}
    return event(task=task) | {
        "label": {"kind": "amount", "own": own}, "candidates": ["tweedie"], "gates": gates, "windows": windows
    }  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    open_shop(tmp_path, monkeypatch)
    (tmp_path / "shop" / "broken.py").write_text(BROKEN)
    return tmp_path


@pytest.mark.slow
def test_own_tasks_train_lead_and_score_as_ours_do(shop: Path) -> None:
    settings = write(shop, {"opens_ticket": event(), "returns": amount()})
    report = train_business(settings, tasks=[], progress=Silent(), now=NOW, lock_timeout=0)
    told = {outcome.task: outcome for outcome in report.outcomes}
    assert {task: each.standing for task, each in told.items()} == {"opens_ticket": "champion", "returns": "champion"}
    assert "it came true for" in told["opens_ticket"].headline and "opens a ticket" in told["opens_ticket"].headline
    assert "share of receipts that are returns" in told["returns"].headline and "EUR" not in told["returns"].headline
    assert any("rows were left out: they have no label" in note for note in told["returns"].notes)

    store = open_business(settings)
    version = resolve(store, "opens_ticket", CHAMPION)
    assert version is not None
    assert list(load_model(store, "opens_ticket", version.version).model.outputs) == ["p_opens_ticket"]
    assert store.client.get_registered_model("netlift-opens_ticket").name == "netlift-opens_ticket"

    summary = score_business(settings, as_of=report.history.end, run_key="", progress=Silent(), now=NOW, lock_timeout=0)
    scores = pq.read_table(summary.path).to_pandas().set_index("customer_id")
    assert summary.versions == {"opens_ticket": 1, "returns": 1}
    assert {"returns_30d_lower", "returns_version"} <= set(scores)
    angry = scores.index.astype(int) % 2 == 0
    north = scores.index.astype(int) % 3 == 0
    p, share = scores["p_opens_ticket"], scores["returns_30d"]
    assert p[angry].mean() == pytest.approx(OFTEN, abs=0.05) and p[~angry].mean() == pytest.approx(SELDOM, abs=0.03)
    assert share[north].mean() == pytest.approx(RETURNS, abs=0.05)
    assert share[~north].mean() == pytest.approx(SOUND, abs=0.03)
    assert summary.drifted_features == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("own", "says"),
    [
        ("never", r"opens_ticket: the label 'broken' is 0 for all [\d,]+ rows"),
        ("missing", r"opens_ticket: the label 'broken' is missing for all [\d,]+ rows; it needs rows of surveys"),
        ("counted", r"is an event and takes the value 2; an event is 0 or 1: end it in .any\(\)"),
    ],
)
def test_a_label_that_teaches_nothing_is_refused_with_what_was_found(shop: Path, own: str, says: str) -> None:
    settings = write(shop, {"opens_ticket": event(f"shop.broken:{own}")})
    (outcome,) = train_business(settings, tasks=[], progress=Silent(), now=NOW, lock_timeout=0).outcomes
    assert outcome.standing == "failed" and outcome.version is None
    (reason,) = outcome.reasons
    assert re.search(says, reason), reason
    with pytest.raises(GateRefusedError, match="no champion for opens_ticket"):
        score_business(settings, as_of=date(2025, 12, 26), run_key="", progress=Silent(), now=NOW, lock_timeout=0)


def asked(days: tuple[str, ...] = ("2025-06-01", "2025-09-01")) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ids = np.array([f"{i:05d}" for i in range(CUSTOMERS)], dtype=object)
    start = np.repeat(np.array(days, dtype="datetime64[us]"), CUSTOMERS)
    return np.tile(ids, len(days)), start, start + np.timedelta64(14, "D")


def test_a_label_is_what_its_rows_in_the_horizon_say(shop: Path) -> None:
    settings = write(shop, {"opens_ticket": event()})
    ids, start, end = asked()
    events = pd.read_parquet(shop / "events.parquet")
    with open_tables(settings) as tables:
        label = find_label("shop.tasks:opens_ticket")
        y = label_values(tables, label, ids, start, end)
        assert require_horizon_alone(tables, label, ids, start, end, seed=0) == 2_000
        share = label_values(tables, find_label("return_share"), ids, start, end)
    for first in np.unique(start):
        inside = events[(events.occurred_at >= first) & (events.occurred_at < first + np.timedelta64(14, "D"))]
        here = start == first
        assert np.array_equal(y[here] == 1, np.isin(ids[here], inside.customer_id.unique()))
    receipts = pd.read_parquet(shop / "transactions.parquet")
    inside = receipts[(receipts.occurred_at >= start[0]) & (receipts.occurred_at < end[0])]
    by_hand = inside.groupby("customer_id").is_return.mean().reindex(ids[:CUSTOMERS]).to_numpy()
    assert np.isnan(by_hand).sum() > 100
    np.testing.assert_allclose(share[:CUSTOMERS], by_hand)


@pytest.mark.parametrize("own", ["chance", "delivered"])
def test_a_label_that_knows_more_than_its_horizon_is_refused(shop: Path, own: str) -> None:
    settings = write(shop, {"opens_ticket": event()}, with_contacts=True)
    with open_tables(settings) as tables, pytest.raises(LeakageError, match=r"'broken' differs for [\d,]+ of 1,000"):
        require_horizon_alone(tables, find_label(f"shop.broken:{own}"), *asked(), seed=0)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ("rowwise", "is no aggregate of its rows"),
        ("elsewhere", "'parcels': name it in the config under data.own_tables"),
        ("timeless", "'customers', which has no dated rows of customers"),
    ],
)
def test_a_label_of_what_has_no_rows_of_customers_says_what_it_needs(shop: Path, own: str, says: str) -> None:
    settings = write(shop, {"opens_ticket": event()})
    with open_tables(settings) as tables, pytest.raises(ConfigError, match=says):
        label_values(tables, find_label(f"shop.broken:{own}"), *asked())


def test_a_definition_is_of_the_kind_of_its_label_and_says_what_it_lacks(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = write(shop, {"opens_ticket": event(), "returns": amount()})
    assert isinstance(load_definition(settings.models["opens_ticket"], "opens_ticket"), EventDefinition)
    assert isinstance(load_definition(settings.models["returns"], "returns"), AmountDefinition)
    with pytest.raises(ConfigError, match=r"shop.broken:number is a int; make it an OwnLabel"):
        find_label("shop.broken:number")
    write(shop, {"chrun": yaml.safe_load((Path(__file__).parents[2] / "models/churn.yaml").read_text())})
    with pytest.raises(ConfigError, match=r"chrun is none of our tasks.*did you mean churn.*found no_purchase"):
        load_definition(shop / "chrun.yaml", "chrun")
    with pytest.raises(ConfigError, match="models"):
        write(shop, {"Opens-Ticket": event()})
    forget(monkeypatch, shop)
    with pytest.raises(ConfigError, match=r"own task shop.tasks:opens_ticket cannot be imported"):
        load_definition(shop / "opens_ticket.yaml", "opens_ticket")
