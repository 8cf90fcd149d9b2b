"""Every row of the check, each planted into small tables that are otherwise clean."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import norm

from netlift.config.business import CheckSettings, EngineSettings, load
from netlift.data.adapters.adapted import AdapterNote
from netlift.data.checks.check import check_tables
from netlift.data.engines.duckdb import DuckDBEngine, open_duckdb
from netlift.data.read import conform
from netlift.errors import DataError
from netlift.results import to_plain

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 1)
NUMBERS = count()
CUSTOMERS = [f"customer-{number:03d}" for number in range(200)]
SETTINGS = load(Path(__file__).parents[3] / "configs" / "demo.yaml")


def days(number):
    return START + timedelta(days=number)


def clean():
    """Eight tables without a flaw: columns as lists."""
    even = [number % 2 == 0 for number in range(200)]
    return {
        "customers": {
            "customer_id": CUSTOMERS,
            "joined_at": [START] * 200,
            "acquisition_cost": [10.0] * 200,
            "region": ["Татарстан"] * 200,
            "consent_sms": [True] * 200,
        },
        "transactions": {
            "customer_id": CUSTOMERS * 2,
            "occurred_at": [days(1 + number % 60) for number in range(400)],
            "revenue": [-5.0 if number % 100 == 0 else 100.0 for number in range(400)],
            "margin": [-2.0 if number % 100 == 0 else 30.0 for number in range(400)],
            "transaction_id": [f"receipt-{number}" for number in range(400)],
            "is_return": [number % 100 == 0 for number in range(400)],
        },
        "campaigns": {
            "campaign_id": ["may"],
            "started_at": [days(30)],
            "outcome_days": [28],
            "fixed_cost": [1000.0],
            "randomized": [True],
        },
        "contacts": {
            "campaign_id": ["may"] * 200,
            "customer_id": CUSTOMERS,
            "assigned_at": [days(30)] * 200,
            "offer_id": ["control" if is_even else "sms_300" for is_even in even],
            "propensity": [0.5] * 200,
            "delivered_at": [None if is_even else days(31) for is_even in even],
            "contact_cost": [0.0 if is_even else 4.5 for is_even in even],
        },
        "offers": {"offer_id": ["sms_300"], "channel": ["sms"], "contact_cost": [4.5]},
        "events": {
            "customer_id": CUSTOMERS,
            "occurred_at": [days(5)] * 200,
            "kind": ["open"] * 200,
            "value": [1.0] * 200,
        },
        "surveys": {
            "customer_id": CUSTOMERS[:9],
            "answered_at": [days(40)] * 9,
            "kind": ["nps"] * 9,
            "score": [9.0] * 9,
        },
        "item_scores": {"customer_id": CUSTOMERS * 2, "item": ["tea"] * 200 + ["milk"] * 200, "score": [0.5] * 400},
    }


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    engine = open_duckdb(EngineSettings(threads=1), state=tmp_path_factory.mktemp("state"))
    yield engine.connection
    engine.close()


def check(connection, tables, as_of=None, notes=(), settings=SETTINGS):
    sources = {}
    for name, columns in tables.items():
        place = f"{name}_{next(NUMBERS)}"
        connection.con.register(place, pa.table(columns))
        sources[name] = connection.table(place)
    found = conform(DuckDBEngine(connection), sources, attributes=(), zone=ZoneInfo("Europe/Moscow"))
    return check_tables(replace(found, notes=notes), settings, as_of=as_of)


def plant(changes):
    """The clean tables with columns replaced: {"table.column": {row: value}} or a whole new column."""
    tables = clean()
    for place, change in changes.items():
        table, column = place.split(".")
        if isinstance(change, dict):
            values = list(tables[table][column])
            for row, value in change.items():
                values[row] = value
            tables[table][column] = values
        elif change is None:
            del tables[table][column]
        else:
            tables[table][column] = change
    return tables


def problems(report):
    return [finding for finding in report.findings if finding.severity != "info"]


def test_clean_tables_have_no_errors_and_no_warnings(connection):
    report = check(connection, clean())
    assert problems(report) == []
    assert [(facts.table, facts.rows) for facts in report.tables] == [
        ("customers", 200),
        ("transactions", 400),
        ("campaigns", 1),
        ("contacts", 200),
        ("offers", 1),
        ("events", 200),
        ("surveys", 9),
        ("item_scores", 400),
    ]
    receipts = report.tables.rows[1]
    assert (receipts.first, receipts.last, report.as_of) == (days(1), days(60), days(61))
    report.raise_for_errors()


def strangers(number):
    """So many rows of a customer whom nobody knows."""
    return dict.fromkeys(range(number), "x")


REPEATED = {1: "receipt-0"}
UNTIDY = {0: " customer-000", 1: "customer-001\u00a0", 2: ""}
FORMULAS = {1: "=1+1", 2: "+A1", 3: "@sum", 4: "-2+cmd|x", 5: "|x", 6: "+79001234567", 7: "-17", 8: "+7 (900) 1-2"}
UNSEEN = {1: "re\u200bceipt", 2: "re\u202eceipt", 3: "re\x07ceipt", 4: "re ceipt"}
CASES = [
    ("transactions.revenue", "missing-value", "error", 2, 400, {"transactions.revenue": {1: None, 2: None}}),
    ("customers.customer_id", "missing-value", "error", 1, 200, {"customers.customer_id": {199: None}}),
    ("surveys.score", "missing-value", "error", 1, 9, {"surveys.score": {0: None}}),
    ("transactions.revenue", "not-finite", "error", 2, 400, {"transactions.revenue": {1: np.nan, 2: np.inf}}),
    ("transactions.margin", "not-finite", "error", 1, 400, {"transactions.margin": {7: -np.inf}}),
    ("events.value", "not-finite", "error", 1, 200, {"events.value": {7: np.nan}}),
    ("transactions.revenue", "negative-money", "error", 1, 400, {"transactions.revenue": {1: -1.0}}),
    ("transactions.revenue", "negative-money", "error", 1, 400, {"transactions.is_return": {100: None}}),
    ("transactions.revenue", "negative-money", "warning", 4, 400, {"transactions.is_return": None}),
    ("transactions.revenue", "positive-return", "warning", 1, 400, {"transactions.revenue": {100: 5.0}}),
    ("customers.acquisition_cost", "negative-money", "error", 1, 200, {"customers.acquisition_cost": {3: -1.0}}),
    ("campaigns.fixed_cost", "negative-money", "error", 1, 1, {"campaigns.fixed_cost": [-1.0]}),
    ("contacts.contact_cost", "negative-money", "error", 1, 200, {"contacts.contact_cost": {1: -4.5}}),
    ("offers.contact_cost", "negative-money", "error", 1, 1, {"offers.contact_cost": [-4.5]}),
    ("customers.customer_id", "duplicated-key", "error", 2, 202, None),
    ("transactions.transaction_id", "duplicated-key", "error", 1, 400, {"transactions.transaction_id": REPEATED}),
    ("transactions.customer_id", "unknown-customer", "warning", 4, 400, {"transactions.customer_id": strangers(4)}),
    ("transactions.customer_id", "unknown-customer", "error", 5, 400, {"transactions.customer_id": strangers(5)}),
    ("contacts.customer_id", "unknown-customer", "warning", 1, 200, {"contacts.customer_id": {0: "x"}}),
    ("events.customer_id", "unknown-customer", "error", 3, 200, {"events.customer_id": strangers(3)}),
    ("surveys.customer_id", "unknown-customer", "error", 2, 9, {"surveys.customer_id": strangers(2)}),
    ("contacts.offer_id", "unknown-offer", "error", 1, 200, {"contacts.offer_id": {1: "sms_30"}}),
    ("item_scores.customer_id", "unknown-customer", "error", 5, 400, {"item_scores.customer_id": strangers(5)}),
    ("item_scores.score", "not-finite", "error", 1, 400, {"item_scores.score": {7: np.inf}}),
    ("item_scores.item", "missing-value", "error", 1, 400, {"item_scores.item": {7: None}}),
    ("item_scores.customer_id, item", "duplicated-key", "error", 1, 400, {"item_scores.item": {200: "tea"}}),
    ("surveys.answered_at", "future-rows", "warning", 1, 9, {"surveys.answered_at": {0: days(62)}}),
    ("transactions.occurred_at", "before-joining", "warning", 1, 400, {"customers.joined_at": {0: days(2)}}),
    ("campaigns.outcome_days", "not-whole-days", "error", 1, 1, {"campaigns.outcome_days": [0.5]}),
    ("campaigns.outcome_days", "not-whole-days", "error", 1, 1, {"campaigns.outcome_days": [0]}),
    ("contacts.offer_id", "two-arms", "error", 1, 199, {"contacts.customer_id": {1: CUSTOMERS[0]}}),
    ("contacts.delivered_at", "control-contacted", "warning", 1, 200, {"contacts.delivered_at": {0: days(31)}}),
    (
        "contacts.delivered_at", "control-contacted", "error", 2, 200,
        {"contacts.delivered_at": {0: days(31), 2: days(31)}},
    ),
    ("contacts.propensity", "impossible-propensity", "error", 2, 200, {"contacts.propensity": {0: 0.0, 1: 1.5}}),
    ("contacts.propensity", "impossible-propensity", "error", 1, 200, {"contacts.propensity": {0: np.nan}}),
    ("contacts.propensity", "unlogged-propensity", "error", 1, 200, {"contacts.propensity": {0: None}}),
    ("contacts.offer_id", "no-control", "error", 200, 200, {"contacts.offer_id": ["sms_300"] * 200}),
    ("customers.customer_id", "untidy-id", "error", 3, 200, {"customers.customer_id": UNTIDY}),
    ("transactions.margin", "margin-above-revenue", "warning", 2, 400, {"transactions.margin": {1: 102.0, 2: 1e3}}),
    ("transactions.margin", "margin-above-revenue", "error", 396, 400, {"transactions.margin": [3000.0] * 400}),
    ("transactions.revenue", "one-receipt-outweighs", "warning", 1, 400, {"transactions.revenue": {1: 39_520.0}}),
    ("transactions.margin", "one-receipt-outweighs", "warning", 1, 400, {"transactions.margin": {100: -11_886.0}}),
    (
        "customers.cancelled_at", "cancelled-after-the-end", "warning", 2, 200,
        {"customers.cancelled_at": [days(60), days(61), days(99)] + [None] * 197},
    ),
    ("transactions.transaction_id", "formula-as-id", "warning", 5, 400, {"transactions.transaction_id": FORMULAS}),
    (
        "transactions.transaction_id", "control-characters-in-id", "warning", 3, 400,
        {"transactions.transaction_id": UNSEEN},
    ),
    ("offers.offer_id", "untidy-id", "error", 1, 1, {"offers.offer_id": [unicodedata.normalize("NFD", "скидкай")]}),
]  # fmt: skip


def around(tables, name):
    """One table and what the check cannot do without it."""
    needed = {"customers", "transactions", name} | ({"campaigns", "offers"} if name == "contacts" else set())
    return {name: columns for name, columns in tables.items() if name in needed}


@pytest.mark.parametrize(("place", "code", "severity", "found", "of", "changes"), CASES)
def test_what_is_planted_is_found_and_counted(connection, place, code, severity, found, of, changes):
    if changes is None:
        tables = clean()
        tables["customers"] = {name: [*values, *values[:2]] for name, values in tables["customers"].items()}
    else:
        tables = plant(changes)
    table, column = place.split(".")
    report = check(connection, around(tables, table))
    hits = [f for f in report.findings if (f.table, f.column, f.code, f.severity) == (table, column, code, severity)]
    assert [(hit.count, hit.of) for hit in hits] == [(found, of)]
    assert len(hits[0].message) > 20


ACCEPTED = [
    ("transactions.margin-above-revenue", {"transactions.margin": [3000.0] * 400}),
    ("transactions.one-receipt-outweighs", {"transactions.revenue": {1: 1e6}}),
    ("transactions.formula-as-id", {"transactions.transaction_id": FORMULAS}),
    ("customers.cancelled-after-the-end", {"customers.cancelled_at": [days(99)] * 200}),
    ("transactions.before-joining", {"customers.joined_at": {0: days(2)}}),
]


@pytest.mark.parametrize(("name", "changes"), ACCEPTED)
def test_what_the_config_accepts_is_a_note_that_stops_nothing_and_is_still_counted(connection, name, changes):
    table, code = name.split(".")
    tables = around(plant(changes), table)
    (before,) = [finding for finding in check(connection, tables).findings if finding.code == code]
    assert before.severity != "info" and f"check.accept: [{name}]" in before.message
    accepting = SETTINGS.model_copy(update={"check": CheckSettings(accept=[name])})
    report = check(connection, tables, settings=accepting)
    (after,) = [finding for finding in report.findings if finding.code == code]
    assert (after.severity, after.stops, after.count) == ("info", (), before.count)
    report.raise_for_errors()


def test_only_findings_that_can_be_right_are_accepted():
    for name, hint in (("transactions.missing-value", "known"), ("shop.repeated-rows", "repeated-rows")):
        with pytest.raises(ValueError, match=hint):
            CheckSettings(accept=[name])


def test_the_same_contact_twice_in_one_arm_is_a_duplicated_key(connection):
    tables = clean()
    tables["contacts"] = {name: [*values, values[0]] for name, values in tables["contacts"].items()}
    codes = {finding.code for finding in check(connection, tables).errors}
    assert codes == {"duplicated-key"}


def test_a_journey_is_its_own_treatment_and_needs_no_row_in_offers(connection):
    arms = ["control" if arm == "control" else "may" for arm in clean()["contacts"]["offer_id"]]
    assert problems(check(connection, plant({"contacts.offer_id": arms}))) == []


def test_a_campaign_that_no_table_knows_is_an_error(connection):
    report = check(connection, plant({"contacts.campaign_id": {5: "june"}}))
    found = next(finding for finding in report.errors if finding.code == "unknown-campaign")
    assert (found.column, found.count, found.of) == ("campaign_id", 1, 200)


@pytest.mark.parametrize("name", ["customers", "transactions", "contacts", "surveys", "item_scores"])
def test_an_empty_table_is_an_error_that_says_so(connection, name):
    tables = clean()
    columns = pa.table(tables[name]).slice(0, 0).to_pydict()
    schema = pa.table(tables[name]).schema
    tables[name] = pa.table(columns, schema=schema)
    report = check(connection, tables)
    found = [finding for finding in report.errors if finding.code == "empty-table"]
    assert [finding.table for finding in found] == [name]
    assert str(found[0]).startswith(f"{name}: has no rows; point the config")


@pytest.mark.parametrize("name", ["campaigns", "offers"])
def test_contacts_without_the_table_they_refer_to_are_an_error(connection, name):
    tables = clean()
    del tables[name]
    report = check(connection, tables)
    assert [(finding.table, finding.code) for finding in report.errors] == [("contacts", "missing-table")]


def test_two_tables_are_enough(connection):
    tables = {name: columns for name, columns in clean().items() if name in ("customers", "transactions")}
    report = check(connection, tables)
    assert problems(report) == []
    assert len(report.sample_ratios) == 0


def test_a_campaign_of_unknown_propensities_is_called_observational_and_not_tested(connection):
    report = check(connection, plant({"contacts.propensity": [None] * 200, "campaigns.randomized": [None]}))
    assert [finding.code for finding in report.findings if finding.code == "observational"] == ["observational"]
    assert problems(report) == []
    assert len(report.sample_ratios) == 0


def test_a_half_logged_campaign_is_warned_of(connection):
    report = check(connection, plant({"contacts.propensity": {0: None}, "campaigns.randomized": None}))
    assert [(w.code, w.count) for w in report.warnings] == [("observational", 1)]
    assert report.errors == ()


def test_a_hand_picked_campaign_needs_no_control(connection):
    changes = {
        "campaigns.randomized": [False],
        "contacts.offer_id": ["sms_300"] * 200,
        "contacts.propensity": [None] * 200,
    }
    assert problems(check(connection, plant(changes))) == []


def test_a_sample_ratio_mismatch_is_alarmed_with_its_campaign_and_p_value(connection):
    report = check(connection, plant({"contacts.propensity": [0.8 if n % 2 else 0.2 for n in range(200)]}))
    (ratio,) = report.sample_ratios
    assert (ratio.campaign_id, ratio.rows, ratio.arms, ratio.alarm) == ("may", 200, 2, True)
    (warning,) = report.warnings
    assert (warning.code, warning.severity) == ("sample-ratio-mismatch", "warning")
    assert "'may'" in warning.message


def test_a_fair_campaign_is_tested_and_passes(connection):
    (ratio,) = check(connection, clean()).sample_ratios
    assert (ratio.method, ratio.p_value, ratio.alarm) == ("chi-square", pytest.approx(1.0), False)


def test_varying_propensities_give_the_test_of_their_raw_rows(connection):
    p = np.random.default_rng(8).uniform(0.3, 0.7, 200)
    (ratio,) = check(connection, around(plant({"contacts.propensity": list(p)}), "contacts")).sample_ratios
    totals = [(1 / own).sum() for own in (p[::2], p[1::2])]
    variances = [200 * (1 / own**2).sum() / (1 / own).sum() for own in (p[::2], p[1::2])]
    assert ratio.method == "chi-square"
    assert ratio.p_value == pytest.approx(2 * norm.sf(abs(totals[0] - totals[1]) / np.sqrt(sum(variances))), rel=1e-9)


def test_missing_values_of_optional_columns_are_told_and_stop_nothing(connection):
    report = check(connection, plant({"customers.consent_sms": {0: None, 1: None}, "customers.region": {0: None}}))
    told = {(f.column, f.count) for f in report.findings if f.severity == "info" and f.table == "customers"}
    assert told == {("consent_sms", 2), ("region", 1)}


def test_rows_after_as_of_are_counted(connection):
    report = check(connection, clean(), as_of=days(35))
    late = {(finding.table, finding.count) for finding in report.warnings if finding.code == "future-rows"}
    assert late == {("transactions", sum(1 + n % 60 > 35 for n in range(400))), ("surveys", 9)}


def test_all_errors_are_raised_at_once_and_name_no_customer(connection):
    changes = {
        "customers.customer_id": {0: " Иванов Пётр", 1: "customer-002"},
        "transactions.revenue": {1: -1.0, 2: np.nan},
        "contacts.delivered_at": {2: days(31), 4: days(31)},
        "contacts.offer_id": {7: "unheard-of"},
    }
    report = check(connection, plant(changes))
    with pytest.raises(DataError) as caught:
        report.raise_for_errors()
    text = str(caught.value)
    assert len(report.errors) >= 6
    assert text.count("\n") == sum(bool(error.stops) for error in report.errors) >= 3
    assert caught.value.exit_code == 3
    everything = text + report.to_markdown() + json.dumps(to_plain(report), ensure_ascii=False) + report._repr_html_()
    assert "Иванов" not in everything
    assert "Татарстан" not in everything
    assert not any(customer in everything for customer in CUSTOMERS)


def test_errors_come_first_and_the_page_shows_all_parts(connection):
    report = check(connection, plant({"surveys.answered_at": {0: days(62)}, "transactions.revenue": {1: -1.0}}))
    assert [finding.severity for finding in report.findings][:2] == ["error", "warning"]
    page = report.to_markdown()
    assert page.startswith("Tables as of 2026-03-03 00:00: 1 errors, 1 warnings")
    assert all(word in page for word in ("| transactions | 400 |", "negative-money", "| may | 200 | 2 |"))
    with pytest.raises(FrozenInstanceError):
        report.as_of = None


def test_notes_of_an_adapter_are_shown(connection):
    note = AdapterNote(rule="rows without a customer: dropped", table="transactions", rows=135_080)
    report = check(connection, clean(), notes=(note,))
    (found,) = [finding for finding in report.findings if finding.code == "adapter"]
    assert (found.count, found.message) == (135_080, "135,080 rows: rows without a customer: dropped")


def test_nothing_is_repaired(connection):
    tables = plant({"transactions.revenue": {1: -1.0}, "customers.customer_id": {0: " customer-000"}})
    first, second = check(connection, tables), check(connection, tables)
    assert first == second


def test_a_table_without_ids_that_was_loaded_twice_is_warned_of_with_its_count(connection):
    tables = plant({"transactions.transaction_id": None})
    assert problems(check(connection, tables)) == []
    for name in ("transactions", "events"):
        twice = {**tables, name: {column: [*values, *values] for column, values in tables[name].items()}}
        (found,) = problems(check(connection, twice))
        assert (found.table, found.code, found.severity) == (name, "repeated-rows", "warning")
        assert found.count * 2 == found.of == len(twice[name]["customer_id"])


def test_a_campaign_of_which_everybody_was_sure_is_warned_of_and_its_ratio_is_an_alarm(connection):
    report = check(connection, plant({"contacts.propensity": [1.0] * 200}))
    (found,) = problems(report)
    assert (found.code, found.count, found.of) == ("certain-propensity", 200, 200)
    (ratio,) = report.sample_ratios
    assert (ratio.fault, ratio.alarm, ratio.certain) == ("certain", True, 200)


def test_arms_assigned_on_other_days_are_warned_of(connection):
    later = {number: days(30 if number % 2 == 0 else 33) for number in range(200)}
    (found,) = problems(check(connection, plant({"contacts.assigned_at": later})))
    assert (found.code, found.column) == ("other-days", "assigned_at")
    assert "'sms_300' was assigned 3.0 days from control" in found.message


def test_one_customer_for_all_who_bought_without_a_card_stops_what_reads_receipts(connection):
    """Of 400 receipts of 200 customers one has 41, a tenth and 20 times the mean; 39 are less than that."""

    def found(receipts, settings=SETTINGS):
        planted = plant({"transactions.customer_id": dict.fromkeys(range(1, receipts - 1), CUSTOMERS[0])})
        report = check(connection, around(planted, "transactions"), settings=settings)
        return [finding for finding in report.findings if finding.code == "one-customer-outweighs"], report

    (finding,), report = found(41)
    assert (finding.severity, finding.count, finding.of) == ("error", 41, 400) and "10.2%" in finding.message
    assert "max_customer_share allows 5.0%" in finding.message and CUSTOMERS[0] not in finding.message
    with pytest.raises(DataError, match=r"41 of 400 receipts"):
        report.raise_for_errors("score")
    assert not found(39)[0]
    assert not found(41, SETTINGS.model_copy(update={"check": CheckSettings(max_customer_share=0.2)}))[0]
    accepted = CheckSettings(accept=["transactions.one-customer-outweighs"])
    (note,), report = found(41, SETTINGS.model_copy(update={"check": accepted}))
    assert note.severity == "info" and not report.stops


def test_a_number_that_is_none_is_found_in_parquet_whose_statistics_leave_it_out(connection, tmp_path):
    """DuckDB answers isnan() by them."""
    tables = {name: pa.table(columns) for name, columns in around(clean(), "transactions").items()}
    revenue = tables["transactions"]["revenue"].to_numpy().copy()
    revenue[[3, 7]] = np.nan
    place = tables["transactions"].schema.get_field_index("revenue")
    numbers = pa.array(revenue, from_pandas=False)
    tables["transactions"] = tables["transactions"].set_column(place, "revenue", numbers)
    sources = {}
    for name, rows in tables.items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        sources[name] = connection.read_parquet(str(tmp_path / f"{name}.parquet"))
    found = conform(DuckDBEngine(connection), sources, attributes=(), zone=ZoneInfo("Europe/Moscow"))
    (finding,) = problems(check_tables(found, SETTINGS, as_of=None))
    assert (finding.code, finding.column, finding.count, finding.of) == ("not-finite", "revenue", 2, 400)
