from __future__ import annotations

import pandas as pd

from netlift.segments.value_segments import cross_recency_and_frequency, cross_value_and_risk


def test_the_nine_cells_are_always_there_and_all_cells_add_up():
    frame = pd.DataFrame(
        {
            "value_tier": ["high", "high", "low", "none"],
            "risk": ["low", "high", "high", "unknown"],
            "margin_365d": [100.0, 50.0, 5.0, 1.0],
            "ltv": [80.0, 70.0, 2.0, float("nan")],
            "value_at_risk": [1.0, 60.0, 1.5, float("nan")],
        }
    )
    cells = cross_value_and_risk(frame)
    assert len(cells) == 10
    assert [(c.value_tier, c.risk) for c in cells][:3] == [("high", "low"), ("high", "middle"), ("high", "high")]
    assert sum(c.customers for c in cells) == 4
    assert sum(c.margin_365d for c in cells) == 156.0
    assert next(c for c in cells if (c.value_tier, c.risk) == ("high", "high")).value_at_risk == 60.0


def test_every_pair_of_scores_is_there_and_who_never_bought_stands_last():
    frame = pd.DataFrame(
        {"r": [5, 5, 1, 0], "f": [5, 5, 2, 0], "margin_365d": [100.0, 50.0, 5.0, 0.0], "ltv": [80.0, 70.0, 2.0, None]}
    )
    cells = cross_recency_and_frequency(frame).rows
    assert [(c.r, c.f) for c in cells[:5]] == [(5, 1), (5, 2), (5, 3), (5, 4), (5, 5)] and len(cells) == 26
    assert (cells[4].customers, cells[4].margin_365d, cells[4].ltv) == (2, 150.0, 150.0)
    assert (cells[-1].r, cells[-1].customers, cells[-1].ltv) == (0, 1, 0.0)
    assert len(cross_recency_and_frequency(frame[frame["r"] > 0])) == 25
