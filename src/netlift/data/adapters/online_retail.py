"""Online Retail: one year of invoice lines of a British wholesaler of gifts (UCI Online Retail).

File: `online_retail.parquet`. Rules, each counted in the notes. A line is dropped by the first of these that it meets:

- no customer: nobody to attribute it to;
- a negative quantity outside a cancellation: a correction of the stock, not a sale;
- not goods: carriage (POST, DOT, C2), fees of banks, marketplaces and a charity (BANK CHARGES, AMAZONFEE, CRUK),
  samples (S) and bad debt (B). `M` (manual) and `D` (discount) stay, since they correct what goods cost: C556445
  takes 38,970 pounds of a mistyped order back under code M;
- a price of 0: gifts and write-offs, no purchase.

And what is left:

- A receipt is an invoice: revenue sums its lines, `occurred_at` is its first minute.
- Lines that repeat another in all eight columns are kept. The source has no line number to tell an error from an item
  scanned twice, and what repeats looks like the latter: of two lines of one invoice, product and price, 52 % agree in
  quantity, and so do 45 % of two lines of different invoices of one customer (measured). They are 0.3 % of the money.
- An invoice whose number starts with C is a cancellation: a receipt with `is_return` and negative revenue, on its own
  date. Two giant orders that were cancelled within minutes stay too, and so do their cancellations.
- A customer is one with a line left. `joined_at` is the first receipt, which for some is a cancellation of an order
  before the data begin; `region` is the country of that receipt, so that it knows nothing of later ones.
- The source has no costs: margin is revenue.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.data.adapters.adapted import Adapted, AdapterNote, count_notes, drop_rows, require_columns, sum_exactly
from netlift.data.engines.files import read_parquet

if TYPE_CHECKING:
    import ibis.expr.types as ir

FILE = "online_retail.parquet"
FILES = (FILE,)
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
NOT_GOODS = ("POST", "DOT", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK", "S", "B")
PRICE_DECIMALS = 3


def adapt(connection: Any, folder: Path) -> Adapted:
    """Customers and transactions of Online Retail.

    Raises:
        DataError: The file is missing, unreadable, or without a needed column.
    """
    source = require_columns(FILE, read_parquet(connection, "transactions", folder / FILE), COLUMNS)
    lines, dropped = drop_rows("transactions", source, _drops(source))
    lines = lines.mutate(
        customer_id=lines.CustomerID.cast("int64").cast("string"), is_return=lines.InvoiceNo.startswith("C")
    )
    invoices = _invoices(lines)
    customers = _customers(invoices)
    receipts = invoices.select(
        "customer_id",
        "occurred_at",
        "revenue",
        "is_return",
        margin=invoices.revenue,
        transaction_id=invoices.InvoiceNo,
    )
    notes = (
        *dropped,
        _repeats(lines),
        *_receipt_notes(invoices),
        _lost_customers(source, customers),
        *_customer_notes(customers),
    )
    tables = {"customers": customers.select("customer_id", "joined_at", "region"), "transactions": receipts}
    return Adapted(tables=tables, notes=notes)


def _drops(source: ir.Table) -> dict[str, ir.BooleanValue]:
    return {
        "lines without a customer": source.CustomerID.isnull(),
        "lines of stock corrections": (source.Quantity < 0) & ~source.InvoiceNo.startswith("C"),
        f"lines that are not goods ({', '.join(NOT_GOODS)})": source.StockCode.isin(NOT_GOODS),
        "lines of price 0": source.UnitPrice == 0,
    }


def _invoices(lines: ir.Table) -> ir.Table:
    return lines.group_by("InvoiceNo", "customer_id", "is_return").aggregate(
        occurred_at=lines.InvoiceDate.min(),
        last=lines.InvoiceDate.max(),
        revenue=sum_exactly(lines.Quantity * lines.UnitPrice, decimals=PRICE_DECIMALS),
        country=lines.Country.min(),
    )


def _customers(invoices: ir.Table) -> ir.Table:
    return invoices.group_by("customer_id").aggregate(
        joined_at=invoices.occurred_at.min(),
        region=invoices.country.first(order_by=[invoices.occurred_at, invoices.InvoiceNo]),
        countries=invoices.country.nunique(),
        bought=(~invoices.is_return).any(),
    )


def _repeats(lines: ir.Table) -> AdapterNote:
    copies = lines.group_by(*COLUMNS).aggregate(copies=lines.count())
    rule = "lines that repeat another in every column: kept"
    return count_notes("transactions", copies, {rule: copies.copies - 1})[0]


def _receipt_notes(invoices: ir.Table) -> tuple[AdapterNote, ...]:
    return count_notes(
        "transactions",
        invoices,
        {
            "cancellations: receipts of negative revenue, is_return": invoices.is_return,
            "receipts whose lines stand in more than one minute: occurred_at is the first": (
                invoices.last > invoices.occurred_at
            ),
            "receipts without a cost in the source: margin is revenue": invoices.revenue.notnull(),
        },
    )


def _lost_customers(source: ir.Table, customers: ir.Table) -> AdapterNote:
    known: int = source.CustomerID.nunique().to_pyarrow().as_py()
    left: int = customers.count().to_pyarrow().as_py()
    return AdapterNote(rule="customers without any line left: dropped", table="customers", rows=known - left)


def _customer_notes(customers: ir.Table) -> tuple[AdapterNote, ...]:
    return count_notes(
        "customers",
        customers,
        {
            "customers with cancellations only: kept, joined_at is the first of them": ~customers.bought,
            "customers of more than one country: region is that of the first receipt": customers.countries > 1,
            "customers without a joining date: joined_at is the first receipt": (customers.joined_at.notnull()),
        },
    )
