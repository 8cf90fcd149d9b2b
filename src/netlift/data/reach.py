"""Tables that lie elsewhere: whether each can be reached, as a job would reach it; rows are not read."""

from __future__ import annotations

from pathlib import Path

from netlift.config.business import BusinessSettings, TableSource
from netlift.data.engines.databases import open_place
from netlift.data.engines.remote import mark_of
from netlift.data.engines.spark import open_spark
from netlift.errors import NetliftError


def reach_tables(settings: BusinessSettings) -> dict[str, str]:
    """Tables in a database, a store or a cluster, by name, and why each cannot be read; nothing where it can.

    Args:
        settings: The business.
    """
    on_spark = settings.engine.kind == "spark"
    return {
        name: _why_not(settings, name, source)
        for name, source in settings.data.sources.items()
        if on_spark or not source.is_file or source.address is not None
    }


def _why_not(settings: BusinessSettings, name: str, source: TableSource) -> str:
    try:
        if settings.engine.kind == "spark" and source.url_env is None:
            spark = open_spark(settings.engine)
            try:
                spark.open_table(name, source, scratch=Path())
            finally:
                spark.close()
        elif source.address is not None:
            mark_of(name, source)
        else:
            with open_place(settings.engine, source) as place:
                place.open_table(name, source, scratch=Path())
    except NetliftError as error:
        return str(error)
    return ""


__all__ = ["reach_tables"]
