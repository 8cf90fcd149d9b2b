"""What a check of the tables says: facts of each table, findings, and the sample ratio of each campaign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from netlift.data.sample_ratio import SampleRatio
from netlift.errors import DataError
from netlift.results import Table

Severity = Literal["error", "warning", "info"]


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
        severity: `error` stops, `warning` is counted and shown, `info` is shown.
        code: The reason, as a word that programs may compare.
        count: How many rows, keys or values it concerns.
        of: Out of how many; 0 where there is no whole to compare with.
        message: What was found, what is needed, what to do.
    """

    table: str
    column: str
    severity: Severity
    code: str
    count: int
    of: int
    message: str

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
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are counted and shown, and stop nothing."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def to_markdown(self) -> str:
        """The report as a page of Markdown."""
        counts = f"{len(self.errors)} errors, {len(self.warnings)} warnings"
        parts = [f"Tables as of {self.as_of:%Y-%m-%d %H:%M}: {counts}" if self.as_of else f"Tables: {counts}"]
        parts += [part.to_markdown() for part in (self.tables, self.findings, self.sample_ratios) if len(part)]
        return "\n\n".join(parts) + "\n"

    def to_text(self) -> str:
        """The same as Markdown: it reads well on a terminal."""
        return self.to_markdown()

    def raise_for_errors(self) -> None:
        """Stop when there are errors.

        Raises:
            DataError: Lists every error.
        """
        if self.errors:
            count = f"{len(self.errors)} error" + ("s" if len(self.errors) > 1 else "")
            raise DataError(f"the tables break the data contract, {count}:\n" + "\n".join(map(str, self.errors)))

    def _repr_html_(self) -> str:
        return "".join(part._repr_html_() for part in (self.tables, self.findings, self.sample_ratios) if len(part))
