"""UpliftModel, qini and policy_value on frames: known effects, the verbs' own numbers, refusals that name things."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from netlift import UpliftModel, policy_value, qini
from netlift.errors import NotRandomizedError
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.fit import fit_uplift
from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores
from netlift.evaluation.uplift.metrics import contrast
from netlift.evaluation.uplift.metrics import qini as qini_of
from netlift.frames.columns import FrameError, encode_columns, learn_columns
from netlift.frames.search import SEARCH

SHARES = {"control": 0.4, "mail": 0.35, "call": 0.25}


@pytest.fixture(scope="module")
def campaign() -> pd.DataFrame:
    """Three arms; mail works in the north, a call everywhere a little; half of the ages are missing."""
    rng = np.random.default_rng(5)
    n = 6000
    df = pd.DataFrame({"age": np.where(rng.random(n) < 0.5, np.nan, rng.uniform(18, 80, n))})
    df["region"] = pd.Categorical(rng.choice(["north", "south", "west"], n))
    df["arm"] = rng.choice(list(SHARES), n, p=list(SHARES.values()))
    effect = np.where(df.arm == "mail", 0.35 * (df.region == "north"), np.where(df.arm == "call", 0.12, 0.0))
    df["bought"] = rng.binomial(1, 0.15 + effect)
    return df


@pytest.fixture(scope="module")
def model(campaign: pd.DataFrame) -> UpliftModel:
    return UpliftModel(unit="purchases").fit(
        campaign[["age", "region"]], campaign.arm, campaign.bought, propensity=SHARES
    )


def test_each_customer_gets_the_arm_that_truly_works(campaign: pd.DataFrame, model: UpliftModel) -> None:
    asked = pd.DataFrame({"age": [30.0, np.nan], "region": ["north", "south"]})
    assert model.best(asked).tolist() == ["mail", "call"]
    assert model.best(asked, costs={"call": 0.3}).tolist() == ["mail", "control"]
    assert model.best(asked, costs={"call": 3.0, "mail": 3.0}, value=20.0).tolist() == ["mail", "control"]
    truth = pd.DataFrame({"call": 0.12, "mail": 0.35 * (campaign.region == "north")})
    assert np.abs(model.effect() - truth).to_numpy().mean() < 0.04


def test_the_summary_says_what_was_found_and_its_intervals_hold_the_truth(model: UpliftModel) -> None:
    found = model.summary()
    call, mail = found.arms
    assert found.found and mail.qini.ci_lower > 0
    assert call.effect.ci_lower < 0.12 < call.effect.ci_upper
    assert mail.effect.ci_lower < 0.35 / 3 < mail.effect.ci_upper
    assert "tells them apart" in str(found) and "mail: effect" in found._repr_html_()


def test_it_is_the_learner_of_the_verbs(campaign: pd.DataFrame, model: UpliftModel) -> None:
    X = campaign[["age", "region"]]
    features = learn_columns(X)
    arm = campaign.arm.map({"control": 0, "call": 1, "mail": 2}).to_numpy()
    y = campaign.bought.to_numpy(dtype=float)
    rows = ContactRows(
        X=encode_columns(X, features), features=features, y=y, margin=y, offers=("call", "mail"), arm=arm,
        propensity=campaign.arm.map(SHARES).to_numpy(), available=np.ones((len(X), 3), dtype=bool),
        customer=np.arange(len(X)), campaign=np.zeros(len(X), dtype=int),
    )  # fmt: skip
    own = fit_uplift("averaged_effects", rows, search=SEARCH, folds=3, seed=0, threads=1, progress=lambda *_: None)
    assert own.files == model.candidate_.files


def test_arrow_gives_what_pandas_gives(campaign: pd.DataFrame, model: UpliftModel) -> None:
    class Stream:
        """What polars and DuckDB hand over: a C stream, nothing else."""

        def __init__(self, table: pa.Table) -> None:
            self.table = table

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.table.__arrow_c_stream__(requested_schema)

    some = campaign[["age", "region"]].iloc[:50]
    text = pa.Table.from_pandas(some.astype({"region": str}), preserve_index=False)
    view = text.set_column(1, "region", text["region"].cast(pa.string_view()))
    assert np.array_equal(model.effect(Stream(view)).to_numpy(), model.effect(some).to_numpy())


def test_it_clones_and_stands_in_a_pipeline(campaign: pd.DataFrame) -> None:
    fresh = clone(UpliftModel(learner="recency_frequency", cv=3, control="a"))
    assert fresh.get_params()["cv"] == 3 and fresh.set_params(control=None).control is None
    pipe = make_pipeline(FunctionTransformer(), UpliftModel(learner="t_learner"))
    pipe.fit(
        campaign[["age", "region"]], campaign.arm, upliftmodel__y=campaign.bought, upliftmodel__propensity="shares"
    )
    assert pipe.predict(campaign[["age", "region"]].head(3)).shape == (3, 2)


def test_the_rows_of_the_fit_are_warned_of_and_out_of_fold_they_are_not(
    campaign: pd.DataFrame, model: UpliftModel
) -> None:
    with pytest.warns(UserWarning, match="rows of the fit"):
        seen = model.effect(campaign[["age", "region"]])
    assert not np.allclose(seen, model.effect())


def test_where_nothing_differs_it_says_so() -> None:
    rng = np.random.default_rng(8)
    arm = rng.integers(0, 2, 800)
    with pytest.warns(UserWarning, match="no heterogeneity found"):
        found = UpliftModel().fit(np.zeros((800, 1)), arm, rng.random(800) + arm, propensity=0.5).summary()
    assert not found.found and "found nothing" in str(found)
    with pytest.warns(UserWarning, match="the same for all 800 rows"):
        assert qini(rng.random(800), arm, np.ones(800), propensity=0.5).point == 0


def test_qini_is_that_of_the_evaluation_and_paired_against_another(campaign: pd.DataFrame) -> None:
    two = campaign[campaign.arm != "call"]
    rng = np.random.default_rng(0)
    y, arm = two.bought.to_numpy(float), (two.arm == "mail").to_numpy(int)
    predicted, other = rng.normal(size=len(two)) + (two.region == "north"), rng.normal(size=len(two))
    p = np.where(arm == 1, 0.35, 0.4) / 0.75
    means = np.array([y[arm == j].mean() for j in (0, 1)])
    scores = dr_scores(
        y=y, arm=arm, propensity=p, mu=np.tile(means, (len(y), 1)), available=np.ones((len(y), 2), dtype=bool)
    )
    logged = LoggedOutcomes(y=y, arm=arm, propensity=p, scores=scores, customer=np.arange(len(y)), unit="", level=0.95)
    scored, _ = contrast(logged, 1)
    known = {"y": y, "treatment": two.arm, "propensity": p}
    own, theirs = qini(effect=predicted, **known), qini_of(scored, predicted.to_numpy())
    assert (own.point, own.ci_lower) == pytest.approx((theirs.point, theirs.ci_lower))
    rank = (pd.Series(-predicted.to_numpy()).rank() - 0.5) / len(y)
    assert qini(effect=predicted, **known).point == pytest.approx(np.mean(scored.effects * (0.5 - rank)))
    gain = qini(effect=predicted, against=other, **known)
    assert gain.point == pytest.approx(qini(effect=predicted, **known).point - qini(effect=other, **known).point)
    assert gain.ci_lower > 0


def test_a_policy_is_worth_what_its_arms_brought() -> None:
    y, arm = np.array([1.0, 3.0, 2.0, 8.0]), ["control", "mail", "control", "mail"]
    choice = ["control", "mail", "mail", "control"]
    means = {"control": 1.5, "mail": 5.5}
    scores = [means[c] + (arm[i] == c) * (y[i] - means[c]) / 0.5 for i, c in enumerate(choice)]
    assert policy_value(y, arm, choice, propensity=0.5).point == pytest.approx(np.mean(scores))
    gain = policy_value(y, arm, "mail", propensity=0.5, against="control")
    assert gain.point == pytest.approx(4.0)


GOOD = {"X": pd.DataFrame({"a": np.arange(8.0)}), "treatment": [0, 1] * 4, "y": np.ones(8), "propensity": 0.5}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"y": np.ones(7)}, "y has 7 values for 8 rows"),
        ({"y": [np.nan] * 2 + [1.0] * 6}, "y: 2 of 8 values are missing"),
        ({"y": ["yes"] * 8}, "y is .*, not numbers"),
        ({"treatment": [0, 1] * 3}, "treatment has 6 values for 8 rows"),
        ({"treatment": [1] * 8}, "all 8 rows are 1"),
        ({"treatment": ["a", "b"] * 4}, "say which of them is the control"),
        ({"propensity": 1.0}, "8 of 8 values are outside"),
        ({"propensity": {"1": 0.5, "2": 0.2}}, "no arm of treatment is called 2"),
        ({"X": pd.DataFrame([[1, 2]] * 8, columns=["a", "a"])}, "'a' stands 2 times"),
        ({"X": pd.DataFrame({"a": [{}] + ["x"] * 7})}, "column 'a': 1 of 8 values are dict"),
        ({"X": pd.DataFrame({"day": pd.to_datetime(["2026-01-01"] * 8)})}, "column 'day' holds datetime64"),
        ({"X": pd.DataFrame({"a": [np.inf] + [0.0] * 7})}, "column 'a': 1 of 8 values are infinite"),
        ({"X": np.zeros(8)}, "Reshape your data"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_column_and_count(changed: dict, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        UpliftModel().fit(**GOOD | changed)


def test_the_probability_of_being_treated_is_not_that_of_the_arm_received() -> None:
    arm = (np.arange(1000) % 10 < 3).astype(int)
    with pytest.raises(FrameError, match=r"stand for 2\.33 times .* not that of being treated"):
        policy_value(np.ones(1000), arm, 1, propensity=np.full(1000, 0.3))


def test_arms_that_chance_did_not_draw_are_refused() -> None:
    with pytest.raises(NotRandomizedError, match="propensity is missing"):
        UpliftModel().fit(**GOOD | {"propensity": None})


def test_a_policy_of_an_unknown_arm_and_effects_without_an_arm_are_refused() -> None:
    with pytest.raises(FrameError, match="wish 'call', an arm that no row"):
        policy_value(np.ones(4), ["control", "mail"] * 2, "call", propensity=0.5)
    three = ["control", "mail", "call"] * 2
    with pytest.raises(FrameError, match="no column for mail"):
        qini(np.ones(6), three, pd.DataFrame({"call": np.arange(6.0)}), propensity="shares", control="control")


@pytest.mark.slow
def test_the_readme_opens_with_what_its_lines_print(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    data = readme.parents[1] / "shared" / "data"
    if not (data / "hillstrom.parquet").exists():
        pytest.skip(f"{data} is not there")
    code, printed = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", readme.read_text(), re.DOTALL).groups()
    monkeypatch.chdir(data)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == printed
