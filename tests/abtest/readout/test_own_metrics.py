"""Metrics and guardrails of a user: what raw rows give, intervals that hold, and what they do to verdict and advice."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest
from own_shop import WRITTEN, open_shop
from readout_world import ASSIGNED, DAYS, NIGHT, make_market, settings

from netlift.abtest.readout.arms import Terms
from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.metrics import OwnMetric, find_metric, read_metric, with_metric
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.abtest.readout_report.page import readout_document, readout_json
from netlift.abtest.stats.aggregate import aggregate, by_arm
from netlift.abtest.stats.moments import OUTCOMES
from netlift.config.business import DataSettings
from netlift.config.readout import MetricSettings
from netlift.data.contract import contract_of
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.errors import ConfigError
from netlift.progress import Silent
from netlift.report.exports import to_html, to_text
from netlift.report.language import speak

pytestmark = pytest.mark.slow

COMPLAIN, MORE = 0.02, 0.08


def own_contract():
    paths = {name: {"path": name} for name in ("customers", "transactions")}
    own = {"parcels": WRITTEN["data"]["own_tables"]["parcels"]}
    return contract_of(DataSettings.model_validate({"tables": paths, "own_tables": own}))


def with_events(market, seed=5):
    """Complaints of 2 in a hundred, of 8 more in the arm; visits alike; a late parcel of a tenth."""
    rng = np.random.default_rng(seed)
    people = market.contacts
    treated = (people.offer_id == "mail").to_numpy()
    n = len(people)
    kinds = {"complaint": rng.random(n) < COMPLAIN + MORE * treated, "visit": rng.random(n) < 0.5}
    moment = ASSIGNED + pd.to_timedelta(rng.integers(0, DAYS * 24, n), unit="h")
    outside = pd.DataFrame(
        {
            "customer_id": people.customer_id[:50].to_numpy().repeat(2),
            "occurred_at": [ASSIGNED - pd.Timedelta(seconds=1), ASSIGNED + pd.Timedelta(days=DAYS)] * 50,
            "kind": "complaint",
        }
    )
    parts = [
        pd.DataFrame({"customer_id": people.customer_id[who], "occurred_at": moment[who], "kind": kind})
        for kind, who in kinds.items()
    ]
    late = rng.random(n) < 0.1
    parcels = pd.DataFrame({"customer_id": people.customer_id[late], "occurred_at": moment[late], "days_late": 5.0})
    return pd.concat([*parts, outside], ignore_index=True), parcels


@pytest.fixture(scope="module")
def market():
    return make_market(2000)


@pytest.fixture
def tables(market):
    events, parcels = with_events(market)
    frames = {name: getattr(market, name) for name in ("customers", "transactions", "campaigns", "contacts", "offers")}
    sources = {name: ibis.memtable(frame) for name, frame in (frames | {"events": events, "parcels": parcels}).items()}
    zone = ZoneInfo("UTC")
    return conform(DuckDBEngine(), sources, attributes=(), zone=zone, contract=own_contract())


def test_metrics_are_what_raw_rows_give_and_a_broken_guardrail_takes_the_verdict(
    market, tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_shop(tmp_path, monkeypatch)
    how = settings(metrics=WRITTEN["readout"]["metrics"])
    readout = read_campaign(how, tables, ReadoutRequest(campaign_id="K1"), progress=Silent())
    found = {one.name: one for one in readout.metrics}
    arm = market.contacts.set_index("customer_id").offer_id
    events = tables["events"].to_pandas()
    inside = events[(events.occurred_at >= ASSIGNED) & (events.occurred_at < ASSIGNED + pd.Timedelta(days=DAYS))]
    for name, kind in (("complaints", "complaint"), ("visits", "visit")):
        counts = inside[inside.kind == kind].customer_id.value_counts().reindex(arm.index).fillna(0)
        assert found[name].treated_mean == pytest.approx(counts[arm == "mail"].mean())
        assert found[name].control_mean == pytest.approx(counts[arm == "control"].mean())
    assert found["complaints"].difference.ci_lower < MORE < found["complaints"].difference.ci_upper
    assert found["complaints"].difference.unit == "events/customer"
    assert [found[name].status for name in ("visits", "complaints", "late_parcels")][:2] == ["not_checked", "failed"]
    assert found["late_parcels"].difference.unit == "parcels/customer"
    assert (readout.verdict.code, readout.arms[0].verdict.code) == ("guardrail", "guardrail")
    assert readout.verdict.chance_of_profit > 0.99  # the money stands
    assert (readout.advice[0].code, readout.advice[0].reason) == ("stop", "guardrail")
    for language, said in (("ru", "нарушено ограничение"), ("en", "a guardrail is broken")):
        words = speak(language).with_names({"own_metric.complaints": "Жалобы" if language == "ru" else "Complaints"})
        page = readout_document(readout, words)
        text = to_text(page)
        assert said in readout_json(readout, words)["headline"]["verdict"] and said in text
        assert words.names["own_metric.complaints"] in text and "0,005" in text.replace(".", ",")
        assert b"complaints" not in to_html(page)


def test_a_guardrail_that_is_open_keeps_an_arm_in_test(tables) -> None:
    how = settings(metrics={"complaints": {"events": "complaint", "at_most": MORE}})
    readout = read_campaign(how, tables, ReadoutRequest(campaign_id="K1"), progress=Silent())
    assert (readout.metrics[0].status, readout.verdict.code) == ("warned", "made_money")
    assert (readout.advice[0].code, readout.advice[0].reason) == ("keep_testing", "guardrail_open")


def test_a_kind_or_table_that_is_not_there_is_refused_and_what_never_happens_keeps_no_bound(tables) -> None:
    def of(table, value):
        contacts = tables["contacts"]
        assigned = contacts.mutate(arm=contacts.offer_id, ends_at=contacts.assigned_at + ibis.interval(days=DAYS))
        metric = OwnMetric(table=table, unit="events", formula="x", value=value)
        return with_metric(tables, assigned, metric, until=NIGHT)

    for kind, match in (("complain", "did you mean complaint"), ("opt_out", "there are complaint, visit")):
        with pytest.raises(ConfigError, match=f"readout.metrics.x: no event is of kind '{kind}'.*{match}"):
            find_metric(tables, "x", MetricSettings(events=kind))
    with pytest.raises(ConfigError, match=r"is of the table 'parcel': name it .* did you mean parcels"):
        of("parcel", lambda seen: seen.count())
    cells = by_arm(aggregate(of("events", lambda seen: (seen.value > 1).sum()), figures=OUTCOMES))
    terms = Terms(currency="", level=0.95, tolerance=0.0, fixed=0.0, covariates=())
    asked = MetricSettings(events="x", at_most=0.1)
    assert [one.status for one in read_metric("x", asked, "events", cells, terms)] == ["not_checked"]


CAMPAIGNS, PEOPLE = 250, 500


@pytest.mark.parametrize("effect", [0.0, 0.05])
def test_intervals_of_a_rare_metric_hold_the_truth_as_often_as_they_say(effect: float) -> None:
    """250 tests of a rare event with a small control, without effect (A/A) and with one: 95 in a hundred hold it."""
    rng = np.random.default_rng(11)
    n = CAMPAIGNS * PEOPLE
    campaign, treated = np.repeat(np.arange(CAMPAIGNS), PEOPLE).astype(str), rng.random(n) < 0.75
    ids = np.arange(n).astype(str)
    many = rng.poisson(0.06 + effect * treated)
    assigned = pd.DataFrame(
        {
            "campaign_id": campaign, "customer_id": ids, "arm": np.where(treated, "mail", "control"),
            "assigned_at": ASSIGNED, "ends_at": ASSIGNED + pd.Timedelta(days=DAYS),
        }
    )  # fmt: skip
    who = np.repeat(ids, many)
    events = pd.DataFrame({"customer_id": who, "occurred_at": ASSIGNED, "kind": "opt_out"})
    frames = {
        "customers": pd.DataFrame({"customer_id": ids, "joined_at": ASSIGNED}),
        "transactions": pd.DataFrame({"customer_id": ids[:1], "occurred_at": ASSIGNED, "revenue": 1.0, "margin": 1.0}),
        "events": events,
    }
    sources = {name: ibis.memtable(frame) for name, frame in frames.items()}
    tables = conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))
    metric = OwnMetric(table="events", unit="events", formula="opt-outs", value=lambda seen: seen.count())
    rows = with_metric(tables, ibis.memtable(assigned), metric, until=datetime(2030, 1, 1))
    cells: dict[str, dict] = {}
    for cell, moments in aggregate(tables.connection.create_table("rows", rows), figures=OUTCOMES).items():
        cells.setdefault(cell.campaign, {})[cell.arm] = moments
    terms = Terms(currency="RUB", level=0.95, tolerance=0.0, fixed=0.0, covariates=())
    asked = MetricSettings(events="opt_out", at_most=effect)
    found = [one for groups in cells.values() for one in read_metric("opt_outs", asked, "events", groups, terms)]
    assert len(found) == CAMPAIGNS
    low = sum(one.difference.ci_lower > effect for one in found)
    high = sum(one.difference.ci_upper < effect for one in found)
    assert 1 - (low + high) / CAMPAIGNS == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / CAMPAIGNS))
    assert low <= 0.025 * CAMPAIGNS + 3 * np.sqrt(0.025 * CAMPAIGNS)  # a guardrail at the truth is so seldom "broken"
    assert sum(one.status == "failed" for one in found) == low
