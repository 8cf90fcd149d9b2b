"""The operations of the stored form against the functions they stand for."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from netlift.estimators import expression as write
from netlift.estimators.boosting.lightgbm import SQUARED, Machine, boosting_rows, fit_rounds
from netlift.estimators.expression import write_files
from netlift.estimators.process_formulas import PurchaseMixture, expected_purchases, p_alive, p_alive_after
from netlift.estimators.rows import LabelledRows
from netlift.estimators.stored import StoredModel, StoredModelError
from netlift.estimators.value.gamma_gamma import SpendModel, expected_spend
from netlift.features.matrix import Feature
from netlift.registry.package import build_code

NAMES = ("purchase_days_all", "age_at_last_purchase_days", "days_since_first_purchase", "margin_all", "plus", "minus")
FEATURES = tuple(Feature(name=name, unit="days", source="transactions", formula="made for a test") for name in NAMES)
X = np.array(
    [
        [1, 0, 200, 30.0, 2.0, -1.0],
        [4, 90, 200, 100.0, 3.0, 4.0],
        [300, 699, 700, 2500.0, 0.0, 2.0],
        [2, 10, 30, -5.0, 5.0, 0.0],
        [0, np.nan, np.nan, 0.0, 1.0, 0.0],
        [np.nan, np.nan, np.nan, np.nan, np.nan, 1.0],
    ],
    dtype=np.float32,
)
MIXTURE = PurchaseMixture(family="mbg_nbd", r=0.7, alpha=6.0, a=0.8, b=1.3, unit_days=7.0)
SPEND = SpendModel(p=6.0, q=4.0, gamma=15.0, log_likelihood=0.0, customers=1, correlation=0.0)


def evaluate(expression, X=X, boosters=None):
    files = write_files(
        task="ltv", features=FEATURES, outputs=[("out", "", expression)], boosters=boosters or {}
    )  # fmt: skip
    return StoredModel(files).predict_matrix(X)["out"]


def history(rows):
    days, last, since = X[rows, :3].astype(float).T
    return days - 1, last / 7, since / 7


@pytest.mark.parametrize("family", ["bg_nbd", "mbg_nbd"])
def test_a_stored_process_says_what_the_fitted_one_says_and_nothing_of_who_never_bought(family):
    process = PurchaseMixture(**(vars(MIXTURE) | {"family": family}))
    known = history(slice(0, 4))
    assert evaluate(write.purchase_process(process, "p_alive"))[:4] == pytest.approx(
        p_alive(process, *known), rel=1e-12
    )
    later = evaluate(write.purchase_process(process, "p_alive", to_days=90))
    assert later[:4] == pytest.approx(p_alive_after(process, *known, days=90), rel=1e-12)
    window = evaluate(write.purchase_process(process, "purchases", from_days=7, to_days=189))
    want = expected_purchases(process, *known, days=189) - expected_purchases(process, *known, days=7)
    assert window[:4] == pytest.approx(want, rel=1e-12)
    assert np.isnan(later[4:]).all()
    assert np.isnan(window[4:]).all()


def test_windows_that_touch_add_up():
    parts = [write.purchase_process(MIXTURE, "purchases", from_days=a, to_days=b) for a, b in ((0, 30), (30, 75))]
    whole = evaluate(write.purchase_process(MIXTURE, "purchases", to_days=75))
    assert evaluate(write.linear(0.0, [1, 1], parts))[:4] == pytest.approx(whole[:4], rel=1e-12)


def test_windows_share_their_edges(monkeypatch):
    from netlift.estimators import stored

    asked = []
    real = stored.expected_purchases
    monkeypatch.setattr(stored, "expected_purchases", lambda *args: asked.append(args[-1]) or real(*args))
    windows = [(7, 35), (35, 63), (63, 91)]
    evaluate(write.linear(0.0, [1, 1, 1], [
        write.purchase_process(MIXTURE, "purchases", from_days=a, to_days=b) for a, b in windows
    ]))  # fmt: skip
    assert sorted(asked) == [7, 35, 63, 91]


@pytest.mark.parametrize("window", [("purchases", 9, 8), ("p_alive", 1, 8)])
def test_a_window_that_cannot_be_is_refused(window):
    what, start, end = window
    with pytest.raises(ValueError, match="days"):
        write.purchase_process(MIXTURE, what, from_days=start, to_days=end)


def test_stored_spend_is_the_own_mean_drawn_to_that_of_all_and_that_of_all_where_there_is_none():
    found = evaluate(write.spend(SPEND))
    days = np.array([1.0, 4, 300])
    assert found[:3] == pytest.approx(expected_spend(SPEND, X[:3, 3] / days, days))
    assert found[3:] == pytest.approx([6 * 15 / 3] * 3)


def test_maximum_and_ratio():
    plus, minus = write.column("plus"), write.column("minus")
    assert evaluate(write.maximum([plus, minus, write.constant(0.5)]))[:5].tolist() == [2, 4, 2, 5, 1]
    assert evaluate(write.ratio(plus, minus, fallback=9.0))[:5].tolist() == [-2, 0.75, 0, 9, 9]


def test_a_booster_sees_its_extra_columns_behind_the_features_and_before_its_constants():
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(500, len(NAMES)))
    extra = write.product([write.column("plus"), write.column("minus")])
    columns = np.column_stack(
        [wide[:, 4].astype(np.float32).astype(float) * wide[:, 5].astype(np.float32), np.full(500, 3.0)]
    )
    y = columns[:, 0] + 0.1 * rng.normal(size=500)
    rows = LabelledRows(
        X=np.asfortranarray(wide, dtype=np.float32),
        features=FEATURES,
        y=y,
        customer=np.arange(500),
        cutoff=np.zeros(500),
    )
    added = tuple(Feature(name=name, unit="", source="", formula="") for name in ("product", "arm"))
    seen = rows.add_columns(columns, added)
    machine = Machine(seed=1, threads=1)
    fit = fit_rounds(boosting_rows(seen, machine).all(seen.y), SQUARED, {}, machine, rounds=40)
    stored = evaluate(
        write.booster("a.txt", extra=[extra], append=[3.0]), rows.X, boosters={"a.txt": fit.model_to_string()}
    )
    assert np.array_equal(stored, fit.predict(seen.X))
    assert np.corrcoef(stored, y)[0, 1] > 0.95


def test_boosters_that_differ_in_their_extra_columns_are_not_taken_for_one():
    rng = np.random.default_rng(1)
    rows = LabelledRows(
        X=np.asfortranarray(rng.normal(size=(300, len(NAMES))), dtype=np.float32), features=FEATURES, y=np.zeros(300),
        customer=np.arange(300), cutoff=np.zeros(300),
    )  # fmt: skip
    extra = Feature(name="extra", unit="", source="", formula="")
    seen = rows.add_columns(rows.column("plus")[:, None], (extra,)).relabel(rows.column("plus").astype(float))
    machine = Machine(seed=1, threads=1)
    text = fit_rounds(boosting_rows(seen, machine).all(seen.y), SQUARED, {}, machine, rounds=20).model_to_string()
    both = [write.booster("a.txt", extra=[write.column(name)]) for name in ("plus", "minus")]
    apart = [evaluate(one, rows.X, boosters={"a.txt": text}) for one in both]
    together = evaluate(write.linear(0.0, [1.0, 1.0], both), rows.X, boosters={"a.txt": text})
    assert np.allclose(together, apart[0] + apart[1])


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ({"op": "guess"}, "unknown expression 'guess'"),
        (write.purchase_process(MIXTURE, "p_alive") | {"what": "age"}, "asks a purchase process for 'age'"),
    ],
)
def test_what_this_code_does_not_know_is_refused(expression, words):
    with pytest.raises(StoredModelError, match=words):
        evaluate(expression)


def test_the_code_of_a_registered_model_evaluates_alone(tmp_path):
    """The reader and its formulas in one file, run where netlift cannot be imported."""
    code = build_code().partition("class ServedModel")[0].replace("import mlflow\n", "")
    (tmp_path / "reader.py").write_text(code)
    expression = write.product([write.purchase_process(MIXTURE, "purchases", to_days=90), write.spend(SPEND)])
    files = write_files(task="ltv", features=FEATURES, outputs=[("out", "", expression)], boosters={})
    (tmp_path / "model.json").write_bytes(files["model.json"])
    pd.DataFrame(X[:4], columns=list(NAMES)).to_csv(tmp_path / "frame.csv")
    script = (
        "import sys, json, pathlib; sys.modules['netlift'] = None\n"
        "import pandas as pd, reader\n"
        "files = {'model.json': pathlib.Path('model.json').read_bytes()}\n"
        "found = reader.StoredModel(files).predict(pd.read_csv('frame.csv'))\n"
        "print(json.dumps(found['out'].tolist()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == pytest.approx(evaluate(expression)[:4].tolist(), rel=1e-12)
