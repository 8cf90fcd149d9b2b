"""What a readout counts is what uplift is learned from: the same customers, windows and costs."""

import numpy as np
import pytest
from segment_world import HOUSE, make_retailer, opened

from netlift.abtest.stats.aggregate import aggregate
from netlift.abtest.stats.aggregate_days import aggregate_days
from netlift.abtest.stats.outcomes import Spans, assigned_outcomes, daily_outcomes
from netlift.config.definitions import load_definition
from netlift.data.history import read_history
from netlift.features.vocabulary import learn_vocabulary
from netlift.training.contact_rows import build_contact_rows

pytestmark = pytest.mark.slow


def test_readouts_and_uplift_learning_see_the_same_money_row_by_row(tmp_path) -> None:
    with opened(make_retailer(tmp_path)) as (_, tables):
        history = read_history(tables)
        learned, campaigns, _ = build_contact_rows(
            tables,
            load_definition(HOUSE / "models" / "uplift.yaml", "uplift"),
            learn_vocabulary(tables, before=history.end),
            rows_per_partition=1_000_000,
            history=history,
            seed=1,
        )
        rows = assigned_outcomes(tables, campaigns, Spans(pre_days=90))
        frame = rows.to_pandas().sort_values(["assigned_at", "campaign_id", "customer_id"], ignore_index=True)
        assert len(frame) == len(learned.y) > 1000
        np.testing.assert_allclose(frame.margin, learned.margin, atol=1e-9)
        profit = frame.margin - frame.reward - frame.contact_cost
        np.testing.assert_allclose(profit, learned.y, atol=1e-9)
        arms = np.array(["control", *learned.offers], dtype=object)[learned.arm]
        assert (frame.arm == arms).all()
        assert (frame.campaign_id == np.array(campaigns, dtype=object)[learned.campaign]).all()

        cells = aggregate(rows)
        days = aggregate_days(rows, daily_outcomes(tables, campaigns, Spans(pre_days=0)), last_day=27)
        assert {(cell.campaign, cell.arm) for cell in cells} == set(days)
        for cell, moments in cells.items():
            last = days[cell.campaign, cell.arm][-1]
            assert (last.n, last.buyers) == (moments.n, moments.buyers)
            np.testing.assert_allclose(last.mean, moments.mean, rtol=1e-9)
            np.testing.assert_allclose(last.cov, moments.cov, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(last.cube, moments.cube, rtol=1e-6)
