"""Days that the data cover, and the first moment after them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from netlift.errors import DataError

if TYPE_CHECKING:
    from netlift.data.read import Tables


@dataclass(frozen=True, kw_only=True)
class History:
    """The days that the data cover.

    Attributes:
        first: Day of the first receipt.
        end: First day not seen: the day after the last receipt, or after `data.complete_until`.
        said: Who says so, as a sentence names it.
        is_snapshot: Whether one extract is all there is.
    """

    first: date
    end: date
    said: str = "the newest receipt is of"
    is_snapshot: bool = False

    @property
    def days(self) -> int:
        """How many days are covered."""
        return (self.end - self.first).days

    def __str__(self) -> str:
        return (
            f"one extract of {self.first}" if self.is_snapshot else f"receipts of {self.first} to {self.end} (not seen)"
        )


def read_history(tables: Tables) -> History:
    """The days that the data cover.

    Raises:
        DataError: There is no receipt, or none before the end that the config names.
    """
    if tables.snapshot_of is not None:
        day = tables.snapshot_of
        return History(first=day, end=day + timedelta(days=1), said="the extract is of", is_snapshot=True)
    times = tables["transactions"].occurred_at
    row = times.as_table().aggregate(first=times.min(), last=times.max()).to_pyarrow().to_pylist()[0]
    first: datetime | None = row["first"]
    if first is None:
        raise DataError("transactions: no rows, so there is nothing to learn from; point the config at the receipts")
    last: datetime = row["last"]
    if tables.complete_end is None:
        return History(first=first.date(), end=last.date() + timedelta(days=1))
    if tables.complete_end <= first:
        raise DataError(
            f"data.complete_until: the data are complete up to {tables.complete_end - timedelta(days=1):%Y-%m-%d}, and "
            f"the first receipt is of {first:%Y-%m-%d}; correct one of them"
        )
    return History(
        first=first.date(), end=tables.complete_end.date(), said="by data.complete_until they are complete up to"
    )


def seen_until(tables: Tables, as_of: datetime | None) -> datetime:
    """First moment not seen: the moment asked for, but never behind the day up to which the data are complete.

    A window that reaches beyond it is open, however late it is: what is not in the table was not seen.
    """
    end = datetime.combine(read_history(tables).end, time())
    return end if as_of is None else min(as_of, end)
