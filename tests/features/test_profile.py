import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.profile import DRIFTED, Profile

FEATURES = (
    Feature(name="spend", unit="currency", source="transactions", formula=""),
    Feature(
        name="region", unit="category", source="customers", formula="", kind="category", categories=("n", "s", "other")
    ),
)


def matrix(X: np.ndarray) -> FeatureMatrix:
    n = len(X)
    return FeatureMatrix(
        customer_id=np.array([str(i) for i in range(n)], dtype=object),
        cutoff=np.zeros(n, dtype="datetime64[us]"),
        X=np.asfortranarray(X, dtype=np.float32),
        features=FEATURES,
    )


def draw(rng: np.random.Generator, n: int, *, shift: float = 0.0, other: float = 0.1) -> np.ndarray:
    region = rng.choice([0, 1, 2, np.nan], p=[0.5, 0.35 - other, other, 0.15], size=n)
    spend = np.where(rng.random(n) < 0.3, 0.0, rng.lognormal(shift, 1, n))
    return np.column_stack([spend, region]).astype(np.float32)


def test_the_same_world_does_not_drift_and_a_moved_one_does() -> None:
    rng = np.random.default_rng(1)
    profile = Profile.of(draw(rng, 20_000), FEATURES)
    same, moved = profile.watch(), profile.watch()
    same.see(matrix(draw(rng, 5_000)))
    moved.see(matrix(draw(rng, 5_000, shift=1.5)))
    assert all(drift.psi < 0.02 for drift in same.drifts())
    assert moved.drifts()[0].feature == "spend"
    assert moved.drifts()[0].psi > DRIFTED


def test_unnamed_values_are_counted_before_and_now() -> None:
    rng = np.random.default_rng(2)
    watch = Profile.of(draw(rng, 20_000), FEATURES).watch()
    watch.see(matrix(draw(rng, 20_000, other=0.3)))
    region = next(drift for drift in watch.drifts() if drift.feature == "region")
    assert abs(region.other_before - 0.1) < 0.01
    assert abs(region.other_now - 0.3) < 0.015


@settings(max_examples=25)
@given(cut=st.integers(1, 999), seed=st.integers(0, 1000))
def test_parts_add_up_to_the_whole(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    profile = Profile.from_json(Profile.of(draw(rng, 1_000), FEATURES).to_json())
    X = draw(rng, 1_000, shift=0.5)
    whole, parts = profile.watch(), profile.watch()
    whole.see(matrix(X))
    parts.see(matrix(X[:cut]))
    parts.see(matrix(X[cut:]))
    assert whole.drifts() == parts.drifts()


def test_a_small_list_of_the_same_world_is_no_alarm() -> None:
    rng = np.random.default_rng(3)
    profile = Profile.of(draw(rng, 20_000), FEATURES)
    alarms = 0
    for _ in range(200):
        watch = profile.watch()
        watch.see(matrix(draw(rng, 150)))
        alarms += sum(drift.psi > DRIFTED for drift in watch.drifts())
    assert alarms <= 4


COHORT = (
    Feature(name="tenure_days", unit="days", source="customers", formula=""),
    Feature(name="spend", unit="currency", source="transactions", formula=""),
    Feature(name="contacts_30d", unit="contacts", source="contacts", formula=""),
)
START, STEP = np.datetime64("2025-01-01", "us"), np.timedelta64(45, "D")


def cohort(
    rng: np.random.Generator, days: int, *, cohorts: int, shift: float = 0.0, campaign: bool = False
) -> FeatureMatrix:
    """Customers who joined in one or two weeks, a year apart, as of a day after the start: they age, nothing else."""
    n = 4_000
    tenure = days + 60 + rng.integers(0, 7, n) + 365 * rng.integers(0, cohorts, n)
    contacts = rng.poisson(1.0, n) if campaign else np.zeros(n)
    X = np.column_stack([tenure, rng.lognormal(shift, 1, n), contacts]).astype(np.float32)
    at = np.full(n, START + np.timedelta64(days, "D"))
    return FeatureMatrix(customer_id=np.arange(n).astype(str).astype(object), cutoff=at, X=X, features=COHORT)


@pytest.mark.parametrize("cohorts", [1, 2])
@pytest.mark.parametrize(("shift", "news"), [(0.0, set()), (1.5, {"spend"})])
def test_a_cohort_that_ages_and_a_campaign_of_ours_are_no_news_and_a_moved_world_is(cohorts, shift, news) -> None:
    rng = np.random.default_rng(4)
    parts = [cohort(rng, days, cohorts=cohorts) for days in range(0, 360, 45)]
    X, at = np.vstack([part.X for part in parts]), np.concatenate([part.cutoff for part in parts])
    profile = Profile.from_json(Profile.of(X, COHORT, at).to_json())
    watch = profile.watch()
    watch.see(cohort(rng, 460, cohorts=cohorts, shift=shift, campaign=True))
    drifts = watch.drifts()
    assert {drift.feature for drift in drifts if drift.psi > DRIFTED} == {"tenure_days", "contacts_30d", *news}
    assert {drift.feature for drift in drifts if drift.is_news} == news


def test_profiles_of_before_know_no_way_of_their_own_and_are_still_read() -> None:
    rng = np.random.default_rng(5)
    plain = json.loads(Profile.of(draw(rng, 1_000), FEATURES).to_json())["features"]
    old = json.dumps([{name: row[name] for name in ("feature", "edges", "shares", "other")} for row in plain]).encode()
    watch = Profile.from_json(old).watch()
    watch.see(matrix(draw(rng, 1_000, shift=1.5)))
    assert [drift.feature for drift in watch.drifts() if drift.is_news] == ["spend"]
