from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from scipy import stats
from segment_world import make_champions, make_retailer, write_config
from typer.testing import CliRunner

from netlift import cli
from netlift.config.business import load
from netlift.data.history import History
from netlift.errors import ConfigError, GateRefusedError, HistoryTooShortError, UsageError
from netlift.pipelines import scorecard
from netlift.pipelines.scorecard import FILES, Request, make_scorecard
from netlift.progress import Silent
from netlift.report import files as page_files
from netlift.report.language import speak
from netlift.scorecards.campaign_effects import find_readouts
from netlift.scorecards.months import plan_months

pytestmark = pytest.mark.slow

NOW = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
NOBODY = ([], ("churn", "ltv"))
TOTAL = "(all)"
RU = speak("ru")


@pytest.fixture(scope="module")
def retailer(tmp_path_factory):
    return make_retailer(tmp_path_factory.mktemp("retailer"), customers=500)


def run(settings, *, champions=None, readouts=(), now=NOW, patch, **asked):
    patch.setattr(scorecard, "find_champions", lambda *_: champions or make_champions())
    request = Request(**{"months": 3, "until": None, "language": "ru", **asked})
    return make_scorecard(settings, request, readouts=readouts, progress=Silent(), now=now, lock_timeout=0)


@pytest.fixture(scope="module")
def made(retailer):
    """The scorecard of three months, and the settings that it was made from."""
    settings = load(retailer)
    with pytest.MonkeyPatch.context() as patch:
        return settings, run(settings, patch=patch)


def figures_of(summary):
    rows = summary.scorecard["figures"]["rows"]
    return {(row["month"], row["segment"], row["metric"]): row for row in rows}


def read_receipts(settings):
    return pd.read_parquet(settings.data.tables["transactions"].path)


def test_the_months_are_those_of_the_raw_receipts(made):
    settings, summary = made
    figures = figures_of(summary)
    receipts = read_receipts(settings)
    assert summary.scorecard["months"] == ["2026-07-01", "2026-08-01", "2026-09-01"]
    for month in summary.scorecard["months"]:
        own = receipts[receipts["occurred_at"].dt.strftime("%Y-%m-01") == month]
        bought = own[~own["is_return"].fillna(False).astype(bool)]
        assert figures[month, TOTAL, "revenue"]["value"] == pytest.approx(own["revenue"].sum())
        assert figures[month, TOTAL, "margin"]["value"] == pytest.approx(own["margin"].sum())
        assert figures[month, TOTAL, "active_customers"]["value"] == bought["customer_id"].nunique()
        assert figures[month, TOTAL, "average_receipt"]["value"] == pytest.approx(bought["revenue"].mean())


def test_ltv_and_churn_are_those_of_the_champions(made):
    settings, summary = made
    figure = figures_of(summary)["2026-09-01", TOTAL, "ltv_total"]
    receipts = read_receipts(settings)
    year = receipts[(receipts["occurred_at"] >= "2025-09-01") & (receipts["occurred_at"] < "2026-09-01")]
    assert figure["value"] == pytest.approx(year["margin"].sum() / 3, rel=0.02), "a third of the margin of a year"
    two_biases = 0.1 * stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)
    assert summary.scorecard["basis"]["level_sd"] == pytest.approx(two_biases)
    assert figure["ci_lower"] < figure["value"] * (1 - 0.1 * stats.t.ppf(0.975, 2))
    churn = figures_of(summary)["2026-09-01", TOTAL, "churn_predicted"]
    assert 0 < churn["value"] < 1 and churn["n"] == figure["n"]


def test_observed_churn_is_known_where_its_time_has_passed(made):
    settings, summary = made
    figures = figures_of(summary)
    assert figures["2026-09-01", TOTAL, "churn_observed"]["absent"] == "not_mature"
    receipts = read_receipts(settings)
    bought = receipts[~receipts["is_return"].fillna(False).astype(bool)]
    days = bought["occurred_at"].dt.normalize()
    active = bought.loc[(days >= "2025-06-01") & (days < "2026-06-01"), "customer_id"].unique()
    stayed = bought.loc[(bought["occurred_at"] >= "2026-06-08") & (bought["occurred_at"] < "2026-09-06"), "customer_id"]
    with pytest.MonkeyPatch.context() as patch:
        june = run(settings, patch=patch, months=1, until=date(2026, 6, 1), language="en")
    figure = figures_of(june)["2026-06-01", TOTAL, "churn_observed"]
    assert figure["n"] == len(active)
    assert figure["value"] == pytest.approx(1 - pd.Series(active).isin(stayed).mean())


def test_the_newest_month_is_compared_with_the_year_before_though_that_is_not_shown(made):
    _, summary = made
    changes = summary.scorecard["changes"]["rows"]
    assert {change["against"] for change in changes} == {"month", "year"}
    assert "2025-09-01" not in {month for month, _, _ in figures_of(summary)}


def test_four_files_appear_together_and_again_the_same(made, tmp_path):
    settings, summary = made
    folder = settings.state / "out" / "scorecard" / summary.run_key
    assert {path.name for path in folder.iterdir()} == {*FILES.values(), "manifest.json"}
    before = {name: (folder / name).read_bytes() for name in FILES.values()}
    with pytest.MonkeyPatch.context() as patch:
        again = run(settings, patch=patch, now=LATER)
        assert not again.written and again.scorecard == summary.scorecard
        assert "Уже сохранено" in again.to_text()
        other = run(settings, patch=patch, now=LATER, run_key="other")
    assert other.written
    for name, content in before.items():
        assert (folder.parent / "other" / name).read_bytes() == content


def test_a_key_whose_inputs_changed_is_refused_and_so_is_a_file_that_was_changed(made, tmp_path):
    settings, summary = made
    with pytest.MonkeyPatch.context() as patch:
        with pytest.raises(UsageError, match="model_ltv"):
            run(settings, patch=patch, champions=make_champions(horizon=364), run_key=summary.run_key)
        (tmp_path / "study.json").write_text("{}")
        anew = run(settings, patch=patch, readouts=[tmp_path / "study.json"])
        assert anew.written and anew.run_key.startswith(f"{summary.run_key}-anew-")
        assert not run(settings, patch=patch, readouts=[tmp_path / "study.json"]).written
        run(settings, patch=patch, months=1, run_key="spoilt")
        page = settings.state / "out" / "scorecard" / "spoilt" / "scorecard.html"
        page.write_text("<p>better figures</p>")
        with pytest.raises(GateRefusedError, match=r"scorecard\.html is not what was written"):
            run(settings, patch=patch, months=1, run_key="spoilt")


def test_a_job_that_fails_leaves_nothing(made, monkeypatch):
    settings, _ = made
    monkeypatch.setattr(page_files, "to_xlsx", lambda _: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        run(settings, patch=monkeypatch, months=1, run_key="failed")
    folder = settings.state / "out" / "scorecard"
    assert not (folder / "failed").exists() and not list(folder.glob(".staging*"))


def test_without_champions_the_value_is_absent_and_the_rest_stands(made, monkeypatch):
    settings, _ = made
    summary = run(settings, patch=monkeypatch, champions=NOBODY, months=1, language="en")
    figures = figures_of(summary)
    assert figures["2026-09-01", TOTAL, "ltv_total"]["absent"] == "no_ltv"
    assert figures["2026-09-01", TOTAL, "churn_predicted"]["absent"] == "no_churn"
    assert figures["2026-09-01", TOTAL, "margin"]["value"] > 0
    assert "no LTV model" in summary.to_text()


def test_readouts_become_profit_and_unmeasured_campaigns_are_said(made, monkeypatch, tmp_path):
    settings, _ = made
    campaigns = pd.read_parquet(settings.data.tables["campaigns"].path)
    newest = campaigns.sort_values("started_at").iloc[-1]
    month = newest["started_at"].strftime("%Y-%m")
    estimate = {"point": 5000.0, "ci_lower": 1000.0, "ci_upper": 9000.0, "level": 0.95, "unit": "RUB"}
    readout = {"campaign_id": "other", "month": month, "incremental_profit": estimate, "incremental_cost": 2500.0}
    folder = tmp_path / "out" / "readouts"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text(json.dumps({**readout, "roi": {**estimate, "point": 2000.0}}))
    files = find_readouts(tmp_path, tmp_path / "experiments")
    summary = run(settings, patch=monkeypatch, readouts=files, until=date.fromisoformat(f"{month}-01"), run_key="read")
    figures = figures_of(summary)
    assert figures[f"{month}-01", TOTAL, "incremental_profit"]["value"] == 5000.0
    assert figures[f"{month}-01", TOTAL, "contacts_roi"]["value"] == 2.0
    assert "readouts_partial" in {note["code"] for note in summary.scorecard["notes"]}
    later = run(settings, patch=monkeypatch, readouts=files, months=3, language="en", run_key="later")
    assert figures_of(later)["2026-09-01", TOTAL, "incremental_profit"]["absent"] == "no_readout"
    assert f", {newest['started_at']:%B %Y}: " in later.to_text() and month < "2026-09"


def test_tables_that_are_not_there_are_said_and_never_zero(retailer, monkeypatch):
    def without(content):
        for name in ("campaigns", "contacts", "offers", "events", "surveys"):
            del content["data"]["tables"][name]
        content["state"] = str(retailer.parents[1] / "bare")
        content["data"]["attributes"] = []

    settings = load(write_config(retailer.parents[1], without, name="bare"))
    figures = figures_of(run(settings, patch=monkeypatch, months=1))
    absent = {name: figures["2026-09-01", TOTAL, name]["absent"] for name in ("nps", "csi", "contacts_per_customer")}
    assert absent == {"nps": "no_surveys", "csi": "no_surveys", "contacts_per_customer": "no_contacts"}


def test_parts_of_the_months_give_the_same_as_all_at_once(made, monkeypatch):
    settings, summary = made
    monkeypatch.setattr(scorecard, "CUSTOMERS_AT_ONCE", 1)
    parts = run(settings, patch=monkeypatch, run_key="parts")
    assert parts.scorecard["figures"] == summary.scorecard["figures"]


def test_a_config_without_segments_is_refused(retailer, monkeypatch):
    settings = load(write_config(retailer.parents[1], lambda content: content.pop("segments"), name="plain"))
    with pytest.raises(ConfigError, match="no segments block"):
        run(settings, patch=monkeypatch)


def plan(first, end, months=12, until=None):
    return plan_months(History(first=first, end=end), months=months, until=until, words=RU)


def test_months_that_are_not_whole_are_left_out_and_said():
    span = plan(date(2025, 11, 5), date(2026, 3, 20))
    assert [str(month) for month in span.shown] == ["2025-12", "2026-01", "2026-02"]
    assert [note.code for note in span.notes] == ["ends_early", "begins_late", "fewer_months"]
    whole = plan(date(2024, 1, 1), date(2026, 3, 1), months=2)
    assert [str(month) for month in whole.shown] == ["2026-01", "2026-02"] and whole.notes == ()
    assert [str(month) for month in whole.compared] == ["2025-02"]


def test_the_first_month_has_no_customers_who_bought_before_it_and_is_not_shown():
    assert str(plan(date(2026, 1, 1), date(2026, 4, 1)).shown[0]) == "2026-02"


@pytest.mark.parametrize("until", [date(2026, 3, 1), date(2025, 11, 1), date(2020, 1, 1)])
def test_a_month_that_is_not_whole_cannot_be_asked_for(until):
    with pytest.raises(UsageError, match="whole months 2025-12 to 2026-02"):
        plan(date(2025, 11, 5), date(2026, 3, 20), until=until)


def test_data_without_a_whole_month_are_refused():
    with pytest.raises(HistoryTooShortError, match="no whole month"):
        plan(date(2026, 2, 5), date(2026, 3, 20))
    with pytest.raises(UsageError, match="--months 0"):
        plan(date(2025, 1, 1), date(2026, 3, 20), months=0)


def test_the_verb_writes_and_prints_one_document(made, monkeypatch, tmp_path):
    settings, _ = made
    monkeypatch.setattr(scorecard, "find_champions", lambda *_: make_champions())
    config = write_config(settings.state.parent, name="demo")
    arguments = ["scorecard", "--config", str(config), "--months", "1", "--lang", "en", "--run-key", "verb", "--json"]
    ran = CliRunner().invoke(cli.app, arguments)
    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    assert document["schema_version"] == 1 and document["scorecard"]["months"] == ["2026-09-01"]
    shutil.rmtree(settings.state / "out" / "scorecard" / "verb")
    refused = CliRunner().invoke(cli.app, [*arguments[:5], "--lang", "de"])
    assert isinstance(refused.exception, UsageError)
