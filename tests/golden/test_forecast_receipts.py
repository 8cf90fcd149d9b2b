"""The margin forecast on public receipts, beside naive ones, and against the totals of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from netlift.config.business import load
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.forecast.compose import ForecastBasis, forecast_margin
from netlift.forecast.purchases import read_purchases
from netlift.forecast.result import KNOWN

HOUSE = Path(__file__).parents[2]
DATA = HOUSE / "../shared/data"
pytestmark = [
    pytest.mark.skipif(not DATA.exists(), reason="the public data sets are not beside the checkout"),
    pytest.mark.slow,
]


def forecast(name, folder):
    settings = load(HOUSE / "configs" / f"{name}.yaml")
    settings = settings.model_copy(
        update={"state": folder, "data": settings.data.model_copy(update={"path": DATA.resolve()})}
    )
    with open_tables(settings) as tables:
        history = read_history(tables)
        purchases = read_purchases(tables, as_of=history.end, first=history.first)
    groups = {month: np.where(purchases.joined < month, 0, -1) for month in range(purchases.months + 1)}
    basis = ForecastBasis(
        business=name, as_of=history.end, currency=settings.currency, level=0.95, revenue_based=True, groups=(KNOWN,)
    )
    return forecast_margin(basis, purchases, groups), purchases


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory):
    return forecast("cdnow", tmp_path_factory.mktemp("cdnow"))


def test_cdnow_is_forecast_nearer_than_naively(cdnow):
    found, _ = cdnow
    own = {one.naive: one for one in found.beside if one.span == "quarter"}
    assert own and not any(one.used for one in own.values())
    assert all(one.error < 0.5 * one.naive_error for one in own.values())


def test_cdnow_past_quarters_are_those_of_the_file(cdnow):
    found, purchases = cdnow
    frame = pd.read_parquet(DATA / "cdnow_master.parquet")
    at = pd.to_datetime(frame["date"].astype(str))
    for one in found.tested:
        end = pd.Timestamp(one.day) + pd.DateOffset(months=3 if one.span == "quarter" else 12)
        inside = (at >= pd.Timestamp(one.day)) & (at < end)
        assert one.actual == pytest.approx(frame.loc[inside, "dollar_value"].sum())
    assert found.line("year").total.ci_lower >= 0
    assert purchases.totals.sum() == pytest.approx(frame["dollar_value"].sum())


def test_a_year_of_online_retail_has_no_season_and_no_year_ahead(tmp_path):
    found, _ = forecast("online_retail", tmp_path)
    assert not found.has_season and found.spans == ("quarter",)
    assert {one.span for one in found.lines} == {"month", "quarter"}
    assert next(note.key for note in found.notes) == "no_season"
    own = [one for one in found.beside if one.span == "quarter"]
    used = [one for one in own if one.used]
    assert all(one.error <= one.naive_error for one in own) or used  # the nearer one is the one that is used
