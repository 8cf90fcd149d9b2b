from __future__ import annotations

import numpy as np
import pytest

from netlift.segments.surveys import mean_satisfaction, net_promoter_score


def test_the_score_is_promoters_less_detractors():
    score = net_promoter_score(np.array([10, 9, 9, 8, 7, 6, 0, np.nan]), level=0.95)
    assert score.point == pytest.approx(100 * (3 - 2) / 7)
    assert score.method == "7 newest answers"


def test_the_interval_covers_the_true_score_as_often_as_it_says():
    rng, hits = np.random.default_rng(3), 0
    for _ in range(1000):
        answers = rng.choice([10.0, 7.0, 3.0], size=200, p=[0.45, 0.3, 0.25])
        score = net_promoter_score(answers, level=0.95)
        hits += score.ci_lower <= 20 <= score.ci_upper
    assert 0.93 < hits / 1000 < 0.97


def test_answers_that_are_all_alike_have_a_score_and_no_interval():
    score = net_promoter_score(np.full(5, 10.0), level=0.95)
    assert score.point == 100
    assert np.isnan([score.ci_lower, score.ci_upper]).all()
    assert np.isnan(mean_satisfaction(np.array([4.0]), level=0.95).ci_lower)


def test_without_answers_there_is_no_figure():
    assert net_promoter_score(np.full(3, np.nan), level=0.95) is None
    assert mean_satisfaction(np.array([]), level=0.95) is None


def test_mean_satisfaction_has_the_interval_of_a_mean():
    answers = np.array([3.0, 4.0, 5.0, 4.0, np.nan])
    found = mean_satisfaction(answers, level=0.95)
    half = 1.959964 * np.std(answers[:4], ddof=1) / 2
    assert np.allclose([found.point, found.ci_lower, found.ci_upper], [4, 4 - half, 4 + half])
