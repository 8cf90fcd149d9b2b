from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from logged_world import forecast, log, plant

from netlift.errors import DataError
from netlift.estimators.uplift.relative_effects import clustered_slope
from netlift.evaluation.policy.forecast_lines import Lines
from netlift.evaluation.policy.profit_forecast import find_worth, promise_by_offer, worth_by_tenth


def test_the_interval_covers_the_realised_profit_of_launches_and_the_mean_of_predictions_misses_it():
    covered = over = naive = 0
    widths = []
    for seed in range(100):
        rng = np.random.default_rng([seed, 17])
        seen, launch = plant(12_000, rng), plant(10_000, rng)
        worth = find_worth(log(seen, rng), seen.choice, seen.chosen)
        given = launch.choice > 0
        profit, promise = forecast(worth, launch.chosen[given]), launch.chosen[given].sum()
        realised = launch.realised(launch.choice)
        covered += profit.ci_lower <= realised <= profit.ci_upper
        naive += profit.ci_lower <= promise <= profit.ci_upper
        over += promise > realised
        widths.append((profit.ci_upper - profit.ci_lower) / realised)
    assert 90 <= covered <= 99
    assert naive <= 2 and over == 100, "the winner's curse: what is chosen is chosen for its noise too"
    assert np.median(widths) < 1.3, "covers by being right, not by being wide"


def test_another_choice_of_customers_at_launch_is_followed_by_the_slope():
    rng = np.random.default_rng(3)
    seen, launch = plant(60_000, rng), plant(60_000, rng)
    worth = find_worth(log(seen, rng), seen.choice, seen.chosen)
    best = np.argsort(-launch.chosen)[:15_000]
    choice = np.zeros(len(launch.profits), dtype=int)
    choice[best] = launch.choice[best]
    profit = forecast(worth, launch.chosen[best])
    assert profit.ci_lower <= launch.realised(choice) <= profit.ci_upper
    assert profit.point > 15_000 * worth.level.point * 1.2
    assert 0 < worth.slope.ci_lower < worth.slope.ci_upper < 0.5, "a fifth of what differs is true: 1 / (1 + 2²)"


def test_predictions_that_are_true_keep_their_slope():
    away, slopes = [], 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 4])
        seen = plant(3_000, rng, noise=0.0)
        worth = find_worth(log(seen, rng), seen.choice, seen.chosen)
        slopes += worth.slope.ci_lower < 1 < worth.slope.ci_upper
        given = seen.chosen[seen.choice > 0]
        error, _ = Lines.of([worth.line], level=0.95, chosen=[False]).errors(
            given, np.zeros(len(given), dtype=np.int64)
        )
        away.append((forecast(worth, given).point - given.sum()) / error)
    assert slopes >= 52 and abs(np.mean(away)) < 3 / np.sqrt(60)


def test_slope_and_error_are_those_of_a_clustered_regression():
    rng = np.random.default_rng(6)
    seen = plant(2_000, rng)
    logged = log(seen, rng, customer=np.arange(2_000) // 2)
    worth = find_worth(logged, seen.choice, seen.chosen)
    given = seen.choice > 0
    effect = (logged.scores[np.arange(2_000), seen.choice] - logged.scores[:, 0])[given]
    slope, error = clustered_slope(seen.chosen[given], effect, np.ones(given.sum()), logged.customer[given])
    assert worth.slope.point == pytest.approx(slope)
    assert (worth.slope.ci_upper - worth.slope.ci_lower) / 2 / 1.959964 == pytest.approx(error, rel=0.01)
    assert worth.level.point == pytest.approx(effect.mean())


def test_one_prediction_for_all_has_its_level_corrected():
    rng = np.random.default_rng(7)
    seen = plant(20_000, rng)
    always = np.ones(20_000, dtype=int)
    worth = find_worth(log(seen, rng), always, np.full(20_000, 3.0))
    profit = forecast(worth, np.full(1000, 3.0))
    assert worth.slope.point == 1 and profit.ci_lower < 500 < profit.ci_upper < 3000


def test_tenths_are_in_order_and_hold_every_contact():
    rng = np.random.default_rng(8)
    seen = plant(30_000, rng)
    worth = find_worth(log(seen, rng), seen.choice, seen.chosen)
    tenths = worth_by_tenth(worth).rows
    assert len(tenths) == 10 and sum(row.contacts for row in tenths) == worth.contacts
    assert all(a.predicted > b.predicted for a, b in pairwise(tenths))
    whole = sum(row.contacts * row.realised.point for row in tenths) / worth.contacts
    assert whole == pytest.approx(worth.level.point)
    tied = worth_by_tenth(find_worth(log(seen, rng), seen.choice, np.minimum(np.ceil(seen.chosen), 3.0))).rows
    assert tied[0].predicted == 3.0 and tied[0].contacts == (seen.chosen > 2).sum(), "equal predictions stay together"
    assert len(tied) <= 3 and sum(row.contacts for row in tied) == worth.contacts


def test_too_few_contacts_and_unknown_predictions_are_refused_by_count():
    rng = np.random.default_rng(9)
    seen = plant(200, rng)
    logged = log(seen, rng)
    with pytest.raises(DataError, match="contacts 0 of 200"):
        find_worth(logged, np.zeros(200, dtype=int), seen.chosen)
    worth = find_worth(logged, seen.choice, seen.chosen)
    with pytest.raises(DataError, match="1 of 2"):
        forecast(worth, np.array([1.0, np.nan]))


def test_no_predicted_gain_becomes_a_loss_and_the_total_of_the_rows_is_kept():
    """A few predictions of hundreds turn the line; the many small ones are true all the same."""
    rng = np.random.default_rng(8)
    seen = plant(20_000, rng)
    large = np.flatnonzero(seen.choice > 0)[:40]
    predicted = seen.chosen.copy()
    logged = log(seen, rng)
    scores = logged.scores.copy()
    predicted[large] += 400.0
    scores[large, seen.choice[large]] += 900.0
    worth = find_worth(replace(logged, scores=scores), seen.choice, predicted)
    assert worth.line.intercept < 0 and worth.gains.intercept == 0 and worth.gains.slope > 0
    given = predicted[seen.choice > 0]
    own = np.zeros(len(given), dtype=np.int64)
    turned, kept = (Lines.of([line], level=0.95, chosen=[False]) for line in (worth.line, worth.gains))
    assert (turned.correct(given, own)[given > 0] < 0).any() and (kept.correct(given, own)[given > 0] > 0).all()
    assert kept.correct(given, own).sum() == pytest.approx(worth.level.point * len(given))
    assert kept.errors(given, own)[0] > turned.errors(given, own)[0], "what the turn explained is noise again"


def test_a_line_that_makes_no_loss_of_gains_is_taken_as_it_is():
    rng = np.random.default_rng(9)
    seen = plant(20_000, rng)
    worth = find_worth(log(seen, rng), seen.choice, seen.chosen)
    assert worth.at(0.0).point > 0
    assert (worth.gains.intercept, worth.gains.slope) == (worth.line.intercept, worth.line.slope)


def test_an_offer_predicted_wrongly_is_found_out_and_the_others_keep_their_line():
    rng = np.random.default_rng(10)
    seen = plant(40_000, rng, noise=0.0)
    truth, predicted = seen.effects.copy(), seen.effects.copy()
    predicted[:, 0] = np.abs(predicted[:, 0]) + 1.0  # offer 1 seems to be for everybody
    world = replace(seen, predicted=predicted)
    worth = find_worth(log(world, rng), world.choice, world.chosen)
    rows = promise_by_offer(worth, ("a", "b", "c", "d")).rows
    for j, row in enumerate(rows):
        given = world.choice == j + 1
        assert row.customers == given.sum() and row.predicted == pytest.approx(predicted[given, j].sum())
        assert row.promised.ci_lower < truth[given, j].sum() < row.promised.ci_upper
        assert row.promised.point <= row.predicted + 1e-6
    kept = [row.promised.point / row.predicted for row in rows]
    assert kept[0] < worth.gains.slope < 0.5 < 0.6 < min(kept[1:])


def test_campaigns_that_differ_widen_the_interval_and_alike_ones_hardly():
    rng = np.random.default_rng(11)
    seen = plant(40_000, rng, noise=0.0)
    campaign = np.arange(40_000) % 4
    level = np.array([-0.2, 0.6, 1.4, 2.2])[campaign]
    shaken = replace(seen, profits=seen.profits + (level - 1)[:, None] * np.column_stack([0 * level, seen.effects]))
    drift = {}
    for name, world in (("alike", seen), ("shaken", shaken)):
        logged = replace(log(world, np.random.default_rng(12)), campaign=campaign)
        drift[name] = find_worth(logged, world.choice, world.chosen).gains.drift
    assert drift["shaken"] ** 0.5 > 0.4 > 3 * drift["alike"] ** 0.5
    assert find_worth(log(seen, rng), seen.choice, seen.chosen).gains.drift == 0, "campaigns that nobody can tell apart"
