"""The readouts of all campaigns in one run, published for the scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from netlift.abtest.portfolio.compute import Found, find_campaigns, own_plans, read_among
from netlift.abtest.readout.result import AmongCampaigns
from netlift.config.business import BusinessSettings
from netlift.config.settings import read_yaml
from netlift.data.checks.check import read_sound
from netlift.data.history import seen_until
from netlift.data.read import open_tables
from netlift.errors import UsageError
from netlift.pipelines.readout import ReadoutOrder, ReadoutSummary, make_readout
from netlift.progress import Progress
from netlift.report.language import speak
from netlift.results import Told

TASK = "readout"


@dataclass(frozen=True, kw_only=True)
class Published:
    """The readout of a campaign that the scorecard will find.

    Attributes:
        campaign_id: The campaign.
        name: What the business calls it.
        incremental_profit: What it earned, as in its JSON file.
        path: The folder of its pages.
        written: False where they stood already, made from the same inputs.
    """

    campaign_id: str
    name: str
    incremental_profit: Mapping[str, Any]
    path: str
    written: bool

    @classmethod
    def of(cls, campaign: Found, made: ReadoutSummary) -> Published:
        """What matters of a readout that was made."""
        profit = made.readout["incremental_profit"]
        return cls(
            campaign_id=campaign.campaign_id,
            name=campaign.name,
            incremental_profit=profit,
            path=made.path,
            written=made.written,
        )


@dataclass(frozen=True, kw_only=True)
class ReadoutsSummary(Told):
    """What was read, and what could not be.

    Attributes:
        language: Of the texts.
        currency: Of all money.
        readouts: Each campaign that can be read, in the order of their start.
        unread: Id of each campaign that cannot be read, and why.
    """

    language: str
    currency: str
    readouts: tuple[Published, ...]
    unread: Mapping[str, str]

    def to_text(self) -> str:
        """A line a campaign: its profit and where its pages are, or why there are none."""
        words = speak(self.language)
        lines = []
        for one in self.readouts:
            profit = one.incremental_profit
            ends = (profit["point"], profit["ci_lower"], profit["ci_upper"])
            money = words.about(*ends, self.currency, level=profit["level"])
            lines += [f"{one.campaign_id} {one.name}: {money}", f"  {one.path}"]
        lines += [f"{name}: {words.say(f'portfolio.reason.{reason}')}" for name, reason in self.unread.items()]
        return "\n".join(lines)


def make_readouts(
    settings: BusinessSettings,
    order: ReadoutOrder,
    *,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    plans: Sequence[Path] = (),
) -> ReadoutsSummary:
    """Make the readout of every campaign that can be read, as `make_readout` does of one.

    Campaigns that cannot be added up with others cannot be read here either, and are named with the reason.

    Args:
        settings: The business.
        order: As of when, in which language; its target is passed by.
        progress: Who watches.
        now: Time of the call, for the manifests.
        lock_timeout: Seconds to wait for another readout of these campaigns.
        plans: Files that may be plans of the business's campaigns; a campaign that has one is read by it.

    Raises:
        UsageError: A key was given, which cannot name many folders; or what `make_readout` raises.
        DataError: The tables break the contract.
    """
    if order.run_key:
        raise UsageError(f"--run-key {order.run_key}: one key cannot name the folders of all campaigns; leave it out")
    found, among = _find(settings, order, plans, progress)
    frozen = {str(path): read_yaml(path) for path in plans}
    planned = {
        plan.get("campaign_id"): path for path, plan in frozen.items() if plan.get("currency") == settings.currency
    }
    readable = [one for one in found if not one.reason]
    readouts = []
    for number, one in enumerate(readable, start=1):
        own = replace(order, target=planned.get(one.campaign_id, one.campaign_id))
        made = make_readout(
            settings, own, progress=progress, now=now, lock_timeout=lock_timeout, plans=plans, among=among
        )
        progress.advance(TASK, number, len(readable), one.campaign_id)
        readouts.append(Published.of(one, made))
    return ReadoutsSummary(
        language=order.language,
        currency=settings.currency,
        readouts=tuple(readouts),
        unread={one.campaign_id: one.reason for one in found if one.reason},
    )


def _find(
    settings: BusinessSettings, order: ReadoutOrder, plans: Sequence[Path], progress: Progress
) -> tuple[tuple[Found, ...], dict[str, dict[str, AmongCampaigns]]]:
    """The campaigns, and what the portfolio says of each that can be read."""
    with open_tables(settings, verb="portfolio", repeatable=True) as tables:
        sound, checked = read_sound(tables, settings, verb="portfolio")
        own, until, faulty = (
            own_plans(settings.currency, sound, plans),
            seen_until(sound, order.as_of),
            tuple(checked.faulty),
        )
        found = find_campaigns(sound, own, until=until, faulty=faulty)
        return found, read_among(settings, sound, plans=own, until=until, faulty=faulty, progress=progress)


__all__ = ["Published", "ReadoutsSummary", "make_readouts"]
