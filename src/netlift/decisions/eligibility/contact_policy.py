"""Contact pressure per customer, and opt-outs.

A window of d days reaches back d times 24 hours from the moment of the decision, its start included, the moment not.
Contacts that are planned already count as well, those up to d days ahead: a contact today is in one window with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from netlift.config.outreach import ContactLimit
from netlift.errors import DataError

DAY_US = 86_400_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class ContactLog:
    """Contacts that went out or are planned, in any order, arrays of shape (k,).

    Attributes:
        customer: Position of the customer, whole numbers from 0.
        channel: Position of the channel, whole numbers from 0.
        at: Moment, datetime64 in local time.
    """

    customer: np.ndarray
    channel: np.ndarray
    at: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.customer) == len(self.channel) == len(self.at):
            raise DataError(
                f"contact log: {len(self.customer):,} customers, {len(self.channel):,} channels and {len(self.at):,} "
                "moments; one of each per contact"
            )
        missing = int(np.isnat(self.at).sum())
        if missing:
            raise DataError(
                f"contact log: {missing:,} of {len(self.at):,} contacts have no moment; leave out what was not sent, "
                "and date the rest"
            )

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pressure:
    """Whom one more contact would be too many for.

    Attributes:
        pressed: Channel to whether a contact over it would break a limit, bool, shape (n,).
        counts: Contacts of each limit's window, in the order of the limits, int32, shape (limits, n).
    """

    pressed: Mapping[str, np.ndarray]
    counts: np.ndarray


def find_pressure(
    sent: ContactLog,
    limits: Sequence[ContactLimit],
    *,
    channels: Sequence[str],
    customers: int,
    as_of: datetime,
    planned: ContactLog | None = None,
) -> Pressure:
    """Whom the limits close each channel to.

    Args:
        sent: Contacts; those at or after the moment do not count.
        limits: At most so many contacts in so many days.
        channels: Names of the channels, in the order of their positions.
        customers: n.
        as_of: Moment of the decision, local time.
        planned: Contacts that are promised already; those before the moment do not count.

    Raises:
        DataError: Positions that are no customer or no channel.

    Examples:
        >>> at = np.array(["2026-10-01T09", "2026-10-03T09"], dtype="datetime64[us]")
        >>> log = ContactLog(customer=np.array([0, 0]), channel=np.array([0, 1]), at=at)
        >>> found = find_pressure(log, [ContactLimit(at_most=1, days=7, channel="sms")], channels=("sms", "push"),
        ...                       customers=2, as_of=datetime(2026, 10, 5))
        >>> found.pressed["sms"], found.pressed["push"]
        (array([ True, False]), array([False, False]))
    """
    for log in (sent, *((planned,) if planned else ())):
        _require_positions(log, customers, len(channels))
    now = np.datetime64(as_of, "us")
    counts = np.zeros((len(limits), customers), dtype=np.int32)
    for days in sorted({limit.days for limit in limits}):
        span = np.timedelta64(days * DAY_US, "us")
        parts = [_between(sent, now - span, now)]
        parts += [_between(planned, now, now + span)] if planned else []
        for k, limit in enumerate(limits):
            if limit.days == days:
                counts[k] = sum(_count(part, limit, channels, customers) for part in parts)
    pressed = {channel: np.zeros(customers, dtype=bool) for channel in channels}
    for k, limit in enumerate(limits):
        for channel in channels if limit.channel is None else (limit.channel,):
            if channel in pressed:
                pressed[channel] |= counts[k] >= limit.at_most
    return Pressure(pressed=pressed, counts=counts)


def find_opted_out(customer: np.ndarray, is_out: np.ndarray, at: np.ndarray, *, customers: int) -> np.ndarray:
    """Who has opted out and not in again, bool, shape (n,); of two at one moment the opt-out counts.

    Args:
        customer: Position of the customer of each event, shape (k,).
        is_out: Whether it is an opt-out; else it is an opt-in, bool, shape (k,).
        at: Moment, datetime64, shape (k,).
        customers: n.

    Examples:
        >>> at = np.array(["2026-10-01", "2026-10-02", "2026-10-01"], dtype="datetime64[us]")
        >>> find_opted_out(np.array([0, 0, 1]), np.array([True, False, True]), at, customers=3)
        array([False,  True, False])
    """
    order = np.lexsort((is_out, at, customer))
    last = np.ones(len(order), dtype=bool)
    last[:-1] = customer[order][1:] != customer[order][:-1]
    newest = order[last]
    opted_out = np.zeros(customers, dtype=bool)
    opted_out[customer[newest]] = is_out[newest]
    return opted_out


def _between(log: ContactLog, start: np.datetime64, end: np.datetime64) -> ContactLog:
    inside = np.flatnonzero((log.at >= start) & (log.at < end))
    if len(inside) == len(log):
        return log
    return ContactLog(customer=log.customer[inside], channel=log.channel[inside], at=log.at[inside])


def _count(log: ContactLog, limit: ContactLimit, channels: Sequence[str], customers: int) -> np.ndarray:
    if limit.channel is None:
        return np.bincount(log.customer, minlength=customers)
    if limit.channel not in channels:
        return np.zeros(customers, dtype=np.int64)
    return np.bincount(log.customer[log.channel == channels.index(limit.channel)], minlength=customers)


def _require_positions(log: ContactLog, customers: int, channels: int) -> None:
    for what, values, size in (("customer", log.customer, customers), ("channel", log.channel, channels)):
        if len(values) and (values.min() < 0 or values.max() >= size):
            astray = int(((values < 0) | (values >= size)).sum())
            raise DataError(
                f"contact log: {astray:,} of {len(values):,} contacts are of a {what} that is not among the {size:,} "
                f"known; add the {what} or leave these contacts out"
            )


__all__ = ["ContactLog", "Pressure", "find_opted_out", "find_pressure"]
