"""Contract tables for the tests of segments, from frames."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import ibis
import pandas as pd

from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import Tables, conform


def make_tables(frames: dict[str, pd.DataFrame]) -> Tables:
    sources = {name: ibis.memtable(frame) for name, frame in frames.items()}
    return conform(DuckDBEngine(), sources, attributes=(), zone=ZoneInfo("UTC"))
