"""Numbers, dates and names that settings may hold, within the ranges of files, engines and calendars."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

MOST_BYTES = 200  # of a name; files are named by some, with words around them, and 255 is what file systems hold
FIRST_YEAR, LAST_YEAR = 1900, 2199


def _fits_in_a_file_name(name: str) -> str:
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        raise ValueError(f"a name holds at most {MOST_BYTES} bytes, this one {size}")
    return name


Money = Annotated[float, Field(ge=0, le=1e12)]
"""Currency, not below zero."""
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
Name = Annotated[str, Field(pattern=r"^[^\s/\\.][^/\\\n\r]{0,79}$"), AfterValidator(_fits_in_a_file_name)]
"""Of a channel, an offer, a column: part of file names."""
Day = Annotated[date, Field(ge=date(FIRST_YEAR, 1, 1), le=date(LAST_YEAR, 12, 31))]
Moment = Annotated[datetime, Field(ge=datetime(FIRST_YEAR, 1, 1), le=datetime(LAST_YEAR, 12, 31))]

__all__ = ["MOST_BYTES", "Count", "Day", "Moment", "Money", "Name", "Share"]
