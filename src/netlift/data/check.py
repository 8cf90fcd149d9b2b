"""The tables of a business held against the data contract; nothing is repaired, everything is counted."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from netlift.config.business import BusinessSettings
from netlift.data.arms import check_arms
from netlift.data.findings import CheckReport, Finding, Severity, TableFacts
from netlift.data.read import Tables
from netlift.data.repeats import find_repeats
from netlift.data.rules import REFERENCES, make_rules
from netlift.data.tables import CONTRACT, TableContract
from netlift.results import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


def check_tables(tables: Tables, settings: BusinessSettings, *, as_of: datetime | None) -> CheckReport:
    """Hold the tables against the data contract.

    Each table is scanned once for its rows and once for its key; what is held in memory is one row of counts, and the
    keys, which the engine spills to disk.

    Args:
        tables: The tables of the business.
        settings: Its settings; `check` says what is tolerated.
        as_of: Rows after this local moment are counted as future; None takes the end of the day of the newest
            transaction.

    Returns:
        Facts, findings (errors first) and sample ratios. Nothing in it names a customer.
    """
    as_of = as_of or _end_of_newest_day(tables)
    facts: list[TableFacts] = []
    findings: list[Finding] = []
    for name in CONTRACT:
        if name in tables:
            fact, found = _check_table(tables, name, settings, as_of)
            facts.append(fact)
            findings += found
    found, ratios = check_arms(tables, alarm=settings.check.srm_alarm)
    findings += [*found, *_adapter_notes(tables)]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return CheckReport(
        as_of=as_of,
        tables=Table(name="tables", rows=tuple(facts)),
        findings=Table(name="findings", rows=tuple(findings)),
        sample_ratios=Table(name="sample ratios", rows=tuple(ratios)),
    )


def _end_of_newest_day(tables: Tables) -> datetime | None:
    moments = tables["transactions"].occurred_at
    newest: datetime | None = _fetch(tables["transactions"].aggregate(newest=moments.max()))["newest"]
    return datetime.combine(newest, time()) + timedelta(days=1) if newest else None


def _fetch(row: ir.Table) -> dict[str, Any]:
    """The one row of an aggregate."""
    return dict(row.to_pyarrow().to_pylist()[0])


def _check_table(
    tables: Tables, name: str, settings: BusinessSettings, as_of: datetime | None
) -> tuple[TableFacts, list[Finding]]:
    """One scan for the rows and every rule over them, and one for the key."""
    dated_by = CONTRACT[name].time
    missing = [reference for reference in REFERENCES.get(name, ()) if reference not in tables]
    findings = [_missing_reference(name, reference) for reference in missing]
    rows = with_references(tables[name], tables, name)
    rules = make_rules(tables, name, rows, as_of=as_of, max_orphan_share=settings.check.max_orphan_share)
    counts = {f"rule_{number}": rule.broken_by.sum() for number, rule in enumerate(rules)}
    dates = {"first": rows[dated_by].min(), "last": rows[dated_by].max()} if dated_by else {}
    answer = _fetch(rows.aggregate(rows=rows.count(), **dates, **counts))
    facts = TableFacts(table=name, rows=answer["rows"], first=answer.get("first"), last=answer.get("last"))
    if not facts.rows:
        return facts, [*findings, _empty_table(name)]
    for number, rule in enumerate(rules):
        if count := int(answer[f"rule_{number}"] or 0):
            findings.append(rule.finding(name, count, facts.rows))
    return facts, findings + _check_key(tables, CONTRACT[name], facts.rows)


def with_references(rows: ir.Table, tables: Tables, name: str) -> ir.Table:
    """Rows of a table, each beside the key of what it refers to, null where that is unknown."""
    for reference in REFERENCES.get(name, ()):
        if reference not in tables:
            continue
        key = CONTRACT[reference].key[0]
        known = tables[reference].filter(tables[reference][key].notnull())
        dated = {"known_joined_at": known.joined_at.min()} if reference == "customers" else {}
        known = known.group_by(**{f"known_{key}": known[key]}).aggregate(**dated)
        rows = rows.left_join(known, rows[key] == known[f"known_{key}"])
    return rows


def _check_key(tables: Tables, contract: TableContract, rows: int) -> list[Finding]:
    """Keys that stand more than once; the same customer in two arms of a campaign is another finding."""
    key = [*contract.key, "offer_id"] if contract.name == "contacts" else list(contract.key)
    if not key or not all(tables.has(contract.name, column) for column in key):
        return _check_repeats(tables, contract)
    whole = tables[contract.name].select(key).drop_null(key)
    keys = whole.group_by(key).aggregate(rows=whole.count())
    surplus = int(_fetch(keys.aggregate(surplus=(keys.rows - 1).sum()))["surplus"] or 0)
    if not surplus:
        return []
    message = f"{surplus:,} of {rows:,} rows repeat a key; one row is {contract.one_row_is}: keep one of each"
    column = ", ".join(key)
    return [
        Finding(
            table=contract.name,
            column=column,
            severity="error",
            code="duplicated-key",
            count=surplus,
            of=rows,
            message=message,
        )
    ]


def _check_repeats(tables: Tables, contract: TableContract) -> list[Finding]:
    """Rows without a key that are the same in every column far more often than by chance."""
    repeats = find_repeats(tables, contract.name)
    if repeats is None or not repeats.suspicious:
        return []
    whole = f", whole days among them ({repeats.doubled_days:,})" if repeats.doubled_days else ""
    named = f"; add {', '.join(contract.key)} if they are honest" if contract.key else ""
    message = (
        f"{repeats.surplus:,} of {repeats.rows:,} rows repeat another in every column{whole}, far more than chance "
        f"gives; one row is {contract.one_row_is}, so a file was probably loaded twice: keep one of each{named}"
    )
    return [
        Finding(
            table=contract.name,
            column="",
            severity="warning",
            code="repeated-rows",
            count=repeats.surplus,
            of=repeats.rows,
            message=message,
        )
    ]


def _empty_table(table: str) -> Finding:
    return Finding(
        table=table,
        column="",
        severity="error",
        code="empty-table",
        count=0,
        of=0,
        message="has no rows; point the config at a table that has some, or leave it out if it is optional",
    )


def _missing_reference(table: str, reference: str) -> Finding:
    key = CONTRACT[reference].key[0]
    return Finding(
        table=table,
        column=key,
        severity="error",
        code="missing-table",
        count=0,
        of=0,
        message=f"refers to a table {reference} that the config does not name; add it",
    )


def _adapter_notes(tables: Tables) -> list[Finding]:
    """What an adapter did to the source, so that nothing that was dropped or made up goes unseen."""
    return [
        Finding(
            table=note.table,
            column="",
            severity="info",
            code="adapter",
            count=note.rows,
            of=0,
            message=f"{note.rows:,} rows: {note.rule}",
        )
        for note in tables.notes
    ]
