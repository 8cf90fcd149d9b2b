"""The data contract: the tables netlift reads, their columns, types and keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from netlift.config.business import FLAG, ColumnType, DataSettings
from netlift.errors import ConfigError

CONTROL = "control"
CONSENT_PREFIX = "consent_"
MARK = "unread "
"""Before a column's name: the column that says of which rows its value is not read."""


@dataclass(frozen=True, kw_only=True)
class ContractColumn:
    """One column of the contract.

    Attributes:
        name: Its name in netlift.
        type: `id` text that is never a number; `instant` local wall-clock time; `date`; `money` in the config's
            currency, finite; `number`; `flag` true or false; `text` a label.
        required: Whether the table is refused without it.
        nullable: Whether a value may be missing.
    """

    name: str
    type: ColumnType
    required: bool = False
    nullable: bool = True


@dataclass(frozen=True, kw_only=True)
class TableContract:
    """One table of the contract.

    Attributes:
        name: The table's name.
        one_row_is: What a row stands for.
        columns: Its columns; others in the source are ignored unless the config names them as attributes.
        key: Columns that identify a row; empty where a row has no key.
        time: The column that dates a row, if any.
        required: Whether netlift can do anything without the table.
    """

    name: str
    one_row_is: str
    columns: tuple[ContractColumn, ...]
    key: tuple[str, ...] = ()
    time: str | None = None
    required: bool = False

    def column(self, name: str) -> ContractColumn | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)


def _needed(name: str, type: ColumnType) -> ContractColumn:
    return ContractColumn(name=name, type=type, required=True, nullable=False)


def _maybe(name: str, type: ColumnType) -> ContractColumn:
    return ContractColumn(name=name, type=type)


CONTRACT: dict[str, TableContract] = {
    table.name: table
    for table in (
        TableContract(
            name="customers",
            one_row_is="a customer",
            columns=(
                _needed("customer_id", "id"),
                _needed("joined_at", "instant"),
                _maybe("birth_date", "date"),
                _maybe("region", "text"),
                _maybe("acquisition_channel", "text"),
                _maybe("acquisition_cost", "money"),
                _maybe("cancelled_at", "instant"),
            ),
            key=("customer_id",),
            time="joined_at",
            required=True,
        ),
        TableContract(
            name="transactions",
            one_row_is="a receipt",
            columns=(
                _needed("customer_id", "id"),
                _needed("occurred_at", "instant"),
                _needed("revenue", "money"),
                _needed("margin", "money"),
                _maybe("transaction_id", "id"),
                _maybe("category", "text"),
                _maybe("channel", "text"),
                _maybe("promo", "flag"),
                _maybe("is_return", "flag"),
                _maybe("ingested_at", "instant"),
            ),
            key=("transaction_id",),
            time="occurred_at",
            required=True,
        ),
        TableContract(
            name="campaigns",
            one_row_is="a campaign",
            columns=(
                _needed("campaign_id", "id"),
                _needed("started_at", "instant"),
                _needed("outcome_days", "number"),
                _maybe("name", "text"),
                _maybe("fixed_cost", "money"),
                _maybe("randomized", "flag"),
            ),
            key=("campaign_id",),
            time="started_at",
        ),
        TableContract(
            name="contacts",
            one_row_is="an assigned customer of a campaign, control included",
            columns=(
                _needed("campaign_id", "id"),
                _needed("customer_id", "id"),
                _needed("assigned_at", "instant"),
                _needed("offer_id", "id"),
                _maybe("propensity", "number"),
                _maybe("arm_propensities", "text"),
                _maybe("contact_cost", "money"),
                _maybe("reward_cost", "money"),
                _maybe("delivered_at", "instant"),
            ),
            key=("campaign_id", "customer_id"),
            time="assigned_at",
        ),
        TableContract(
            name="offers",
            one_row_is="an offer",
            columns=(
                _needed("offer_id", "id"),
                _needed("channel", "text"),
                _needed("contact_cost", "money"),
                _maybe("name", "text"),
                _maybe("valid_from", "instant"),
                _maybe("valid_to", "instant"),
            ),
            key=("offer_id",),
        ),
        TableContract(
            name="events",
            one_row_is="anything else a customer did",
            columns=(
                _needed("customer_id", "id"),
                _needed("occurred_at", "instant"),
                _needed("kind", "text"),
                _maybe("value", "number"),
            ),
            time="occurred_at",
        ),
        TableContract(
            name="surveys",
            one_row_is="an answer",
            columns=(
                _needed("customer_id", "id"),
                _needed("answered_at", "instant"),
                _needed("kind", "text"),
                _needed("score", "number"),
            ),
            time="answered_at",
        ),
        TableContract(
            name="item_scores",
            one_row_is="an item that a recommender scored for a customer",
            columns=(
                _needed("customer_id", "id"),
                _needed("item", "id"),
                _needed("score", "number"),
            ),
            key=("customer_id", "item"),
        ),
    )
}

MONTHLY_MONEY = ("monthly_margin", "monthly_revenue")
"""What a customer of an extract brings in a month; margin where there are both."""
SNAPSHOT: Mapping[str, TableContract] = {
    "customers": replace(
        CONTRACT["customers"],
        columns=(
            *(replace(column, required=column.name == "customer_id") for column in CONTRACT["customers"].columns),
            _maybe(FLAG, "flag"),
            *(_maybe(name, "money") for name in MONTHLY_MONEY),
        ),
    )
}
"""The one table of an extract: nobody need know when a customer joined."""


def contract_of(data: DataSettings) -> Mapping[str, TableContract]:
    """What each table of a business holds: the contract, the columns that `also` names, and tables of its own.

    Raises:
        ConfigError: A column of `also` that the contract has already.
    """
    known = dict(CONTRACT if data.snapshot_of is None else SNAPSHOT)
    for name, source in data.sources.items():
        table = known.get(name) or TableContract(
            name=name,
            one_row_is="what the config says",
            columns=(_needed("customer_id", "id"), _needed("occurred_at", "instant"), _maybe("ingested_at", "instant")),
            time="occurred_at",
        )
        if taken := [column for column in source.also if table.column(column) is not None]:
            raise ConfigError(f"data: {name}.also names {taken[0]!r}, which the contract has: leave it out there")
        known[name] = replace(table, columns=(*table.columns, *(_maybe(*column) for column in source.also.items())))
    return known
