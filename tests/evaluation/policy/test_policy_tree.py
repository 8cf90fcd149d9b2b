"""The best two questions: as brute force finds them, planted rules found, nothing invented, judged on other rows."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.evaluation.policy.binned_columns import BinnedColumns, Split, round_thresholds
from netlift.evaluation.policy.off_policy import LoggedOutcomes, constant_policies
from netlift.evaluation.policy.policy_tree import Answer, Branch, Leaf, learn_policy_tree, simplify, value_policy_tree
from netlift.evaluation.policy.policy_tree_search import count_choices
from netlift.features.matrix import Feature

pytestmark = pytest.mark.slow

OFFERS = ("mail", "call")


def number(name):
    return Feature(name=name, unit="ratio", source="made up", formula="")


REGION = Feature(name="region", unit="category", source="made up", formula="", kind="category", categories=tuple("abc"))


def log(scores, customer=None):
    n = len(scores)
    return LoggedOutcomes(
        y=np.zeros(n),
        arm=np.zeros(n, dtype=np.int64),
        propensity=np.full(n, 1 / scores.shape[1]),
        scores=scores,
        customer=np.arange(n) if customer is None else customer,
        unit="EUR/customer",
        level=0.95,
    )


def learn(X, features, scores, *, depth=2, **settings):
    offers = [f"o{j}" for j in range(1, scores.shape[1])]
    return learn_policy_tree(X, features, log(scores), offers=offers, seed=1, depth=depth, **settings)


def earned(tree, X, features, scores):
    gains = np.nan_to_num(scores - scores[:, :1])
    return gains[np.arange(len(X)), tree.choose(X, features)].sum()


def brute_force(X, features, scores, least):
    """The most that any tree of two questions earns, over the same splits, by trying every pair row by row."""
    gains = np.nan_to_num(scores - scores[:, :1])
    columns = BinnedColumns.of(X, features)
    splits = [
        columns.split(f, c).holds(X[:, f])
        for f in range(len(features))
        for c in range(count_choices(int(columns.bins[f]), bool(columns.is_category[f])))
    ]

    def best_leaf(inside):
        return gains[inside].sum(axis=0).max() if inside.sum() >= least else -np.inf

    def best_side(inside):
        return max([best_leaf(inside), *(best_leaf(inside & s) + best_leaf(inside & ~s) for s in splits)])

    everybody = np.ones(len(X), dtype=bool)
    return max([best_leaf(everybody), *(best_side(s) + best_side(~s) for s in splits)])


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), least=st.sampled_from([1, 3, 8]))
def test_no_tree_of_two_questions_earns_more(seed, least):
    rng = np.random.default_rng(seed)
    n = 30
    X = np.column_stack([rng.integers(0, 4, n), (2 * rng.normal(size=n)).round(), rng.integers(0, 3, n)]).astype(
        np.float32
    )
    X[rng.random(X.shape) < 0.1] = np.nan
    features = (number("a"), number("b"), REGION)
    scores = rng.normal(size=(n, 3))
    scores[rng.random(n) < 0.2, 2] = np.nan
    tree = learn(X, features, scores, least_share=least / n)
    assert earned(tree, X, features, scores) == pytest.approx(brute_force(X, features, scores, least))
    assert np.bincount(tree.assign(X, features)).min() >= least


def planted(n, seed, noise=3.0):
    """Mail pays below 45 in region b, call from 45 on where f1 is known; all else loses."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(0, 100, n), rng.normal(size=n), rng.integers(0, 3, n)]).astype(np.float32)
    X[rng.random(n) < 0.3, 1] = np.nan
    mail = np.where((X[:, 0] < 45) & (X[:, 2] == 1), 2.0, -2.0)
    call = np.where((X[:, 0] >= 45) & ~np.isnan(X[:, 1]), 3.0, -2.0)
    scores = np.column_stack([np.zeros(n), mail, call]) + rng.normal(scale=noise, size=(n, 3))
    return X, (number("days"), number("f1"), REGION), scores


def test_a_planted_rule_is_found_and_written_in_its_own_numbers():
    X, features, scores = planted(20_000, seed=3)
    root = learn(X, features, scores).root
    assert isinstance(root, Branch)
    assert (root.split.feature.name, root.split.below) == ("days", pytest.approx(45, abs=2))
    assert root.yes == Branch(split=Split(feature=REGION, category="b"), yes=Leaf(arm=1), no=Leaf(arm=0))
    assert root.no == Branch(split=Split(feature=features[1], missing=True), yes=Leaf(arm=0), no=Leaf(arm=2))


def test_what_an_end_earned_is_told_on_rows_that_the_tree_never_saw():
    X, features, scores = planted(20_000, seed=3)
    tree = learn(X, features, scores)
    fresh, _, truth = planted(20_000, seed=4)
    logged = log(truth)
    constants = constant_policies(OFFERS, logged.available, [1, 2])
    worth = value_policy_tree(tree, fresh, features, logged, policy=np.argmax(truth, axis=1), constants=constants)
    by_offer = {end.offer: end for end in worth.ends if end.offer}
    assert by_offer["o1"].effect.ci_lower < 2.0 < by_offer["o1"].effect.ci_upper
    assert by_offer["o2"].effect.ci_lower < 3.0 < by_offer["o2"].effect.ci_upper
    assert sum(end.share for end in worth.ends) == pytest.approx(1)
    choice = tree.choose(fresh, features)
    assert worth.value.point == pytest.approx(truth[np.arange(len(truth)), choice].mean())
    assert worth.gain_over_policy.ci_upper < 0 < worth.gain_over_best_constant.ci_lower
    assert worth.best_constant == "nobody"


def test_intervals_hold_rows_of_one_customer_together():
    X, features, scores = planted(2000, seed=5)
    tree = learn(X, features, scores)
    nobody = {"nobody": np.zeros(4000, dtype=int)}
    twice, seen = np.tile(scores, (2, 1)), np.tile(X, (2, 1))

    def wide(customer):
        logged = log(twice, customer)
        value = value_policy_tree(tree, seen, features, logged, policy=nobody["nobody"], constants=nobody).value
        return value.ci_upper - value.ci_lower

    assert wide(np.tile(np.arange(2000), 2)) == pytest.approx(np.sqrt(2) * wide(np.arange(4000)), rel=0.01)


def test_no_question_is_asked_where_nothing_differs():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(500, 3)).astype(np.float32)
    features = tuple(number(f"f{i}") for i in range(3))
    alike = np.tile([0.0, 1.0, 2.0], (500, 1))
    assert learn(X, features, alike).root == Leaf(arm=2)
    assert learn(np.zeros_like(X), features, rng.normal(size=(500, 3))).root in [Leaf(arm=j) for j in range(3)]
    assert not learn(X, features, -np.abs(alike)).asks


def test_of_equally_good_trees_the_smaller_and_then_the_first_is_taken_whatever_the_order_of_rows():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 2, 400).astype(np.float32)
    X = np.column_stack([rng.normal(size=400), x, x]).astype(np.float32)
    features = tuple(number(f"f{i}") for i in range(3))
    scores = np.column_stack([np.zeros(400), np.where(x == 1, 1.0, -1.0)])
    tree = learn(X, features, scores)
    assert tree.root == Branch(split=Split(feature=features[1], below=1.0), yes=Leaf(arm=0), no=Leaf(arm=1))
    order = rng.permutation(400)
    assert learn(X[order], features, scores[order]).root == tree.root


def test_no_more_is_asked_than_is_worth_it():
    X, features, scores = planted(20_000, seed=3)
    assert len(learn(X, features, scores, depth=None).ends()) == 4
    rng = np.random.default_rng(7)
    noise = rng.normal(loc=(0.0, 1.0, 0.0), scale=5.0, size=(4000, 3))
    many = tuple(number(f"f{i}") for i in range(10))
    for seed in range(5):
        Z = np.random.default_rng(seed).normal(size=(4000, 10)).astype(np.float32)
        assert learn(Z, many, noise, depth=None).root == Leaf(arm=1)
        one = noise.copy()
        one[:, 2] += np.where(Z[:, 3] < 0, 4.0, -4.0)
        assert len(learn(Z, many, one, depth=None).ends()) == 2


def test_one_level_is_the_best_single_question():
    X, features, scores = planted(3000, seed=3)
    single = learn(X, features, scores, depth=1)
    gains = scores[:, 1:] - scores[:, :1]
    columns = BinnedColumns.of(X, features)
    splits = [
        columns.split(f, c).holds(X[:, f])
        for f in range(3)
        for c in range(count_choices(int(columns.bins[f]), bool(columns.is_category[f])))
    ]
    ends = [
        sum(max(0.0, gains[side].sum(axis=0).max()) for side in (s, ~s))
        for s in splits
        if min(s.sum(), (~s).sum()) >= 150
    ]
    assert earned(single, X, features, scores) == pytest.approx(max(ends))
    assert learn(X, features, scores, depth=0).root in [Leaf(arm=j) for j in range(3)]


def test_an_arm_that_was_not_on_offer_earns_what_control_does():
    X = np.repeat([0.0, 1.0], 50)[:, None].astype(np.float32)
    scores = np.column_stack([np.ones(100), np.repeat([1.5, 1.5], 50), np.repeat([9.0, 9.0], 50)])
    scores[:95, 2] = np.nan
    tree = learn(X, (number("x"),), scores, least_share=0.5)
    assert tree.root == Branch(split=Split(feature=number("x"), below=1.0), yes=Leaf(arm=1), no=Leaf(arm=2))
    worth = value_policy_tree(
        tree, X, (number("x"),), log(scores), policy=np.zeros(100, dtype=int), constants={"nobody": np.zeros(100, int)}
    )
    assert [(end.on_offer, end.effect.point) for end in worth.ends] == [(1.0, 0.5), (0.1, 8.0)]


def test_too_many_rows_are_sampled_from_every_arm_and_it_is_said():
    X, features, scores = planted(6000, seed=3, noise=1.0)
    logged = replace(log(scores), arm=np.repeat([0, 1, 2], [100, 900, 5000]))
    tree = learn_policy_tree(X, features, logged, offers=OFFERS, seed=1, depth=2, most_rows=1200)
    assert (tree.rows, tree.rows_searched, tree.features_searched) == (6000, 1200, 3)
    assert tree.root == learn_policy_tree(X, features, logged, offers=OFFERS, seed=1, depth=2, most_rows=1200).root
    assert tree.asks


def test_weights_count():
    X = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    scores = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, -1.5], [0.0, -1.5]])
    logged = log(scores)
    weighted = replace(logged, weight=np.array([1.0, 1.0, 9.0, 9.0]))
    tree = learn_policy_tree(X, (number("x"),), logged, offers=["o"], seed=1, depth=2, least_share=0.3)
    heavy = learn_policy_tree(X, (number("x"),), weighted, offers=["o"], seed=1, depth=2, least_share=0.3)
    assert tree.asks
    assert heavy.root == Leaf(arm=0)


def test_shapes_that_do_not_fit_are_refused():
    X, features, scores = planted(50, seed=3)
    with pytest.raises(DataError, match=r"\(50, 2\) values of 3 features"):
        learn(X[:, :2], features, scores)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=400), st.integers(2, 32))
def test_thresholds_part_the_values_and_are_few(values, most):
    x = np.array(values)
    edges = round_thresholds(x, most=most)
    assert len(edges) <= most - 1
    assert (np.diff(edges) > 0).all()
    assert all(x.min() < edge <= x.max() for edge in edges)


def test_thresholds_are_numbers_that_people_say():
    rng = np.random.default_rng(1)
    edges = round_thresholds(rng.uniform(0, 1000, 5000), most=11)
    assert len(edges) == 10
    assert (edges % 10 == 0).all()
    assert round_thresholds(np.array([0.0, 0.0, 1.0, np.inf, np.nan])).tolist() == [1.0]


def test_conditions_that_say_the_same_are_said_once():
    x = number("x")

    def answer(below, *, yes, missing):
        return Answer(split=Split(feature=x, below=below, missing=missing), yes=yes)

    values = np.array([np.nan, *np.arange(0.0, 12.0)])
    for yes, one, other in product((True, False), (True, False, None), (True, False, None)):
        path = (answer(9.0, yes=yes, missing=one), answer(4.0, yes=yes, missing=other))
        (said,) = simplify(path)
        both = np.logical_and(*(step.split.holds(values) == yes for step in path))
        if None not in (one, other):
            assert (said.split.holds(values) == yes).tolist() == both.tolist()
        assert said.split.below == (4.0 if yes else 9.0)
    assert len(simplify((answer(9.0, yes=True, missing=None), answer(4.0, yes=False, missing=None)))) == 2
