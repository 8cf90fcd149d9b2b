"""What the contacts of each month earned, by the readouts of its campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from netlift.data.read import Tables
from netlift.data.readouts import Readout
from netlift.report.words import Words
from netlift.segments.figures import Effect, Note
from netlift.segments.monthly import Month
from netlift.segments.scorecard import combine_effects


def find_readouts(state: Path, experiments: Path) -> tuple[Path, ...]:
    """Files that may hold readouts of campaigns: of the experiments, and of the business's outputs."""
    return (*sorted(experiments.glob("*/readout.json")), *sorted((state / "out" / "readouts").glob("*.json")))


def read_effects(
    tables: Tables, readouts: Sequence[Readout], months: Sequence[Month], words: Words
) -> tuple[dict[Month, Effect], list[Note]]:
    """What each month's contacts earned, and a note for each month of which not every campaign was measured.

    Args:
        tables: The tables of the business.
        readouts: What its campaigns earned.
        months: The months.
        words: The language of the notes.
    """
    started = _campaigns_by_month(tables)
    effects: dict[Month, Effect] = {}
    notes: list[Note] = []
    for month in months:
        read = [readout for readout in readouts if readout.month == month.first]
        if not read:
            continue
        effects[month] = combine_effects([(readout.incremental_profit, readout.incremental_cost) for readout in read])
        unread = started.get(month.first, frozenset()) - {readout.campaign_id for readout in read}
        if unread:
            values = {
                "month": words.month(month.first),
                "read": words.number(len(read)),
                "all": words.number(len(read) + len(unread)),
            }
            notes.append(Note(code="readouts_partial", values=values))
    return effects, notes


def _campaigns_by_month(tables: Tables) -> dict[date, frozenset[str]]:
    if "campaigns" not in tables:
        return {}
    campaigns = tables["campaigns"]
    rows = tables.connection.to_pyarrow(campaigns.select("campaign_id", at=campaigns.started_at.date())).to_pylist()
    months = {row["at"].replace(day=1) for row in rows if row["at"]}
    return {
        month: frozenset(row["campaign_id"] for row in rows if row["at"] and row["at"].replace(day=1) == month)
        for month in months
    }
