"""Models side by side: the same figures as one by one, paired."""

import numpy as np
import pytest

from netlift.errors import DataError
from netlift.evaluation.uplift.comparison import compare_uplift
from netlift.evaluation.uplift.metrics import (
    ScoredModel,
    auuc,
    calibration,
    qini,
    qini_difference,
    uplift_at_k,
    uplift_by_decile,
)
from netlift.evaluation.uplift.toc import rate, rate_difference


def compared():
    rng = np.random.default_rng(1)
    tau = rng.normal(size=2000)
    scored = ScoredModel(
        effects=tau + rng.normal(size=2000), customer=rng.integers(0, 900, 2000), unit="EUR/customer", level=0.9,
        weight=rng.uniform(0.5, 2, 2000),
    )  # fmt: skip
    models = {"good": tau, "fair": (tau + rng.normal(size=2000)).round(1), "flat": np.full(2000, 0.5)}
    return scored, models, compare_uplift(scored, models, against="fair", shares=(0.1, 0.25), least_q=0.1)


def test_every_figure_is_the_one_that_its_own_function_gives():
    scored, models, comparison = compared()
    found = {(row.metric, row.model): row for row in comparison.figures}
    for name in ("good", "fair"):
        line = calibration(scored, models[name])
        assert found["qini", name].value == qini(scored, models[name])
        assert found["auuc", name].value == auuc(scored, models[name])
        assert found["autoc", name].value == rate(scored, models[name], least_q=0.1)
        assert found["uplift at 25%", name].value == uplift_at_k(scored, models[name], 0.25)
        assert found["calibration slope", name].value == line.slope
        assert found["calibration intercept", name].value == line.intercept
        assert comparison.deciles[name] == uplift_by_decile(scored, models[name])
    paired = found["autoc", "good"].difference
    alone = rate_difference(scored, models["good"], models["fair"], least_q=0.1)
    assert (paired.point, paired.ci_lower) == (alone.point, alone.ci_lower)
    assert found["qini", "good"].difference.ci_upper == qini_difference(scored, models["good"], models["fair"]).ci_upper


def test_the_reference_has_no_difference_and_a_constant_no_slope():
    _, _, comparison = compared()
    assert all((row.difference is None) == (row.model == "fair") for row in comparison.figures)
    assert ("calibration slope", "flat") not in {(row.metric, row.model) for row in comparison.figures}
    flat = next(row for row in comparison.figures if (row.metric, row.model) == ("qini", "flat"))
    assert (flat.value.point, flat.value.unit) == (0.0, "EUR/customer")
    assert len(comparison.figures.to_frame()) == 6 * 3 + 1


def test_a_reference_that_is_not_there_is_refused():
    scored, models, _ = compared()
    with pytest.raises(DataError, match="no model 'best' to compare against; there are good, fair, flat"):
        compare_uplift(scored, models, against="best", shares=(0.1,), least_q=0.1)
