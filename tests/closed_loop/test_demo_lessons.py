"""What the loop learns: a refusal leaves the champion in place, and how soon its offers may follow one another."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

import netlift.closed_loop.learning as lessons
from netlift.closed_loop.learning import Study, learn_uplift
from netlift.closed_loop.policies import OFFER_IDS
from netlift.closed_loop.result import CONSTANT, PASSED, SILENT, STANDS


@pytest.fixture
def learn(monkeypatch):
    """A lesson with a gate that answers as told, and models that are words."""

    class Rows:
        offers = OFFER_IDS

        def __len__(self):
            return 9

    def lesson(*, passes, standing=None, asks=True, constant_pays=True, model="new"):
        check = SimpleNamespace(passed=passes, words="passes" if passes else "refuses")
        monkeypatch.setattr(lessons, "build_contact_rows", lambda *_, **__: (Rows(), (), ()))
        monkeypatch.setattr(lessons, "read_history", lambda _: None)
        monkeypatch.setattr(lessons, "read_past_costs", lambda *_, **__: None)
        monkeypatch.setattr(lessons, "average_effects", lambda _: np.array([3.0, -1.0, 2.0, -5.0]))
        kind = "whole" if passes else "constant" if constant_pays else "nobody"
        permission = SimpleNamespace(kind=kind, counted=None)
        monkeypatch.setattr(lessons, "ship_uplift", lambda *_, **__: SimpleNamespace(permission=permission))
        monkeypatch.setattr(lessons, "judge_by_gate", lambda *_: (check,))
        monkeypatch.setattr(lessons, "_added", lambda _: ("proven",) if passes else ())
        monkeypatch.setattr(lessons, "StoredModel", lambda files: files)
        monkeypatch.setattr(lessons.UpliftLearning, "fit", lambda *_: SimpleNamespace(files=model))
        study = Study(as_of=dt.date(2027, 1, 1), seed=1, currency="RUB", rows_per_partition=10, asks=asks)
        definition = SimpleNamespace(gates=SimpleNamespace(confidence=0.9), wear=None)
        return learn_uplift(None, definition, None, study=study, standing=standing)

    return lesson


def test_a_model_that_passes_decides_and_learns_on_between_gates(learn):
    first = learn(passes=True, model="January")
    later = learn(passes=False, standing=first, asks=False, model="February")
    assert (first.model, later.model) == ("January", "February")
    assert first.ruling.verdict == later.ruling.verdict == PASSED


def test_a_refusal_leaves_the_champion_as_it_was_until_another_passes(learn):
    champion = learn(passes=True, model="January")
    refused = learn(passes=False, standing=champion, model="April")
    between = learn(passes=False, standing=refused, asks=False, model="May")
    again = learn(passes=True, standing=between, model="July")
    assert refused.model == between.model == "January" and again.model == "July"
    assert refused.ruling.verdict == between.ruling.verdict == STANDS
    assert refused.ruling.said == ("refuses",) and refused.ruling.added == champion.ruling.added == ("proven",)


def test_without_a_champion_the_best_on_average_goes_out_only_where_it_clearly_pays(learn):
    pays, silent = learn(passes=False), learn(passes=False, constant_pays=False)
    assert pays.model is None and silent.model is None
    assert pays.ruling.verdict == CONSTANT and pays.averages.max() == 3.0
    assert silent.ruling.verdict == SILENT and silent.averages.max() < 0
    assert pays.ruling.added == ()


def test_a_lesson_without_a_standing_one_asks_the_gate_whatever_the_month(learn):
    assert learn(passes=True, asks=False).ruling.said == ("passes",)
