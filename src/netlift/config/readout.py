"""Readout settings: tolerance of loss and use of pre-period data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netlift.config.bounds import Money
from netlift.config.settings import Settings


class ReadoutSettings(Settings):
    """What every readout of the business is made with, unless a plan says otherwise.

    Attributes:
        tolerance: Loss on a campaign that the business calls immaterial, in currency; a verdict weighs against it.
        level: Confidence of the intervals.
        pre_days: Days before the assignment by which noise is taken out of the comparison.
        after_days: Days behind the window that are looked at for sales only brought forward.
        segments: What every readout is split by: columns of customers, `segment` for the value segment as of the day on
            which the campaign began, `strategy` for what the config does with that segment.
        household: Column of what customers share, such as a card or an address; None where each is his own.
        minimum_buyers: Segments with fewer buyers in arm and control together are not read.
        cap: Share of buyers whose spend is below the cap of the sensitivity line.
    """

    tolerance: Money
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    pre_days: Annotated[int, Field(ge=1, le=1096)] = 365
    after_days: Annotated[int, Field(ge=0, le=366)] = 28
    segments: tuple[str, ...] = ()
    household: str | None = None
    minimum_buyers: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50
    cap: Annotated[float, Field(gt=0.5, lt=1)] = 0.999
