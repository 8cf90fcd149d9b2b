"""Pages call offers by the config's name, else by the name of the table `offers`."""

from __future__ import annotations

from pathlib import Path

import ibis
import pandas as pd
import pytest

from netlift.config.business import load
from netlift.config.names import NameSettings
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import Tables
from netlift.report.names import speak_of

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"


def _tables(offers: pd.DataFrame, *present: str) -> Tables:
    return Tables(
        engine=DuckDBEngine(),
        expressions={"offers": ibis.memtable(offers)},
        present={"offers": frozenset(present)},
        attributes=(),
    )


@pytest.fixture
def offers() -> pd.DataFrame:
    return pd.DataFrame({"offer_id": ["a", "b", "c"], "name": ["Письмо\x1b[31m", None, "Звонок"]})


def test_the_config_goes_before_the_table_and_nothing_steers_a_terminal(offers: pd.DataFrame) -> None:
    named = NameSettings(offers={"c": {"ru": "Звонок консультанта", "en": "Advice by phone"}})
    settings = load(CONFIG).model_copy(update={"names": named})
    words = speak_of(settings, "en", _tables(offers, "offer_id", "name"))
    assert [words.name("offer", offer) for offer in "abc"] == ["Письмо [31m", "b", "Advice by phone"]


def test_a_table_without_names_leaves_ids(offers: pd.DataFrame) -> None:
    settings = load(CONFIG).model_copy(update={"names": NameSettings()})
    assert speak_of(settings, "ru", _tables(offers.assign(name=None), "offer_id")).names == {}
    assert speak_of(settings, "ru").name("offer", "a") == "a"
