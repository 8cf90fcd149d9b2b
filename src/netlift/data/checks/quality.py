"""Monthly data quality counts: completeness, latency and duplicates of each table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from netlift.config.business import BusinessSettings
from netlift.data.checks.check import with_references
from netlift.data.checks.rules import RowRule, make_rules
from netlift.data.contract import TableContract
from netlift.data.read import Tables
from netlift.results import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

REVENUE = "revenue (no margins)"


def is_revenue_based(tables: Tables) -> bool:
    """Whether margin equals revenue on every receipt: the source has no margins, and all value is revenue."""
    receipts = tables["transactions"]
    counts = receipts.aggregate(rows=receipts.count(), equal=(receipts.margin == receipts.revenue).sum()).to_pyarrow()
    counted = counts.to_pylist()[0]
    return bool(counted["rows"] and counted["rows"] == counted["equal"])


def name_money(tables: Tables) -> str:
    """`margin`, or what stands for it, as a sentence says it."""
    return REVENUE if is_revenue_based(tables) else "margin"


DAY_SECONDS = 86_400
FAMILIES = ("missing", "orphans", "other")
IN_WAVES = ("campaigns", "contacts")


@dataclass(frozen=True, kw_only=True)
class MonthQuality:
    """One table in one month.

    Attributes:
        month: First day of the month.
        table: The table.
        rows: Its rows dated in the month.
        empty_days: Days of the month without a row; None for campaigns and contacts, which come in waves.
        late_rows: Rows that became known over a day after they happened; None where the source does not say when.
        longest_delay_days: The longest such delay.
        missing: Values missing where the contract needs one.
        orphans: References to a customer, campaign or offer that no table knows.
        duplicates: Rows that repeat a key of the month.
        other: Rows that break any other rule of the check.
    """

    month: date
    table: str
    rows: int
    empty_days: int | None
    late_rows: int | None
    longest_delay_days: float | None
    missing: int
    orphans: int
    duplicates: int
    other: int


def measure_quality(
    tables: Tables, settings: BusinessSettings, *, months: Sequence[tuple[date, date]]
) -> Table[MonthQuality]:
    """Quality of every dated table in some months, one scan of its rows and one of its keys.

    Args:
        tables: The tables of the business.
        settings: Its settings; `check` says what is tolerated.
        months: First day of each month and first day after it, ascending.
    """
    rows: list[MonthQuality] = []
    for name, contract in tables.known.items():
        if name in tables and contract.time is not None:
            rows += _measure(tables, contract, settings.check.max_orphan_share, months)
    return Table(name="data quality", rows=tuple(rows))


def _measure(
    tables: Tables, contract: TableContract, most_orphans: float, months: Sequence[tuple[date, date]]
) -> list[MonthQuality]:
    name, dated_by = contract.name, str(contract.time)
    rows = with_references(_within(tables, name, dated_by, months), tables, name)
    rules = make_rules(tables, name, rows, as_of=None, max_orphan_share=most_orphans)
    counts = {f"rule_{i}": rule.broken_by.sum() for i, rule in enumerate(rules) if rule.severity != "info"}
    by_month = rows.group_by(month=_month(rows[dated_by])).aggregate(
        rows=rows.count(), days=rows[dated_by].date().nunique(), **_delays(tables, name, rows), **counts
    )
    found = {row["month"]: row for row in tables.connection.to_pyarrow(by_month).to_pylist()}
    repeated = _duplicates(tables, contract, months)
    return [_row(name, month, found.get(month[0], {}), rules, duplicates=repeated.get(month[0], 0)) for month in months]


def _row(
    table: str, month: tuple[date, date], found: dict[str, Any], rules: Sequence[RowRule], *, duplicates: int
) -> MonthQuality:
    broken = dict.fromkeys(FAMILIES, 0)
    for i, rule in enumerate(rules):
        broken[_family(rule)] += int(found.get(f"rule_{i}") or 0)
    delay = found.get("longest_delay")
    return MonthQuality(
        month=month[0],
        table=table,
        rows=int(found.get("rows", 0)),
        empty_days=None if table in IN_WAVES else (month[1] - month[0]).days - int(found.get("days", 0)),
        late_rows=None if found.get("late") is None else int(found["late"]),
        longest_delay_days=None if delay is None else max(round(delay / DAY_SECONDS, 1), 0.0),
        missing=broken["missing"],
        orphans=broken["orphans"],
        duplicates=duplicates,
        other=broken["other"],
    )


def _family(rule: RowRule) -> str:
    if rule.code == "missing-value":
        return "missing"
    return "orphans" if rule.code.startswith("unknown-") else "other"


def _within(tables: Tables, name: str, dated_by: str, months: Sequence[tuple[date, date]]) -> ir.Table:
    import ibis

    low, high = (
        ibis.literal(datetime.combine(day, time()), type="timestamp(6)") for day in (months[0][0], months[-1][1])
    )
    rows = tables[name]
    return rows.filter((rows[dated_by] >= low) & (rows[dated_by] < high))


def _delays(tables: Tables, name: str, rows: ir.Table) -> dict[str, ir.Value]:
    if not tables.has(name, "ingested_at"):
        return {}
    seconds = rows.ingested_at.epoch_seconds() - rows.occurred_at.epoch_seconds()
    return {"late": (seconds > DAY_SECONDS).sum(), "longest_delay": seconds.max()}


def _duplicates(tables: Tables, contract: TableContract, months: Sequence[tuple[date, date]]) -> dict[date, int]:
    key = list(contract.key)
    if not key or not all(tables.has(contract.name, column) for column in key):
        return {}
    rows = _within(tables, contract.name, str(contract.time), months).drop_null(key)
    keys = rows.group_by(month=_month(rows[str(contract.time)]), **{column: rows[column] for column in key})
    counted = keys.aggregate(rows=lambda t: t.count())
    surplus = counted.group_by("month").aggregate(surplus=(counted.rows - 1).sum())
    return {row["month"]: int(row["surplus"]) for row in tables.connection.to_pyarrow(surplus).to_pylist()}


def _month(moment: ir.TimestampValue) -> ir.DateValue:
    return moment.truncate("M").cast("date")
