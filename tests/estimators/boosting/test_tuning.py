import numpy as np
import pytest
from value_world import SEARCH, draw_world

from netlift.config.definitions import Range
from netlift.estimators.boosting import tuning
from netlift.estimators.boosting.lightgbm import BINARY, GAMMA, TWEEDIE, Machine, boosting_rows, tweedie_deviance
from netlift.estimators.boosting.tuning import tune


def search_on(world, machine, search=SEARCH, objective=BINARY, seen=None):
    rows = world.labelled("churn" if objective is BINARY else "ltv")
    learn = np.ones(len(rows), dtype=bool) if objective is BINARY else rows.y > 0
    calls = [] if seen is None else seen
    return tune(
        boosting_rows(rows, machine), rows.y, learn, rows.customer, objective, search,
        progress=lambda *call: calls.append(call),
    )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return draw_world(customers=1_500, cutoffs=["2025-01-01", "2025-04-01"], seed=1)


def test_the_search_reports_every_trial_and_never_a_worse_best(world):
    calls = []
    found = search_on(world, Machine(seed=1, threads=1), seen=calls)
    assert [call[:2] for call in calls] == [(1, 3), (2, 3), (3, 3)]
    losses = [call[2] for call in calls]
    assert losses == sorted(losses, reverse=True)
    assert found.loss == losses[-1]


def test_the_same_seed_chooses_the_same_and_another_seed_may_not(world):
    first, again, other = (search_on(world, Machine(seed=seed, threads=1)) for seed in (1, 1, 2))
    assert first == again
    assert first.loss != other.loss


def test_parameters_stay_in_their_ranges_and_whole_ones_are_whole(world):
    found = search_on(world, Machine(seed=3, threads=1))
    for name, space in SEARCH.space.items():
        assert space.low <= found.params[name] <= space.high
    assert isinstance(found.params["num_leaves"], int)


def test_fixed_parameters_are_used(world):
    fixed = SEARCH.model_copy(update={"fixed": {"max_depth": 1.0}})
    assert search_on(world, Machine(seed=1, threads=1), search=fixed).params["max_depth"] == 1.0


def test_a_large_table_is_sampled_by_customer_and_the_note_says_so(world, monkeypatch):
    monkeypatch.setattr(tuning, "SEARCH_ROWS", 1_000)
    found = search_on(world, Machine(seed=1, threads=1))
    assert found.notes == ("settings were searched on 1,000 of 3,000 rows, whole customers drawn at random",)
    assert found.rows == 667


def test_the_search_beats_a_model_without_features(world):
    share = world.lost.mean()
    blind = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert search_on(world, Machine(seed=1, threads=1)).loss < 0.9 * blind


def test_amounts_are_searched_on_buyers_alone(world):
    found = search_on(world, Machine(seed=1, threads=1), objective=GAMMA)
    assert found.rows == round(np.count_nonzero(world.margin > 0) * 2 / 3)


def test_the_power_of_tweedie_is_searched_where_a_range_is_given(world):
    power = {"tweedie_variance_power": Range(low=1.2, high=1.8)}
    search = SEARCH.model_copy(update={"space": SEARCH.space | power})
    rows = world.rows.relabel(np.maximum(world.margin, 0))
    everyone = np.ones(len(rows), dtype=bool)
    found = tune(
        boosting_rows(rows, Machine(seed=1, threads=1)), rows.y, everyone, rows.customer, TWEEDIE, search,
        progress=lambda *call: None,
    )  # fmt: skip
    assert 1.2 <= found.params["tweedie_variance_power"] <= 1.8
    assert found.rounds > 5
    assert found.loss < tweedie_deviance(rows.y.mean(), rows.y)
