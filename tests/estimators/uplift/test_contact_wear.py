"""Who is driven away by a contact, in made-up campaigns whose true shares are known."""

from dataclasses import replace

import numpy as np
import pytest

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.contact_wear import _chance_to_stay, _contrast, add_wear, shrink
from netlift.estimators.expression import constant, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature

OFFERS, PRIOR, MACHINE = ("call", "mail", "rare"), 0.01, Machine(seed=1, threads=1)
FEATURES = tuple(
    Feature(name=name, unit="ratio", source="made up", formula="uniform") for name in ("loyal", "young", "noise")
)


def campaigns(n: int = 40_000, *, seed: int = 1, wear: float = 0.06) -> tuple[ContactRows, np.ndarray]:
    """Calls drive the young away and nobody else, mails nobody; who stays depends on loyalty; true shares, (n, 3)."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, 3))
    arm = rng.choice(4, n, p=(0.4, 0.3, 0.29, 0.01))
    shares = np.column_stack([2 * wear * X[:, 1], np.zeros(n), np.zeros(n)])
    driven = np.where(arm == 0, 0.0, shares[np.arange(n), np.maximum(arm - 1, 0)])
    stayed = (rng.random(n) < (0.6 + 0.38 * X[:, 0]) * (1 - driven)).astype(np.float64)
    stayed[rng.random(n) < 0.1] = np.nan  # whose days are not over
    rows = ContactRows(
        X=np.asfortranarray(X.astype(np.float32)),
        features=FEATURES,
        y=np.zeros(n),
        margin=np.zeros(n),
        offers=OFFERS,
        arm=arm,
        propensity=np.array([0.4, 0.3, 0.29, 0.01])[arm],
        available=np.ones((n, 4), dtype=bool),
        customer=np.arange(n) // 2,
        campaign=np.arange(n) % 3,
        stayed=stayed,
    )
    return rows, shares


def learn(rows: ContactRows) -> Candidate:
    outputs = [(f"uplift_{offer}", "currency", constant(1.0)) for offer in OFFERS]
    plain = Candidate(name="flat", files=write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={}))
    return add_wear(plain, rows, prior=PRIOR, machine=MACHINE)


def told(candidate: Candidate, rows: ContactRows) -> np.ndarray:
    found = StoredModel(candidate.files).predict_matrix(rows.X)
    assert (found["uplift_call"] == 1.0).all()
    return np.column_stack([found[f"wear_{offer}"] for offer in OFFERS])


@pytest.fixture(scope="module")
def fitted():
    rows, _ = campaigns()
    return learn(rows)


def test_whom_a_contact_drives_away_is_told_for_customers_that_no_fit_saw(fitted):
    new, truth = campaigns(seed=2)
    found = told(fitted, new)
    assert found[:, 0].mean() == pytest.approx(truth[:, 0].mean(), abs=0.012)
    young, old = new.X[:, 1] > 0.8, new.X[:, 1] < 0.2
    assert found[young, 0].mean() - found[old, 0].mean() == pytest.approx(0.072, abs=0.025)
    assert found[:, 1].mean() < 0.006  # and none is below 0
    assert found.min() >= 0


def test_an_offer_of_too_few_contacts_keeps_the_cautious_share_and_says_so(fitted):
    new, _ = campaigns(seed=2)
    np.testing.assert_array_equal(told(fitted, new)[:, 2], PRIOR)
    assert any("rare" in note and "too few" in note for note in fitted.notes)


def test_where_all_are_worn_alike_nobody_is_told_apart():
    rows, _ = campaigns(seed=3, wear=0.0)
    found = told(learn(rows), rows)
    assert found[:, 0].std() < 0.006 and found[:, 0].mean() < 0.008


def test_the_standard_error_covers_the_true_share_at_its_rate():
    inside = []
    for seed in range(20):
        rows, truth = campaigns(6_000, seed=10 + seed)
        seen = rows.take(~np.isnan(rows.stayed))
        _, chance = _chance_to_stay(seen, MACHINE)
        measured, error = _contrast(seen, chance, 2).share()
        inside.append(abs(measured - truth[:, 1].mean()) <= 1.96 * error)
    assert sum(inside) >= 16  # of 20 at 95 %: fewer has a chance of 0.3 %


def test_data_move_the_share_as_far_as_they_can_tell():
    assert shrink(0.05, 0.001, prior=0.01) == pytest.approx(0.05, abs=0.001)
    assert shrink(0.05, 0.1, prior=0.01) == pytest.approx(0.01, abs=0.001)
    assert shrink(-0.05, 0.001, prior=0.01) == 0.0


@pytest.mark.parametrize("stayed", [np.nan, 0.0, 1.0])
def test_days_that_tell_nobody_apart_leave_the_cautious_share(stayed):
    rows, _ = campaigns(2_000)
    blind = replace(rows, stayed=np.full(len(rows), stayed))
    np.testing.assert_array_equal(told(learn(blind), rows), PRIOR)
