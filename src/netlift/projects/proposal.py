"""Which table of the contract each source is, which of its columns are which, and what is missing for what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netlift.config.business import FLAG
from netlift.data.contract import CONSENT_PREFIX, CONTRACT, SNAPSHOT, ContractColumn, TableContract
from netlift.errors import UsageError
from netlift.projects.column_names import COLUMNS, CONSENT, FILES, likeness, words_of
from netlift.projects.sources import FoundColumn, FoundSource, Kind

FITTING: Mapping[str, tuple[Kind, ...]] = {
    "id": ("whole", "text", "number", "flag"),
    "instant": ("moment", "day"),
    "date": ("day", "moment"),
    "money": ("number", "whole", "flag"),
    "number": ("number", "whole", "flag"),
    "flag": ("flag",),
    "text": ("text", "flag", "whole"),
}
"""Which kinds of values a type of the contract can be read from."""
MOST_LABELS = 200
CHANNELS = ("email", "sms", "push", "call", "viber", "whatsapp", "telegram")
WORDS_OF_CHANNELS = {"mail": "email", "e": "email", "phone": "call", "звонок": "call", "почта": "email", "смс": "sms"}


@dataclass(frozen=True, kw_only=True)
class TableProposal:
    """A source as a table of the contract.

    Attributes:
        contract: The table.
        source: Where it is.
        columns: Contract column to the source's own name.
        missing: Required columns that no column of the source was taken for.
        consents: Channel to the source's column that says who agreed to it.
    """

    contract: TableContract
    source: FoundSource
    columns: Mapping[str, str]
    missing: tuple[str, ...] = ()
    consents: Mapping[str, str] = field(default_factory=dict)

    @property
    def rest(self) -> tuple[FoundColumn, ...]:
        """Columns that were taken for nothing."""
        taken = {*self.columns.values(), *self.consents.values()}
        return tuple(column for column in self.source.columns if column.name not in taken)

    @property
    def margin_is_revenue(self) -> bool:
        """Whether these are receipts without margin, so that revenue stands for it."""
        return "margin" in self.columns and self.columns["margin"] == self.columns.get("revenue")

    @property
    def attributes(self) -> tuple[FoundColumn, ...]:
        """Further columns of customers that a model could learn from."""
        return tuple(column for column in self.rest if _is_attribute(column))


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The tables that were found.

    Attributes:
        tables: Contract table to its proposal.
        unused: Sources that were taken for no table.
        is_snapshot: Whether it is one extract of customers with a flag of who left, without receipts.
    """

    tables: Mapping[str, TableProposal]
    unused: tuple[FoundSource, ...]
    is_snapshot: bool

    def lacks(self) -> dict[str, list[str]]:
        """What each question cannot be answered without, by question; an empty list where nothing is missing."""
        customers, receipts = self._lack("customers"), self._lack("transactions")
        tests = [*self._lack("campaigns"), *self._lack("contacts")]
        found = self.tables.get("contacts")
        if found is not None and "propensity" not in found.columns:
            tests.append("contacts.propensity (the chance of the arm that was drawn)")
        people = self.tables.get("customers")
        consents = [] if people is None or people.consents else ["customers.consent_<channel> (who agreed to what)"]
        if self.is_snapshot:
            receipts = ["transactions (receipts)"]
            tests = [*receipts, "campaigns", "contacts (randomized, control included)"]
            decisions = [*tests, "offers", *consents]
            return {"churn": customers, "ltv": receipts, "readouts": tests, "uplift": tests, "decisions": decisions}
        history = [*customers, *receipts]
        learned = [*history, *tests, *self._lack("offers")]
        decisions = [*learned, *consents]
        tests = [*history, *tests]
        return {"churn": history, "ltv": history, "readouts": tests, "uplift": learned, "decisions": decisions}

    def notes(self) -> Iterator[str]:
        """What to look at before anything else."""
        if self.is_snapshot:
            yield "one extract without receipts: only churn can be learned; correct data.snapshot_of in the config"
            yield "ask of each attribute when it was last changed: what was changed because a customer left is no cause"
        if any(found.margin_is_revenue for found in self.tables.values()):
            yield "no margin was found among the receipts, so revenue stands for it: every page will speak of revenue"
        free = self.tables["customers"].attributes if "customers" in self.tables else ()
        if free and not self.is_snapshot:
            names = ", ".join(column.name for column in free)
            yield f"further columns of customers are no features until you name them in data.attributes: {names}"
        for name, found in self.tables.items():
            if found.missing:
                yield f"{name}: no column was taken for {', '.join(found.missing)}"

    def _lack(self, name: str) -> list[str]:
        if name not in self.tables:
            return [f"{name} (a row is {CONTRACT[name].one_row_is})"]
        return [f"{name}.{column}" for column in self.tables[name].missing]


def propose(sources: Sequence[FoundSource]) -> Proposal:
    """The tables that sources most probably are.

    Args:
        sources: What was found.

    Raises:
        UsageError: None of them has customers.
    """
    pairs = [(name, place) for name in CONTRACT for place in range(len(sources))]
    rated = sorted((-_rate(CONTRACT[name], sources[place]), name, place) for name, place in pairs)
    tables: dict[str, TableProposal] = {}
    used: set[int] = set()
    for rate, name, place in rated:
        if rate < 0 and name not in tables and place not in used:
            tables[name] = _match(CONTRACT[name], sources[place])
            used.add(place)
    extract = _find_extract(sources, tables)
    if extract is not None:
        tables, used = {"customers": extract}, {sources.index(extract.source)}
    if "customers" not in tables and "transactions" not in tables:
        held = "; ".join(f"{one.name}: {one.headings}" for one in sources)
        raise UsageError(
            f"neither customers nor receipts were recognized among {len(sources)} tables ({held}); rename the column "
            "that identifies a customer to customer_id, or write data.tables by hand as docs/how-to/own-data.md says"
        )
    unused = tuple(source for place, source in enumerate(sources) if place not in used)
    ordered = {name: tables[name] for name in CONTRACT if name in tables}
    return Proposal(tables=ordered, unused=unused, is_snapshot=extract is not None)


def _find_extract(sources: Sequence[FoundSource], tables: Mapping[str, TableProposal]) -> TableProposal | None:
    """The extract that is all there is: unique customers and a flag of who left, no receipts."""
    if "transactions" in tables and not tables["transactions"].missing:
        return None
    for source in sources:
        found = _match(SNAPSHOT["customers"], source)
        own = found.columns.get("customer_id")
        if own is not None and source.column(own).unique and FLAG in found.columns:
            return found
    return None


def _rate(table: TableContract, source: FoundSource) -> float:
    """How surely a source is a table; 0 where it is not."""
    found = _match(table, source)
    required = [column.name for column in table.columns if column.required]
    ids = [column.name for column in table.columns if column.type == "id" and column.required]
    if any(name not in found.columns for name in ids if name != "campaign_id" or table.name != "contacts"):
        return 0.0
    if not _is_one_row_each(table, source, found):
        return 0.0
    known = COLUMNS[table.name]
    matched = sum(
        likeness(found.columns[name], name, known.get(name, ())) for name in required if name in found.columns
    )
    by_name = likeness(source.name, table.name, FILES[table.name])
    optional = sum(1 for name in found.columns if name not in required)
    whole = sum(name in found.columns for name in required) / len(required)
    if by_name == 0 and whole < 0.75:
        return 0.0
    return by_name + 3 * whole + matched / len(required) + 0.1 * optional


def _is_one_row_each(table: TableContract, source: FoundSource, found: TableProposal) -> bool:
    """Whether what identifies a row is unique, or repeats where it must."""
    if table.name in ("customers", "campaigns", "offers"):
        return source.column(found.columns[table.key[0]]).unique or source.rows <= 1
    return (
        "customer_id" not in found.columns
        or not source.column(found.columns["customer_id"]).unique
        or bool(likeness(source.name, table.name, FILES[table.name]))
    )


def _match(table: TableContract, source: FoundSource) -> TableProposal:
    known = COLUMNS[table.name]
    pairs = sorted(
        (
            (-likeness(own.name, column.name, known.get(column.name, ())), not column.required, place, number)
            for place, column in enumerate(table.columns)
            for number, own in enumerate(source.columns)
            if own.kind in FITTING[column.type] or (own.kind == "empty" and not column.required)
        ),
    )
    columns: dict[str, str] = {}
    taken: set[int] = set()
    for strength, _, place, number in pairs:
        column, own = table.columns[place], source.columns[number]
        if strength < 0 and column.name not in columns and number not in taken and _may_be(table, column.name, own):
            columns[column.name] = own.name
            taken.add(number)
    for column in table.columns:
        left = [
            number for number, own in enumerate(source.columns) if number not in taken and _can_only_be(column, own)
        ]
        if column.required and column.name not in columns and len(left) == 1:
            columns[column.name] = source.columns[left[0]].name
            taken.add(left[0])
    if table.name == "transactions" and "revenue" in columns:
        columns.setdefault("margin", columns["revenue"])
    consents = dict(_consents(source)) if table.name == "customers" else {}
    ordered = {column.name: columns[column.name] for column in table.columns if column.name in columns}
    missing = tuple(column.name for column in table.columns if column.required and column.name not in columns)
    return TableProposal(contract=table, source=source, columns=ordered, missing=missing, consents=consents)


def _can_only_be(column: ContractColumn, own: FoundColumn) -> bool:
    """Whether values are of the kind that a column needs: the only such one is taken, whatever its name."""
    if column.name == "margin":  # a discount or a cost would be taken for it
        return False
    return own.kind in {"instant": ("moment", "day"), "money": ("number",)}.get(column.type, ())


def _may_be(table: TableContract, column: str, own: FoundColumn) -> bool:
    """Whether what identifies a row of customers is unique: `id` of receipts is not a customer."""
    return not (table.name == "customers" and column == "customer_id") or own.unique


def _consents(source: FoundSource) -> Iterator[tuple[str, str]]:
    for column in source.columns:
        words = words_of(column.name)
        if column.kind in ("flag", "empty") and any(word in CONSENT for word in words):
            for channel in (WORDS_OF_CHANNELS.get(word, word) for word in words):
                if channel in CHANNELS or column.name == f"{CONSENT_PREFIX}{channel}":
                    yield channel, column.name
                    break


def _is_attribute(column: FoundColumn) -> bool:
    if column.kind in ("empty", "moment", "day") or column.distinct < 2:
        return False
    if column.kind in ("number", "whole"):
        return column.kind == "number" or not column.unique
    return column.distinct <= MOST_LABELS


__all__ = ["Proposal", "TableProposal", "propose"]
