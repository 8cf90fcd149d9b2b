from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netlift.config.business import load
from netlift.config.segments import RISKS, SEGMENTS, TIERS, VARIABLES, Condition
from netlift.segments.value_segments import assign_segments, meets

DEMO = load(Path(__file__).parents[2] / "configs" / "demo.yaml").segments


def any_values(n):
    columns = {}
    for name, variable in VARIABLES.items():
        if variable.words:
            columns[name] = arrays(object, n, elements=st.sampled_from(variable.words))
            continue
        low, high = max(variable.low, -1e6), min(variable.high, 1e6)
        numbers = st.integers(int(low), int(high)).map(float) if variable.whole else st.floats(low, high)
        columns[name] = arrays(float, n, elements=st.one_of(st.just(np.nan), st.just(low), numbers))
    return st.fixed_dictionaries(columns)


@settings(max_examples=60)
@given(any_values(8))
def test_every_customer_has_exactly_one_known_segment_whatever_is_known_of_him(values):
    named = assign_segments(DEMO.rules, values)
    assert set(named) <= set(SEGMENTS)
    alone = [assign_segments(DEMO.rules, {name: column[[i]] for name, column in values.items()})[0] for i in range(8)]
    assert named.tolist() == alone


def test_all_125_rfm_cells_by_every_tier_and_risk_have_a_segment_with_a_strategy():
    cells = list(itertools.product(range(1, 6), range(1, 6), range(1, 6), TIERS, RISKS))
    r, f, m, tier, risk = (np.array(column, dtype=object) for column in zip(*cells, strict=True))
    n = len(cells)
    values = {
        "r": r.astype(float),
        "f": f.astype(float),
        "m": m.astype(float),
        "value_tier": tier,
        "risk": risk,
        "purchase_days_all": np.full(n, 9.0),
        "days_since_last_purchase": np.full(n, 20.0),
        "days_since_first_purchase": np.full(n, 500.0),
        "days_since_last_purchase_over_gap": np.full(n, 1.0),
        "tenure_days": np.full(n, 600.0),
    }
    named = assign_segments(DEMO.rules, values)
    assert all(name in DEMO.strategies for name in named)
    best = (r == 5) & (f == 5) & (m == 5) & (tier == "high")
    assert set(named[best]) == {"champions"}
    worst = (r == 1) & (f == 1) & (m == 1) & (tier == "low")
    assert set(named[worst]) == {"needing_attention"}


@pytest.mark.parametrize(
    ("known", "segment"),
    [
        ({"purchase_days_all": 0, "tenure_days": 10}, "prospect"),
        ({"purchase_days_all": 0, "tenure_days": 400}, "never_bought"),
        ({"purchase_days_all": 1, "days_since_first_purchase": 30, "days_since_last_purchase": 30}, "new"),
        ({"purchase_days_all": 1, "days_since_first_purchase": 300, "days_since_last_purchase": 300}, "one_off"),
        ({"purchase_days_all": 5, "days_since_first_purchase": 900, "days_since_last_purchase": 400}, "lost"),
        ({"purchase_days_all": 5, "days_since_first_purchase": 900, "days_since_last_purchase": 130}, "sleeping"),
    ],
)
def test_the_demo_names_those_whom_a_marketer_would(known, segment):
    values = {name: np.array([np.nan]) for name, variable in VARIABLES.items() if not variable.words}
    values |= {"value_tier": np.array(["none"], dtype=object), "risk": np.array(["unknown"], dtype=object)}
    values |= {name: np.array([float(value)]) for name, value in known.items()}
    assert assign_segments(DEMO.rules, values).tolist() == [segment]


NUMBER = st.one_of(st.none(), st.integers(-3, 3).map(float))


@given(
    st.builds(Condition, at_least=NUMBER, at_most=NUMBER, below=NUMBER),
    arrays(float, 9, elements=st.one_of(st.just(np.nan), st.integers(-4, 4).map(float))),
)
def test_a_condition_says_the_same_of_one_value_and_of_many(condition, values):
    assert meets(condition, values).tolist() == [condition.allows(float(value)) for value in values]
