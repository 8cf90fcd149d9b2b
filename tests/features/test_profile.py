import numpy as np
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
