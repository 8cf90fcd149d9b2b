"""The tables of a business as everything above reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from netlift.data.adapters.adapted import AdapterNote
from netlift.data.contract import CONTRACT, TableContract
from netlift.data.engines.engine import Engine

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables of one business.

    Every column of the contract is there and typed; what the source does not have is null. Instants are local
    wall-clock time of the business's zone without a zone. Customers also carry the configured attributes.

    Attributes:
        engine: What the tables live in.
        expressions: Table name to Ibis expression.
        present: Table name to the contract columns that the source really has.
        attributes: Customer columns that become features.
        notes: What an adapter's rules dropped, collapsed or made up on the way here, counted.
        unknown: Table name to the source's columns that the contract does not know; named where one of ours is missing.
        complete_end: First moment of which rows may be missing, by `data.complete_until`; None where the newest receipt
            tells.
        snapshot_of: Day of the extract, where one extract of customers is all there is.
        refused: Table to why it cannot be read; the verbs that read it are stopped.
        unread: Table and column to what some of its values are that are read as missing; `MARK` and the column's name
            flag the rows.
        known: What each table holds that the business may have, those beyond the contract among them.
    """

    engine: Engine
    expressions: Mapping[str, ir.Table]
    present: Mapping[str, frozenset[str]]
    attributes: tuple[str, ...]
    notes: tuple[AdapterNote, ...] = ()
    unknown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete_end: datetime | None = None
    snapshot_of: date | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[tuple[str, str], str] = field(default_factory=dict)
    known: Mapping[str, TableContract] = field(default_factory=lambda: CONTRACT)

    @property
    def connection(self) -> Any:
        """The engine's Ibis backend."""
        return self.engine.connection

    @property
    def contract(self) -> Mapping[str, TableContract]:
        """What each table that the source has must hold."""
        return {name: table for name, table in self.known.items() if name in self.present}

    def __getitem__(self, name: str) -> ir.Table:
        return self.expressions[name]

    def __contains__(self, name: object) -> bool:
        return name in self.expressions

    def has(self, table: str, column: str) -> bool:
        """Whether the source really has a column."""
        return column in self.present.get(table, frozenset())

    def replace(self, **expressions: ir.Table) -> Tables:
        """The same tables with some expressions in place of others."""
        return replace(self, expressions={**self.expressions, **expressions})

    def without(self, table: str, why: str) -> Tables:
        """The other tables, where one turns out not to be readable to its end."""
        expressions = {name: rows for name, rows in self.expressions.items() if name != table}
        present = {name: columns for name, columns in self.present.items() if name != table}
        return replace(self, expressions=expressions, present=present, refused={**self.refused, table: why})
