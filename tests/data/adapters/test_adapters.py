"""Adapters against the figures published and measured in the data folder's README, and against the raw rows."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from netlift.config.business import BusinessSettings, EngineSettings, TaskName, load
from netlift.config.definitions import ChurnDefinition, LtvDefinition, load_definition
from netlift.data.adapters import Adapted, adapt
from netlift.data.adapters.adapted import count_notes, drop_rows, sum_exactly
from netlift.data.checks.check import check_tables
from netlift.data.history import read_history
from netlift.data.read import Tables, open_tables
from netlift.errors import ConfigError, DataError
from netlift.training.calendar import Calendar, plan_calendar

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
FILES = {
    "cdnow": "cdnow_master",
    "online_retail": "online_retail",
    "complete_journey": "completejourney_transactions",
    "hillstrom": "hillstrom",
}


@cache
def raw(file: str) -> pd.DataFrame:
    """The rows of a source file, as they are."""
    path = DATA / f"{file}.parquet"
    if not path.is_file():
        pytest.skip(f"{file}.parquet is not beside the checkout, in {DATA.resolve()}")
    return pd.read_parquet(path)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A data set as its config opens it, its tables as frames, and its notes as rule to rows."""

    tables: Tables
    settings: BusinessSettings
    frames: dict[str, pd.DataFrame]
    notes: dict[str, int]


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Opened]]:
    """Opens a data set by name, once."""
    with ExitStack() as stack:

        @cache
        def read(name: str) -> Opened:
            raw(FILES[name])
            settings = load(ROOT / "configs" / f"{name}.yaml").model_copy(
                update={"state": tmp_path_factory.mktemp(name), "engine": EngineSettings(threads=1)}
            )
            tables = stack.enter_context(open_tables(settings))
            frames = {table: expression.to_pandas() for table, expression in tables.expressions.items()}
            notes = {note.rule: note.rows for note in tables.notes}
            return Opened(tables=tables, settings=settings, frames=frames, notes=notes)

        yield read


def found(notes: dict[str, int], words: str) -> int:
    """Rows of the one note whose rule begins so."""
    (rows,) = [rows for rule, rows in notes.items() if rule.startswith(words)]
    return rows


# CDNOW


def test_cdnow_has_the_published_customers_and_dollars(business):
    tables = business("cdnow").frames
    assert len(tables["customers"]) == 23_570
    assert tables["transactions"].revenue.sum() == pytest.approx(2_500_315.63, abs=1e-6)
    assert (tables["transactions"].margin == tables["transactions"].revenue).all()


def test_cdnow_keeps_ids_of_five_characters_and_the_cohort_of_early_1997(business):
    customers = business("cdnow").frames["customers"]
    assert set(customers.customer_id) == set(raw("cdnow_master").customer_id)
    assert (customers.customer_id.str.len() == 5).all()
    assert (customers.joined_at.min(), customers.joined_at.max()) == (
        pd.Timestamp(1997, 1, 1),
        pd.Timestamp(1997, 3, 25),
    )


def test_cdnow_collapses_and_counts_purchases_of_one_day(business):
    tables, notes = business("cdnow").frames, business("cdnow").notes
    days = raw("cdnow_master").groupby(["customer_id", "date"]).dollar_value.sum().round(2)
    receipts = tables["transactions"].set_index(["customer_id", "occurred_at"]).revenue.sort_index()
    assert receipts.index.is_unique
    np.testing.assert_array_equal(receipts.to_numpy(), days.sort_index().to_numpy())
    assert found(notes, "further purchases") == 2_068 == len(raw("cdnow_master")) - len(receipts)
    assert found(notes, "receipts of 0 dollars") == (receipts == 0).sum() == 80


def test_cdnow_has_the_repeat_purchases_that_bgnbd_is_fitted_to(business):
    receipts = business("cdnow").frames["transactions"]
    fitted = receipts[receipts.occurred_at <= pd.Timestamp(1997, 9, 30)].groupby("customer_id").size() - 1
    assert ((fitted > 0).sum(), fitted.sum(), len(fitted)) == (9_451, 24_337, 23_570)
    assert (receipts.occurred_at > pd.Timestamp(1997, 9, 30)).sum() == 19_684


# Online Retail


@cache
def retail_lines() -> pd.DataFrame:
    lines = raw("online_retail").dropna(subset="CustomerID")
    lines = lines.assign(
        customer_id=lines.CustomerID.astype(int).astype(str),
        amount=(lines.Quantity * lines.UnitPrice).round(3),
        cancelled=lines.InvoiceNo.str.startswith("C"),
    )
    fees = ["POST", "DOT", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK", "S", "B"]
    return lines.assign(fee=lines.StockCode.isin(fees), free=lines.UnitPrice == 0)


def test_online_retail_money_is_the_published_net_less_what_the_notes_say_was_dropped(business):
    tables, notes = business("online_retail").frames, business("online_retail").notes
    lines = retail_lines()
    assert lines.amount.sum() == pytest.approx(8_300_065.81, abs=0.005)
    dropped = lines[lines.fee | lines.free]
    assert tables["transactions"].revenue.sum() == pytest.approx(lines.amount.sum() - dropped.amount.sum(), abs=1e-6)
    assert found(notes, "lines without a customer") == 135_080
    assert found(notes, "lines of stock corrections") == 0
    assert found(notes, "lines that are not goods") == lines.fee.sum() == 1_374
    assert found(notes, "lines of price 0") == (lines.free & ~lines.fee).sum() == 40
    assert found(notes, "lines that repeat another") == 5_225


def test_online_retail_receipts_are_the_invoices_recomputed_from_raw_lines(business):
    tables, notes = business("online_retail").frames, business("online_retail").notes
    lines = retail_lines()
    kept = lines[~lines.fee & ~lines.free]
    invoices = kept.groupby("InvoiceNo").agg(
        customer_id=("customer_id", "first"), occurred_at=("InvoiceDate", "min"), revenue=("amount", "sum")
    )
    receipts = tables["transactions"].set_index("transaction_id").sort_index()
    assert list(receipts.index) == sorted(invoices.index)
    invoices = invoices.loc[receipts.index]
    assert (receipts.customer_id == invoices.customer_id).all()
    assert (receipts.occurred_at == invoices.occurred_at).all()
    np.testing.assert_allclose(receipts.revenue, invoices.revenue, atol=1e-6)
    assert found(notes, "receipts whose lines stand in more than one minute") == 31


def test_online_retail_cancellations_are_returns_of_negative_revenue(business):
    tables, notes = business("online_retail").frames, business("online_retail").notes
    receipts = tables["transactions"]
    assert (receipts.is_return == receipts.transaction_id.str.startswith("C")).all()
    assert (receipts.revenue[receipts.is_return] < 0).all()
    assert (receipts.revenue[~receipts.is_return] > 0).all()
    assert found(notes, "cancellations") == receipts.is_return.sum()
    giant = receipts[receipts.customer_id == "12346"].sort_values("occurred_at")
    assert list(giant.revenue) == [77_183.6, -77_183.6]


def test_online_retail_customers_are_those_with_goods_and_know_only_their_first_country(business):
    tables, notes = business("online_retail").frames, business("online_retail").notes
    lines, customers = retail_lines(), tables["customers"].set_index("customer_id")
    assert lines.customer_id.nunique() == 4_372 == len(customers) + found(notes, "customers without any line left")
    kept = lines[~lines.fee & ~lines.free].sort_values(["InvoiceDate", "InvoiceNo"])
    first = kept.groupby("customer_id").agg(at=("InvoiceDate", "first"), country=("Country", "first"))
    first = first.loc[customers.index]
    assert (customers.joined_at == first["at"]).all()
    assert (customers.region == first.country).all()
    assert (
        found(notes, "customers of more than one country") == (kept.groupby("customer_id").Country.nunique() > 1).sum()
    )
    assert found(notes, "customers with cancellations only") == kept.groupby("customer_id").cancelled.all().sum() == 34


# Complete Journey


def test_complete_journey_has_the_published_baskets_and_sales(business):
    tables, notes = business("complete_journey").frames, business("complete_journey").notes
    assert len(tables["customers"]) == 2_469
    assert len(tables["transactions"]) == tables["transactions"].transaction_id.nunique() == 155_848
    assert tables["transactions"].revenue.sum() == pytest.approx(4_596_039.58, abs=1e-4)
    assert found(notes, "receipt lines: summed") == len(raw("completejourney_transactions")) == 1_469_307
    assert found(notes, "receipts of 0 dollars") == (tables["transactions"].revenue == 0).sum() == 478


def test_complete_journey_weeks_turn_at_local_midnight_all_year(business):
    receipts = business("complete_journey").frames["transactions"]
    weeks = raw("completejourney_transactions").groupby("basket_id").week.first()
    days = (receipts.occurred_at.dt.normalize() - pd.Timestamp(2016, 12, 26)).dt.days
    assert (days // 7 + 1).to_numpy().tolist() == weeks.loc[receipts.transaction_id.astype(np.int64)].tolist()


def test_complete_journey_category_and_promo_are_recomputed_from_raw_lines(business):
    tables, notes = business("complete_journey").frames, business("complete_journey").notes
    lines = raw("completejourney_transactions").merge(
        raw("completejourney_products")[["product_id", "department"]], on="product_id", how="left"
    )
    discounted = lines[["retail_disc", "coupon_disc", "coupon_match_disc"]].max(axis=1) > 0
    promo = discounted.groupby(lines.basket_id).any()
    sales = lines.assign(cents=(lines.sales_value * 100).round().astype(np.int64))
    sales = sales.groupby(["basket_id", "department"], as_index=False).cents.sum()
    sales = sales.sort_values(["basket_id", "cents", "department"], ascending=[True, False, True])
    largest = sales.drop_duplicates("basket_id").set_index("basket_id").department
    receipts = tables["transactions"].set_index(tables["transactions"].transaction_id.astype(np.int64))
    assert (receipts.promo == promo.loc[receipts.index]).all()
    named = receipts.category.dropna()
    assert (named == largest.loc[named.index]).all()
    assert len(named) == len(largest)
    assert found(notes, "receipt lines of products without") == lines.department.isna().sum() == 4_836


def test_complete_journey_demographics_are_missing_for_most(business):
    tables, notes = business("complete_journey").frames, business("complete_journey").notes
    assert tables["customers"].age.notna().sum() == 801
    assert found(notes, "households without demographics") == 2_469 - 801
    assert tables["customers"].home_ownership.notna().sum() == 801 - 233


def test_complete_journey_campaigns_are_hand_picked_and_have_no_control(business):
    tables = business("complete_journey").frames
    contacts, campaigns = tables["contacts"], tables["campaigns"]
    assert contacts.offer_id.value_counts().to_dict() == {"type_a": 3_647, "type_b": 2_368, "type_c": 574}
    assert contacts.propensity.isna().all()
    assert not campaigns.randomized.any()
    assert len(campaigns) == 27
    assert contacts.customer_id.nunique() == 1_559
    assert set(contacts.offer_id) == set(tables["offers"].offer_id)


def test_complete_journey_campaign_days_hold_every_coupon_redeemed_the_last_day_included(business):
    campaigns = business("complete_journey").frames["campaigns"]
    redeemed = raw("completejourney_coupon_redemptions").assign(campaign_id=lambda r: r.campaign_id.astype(str))
    redeemed = redeemed.merge(campaigns, on="campaign_id")
    days = (redeemed.redemption_date - redeemed.started_at).dt.days
    assert len(redeemed) == 2_102
    assert days.min() >= 0
    assert (days < redeemed.outcome_days).all()
    assert (days == redeemed.outcome_days - 1).sum() == 28


def test_the_number_of_threads_changes_no_bit_of_a_receipt(business):
    path = business("complete_journey").settings.data.path
    wanted = adapt("complete_journey", ibis.duckdb.connect(threads=3), path).tables["transactions"]
    receipts = wanted.select("transaction_id", "revenue", "category").order_by("transaction_id").to_pandas()
    single = business("complete_journey").frames["transactions"].sort_values("transaction_id", ignore_index=True)
    pd.testing.assert_frame_equal(receipts, single[list(receipts.columns)], check_exact=True)


# Hillstrom


def test_hillstrom_arms_and_spend_per_head_are_the_published_ones(business):
    tables, notes = business("hillstrom").frames, business("hillstrom").notes
    arms = tables["contacts"].merge(tables["transactions"], on="customer_id", how="left").groupby("offer_id").margin
    assert arms.size().to_dict() == {"control": 21_306, "mens_email": 21_307, "womens_email": 21_387}
    assert arms.count().to_dict() == {"control": 122, "mens_email": 267, "womens_email": 189}
    per_head = (arms.sum() / arms.size()).round(4).to_dict()
    assert per_head == {"control": 0.6528, "mens_email": 1.4226, "womens_email": 1.0772}
    assert found(notes, "receipts without a date or cost") == 578


def test_hillstrom_visits_are_events_with_the_published_rates(business):
    tables, notes = business("hillstrom").frames, business("hillstrom").notes
    visited = tables["contacts"].customer_id.isin(tables["events"].customer_id)
    rates = (visited.groupby(tables["contacts"].offer_id).mean() * 100).round(3).to_dict()
    assert rates == {"control": 10.617, "mens_email": 18.276, "womens_email": 15.140}
    assert found(notes, "visits without a date") == len(tables["events"])


def test_hillstrom_customers_are_the_rows_of_the_file_in_their_order_with_equal_rows_kept(business):
    tables, notes = business("hillstrom").frames, business("hillstrom").notes
    customers = tables["customers"].assign(row=lambda c: c.customer_id.astype(int)).sort_values("row")
    source = raw("hillstrom")
    assert customers.row.tolist() == list(range(64_000))
    assert found(notes, "rows equal to another") == source.duplicated().sum() == 6_562
    source = source.rename(columns={"recency": "months_since_last_purchase"})
    for name in ("months_since_last_purchase", "history", "mens", "womens", "newbie"):
        np.testing.assert_array_equal(customers[name], source[name].astype(float))
    for name in ("history_segment", "zip_code", "channel"):
        assert customers[name].tolist() == source[name].tolist()
    arm = tables["contacts"].assign(row=lambda c: c.customer_id.astype(int)).sort_values("row").offer_id.tolist()
    assert (
        arm
        == source.segment.map(
            {"Mens E-Mail": "mens_email", "Womens E-Mail": "womens_email", "No E-Mail": "control"}
        ).tolist()
    )


def test_hillstrom_outcomes_are_no_attributes_and_lie_within_the_campaign(business):
    tables = business("hillstrom").frames
    campaign = tables["campaigns"].iloc[0]
    end = campaign.started_at + timedelta(days=campaign.outcome_days)
    for outcome in (tables["transactions"], tables["events"]):
        assert (outcome.occurred_at >= campaign.started_at).all()
        assert (outcome.occurred_at < end).all()
    assert not {"visit", "conversion", "spend"} & set(tables["customers"].columns)
    assert read_history(business("hillstrom").tables).end == end.date()
    assert tables["contacts"].propensity.to_numpy() == pytest.approx(1 / 3)
    assert campaign.randomized


# All of them


@pytest.mark.parametrize("name", FILES)
def test_the_contract_is_kept_without_error_or_warning_and_the_check_shows_the_notes(name, business):
    tables = business(name).tables
    report = check_tables(tables, business(name).settings, as_of=None)
    assert [str(finding) for finding in (*report.errors, *report.warnings)] == []
    shown = [finding.count for finding in report.findings if finding.code == "adapter"]
    assert sorted(shown) == sorted(note.rows for note in tables.notes)


CALENDARS = {
    ("cdnow", "churn"): ("1997-09-24 1997-10-08 1997-10-22", "1998-01-14", "1998-04-08"),
    ("cdnow", "ltv"): ("", "1997-07-02", "1997-12-31"),
    ("online_retail", "churn"): ("2011-04-22 2011-05-13 2011-06-03", "2011-08-05", "2011-10-07"),
    ("online_retail", "ltv"): ("2011-04-15 2011-04-29 2011-05-13", "2011-07-22", "2011-09-30"),
    ("complete_journey", "churn"): ("2017-05-15 2017-06-05 2017-06-26", "2017-08-28", "2017-10-30"),
    ("complete_journey", "ltv"): ("2017-04-10 2017-04-24", "2017-07-17", "2017-10-09"),
}


def plan(opened: Opened, task: TaskName) -> tuple[Calendar, ChurnDefinition | LtvDefinition]:
    definition = load_definition(opened.settings.models[task], task)
    return plan_calendar(read_history(opened.tables), definition.windows), definition


@pytest.mark.parametrize(("name", "task"), CALENDARS)
def test_every_definition_gets_the_cutoffs_that_its_file_states(name, task, business):
    calendar, definition = plan(business(name), task)
    fit, calibration, test = CALENDARS[name, task]
    assert calendar.fit == tuple(date.fromisoformat(day) for day in fit.split())
    assert (calendar.calibration.isoformat(), calendar.test.isoformat()) == (calibration, test)
    assert definition.population.active_within_days <= definition.windows.observation_days


def test_no_cdnow_customer_is_asked_about_leaving_for_the_purchase_that_acquired_him(business):
    calendar, definition = plan(business("cdnow"), "churn")
    acquired = business("cdnow").frames["customers"].joined_at.max().date()
    assert calendar.fit[0] - timedelta(days=definition.population.active_within_days) > acquired


# Without the data


def connection():
    return ibis.duckdb.connect(threads=1)


def adapted(folder: Path, rows: dict[str, list]) -> Adapted:
    pd.DataFrame(rows).to_parquet(folder / "cdnow_master.parquet")
    return adapt("cdnow", connection(), folder)


def test_two_purchases_of_a_day_are_one_receipt_of_their_exact_sum(tmp_path):
    days = pd.to_datetime(["1997-01-01", "1997-01-01", "1997-01-02"])
    result = adapted(tmp_path, {"customer_id": ["007"] * 3, "date": days, "dollar_value": [0.1, 0.2, 0.0]})
    receipts = result.tables["transactions"].order_by("occurred_at").to_pandas()
    assert receipts.revenue.tolist() == [0.3, 0.0]
    assert [note.rows for note in result.notes] == [1, 1, 2, 1]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no file at .*hillstrom\.parquet"):
        adapt("hillstrom", connection(), tmp_path)


def test_missing_columns_are_all_named_with_the_nearest_names(tmp_path):
    with pytest.raises(
        DataError, match=r"no column 'customer_id'; did you mean customer.id.*\n.*no column 'dollar_value'"
    ):
        adapted(tmp_path, {"customer.id": ["007"], "date": [pd.Timestamp(1997, 1, 1)]})


def test_an_unknown_adapter_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="no adapter 'cdnov'; did you mean cdnow"):
        adapt("cdnov", connection(), Path())


def test_a_dropped_row_counts_for_the_first_rule_that_it_meets():
    rows = ibis.memtable({"x": [1, 2, 3, None]})
    kept, notes = drop_rows(
        "transactions", rows, {"missing": rows.x.isnull(), "odd": rows.x % 2 == 1, "one": rows.x == 1}
    )
    assert kept.to_pandas().x.tolist() == [2]
    assert [(note.rule, note.rows) for note in notes] == [
        ("missing: dropped", 1),
        ("odd: dropped", 2),
        ("one: dropped", 0),
    ]


def test_a_rule_over_no_rows_is_counted_as_zero():
    rows = ibis.memtable({"x": [1]}).filter(ibis._.x > 1)
    assert count_notes("transactions", rows, {"any": rows.x > 0})[0].rows == 0


def test_an_exact_sum_does_not_know_the_order_of_its_rows():
    amounts = np.random.default_rng(5).integers(-10_000, 10_000, size=999) / 100
    orders = [ibis.memtable({"x": values}) for values in (amounts, amounts[::-1], np.sort(amounts))]
    assert len({sum_exactly(rows.x, decimals=2).to_pyarrow().as_py() for rows in orders}) == 1
