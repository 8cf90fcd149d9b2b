"""Contact list of a channel, by expected profit: offer, reason and expiry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.criteria import SEGMENT
from netlift.config.outreach import ListSettings
from netlift.decisions.choice.choose import names_of
from netlift.decisions.run.log import Log, known_or_null

if TYPE_CHECKING:
    import pyarrow as pa

    from netlift.report.language import Words

CENTS = 2


def channel_lists(
    log: Log,
    channels: Iterable[str],
    settings: ListSettings,
    words: Words,
    columns: Mapping[str, np.ndarray],
    *,
    trigger: str = "",
) -> dict[str, pa.Table]:
    """The list of every channel, also where nobody is on it.

    A row has the customer; `priority`, 1 for who is expected to bring most over the channel, steps of journeys before
    all others, since they were promised; offer and its name;
    `value`, the profit expected of the contact, in currency, null where nobody knows it; the reason in words; the last
    day on which the contact may still be made; and the fields of the config.

    Args:
        log: The run.
        channels: Channels of the config.
        settings: What lists hold.
        words: Their language, and what the business calls its offers.
        columns: What is known of customers by name, shape (n,) each; the fields are among them.
        trigger: What opened the list; empty for the list of everybody.
    """
    worth = np.where(log.decided.draw.in_journey, np.inf, log.money["expected_profit"])
    return {channel: _list(log, channel, settings, words, columns, worth, trigger) for channel in channels}


def _list(
    log: Log,
    channel: str,
    settings: ListSettings,
    words: Words,
    columns: Mapping[str, np.ndarray],
    worth: np.ndarray,
    trigger: str,
) -> pa.Table:
    import pyarrow as pa

    options, option = log.decided.options, log.decided.draw.option
    over = np.array([*(one.channel == channel for one in options), False])
    rows = np.flatnonzero(over[option])
    rows = rows[np.argsort(-np.nan_to_num(worth[rows], nan=-np.inf), kind="stable")]
    given, n = option[rows], len(rows)
    called = np.array([*(_plain(words.name("offer", one.offer_id)) for one in options), ""], dtype=object)
    until = np.array([_last_day(log, one.valid_to, settings) for one in options], dtype="datetime64[D]")
    table = {
        "customer_id": pa.array(log.ids[rows], pa.string()),
        "priority": pa.array(np.arange(1, n + 1, dtype=np.int32)),
        "offer_id": pa.array(names_of(options)[given], pa.string()),
        "offer_name": pa.array(called[given], pa.string()),
        "channel": pa.array([channel] * n, pa.string()),
        "value": known_or_null(np.round(np.where(np.isinf(worth[rows]), np.nan, worth[rows]), CENTS)),
        "reason": pa.array(_reasons(log, rows, called, words, trigger), pa.string()),
        "valid_until": pa.array(until[given] if n else [], pa.date32()),
    }
    table |= _journey_columns(log, rows)
    table |= {name: _field(name, columns[name][rows], words) for name in settings.fields}
    table["as_of"] = pa.array([log.as_of] * n, pa.date32())
    table["run_key"] = pa.array([log.run_key] * n, pa.string())
    return pa.table(table)


def _last_day(log: Log, valid_to: datetime | None, settings: ListSettings) -> date:
    """The last day of a contact: so many days from the run on, but never beyond the offer's own."""
    last = log.as_of + timedelta(days=settings.valid_days - 1)
    return last if valid_to is None else min(last, valid_to.date())


def _reasons(log: Log, rows: np.ndarray, called: np.ndarray, words: Words, trigger: str) -> np.ndarray:
    """Why each gets the offer: drawn at random, or more than what else was open, named where there is something."""
    runner = np.maximum(log.decided.runner_up[rows], -1)
    before = f"{trigger}: " if trigger else ""
    beats = [words.say("decide.list.policy", offer=name) for name in called[:-1]]
    said = [_plain(f"{before}{text}") for text in (*beats, words.say("decide.list.alone"))]
    by_lot = _plain(f"{before}{words.say('decide.list.explore')}")
    told = np.where(log.decided.draw.explored[rows], by_lot, np.array(said, dtype=object)[runner])
    if log.night is None:
        return told
    for k in np.flatnonzero(log.night.option[rows] >= 0):
        journey, step = log.journeys[log.night.journey[rows[k]]], words.number(log.night.step[rows[k]])
        told[k] = _plain(words.say("decide.list.journey", journey=words.name("journey", journey.name), step=step))
    return told


def _journey_columns(log: Log, rows: np.ndarray) -> dict[str, pa.Array]:
    """Journey, step and code of those who get a step; none of these columns where the config has no journeys."""
    import pyarrow as pa

    if not log.journeys or log.night is None:
        return {}
    place, step = log.night.journey[rows], log.night.step[rows]
    names = np.array([*(journey.name for journey in log.journeys), None], dtype=object)
    return {
        "journey": pa.array(names[place], pa.string()),
        "step": pa.array(step, pa.int16(), mask=place < 0),
        "code": pa.array(log.night.code[rows], pa.string()),
        "code_until": pa.array(log.night.code_until[rows], pa.date32()),
    }


def _plain(text: str) -> str:
    """Text for other programs, whose search does not know the space that keeps words together."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


def _field(name: str, values: np.ndarray, words: Words) -> pa.Array:
    """A field as its source has it, a segment by its name."""
    import pyarrow as pa

    if name == SEGMENT:
        called = {value: _plain(words.name("segment", value)) for value in set(values) - {None}}
        values = np.array([called.get(value) for value in values], dtype=object)
    return known_or_null(values) if values.dtype.kind == "f" else pa.array(values, from_pandas=True)


__all__ = ["channel_lists"]
