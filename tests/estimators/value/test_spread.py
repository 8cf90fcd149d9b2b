import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.estimators.value.prediction_interval import learn_spread


def draw(n, seed, *, p_zero=0.6, scale=1.0):
    """Money that is zero or log-normal around a known mean, and that mean."""
    rng = np.random.default_rng(seed)
    mean = scale * np.exp(rng.normal(3, 1.2, n))
    y = np.where(rng.random(n) < p_zero, 0.0, mean / (1 - p_zero) * np.exp(rng.normal(0, 0.8, n) - 0.32))
    return y, mean


def ends(spread, predicted):
    return np.interp(predicted, spread.x, spread.lower), np.interp(predicted, spread.x, spread.upper)


def test_both_tails_hold_their_share_over_all_and_in_every_tenth_of_value():
    y, mean = draw(60_000, 1, p_zero=0.0)
    spread = learn_spread(y, mean)
    new_y, new_mean = draw(60_000, 2, p_zero=0.0)
    lower, upper = ends(spread, new_mean)
    for outside in (new_y < lower, new_y > upper):
        assert outside.mean() == pytest.approx(0.025, abs=0.004)
        for tenth in np.array_split(np.argsort(new_mean), 10):
            assert outside[tenth].mean() == pytest.approx(0.025, abs=0.012)


def test_where_many_bring_nothing_the_lower_end_is_zero_and_the_upper_tail_keeps_its_share():
    y, mean = draw(60_000, 1)
    spread = learn_spread(y, mean)
    new_y, new_mean = draw(60_000, 2)
    lower, upper = ends(spread, new_mean)
    assert np.all(lower == 0)
    assert np.mean(new_y > upper) == pytest.approx(0.025, abs=0.004)
    for tenth in np.array_split(np.argsort(new_mean), 10):
        assert np.mean(new_y[tenth] > upper[tenth]) == pytest.approx(0.025, abs=0.012)


def test_a_biased_model_still_has_intervals_that_hold():
    y, mean = draw(40_000, 3, p_zero=0.0)
    spread = learn_spread(y, 1.7 * mean)
    new_y, new_mean = draw(40_000, 4, p_zero=0.0)
    lower, upper = ends(spread, 1.7 * new_mean)
    assert ((new_y >= lower) & (new_y <= upper)).mean() == pytest.approx(0.95, abs=0.007)


def test_the_deviation_gives_the_spread_of_totals():
    """Totals of 400 fresh customers fall outside ±1.96 deviations about one time in twenty."""
    y, mean = draw(80_000, 5)
    spread = learn_spread(y, mean)
    new_y, new_mean = draw(400 * 400, 6)
    sd = np.interp(new_mean, spread.x, spread.sd)
    off = (new_y - new_mean).reshape(400, 400).sum(axis=1)
    z = off / np.sqrt((sd**2).reshape(400, 400).sum(axis=1))
    assert np.mean(np.abs(z) <= 1.96) == pytest.approx(0.95, abs=0.03)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), n=st.integers(39, 900), p_zero=st.floats(0, 0.99))
def test_at_least_the_level_of_each_training_group_lies_inside_the_ends_of_the_whole(seed, n, p_zero):
    y, mean = draw(n, seed, p_zero=p_zero)
    spread = learn_spread(y, mean)
    assert all(low <= high for low, high in zip(spread.lower, spread.upper, strict=True))
    assert list(spread.x) == sorted(spread.x)
    assert np.mean((y >= min(spread.lower)) & (y <= max(spread.upper))) >= 0.95


def test_money_scales_with_the_currency():
    y, mean = draw(5_000, 7)
    one, hundred = learn_spread(y, mean), learn_spread(100 * y, 100 * mean)
    assert np.allclose(np.array(hundred.upper), 100 * np.array(one.upper))


def test_too_few_rows_are_refused():
    with pytest.raises(DataError, match=r"38 rows cannot teach an interval that holds 95%: 39 are needed"):
        learn_spread(np.zeros(38), np.ones(38))
