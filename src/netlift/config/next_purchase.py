"""Settings of next-purchase predictions: horizon and number of categories."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netlift.config.settings import Settings


class NextPurchaseSettings(Settings):
    """What the fields of the next purchase are made by.

    Attributes:
        horizon_days: Days within which a purchase is foretold; the receipts must cover three times as many before the
            month of the day asked about.
        max_categories: So many categories of receipts are told apart, the most frequent ones; the others are never
            named.
    """

    horizon_days: Annotated[int, Field(ge=7, le=366)] = 91
    max_categories: Annotated[int, Field(ge=2, le=500)] = 60


__all__ = ["NextPurchaseSettings"]
