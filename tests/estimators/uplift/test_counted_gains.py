"""What counts of a model's gains: the same on arrays and in the stored form, and never more than was predicted."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netlift.estimators.expression import column, write_files
from netlift.estimators.rows import Candidate
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.counted_gains import CONSTANT, Counted, count_gains
from netlift.evaluation.policy.off_policy import choose_arms
from netlift.features.matrix import Feature

OFFERS = ("mail", "call", "push")
UPLIFT = arrays(np.float32, (20, 3), elements=st.floats(-100, 100, width=32))
COUNTED = st.one_of(
    st.builds(
        Counted,
        offers=st.sets(st.integers(0, 2), min_size=1).map(lambda kept: tuple(sorted(kept))),
        cutoff=st.floats(0, 50),
    ),
    st.builds(Counted, offers=st.integers(0, 2).map(lambda j: (j,)), least=st.floats(0.01, 10)),
)


def model() -> Candidate:
    """Predicts its three features, and a reward."""
    features = tuple(Feature(name=name, unit="ratio", source="test", formula="drawn") for name in OFFERS)
    outputs = [(f"uplift_{name}", "RUB", column(name)) for name in OFFERS]
    files = write_files(
        task="uplift", features=features, outputs=[*outputs, ("reward_mail", "RUB", column("call"))], boosters={}
    )
    return Candidate(name="paired_effects", files=files)


@given(UPLIFT, COUNTED)
def test_the_stored_form_says_what_the_arrays_say(uplift, counted):
    found = StoredModel(count_gains(model(), counted, offers=OFFERS).files).predict_matrix(uplift)
    own = np.column_stack([found[f"uplift_{name}"] for name in OFFERS])
    assert own == pytest.approx(counted.count(uplift.astype(np.float64)))
    assert np.array_equal(found["reward_mail"], uplift[:, 1])


@given(UPLIFT, COUNTED)
def test_only_what_counts_is_chosen(uplift, counted):
    open_to_all = np.ones((len(uplift), 4), dtype=bool)
    chosen = choose_arms(counted.count(uplift.astype(np.float64)), open_to_all)
    assert set(chosen) <= {0, *(j + 1 for j in counted.offers)}
    if counted.least is not None:
        assert set(chosen) == {counted.offers[0] + 1}
    else:
        best = uplift[:, list(counted.offers)].max(axis=1)
        assert np.array_equal(chosen > 0, best.astype(np.float64) - counted.cutoff > 0)


def test_all_gains_leave_the_candidate_as_it_is_and_one_offer_for_all_is_named():
    whole = model()
    assert count_gains(whole, Counted(offers=(0, 1, 2)), offers=OFFERS) is whole
    constant = count_gains(whole, Counted(offers=(2,), least=1.0), offers=OFFERS)
    assert constant.name == CONSTANT
    assert json.loads(constant.files["model.json"])["features"] == json.loads(whole.files["model.json"])["features"]
