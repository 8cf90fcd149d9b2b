"""Validation of a business's tables against the contract; nothing is repaired, everything is counted.

An error reaches no farther than it must. A wrong value that may be missing is read as missing; where none may be
missing its row is left out; where nobody can say which of several rows of a key is right, all are. What is wrong with
the contacts of a campaign takes the verdict of that campaign. Only where more rows of a table, or values of a column,
would be left out than `check.max_left_out_share` does an error stop the verbs that use the table or the column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from netlift.config.business import ACCEPTABLE, REQUIRED_TABLES, BusinessSettings
from netlift.data.checks.campaigns import check_arms
from netlift.data.checks.findings import READS, CheckReport, Finding, Scope, Severity, TableFacts, find_readers
from netlift.data.checks.plausibility import check_customers, check_money
from netlift.data.checks.repeats import find_repeats
from netlift.data.checks.rules import PER_CAMPAIGN, TORN_SHARE, RowRule, make_rules, references_of
from netlift.data.completeness import check_completeness
from netlift.data.contract import CONTRACT, MARK, TableContract
from netlift.data.engines.errors import reading
from netlift.data.read import Tables
from netlift.errors import DataError, UsageError
from netlift.results import Table

if TYPE_CHECKING:
    import ibis.expr.types as ir

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
LEFT_OUT = {"nothing": "", "values": "; read as empty", "rows": "; these rows are left out"}
LISTS = ("campaigns", "offers")
"""Short tables whose rows are named one by one: a row that is left out says nothing of the others."""


def check_tables(tables: Tables, settings: BusinessSettings, *, as_of: datetime | None) -> CheckReport:
    """Hold the tables against the data contract.

    Each table is scanned once for its rows and once for its key; what is held in memory is one row of counts (one of
    each campaign for contacts), and the keys, which the engine spills to disk.

    Args:
        tables: The tables of the business.
        settings: Its settings; `check` says what is tolerated.
        as_of: Rows after this local moment are counted as future; None takes the end of the day of the newest
            transaction, or of `data.complete_until` where that is later.

    Returns:
        Facts, findings (errors first) and sample ratios. Nothing in it names a customer.
    """
    return _hold(tables, settings, as_of)[0]


def read_sound(tables: Tables, settings: BusinessSettings, *, verb: str) -> tuple[Tables, CheckReport]:
    """The tables as a verb may read them: checked, and without what the check leaves out.

    Args:
        tables: The tables of the business, as they are.
        settings: Its settings; `check` says what is tolerated.
        verb: The verb that reads them, one of `READS`.

    Returns:
        The tables, and what the check said of them.

    Raises:
        DataError: An error reaches the whole of a table that the verb reads.
        UsageError: The verb needs receipts, and the business is one extract of customers.
    """
    if tables.snapshot_of is not None and verb not in ("train", "score"):
        raise UsageError(f"{settings.name} is one extract of customers (data.snapshot_of): {verb} needs receipts")
    report, sound = _hold(tables, settings, None)
    report.raise_for_errors(verb)
    return sound, report


def _hold(tables: Tables, settings: BusinessSettings, as_of: datetime | None) -> tuple[CheckReport, Tables]:
    """What the check says, and the tables without what it leaves out."""
    as_of = as_of or _end_of_data(tables)
    facts: dict[str, TableFacts] = {}
    findings: list[Finding] = []
    kept: dict[str, ir.Table] = {}
    for name in sorted(tables.contract, key=lambda name: bool(references_of(name))):  # first what the others refer to
        # A contact whose offer is left out has no known cost; who is left out himself is no stranger.
        seen = tables.replace(offers=kept["offers"]) if "offers" in kept else tables
        try:
            facts[name], found, kept[name] = reading(
                name, "its source", partial(_check_table, seen, name, settings, as_of)
            )
            findings += found
        except DataError as error:  # a file that cannot be read to its end
            if name in REQUIRED_TABLES:
                raise
            tables = tables.without(name, str(error))
    found, ratios = check_arms(tables, alarm=settings.check.srm_alarm)
    findings += [*found, *check_completeness(tables), *check_money(tables), *_source_notes(tables)]
    findings += check_customers(tables, max_share=settings.check.max_customer_share)
    findings += [_cannot_be_read(table, why) for table, why in tables.refused.items()]
    split_by = () if settings.readout is None else (*settings.readout.segments, str(settings.readout.household))
    findings = [_with_stops(_accept(finding, settings.check.accept), split_by) for finding in findings]
    order = [*{**CONTRACT, **tables.known}]
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), order.index(finding.table)))
    report = CheckReport(
        as_of=as_of,
        tables=Table(name="tables", rows=tuple(facts[name] for name in order if name in facts)),
        findings=Table(name="findings", rows=tuple(findings)),
        sample_ratios=Table(name="sample ratios", rows=tuple(ratios)),
    )
    return report, tables.replace(**kept)


def _accept(finding: Finding, accepted: Sequence[str]) -> Finding:
    """A finding that the config accepts stops nothing, and is shown as a note; of others it says how to accept them."""
    name = f"{finding.table}.{finding.code}"
    if finding.severity == "info" or finding.code not in ACCEPTABLE:
        return finding
    if name in accepted:
        return replace(finding, severity="info", message=f"{finding.message} (accepted by check.accept)")
    return replace(finding, message=f"{finding.message}; if it is right as it is: check.accept: [{name}]")


def _with_stops(finding: Finding, split_by: Sequence[str]) -> Finding:
    """The finding with the verbs that it stops."""
    if finding.severity != "error" or finding.scope != "table":
        return finding
    column = finding.column if finding.leaves_out == "values" else ""
    stopped = find_readers(finding.table, column, split_by=split_by)
    return replace(finding, stops=tuple(verb for verb in READS if verb in stopped))


def _end_of_data(tables: Tables) -> datetime | None:
    """End of the day of the newest transaction, or of the last that the config has complete."""
    moments = tables["transactions"].occurred_at
    newest: datetime | None = _fetch(tables["transactions"].aggregate(newest=moments.max()))["newest"]
    ends = [datetime.combine(newest, time()) + timedelta(days=1)] if newest else []
    return max([*ends, *([tables.complete_end] if tables.complete_end else [])], default=None)


def _fetch(row: ir.Table) -> dict[str, Any]:
    """The one row of an aggregate."""
    return dict(row.to_pyarrow().to_pylist()[0])


@dataclass(frozen=True, kw_only=True)
class RepeatedKeys:
    """Keys that stand more than once in a table.

    Attributes:
        surplus: Rows beyond the first of each key, by campaign; all under None where rows are of no campaign.
        rows: Rows of these keys, the first ones too.
        keys: The keys, each once.
    """

    surplus: Mapping[str | None, int]
    rows: int
    keys: ir.Table


def _check_table(
    tables: Tables, name: str, settings: BusinessSettings, as_of: datetime | None
) -> tuple[TableFacts, list[Finding], ir.Table]:
    """One scan for the rows and every rule over them, and one for the key; the table without what is left out."""
    contract = tables.known[name]
    dated_by = contract.time
    missing = [each for each in references_of(name) if each not in tables and each not in tables.refused]
    findings = [_missing_reference(name, reference) for reference in missing]
    rows = with_references(tables[name], tables, name)
    share = settings.check.max_orphan_share
    rules = make_rules(tables, name, rows, as_of=as_of, max_orphan_share=share)
    left_out = _any([rule for rule in rules if rule.severity == "error" and rule.leaves_out == "rows"])
    counts = {f"rule_{number}": rule.broken_by.sum() for number, rule in enumerate(rules)}
    counts |= {f"among_{number}": rule.among.sum() for number, rule in enumerate(rules) if rule.among is not None}
    dates = {"first": rows[dated_by].min(), "last": rows[dated_by].max()} if dated_by else {}
    by = ["campaign_id"] if name in PER_CAMPAIGN else []
    counted = rows.aggregate(by=by, rows=rows.count(), left_out=left_out.sum(), **dates, **counts)
    groups = sorted(counted.to_pyarrow().to_pylist(), key=lambda group: group.get("campaign_id") or "")
    facts = _facts(name, groups)
    if not facts.rows:
        return facts, [*findings, _empty_table(name)], tables[name]
    repeats = _find_repeated_keys(tables, contract, by)
    for number, rule in enumerate(rules):
        findings += _findings(rule, name, number, groups, facts.rows)
    if repeats.rows:
        findings += _repeated(repeats, contract, groups, facts.rows)
    findings += _check_repeats(tables, contract)
    lost = sum(int(group["left_out"] or 0) for group in groups) + (repeats.rows if name != "contacts" else 0)
    findings = list(_within_limit(findings, name, lost, facts.rows, settings.check.max_left_out_share))
    broken = {(f.column, f.code) for f in findings if f.leaves_out != "nothing"}
    kept = _leave_out(tables, name, broken, orphan_share=share) if broken else tables[name]
    if repeats.rows and name != "contacts":
        kept = kept.anti_join(repeats.keys, list(repeats.keys.columns))
    return facts, findings, kept.drop(*(column for column in kept.columns if column.startswith(MARK)))


def _any(rules: Sequence[RowRule]) -> ir.BooleanValue:
    """Whether a row breaks any of some rules; a rule that has no answer is not broken."""
    import ibis

    return reduce(or_, (ibis.coalesce(rule.broken_by, ibis.literal(value=False)) for rule in rules))


def _facts(table: str, groups: Sequence[Mapping[str, Any]]) -> TableFacts:
    first, last = ([group[name] for group in groups if group.get(name) is not None] for name in ("first", "last"))
    rows = sum(group["rows"] for group in groups)
    return TableFacts(table=table, rows=rows, first=min(first, default=None), last=max(last, default=None))


def _findings(
    rule: RowRule, table: str, number: int, groups: Sequence[Mapping[str, Any]], rows: int
) -> Iterator[Finding]:
    """What the broken rows of a rule amount to; those of campaigns that they hardly touch are but a warning."""
    total = sum(int(group[f"rule_{number}"] or 0) for group in groups)
    if not total:
        return
    if rule.severity != "error" or rule.scope != "campaign":
        tolerated = rule.severity == "error" and total <= math.ceil(rule.tolerated_share * rows) > 0
        limit = f" (tolerated: {rule.tolerated_share:.2%})" if rule.tolerated_share else ""
        severity: Severity = "warning" if tolerated else rule.severity
        yield _finding(rule, table, severity, count=total, of=rows, more=limit)
        return
    few = 0
    for group in groups:
        name, count = group["campaign_id"], int(group[f"rule_{number}"] or 0)
        if name is None or count <= rule.tolerated_share * int(group.get(f"among_{number}", group["rows"]) or 0):
            few += count
        else:
            yield _finding(rule, table, rule.severity, count=count, of=group["rows"], campaign=name)
    if few:
        limit = f" (tolerated of each campaign: {rule.tolerated_share:.2%})"
        yield _finding(rule, table, "warning", count=few, of=rows, more=limit)


def _finding(
    rule: RowRule, table: str, severity: Severity, *, count: int, of: int, more: str = "", campaign: str = ""
) -> Finding:
    place = f"campaign {campaign!r}: " if campaign else ""
    return Finding(
        table=table,
        column=rule.column,
        severity=severity,
        code=rule.code,
        count=count,
        of=of,
        message=f"{place}{count:,} of {of:,} rows {rule.message}{more}",
        scope="row" if rule.scope == "campaign" and not campaign else rule.scope,
        leaves_out=rule.leaves_out if rule.severity == "error" else "nothing",
        campaign=campaign,
    )


def _within_limit(findings: Sequence[Finding], table: str, lost: int, rows: int, share: float) -> Iterator[Finding]:
    """The findings; those that leave out reach further where too many rows or values of a column would be left out.

    A wrong value of a campaign or of its contacts is a matter of that campaign.
    """
    allowed = math.ceil(share * rows)
    for finding in findings:
        by_value = finding.leaves_out == "values"
        count, what = (finding.count, f"values of {finding.column}") if by_value else (lost, "rows")
        counts = finding.leaves_out != "nothing" and not (by_value and table in PER_CAMPAIGN)
        if finding.severity != "error" or not counts or table in LISTS or not (count > allowed or count == rows):
            yield replace(finding, message=finding.message + LEFT_OUT[finding.leaves_out])
            continue
        limit = f"; {count:,} {what} would be left out, check.max_left_out_share allows {allowed:,} ({share:.2%})"
        yield replace(finding, message=finding.message + limit, scope="table")


def _leave_out(tables: Tables, name: str, broken: set[tuple[str, str]], *, orphan_share: float) -> ir.Table:
    """A table without its broken rows, and with broken values of columns that may be empty read as empty."""
    import ibis

    def found(rows: ir.Table, what: str) -> list[RowRule]:
        rules = make_rules(tables, name, rows, as_of=None, max_orphan_share=orphan_share)
        return [rule for rule in rules if (rule.column, rule.code) in broken and rule.leaves_out == what]

    rows = tables[name]
    if gone := found(rows, "rows"):
        rows = rows.filter(~_any(gone))
    wrong = found(rows, "values")
    columns = dict.fromkeys(rule.column for rule in wrong)
    bad = {column: _any([rule for rule in wrong if rule.column == column]) for column in columns}
    return rows.mutate(**{column: ibis.ifelse(bad[column], None, rows[column]) for column in columns})


def with_references(rows: ir.Table, tables: Tables, name: str) -> ir.Table:
    """Rows of a table, each beside the key of what it refers to, null where that is unknown."""
    for reference in references_of(name):
        if reference not in tables:
            continue
        key = CONTRACT[reference].key[0]
        known = tables[reference].filter(tables[reference][key].notnull())
        dated = {"known_joined_at": known.joined_at.min()} if reference == "customers" else {}
        known = known.group_by(**{f"known_{key}": known[key]}).aggregate(**dated)
        rows = rows.left_join(known, rows[key] == known[f"known_{key}"])
    return rows


def _find_repeated_keys(tables: Tables, contract: TableContract, by: Sequence[str]) -> RepeatedKeys:
    """Keys that stand more than once; the same customer in two arms of a campaign is another finding."""
    key = [*contract.key, "offer_id"] if contract.name == "contacts" else list(contract.key)
    if not key or not all(tables.has(contract.name, column) for column in key):
        return RepeatedKeys(surplus={}, rows=0, keys=tables[contract.name])
    whole = tables[contract.name].select(key).drop_null(key)
    keys = whole.group_by(key).aggregate(times=whole.count())
    keys = keys.filter(keys.times > 1)
    counted = keys.aggregate(by=by, surplus=(keys.times - 1).sum(), rows=keys.times.sum())
    groups = counted.to_pyarrow().to_pylist()
    return RepeatedKeys(
        surplus={group.get("campaign_id"): int(group["surplus"]) for group in groups if group["surplus"]},
        rows=sum(int(group["rows"] or 0) for group in groups),
        keys=keys.select(key),
    )


def _repeated(
    repeats: RepeatedKeys, contract: TableContract, groups: Sequence[Mapping[str, Any]], rows: int
) -> Iterator[Finding]:
    """What repeated keys amount to: nobody can say which row is right, save that a contact repeated is one at least."""
    is_contact = contract.name == "contacts"
    scope: Scope = (
        "campaign" if contract.name in PER_CAMPAIGN else "customer" if contract.name == "customers" else "row"
    )
    sizes = {group.get("campaign_id"): group["rows"] for group in groups}
    for name, surplus in sorted(repeats.surplus.items(), key=lambda item: item[0] or ""):
        of = sizes[name] if is_contact else rows
        place = f"campaign {name!r}: " if name else ""
        yield Finding(
            table=contract.name,
            column=", ".join(repeats.keys.columns),
            severity="warning" if is_contact and surplus <= TORN_SHARE * of else "error",
            code="duplicated-key",
            count=surplus,
            of=of,
            message=f"{place}{surplus:,} of {of:,} rows repeat a key; one row is {contract.one_row_is}: keep one of "
            "each",
            scope=scope,
            leaves_out="nothing" if is_contact else "rows",
            campaign=name or "",
        )


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


def _cannot_be_read(table: str, why: str) -> Finding:
    return Finding(
        table=table, column="", severity="error", code="unread-table", count=0, of=0, message=f"cannot be read: {why}"
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


def _source_notes(tables: Tables) -> list[Finding]:
    """What was done to a source on the way here, so that nothing that was dropped or made up goes unseen."""
    return [
        Finding(
            table=note.table,
            column=note.column,
            severity=note.severity,
            code=note.code,
            count=note.rows,
            of=0,
            message=f"{note.rows:,} rows: {note.rule}",
        )
        for note in tables.notes
    ]
