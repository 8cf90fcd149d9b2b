"""Engagement features: contacts, events and surveys in one pass."""

from __future__ import annotations

import numpy as np
from numba import njit

from netlift.features.catalogue import CHANNEL_CONTACT_DAYS, CONTACT_DAYS, RESPONSE_DAYS
from netlift.features.kernel import BUFFERED, DAY, RETURN, flush
from netlift.features.streams import AT, CODES, FIRST, KNOWN

SENT, OPENED, COMPLAINED, ANSWERED = 0, 1, 2, 3
KINDS = 4
SCORE, FACTS = 0, 1
ENDED, FOLLOWED = 0, 1
RESPONSE = RESPONSE_DAYS * DAY


@njit(cache=True, nogil=True)
def fill_engagement(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray],
    receipts: tuple[np.ndarray, np.ndarray, np.ndarray],
    queries: tuple[np.ndarray, np.ndarray],
    known: tuple[int, int],
    observation: int,
    position: np.ndarray,
    out: np.ndarray,
    start: int,
) -> None:
    """Features of contacts, events and surveys.

    Args:
        rows: Words, values and offsets of contacts, events and answers; the second byte of the codes is the kind
            (sent, opened, complained, answered, then the kinds of events), the low byte of a contact its channel; the
            first number a score.
        receipts: Words, values and offsets of receipts.
        queries: Offsets of the customers' queries, and cutoffs in local microseconds, ascending within each.
        known: Kinds of events beside openings and complaints, and contact channels, that have features of their own.
        observation: Its length in microseconds.
        position: Row of `out` for each feature of `catalogue.engagement_entries`, -1 for one that is not wanted.
        out: float32, shape (features, queries).
        start: Column of `out` of the first query.
    """
    words, values, offsets = rows
    query_offsets, cutoffs = queries
    kinds = KINDS + known[0]
    facts = np.empty(FACTS + kinds)
    counts = np.empty((kinds + known[1] + 1, len(CONTACT_DAYS)))
    responses = np.empty((known[1] + 1, 2))
    buffer = np.empty((len(position), BUFFERED), dtype=np.float32)
    for customer in range(len(offsets) - 1):
        own = offsets[customer], offsets[customer + 1]
        bought = receipts[2][customer], receipts[2][customer + 1]
        for query in range(query_offsets[customer], query_offsets[customer + 1]):
            _walk(words, values, own, (cutoffs[query], observation), kinds, counts, facts)
            _follow_up(words, own, (cutoffs[query], observation), receipts[0], bought, responses)
            _describe(buffer[:, query % BUFFERED], counts, facts, responses)
            if query % BUFFERED == BUFFERED - 1 or query == len(cutoffs) - 1:
                flush(buffer, query, position, out, start)


@njit(cache=True, nogil=True)
def _walk(
    words: np.ndarray,
    values: np.ndarray,
    own: tuple[int, int],
    when: tuple[int, int],
    kinds: int,
    counts: np.ndarray,
    facts: np.ndarray,
) -> None:
    """Counts by kind, channel and window, and how many local days ago each kind was last seen."""
    cutoff, observation = when
    counts[:] = 0.0
    facts[:] = np.nan
    for i in range(own[0], own[1]):
        age = cutoff - words[i, AT]
        if age <= 0:
            break
        if age > observation:
            continue
        kind = (words[i, CODES] >> 8) & 255
        facts[FACTS + kind] = cutoff // DAY - words[i, AT] // DAY
        if kind == ANSWERED:
            facts[SCORE] = values[i, FIRST]
        for w in range(len(CONTACT_DAYS)):
            if age <= CONTACT_DAYS[w] * DAY:
                counts[kind, w] += 1
                if kind == SENT:
                    counts[kinds + min(words[i, CODES] & 255, len(counts) - kinds - 1), w] += 1


@njit(cache=True, nogil=True)
def _follow_up(
    words: np.ndarray,
    own: tuple[int, int],
    when: tuple[int, int],
    receipts: np.ndarray,
    bought: tuple[int, int],
    responses: np.ndarray,
) -> None:
    """By channel, contacts of the year whose response time has ended, and those of them that a purchase followed."""
    cutoff, observation = when
    responses[:] = 0.0
    for i in range(own[0], own[1]):
        age = cutoff - words[i, AT]
        if age < RESPONSE:
            break
        if (words[i, CODES] >> 8) & 255 == SENT and age <= min(observation, 365 * DAY):
            channel = min(words[i, CODES] & 255, len(responses) - 1)
            responses[channel, ENDED] += 1
            responses[channel, FOLLOWED] += _is_followed(receipts, bought, words[i, AT], cutoff)


@njit(cache=True, nogil=True)
def _is_followed(receipts: np.ndarray, bought: tuple[int, int], sent: int, cutoff: int) -> bool:
    low, high = bought
    while low < high:
        middle = (low + high) // 2
        if receipts[middle, AT] < sent:
            low = middle + 1
        else:
            high = middle
    for i in range(low, bought[1]):
        if receipts[i, AT] >= sent + RESPONSE:
            break
        on_time = receipts.shape[1] == KNOWN or receipts[i, KNOWN] <= cutoff
        if on_time and not receipts[i, CODES] & RETURN:
            return True
    return False


@njit(cache=True, nogil=True)
def _describe(column: np.ndarray, counts: np.ndarray, facts: np.ndarray, responses: np.ndarray) -> None:
    last = facts[FACTS:]
    kinds = len(counts) - len(responses)
    year = len(CONTACT_DAYS) - 1
    skipped = len(CONTACT_DAYS) - len(CHANNEL_CONTACT_DAYS)
    k = 0
    for w in range(year + 1):
        column[k] = counts[SENT, w]
        k += 1
    for channel in range(kinds, len(counts) - 1):
        for w in range(skipped, year + 1):
            column[k] = counts[channel, w]
            k += 1
    column[k] = last[SENT]
    ended = responses[:, ENDED].sum()
    column[k + 1] = responses[:, FOLLOWED].sum() / ended if ended > 0 else np.nan
    k += 2
    for channel in range(len(responses) - 1):
        ended = responses[channel, ENDED]
        column[k] = responses[channel, FOLLOWED] / ended if ended > 0 else np.nan
        k += 1
    for w in range(skipped, year + 1):
        column[k] = counts[OPENED, w]
        k += 1
    column[k] = counts[OPENED, year] / counts[SENT, year] if counts[SENT, year] > 0 else np.nan
    column[k + 1] = counts[COMPLAINED, year]
    column[k + 2] = last[COMPLAINED]
    k += 3
    for kind in range(KINDS, kinds):
        for w in range(skipped, year + 1):
            column[k] = counts[kind, w]
            k += 1
        column[k] = last[kind]
        k += 1
    column[k] = facts[SCORE]
    column[k + 1] = last[ANSWERED]
