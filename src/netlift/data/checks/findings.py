"""Findings of a check: facts of each table, and the sample ratio of each campaign."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from netlift.config.business import TABLE_NAMES
from netlift.data.checks.sample_ratio import SampleRatio
from netlift.data.contract import CONSENT_PREFIX
from netlift.errors import DataError
from netlift.results import Table

Severity = Literal["error", "warning", "info"]
Scope = Literal["row", "customer", "campaign", "table"]
LeavesOut = Literal["nothing", "values", "rows"]

RECEIPTS = frozenset({"customers", "transactions"})
FACTS = RECEIPTS | {"contacts", "offers", "events", "surveys"}
COMPARED = RECEIPTS | {"campaigns", "offers"}
LEARN_UPLIFT = "train uplift"
READS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "train": FACTS,
        LEARN_UPLIFT: FACTS | COMPARED,
        "score": FACTS,
        "decide": FACTS | COMPARED | {"item_scores"},
        "segments": FACTS,
        "scorecard": FACTS | COMPARED,
        "forecast": FACTS | COMPARED,
        "design": FACTS | COMPARED,
        "assign": FACTS | COMPARED,
        "readout": COMPARED,
        "portfolio": COMPARED,
    }
)
"""The tables whose rows a verb takes together; readouts take contacts one campaign at a time."""
BY_FEATURES = frozenset(READS) - {"readout", "portfolio"}
OUTREACH = frozenset({"decide", "assign"})
ACQUISITION = frozenset({"segments", "scorecard"})
COMPARING = ("train", "readout", "portfolio")


def find_readers(table: str, column: str = "", *, split_by: Collection[str] = ()) -> frozenset[str]:
    """The verbs that use a table, or a column of it that may be missing; own features and metrics read those beyond it.

    Args:
        table: Its name.
        column: The column; empty for the table as a whole.
        split_by: Columns of customers that readouts are split by.
    """
    if table not in TABLE_NAMES:
        return frozenset(READS) - {"portfolio"}
    readers = frozenset(verb for verb, tables in READS.items() if table in tables)
    if not column:
        return readers | {*COMPARING} if table == "contacts" else readers
    if table == "transactions" and column in ("category", "channel", "promo", "transaction_id"):
        return readers & BY_FEATURES
    if table != "customers" or column in ("customer_id", "joined_at", "cancelled_at"):
        return readers
    if column.startswith(CONSENT_PREFIX):
        return OUTREACH
    if column.startswith("acquisition_"):
        return ACQUISITION
    return readers if column in split_by else readers & BY_FEATURES


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """One table as it was found.

    Attributes:
        table: Its name.
        rows: How many rows it has.
        first: Earliest moment of the column that dates its rows, where there is one.
        last: Latest moment.
    """

    table: str
    rows: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that the contract does not allow, or that a person should know.

    Attributes:
        table: Where it was found.
        column: The column, or several with commas; empty for the table as a whole.
        severity: `error` is not read, `warning` is counted and shown, `info` is shown.
        code: The reason, as a word that programs may compare.
        count: How many rows, keys or values it concerns.
        of: Out of how many; 0 where there is no whole to compare with.
        message: What was found, what is needed, what to do.
        scope: How far an error reaches: those rows, those customers, the comparison of those campaigns, or the table.
        leaves_out: What of it no verb reads: nothing, the values (read as empty), or the rows.
        campaign: The campaign that an error is of, which has no verdict by it and teaches nothing; empty for none.
        stops: The verbs that it stops.
    """

    table: str
    column: str
    severity: Severity
    code: str
    count: int
    of: int
    message: str
    scope: Scope = "table"
    leaves_out: LeavesOut = "nothing"
    campaign: str = ""
    stops: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        return f"{place}: {self.message} [{self.code}]"


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """The tables of a business held against the data contract.

    Attributes:
        as_of: The moment after which rows count as future.
        tables: Rows and dates of each table.
        findings: Everything found, errors first.
        sample_ratios: Each randomized campaign, and whether its logged propensities explain its arms.
    """

    as_of: datetime | None
    tables: Table[TableFacts]
    findings: Table[Finding]
    sample_ratios: Table[SampleRatio]

    @property
    def counts(self) -> dict[str, int]:
        """Rows read, for logs and metrics."""
        return {"in": sum(table.rows for table in self.tables)}

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that some verb does not read, or stops for."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are counted and shown, and stop nothing."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def stops(self) -> tuple[str, ...]:
        """The verbs that some finding stops."""
        return tuple(verb for verb in READS if any(verb in finding.stops for finding in self.findings))

    @property
    def faulty(self) -> Mapping[str, tuple[Finding, ...]]:
        """Campaign to the errors that take its verdict; nothing is learned from its arms."""
        found: dict[str, tuple[Finding, ...]] = {}
        for finding in self.errors:
            if finding.campaign:
                found[finding.campaign] = (*found.get(finding.campaign, ()), finding)
        return found

    def left_out_of(self, verb: str, *, campaign: str | None = None) -> tuple[Finding, ...]:
        """What a verb went without: rows and values that nobody reads, and campaigns that it does not compare.

        Args:
            verb: Its name.
            campaign: The one campaign that is read; None for all.
        """
        return tuple(
            finding
            for finding in self.findings
            if (finding.leaves_out != "nothing" or (verb in COMPARING and finding.campaign))
            and (campaign is None or finding.campaign in ("", campaign))
        )

    def to_markdown(self) -> str:
        """The report as a page of Markdown."""
        counts = f"{len(self.errors)} errors, {len(self.warnings)} warnings"
        if self.errors:
            counts += f"; stopped: {', '.join(self.stops)}" if self.stops else "; no verb is stopped"
        parts = [f"Tables as of {self.as_of:%Y-%m-%d %H:%M}: {counts}" if self.as_of else f"Tables: {counts}"]
        parts += [part.to_markdown() for part in (self.tables, self.findings, self.sample_ratios) if len(part)]
        return "\n\n".join(parts) + "\n"

    def to_text(self) -> str:
        """The same as Markdown: it reads well on a terminal."""
        return self.to_markdown()

    def raise_for_errors(self, verb: str = "") -> None:
        """Stop a verb when an error reaches the whole of a table that it reads.

        Args:
            verb: Its name; empty for any of them.

        Raises:
            DataError: Lists every such error.
        """
        self._raise([finding for finding in self.errors if (verb in finding.stops if verb else finding.stops)])

    def require_campaign(self, campaign: str) -> None:
        """Stop where the row that describes a campaign is left out, so that nobody can say when its outcomes count.

        Raises:
            DataError: Lists the errors of the row.
        """
        found = self.faulty.get(campaign, ())
        self._raise([each for each in found if (each.table, each.leaves_out) == ("campaigns", "rows")])

    @staticmethod
    def _raise(found: Sequence[Finding]) -> None:
        if found:
            count = f"{len(found)} error" + ("s" if len(found) > 1 else "")
            raise DataError(f"the tables break the data contract, {count}:\n" + "\n".join(map(str, found)))

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in (self.tables, self.findings, self.sample_ratios) if len(part))


def read_findings(rows: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Findings out of the plain form that a manifest holds."""
    return tuple(Finding(**{**row, "stops": tuple(row["stops"])}) for row in rows)
