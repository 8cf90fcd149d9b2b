"""Numbers of causalml and scikit-uplift, reproduced.

scikit-uplift's were recorded from scikit-uplift 0.5.1 with scikit-learn 1.9.1 and numpy 2.4.6 on the rows that `draw`
makes from the seeds below; beside them stands a computation by brute force from its published definitions
(metrics/metrics.py; Devriendt, Guns, Verbeke 2020).
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.errors import DataError
from netlift.evaluation.uplift.metrics import ScoredModel, auuc, qini
from netlift.evaluation.uplift.other_libraries import (
    causalml_auuc,
    causalml_qini,
    qini_over_ate,
    sklift_qini_auc,
    sklift_uplift_at_k,
    sklift_uplift_auc,
)

# rows, seed, decimals of the score: qini_auc_score, the same without negative effects, uplift_auc_score
AREAS = {
    (5000, 11, None): (0.06485568953098848, 0.5394070505582358, 0.05526379783908396),
    (5000, 12, 1): (0.03915271142021495, 0.35112379467812516, 0.03385089767106098),
    (40, 13, None): (-0.11711711711711711, -0.11711711711711711, -0.001107199226857394),
}
AT_30_PERCENT = {  # uplift_at_k overall, by_group
    (5000, 11, None): (0.13236539074234216, 0.129422380685132),
    (40, 13, None): (0.25, 0.25),
}
SMALL = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(-3, 3)), min_size=6, max_size=30).filter(
    lambda rows: {(y, w) for y, w, _ in rows} == {(0, 0), (0, 1), (1, 0), (1, 1)}
)


def draw(n: int, seed: int, decimals: int | None = None):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    treated = (rng.random(n) < 0.4).astype(np.int64)
    y = (rng.random(n) < 0.25 + 0.1 * treated * np.tanh(x) + 0.05 * treated).astype(np.int64)
    score = x + rng.normal(size=n)
    return y, treated, score if decimals is None else score.round(decimals)


def brute_force_area(y, treated, score, *, per_head: bool) -> float:
    """Area above the diagonal of the curve with a corner at each distinct score, from the rows above each."""
    corners = [(0, 0.0)]
    for border in sorted(set(score), reverse=True):
        top = score >= border
        ones, zeros = y[top & (treated == 1)], y[top & (treated == 0)]
        if per_head:
            means = [part.mean() if len(part) else 0.0 for part in (ones, zeros)]
            height = (means[0] - means[1]) * top.sum()
        else:
            height = ones.sum() - (zeros.sum() * len(ones) / len(zeros) if len(zeros) else 0.0)
        corners.append((top.sum(), height))
    area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(corners))
    return area - corners[-1][0] * corners[-1][1] / 2


@pytest.mark.parametrize("rows", AREAS, ids=str)
def test_areas_are_those_that_scikit_uplift_gave(rows):
    data = draw(*rows)
    found = (sklift_qini_auc(*data), sklift_qini_auc(*data, negative_effect=False), sklift_uplift_auc(*data))
    assert found == pytest.approx(AREAS[rows], rel=1e-10)


@pytest.mark.parametrize("rows", AT_30_PERCENT, ids=str)
def test_uplift_at_k_is_what_scikit_uplift_gave(rows):
    data = draw(*rows)
    found = [sklift_uplift_at_k(*data, strategy=strategy, share=0.3) for strategy in ("overall", "by_group")]
    assert found == pytest.approx(AT_30_PERCENT[rows], rel=1e-12)


@settings(max_examples=60)
@given(SMALL)
def test_areas_with_ties_follow_scikit_uplifts_definition(drawn):
    y, treated, score = np.array(drawn).T
    harmed, unmoved = np.sum((y == 1) & (treated == 0)), np.sum((y == 0) & (treated == 1))
    best = 2 * (y == treated) + (y if harmed > unmoved else treated)
    perfect = brute_force_area(y, treated, best, per_head=True)
    expected = brute_force_area(y, treated, score, per_head=True) / perfect
    assert sklift_uplift_auc(y, treated, score) == pytest.approx(expected, abs=1e-9)
    perfect = brute_force_area(y, treated, y * (2 * treated - 1), per_head=False)
    expected = brute_force_area(y, treated, score, per_head=False) / perfect
    assert sklift_qini_auc(y, treated, score) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("outcome", ["binary", "spend"])
def test_scores_are_those_of_causalml_where_no_scores_tie(outcome, normalize):
    metrics = pytest.importorskip("causalml.metrics")
    for n, seed in ((30, 1), (2000, 2)):
        y, treated, score = draw(n, seed)
        if outcome == "spend":
            y = y * np.random.default_rng(seed).lognormal(3, 1, n)
        frame = pd.DataFrame({"y": y, "w": treated, "model": score})
        options = {"normalize": normalize}
        assert causalml_auuc(y, treated, score, **options) == pytest.approx(
            metrics.auuc_score(frame, **options)["model"]
        )
        assert causalml_qini(y, treated, score, **options) == pytest.approx(
            metrics.qini_score(frame, **options)["model"]
        )


def test_causalml_with_effects_given_is_our_own_area_up_to_one_row():
    """Its mean over 0 … n of sums over the top rows is n²/(n + 1) of our AUUC, and half a row of the mean effect."""
    metrics = pytest.importorskip("causalml.metrics")
    n = 500
    rng = np.random.default_rng(3)
    effects, score = rng.normal(1.0, 3.0, n), rng.normal(size=n)
    frame = pd.DataFrame({"tau": effects, "model": score})
    scored = ScoredModel(effects=effects, customer=np.arange(n), unit="", level=0.95)
    ours = n**2 / (n + 1) * (auuc(scored, score).point + effects.mean() / (2 * n))
    assert metrics.auuc_score(frame, normalize=False)["model"] == pytest.approx(ours)
    assert metrics.auuc_score(frame, normalize=True)["model"] == pytest.approx(ours / abs(effects.sum()))


@settings(max_examples=40)
@given(SMALL, st.randoms(use_true_random=False))
def test_the_order_of_tied_rows_moves_no_number(drawn, random):
    shuffled = list(drawn)
    random.shuffle(shuffled)

    def numbers(rows):
        y, treated, score = np.array(rows, dtype=np.float64).T
        return [
            causalml_auuc(y, treated, score, normalize=False),
            causalml_qini(y, treated, score, normalize=False),
            sklift_qini_auc(y, treated, score),
            sklift_uplift_at_k(y, treated, score, strategy="by_group", share=0.99),
        ]

    assert numbers(drawn) == pytest.approx(numbers(shuffled), abs=1e-9)


def test_a_constant_score_is_level_with_chance_in_every_qini():
    y, treated, _ = draw(1000, 5)
    flat = np.zeros(1000)
    assert causalml_qini(y, treated, flat, normalize=True) == pytest.approx(0.0, abs=1e-12)
    assert sklift_qini_auc(y, treated, flat) == pytest.approx(0.0, abs=1e-12)
    means = y[treated == 1].mean() - y[treated == 0].mean()
    for strategy in ("overall", "by_group"):
        assert sklift_uplift_at_k(y, treated, flat, strategy=strategy, share=0.3) == pytest.approx(means)


def test_a_qini_over_a_small_mean_effect_is_known_to_be_unknown():
    rng = np.random.default_rng(6)
    tau = rng.normal(size=5000)
    rows = {
        mean: ScoredModel(effects=tau + mean + rng.normal(size=5000), customer=np.arange(5000), unit="EUR", level=0.95)
        for mean in (1.0, 0.03)
    }
    sure, unsure = (qini_over_ate(scored, tau) for scored in rows.values())
    assert sure.point == pytest.approx(qini(rows[1.0], tau).point / rows[1.0].effects.mean())
    assert sure.unit == ""
    assert unsure.ci_upper - unsure.ci_lower > 10 * (sure.ci_upper - sure.ci_lower)


def test_what_has_no_such_number_is_refused():
    y, treated, score = draw(50, 7)
    with pytest.raises(DataError, match="areas are of binary outcomes"):
        sklift_qini_auc(y * 2.5, treated, score)
    with pytest.raises(DataError, match="needs rows of 1 and of 0"):
        causalml_auuc(y, np.ones(50), score, normalize=True)
    with pytest.raises(DataError, match="needs rows of 1 and of 0"):
        causalml_auuc(y, treated + 1, score, normalize=True)
    with pytest.raises(DataError, match="must be of one length"):
        causalml_auuc(y, treated, score[:-1], normalize=True)
    with pytest.raises(DataError, match="an arm has no rows among the top 2% of 50"):
        sklift_uplift_at_k(y, treated, score, strategy="overall", share=0.02)
    with pytest.raises(DataError, match="is none; ask for a larger share"):
        sklift_uplift_at_k(y, treated, score, strategy="by_group", share=0.01)
    with pytest.raises(DataError, match=r"share 1.0 must be in \(0, 1\)"):
        sklift_uplift_at_k(y, treated, score, strategy="overall", share=1.0)
