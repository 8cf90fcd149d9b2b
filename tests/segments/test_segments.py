from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from segment_world import AS_OF, PREVIOUS, make_champions, make_retailer, opened, write_config

from netlift.config.business import load
from netlift.errors import DataError, GateRefusedError, UsageError
from netlift.pipelines import segments
from netlift.pipelines.segments import SegmentRequest, analyse_segments, segment_business
from netlift.progress import Silent
from netlift.report.exports import to_html
from netlift.report.language import speak
from netlift.segments.pages.page import segments_document

pytestmark = pytest.mark.slow

NOW = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)
NOBODY = ([], ("churn", "ltv"))
SOURCES = ("surveys", "contacts", "acquisition_cost")


@pytest.fixture(scope="module")
def retailer(tmp_path_factory):
    return make_retailer(tmp_path_factory.mktemp("retailer"))


@pytest.fixture(scope="module")
def analysed(retailer):
    with opened(retailer) as (settings, tables):
        return analyse_segments(
            settings, tables, as_of=AS_OF, previous=PREVIOUS, progress=Silent(), champions=make_champions()
        )


def own_state(retailer, folder, change=lambda content: None):
    def both(content):
        content["state"] = str(folder / "state")
        change(content)

    return load(write_config(retailer.parents[1], both, name=f"own-{folder.name[-12:].strip('_')}"))


def run(settings, monkeypatch, *, champions=None, **asked):
    monkeypatch.setattr(segments, "find_champions", lambda *_: champions or make_champions())
    refit = asked.pop("refit", False)
    request = SegmentRequest(**{"as_of": AS_OF, "previous": None, "language": "en", **asked})
    return segment_business(settings, request, progress=Silent(), now=NOW, lock_timeout=0, refit=refit)


def test_the_rows_add_up_to_all_customers_and_all_money(analysed):
    report, snapshots = analysed
    frame = snapshots.frames[AS_OF]
    assert sum(row.customers for row in report.segments) == report.total.customers == len(frame)
    assert sum(row.share for row in report.segments) == pytest.approx(1)
    assert sum(row.margin_365d for row in report.segments) == pytest.approx(frame["margin_365d"].sum())
    ltv = [row.ltv_total for row in report.segments if row.ltv_total]
    assert sum(total.point for total in ltv) == pytest.approx(report.total.ltv_total.point)
    own = [(total.ci_upper - total.point) / 1.959964 for total in ltv]
    level = 0.1 * stats.t.ppf(0.975, 2) / 1.959964
    spread = [np.sqrt(half**2 - (level * total.point) ** 2) for half, total in zip(own, ltv, strict=True)]
    whole = np.hypot(np.sqrt(np.sum(np.square(spread))), level * report.total.ltv_total.point) * 1.959964
    assert report.total.ltv_total.ci_upper - report.total.ltv_total.point == pytest.approx(whole, rel=1e-4)
    risk = [row.value_at_risk.point for row in report.segments if row.value_at_risk]
    assert sum(risk) == pytest.approx(frame["value_at_risk"].sum())
    assert sum(cell.customers for cell in report.value_by_risk) == len(frame)


def test_migration_is_between_the_two_populations(analysed):
    report, snapshots = analysed
    before, after = snapshots.frames[PREVIOUS], snapshots.frames[AS_OF]
    assert report.flow_value == "ltv"
    assert sum(f.customers for f in report.flows if f.before != "entered") == len(before)
    assert sum(f.customers for f in report.flows if f.after != "left") == len(after)
    assert sum(f.change for f in report.flows) == pytest.approx(after["ltv"].sum() - before["ltv"].sum())


def test_the_share_lost_is_that_of_a_recount_of_the_receipts(retailer, analysed):
    report, snapshots = analysed
    assert report.labels_from == date(2026, 6, 26)
    then = snapshots.frames[report.labels_from]
    asked = then[then["days_since_last_purchase"] <= 365]
    receipts = pd.read_parquet(retailer.parents[1] / "var" / "demo" / "transactions.parquet")
    bought = receipts[~receipts["is_return"].astype(bool)]
    window = bought[
        bought["occurred_at"].between(pd.Timestamp("2026-07-03"), pd.Timestamp("2026-10-01"), inclusive="left")
    ]
    lost = ~asked["customer_id"].isin(window["customer_id"])
    assert report.total.lost.point == pytest.approx(lost.mean())
    for row in report.segments:
        own = lost[asked["segment"] == row.segment]
        assert (row.lost is None) == (len(own) == 0)
        assert row.lost is None or row.lost.point == pytest.approx(own.mean())


def test_scores_of_recency_and_frequency_hold_everybody_once(analysed):
    report, snapshots = analysed
    frame = snapshots.frames[AS_OF]
    cells = {(cell.r, cell.f): cell for cell in report.recency_frequency}
    assert len(cells) == 25 + (frame["r"] == 0).any()
    assert sum(cell.customers for cell in cells.values()) == len(frame)
    best = frame[(frame["r"] == 5) & (frame["f"] == 5)]
    assert cells[5, 5].customers == len(best) and cells[5, 5].margin_365d == pytest.approx(best["margin_365d"].sum())


def test_the_terminal_begins_with_money_in_the_language_asked_for(retailer, tmp_path, monkeypatch):
    settings = own_state(retailer, tmp_path)
    english, russian = (run(settings, monkeypatch, previous=PREVIOUS, language=language) for language in ("en", "ru"))
    lines = english.to_text().splitlines()
    assert lines[3] == "Where is the money?" and lines[5].startswith("LTV of the base, forecast for half a year: RUB")
    total = english.report["total"]
    assert speak("en").short_money(total["ltv_total"]["point"], "RUB") in lines[5]
    assert "Где деньги?" in russian.to_text() and "удержать" in russian.to_text()
    assert russian.report == english.report and russian.path != english.path
    with pytest.raises(UsageError, match="--lang de"):
        run(settings, monkeypatch, language="de")


def test_the_same_key_gives_the_same_bytes_or_a_refusal(retailer, tmp_path, monkeypatch):
    settings = own_state(retailer, tmp_path)
    first = run(settings, monkeypatch)
    folder = tmp_path / "state" / "out" / "segments" / "2026-10-01-en"
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    pages = [f"segments.{suffix}" for suffix in ("html", "json", "md", "xlsx")]
    assert sorted(content) == ["customers.parquet", "manifest.json", *pages]
    second = run(settings, monkeypatch)
    assert (first.written, second.written) == (True, False)
    assert second.report == first.report and second.text == first.text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    other = run(settings, monkeypatch, run_key="other")
    for name in ("customers.parquet", *pages):
        assert (folder.with_name("other") / name).read_bytes() == content[name]
    assert other.written
    with pytest.raises(UsageError, match="previous changed since"):
        run(settings, monkeypatch, previous=PREVIOUS, run_key="other")
    assert run(settings, monkeypatch, previous=PREVIOUS).run_key == f"{AS_OF}-since-{PREVIOUS}-en"
    longer = own_state(retailer, tmp_path, lambda c: c["segments"].update(lifetime_years=9))
    with pytest.raises(UsageError, match="segments changed since"):
        run(longer, monkeypatch, run_key="other")
    anew = run(longer, monkeypatch)
    assert anew.written and anew.run_key.startswith("2026-10-01-en-anew-")
    assert not run(longer, monkeypatch).written
    with pytest.raises(UsageError, match="give --refit another --run-key"):
        run(settings, monkeypatch, refit=True)
    (folder / "segments.md").write_text("better news\n")
    with pytest.raises(GateRefusedError, match=r"segments.md is not what was written"):
        run(settings, monkeypatch)


def test_ids_stand_in_the_file_made_for_them_and_nowhere_else(retailer, tmp_path, monkeypatch):
    key = run(own_state(retailer, tmp_path), monkeypatch, previous=PREVIOUS).run_key
    folder = tmp_path / "state" / "out" / "segments" / key
    ids = pd.read_parquet(folder / "customers.parquet")["customer_id"]
    assert len(ids) == ids.nunique() == json.loads((folder / "manifest.json").read_text())["customers"]
    for name in ("segments.json", "segments.md", "segments.html", "manifest.json"):
        text = (folder / name).read_text()
        assert not any(f'"{value}"' in text or f" {value} " in text for value in ids)


def test_without_champions_and_optional_tables_figures_are_left_out_and_the_notes_say_so(retailer, tmp_path):
    settings = own_state(retailer, tmp_path)
    with opened(retailer) as (_, tables):
        kept = {name: tables[name] for name in ("customers", "transactions")}
        customers = tables["customers"]
        kept["customers"] = customers.mutate(
            acquisition_cost=customers.acquisition_cost.nullif(customers.acquisition_cost)
        )
        present = {**tables.present, "customers": tables.present["customers"] - {"acquisition_cost"}}
        bare = dataclasses.replace(tables, expressions=kept, present=present)
        report, _ = analyse_segments(
            settings, bare, as_of=AS_OF, previous=PREVIOUS, progress=Silent(), champions=NOBODY
        )
    for row in (*report.segments, report.total):
        absent = (row.ltv_total, row.ltv_mean, row.value_at_risk, row.p_churn, row.cac, row.ltv_to_cac, row.payback)
        assert set(absent) == {None}
        assert (row.nps, row.csi) == (None, None)
    assert report.total.textbook_ltv > 0
    assert report.total.lost.point > 0
    assert report.flow_value == "margin_365d"
    told = {note.code for note in report.notes}
    assert told >= {"no_champion_churn", "no_champion_ltv", *(f"without_{name}" for name in SOURCES)}
    for language in ("ru", "en"):
        page = to_html(segments_document(report, speak(language))).decode()
        assert "netlift train ltv" in page and "nan" not in page


def test_a_model_without_spread_gives_totals_without_an_interval_and_says_so(retailer, tmp_path):
    settings = own_state(retailer, tmp_path)
    with opened(retailer) as (_, tables):
        report, _ = analyse_segments(
            settings, tables, as_of=AS_OF, previous=None, progress=Silent(), champions=make_champions(spread=False)
        )
    assert report.total.ltv_total.point > 0
    assert np.isnan(report.total.ltv_total.ci_lower)
    assert "no_spread" in {note.code for note in report.notes}
    assert "nan" not in to_html(segments_document(report, speak("en"))).decode()
    assert len(report.flows) == 0


def test_days_that_cannot_be_are_refused(retailer, tmp_path, monkeypatch):
    settings = own_state(retailer, tmp_path)
    with pytest.raises(UsageError, match="--previous 2026-10-01 must be before --as-of 2026-10-01"):
        run(settings, monkeypatch, previous=AS_OF)
    with pytest.raises(DataError, match="the newest receipt is of 2026-09-30"):
        run(settings, monkeypatch, as_of=date(2026, 12, 1))
    with pytest.raises(DataError, match="nobody had joined before 1999-01-01"):
        run(settings, monkeypatch, as_of=date(1999, 1, 1))
    with pytest.raises(UsageError, match="--run-key holds letters"):
        run(settings, monkeypatch, run_key="../elsewhere")
    assert not (tmp_path / "state" / "out").exists()
