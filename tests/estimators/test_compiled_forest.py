"""Compiled forests against LightGBM itself: the same scores to the last bit, or a refusal that says why."""

import subprocess
import sys

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.estimators import compiled_forest, stored
from netlift.estimators import expression as write
from netlift.estimators.compiled_forest import BLOCK, COMPILED, FEW_ROWS, CompiledBooster
from netlift.estimators.expression import write_files
from netlift.estimators.forest_text import UnfitForestError, read_forest
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature

pytestmark = pytest.mark.slow

ZERO = 1.0000000180025095e-35  # as LightGBM writes the number next to zero
CUTS = [-1e300, -2.0, -1e-20, -ZERO, -1e-38, 0.0, 1e-38, ZERO, 0.1, float(np.float32(0.1)), 1.5, 1e300]
NUMBERS = np.array(
    [
        np.nan,
        np.inf,
        -np.inf,
        -3e38,
        -2,
        -1e-20,
        -ZERO,
        -1e-38,
        0,
        1e-38,
        ZERO,
        0.1,
        1.5,
        2e-35,
        1e-45,
        -1e-45,
        -0.0,
        7,
    ],
    dtype=np.float32,
)
CODES = np.array([0, 1, 2, 5, 31, 32, 40, 63, 64, 65, 1000, -1, -0.5, -7, 2.9, 3e9, -3e9, np.nan, np.inf, -np.inf])
NO_CONSTANTS = np.zeros((1, 0))


def draw_tree(rng, leaves, features, categorical):
    """Fields of a random tree, its leaves numbered as they come about."""
    fields = {name: [] for name in ("split_feature", "threshold", "decision_type", "left_child", "right_child")}
    bounds, words, parents = [0], [], {0: None}
    for split in range(leaves - 1):
        leaf = int(rng.choice(list(parents)))
        if parents[leaf] is not None:
            side, above = parents[leaf]
            fields[side][above] = split
        feature = int(rng.integers(features))
        kind = int(rng.integers(0, 3)) << 2 | int(rng.integers(0, 2)) << 1
        threshold = rng.choice(CUTS) if rng.random() < 0.7 else rng.normal()
        if feature in categorical:
            own = rng.integers(0, 2**32, int(rng.integers(1, 4)))
            kind, threshold = kind | 1, len(bounds) - 1
            words += own.tolist()
            bounds.append(len(words))
        for name, value in zip(fields, (feature, threshold, kind, -leaf - 1, -split - 2), strict=True):
            fields[name].append(value)
        parents[leaf], parents[split + 1] = ("left_child", split), ("right_child", split)
    fields |= {"num_leaves": [leaves], "num_cat": [len(bounds) - 1], "leaf_value": rng.normal(size=leaves)}
    if words:
        fields |= {"cat_boundaries": bounds, "cat_threshold": words}
    return fields | {"is_linear": [0], "shrinkage": [1]}


def write_model(trees, features, *, scores=1, above=""):
    head = (
        f"tree\nversion=v4\nnum_class={scores}\nnum_tree_per_iteration={scores}\nlabel_index=0\n"
        f"max_feature_idx={features - 1}\nobjective=regression\n{above}"
        f"feature_names={' '.join(f'Column_{i}' for i in range(features))}\n"
        f"feature_infos={' '.join(['[-inf:inf]'] * features)}\n\n"
    )
    bodies = []
    for i, tree in enumerate(trees):
        lines = (f"{name}={' '.join(map(str, np.asarray(values).tolist()))}" for name, values in tree.items())
        bodies.append("\n".join([f"Tree={i}", *lines]))
    return head + "\n\n\n".join(bodies) + "\n\n\nend of trees\n\n"


def ask(text, X):
    return lgb.Booster(model_str=text).predict(X, raw_score=True, num_threads=1)


def same(found, wanted):
    return np.array_equal(np.asarray(found), np.asarray(wanted), equal_nan=True)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    leaves=st.sampled_from([1, 2, 3, 8, 31, 32, 33, 64]),
    scores=st.sampled_from([1, 1, 3]),
    rows=st.sampled_from([1, 127, 128, 129, 300]),
    order=st.sampled_from("CF"),
)
def test_any_forest_gives_the_scores_of_its_booster_to_the_last_bit(seed, leaves, scores, rows, order):
    rng = np.random.default_rng(seed)
    trees = [draw_tree(rng, int(rng.integers(1, leaves + 1)), 6, {4, 5}) for _ in range(3 * scores)]
    trees[0] = draw_tree(rng, leaves, 6, {4, 5})
    text = write_model(trees, 6, scores=scores)
    numbers, codes = rng.choice(NUMBERS, (rows, 4)), rng.choice(CODES, (rows, 2)).astype(np.float32)
    X = np.asarray(np.column_stack([numbers, codes]), order=order)
    assert same(CompiledBooster(text, NO_CONSTANTS).score(X)[0], ask(text, X))


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), leaves=st.sampled_from([2, 8, 32, 64]), lines=st.integers(1, 12))
def test_constants_give_the_scores_of_columns_that_hold_them(seed, leaves, lines):
    rng = np.random.default_rng(seed)
    text = write_model([draw_tree(rng, leaves, 7, {3, 6}) for _ in range(4)], 7)
    X = np.column_stack([rng.choice(NUMBERS, (150, 3)), rng.choice(CODES, 150).astype(np.float32)])
    constants = np.column_stack([rng.choice(NUMBERS, (lines, 2)), rng.choice(CODES, lines)]).astype(np.float32)
    found = CompiledBooster(text, constants).score(X)
    assert len(found) == lines
    for scores, line in zip(found, constants, strict=True):
        assert same(scores, ask(text, np.column_stack([X, np.tile(line, (150, 1))])))


@pytest.mark.parametrize(
    "params",
    [{}, {"zero_as_missing": True}, {"use_missing": False}, {"objective": "tweedie", "num_leaves": 60}],
    ids=["nan", "zero as missing", "nothing missing", "60 leaves"],
)
def test_a_forest_that_lightgbm_grew_gives_its_scores_to_the_last_bit(params):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(1500, 6)).round(1).astype(np.float32)
    X[:, 4] = rng.integers(0, 70, 1500)
    X[rng.random(X.shape) < 0.1] = np.nan
    y = np.exp(np.nan_to_num(X[:, 0]) + (np.nan_to_num(X[:, 4]) % 3 == 1)) + rng.random(1500)
    settled = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5, "seed": 1} | params
    text = lgb.train(settled, lgb.Dataset(X, y, categorical_feature=[4]), 25).model_to_string()
    assert read_forest(text).going_left
    fresh = np.vstack([X, X + 0.5, -X, np.full((3, 6), np.inf), np.full((3, 6), 1e6)]).astype(np.float32)
    assert same(CompiledBooster(text, NO_CONSTANTS).score(fresh)[0], ask(text, fresh))


def test_threads_and_blocks_change_nothing():
    rng = np.random.default_rng(2)
    text = write_model([draw_tree(rng, 16, 4, {}) for _ in range(5)], 5)
    X, extra = rng.normal(size=(2 * BLOCK + 77, 3)).astype(np.float32), rng.normal(size=2 * BLOCK + 77)
    booster = CompiledBooster(text, np.array([[0.0], [1.0]]))
    one = booster.score(X, [extra.astype(np.float32)])
    assert same(one, booster.score(X, [extra.astype(np.float32)], threads=3))
    assert same(one[1], ask(text, np.column_stack([X, extra, np.ones(len(X))]).astype(np.float32)))


def linear_text():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return lgb.train({"linear_tree": True, "verbosity": -1}, lgb.Dataset(X, X[:, 0]), 3).model_to_string()


def wide_text():
    words = {"cat_boundaries": [0, 33], "cat_threshold": [1] * 33}
    return write_model([draw_tree(np.random.default_rng(1), 2, 1, {0}) | words], 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (lambda: write_model([draw_tree(np.random.default_rng(1), 65, 3, {})], 3), "65 leaves, over 64"),
        (linear_text, "leaves are linear"),
        (lambda: write_model([draw_tree(np.random.default_rng(1), 4, 3, {})], 3, above="average_output\n"), "averaged"),
        (lambda: write_model([], 3).replace("version=v4", "version=v9"), "version v9"),
        (wide_text, "category 1024, over 1023"),
    ],
    ids=["leaves", "linear", "averaged", "version", "categories"],
)
def test_trees_that_do_not_fit_are_refused_with_the_reason(text, words):
    with pytest.raises(UnfitForestError, match=words):
        CompiledBooster(text(), NO_CONSTANTS)


FEATURES = tuple(Feature(name=f"f{i}", unit="days", source="transactions", formula="drawn") for i in range(4))


def stored_files(text, *, more=None):
    """Three outputs: an S-learner of two offers, a product with a booster of its own, and three scores at once."""
    rng = np.random.default_rng(9)
    arms = [write.booster("s.txt", append=flags, link="exp", init=0.1) for flags in ([0, 0], [1, 0], [0, 1])]
    wide = write.booster("extra.txt", extra=[write.product([write.column("f0"), write.column("f1")])], append=[2.0])
    outputs = [
        *((f"uplift_{i}", "currency", write.linear(0.0, [1.0, -1.0], [arms[i], arms[0]])) for i in (1, 2)),
        ("product", "currency", write.product([wide, write.booster("s.txt", append=[1.0, 1.0])])),
        ("value", "currency", write.ziln("z.txt", init=[0.0, 1.0, 0.0])),
    ]
    boosters = {
        "s.txt": text,
        "extra.txt": write_model([draw_tree(rng, 9, 6, {}) for _ in range(5)], 6),
        "z.txt": write_model([draw_tree(rng, 9, 4, {}) for _ in range(6)], 4, scores=3),
    }
    return write_files(task="uplift", features=FEATURES, outputs=outputs, boosters=boosters)


@pytest.fixture
def text():
    rng = np.random.default_rng(8)
    return write_model([draw_tree(rng, 12, 6, {}) for _ in range(10)], 6)


@pytest.fixture
def X():
    return np.asfortranarray(np.random.default_rng(7).choice(NUMBERS[np.isfinite(NUMBERS)], (300, 4)).clip(-9, 9))


def test_a_stored_model_says_the_same_compiled_and_not(text, X, monkeypatch):
    files = stored_files(text)
    by_booster = StoredModel(files)
    wanted = by_booster.predict_matrix(X)
    assert set(by_booster.routes.values()) == {FEW_ROWS}
    monkeypatch.setattr(compiled_forest, "PAYS_FROM", 0)
    monkeypatch.setattr(stored, "BLOCK", 128)
    compiled = StoredModel(files, threads=2)
    found = compiled.predict_matrix(X)
    assert compiled.routes == dict.fromkeys(("extra.txt", "s.txt", "z.txt"), COMPILED)
    assert list(found) == list(wanted)
    assert all(same(found[name], wanted[name]) for name in wanted)


def test_all_constants_of_a_booster_are_answered_in_one_pass(text, X, monkeypatch):
    monkeypatch.setattr(compiled_forest, "PAYS_FROM", 0)
    passes = []
    real = CompiledBooster.score
    monkeypatch.setattr(CompiledBooster, "score", lambda *args, **more: passes.append(1) or real(*args, **more))
    StoredModel(stored_files(text)).predict_matrix(X)
    assert len(passes) == 3  # boosters


def test_what_does_not_fit_is_scored_by_its_booster_which_is_said(X, monkeypatch):
    monkeypatch.setattr(compiled_forest, "PAYS_FROM", 0)
    many = write_model([draw_tree(np.random.default_rng(1), 65, 6, {})], 6)
    model = StoredModel(stored_files(many))
    found = model.predict_matrix(X)
    assert model.routes["s.txt"] == "booster: a tree has 65 leaves, over 64"
    assert model.routes["extra.txt"] == COMPILED
    control, offer = (np.exp(0.1 + ask(many, np.column_stack([X, np.tile(f, (300, 1))]))) for f in ([0, 0], [1, 0]))
    assert np.allclose(found["uplift_1"], offer - control, rtol=1e-12)


def test_trees_that_do_not_fit_are_named_on_the_log_once_a_process(X, monkeypatch, caplog):
    monkeypatch.setattr(compiled_forest, "PAYS_FROM", 0)
    compiled_forest._say_unfit.cache_clear()
    many = write_model([draw_tree(np.random.default_rng(1), 65, 6, {})], 6)
    for _ in range(2):
        StoredModel(stored_files(many)).predict_matrix(X)
    assert caplog.messages == [
        "s.txt is not compiled, LightGBM is asked instead and takes longer: a tree has 65 leaves, over 64"
    ]


def test_numbers_of_double_precision_are_left_to_the_booster(text, X, monkeypatch):
    monkeypatch.setattr(compiled_forest, "PAYS_FROM", 0)
    model = StoredModel(stored_files(text))
    model.predict_matrix(X.astype(np.float64))
    assert model.routes["s.txt"] == "booster: 4 columns of float64, not 4 of float32"


def test_nobody_is_scored_without_a_booster_being_asked(text):
    found = StoredModel(stored_files(text)).predict_matrix(np.zeros((0, 4), dtype=np.float32))
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(found, 0)


def test_few_rows_load_no_compiler_and_many_no_lightgbm(text, tmp_path):
    for name, content in stored_files(text).items():
        (tmp_path / name).write_bytes(content)
    script = (
        "import sys, pathlib, numpy as np\n"
        "from netlift.estimators import compiled_forest\n"
        "from netlift.estimators.stored import StoredModel\n"
        "files = {path.name: path.read_bytes() for path in pathlib.Path('.').iterdir()}\n"
        "def ask(): StoredModel(files).predict_matrix(np.zeros((9, 4), dtype=np.float32))\n"
        "if sys.argv[1] == 'many': compiled_forest.PAYS_FROM = 0\n"
        "ask()\n"
        "print(*(name for name in ('lightgbm', 'numba') if name in sys.modules))\n"
    )
    for rows, loaded in (("few", "lightgbm"), ("many", "numba")):
        done = subprocess.run(
            [sys.executable, "-c", script, rows], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == loaded
