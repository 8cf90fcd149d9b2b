"""Compiled passes over rows in the order of a score: a radix sort, groups of ties, influences, and hulls of offers.

A score is sorted by the bits of its rounding to single precision, eleven at a time from the lowest: three passes over
the rows and no comparison. What the rounding made equal is sorted by the scores themselves.
"""

from __future__ import annotations

import numpy as np
from numba import njit

DIGIT, DIGITS, ROW = 11, 3, 32  # bits of a digit, digits of a rounded score, and bits of a row's number
SHORT = 32  # rows of one rounded score that are sorted by insertion
DIGIT_MASK, ROW_MASK, HIGHEST = (np.uint64((1 << bits) - 1) for bits in (DIGIT, ROW, 31))


@njit(cache=True, nogil=True)
def order_groups(score: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group of each row by its score, highest first, and the weight of each group.

    Args:
        score: No NaN, float64, shape (n,), of fewer than 2 to the 32 rows; equal scores are one group.
        weight: Weight of each row, shape (n,).

    Returns:
        Codes from 0, int64, shape (n,), and held weights, shape (groups,).
    """
    keys, n = _sort_rounded(score), len(score)
    _sort_ties(keys, score)
    code, held, group = np.empty(n, np.int64), np.zeros(n), -1
    for i in range(n):
        row = keys[i] & ROW_MASK
        if i == 0 or (keys[i] ^ keys[i - 1]) > ROW_MASK or score[row] != score[keys[i - 1] & ROW_MASK]:
            group += 1
        code[row] = group
        held[group] += weight[row]
    return code, held[: group + 1].copy()


@njit(cache=True, nogil=True)
def _sort_ties(keys: np.ndarray, score: np.ndarray) -> None:
    """Sort what has one rounded score by the scores themselves, in place."""
    n, end = len(keys), 0
    while end < n:
        first, end = end, end + 1
        while end < n and (keys[end] ^ keys[first]) <= ROW_MASK:
            end += 1
        if end - first > SHORT:
            tied = keys[first:end].copy()
            keys[first:end] = tied[np.argsort(-score[tied & ROW_MASK])]
            continue
        for i in range(first + 1, end):
            key, at = keys[i], i
            while at > first and score[keys[at - 1] & ROW_MASK] < score[key & ROW_MASK]:
                keys[at] = keys[at - 1]
                at -= 1
            keys[at] = key


@njit(cache=True, nogil=True)
def _sort_rounded(score: np.ndarray) -> np.ndarray:
    """Scores in single precision as numbers that rise as they fall, above the number of the row; uint64, ascending."""
    n = len(score)
    bits = (score + 0.0).astype(np.float32).view(np.uint32)  # a zero below zero is a zero
    keys, moved, counts = np.empty(n, np.uint64), np.empty(n, np.uint64), np.zeros((DIGITS, 1 << DIGIT), np.int64)
    for i in range(n):
        key = np.uint64(bits[i])
        if key <= HIGHEST:
            key = HIGHEST - key
        keys[i] = key << np.uint64(ROW) | np.uint64(i)
        for d in range(DIGITS):
            counts[d, (key >> np.uint64(DIGIT * d)) & DIGIT_MASK] += 1
    for d in range(DIGITS):
        at, shift = np.cumsum(counts[d]) - counts[d], np.uint64(ROW + DIGIT * d)
        for i in range(n):
            digit = (keys[i] >> shift) & DIGIT_MASK
            moved[at[digit]] = keys[i]
            at[digit] += 1
        keys, moved = moved, keys
    return keys


@njit(cache=True, nogil=True)
def sum_groups(code: np.ndarray, values: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """Weighted sum of the values in each group, shape (groups,)."""
    total = np.zeros(groups)
    for i in range(len(code)):
        total[code[i]] += weight[i] * values[i]
    return total


@njit(cache=True, nogil=True)
def weighted_effects(
    effects: np.ndarray, weight: np.ndarray, code: np.ndarray, means: np.ndarray, area: np.ndarray, height: np.ndarray
) -> tuple[float, np.ndarray]:
    """Rank-weighted mean of effects and the influence of each row, as `rank_weighting` says, shape (n,).

    Args:
        effects: Of each row, shape (n,).
        weight: Of each row, mean 1.
        code: Group of each row.
        means: Mean effect of each group, shape (groups,).
        area: Share of the weight and area of the weighting at the borders of the groups, shape (2, groups + 1).
        height: The weighting at the end of each group, shape (groups,).
    """
    groups = len(means)
    lines = np.empty((groups, 2))  # what a group makes of an effect: slope and shift
    point, below = 0.0, 0.0
    for g in range(groups - 1, -1, -1):
        own = (area[1, g + 1] - area[1, g]) / (area[0, g + 1] - area[0, g])
        point += means[g] * (area[1, g + 1] - area[1, g])
        lines[g, 0], lines[g, 1] = own, below + means[g] * (height[g] - own)
        if g > 0:
            below += means[g] * (height[g] - height[g - 1])
    influence = np.empty(len(code))
    for i in range(len(code)):
        influence[i] = effects[i] * lines[code[i], 0] + lines[code[i], 1]
    _centre(influence, weight)
    return point, influence


@njit(cache=True, nogil=True)
def top_influence(
    effects: np.ndarray, weight: np.ndarray, code: np.ndarray, whole: int, part: float, border: float
) -> np.ndarray:
    """Influence of each row on the sum of what effects are above the border in the first groups, shape (n,).

    Args:
        effects: Of each row, shape (n,).
        weight: Of each row, mean 1.
        code: Group of each row.
        whole: Groups that count whole.
        part: How much the next one counts.
        border: What an effect is taken above.
    """
    influence = np.zeros(len(code))
    for i in range(len(code)):
        if code[i] <= whole:
            influence[i] = (effects[i] - border) * (1.0 if code[i] < whole else part)
    _centre(influence, weight)
    return influence


@njit(cache=True, nogil=True)
def _centre(influence: np.ndarray, weight: np.ndarray) -> None:
    """Take off the weighted mean, and weight, in place."""
    total = 0.0
    for i in range(len(weight)):
        total += weight[i] * influence[i]
    mean = total / len(weight)
    for i in range(len(weight)):
        influence[i] = weight[i] * (influence[i] - mean)


@njit(cache=True, nogil=True)
def hull_steps(gain: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row, arm before, arm after, further gain and further cost of steps along the upper hulls, shape (steps,) each.

    From where a row is, the next arm is that of the greatest further gain per further cost, of equal ones that of the
    greater gain; it is control, 0, that no step leads to.

    Args:
        gain: Predicted gain of each offer, minus infinity where it is not on offer, shape (n, m).
        cost: Cost of each offer, not below 0, shape (n, m).
    """
    n, m = gain.shape
    row, start, end = np.empty(n * m, np.int64), np.empty(n * m, np.int64), np.empty(n * m, np.int64)
    gained, paid, steps = np.empty(n * m), np.empty(n * m), 0
    for i in range(n):
        at, at_gain, at_cost = 0, 0.0, 0.0
        while True:
            best, best_gain, to = 0.0, 0.0, 0
            for arm in range(m):
                further = gain[i, arm] - at_gain
                if further > 0:
                    dearer = cost[i, arm] - at_cost
                    slope = np.inf if dearer == 0 else further / dearer
                    if slope > best or (slope == best and further > best_gain):
                        best, best_gain, to = slope, further, arm + 1
            if to == 0:
                break
            row[steps], start[steps], end[steps] = i, at, to
            gained[steps], paid[steps] = best_gain, cost[i, to - 1] - at_cost
            steps += 1
            at, at_gain, at_cost = to, gain[i, to - 1], cost[i, to - 1]
    return row[:steps].copy(), start[:steps].copy(), end[:steps].copy(), gained[:steps].copy(), paid[:steps].copy()


@njit(cache=True, nogil=True)
def take_steps(
    code: np.ndarray, whole: int, part: float, row: np.ndarray, begins: np.ndarray, worth: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the first steps are worth to each row, and whether they begin a contact, shape (n,) each.

    Args:
        code: Group of each step, shape (steps,).
        whole: Groups whose steps are taken whole.
        part: How much is taken of the steps of the next one.
        row: Row of each step.
        begins: Whether a step begins a contact.
        worth: What a whole step is worth.
        n: Rows.
    """
    moved, contacted = np.zeros(n), np.zeros(n)
    for i in range(len(row)):
        if code[i] <= whole:
            taken = 1.0 if code[i] < whole else part
            moved[row[i]] += taken * worth[i]
            contacted[row[i]] += taken * begins[i]
    return moved, contacted


__all__ = ["hull_steps", "order_groups", "sum_groups", "take_steps", "top_influence", "weighted_effects"]
