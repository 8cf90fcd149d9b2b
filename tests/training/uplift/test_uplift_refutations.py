"""Learners and judges asked what is known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
from contact_world import OFFERS, SEARCH, make_world

from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_uplift
from netlift.evaluation.policy.off_policy import LoggedOutcomes, dr_scores
from netlift.training.uplift.placebos import placebo_outcomes, refute_uplift


def world(customers, *, seed, **kinds):
    made = make_world(customers, seed=seed, **kinds).rows
    rng = np.random.default_rng(seed)
    before = np.where(rng.random(len(made)) < 0.4, np.exp(2.5 + 0.5 * made.X[:, 0] + rng.normal(size=len(made))), 0.0)
    return replace(made, before=before)


def least_squares(rows):
    """A learner: profit of each arm by its own line."""

    def design(X):
        return np.column_stack([np.ones(len(X)), np.nan_to_num(X)])

    lines = [
        np.linalg.lstsq(design(rows.X[rows.arm == j]), rows.y[rows.arm == j], rcond=None)[0]
        for j in range(len(rows.offers) + 1)
    ]
    return lambda asked: design(asked.X) @ np.stack([line - lines[0] for line in lines[1:]], axis=1)


def log(learned, judged):
    uplift = least_squares(learned)(judged)
    mean = learned.y.mean()
    return log_with(judged, mean + np.column_stack([np.zeros(len(judged)), uplift]), judged.propensity)


def log_with(judged, mu, propensity):
    scores = dr_scores(y=judged.y, arm=judged.arm, propensity=propensity, mu=mu, available=judged.available)
    return LoggedOutcomes(
        y=judged.y, arm=judged.arm, propensity=propensity, scores=scores, customer=judged.customer, unit="EUR/customer",
        level=0.9,
    )  # fmt: skip


def test_a_sound_learner_passes_in_nearly_every_world():
    passed = []
    for seed in range(20):
        found, _ = refute_uplift(world(800, seed=seed), least_squares, log, seed=seed, level=0.95)
        passed.append(all(row.passed for row in found))
    assert np.mean(passed) >= 0.88


def test_netlifts_own_learner_passes_and_its_policy_is_steady():
    def fit(rows):
        candidate = fit_uplift(
            "paired_effects", rows, search=SEARCH, folds=3, seed=1, threads=1, progress=lambda share, words: None
        )
        model = StoredModel(candidate.files)

        def predict(asked):
            scores = model.predict_matrix(asked.X)
            return np.column_stack([scores[f"uplift_{offer}"] for offer in OFFERS])

        return predict

    found, notes = refute_uplift(world(2500, seed=3), fit, log, seed=1, level=0.95)
    assert [row.name for row in found if not row.passed] == []
    assert notes == ()
    agreement = next(row for row in found if row.name == "unseen half: same arm chosen")
    assert agreement.seen.point > 0.6


def test_a_judge_who_does_not_know_the_chances_is_caught():
    def ignorant(learned, judged):
        return log_with(judged, np.zeros((len(judged), 4)), np.full(len(judged), 0.5))

    found, notes = refute_uplift(world(3000, seed=4), least_squares, ignorant, seed=1, level=0.95)
    failed = {row.name for row in found if not row.passed}
    assert "placebo treatment: gain of its policy" in failed
    assert any(note.startswith("refutation failed: placebo treatment") for note in notes)


def test_a_learner_of_noise_is_caught_by_the_unseen_half():
    def noise(rows):
        rng = np.random.default_rng(len(rows))
        return lambda asked: rng.normal(size=(len(asked), 3))

    found, _ = refute_uplift(world(2000, seed=5), noise, log, seed=1, level=0.95)
    assert not next(row for row in found if row.name == "unseen half: same arm chosen").passed


def test_arms_chosen_by_the_past_show_in_the_placebo_outcome():
    rows = world(3000, seed=6)
    honest = placebo_outcomes(rows, unit="EUR/customer", level=0.99)
    assert all(row.passed for row in honest)
    picked = replace(rows, before=rows.before + 3.0 * (rows.arm == 2))
    assert [row.passed for row in placebo_outcomes(picked, unit="EUR/customer", level=0.99)] == [True, False, True]


def test_the_placebo_outcome_has_the_coverage_that_it_claims():
    hits = [
        row.passed
        for seed in range(40)
        for row in placebo_outcomes(world(600, seed=seed), unit="EUR/customer", level=0.9)
    ]
    assert 0.83 < np.mean(hits) < 0.96


def test_what_was_sampled_and_what_could_not_be_asked_is_said():
    rows = replace(world(1000, seed=7), before=None)
    found, notes = refute_uplift(rows, least_squares, log, seed=1, level=0.95, max_rows=2000)
    assert notes[0] == "refutations on 2,000 of 4,000 contacts, whole customers drawn at random"
    assert notes[-1].startswith("no placebo outcome")
    assert not any("placebo outcome" in row.name for row in found)


@pytest.mark.parametrize("column", ["name", "expected", "seen", "passed"])
def test_the_table_shows_the_question_and_the_answer(column):
    found, _ = refute_uplift(world(600, seed=8), least_squares, log, seed=1, level=0.95)
    assert column in found.to_markdown().splitlines()[0]
