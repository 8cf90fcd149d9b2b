"""The night as one job: the two files agree, or nobody is told that they do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from netlift.cli import decisions
from netlift.decisions.run.decide import DecideRequest
from netlift.errors import GateRefusedError, UsageError
from netlift.pipelines import score_and_decide as night
from netlift.pipelines.score_and_decide import score_and_decide
from netlift.progress import Silent

NOW = datetime(2026, 10, 1, 6, tzinfo=UTC)
REQUEST = DecideRequest(as_of=date(2026, 10, 1))


def a_night(patch, scored):
    """A night whose scores were made from these; returns what was run, in order, and how to run it."""
    ran = []

    def score(settings, *, as_of, run_key, **_):
        ran.append(("score", run_key))
        return SimpleNamespace(digests=scored, to_text=lambda: "scores")

    def decide(settings, request, *, scored, **_):
        ran.append(("decide", request.key, scored))
        return SimpleNamespace(to_text=lambda: "decisions")

    patch.setattr(night, "score_business", score)
    patch.setattr(night, "decide_business", decide)
    return ran, lambda: score_and_decide(None, REQUEST, progress=Silent(), now=NOW, lock_timeout=0)


def test_scores_come_first_both_have_one_key_and_the_decisions_know_what_was_scored(monkeypatch):
    made = {"model_uplift": "u", "model_churn": "c", "data": "d"}
    ran, run = a_night(monkeypatch, made)
    assert run().to_text() == "scores\n\ndecisions"
    assert ran == [("score", "2026-10-01"), ("decide", "2026-10-01", made)]


def test_scores_that_are_refused_leave_no_decisions(monkeypatch):
    ran, run = a_night(monkeypatch, {})

    def refuse(*_, **__):
        raise GateRefusedError("no scores were written")

    monkeypatch.setattr(night, "score_business", refuse)
    with pytest.raises(GateRefusedError, match="no scores"):
        run()
    assert not ran


def test_a_list_of_a_trigger_is_no_night():
    app = typer.Typer()
    decisions.register(app)
    told = CliRunner().invoke(app, ["decide", "--as-of", "2026-10-01", "--score", "--trigger", "welcome"])
    assert isinstance(told.exception, UsageError) and "--score" in str(told.exception)
