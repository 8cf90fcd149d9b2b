"""Append-only events of journeys, from which every state is computed.

A customer's passage through a journey is told by the journey, the customer and the day it was entered.

    entered  the arm was drawn, with its propensity: the journey's name, or control
    sent     step k went out: its offer, and what that costs
    skipped  step k was passed over: its conditions did not hold, or no offer of it may go to the customer
    exited   no further step: why
    closed   the outcome window is over, and the customer is free
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ENTERED, SENT, SKIPPED, EXITED, CLOSED = "entered", "sent", "skipped", "exited", "closed"
PASSAGE = ["journey", "customer_id", "entered"]
JOURNEYS_FILE = "journeys.parquet"


def schema() -> pa.Schema:
    """Columns of the file of a run."""
    import pyarrow as pa

    text, day, number = pa.string(), pa.date32(), pa.float64()
    return pa.schema(
        {
            "customer_id": text, "journey": text, "entered": day, "event": text, "as_of": day, "run_key": text,
            "step": pa.int16(), "arm": text, "propensity": number, "offer_id": text, "channel": text,
            "contact_cost": number, "expected_reward": number, "reason": text, "treatment": text,
        }
    )  # fmt: skip


def to_events(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows with what they lack as missing, in the columns of the file."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), schema=schema()).to_pandas(date_as_object=False)


def to_table(events: pd.DataFrame) -> pa.Table:
    """Events as the file has them."""
    import pyarrow as pa

    return pa.Table.from_pandas(events, schema=schema(), preserve_index=False)


def read_events(files: Mapping[Path, tuple[date, str]]) -> pd.DataFrame:
    """The events of runs, oldest first.

    Args:
        files: File of each run to its day and key.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    ordered = sorted(files, key=lambda path: files[path])
    tables = [pq.read_table(path, page_checksum_verification=True).cast(schema()) for path in ordered]
    if not tables:
        return to_events([])
    return pd.concat([table.to_pandas(date_as_object=False) for table in tables], ignore_index=True)


__all__ = [
    "CLOSED", "ENTERED", "EXITED", "JOURNEYS_FILE", "PASSAGE", "SENT", "SKIPPED",
    "read_events", "schema", "to_events", "to_table",
]  # fmt: skip
