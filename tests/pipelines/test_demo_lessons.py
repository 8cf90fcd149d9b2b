"""What the loop learns: a refusal leaves the champion in place, and rest is as short as draws have proven."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

import netlift.pipelines.demo_lessons as lessons
from netlift.evaluation.closed_loop import CONSTANT, PASSED, SILENT, STANDS
from netlift.evaluation.off_policy import LoggedOutcomes
from netlift.features.matrix import Feature
from netlift.pipelines.demo_lessons import Study, learn_uplift
from netlift.pipelines.demo_policies import OFFER_IDS
from netlift.pipelines.demo_rest import LONGEST, measure_rests, shortest_rest

CONFIDENCE = 0.9


def evidence(*, gains, n=6000, feature="days_since_last_contact"):
    """Rows with a known gain by days since the last contact: 0 to 30, 31 to 60, 61 on."""
    rng = np.random.default_rng(8)
    since = rng.integers(1, 160, n).astype(np.float32)
    customer = rng.permutation(n)
    gain = np.array(gains)[np.searchsorted([31, 61], since, side="right")] + rng.normal(0, 20, n)
    features = (Feature(name=feature, unit="days", source="contacts", formula=""),)
    rows = SimpleNamespace(features=features, X=since[:, None])
    order = rng.permutation(n)
    logged = LoggedOutcomes(
        y=np.zeros(n), arm=np.zeros(n, dtype=np.int64), propensity=np.full(n, 0.5), customer=customer[order],
        scores=np.column_stack([np.zeros(n), gain])[order], unit="RUB/customer", level=0.95,
    )  # fmt: skip
    judged = SimpleNamespace(logged=logged, policy=np.ones(n, dtype=np.int64), rows=order)
    return SimpleNamespace(rows=rows, evidence=judged)


def test_gains_by_days_since_the_last_contact_are_recovered():
    bands = measure_rests(evidence(gains=(2.0, 30.0, 50.0)), confidence=CONFIDENCE)
    assert [band.rest_days for band in bands] == [0, 31]
    for band, truth in zip(bands, (2.0, 30.0), strict=True):
        assert band.gain.point == pytest.approx(truth, abs=4 * 20 / np.sqrt(band.rows))
        assert band.gain.level == pytest.approx(0.8)
    assert bands[0].rested.point > bands[0].gain.point


@pytest.mark.parametrize(
    ("gains", "days"),
    [
        ((-5.0, 30.0, 50.0), 31),
        ((30.0, 30.0, 50.0), 0),
        ((15.0, 30.0, 50.0), 31),
        ((-1, -1, -1), 31),
    ],
)
def test_the_rest_is_the_shortest_that_is_proven_to_earn_over_half_of_a_rested_contact(gains, days):
    assert shortest_rest(measure_rests(evidence(gains=gains), confidence=CONFIDENCE)) == days


def test_features_that_do_not_tell_the_days_leave_the_longest_rest():
    bands = measure_rests(evidence(gains=(9.0, 9.0, 9.0), feature="tenure_days"), confidence=CONFIDENCE)
    assert bands == () and shortest_rest(bands) == LONGEST


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
        monkeypatch.setattr(lessons, "measure_rests", lambda *_, **__: ())
        monkeypatch.setattr(lessons, "StoredModel", lambda files: files)
        monkeypatch.setattr(lessons.UpliftLearning, "fit", lambda *_: SimpleNamespace(files=model))
        study = Study(as_of=dt.date(2027, 1, 1), seed=1, currency="RUB", rows_per_partition=10, asks=asks)
        definition = SimpleNamespace(gates=SimpleNamespace(confidence=0.9))
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
    assert refused.ruling.said == ("refuses",) and refused.ruling.rest_days == champion.ruling.rest_days


def test_without_a_champion_the_best_on_average_goes_out_only_where_it_clearly_pays(learn):
    pays, silent = learn(passes=False), learn(passes=False, constant_pays=False)
    assert pays.model is None and silent.model is None
    assert pays.ruling.verdict == CONSTANT and pays.averages.max() == 3.0
    assert silent.ruling.verdict == SILENT and silent.averages.max() < 0
    assert pays.ruling.rest_days == LONGEST


def test_a_lesson_without_a_standing_one_asks_the_gate_whatever_the_month(learn):
    assert learn(passes=True, asks=False).ruling.said == ("passes",)
