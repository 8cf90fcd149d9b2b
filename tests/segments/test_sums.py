import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from netlift.segments.sums import (
    LEVEL,
    counted,
    mean_of,
    net_promoter_score,
    normal_level_sd,
    prediction_of,
    ratio_of,
    share_of,
)

values = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=30)


def ends(measured):
    low, high = measured.half_width
    return measured.value - low, measured.value + high


@given(values)
def test_a_mean_out_of_sums_is_the_mean_of_the_rows_with_students_interval(rows):
    rows = np.array(rows)
    own = mean_of(n=len(rows), total=rows.sum(), squares=(rows**2).sum())
    half = stats.t.ppf(0.975, len(rows) - 1) * rows.std(ddof=1) / np.sqrt(len(rows))
    assert own.value == pytest.approx(rows.mean(), abs=1e-9)
    assert own.half_width[0] == pytest.approx(half, rel=1e-3, abs=1e-2)


def test_a_mean_of_one_row_has_no_interval_and_of_equal_rows_a_point():
    assert mean_of(n=1, total=5.0, squares=25.0).half_width is None
    assert mean_of(n=3, total=15.0, squares=75.0).half_width == (0.0, 0.0)


def test_the_share_is_that_of_scipy():
    for hits, n in ((0, 10), (3, 10), (10, 10), (450, 1000)):
        wilson = stats.binomtest(hits, n).proportion_ci(LEVEL, method="wilson")
        assert ends(share_of(n=n, hits=hits)) == pytest.approx((wilson.low, wilson.high))


def covers(truth, estimates):
    return np.mean([low <= truth <= high for low, high in map(ends, estimates)])


def test_the_average_receipt_covers_the_truth_though_receipts_of_a_customer_are_alike():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(600):
        receipts = rng.poisson(2, 200) + 1
        spent = receipts * rng.gamma(4, 250, 200)
        found.append(
            ratio_of(
                n=200,
                top=spent.sum(),
                bottom=receipts.sum(),
                top_sq=(spent**2).sum(),
                bottom_sq=(receipts**2).sum(),
                product=(spent * receipts).sum(),
            )
        )
    assert covers(1000.0, found) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("shares", [(0.6, 0.3, 0.1), (0.92, 0.06, 0.02), (0.2, 0.5, 0.3)])
def test_the_nps_covers_the_truth_with_forty_answers(shares):
    answers = np.random.default_rng(2).multinomial(40, shares, 1500)
    found = [net_promoter_score(n=40, promoters=high, detractors=low) for high, _, low in answers]
    assert covers(100 * (shares[0] - shares[2]), found) > 0.92


def test_three_promoters_out_of_three_are_not_certain():
    low, high = ends(net_promoter_score(n=3, promoters=3, detractors=0))
    assert high == 100.0 and low < 60


def test_predictions_add_up_with_one_error_of_level():
    total = prediction_of(n=4, total=400.0, variance=4 * 50.0**2, level_sd=0.1)
    sd = np.hypot(100.0, 40.0)
    assert total.half_width[0] == pytest.approx(stats.norm.ppf(0.975) * sd)
    each = prediction_of(n=4, total=400.0, variance=4 * 50.0**2, level_sd=0.1, per=4)
    assert (each.value, each.half_width[0]) == pytest.approx((100.0, total.half_width[0] / 4))


@pytest.mark.parametrize("seen", [1, 2, 4])
def test_totals_hold_the_truth_however_few_biases_showed_the_error_of_the_level(seen):
    """Biases and the error to come are of one law; the deviation is what so few of them showed."""
    rng = np.random.default_rng(seen)
    biases, error = 0.03 * rng.normal(size=(20_000, seen)), 0.03 * rng.normal(size=20_000)
    shown = np.sqrt(np.mean(biases**2, axis=1))
    half = stats.norm.ppf(0.975) * np.array([normal_level_sd(float(sd), seen) for sd in shown])
    assert np.mean(np.abs(error) <= half) == pytest.approx(0.95, abs=0.005)
    assert np.mean(np.abs(error) <= stats.norm.ppf(0.975) * shown) < 0.9


def test_a_count_of_everything_has_no_interval():
    assert counted(3, 7).half_width is None
