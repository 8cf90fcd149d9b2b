"""rfm, LtvModel, ChurnModel and allocate on frames: recomputed by hand, and by scikit-learn's own checks."""

from __future__ import annotations

from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import estimator_checks_generator

from netlift import ChurnModel, LtvModel, allocate, rfm
from netlift.frames.columns import FrameError

NOT_APPLIED = {
    "check_dtype_object": "a dictionary among numbers is refused as a ValueError that names its column",
    "check_f_contiguous_array_estimator": "its few rows leave a fold of one class, and folds keep customers whole",
    "check_array_api_input": "needs SCIPY_ARRAY_API",
}


@pytest.fixture(scope="module")
def receipts() -> pd.DataFrame:
    """Customers of BG/NBD: each buys at a rate and leaves after a purchase with a probability of his own."""
    rng = np.random.default_rng(6)
    rows = []
    for who in range(1500):
        rate, leaving, spend = rng.gamma(1.5, 1 / 40), rng.beta(1.0, 9.0), rng.gamma(4, 5)
        days = np.cumsum(rng.exponential(1 / rate, min(rng.geometric(leaving), 90)))
        days = [0.0, *days[days < 730]]
        rows += [(f"{who:05d}", day, spend * rng.gamma(3, 1 / 3)) for day in days]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "margin"])
    return frame.assign(occurred_at=pd.Timestamp("2024-01-01") + pd.to_timedelta(frame.day.astype(int), "D"))


CUTOFF, END = date(2025, 1, 1), date(2025, 12, 30)


@pytest.fixture(scope="module")
def table(receipts: pd.DataFrame) -> pd.DataFrame:
    return rfm(receipts, as_of=CUTOFF)


def test_rfm_is_what_the_receipts_say(receipts: pd.DataFrame, table: pd.DataFrame) -> None:
    past = receipts[receipts.occurred_at < pd.Timestamp(CUTOFF)].groupby("customer_id")
    first, last = past.occurred_at.min(), past.occurred_at.max()
    assert (table.days_since_last_purchase == (pd.Timestamp(CUTOFF) - last).dt.days).all()
    assert (table.age_at_last_purchase_days == (last - first).dt.days).all()
    assert (table.purchase_days_all == past.occurred_at.nunique()).all()
    assert np.allclose(table.margin_all, past.margin.sum(), rtol=1e-5)
    assert table.m.between(1, 5).all() and table.groupby("m").margin_365d.mean().is_monotonic_increasing


def test_ltv_predicts_the_year_that_came(receipts: pd.DataFrame, table: pd.DataFrame) -> None:
    later = receipts[receipts.occurred_at.between(pd.Timestamp(CUTOFF), pd.Timestamp(END), inclusive="left")]
    came = later.groupby("customer_id").margin.sum().reindex(table.index, fill_value=0.0)
    model = LtvModel(horizon_days=363).fit(receipts, as_of=CUTOFF)
    predicted = model.predict(receipts, as_of=CUTOFF)
    assert np.array_equal(predicted, model.predict(table))
    assert predicted.sum() == pytest.approx(came.sum(), rel=0.15)
    assert np.corrcoef(predicted, came)[0, 1] > 0.6
    alive = pd.Series(model.p_alive(table), index=table.index)
    assert alive[came > 0].mean() > alive[came == 0].mean() + 0.1


def test_ltv_with_a_label_is_calibrated(table: pd.DataFrame) -> None:
    y = np.where(table.r > 2, table.margin_365d, 0.0) * 0.5
    model = LtvModel(learner="mean_by_rfm").fit(table, y)
    assert model.predict(table).sum() == pytest.approx(y.sum(), rel=0.01)


def test_what_ltv_lacks_is_named_with_the_remedy(table: pd.DataFrame) -> None:
    with pytest.raises(FrameError, match="no column margin_all; rfm"):
        LtvModel().fit(table.drop(columns="margin_all"))
    with pytest.raises(FrameError, match="tweedie learns from what came later"):
        LtvModel(learner="tweedie").fit(table)
    with pytest.raises(FrameError, match="no column when; there are"):
        rfm(table, as_of=CUTOFF, date_column="when", money="margin_all", customer="r")


@pytest.mark.filterwarnings("ignore")
def test_churn_passes_the_checks_of_scikit_learn() -> None:
    checks = [check for _, check in estimator_checks_generator(ChurnModel(learner="logistic"))]
    applied = [check for check in checks if check.func.__name__ not in NOT_APPLIED]
    assert len(applied) > 30
    for check in applied:
        try:
            check(ChurnModel(learner="logistic"))
        except (AssertionError, SkipTestWarning) as error:
            raise AssertionError(check.func.__name__) from error


def test_churn_is_calibrated_and_takes_text() -> None:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"plan": rng.choice(["basic", "full"], 3000), "months": rng.integers(1, 60, 3000)})
    chance = np.where(X.plan == "basic", 0.5, 0.1)
    left = np.where(rng.random(3000) < chance, "left", "kept")
    model = ChurnModel(learner="logistic").fit(X, np.where(left == "left", 1, 0))
    p = model.predict_proba(X)[:, 1]
    assert np.abs(p - chance).mean() < 0.04
    assert model.predict(X).tolist() == (p > 0.5).astype(int).tolist()


def test_allocation_is_the_best_of_all() -> None:
    rng = np.random.default_rng(3)
    value = pd.DataFrame(rng.uniform(0, 9, (6, 2)), columns=["mail", "call"])
    value.loc[0, "call"] = np.nan
    found = allocate(value, {"mail": 1.0, "call": 2.0}, budget=6.0, caps={"call": 2})
    best = max(
        sum(0 if o < 0 else value.iloc[i, o] for i, o in enumerate(plan))
        for plan in product((-1, 0, 1), repeat=6)
        if plan[0] != 1 and plan.count(1) <= 2 and plan.count(0) + 2 * plan.count(1) <= 6
    )
    assert found.profit == pytest.approx(best) and found.gap <= 1e-5
    assert found.spent <= 6 and (found.choices == "call").sum() <= 2 and found.choices[0] != "call"
    assert {price.name for price in found.prices} == {"call", "budget"} and "budget" in found._repr_html_()


@pytest.mark.parametrize(
    ("more", "said"),
    [({"caps": {"sms": 1}}, "no option is called 'sms'"), ({"cost": {"mail": 1.0}}, "cost: call is not both")],
)
def test_unknown_options_are_refused(more: dict, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        allocate(pd.DataFrame({"mail": [1.0], "call": [2.0]}), **more)
