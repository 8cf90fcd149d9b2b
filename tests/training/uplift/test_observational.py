"""Observational campaigns: adjusted where the features tell how customers were chosen, refused where they do not."""

from dataclasses import replace

import numpy as np
import pytest
from observed_world import MEAN_EFFECT, observe

from netlift.errors import NotRandomizedError
from netlift.training.uplift.observational import adjust_observational, mark_observational

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def adjusted():
    observed, chance = observe(0)
    return observed, chance, adjust_observational(observed)


def true_effect(rows):
    return float((MEAN_EFFECT * (1 + 0.5 * np.sign(rows.X[:, 1]))).mean()) - 0.2


def test_the_naive_difference_is_wrong_and_the_adjusted_effect_covers_the_truth(adjusted):
    observed, _, found = adjusted
    rows, (row,) = observed.rows, found.found.rows
    truth = true_effect(rows.take(found.kept))
    naive = rows.y[rows.arm == 1].mean() - rows.y[rows.arm == 0].mean()
    assert naive > truth + 1
    assert row.effect.ci_lower <= truth <= row.effect.ci_upper
    assert row.effect.ci_upper < naive
    assert row.effect.method.startswith("observational")


def test_weighting_makes_unlike_arms_alike_and_the_past_shows_no_effect(adjusted):
    (row,) = adjusted[2].found.rows
    assert row.worst_smd_before > 0.5
    assert row.worst_smd_after < 0.1
    assert row.placebo.ci_lower <= 0 <= row.placebo.ci_upper
    assert 0 < row.robustness_of_interval < row.robustness < 0.2
    assert row.e_value > 1


def test_estimated_chances_are_near_the_true_ones_and_missing_for_rows_left_out(adjusted):
    observed, chance, found = adjusted
    own = np.where(observed.rows.arm == 1, chance, 1 - chance)
    assert np.abs(found.propensity - own)[found.kept].mean() < 0.05
    assert np.array_equal(np.isnan(found.propensity), ~found.kept)


def test_every_note_says_observational_and_counts_who_was_left_out(adjusted):
    (note,) = adjusted[2].notes
    assert note.startswith("observational: campaign picked, mail: ")
    assert f"{adjusted[2].kept.sum():,} of 5,000 customers" in note


def test_an_unseen_reason_for_choosing_shows_as_an_effect_on_the_past():
    observed, _ = observe(3, unseen=0.7)
    with pytest.raises(NotRandomizedError, match='campaign picked shows an "effect" of mail on what customers brought'):
        adjust_observational(observed)


def test_without_an_effect_none_is_found():
    observed, _ = observe(10, effect=0.0)
    (row,) = adjust_observational(observed).found.rows
    assert row.effect.ci_lower <= -0.2 <= row.effect.ci_upper


def test_customers_chosen_by_a_sharp_rule_cannot_be_compared():
    observed, _ = observe(5, sharp=True)
    with pytest.raises(NotRandomizedError, match="there is nobody to compare the others with"):
        adjust_observational(observed)


def test_a_few_sure_choices_are_left_out_and_counted():
    observed, chance = observe(6, seen=2.5)
    found = adjust_observational(observed)
    assert 0.4 < found.kept.mean() < 0.95
    assert np.abs(chance[found.kept] - 0.5).max() < np.abs(chance - 0.5).max()


def test_a_campaign_without_control_is_refused():
    observed, _ = observe(7, n=500)
    everybody = replace(observed.rows, arm=np.ones(500, dtype=np.int64))
    with pytest.raises(NotRandomizedError, match="no contact with offer_id 'control'"):
        adjust_observational(replace(observed, rows=everybody))


def test_the_mark_counts_and_names_what_is_observational():
    rows = observe(8, n=400)[0].rows
    rows = replace(rows, campaign=(np.arange(400) < 100).astype(np.int64))
    mark = mark_observational(rows, ("may", "june"), ("june",))
    assert mark is not None
    assert mark.tag == "june"
    assert mark.note.startswith("observational: 100 of 400 rows (25%)")
    assert mark.mark("it earns").startswith("observational (campaign june was not randomized): it earns")
    assert mark_observational(rows, ("may", "june"), ()) is None


def test_offers_that_the_campaign_did_not_have_leave_no_gap():
    observed, _ = observe(9, n=4000)
    rng = np.random.default_rng(9)
    arm = np.where(observed.rows.arm == 1, rng.choice([1, 3], 4000), 0)
    y = observed.rows.margin + 2.0 * (arm == 3)
    rows = replace(
        observed.rows, arm=arm, y=y, offers=("mail", "call", "sms"), available=np.ones((4000, 4), dtype=bool)
    )
    found = adjust_observational(replace(observed, rows=rows)).found
    assert [row.offer for row in found] == ["mail", "sms"]
    truth = float((MEAN_EFFECT * (1 + 0.5 * np.sign(rows.X[:, 1]))).mean())
    for row, effect in zip(found, (truth, truth + 2), strict=True):
        assert row.effect.ci_lower - 0.1 <= effect <= row.effect.ci_upper + 0.1
