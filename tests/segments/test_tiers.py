from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netlift.config.segments import RISKS, TIERS, Quantiles
from netlift.segments.value_segments import TierEdges, fit_tier_edges, risk_levels, value_tiers

SHARES = Quantiles(middle=0.5, high=0.8)


def test_tiers_hold_the_shares_that_the_config_asks_for():
    ltv = np.append(np.random.default_rng(3).lognormal(size=1000), np.full(50, np.nan))
    tiers = value_tiers(fit_tier_edges(ltv, SHARES), ltv).tolist()
    assert [tiers.count(tier) for tier in TIERS] == [50, 500, 300, 200]


@given(arrays(float, 20, elements=st.floats(allow_nan=True, allow_infinity=False)))
def test_every_prediction_has_a_tier_and_every_chance_a_risk(values):
    assert set(value_tiers(TierEdges(middle=0.0, high=1.0), values)) <= set(TIERS)
    assert set(risk_levels(SHARES, values)) <= set(RISKS)
    assert ((value_tiers(TierEdges(middle=0.0, high=1.0), values) == "none") == np.isnan(values)).all()


def test_without_predictions_there_are_no_edges_and_no_tiers():
    nothing = np.full(4, np.nan)
    assert fit_tier_edges(nothing, SHARES) is None
    assert value_tiers(None, np.ones(2)).tolist() == ["none", "none"]
