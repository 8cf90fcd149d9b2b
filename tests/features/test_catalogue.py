"""What the catalogue promises."""

from __future__ import annotations

import json

import pytest

from netlift.errors import ConfigError
from netlift.features.catalogue import build_catalogue, to_markdown
from netlift.features.vocabulary import Vocabulary

FULL = Vocabulary(
    categories=("tea", "coffee & cake", "coffee_cake"),
    channels=("store",),
    contact_channels=("sms", "e-mail"),
    event_kinds=("visit", "app visit"),
    attributes={"region": ("север", "south"), "points": None},
)


def test_every_feature_has_a_name_of_its_own_a_unit_a_source_and_a_formula():
    catalogue = build_catalogue(FULL)
    names = [feature.name for feature in catalogue]
    assert len(names) == len(set(names)) >= 85
    assert all(feature.unit and feature.source and feature.formula for feature in catalogue)


def test_categories_end_with_other_and_numbers_have_none():
    by_name = {feature.name: feature for feature in build_catalogue(FULL)}
    assert by_name["region"].categories == ("север", "south", "other")
    assert by_name["points"].kind == "number"


def test_values_that_read_alike_as_names_are_told_apart():
    names = [feature.name for feature in build_catalogue(FULL) if feature.name.startswith("share_category")]
    assert names == [f"share_category_{slug}_365d" for slug in ("tea", "coffee_cake", "coffee_cake_2", "other")]


def test_features_of_sources_that_do_not_exist_are_left_out():
    bare = Vocabulary(attributes={}, sources=())
    names = {feature.name for feature in build_catalogue(bare)}
    assert len(names) >= 60
    assert not names & {"age_years", "promo_share_90d", "contacts_30d", "nps_last_score", "categories_365d"}


def test_an_attribute_with_the_name_of_a_feature_is_refused():
    with pytest.raises(ConfigError, match="tenure_days"):
        build_catalogue(Vocabulary(attributes={"tenure_days": None}))


def test_a_vocabulary_survives_json():
    assert Vocabulary.from_dict(json.loads(json.dumps(FULL.to_dict()))) == FULL


def test_the_catalogue_prints_one_line_per_feature():
    catalogue = build_catalogue(FULL)
    lines = to_markdown(catalogue).splitlines()
    assert len(lines) == len(catalogue) + 4
    assert any(line.startswith("| `days_since_last_purchase` | days | transactions |") for line in lines)
