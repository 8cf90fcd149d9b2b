"""Expected rewards: known ones are recovered customer by customer, and rare ones are one number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.expression import constant, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.rewards import add_rewards
from netlift.features.matrix import Feature

MACHINE = Machine(seed=3, threads=1)
OFFERS = ("bonus", "discount", "reminder")
FEATURES = tuple(
    Feature(name=name, unit="ratio", source="made up", formula="uniform") for name in ("habit", "basket", "noise")
)


def contacts(n: int = 24_000, *, seed: int = 1) -> tuple[ContactRows, np.ndarray]:
    """Buyers redeem: a bonus of 50 for each, a tenth of the basket for each, nothing; expected rewards, (n, 3)."""
    rng = np.random.default_rng(seed)
    habit, basket = rng.uniform(0, 1, n), rng.uniform(100, 2_000, n)
    arm = rng.integers(0, 4, n)
    buys = rng.random(n) < 0.05 + 0.4 * habit
    spent = np.where(buys, basket * rng.gamma(2.0, 0.5, n), 0.0)
    reward = np.select([arm == 1, arm == 2], [50.0 * buys, 0.1 * spent], 0.0)
    rows = ContactRows(
        X=np.asfortranarray(np.column_stack([habit, basket, rng.normal(size=n)]).astype(np.float32)),
        features=FEATURES,
        y=spent - reward,
        margin=spent,
        offers=OFFERS,
        arm=arm,
        propensity=np.full(n, 0.25),
        available=np.ones((n, 4), dtype=bool),
        customer=np.arange(n),
        campaign=np.zeros(n, dtype=np.int64),
        reward=reward,
    )
    chance = 0.05 + 0.4 * habit
    return rows, np.column_stack([50 * chance, 0.1 * basket * chance, np.zeros(n)])


def uplift_model(rows: ContactRows) -> Candidate:
    outputs = [(f"uplift_{offer}", "currency", constant(j)) for j, offer in enumerate(rows.offers)]
    files = write_files(task="uplift", features=rows.features, outputs=outputs, boosters={})
    return Candidate(name="flat", files=files)


def test_rewards_of_new_customers_are_those_that_all_redeemers_will_take():
    rows, _ = contacts()
    new, truth = contacts(seed=2)
    fitted = add_rewards(uplift_model(rows), rows, machine=MACHINE)
    told = StoredModel(fitted.files).predict_matrix(new.X)
    assert fitted.notes == ()
    assert set(told) == {*(f"uplift_{offer}" for offer in OFFERS), "reward_bonus", "reward_discount"}
    for j, offer in enumerate(OFFERS[:2]):
        expected = told[f"reward_{offer}"]
        assert expected.sum() == pytest.approx(truth[:, j].sum(), rel=0.04)
        for tenth in np.array_split(np.argsort(truth[:, j]), 10)[3:]:
            assert expected[tenth].mean() == pytest.approx(truth[tenth, j].mean(), rel=0.15)
        flat = truth[:, j].mean()
        assert np.mean((expected - truth[:, j]) ** 2) < 0.1 * np.mean((flat - truth[:, j]) ** 2)


def test_the_total_of_the_contacts_that_it_learned_from_is_what_they_paid():
    rows, _ = contacts(6_000)
    told = StoredModel(add_rewards(uplift_model(rows), rows, machine=MACHINE).files).predict_matrix(rows.X)
    assert told["reward_discount"][rows.arm == 2].sum() == pytest.approx(rows.reward[rows.arm == 2].sum(), rel=1e-6)


def test_an_offer_that_few_redeemed_is_worth_its_mean_and_a_reader_is_told():
    rows, _ = contacts(2_000)
    few = np.flatnonzero((rows.arm == 1) & (rows.reward > 0))[20:]
    reward = rows.reward.copy()
    reward[few] = 0.0
    fitted = add_rewards(uplift_model(rows), replace(rows, reward=reward), machine=MACHINE)
    told = StoredModel(fitted.files).predict_matrix(rows.X)["reward_bonus"]
    assert told == pytest.approx(np.full(len(rows), reward[rows.arm == 1].mean()))
    assert any("only 20 of" in note for note in fitted.notes)


def test_rewards_below_zero_are_averaged_and_a_reader_is_told():
    rows, _ = contacts(2_000)
    reward = rows.reward - np.where(rows.arm == 2, 1.0, 0.0)
    fitted = add_rewards(uplift_model(rows), replace(rows, reward=reward), machine=MACHINE)
    told = StoredModel(fitted.files).predict_matrix(rows.X)["reward_discount"]
    assert np.ptp(told) == 0 and told[0] == pytest.approx(reward[rows.arm == 2].mean())
    assert any("some are negative" in note for note in fitted.notes)


def test_without_rewards_the_model_stays_as_it_is():
    rows, _ = contacts(1_000)
    plain = uplift_model(rows)
    assert add_rewards(plain, replace(rows, reward=None), machine=MACHINE) is plain
    assert add_rewards(plain, replace(rows, reward=np.zeros(len(rows))), machine=MACHINE).files == plain.files


def test_the_same_rows_give_the_same_bytes_whatever_the_threads():
    rows, _ = contacts(4_000)
    one, two = (add_rewards(uplift_model(rows), rows, machine=Machine(seed=3, threads=k)) for k in (1, 2))
    assert one.files == two.files
