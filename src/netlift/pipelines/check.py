"""The check command: validation of the tables against the data contract."""

from __future__ import annotations

from netlift.config.business import BusinessSettings
from netlift.data.checks.check import CheckReport, check_tables
from netlift.data.read import open_tables


def check_business(settings: BusinessSettings) -> CheckReport:
    """Check the tables of a business.

    Raises:
        DataError: A table cannot be opened, or lacks columns.
    """
    with open_tables(settings, verb="check") as tables:
        return check_tables(tables, settings, as_of=None)
