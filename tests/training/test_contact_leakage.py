"""The lots as a witness of features: no alarm for honest rows, an alarm for what came after."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from contact_tables import frames, known_before, open_frames
from observed_world import features, sigmoid

from netlift.errors import LeakageError
from netlift.estimators.rows import ContactRows
from netlift.features import leakage
from netlift.features.matrix import Feature
from netlift.features.queries import Queries
from netlift.features.vocabulary import learn_vocabulary
from netlift.training.leakage import require_arms_unforeseen, require_blind_contacts

HILLSTROM = Path(__file__).parents[2] / "../shared/data/hillstrom.parquet"


def draw(seed, *, n=2000, closed=False):
    """A campaign of two offers, more mail to the better customers; calls not open to customers of region 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[:, 5] = rng.integers(0, 3, n)
    mail = 0.25 + 0.3 * sigmoid(X[:, 0])
    call = np.where(closed & (X[:, 5] == 0), 0.0, 0.2)
    chances = np.column_stack([1 - mail - call, mail, call])
    arm = np.minimum((rng.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1), 2)
    return ContactRows(
        X=X, features=features(), y=X[:, 0], margin=X[:, 0], offers=("mail", "call"), arm=arm,
        propensity=chances[np.arange(n), arm], available=np.ones((n, 3), dtype=bool), customer=np.arange(n),
        campaign=np.zeros(n, dtype=np.int64),
    )  # fmt: skip


def test_honest_rows_raise_no_alarm():
    for seed in range(50):
        assert require_arms_unforeseen(draw(seed), ("may",)).startswith("no feature tells the arm in ")


def test_a_sibling_outcome_is_refused_by_name():
    rows = draw(1)
    bought = (np.random.default_rng(2).random(len(rows)) < 0.3 + 0.2 * (rows.arm > 0)).astype(np.float32)
    sibling = Feature(name="bought_since", unit="ratio", source="made up", formula="later")
    leaking = replace(rows, X=np.column_stack([rows.X, bought]), features=(*rows.features, sibling))
    with pytest.raises(LeakageError, match=r"1 of 7 features tell the arm .* bought_since \(campaign may, (mail|call)"):
        require_arms_unforeseen(leaking, ("may",))


def test_an_arm_that_was_not_open_to_everybody_is_no_alarm_and_said():
    told = require_arms_unforeseen(draw(3, closed=True), ("may",))
    assert told.endswith("not asked where an arm was not open to everybody: may")


def ask_blind(tables):
    contacts = tables["contacts"].filter(tables["contacts"].campaign_id == "july").to_pandas()
    queries = Queries(
        customer_id=contacts.customer_id.to_numpy(dtype=object),
        cutoff=contacts.assigned_at.to_numpy(dtype="datetime64[us]"),
    )
    vocabulary = learn_vocabulary(tables, before=known_before())
    return require_blind_contacts(tables, queries, vocabulary, observation_days=365, seed=1)


def test_features_of_contacts_do_not_see_beyond_the_assignment():
    assert ask_blind(open_frames(frames(300))) == 300


def test_a_feature_of_contacts_that_looks_ahead_is_refused(monkeypatch):
    honest = leakage.build_features

    def ahead(tables, queries, vocabulary, **options):
        later = Queries(customer_id=queries.customer_id, cutoff=queries.cutoff + np.timedelta64(7, "D"))
        return honest(tables, later, vocabulary, **options)

    monkeypatch.setattr(leakage, "build_features", ahead)
    with pytest.raises(LeakageError, match="when rows after the cutoff are taken away"):
        ask_blind(open_frames(frames(300)))


@pytest.mark.skipif(not HILLSTROM.exists(), reason=f"needs {HILLSTROM.name} in shared/data beside the checkout")
def test_hillstroms_features_are_of_before_and_its_visits_are_not():
    frame = pd.read_parquet(HILLSTROM)
    names = ["recency", "history", "mens", "womens", "newbie"]
    arm = frame.segment.map({"No E-Mail": 0, "Mens E-Mail": 1, "Womens E-Mail": 2}).to_numpy(dtype=np.int64)
    n = len(frame)

    def rows(columns):
        listed = [Feature(name=name, unit="ratio", source="hillstrom", formula=name) for name in columns]
        y = frame.spend.to_numpy(dtype=np.float64)
        return ContactRows(
            X=frame[columns].to_numpy(dtype=np.float32), features=tuple(listed), y=y, margin=y,
            offers=("mens", "womens"), arm=arm, propensity=np.full(n, 1 / 3), available=np.ones((n, 3), dtype=bool),
            customer=np.arange(n), campaign=np.zeros(n, dtype=np.int64),
        )  # fmt: skip

    assert require_arms_unforeseen(rows(names), ("hillstrom",)).startswith("no feature tells the arm")
    with pytest.raises(LeakageError, match=r"2 of 7 features tell the arm.*visit.*conversion"):
        require_arms_unforeseen(rows([*names, "visit", "conversion"]), ("hillstrom",))
