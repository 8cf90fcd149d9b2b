"""Contact rows: what was before stays before, lots are lots, and what nobody drew comes by consent alone."""

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from contact_tables import DAYS, HISTORY, STARTS, frames, known_before, open_frames

from netlift.config.definitions import UpliftDefinition, load_definition
from netlift.errors import ConfigError, LeakageError, NotRandomizedError
from netlift.features.vocabulary import learn_vocabulary
from netlift.training.contact_rows import build_contact_rows
from netlift.training.uplift.observational import mark_observational

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[2]


def definition(**changes) -> UpliftDefinition:
    read = load_definition(HOUSE / "models" / "uplift.yaml", "uplift")
    assert isinstance(read, UpliftDefinition)
    return read.model_copy(update=changes)


def build(given, *, attributes=("region",), mistrusted=MappingProxyType({}), **changes):
    tables = open_frames(given, attributes=attributes)
    vocabulary = learn_vocabulary(tables, before=known_before())
    return build_contact_rows(
        tables, definition(**changes), vocabulary, rows_per_partition=1_000_000, history=HISTORY, seed=1,
        mistrusted=mistrusted, unit="EUR/customer",
    )  # fmt: skip


@pytest.fixture(scope="module")
def given():
    return frames()


@pytest.fixture(scope="module")
def consented(given):
    return build(given, observational=("picked",))


def margin_between(given, customers, start, end):
    receipts = given["transactions"]
    inside = receipts[(receipts.occurred_at >= start) & (receipts.occurred_at < end)]
    return inside.groupby("customer_id").margin.sum().reindex(customers, fill_value=0.0).to_numpy()


def test_margins_before_and_after_are_those_of_the_raw_receipts(given):
    rows, campaigns, notes = build(given)
    customers = sorted(given["customers"].customer_id)
    assert campaigns == ("may", "july")
    for code, name in enumerate(campaigns):
        start, inside = pd.Timestamp(STARTS[name]), rows.campaign == code
        days = pd.Timedelta(days=DAYS)
        assert rows.before[inside] == pytest.approx(margin_between(given, customers, start - days, start))
        assert rows.margin[inside] == pytest.approx(margin_between(given, customers, start, start + days))
    assert "campaign picked: not randomized, or propensities unknown, left out of training" in notes
    assert any(note.startswith("no feature tells the arm in ") for note in notes)


def test_without_consent_nothing_is_observational(given):
    rows, campaigns, notes = build(given)
    assert mark_observational(rows, campaigns, ()) is None
    assert not any(note.startswith("observational") for note in notes)


def test_by_consent_the_picked_campaign_comes_with_estimated_chances_and_a_mark(consented):
    rows, campaigns, notes = consented
    assert campaigns == ("may", "july", "picked")
    mark = mark_observational(rows, campaigns, ("picked",))
    assert mark is not None and mark.campaigns == ("picked",)
    assert 800 < mark.rows.sum() <= 1200
    assert np.isfinite(rows.propensity).all()
    assert not any("picked" in note and "left out of training" in note for note in notes)
    assert mark.note in notes
    assert any(note.startswith("observational: campaign picked, mail: ") for note in notes)


def test_rows_of_randomized_campaigns_are_untouched_by_consent(given, consented):
    alone, mixed = build(given)[0], consented[0]
    lots = mixed.take(mixed.campaign < 2)
    assert np.array_equal(lots.propensity, alone.propensity)
    assert np.array_equal(lots.y, alone.y)
    assert np.array_equal(lots.X, alone.X, equal_nan=True)


def test_an_observational_campaign_alone_can_be_learned_from():
    given = frames(700)
    only = {**given, "contacts": given["contacts"].query("campaign_id == 'picked'")}
    rows, campaigns, _ = build(only, observational=("picked",))
    mark = mark_observational(rows, campaigns, ("picked",))
    assert mark is not None and mark.rows.all()


def test_a_consent_that_names_no_campaign_is_a_config_error_with_the_nearest_name(given):
    with pytest.raises(ConfigError, match="'piked' is no campaign; did you mean picked"):
        build(given, observational=("piked",))


def test_a_consent_to_a_randomized_campaign_is_refused(given):
    with pytest.raises(ConfigError, match="'may' was randomized with known propensities"):
        build(given, observational=("may",))


def test_a_campaign_whose_arms_went_astray_may_be_learned_from_by_consent_with_estimated_chances():
    given = frames(600)
    rows, campaigns, _ = build(given, mistrusted={"july": "sample-ratio mismatch"}, observational=("july",))
    mark = mark_observational(rows, campaigns, ("july",))
    assert mark is not None and mark.campaigns == ("july",)
    logged = given["contacts"].query("campaign_id == 'july'").propensity.to_numpy()
    assert not np.isin(rows.propensity[mark.rows], logged).any()


def test_no_randomized_campaign_is_refused_and_the_way_out_is_named(given):
    only = {**given, "contacts": given["contacts"].query("campaign_id == 'picked'")}
    with pytest.raises(NotRandomizedError, match="name campaigns in the definition's `observational`"):
        build(only)


def spoil(given, *, since_contact):
    """The customers with an attribute as of today: visits, more of them since a contact."""
    rng = np.random.default_rng(3)
    reached = given["contacts"].query("campaign_id == 'july' and offer_id == 'mail'").customer_id
    customers = given["customers"].copy()
    more = customers.customer_id.isin(reached) & since_contact
    customers["visits"] = rng.poisson(3 + more).astype(float)
    return {**given, "customers": customers}


def test_visits_since_the_contact_are_refused_with_campaign_and_difference(given):
    with pytest.raises(LeakageError, match=r"visits \(campaign july, mail against control: SMD \+0\.\d"):
        build(spoil(given, since_contact=True), attributes=("region", "visits"))


def test_a_leaking_feature_that_is_excluded_does_no_harm(given):
    rows, _, _ = build(spoil(given, since_contact=True), attributes=("region", "visits"), exclude=("visits",))
    assert "visits" not in [feature.name for feature in rows.features]


def test_honest_visits_are_a_feature_like_any_other(given):
    rows, _, _ = build(spoil(given, since_contact=False), attributes=("region", "visits"))
    assert "visits" in [feature.name for feature in rows.features]


def test_a_draw_that_was_not_made_as_logged_is_told_from_a_leak(given):
    contacts = given["contacts"].copy()
    chosen = contacts.campaign_id == "july"
    contacts.loc[chosen, "propensity"] = np.where(contacts.offer_id[chosen] == "mail", 0.52, 0.48)
    with pytest.raises(LeakageError, match="In campaign july so many features do that the draw itself"):
        build({**given, "contacts": contacts})
