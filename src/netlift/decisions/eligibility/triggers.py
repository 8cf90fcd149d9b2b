"""Customers with a trigger event since the last run, each event fired once.

Every trigger is dated: it fires in the run whose window [as of - w days, as of) holds its moment. What is known of a
day from its morning on, a birthday or a replenishment less its days of notice, fires in the run of that day. Runs that
follow one another share no moment and leave none out; a run that was missed is caught up by a longer window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
from numba import njit

from netlift.config.outreach import OWN_GAP, TriggerSettings
from netlift.errors import DataError

LEAST_GAPS = 2
"""Gaps between purchases from which a customer has a rhythm of his own."""

NEEDS: Mapping[str, Mapping[str, str]] = {
    "first_purchase": {"first_purchase_at": "moment of the first purchase, datetime64, NaT without one"},
    "silence": {
        "days_since_last_purchase": "whole days, NaN without a purchase",
        "days_since_last_purchase_over_gap": "the same over the customer's mean gap, NaN without two purchases",
    },
    OWN_GAP: {
        "days_since_last_purchase": "whole days, NaN without a purchase",
        "median_gap_days": "median of the days between purchases, NaN without two gaps",
    },
    "birthday": {"birth_date": "datetime64[D], NaT where not known"},
    "spend_step": {
        "spend_peak": "most that was ever accumulated before the moment, in currency",
        "spend_peak_before": "the same before the window",
    },
    "complaint": {"last_complaint_at": "moment of the last complaint before as_of, datetime64, NaT without one"},
    "churn": {
        "p_churn": "chance of churn, NaN where not known",
        "p_churn_before": "the same of the last run, NaN where not known",
    },
    "replenishment": {
        "replenishment_due_on": "newest day up to as_of + days_before on which a category falls due, datetime64[D], "
        "NaT without one"
    },
}


def find_triggered(
    trigger: TriggerSettings,
    facts: Mapping[str, np.ndarray],
    *,
    as_of: date,
    last_fired: np.ndarray | None = None,
    window_days: int | None = None,
) -> np.ndarray:
    """Whom the trigger fires for, bool, shape (n,).

    Args:
        trigger: What happens.
        facts: What it needs to know, as `NEEDS` says, each of shape (n,).
        as_of: First day not seen, by which the run is named.
        last_fired: Day on which it last fired for each customer, datetime64[D], NaT where never, shape (n,).
        window_days: Days since its last run, where that is not `trigger.window_days`.

    Raises:
        DataError: Something that it needs is not there.

    Examples:
        >>> welcome = TriggerSettings(name="welcome", when="first_purchase", offers=("push",), window_days=1)
        >>> facts = {"first_purchase_at": np.array(["2026-10-04T18", "2026-10-03T18"], dtype="datetime64[us]")}
        >>> find_triggered(welcome, facts, as_of=date(2026, 10, 5))
        array([ True, False])
    """
    missing = [f"{name} ({what})" for name, what in NEEDS[trigger.event].items() if name not in facts]
    if missing:
        raise DataError(f"trigger {trigger.name!r} ({trigger.when}) needs {', '.join(missing)}")
    days = trigger.window_days if window_days is None else window_days
    if days < 1:
        raise DataError(f"trigger {trigger.name!r}: a window of {days} days; a run looks back one day at least")
    fired = _FIRES[trigger.event](trigger, facts, as_of, days)
    if last_fired is not None and trigger.rest_days:
        rested = np.datetime64(as_of, "D") - last_fired.astype("datetime64[D]") > np.timedelta64(trigger.rest_days, "D")
        fired &= np.isnat(last_fired) | rested
    return fired


def accumulate_spend(
    customer: np.ndarray, amount: np.ndarray, at: np.ndarray, *, customers: int, moments: tuple[np.datetime64, ...]
) -> tuple[np.ndarray, ...]:
    """Most that each customer ever had accumulated strictly before each moment, float64, shape (n,) each.

    A return takes spend back and so does not lower it: a step that was reached once is not reached again.

    Args:
        customer: Position of the customer of each receipt, shape (k,).
        amount: Its revenue, returns below 0, shape (k,).
        at: Its moment, datetime64, shape (k,).
        customers: n.
        moments: Where to stop, in any order.

    Examples:
        >>> at = np.array(["2026-10-01", "2026-10-02", "2026-10-03"], dtype="datetime64[us]")
        >>> accumulate_spend(np.array([0, 0, 0]), np.array([80.0, -50.0, 60.0]), at, customers=2,
        ...                  moments=(np.datetime64("2026-10-03"), np.datetime64("2026-10-04")))
        (array([80.,  0.]), array([90.,  0.]))
    """
    moment = at.astype("datetime64[us]").astype(np.int64)
    order = np.argsort(moment, kind="stable")
    ends = [int(end.astype("datetime64[us]").astype(np.int64)) for end in moments]
    rows = customer[order], amount[order].astype(np.float64), moment[order]
    return tuple(_peaks(*rows, end, np.zeros(customers), np.zeros(customers)) for end in ends)


def median_gaps(customer: np.ndarray, day: np.ndarray, *, customers: int) -> np.ndarray:
    """Median days between a customer's purchases, float64, shape (n,); NaN with fewer than `LEAST_GAPS` gaps.

    Args:
        customer: Position of the customer of each purchase, shape (k,).
        day: Its day, datetime64, shape (k,); purchases of one day are one.
        customers: n.

    Examples:
        >>> day = np.array(["2026-01-01", "2026-01-11", "2026-01-31", "2026-01-05"], dtype="datetime64[D]")
        >>> median_gaps(np.array([0, 0, 0, 1]), day, customers=2)
        array([15., nan])
    """
    import pandas as pd

    days = pd.DataFrame({"who": customer, "day": day.astype("datetime64[D]").astype(np.int64)}).drop_duplicates()
    days = days.sort_values(["who", "day"])
    gaps = days.groupby("who")["day"].diff().dropna().groupby(days["who"])
    medians = gaps.median()[gaps.size() >= LEAST_GAPS]
    found = np.full(customers, np.nan)
    found[medians.index.to_numpy()] = medians.to_numpy()
    return found


@njit(cache=True, nogil=True)
def _peaks(
    customer: np.ndarray, amount: np.ndarray, at: np.ndarray, end: int, total: np.ndarray, peak: np.ndarray
) -> np.ndarray:
    for i in range(len(at)):
        if at[i] >= end:
            break
        total[customer[i]] += amount[i]
        peak[customer[i]] = max(peak[customer[i]], total[customer[i]])
    return peak


Facts = Mapping[str, np.ndarray]


def _within(moment: np.ndarray, as_of: date, days: int) -> np.ndarray:
    end = np.datetime64(as_of, "us")
    return np.asarray((moment >= end - np.timedelta64(days, "D")) & (moment < end))


def _first_purchase(_: TriggerSettings, facts: Facts, as_of: date, days: int) -> np.ndarray:
    return _within(facts["first_purchase_at"], as_of, days)


def _complaint(_: TriggerSettings, facts: Facts, as_of: date, days: int) -> np.ndarray:
    return _within(facts["last_complaint_at"], as_of, days)


def _silence(trigger: TriggerSettings, facts: Facts, _: date, days: int) -> np.ndarray:
    """Silent for longer than the multiple of the own gap now, and not `days` ago."""
    silent, ratio = facts["days_since_last_purchase"], facts["days_since_last_purchase_over_gap"]
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.where(ratio > 0, silent / ratio, np.inf)
    return _overdue(silent, trigger.over_gap * gap, days)


def _own_gap(trigger: TriggerSettings, facts: Facts, _: date, days: int) -> np.ndarray:
    """The next purchase has become due by the own median gap, and was not `days` ago."""
    return _overdue(facts["days_since_last_purchase"], trigger.over_gap * facts["median_gap_days"], days)


def _overdue(silent: np.ndarray, after: np.ndarray, days: int) -> np.ndarray:
    # in whole days, so that rounding of a ratio moves nobody's day: the first day on which silent >= after
    due = np.ceil(np.round(after, 3))
    return np.asarray((silent >= due) & (silent - days < due))


def _birthday(trigger: TriggerSettings, facts: Facts, as_of: date, days: int) -> np.ndarray:
    """Those of 29 February have it on 28 February of other years."""
    born = facts["birth_date"].astype("datetime64[D]")
    known = ~np.isnat(born)
    month = born.astype("datetime64[M]")
    key = np.where(known, (month.astype(np.int64) % 12 + 1) * 100 + (born - month).astype(np.int64) + 1, 0)
    asked = []
    for ahead in range(days):
        day = as_of + timedelta(days=(trigger.days_before or 0) - ahead)
        asked.append(day.month * 100 + day.day)
        if asked[-1] == 228 and (day + timedelta(days=1)).day == 1:
            asked.append(229)
    return np.isin(key, asked)


def _spend_step(trigger: TriggerSettings, facts: Facts, _: date, __: int) -> np.ndarray:
    step = trigger.step or np.inf
    # to a billionth of a step, so that a sum of kopecks that falls short by its rounding reaches it all the same
    now, before = (np.floor(np.round(facts[name] / step, 9)) for name in ("spend_peak", "spend_peak_before"))
    return np.asarray(now > before)


def _churn(trigger: TriggerSettings, facts: Facts, _: date, __: int) -> np.ndarray:
    """At the threshold or over it now, and not at the last run."""
    return np.asarray((facts["p_churn"] >= trigger.p_churn) & ~(facts["p_churn_before"] >= trigger.p_churn))


def _replenishment(trigger: TriggerSettings, facts: Facts, as_of: date, days: int) -> np.ndarray:
    """A category falls due as many days after the day of the run as were asked for, or did since the last run."""
    noticed = np.datetime64(as_of, "D") + np.timedelta64(trigger.days_before or 0, "D")
    due = facts["replenishment_due_on"].astype("datetime64[D]")
    return np.asarray((due <= noticed) & (due > noticed - np.timedelta64(days, "D")))


_FIRES: Mapping[str, Callable[[TriggerSettings, Facts, date, int], np.ndarray]] = {
    "first_purchase": _first_purchase,
    "silence": _silence,
    OWN_GAP: _own_gap,
    "birthday": _birthday,
    "spend_step": _spend_step,
    "complaint": _complaint,
    "churn": _churn,
    "replenishment": _replenishment,
}


__all__ = ["NEEDS", "accumulate_spend", "find_triggered", "median_gaps"]
