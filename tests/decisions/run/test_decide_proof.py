"""A run of decisions with the held-out contacts of its model beside it: forecast, log, table and page say one thing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from decide_world import AS_OF, FEATURES, OFFERS, configure, decide, make_world, read_run, rewrite, touch

from netlift.decisions.launch_check.result import BeforeLaunch
from netlift.decisions.run.page import decision_document
from netlift.decisions.run.summary import DecisionSummary
from netlift.errors import UsageError
from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores
from netlift.report.exports import to_text
from netlift.report.language import speak
from netlift.results import to_plain
from netlift.training.uplift.evidence_file import find_proof_file, write_proof_rows
from netlift.training.uplift.evidence_rows import ProofRows

pytestmark = pytest.mark.slow

MODEL = {"model.json": b"{}"}
N = 6_000


def held_out(*, worth: float = 0.5, n: int = N, offers=OFFERS) -> ProofRows:
    """Contacts of a campaign that drew all offers evenly; a share `worth` of each prediction came true."""
    rng = np.random.default_rng(2)
    names = [feature.name for feature in FEATURES]
    drawn = {
        "days_since_last_purchase": rng.uniform(0, 500, n),
        "margin_365d": rng.gamma(1.0, 2500.0, n),
        "tenure_days": rng.uniform(30, 1500, n),
    }
    margin, tenure = drawn["margin_365d"], drawn["tenure_days"]
    uplift = np.column_stack(
        [5 + 0.01 * margin, -15 + 0.02 * margin + 0.02 * tenure, 2 + 0.002 * margin, -60 + 0.04 * margin]
    )[:, : len(offers)]
    arm = rng.integers(0, len(offers) + 1, n)
    base = rng.gamma(8.0, 6.0, n)
    y = base + np.column_stack([np.zeros(n), worth * uplift])[np.arange(n), arm]
    p = np.full(n, 1 / (len(offers) + 1))
    mu = np.full((n, len(offers) + 1), 48.0)
    return ProofRows(
        logged=LoggedOutcomes(
            y=y, arm=arm, propensity=p, customer=np.arange(n), unit="RUB/customer", level=0.95,
            scores=dr_scores(y=y, arm=arm, propensity=p, mu=mu, available=np.ones(mu.shape, dtype=bool)),
        ),
        offers=offers,
        uplift=uplift,
        reward=np.zeros_like(uplift),
        worn=np.zeros_like(uplift),
        likely=margin,
        best=np.full(n, 2, dtype=np.int64),
        X=np.column_stack([drawn[name] for name in names]).astype(np.float32),
        features=FEATURES,
        how="the newest campaign",
    )  # fmt: skip


def tight(decision):
    decision["budget"] = 2000.0
    decision["channels"]["sms"]["at_most"] = 60
    decision["explore"]["epsilon"] = 0.2
    decision["strategies"] = [{"name": "best", "who": ["region = nowhere"], "offers": ["push_reminder"]}]


def unlimited(decision):
    decision["budget"] = "unlimited"
    decision["contact_policy"]["limits"] = [{"at_most": 20, "days": 28}]  # the runs of other tests count
    for channel in decision["channels"].values():
        channel.pop("at_most", None)
    decision["triggers"] = [
        {
            "name": "silent too long",
            "kind": "trigger",
            "when": "silence",
            "over_gap": 1,
            "window_days": 31,
            "offers": ["sms_bonus_300", "email_discount_10"],
        }
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder)
    rewrite(folder, "contacts", lambda old: old[old["assigned_at"] < "2026-08-25"])  # nobody has a window open
    return folder


def kept(folder, rows):
    write_proof_rows(folder, MODEL, rows)
    return find_proof_file(folder, MODEL)


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        run = decide(configure(folder, tight), patch, kept=kept(tmp_path_factory.mktemp("kept"), held_out()))
    return run, read_run(run)["decisions"]


def test_the_log_adds_up_to_the_forecast_with_a_line_for_policy_and_one_for_lot(made):
    run, log = made
    forecast = run.summary.forecast
    assert forecast.basis == "policy" and forecast.rows == run.summary.before_launch.contacts > 1000
    assert forecast.profit.point == pytest.approx(log["expected_profit"].sum())
    assert forecast.profit.ci_lower < forecast.profit.point < forecast.promised
    given = log[log["offer_id"] != "none"]
    slopes = {}
    for arm, rows in given.groupby("arm"):
        uplift = rows["promised_profit"] + rows["fatigue"] - rows["expected_future"]
        corrected = rows["expected_profit"] + rows["fatigue"] - rows["expected_future"]
        slopes[arm], _ = np.polyfit(uplift, corrected, 1)
        assert np.allclose(np.polyval(np.polyfit(uplift, corrected, 1), uplift), corrected, atol=0.01), "one line"
    assert set(slopes) == {"policy", "explore"} and slopes["policy"] != slopes["explore"]
    told = run.summary.before_launch
    share = told.realised.point / told.predicted
    assert slopes["policy"] == pytest.approx(share, rel=0.01), "no predicted gain becomes a loss"
    width = given["expected_profit_upper"] - given["expected_profit_lower"]
    shared = (forecast.profit.ci_upper - forecast.profit.ci_lower) / 2
    assert (width > 0).all() and shared > np.sqrt((width**2).sum()) / 2, "the error of the line does not average out"


def test_the_table_is_of_this_policy_within_these_limits(made):
    run, _ = made
    before = run.summary.before_launch
    names = [one.name for one in before.policies]
    assert names == ["policy", "nobody", "best", "likely_buyers", "rules", "at_random"] and before.why_not == ""
    by_name = {one.name: one for one in before.policies}
    assert before.policies[0].ours_above is None and before.nobody.ours_above.ci_lower > 0
    assert not by_name["best"].in_reach and by_name["at_random"].in_reach and before.beaten_by is None
    assert before.rows == N and before.not_learned == () and before.not_asked == ("region",)
    assert before.predicted * 0.3 < before.realised.point < before.predicted
    assert all(one.effective_rows > 100 and one.max_weight <= 5.001 for one in before.policies)


def test_the_manifest_holds_the_proof_and_the_digest_of_what_it_rests_on(made):
    run, _ = made
    manifest = json.loads((Path(run.path) / "manifest.json").read_text())
    assert DecisionSummary.from_plain(manifest["summary"]) == run.summary
    assert len(manifest["digests"]["held_out"]) == 64
    assert {"effective_rows", "max_weight", "without_support"} < set(
        manifest["summary"]["before_launch"]["policies"][0]
    )
    few = BeforeLaunch(why_not="missing")
    assert BeforeLaunch.from_plain(json.loads(json.dumps(to_plain(few)))) == few


def test_other_held_out_rows_are_other_inputs(folder, made, monkeypatch, tmp_path):
    with pytest.raises(UsageError, match="held_out changed"):
        decide(configure(folder, tight), monkeypatch, kept=kept(tmp_path, held_out(worth=0.4)))


def test_the_page_says_it_in_both_languages(made):
    run, _ = made
    english, russian = replace(run, language="en").to_text(), replace(run, language="ru").to_text()
    for words in (
        "Before launch",
        "Better than no contact: +RUB",
        "the best offer to everybody (beyond the limits)",
        "count as met: region",
        "6,000 contacts of past campaigns",
        "Checked on past campaigns: forecast RUB",
    ):
        assert words in english, words
    for words in (
        "Проверка до запуска",
        "Лучше варианта «без коммуникаций»",
        "всем лучшее предложение (сверх ограничений)",
    ):
        assert words in russian, words
    assert len(english.splitlines()) < 75


def test_a_policy_certainly_worse_than_a_rule_says_so_first_and_is_written_all_the_same(folder, monkeypatch, tmp_path):
    run = decide(
        configure(folder, unlimited),
        monkeypatch,
        run_key="worse",
        language="en",
        kept=kept(tmp_path, held_out(worth=-1)),
    )
    before = run.summary.before_launch
    assert before.beaten_by is before.nobody and before.nobody.ours_above.ci_upper < 0
    document = decision_document(run.summary, speak("en"), path="x", written=True)
    assert document.notice.startswith("On past campaigns these decisions are worse than this rule: no contact.")
    text = run.to_text()
    assert text.index("Careful") < text.index("Expected profit") and run.summary.contacted > 0
    assert "Внимание" in to_text(decision_document(run.summary, speak("ru"), path="x", written=True))


def test_few_held_out_contacts_leave_the_forecast_to_the_tenths(folder, monkeypatch, tmp_path):
    run = decide(configure(folder), monkeypatch, run_key="few", language="en", kept=kept(tmp_path, held_out(n=28)))
    before = run.summary.before_launch
    assert run.summary.forecast.basis == "tenths" and before.realised is None and before.contacts < 30
    assert before.why_not == "" and "Too few" in run.to_text() and "by tenths" in run.to_text()


def test_without_rows_or_offers_in_common_the_page_says_why(folder, monkeypatch, tmp_path):
    alone = decide(configure(folder), monkeypatch, run_key="alone", language="en")
    assert alone.summary.before_launch == BeforeLaunch(why_not="missing") and "training left none" in alone.to_text()
    others = replace(held_out(), offers=("a", "b", "c", "d"))
    run = decide(configure(folder), monkeypatch, run_key="others", kept=kept(tmp_path, others))
    assert run.summary.before_launch.why_not == "unlearned" and run.summary.forecast.basis == "tenths"
    some = kept(tmp_path, held_out(offers=OFFERS[:3]))
    run = decide(configure(folder), monkeypatch, run_key="some", language="en", kept=some)
    assert run.summary.before_launch.not_learned == ("call_advice",) and "No held-out campaign had" in run.to_text()


def test_the_list_of_a_trigger_has_the_line_and_no_table(folder, monkeypatch, tmp_path):
    shutil.copytree(folder / "var" / "demo", tmp_path / "var" / "demo")  # without the lists that leave windows open
    touch(tmp_path)
    run = decide(
        configure(tmp_path, unlimited), monkeypatch, trigger="silent too long", language="en", as_of=AS_OF,
        kept=kept(tmp_path, held_out()),
    )  # fmt: skip
    assert run.summary.before_launch == BeforeLaunch(why_not="list") and "a trigger's list" in run.to_text()
    assert run.summary.forecast.basis == "policy" and run.summary.contacted > 0
    log = read_run(run)["decisions"]
    assert run.summary.forecast.profit.point == pytest.approx(log["expected_profit"].sum())
