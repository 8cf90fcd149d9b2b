"""Drift of real features: cohorts that age and a one-off campaign are no news, a world that changed is."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import conform
from netlift.features.build import build_features
from netlift.features.profile import Profile
from netlift.features.queries import queries_of_joined
from netlift.features.vocabulary import learn_vocabulary

pytestmark = pytest.mark.slow

PEOPLE, DAYS = 400, 720
START = pd.Timestamp("2024-01-01")
CUTOFFS = [START + pd.Timedelta(days=day) for day in (300, 360, 420, 480)]
TODAY = START + pd.Timedelta(days=DAYS)
MOST_NEWS = 0.1


def draw_shop(*, dearer_from: int = DAYS, seed: int = 1) -> dict[str, pd.DataFrame]:
    """Two cohorts with steady habits; receipts three times as large from a day on."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"d{n:04d}" for n in range(PEOPLE)])
    joined = np.where(np.arange(PEOPLE) % 2 == 0, 0, 200)
    who = np.repeat(np.arange(PEOPLE), rng.poisson(0.05 * (DAYS - joined)))
    day = joined[who] + rng.random(len(who)) * (DAYS - joined[who])
    revenue = rng.gamma(2.0, 50.0, len(who)) * np.where(day >= dearer_from, 3.0, 1.0)
    sent = np.tile(np.arange(PEOPLE), 8)
    at = np.repeat(np.linspace(60, 460, 8), PEOPLE)
    kept = rng.random(len(sent)) < 0.2
    waves = pd.DataFrame({"customer": sent[kept], "day": at[kept], "campaign_id": "waves"})
    once = pd.DataFrame({"customer": np.arange(PEOPLE), "day": DAYS - 10.0, "campaign_id": "one-off"})
    contacts = pd.concat([waves[waves.day > joined[waves.customer]].drop_duplicates("customer"), once])
    when = START + pd.to_timedelta(contacts.day.to_numpy().astype(int), unit="D")
    return {
        "customers": pd.DataFrame({"customer_id": ids, "joined_at": START + pd.to_timedelta(joined, unit="D")}),
        "transactions": pd.DataFrame(
            {
                "customer_id": ids[who],
                "occurred_at": START + pd.to_timedelta((day * 1440).astype(int), unit="min"),
                "revenue": revenue,
                "margin": 0.3 * revenue,
            }
        ),
        "campaigns": pd.DataFrame({"campaign_id": ["waves", "one-off"], "started_at": START, "outcome_days": 14.0}),
        "contacts": pd.DataFrame(
            {
                "campaign_id": contacts.campaign_id.to_numpy(),
                "customer_id": ids[contacts.customer],
                "assigned_at": when,
                "offer_id": "sms",
                "delivered_at": when,
            }
        ),
        "offers": pd.DataFrame({"offer_id": ["sms"], "channel": ["sms"], "contact_cost": [1.0]}),
    }


def drifts(**world):
    """Every feature as of today against those of the training cutoffs."""
    sources = {name: ibis.memtable(frame) for name, frame in draw_shop(**world).items()}
    tables = conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))
    vocabulary = learn_vocabulary(tables, before=CUTOFFS[-1])

    def made(cutoffs):
        return build_features(tables, queries_of_joined(tables, cutoffs), vocabulary, observation_days=365)

    before = made(CUTOFFS)
    watch = Profile.of(before.X, before.features, before.cutoff).watch()
    watch.see(made([TODAY]))
    return watch.drifts()


@pytest.fixture(scope="module")
def steady():
    return drifts()


def test_cohorts_that_age_and_a_campaign_to_everybody_move_features_and_are_no_news(steady):
    moved = [drift.feature for drift in steady if drift.psi > 0.25]
    assert {"tenure_days", "contacts_30d"} <= set(moved)
    news = [drift.feature for drift in steady if drift.is_news]
    assert len(news) <= MOST_NEWS * len(steady), news
    assert not {"tenure_days", "contacts_30d"} & set(news)


def test_receipts_three_times_as_large_are_news(steady):
    was = {drift.feature for drift in steady if drift.is_news}
    now = {drift.feature for drift in drifts(dearer_from=DAYS - 120) if drift.is_news}
    assert {"revenue_90d", "mean_purchase_90d"} <= now - was
