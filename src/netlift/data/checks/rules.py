"""Rules that no row of a table may break, as Ibis booleans counted in one scan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from netlift.data.checks.findings import LeavesOut, Scope, Severity
from netlift.data.contract import CONTRACT, CONTROL, MARK, ContractColumn, TableContract
from netlift.data.read import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir

REFERENCES: dict[str, tuple[str, ...]] = {
    "transactions": ("customers",),
    "contacts": ("customers", "campaigns", "offers"),
    "events": ("customers",),
    "surveys": ("customers",),
    "item_scores": ("customers",),
}
PER_CAMPAIGN = ("campaigns", "contacts")
"""Tables each of whose rows belongs to one campaign: a fault reaches its comparison, and no other's."""
TORN_SHARE, CONTACTED_SHARE = 0.001, 0.01
"""Shares of a campaign's customers in two arms, and of its control contacted all the same, that spoil little."""
LARGEST = 1e15  # beyond it cents are lost, and no business has it
BLANKS = " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
HIDDEN = (
    r"\x01-\x1f\x7f"
    "\u0080-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ue000-\uf8ff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd"
    "\U00100000-\U0010fffd"
)
"""Characters of Unicode 15 that are separators (Zs), and others that nobody sees (Cc, Cf, Co, Zl, Zp), spelled out, as
not every database knows their classes."""
UNTIDY_ID = f"^[{BLANKS}{HIDDEN}]|[{BLANKS}{HIDDEN}]$|^$"
CONTROL_CHARACTERS = f"[{HIDDEN}]"
FORMULA = r"^(?:[=@|]|[+\-].*[^\d\s().,\-])"
"""How a spreadsheet's formula begins; a sign before digits alone is a number, as those of phones are."""


@dataclass(frozen=True, kw_only=True)
class RowRule:
    """What no row of a table may be.

    Attributes:
        column: The column it is about.
        code: Its reason code.
        severity: Of a single such row.
        broken_by: Boolean over the rows, true where the rule is broken.
        message: What is wrong, and what to do; the counts are put before it.
        scope: How far a broken row reaches.
        leaves_out: What of a broken row is not read.
        tolerated_share: Up to this share of the rows (of each campaign, where the scope is one) an error is but a
            warning.
        among: Rows of which the tolerated share is one; None for all.
    """

    column: str
    code: str
    severity: Severity
    broken_by: ir.BooleanValue
    message: str
    scope: Scope = "row"
    leaves_out: LeavesOut = "nothing"
    tolerated_share: float = 0.0
    among: ir.BooleanValue | None = None


def references_of(table: str) -> tuple[str, ...]:
    """The tables that rows of a table refer to; those beyond the contract are rows of customers."""
    return REFERENCES.get(table, () if table in CONTRACT else ("customers",))


def make_rules(
    tables: Tables, name: str, rows: ir.Table, *, as_of: datetime | None, max_orphan_share: float
) -> list[RowRule]:
    """Every rule of one table.

    Args:
        tables: The tables; they know which columns the source has.
        name: The table's name.
        rows: Its rows, each beside `known_<key>` of every table it refers to, and for customers `known_joined_at`.
        as_of: Rows after it are future; None leaves that rule out.
        max_orphan_share: Share of rows of unknown customers that is tolerated.
    """
    rules = [
        *_unread_rules(tables, tables.contract[name], rows),
        *_value_rules(tables, tables.contract[name], rows),
        *_time_rules(tables.contract[name], rows, as_of),
        *_reference_rules(name, rows, max_orphan_share),
    ]
    if name == "transactions":
        rules += _transaction_rules(rows, returns_are_marked=tables.has(name, "is_return"))
    if name == "customers" and tables.has(name, "cancelled_at") and as_of:
        rules.append(_late_cancellation(rows, as_of))
    if name == "campaigns":
        rules += _campaign_rules(rows)
    if name == "contacts":
        rules += _contact_rules(rows)
    return rules


def _unread_rules(tables: Tables, contract: TableContract, rows: ir.Table) -> Iterator[RowRule]:
    """Values that do not read as the contract's type; they are missing in the rows already, and marked."""
    for (table, name), words in tables.unread.items():
        if table == contract.name and f"{MARK}{name}" in rows.columns:
            column = contract.column(name) or ContractColumn(name=name, type="text")
            yield RowRule(
                **_reach(table, column),
                column=name,
                code="unread-value",
                severity="error",
                broken_by=rows[f"{MARK}{name}"],
                message=f"have values in {name} that {words}",
            )


def _value_rules(tables: Tables, contract: TableContract, rows: ir.Table) -> Iterator[RowRule]:
    """Missing values, untidy ids and impossible numbers, for every column that the source has."""
    for column in contract.columns:
        if not tables.has(contract.name, column.name):
            continue
        value = rows[column.name]
        reach = _reach(contract.name, column)
        missing = value.isnull()
        if f"{MARK}{column.name}" in rows.columns:
            missing &= ~rows[f"{MARK}{column.name}"]
        yield _missing_values(column, missing, reach)
        if column.type == "id":
            yield RowRule(
                **reach,
                column=column.name,
                code="untidy-id",
                severity="error",
                broken_by=(value != tables.engine.compose_id(value)) | value.re_search(UNTIDY_ID),
                message="have an id that is empty, begins or ends with a blank, or is not in Unicode form NFC; "
                "ids are compared letter by letter: tidy them in the source",
            )
            if (column.name,) == contract.key:
                yield from _odd_ids(column.name, value)
        if column.type in ("money", "number"):
            yield RowRule(
                **reach,
                column=column.name,
                code="not-finite",
                severity="error",
                broken_by=is_not_finite(value) | (value.abs() > LARGEST),
                message=f"are NaN, infinite or beyond {LARGEST:g}; correct them in the source",
            )
        if column.type == "money" and not column.name.endswith(("revenue", "margin")):
            yield RowRule(
                **reach,
                column=column.name,
                code="negative-money",
                severity="error",
                broken_by=value < 0,
                message="are costs below zero; write costs as positive money",
            )
    known = {column.name for column in contract.columns}
    for name in sorted(tables.present[contract.name] - known):
        yield _missing_values(ContractColumn(name=name, type="text"), rows[name].isnull(), {})


def is_not_finite(value: Any) -> Any:
    """NaN or infinite, told by arithmetic: DuckDB answers `isnan` by a Parquet file's statistics, which omit NaN."""
    return value - value != 0


def _odd_ids(column: str, value: Any) -> Iterator[RowRule]:
    """Ids that are read as they are, and that somebody downstream may compute or not see."""
    yield RowRule(
        column=column,
        code="control-characters-in-id",
        severity="warning",
        broken_by=value.re_search(CONTROL_CHARACTERS) & ~value.re_search(UNTIDY_ID),
        message="have an id with characters that nobody sees (control, zero width, direction): two ids can look alike, "
        "and are compared letter by letter",
    )
    yield RowRule(
        column=column,
        code="formula-as-id",
        severity="warning",
        broken_by=value.re_search(FORMULA),
        message="have an id that a spreadsheet computes; lists in CSV carry it as text, which an import must undo",
    )


def _reach(table: str, column: ContractColumn) -> dict[str, Any]:
    """How far a wrong value reaches: one that may be missing is read as missing, else its row is left out.

    Contacts stay with their campaign: its comparison is spoilt by a lost row, and by no row of another campaign.
    """
    leaves_out = "values" if column.nullable else "rows"
    scope = "customer" if table == "customers" and not column.nullable else "row"
    if table == "campaigns" or (table == "contacts" and column.name != "campaign_id"):
        scope = "campaign"
    tolerated = TORN_SHARE if table == "contacts" and column.type != "number" else 0.0
    return {"scope": scope, "leaves_out": leaves_out, "tolerated_share": tolerated}


def _missing_values(column: ContractColumn, missing: ir.BooleanValue, reach: dict[str, Any]) -> RowRule:
    message = "have no value"
    if not column.nullable:
        message += ", and none may lack it; fill them or leave the rows out of the source"
    return RowRule(
        **({} if column.nullable else reach),
        column=column.name,
        code="missing-value",
        severity="info" if column.nullable else "error",
        broken_by=missing,
        message=message,
    )


def _time_rules(contract: TableContract, rows: ir.Table, as_of: datetime | None) -> Iterator[RowRule]:
    if contract.time and as_of:
        yield RowRule(
            column=contract.time,
            code="future-rows",
            severity="warning",
            broken_by=rows[contract.time] > as_of,
            message=f"are dated after {as_of:%Y-%m-%d %H:%M}; correct them if nobody meant that",
        )


def _reference_rules(name: str, rows: ir.Table, max_orphan_share: float) -> Iterator[RowRule]:
    """Rows that refer to a customer, a campaign or an offer that no table knows.

    None is left out: what reads rows by customer or by campaign passes them by, and a contact counts as one all the
    same. Contacts of customers or offers that nobody knows spoil the comparison of their campaign.
    """
    of_campaign: dict[str, Any] = {"scope": "campaign", "tolerated_share": TORN_SHARE}
    of_customers: dict[str, Any] = {
        "scope": "campaign" if name == "contacts" else "table",
        "tolerated_share": max_orphan_share,
    }
    reach = {"customers": of_customers, "campaigns": {}, "offers": of_campaign}
    for reference in references_of(name):
        key = CONTRACT[reference].key[0]
        if f"known_{key}" not in rows.columns:
            continue
        unknown = rows[key].notnull() & rows[f"known_{key}"].isnull()
        yield RowRule(
            **reach[reference],
            column=key,
            code=f"unknown-{reference.removesuffix('s')}",
            severity="error",
            # an arm called as its campaign is a journey's, which is no offer
            broken_by=unknown & (rows[key] != CONTROL) & ~(rows[key] == rows.campaign_id).coalesce(False)
            if reference == "offers"
            else unknown,
            message=f"name a {key} that {reference} does not have; add it there or leave the rows out",
        )


def _transaction_rules(rows: ir.Table, *, returns_are_marked: bool) -> Iterator[RowRule]:
    returned = rows.is_return.notnull() & rows.is_return
    yield RowRule(
        column="revenue",
        code="negative-money",
        severity="error" if returns_are_marked else "warning",
        leaves_out="rows",
        broken_by=(rows.revenue < 0) & ~returned,
        message="have revenue below zero and are no return; mark returns in is_return"
        + ("" if returns_are_marked else ", which the source does not have"),
    )
    yield RowRule(
        column="revenue",
        code="positive-return",
        severity="warning",
        broken_by=(rows.revenue > 0) & returned,
        message="are returns with revenue above zero; a return takes money back: write it below zero",
    )
    if "known_joined_at" in rows.columns:
        yield RowRule(
            column="occurred_at",
            code="before-joining",
            severity="warning",
            broken_by=rows.occurred_at < rows.known_joined_at,
            message="lie before their customer's joined_at; correct joined_at if it should be the first purchase",
        )


def _late_cancellation(rows: ir.Table, as_of: datetime) -> RowRule:
    return RowRule(
        column="cancelled_at",
        code="cancelled-after-the-end",
        severity="warning",
        broken_by=rows.cancelled_at >= as_of,
        message=f"were cancelled after the data end ({as_of:%Y-%m-%d %H:%M}): agreed on beforehand, or the end of a "
        "contract that may be prolonged; map the column that says when the customer left",
    )


def _campaign_rules(rows: ir.Table) -> Iterator[RowRule]:
    yield RowRule(
        column="outcome_days",
        code="not-whole-days",
        severity="error",
        scope="campaign",
        leaves_out="rows",
        broken_by=(rows.outcome_days < 1) | (rows.outcome_days != rows.outcome_days.floor()),
        message="do not have a whole number of outcome days from 1 on; say how long outcomes count",
    )


def _contact_rules(rows: ir.Table) -> Iterator[RowRule]:
    yield RowRule(
        column="propensity",
        code="impossible-propensity",
        severity="error",
        scope="campaign",
        leaves_out="values",
        broken_by=~((rows.propensity > 0) & (rows.propensity <= 1)),
        message="have a propensity outside (0, 1]; log the chance of the drawn arm, or nothing where nobody knows it",
    )
    yield RowRule(
        column="delivered_at",
        code="control-contacted",
        severity="error",
        scope="campaign",
        tolerated_share=CONTACTED_SHARE,
        among=rows.offer_id == CONTROL,
        broken_by=(rows.offer_id == CONTROL) & rows.delivered_at.notnull(),
        message="are control and were delivered something; the comparison is spoilt: find out who sent it",
    )
