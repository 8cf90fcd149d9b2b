"""Writer of CSV lists that are safe in spreadsheets and keep every id."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netlift.text import safe_cell

if TYPE_CHECKING:
    import pyarrow as pa

BOM = b"\xef\xbb\xbf"


def to_csv(table: pa.Table, *, for_excel: bool = False) -> bytes:
    """A table as CSV in UTF-8 that no spreadsheet runs: text that begins like a formula gets an apostrophe before it.

    Args:
        table: Text, dates and numbers.
        for_excel: With semicolons and a byte-order mark, as a Russian or German Excel opens it.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    columns = {safe_cell(name): _safe(table[name]) for name in table.column_names}
    buffer = io.BytesIO(BOM if for_excel else b"")
    buffer.seek(0, io.SEEK_END)
    arrow_csv.write_csv(pa.table(columns), buffer, arrow_csv.WriteOptions(delimiter=";" if for_excel else ","))
    return buffer.getvalue()


def holds_first_column(content: bytes, texts: Sequence[str]) -> bool:
    """Whether the first column of a CSV that `to_csv` wrote is these texts."""
    text = content.removeprefix(BOM).decode()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if content.startswith(BOM) else ",")
    next(rows, None)
    return [row[0] for row in rows] == [*map(safe_cell, texts)]


def _safe(values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    import pyarrow as pa

    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return values
    return pa.array([*map(safe_cell, values.to_pylist())], pa.string())


__all__ = ["holds_first_column", "to_csv"]
