"""One-pass kernel: sorted receipts to all features of a customer as of all cutoffs.

Windows end at the cutoff and nest, so that a customer's rows are walked from the newest to the oldest with running
sums, and what has been summed when a row falls out of a window is that window's. Sums are float64, output float32.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlift.features.catalogue import PROMO_WINDOWS, TREND_WINDOWS, WINDOWS_DAYS
from netlift.features.streams import AT, CODES, FIRST, KNOWN, SECOND

DAY = 86_400_000_000
PROMO_BIT, RETURN_BIT = 16, 17
PROMO, RETURN = 1 << PROMO_BIT, 1 << RETURN_BIT
BUFFERED = 64
ROUNDING = 1e-6  # money that cancels out leaves less than this, and no ratio to it means anything

WINDOWS = len(WINDOWS_DAYS) + 1
YEAR = WINDOWS - 2
COUNT, DAYS, REVENUE, MARGIN, GROSS, SHIFTED, SQUARES, LARGEST, PROMOS = 0, 1, 2, 3, 4, 5, 6, 7, 8
SUMS = 9
NEWEST_DAY, OLDEST_DAY, GAP_SUM, GAP_SQUARES, GAP_LAST, GAP_MAX, NEWEST_REVENUE = 0, 1, 2, 3, 4, 5, 6
WEEKENDS, RETURNS, RETURNED = 7, 8, 9
FACTS = 10
Sums = tuple[float, float, float, float, float, float, float, float, float]
Rhythm = tuple[float, float, float, float, float, float]
NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -np.inf, 0.0)
NO_RHYTHM = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
CATEGORY, CHANNEL, CATEGORY_COUNT, CHANNEL_COUNT = 0, 1, 2, 3


@njit(cache=True, nogil=True)
def fill_purchases(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    queries: tuple[np.ndarray, np.ndarray],
    known: tuple[int, int],
    observation: int,
    position: np.ndarray,
    out: np.ndarray,
    start: int,
) -> None:
    """Features of receipts.

    Args:
        rows: Words int64 (n, 4 or 5), the same memory as float64, and offsets of the customers (m + 1,).
        queries: Offsets of the customers' queries (m + 1,), and cutoffs in local microseconds, ascending within each.
        known: How many categories and channels have a feature of their own.
        observation: Its length in microseconds.
        position: Row of `out` for each feature of `catalogue.purchase_entries`, -1 for one that is not wanted.
        out: float32, shape (features, queries).
        start: Column of `out` of the first query.
    """
    words, values, offsets = rows
    query_offsets, cutoffs = queries
    lengths = np.array([min(observation, days * DAY) for days in WINDOWS_DAYS] + [observation])
    sums = np.empty((WINDOWS + 1, SUMS))
    facts = np.empty(FACTS)
    mixes = np.empty((4, max(known) + 1))
    buffer = np.empty((len(position), BUFFERED), dtype=np.float32)
    for customer in range(len(offsets) - 1):
        newer = offsets[customer]
        for query in range(query_offsets[customer], query_offsets[customer + 1]):
            cutoff = cutoffs[query]
            while newer < offsets[customer + 1] and words[newer, AT] < cutoff:
                newer += 1
            _walk(words, values, (offsets[customer], newer, cutoff), lengths, known, sums, facts, mixes)
            column = buffer[:, query % BUFFERED]
            k = _describe_windows(column, lengths, sums)
            k = _describe_rhythm(column, k, cutoff // DAY, sums[WINDOWS, DAYS], facts)
            k = _describe_habits(column, k, sums, facts)
            k = _describe_mix(column, k, known[0], mixes[CATEGORY], mixes[CATEGORY_COUNT], sums[YEAR, GROSS])
            k = _describe_mix(column, k, known[1], mixes[CHANNEL], mixes[CHANNEL_COUNT], sums[YEAR, GROSS])
            if query % BUFFERED == BUFFERED - 1 or query == len(cutoffs) - 1:
                flush(buffer, query, position, out, start)


@njit(cache=True, nogil=True)
def flush(buffer: np.ndarray, query: int, position: np.ndarray, out: np.ndarray, start: int) -> None:
    """Write the buffered columns up to that of `query` behind one another, feature by feature."""
    n = query % BUFFERED + 1
    first = start + query + 1 - n
    for k in range(len(position)):
        if position[k] >= 0:
            for j in range(n):
                out[position[k], first + j] = buffer[k, j]


@njit(cache=True, nogil=True)
def _walk(
    words: np.ndarray,
    values: np.ndarray,
    span: tuple[int, int, int],
    lengths: np.ndarray,
    known: tuple[int, int],
    sums: np.ndarray,
    facts: np.ndarray,
    mixes: np.ndarray,
) -> None:
    """Sums of each window, and facts of the year and of the observation, from the newest row to the oldest.

    What is summed up on the way are tuples, which stay in registers where arrays would not.
    """
    oldest, newer, cutoff = span
    may_be_late = words.shape[1] > KNOWN
    _clear(mixes)
    now, rhythm, year = NOTHING, NO_RHYTHM, (0.0, 0.0, 0.0)
    w, newest = 0, 0.0
    for i in range(newer - 1, oldest - 1, -1):
        while w < WINDOWS and cutoff - words[i, AT] > lengths[w]:
            _store(now, sums[w])
            w += 1
        if w == WINDOWS:
            break
        if may_be_late and words[i, KNOWN] > cutoff:
            continue
        revenue, codes, day = values[i, FIRST], words[i, CODES], words[i, AT] // DAY
        if codes & RETURN:
            now = _add_return(now, revenue, values[i, SECOND])
            if w <= YEAR:
                year = year[0], year[1] + 1, year[2] - revenue
            continue
        if now[COUNT] == 0:
            newest = revenue
        is_new_day = now[COUNT] == 0 or day != rhythm[1]
        now = _add_purchase(now, revenue, values[i, SECOND], newest, int(is_new_day), codes >> PROMO_BIT & 1)
        if is_new_day:
            rhythm = _add_day(rhythm, float(day), now[DAYS])
        if w <= YEAR:
            _add_mix(mixes, revenue, min(codes & 255, known[0]), min((codes >> 8) & 255, known[1]))
            year = year[0] + ((day + 5) % 7 < 2), year[1], year[2]
    for rest in range(w, WINDOWS + 1):
        _store(now, sums[rest])
    _store((*rhythm, newest, *year), facts)


@njit(cache=True, nogil=True)
def _store(source: tuple[float, ...], target: np.ndarray) -> None:
    for i in range(len(source)):
        target[i] = source[i]


@njit(cache=True, nogil=True)
def _clear(mixes: np.ndarray) -> None:
    """Assigning to a slice would do, but compiles for seconds: numba brings the texts of its errors along."""
    for i in range(mixes.shape[0]):
        for j in range(mixes.shape[1]):
            mixes[i, j] = 0.0


@njit(cache=True, nogil=True)
def _add_return(now: Sums, revenue: float, margin: float) -> Sums:
    count, days, net, earned, gross, shifted, squares, largest, promos = now
    return count, days, net + revenue, earned + margin, gross, shifted, squares, largest, promos


@njit(cache=True, nogil=True)
def _add_purchase(
    now: Sums,
    revenue: float,
    margin: float,
    newest: float,
    new_days: int,
    new_promos: int,
) -> Sums:
    """Squares are of the distance to the newest purchase, so that equal amounts have no spread at all."""
    count, days, net, earned, gross, shifted, squares, largest, promos = now
    distance = revenue - newest
    return (
        count + 1,
        days + new_days,
        net + revenue,
        earned + margin,
        gross + revenue,
        shifted + distance,
        squares + distance * distance,
        max(largest, revenue),
        promos + new_promos,
    )


@njit(cache=True, nogil=True)
def _add_day(rhythm: Rhythm, day: float, days: float) -> Rhythm:
    newest_day, last_day, total, squares, last_gap, longest = rhythm
    if days == 1:
        return day, day, 0.0, 0.0, 0.0, 0.0
    gap = last_day - day
    return newest_day, day, total + gap, squares + gap * gap, gap if days == 2 else last_gap, max(longest, gap)


@njit(cache=True, nogil=True)
def _add_mix(mixes: np.ndarray, revenue: float, category: int, channel: int) -> None:
    mixes[CATEGORY, category] += revenue
    mixes[CATEGORY_COUNT, category] += 1
    mixes[CHANNEL, channel] += revenue
    mixes[CHANNEL_COUNT, channel] += 1


@njit(cache=True, nogil=True)
def _ratio(above: float, below: float) -> float:
    return above / below if below > ROUNDING else np.nan


@njit(cache=True, nogil=True)
def _sd(n: float, total: float, squares: float) -> float:
    return np.sqrt(max(0.0, squares - total * total / n) / (n - 1)) if n > 1 else np.nan


@njit(cache=True, nogil=True)
def _describe_windows(column: np.ndarray, lengths: np.ndarray, sums: np.ndarray) -> int:
    for w in range(WINDOWS):
        n = sums[w, COUNT]
        column[w] = n
        column[WINDOWS + w] = sums[w, DAYS]
        column[2 * WINDOWS + w] = sums[w, REVENUE]
        column[3 * WINDOWS + w] = sums[w, MARGIN]
        column[4 * WINDOWS + w] = _ratio(sums[w, GROSS], n)
        column[5 * WINDOWS + w] = sums[w, LARGEST] if n > 0 else np.nan
        column[6 * WINDOWS + w] = _sd(n, sums[w, SHIFTED], sums[w, SQUARES])
    k = 7 * WINDOWS
    for what in (COUNT, GROSS):
        for w in TREND_WINDOWS:
            column[k] = _ratio(sums[w, what], sums[w + 1, what]) * lengths[w + 1] / lengths[w]
            k += 1
    return k


@njit(cache=True, nogil=True)
def _describe_rhythm(column: np.ndarray, k: int, today: int, days: float, facts: np.ndarray) -> int:
    if days == 0:
        column[k : k + 8] = np.nan
        return k + 8
    gaps = days - 1
    mean = _ratio(facts[GAP_SUM], gaps)
    column[k] = mean
    column[k + 1] = _sd(gaps, facts[GAP_SUM], facts[GAP_SQUARES])
    column[k + 2] = facts[GAP_LAST] if gaps > 0 else np.nan
    column[k + 3] = facts[GAP_MAX] if gaps > 0 else np.nan
    column[k + 4] = today - facts[NEWEST_DAY]
    column[k + 5] = today - facts[OLDEST_DAY]
    column[k + 6] = facts[NEWEST_DAY] - facts[OLDEST_DAY]
    column[k + 7] = (today - facts[NEWEST_DAY]) / mean
    return k + 8


@njit(cache=True, nogil=True)
def _describe_habits(column: np.ndarray, k: int, sums: np.ndarray, facts: np.ndarray) -> int:
    for w in PROMO_WINDOWS:
        column[k] = _ratio(sums[w, PROMOS], sums[w, COUNT])
        k += 1
    purchases = sums[YEAR, COUNT]
    column[k] = _ratio(facts[WEEKENDS], purchases)
    column[k + 1] = facts[RETURNS]
    column[k + 2] = _ratio(facts[RETURNS], purchases)
    column[k + 3] = facts[RETURNED]
    column[k + 4] = _ratio(sums[YEAR, MARGIN], sums[YEAR, GROSS])
    column[k + 5] = facts[NEWEST_REVENUE] if sums[WINDOWS, COUNT] > 0 else np.nan
    return k + 6


@njit(cache=True, nogil=True)
def _describe_mix(column: np.ndarray, k: int, known: int, revenue: np.ndarray, counts: np.ndarray, total: float) -> int:
    """Number of values, the largest share, and the share of each known value and of all the others."""
    if known == 0:
        return k
    distinct, largest = 0, -np.inf
    for code in range(known + 1):
        distinct += counts[code] > 0
        largest = max(largest, revenue[code])
        column[k + 2 + code] = _ratio(revenue[code], total)
    column[k] = distinct
    column[k + 1] = _ratio(largest, total)
    return k + 3 + known
