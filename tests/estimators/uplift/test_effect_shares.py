"""Effects split among features: they add up, are Shapley's, spare the irrelevant, and one choice is explained."""

from itertools import permutations

import lightgbm as lgb
import numpy as np
import pytest

from netlift.errors import UsageError
from netlift.estimators.expression import booster, column, constant, linear, maximum, product, write_files
from netlift.estimators.shapley import (
    explain_choice,
    pick_background,
    share_effects,
    summarise_shares,
)
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature

FEATURES = tuple(Feature(name=name, unit="ratio", source="made up", formula="") for name in "abcd")


def store(**effects):
    outputs = [(f"uplift_{offer}", "EUR/customer", expression) for offer, expression in effects.items()]
    return StoredModel(write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={}))


CURVED = store(
    mail=product([column("a"), linear(1.0, [2.0, 1.0], [column("b"), column("c")])]),
    call=linear(3.0, [1.0, -2.0], [maximum([column("a"), column("b")]), column("c")]),
)


def draw(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)


def predict(model, X):
    return np.column_stack(list(model.predict_matrix(X).values()))


def exact(model, x, background):
    """Shapley values by all orders of the features and all background customers, shape (offers, features)."""
    total = np.zeros((len(model.outputs), 4))
    orders = list(permutations(range(4)))
    for z in background:
        for order in orders:
            path = np.repeat(z[None], 5, axis=0)
            for step, feature in enumerate(order, start=1):
                path[step:, feature] = x[feature]
            total[:, list(order)] += np.diff(predict(model, path), axis=0).T
    return total / len(background) / len(orders)


def test_shares_and_the_base_add_up_to_the_prediction_whatever_the_model():
    X, background = draw(50, 1), draw(8, 2)
    X[3, 1] = background[2, 1] = np.nan
    target = np.nan_to_num(X[:, 0] * X[:, 1]) + X[:, 2]
    grown = lgb.train(
        {"num_leaves": 6, "min_data_in_leaf": 3, "verbose": -1, "num_threads": 1}, lgb.Dataset(X, target), 15
    )
    outputs = [("uplift_mail", "EUR", product([booster("m.txt", link="exp"), constant(4.0)]))]
    files = write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={"m.txt": grown.model_to_string()})
    model = StoredModel(files)
    shares = share_effects(model, X, background, seed=3)
    assert shares.base + shares.shares.sum(axis=2) == pytest.approx(predict(model, X), abs=1e-9)
    assert shares.base == pytest.approx(predict(model, background).mean(axis=0))


def test_with_many_walks_they_are_the_shapley_values():
    X, background = draw(3, 1), draw(4, 2)
    found = share_effects(CURVED, X, np.repeat(background, 400, axis=0), seed=5)
    for i in range(3):
        assert found.shares[i] == pytest.approx(exact(CURVED, X[i], background), abs=0.06)


def test_a_feature_that_the_effect_does_not_use_has_no_share():
    X = draw(100, 1)
    shares = share_effects(CURVED, X, draw(8, 2), seed=3)
    assert (shares.shares[:, :, 3] == 0).all()
    rows = summarise_shares(shares, X, categories=[], unit="EUR/customer", level=0.95)
    spare = [row for row in rows if row.feature == "d"]
    assert [(row.money.point, row.part, row.direction) for row in spare] == [(0.0, 0.0, None)] * 2
    assert sum(row.part for row in rows if row.offer == "mail") == pytest.approx(1)


def test_direction_is_that_of_the_effect_and_categories_have_none():
    X = draw(200, 1)
    shares = share_effects(CURVED, X, draw(8, 2), seed=3)
    rows = {
        (row.offer, row.feature): row.direction
        for row in summarise_shares(shares, X, categories=["b"], unit="EUR/customer", level=0.95)
    }
    assert rows["call", "c"] == pytest.approx(-1)
    assert rows["call", "a"] > 0.5
    assert rows["call", "b"] is None


def test_a_model_of_constants_depends_on_nothing():
    model = store(mail=constant(2.0))
    shares = share_effects(model, draw(20, 1), draw(4, 2), seed=3)
    assert (shares.shares == 0).all()
    assert shares.base.tolist() == [2.0]
    rows = summarise_shares(shares, draw(20, 1), categories=[], unit="EUR/customer", level=0.95)
    assert {row.part for row in rows} == {0.0}


def test_the_background_stands_for_all():
    X = draw(3000, 1)
    few = pick_background(CURVED, X, count=8, seed=1)
    everybody = predict(CURVED, X)
    far = np.abs(predict(CURVED, few).mean(axis=0) - everybody.mean(axis=0)) / everybody.std(axis=0)
    assert len(few) == 8
    assert (far < 0.1).all()
    assert pick_background(CURVED, few, count=10, seed=1) is few


def test_the_same_seed_gives_the_same_shares():
    one, other = (share_effects(CURVED, draw(20, 1), draw(4, 2), seed=9).shares for _ in range(2))
    assert np.array_equal(one, other)


def test_a_choice_is_split_into_its_reasons():
    X, background = draw(1, 4), draw(64, 2)
    shares = share_effects(CURVED, X, background, seed=3)
    named = {feature.name: feature for feature in FEATURES}
    choice = explain_choice(shares, X, named, offer="mail", instead="call", most=2)
    mail, call = predict(CURVED, X)[0]
    assert choice.gain == pytest.approx(mail - call)
    assert choice.typical + sum(reason.money for reason in choice.reasons) + choice.rest == pytest.approx(choice.gain)
    assert len(choice.reasons) == 2
    sizes = [abs(reason.money) for reason in choice.reasons]
    assert sizes == sorted(sizes, reverse=True)
    over_none = explain_choice(shares, X, named, offer="mail", instead=None)
    assert over_none.gain == pytest.approx(mail)


def test_the_values_of_a_customer_do_not_show_in_a_reason():
    X = np.full((1, 4), 12.345, dtype=np.float32)
    shares = share_effects(CURVED, X, draw(8, 2), seed=3)
    choice = explain_choice(shares, X, {f.name: f for f in FEATURES}, offer="mail", instead="call")
    assert "12.345" not in repr(choice)
    assert choice.reasons[0].value == pytest.approx(12.345)


@pytest.mark.parametrize(("offer", "instead"), [("letter", None), ("mail", "letter"), ("mail", "mail")])
def test_a_choice_that_is_none_is_refused(offer, instead):
    X = draw(1, 4)
    shares = share_effects(CURVED, X, draw(4, 2), seed=3)
    with pytest.raises(UsageError, match="name two of mail, call"):
        explain_choice(shares, X, {f.name: f for f in FEATURES}, offer=offer, instead=instead)


def test_nothing_to_split_is_refused():
    with pytest.raises(UsageError, match="effects of 2 offers cannot be split for 0 customers"):
        share_effects(CURVED, draw(0, 1), draw(4, 2), seed=3)
