"""Who is driven away by a contact, in made-up campaigns whose true shares are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from netlift.estimators.boosting.lightgbm import Machine
from netlift.estimators.contact_wear import _chance_to_stay, _contrast_stayed, _learn_shares, _value, add_wear, shrink
from netlift.estimators.expression import constant, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature

OFFERS, PRIOR, MACHINE = ("call", "mail", "rare"), 0.01, Machine(seed=1, threads=1)
LEAVERS = 1.5  # for each who complains
HISTORY = ("purchase_days_all", "age_at_last_purchase_days", "days_since_first_purchase", "margin_all")
FEATURES = tuple(
    Feature(name=name, unit="ratio", source="made up", formula="uniform")
    for name in ("loyal", "young", "noise", *HISTORY)
)
YEAR = 364


def campaigns(
    n: int = 40_000, *, seed: int = 1, wear: float = 0.06, complains: bool = False
) -> tuple[ContactRows, np.ndarray]:
    """Calls drive the young away and nobody else, mails nobody; who stays depends on loyalty; true shares, (n, 3)."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(0, 1, (n, 7))
    X[:, 3] = rng.poisson(3, n)  # purchase days, and so the price of a customer, have nothing to do with wear
    X[:, 5] = 700 * X[:, 5] + 28
    X[:, 4] = np.where(X[:, 3] > 1, X[:, 4] * X[:, 5], 0.0)
    X[:, 6] *= 900 * X[:, 3]
    arm = rng.choice(4, n, p=(0.4, 0.3, 0.29, 0.01))
    shares = np.column_stack([2 * wear * X[:, 1], np.zeros(n), np.zeros(n)])
    driven = np.where(arm == 0, 0.0, shares[np.arange(n), np.maximum(arm - 1, 0)])
    stayed = (rng.random(n) < (0.6 + 0.38 * X[:, 0]) * (1 - driven)).astype(np.float64)
    stayed[rng.random(n) < 0.1] = np.nan  # whose days are not over
    complained = (rng.random(n) < driven / LEAVERS).astype(np.float64)
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
        annoyed=complained if complains else None,
        window_days=28.0,
    )
    return rows, shares


def learn(rows: ContactRows) -> Candidate:
    outputs = [(f"uplift_{offer}", "currency", constant(1.0)) for offer in OFFERS]
    plain = Candidate(name="flat", files=write_files(task="uplift", features=FEATURES, outputs=outputs, boosters={}))
    return add_wear(plain, rows, prior=PRIOR, valued_days=YEAR, machine=MACHINE)


def told(candidate: Candidate, rows: ContactRows) -> np.ndarray:
    """The share of each customer whose price is above 0, NaN of others, shape (n, 3)."""
    found = StoredModel(candidate.files).predict_matrix(rows.X)
    assert (found["uplift_call"] == 1.0).all()
    spec = json.loads(candidate.files["model.json"])
    value = next(o["expression"]["of"][1] for o in spec["outputs"] if o["name"] == "worn_call")
    files = write_files(task="ltv", features=FEATURES, outputs=[("value", "currency", value)], boosters={})
    worth = StoredModel(files).predict_matrix(rows.X)["value"]
    assert (worth[rows.X[:, 3] == 0] == 0).all(), "who never bought takes nothing with him"
    worn = np.column_stack([found[f"worn_{offer}"] for offer in OFFERS])
    return np.where(worth[:, None] > 0, worn / np.where(worth > 0, worth, 1.0)[:, None], np.nan)


@pytest.fixture(scope="module")
def fitted():
    rows, _ = campaigns()
    return learn(rows)


def test_whom_a_contact_drives_away_is_told_for_customers_that_no_fit_saw(fitted):
    new, truth = campaigns(seed=2)
    found = told(fitted, new)
    known = np.isfinite(found[:, 0])
    found, truth, new = found[known], truth[known], new.take(known)
    assert found[:, 0].mean() == pytest.approx(truth[:, 0].mean(), abs=0.02)  # drawn to the prior
    young, old = new.X[:, 1] > 0.8, new.X[:, 1] < 0.2
    assert found[young, 0].mean() - found[old, 0].mean() == pytest.approx(0.072, abs=0.025)
    assert found[:, 1].mean() < 0.006  # and none is below 0
    assert found.min() >= 0


def test_an_offer_of_too_few_contacts_keeps_the_cautious_share_and_says_so(fitted):
    new, _ = campaigns(seed=2)
    assert np.nanmax(abs(told(fitted, new)[:, 2] - PRIOR)) < 1e-9
    assert any("rare" in note and "too few" in note for note in fitted.notes)


def test_where_all_are_worn_alike_nobody_is_told_apart():
    rows, _ = campaigns(seed=3, wear=0.0)
    found = told(learn(rows), rows)
    assert np.nanstd(found[:, 0]) < 0.006 and np.nanmean(found[:, 0]) < 0.008


def test_the_standard_error_covers_the_true_share_at_its_rate():
    inside = []
    for seed in range(20):
        rows, truth = campaigns(6_000, seed=10 + seed)
        seen = rows.take(~np.isnan(rows.stayed))
        _, _, chance = _chance_to_stay(seen, MACHINE)
        measured, error = _contrast_stayed(seen, chance, 2).share()
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
    assert np.nanmax(abs(told(learn(blind), rows) - PRIOR)) < 1e-9


def test_complaints_soon_after_a_contact_tell_better_whom_it_drives_away():
    off = {}
    new, truth = campaigns(seed=5)
    for complains in (False, True):
        rows, _ = campaigns(12_000, seed=4, complains=complains)
        ((_, (measured, error), _), mail, _), _ = _learn_shares(rows, PRIOR, MACHINE)
        assert abs(measured - 0.06) < 3 * error and mail[0] < 0.015
        found = told(learn(rows), new)[:, 0]
        off[complains] = np.sqrt(np.nanmean((found - found[np.isfinite(found)].mean() - truth[:, 0] + 0.06) ** 2))
    assert off[True] < 0.9 * off[False]


def test_complaints_that_no_offer_causes_change_nothing():
    rows, _ = campaigns(12_000, seed=6)
    noise = (np.random.default_rng(6).random(len(rows)) < 0.02).astype(np.float64)
    plain, noisy = (_learn_shares(one, PRIOR, MACHINE)[0][:2] for one in (rows, replace(rows, annoyed=noise)))
    assert plain == noisy


def test_the_price_is_the_margin_of_the_days_after_the_window():
    rows, _ = campaigns(6_000)
    outputs = [(str(days), "currency", _value(rows, days)) for days in (YEAR, 2 * YEAR)]
    model = StoredModel(write_files(task="ltv", features=FEATURES, outputs=outputs, boosters={}))
    year, both = model.predict_matrix(rows.X).values()
    bought = rows.X[:, 3] > 0
    assert (year[~bought] == 0).all() and (year[bought] > 0).all() and (both[bought] > year[bought]).all()
    assert (both[bought] < 2 * year[bought]).all(), "fewer are left in the second year"


def test_without_histories_there_is_no_price_and_the_card_says_so():
    rows, _ = campaigns(2_000)
    X = rows.X.copy()
    X[:, 3] = 1
    made = learn(replace(rows, X=X))
    assert not any(name.startswith("worn_") for name in StoredModel(made.files).outputs)
    assert any("has no price" in note and "second day" in note for note in made.notes)


def test_whom_contacts_win_back_is_told_apart_from_whom_they_drive_away():
    rows, truth = campaigns(seed=7)
    rng = np.random.default_rng(7)
    back = (rows.stayed == 0) & (rows.arm > 0) & (rng.random(len(rows)) < 0.3)
    rows = replace(rows, stayed=np.where(back, 1.0, rows.stayed))
    found, won_back = _learn_shares(rows, PRIOR, MACHINE)
    assert 0.25 < won_back["intercept"] < 0.5  # 0.3 of control's chance not to buy, which is above that of all
    call, mail = found[0][1], found[1][1]
    assert abs(call[0] - truth[:, 0].mean()) < 0.03 and abs(mail[0]) < 0.03
    worn = told(learn(rows), rows)
    assert np.nanmin(worn[:, 1]) < 0 < np.nanmax(worn[:, 0]), "a contact may bring back more than it drives away"
