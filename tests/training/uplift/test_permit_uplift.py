"""What may go live of a policy: all that is proven, no more, and said in words."""

from types import SimpleNamespace

import numpy as np
import pytest

from netlift.config.definitions import UpliftGate
from netlift.evaluation.policy.off_policy import LoggedOutcomes, choose_arms
from netlift.training.uplift.holdout import Judged
from netlift.training.uplift.permission import permit

GATES = UpliftGate(min_gain_over_constant=0.0, level=0.95, confidence=0.9)
OFFERS = ("mail", "call")


def judged(uplift, effect, *, noise=10.0, seed=1):
    """Rows with predictions and true effects of two offers, both of shape (n, 2)."""
    rng, n = np.random.default_rng(seed), len(uplift)
    scores = np.column_stack([np.zeros(n), effect + rng.normal(0, noise, effect.shape)])
    logged = LoggedOutcomes(
        y=np.zeros(n), arm=np.zeros(n, dtype=np.int64), propensity=np.full(n, 1 / 3), scores=scores,
        customer=np.arange(n), unit="RUB/customer", level=0.95,
    )  # fmt: skip
    return Judged(logged=logged, policy=choose_arms(uplift, logged.available), uplift=uplift, rows=np.arange(n))


def ask(uplift, effect, *, late=None, monkeypatch, seed=1):
    monkeypatch.setattr("netlift.training.uplift.permission.average_effects", lambda _: effect.mean(axis=0))
    found = judged(uplift, effect, seed=seed)
    newest = judged(uplift[:2000], effect[:2000] if late is None else late[:2000], seed=seed + 100)
    return permit(found, newest, SimpleNamespace(offers=OFFERS), GATES)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=20_000)


def test_a_policy_that_beats_nobody_and_every_proven_constant_ships_whole(x, monkeypatch):
    effect = np.column_stack([2 * x, 1 - 2 * x])
    found = ask(effect, effect, monkeypatch=monkeypatch)
    assert found.kind == "whole" and all(check.passed for check in found.checks)
    assert [row.part for row in found.parts if row.ships] == ["the whole policy"]
    assert any("giving everybody call" in check.words for check in found.checks)


def test_where_one_offer_for_all_is_best_that_constant_ships_named_as_such(x, monkeypatch):
    effect = np.column_stack([np.full(len(x), 1.5), np.full(len(x), -1.0)])
    found = ask(1.5 + 0.3 * np.column_stack([x, -x - 10]), effect, monkeypatch=monkeypatch)
    assert found.kind == "constant" and found.counted.offers == (0,)
    assert found.words.startswith("what ships is one offer for all, everybody mail")
    assert all(check.passed for check in found.checks)


def test_of_a_policy_with_one_upside_down_offer_the_other_ships(x, monkeypatch):
    predicted = np.column_stack([x, 3 * np.roll(x, 1)])
    effect = np.column_stack([x, -9 * np.roll(x, 1)])
    found = ask(predicted, effect, monkeypatch=monkeypatch)
    assert (found.kind, found.counted.offers) == ("part", (0,))
    assert "mail alone" in found.words
    shipped = next(row for row in found.parts if row.ships)
    assert shipped.gain.point == pytest.approx(np.maximum(x, 0).mean(), abs=5 * 10 / np.sqrt(len(x)))


def test_of_predictions_that_hold_at_the_top_alone_the_top_ships(x, monkeypatch):
    predicted = np.column_stack([x, np.full(len(x), -1.0)])
    effect = np.where(predicted > 1.0, 4.0, np.where(predicted > 0, -8.0, -1.0))
    found = ask(predicted, effect, monkeypatch=monkeypatch)
    assert found.kind == "part" and 0.5 < found.counted.cutoff < 1.5
    assert "predicted to earn over" in found.words


def test_without_any_gain_nothing_ships_and_the_words_are_of_the_whole_policy(x, monkeypatch):
    effect = np.full((len(x), 2), -1.0)
    found = ask(np.column_stack([x, -x]), effect, monkeypatch=monkeypatch)
    assert found.kind == "nobody" and not all(check.passed for check in found.checks)
    assert not any(row.ships for row in found.parts)


def test_what_the_newest_campaigns_contradict_does_not_ship(x, monkeypatch):
    effect = np.column_stack([np.full(len(x), 1.5), np.full(len(x), -1.0)])
    found = ask(1.5 + 0.3 * np.column_stack([x, -x - 10]), effect, late=effect - 5, monkeypatch=monkeypatch)
    assert found.kind == "nobody"


def test_a_policy_that_is_the_constant_does_not_contradict_itself(x, monkeypatch):
    effect = np.column_stack([np.full(len(x), 1.5), np.full(len(x), -1.0)])
    found = ask(effect, effect, monkeypatch=monkeypatch)
    assert found.kind == "constant"
    assert not any("contradict" in check.words for check in found.checks) and "contradict" not in found.words
