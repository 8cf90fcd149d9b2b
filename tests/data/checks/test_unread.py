"""A value that cannot be read stops the verbs that use its column or table, and no others; a few are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from netlift.config.business import load
from netlift.data.checks.check import check_tables, read_sound
from netlift.data.checks.findings import READS
from netlift.data.contract import MARK
from netlift.data.read import open_tables
from netlift.data.run import find_sources, reading_tables
from netlift.errors import BusyError, DataError

pytestmark = pytest.mark.slow

HOUSE = Path(__file__).parents[3]
PEOPLE = 300
IDS = [f"c{n:03d}" for n in range(PEOPLE)]


def shop() -> dict[str, pd.DataFrame]:
    """Tables as text, as a CSV has them, without a fault."""
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(PEOPLE) % 60, unit="D")
    return {
        "customers": pd.DataFrame(
            {"customer_id": IDS, "joined_at": "2025-01-01", "points": 5, "consent_sms": "yes", "acquisition_cost": 7}
        ),
        "transactions": pd.DataFrame(
            {"customer_id": IDS, "occurred_at": day.astype(str), "revenue": 100, "margin": 30, "promo": "no"}
        ),
        "campaigns": pd.DataFrame({"campaign_id": ["K1"], "started_at": "2026-01-05", "outcome_days": 14}),
        "contacts": pd.DataFrame(
            {
                "campaign_id": "K1",
                "customer_id": IDS,
                "assigned_at": "2026-01-05",
                "offer_id": np.where(np.arange(PEOPLE) % 2, "control", "sms"),
                "propensity": 0.5,
            }
        ),
        "offers": pd.DataFrame({"offer_id": ["sms"], "channel": "sms", "contact_cost": 3}),
        "events": pd.DataFrame({"customer_id": IDS, "occurred_at": day.astype(str), "kind": "open"}),
    }


def configure(folder, frames):
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    content = {
        "name": "shop",
        "currency": "RUB",
        "time_zone": "Europe/Moscow",
        "data": {
            "tables": {name: {"path": f"{name}.csv"} for name in frames},
            "attributes": ["points"],
            "attribute_types": {"points": "number"},
        },
        "models": {"churn": str(HOUSE / "models" / "churn.yaml")},
        "state": "state",
        "engine": {"threads": 1},
        "score": {"max_data_age_days": 3, "max_unseen_share": 0.05, "max_drifted_share": 0.2},
        "seed": 1,
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(content))
    return load(folder / "shop.yaml")


def spoil(rows):
    """The shop with some values of every kind that cannot be read."""
    frames = shop()
    for table, column, value in FAULTS:
        frames[table][column] = frames[table][column].astype(object)
        frames[table].loc[: rows - 1, column] = value
    return frames


FEATURES = set(READS) - {"readout", "portfolio"}
COMPARED = set(READS) - {"train", "score", "segments"}
FAULTS = {
    ("customers", "points", "five"): FEATURES,
    ("customers", "consent_sms", "perhaps"): {"decide", "assign"},
    ("customers", "acquisition_cost", "seven"): {"segments", "scorecard"},
    ("customers", "joined_at", "10:00 MSK"): set(READS),
    ("transactions", "promo", "maybe"): FEATURES,
    ("transactions", "margin", "a lot"): set(READS),
    ("events", "occurred_at", "9999-12-31"): FEATURES,
}
REQUIRED = ("joined_at", "margin", "occurred_at")


def test_many_bad_values_stop_the_verbs_that_use_them_and_no_others(tmp_path):
    settings = configure(tmp_path, spoil(50))
    with open_tables(settings, verb="check") as tables:
        found = [each for each in check_tables(tables, settings, as_of=None).errors if each.code == "unread-value"]
    assert {(each.table, each.column): set(each.stops) for each in found} == {
        (table, column): stopped for (table, column, _), stopped in FAULTS.items()
    }


def test_a_few_bad_values_are_left_out_counted_and_stop_nothing_up_to_the_limit_of_the_config(tmp_path):
    settings = configure(tmp_path, spoil(2))
    with open_tables(settings, verb="check") as tables:
        sound, report = read_sound(tables, settings, verb="train")
        kept = {name: sound[name].to_pandas() for name in ("customers", "transactions", "events")}
        strict = settings.model_copy(update={"check": settings.check.model_copy(update={"max_left_out_share": 0.0})})
        with pytest.raises(DataError, match=r"transactions\.margin.*check\.max_left_out_share allows 0"):
            read_sound(tables, strict, verb="readout")
    assert report.stops == ()
    assert {(f.table, f.column, f.code, f.count, f.leaves_out) for f in report.left_out_of("train")} == {
        (table, column, "unread-value", 2, "rows" if column in REQUIRED else "values") for table, column, _ in FAULTS
    }
    assert [len(frame) for frame in kept.values()] == [PEOPLE - 2] * 3
    assert not [name for frame in kept.values() for name in frame.columns if name.startswith(MARK)]
    with (
        pytest.raises(DataError, match=r"customers\.points: 2 values are text that is no number"),
        open_tables(settings),
    ):
        pass  # whoever does not check is told before he counts


def test_a_table_that_cannot_be_read_stops_the_verbs_that_read_it(tmp_path):
    frames = shop()
    frames["events"] = frames["events"].drop(columns="kind")
    frames["campaigns"] = frames["campaigns"].rename(columns=str.upper)
    settings = configure(tmp_path, frames)
    with open_tables(settings, verb="check") as tables:
        found = [each for each in check_tables(tables, settings, as_of=None).errors if each.stops]
    assert {(each.table, each.code): set(each.stops) for each in found} == {
        ("events", "unread-table"): FEATURES,
        ("campaigns", "unread-table"): COMPARED,
    }
    for verb, why in (("score", "events.kind: missing"), ("readout", "campaigns: none of the columns")):
        with pytest.raises(DataError, match=why) as refusal, open_tables(settings, verb=verb):
            pass
        assert "campaigns" not in str(refusal.value) or verb == "readout"


def test_a_table_that_is_named_and_not_there_stops_the_verbs_that_read_it(tmp_path):
    settings = configure(tmp_path, shop())
    whole = find_sources(settings)
    (tmp_path / "events.csv").unlink()
    (tmp_path / "campaigns.csv").unlink()
    (tmp_path / "campaigns.csv").mkdir()
    with pytest.raises(BusyError, match=r"campaigns/campaigns\.csv, events/events\.csv"):
        whole.require_unchanged()
    with reading_tables(settings, verb="check") as (tables, sources):
        found = {each.table: each for each in check_tables(tables, settings, as_of=None).errors if each.stops}
    assert {name: set(each.stops) for name, each in found.items()} == {"events": FEATURES, "campaigns": COMPARED}
    assert "no file at" in found["events"].message and "holds no Parquet or CSV file" in found["campaigns"].message
    assert all(f"data.tables.{name}.path" in each.message for name, each in found.items())
    for verb, table in (("score", "events"), ("portfolio", "campaigns")):
        with pytest.raises(DataError, match=f"^{table}: [^\n]*$"), reading_tables(settings, verb=verb):
            raise AssertionError
    sources.require_unchanged()
    (tmp_path / "campaigns.csv").rmdir()
    shop()["campaigns"].to_csv(tmp_path / "campaigns.csv", index=False)
    by_events = settings.data.model_copy(update={"complete_until": "events.occurred_at"})
    with pytest.raises(DataError, match=r"complete_until asks events\.occurred_at, and events: no file"):
        with open_tables(settings.model_copy(update={"data": by_events}), verb="readout"):
            raise AssertionError
    (tmp_path / "events.csv").write_text("customer_id,occurred_at,kind\n")  # comes while somebody reads the others
    with pytest.raises(BusyError, match="events"):
        sources.require_unchanged()


def test_a_column_whose_files_have_no_one_type_stops_the_verbs_that_use_it(tmp_path):
    settings = configure(tmp_path, shop())
    frame = shop()["customers"].assign(note=1)
    unlike = frame.assign(points="5", consent_sms=True, note="x")
    (tmp_path / "customers").mkdir()
    for name, part in (("a", frame.iloc[:200]), ("b", unlike.iloc[200:])):
        part.to_parquet(tmp_path / "customers" / f"{name}.parquet")
    text = (tmp_path / "shop.yaml").read_text().replace("customers.csv", "customers")
    (tmp_path / "shop.yaml").write_text(text)
    settings = load(tmp_path / "shop.yaml")
    with open_tables(settings, verb="check") as tables:
        report = check_tables(tables, settings, as_of=None)
        sound, _ = read_sound(tables, settings, verb="readout")
        assert sound["customers"].consent_sms.count().to_pyarrow().as_py() == 0
    assert {each.column: (each.count, set(each.stops)) for each in report.errors} == {
        "points": (PEOPLE, FEATURES),
        "consent_sms": (PEOPLE, {"decide", "assign"}),
    }
    assert all("in a.parquet and" in each.message for each in report.errors)


def test_a_file_that_is_torn_in_its_middle_stops_those_that_read_it(tmp_path):
    settings = configure(tmp_path, shop())
    events = pd.concat([shop()["events"]] * 200, ignore_index=True)
    events.assign(value=np.random.default_rng(1).random(len(events))).to_parquet(tmp_path / "events.parquet")
    raw = bytearray((tmp_path / "events.parquet").read_bytes())
    raw[100:4000] = bytes(3900)
    (tmp_path / "events.parquet").write_bytes(raw)
    text = (tmp_path / "shop.yaml").read_text().replace("events.csv", "events.parquet")
    (tmp_path / "shop.yaml").write_text(text)
    torn = load(settings.state.parent / "shop.yaml")
    with open_tables(torn, verb="check") as tables:
        report = check_tables(tables, torn, as_of=None)
    assert set(report.stops) == FEATURES
    report.raise_for_errors("readout")
    with pytest.raises(DataError, match="events"):
        report.raise_for_errors("score")


def allowing(settings, **limits):
    return settings.model_copy(update={"check": settings.check.model_copy(update=limits)})


def test_receipts_of_unknown_customers_stop_beyond_max_orphan_share_and_not_where_more_is_allowed(tmp_path):
    frames = shop()
    frames["transactions"].loc[:29, "customer_id"] = "nobody"  # a tenth
    settings = configure(tmp_path, frames)
    with open_tables(settings, verb="check") as tables:
        with pytest.raises(DataError, match=r"transactions\.customer_id.*30 of 300"):
            read_sound(tables, allowing(settings, max_orphan_share=0.09), verb="train")
        _, report = read_sound(tables, allowing(settings, max_orphan_share=0.11), verb="train")
    assert report.errors == ()


def test_a_skewed_split_alarms_below_srm_alarm_and_not_where_the_config_asks_for_less(tmp_path):
    frames = shop()
    arms = np.where(np.arange(PEOPLE) < 115, "control", "sms")  # 115 of 300 at one half: p is 5e-5
    frames["contacts"]["offer_id"] = arms
    settings = configure(tmp_path, frames)
    with open_tables(settings, verb="check") as tables:
        alarmed = check_tables(tables, allowing(settings, srm_alarm=0.001), as_of=None).sample_ratios.rows[0]
        calm = check_tables(tables, allowing(settings, srm_alarm=0.00001), as_of=None).sample_ratios.rows[0]
    assert 1e-5 < alarmed.p_value < 1e-3
    assert (alarmed.alarm, calm.alarm) == (True, False)
