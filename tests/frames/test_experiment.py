"""Experiment on a frame: recomputed from raw rows, narrower by what was known before, without a verdict if torn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from netlift import Experiment
from netlift.frames.columns import FrameError


@pytest.fixture(scope="module")
def test_rows() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    n = 4000
    df = pd.DataFrame({"before": rng.gamma(2, 20, n), "arm": rng.choice(["none", "mail", "call"], n)})
    df["cost"] = df.arm.map({"none": 0.0, "mail": 0.5, "call": 9.0})
    gain = df.arm.map({"none": 0.0, "mail": 4.0, "call": 1.0})
    df["profit"] = df.before * rng.gamma(4, 0.25, n) + gain - df.cost
    return df


@pytest.fixture(scope="module")
def plain(test_rows: pd.DataFrame):
    return Experiment(cost="cost", control="none").analyze(test_rows)


def test_profit_and_return_are_differences_of_means(test_rows: pd.DataFrame, plain) -> None:
    for arm in plain.arms:
        sent, alone = (test_rows[test_rows.arm == name] for name in (arm.arm, "none"))
        total = len(sent) * (sent.profit.mean() - alone.profit.mean())
        assert arm.profit.point == pytest.approx(total)
        assert arm.roi.point == pytest.approx(total / (len(sent) * sent.cost.mean()))
    whole = sum(arm.profit.point for arm in plain.arms)
    assert plain.profit.point == pytest.approx(whole)


def test_what_was_known_before_narrows_the_interval_to_the_truth(test_rows: pd.DataFrame, plain) -> None:
    exact = Experiment(cost="cost", control="none", covariates=["before"]).analyze(test_rows)
    width = [result.profit.ci_upper - result.profit.ci_lower for result in (exact, plain)]
    assert width[0] < 0.8 * width[1]
    by_name = {arm.arm: arm for arm in exact.arms}
    each = by_name["mail"].profit.point / by_name["mail"].assigned
    assert each == pytest.approx(3.5, abs=1.5)
    assert by_name["mail"].verdict.code == "made_money" and by_name["call"].verdict.code == "lost_money"


def test_sizes_that_are_not_those_of_the_draw_take_the_verdict_away(test_rows: pd.DataFrame) -> None:
    how = Experiment(control="none", shares={"none": 0.5, "mail": 0.25, "call": 0.25})
    assert how.analyze(test_rows).verdict.code == "blocked"
    even = how.set_params(shares={"none": 1 / 3, "mail": 1 / 3, "call": 1 / 3}).analyze(test_rows)
    assert even.verdict.code != "blocked" and even.checks[0].status == "passed"


def test_the_page_speaks_both_languages_and_the_frame_holds_the_money(plain) -> None:
    assert "mail" in plain.to_html() and "Прибыль" in plain.to_html("ru")
    assert "<pre>" in plain._repr_html_() and "ROI" in str(plain)
    frame = plain.to_frame()
    profit = frame[(frame.line == "profit") & (frame["arm"] == "")].total.item()
    assert profit == pytest.approx(plain.profit.point)


def test_customers_of_one_household_do_not_count_twice(test_rows: pd.DataFrame) -> None:
    twice = pd.concat([test_rows.assign(home=np.arange(len(test_rows)))] * 2, ignore_index=True)
    alone, shared = (Experiment(control="none", cluster=c).analyze(twice).profit for c in (None, "home"))
    assert shared.ci_upper - shared.ci_lower == pytest.approx(2**0.5 * (alone.ci_upper - alone.ci_lower), rel=0.02)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"profit": "gain"}, "no column gain; there are before, arm"),
        ({"control": "nobody"}, "control 'nobody' is no arm"),
        ({"covariates": ["arm"]}, "names of the readout itself"),
        ({"shares": {"none": 0.5}}, "add up to 0.5"),
    ],
)
def test_bad_questions_are_refused(test_rows: pd.DataFrame, how: dict, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        Experiment(**{"control": "none"} | how).analyze(test_rows)


def test_missing_profit_is_counted(test_rows: pd.DataFrame) -> None:
    torn = test_rows.assign(profit=test_rows.profit.where(test_rows.index > 2))
    with pytest.raises(FrameError, match="'profit': 3 of 4,000 values are missing"):
        Experiment(control="none").analyze(torn)
