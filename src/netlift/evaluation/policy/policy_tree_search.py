"""Exhaustive search of the best depth-two policy tree on binned columns.

For every pair of features the gains of each arm are summed by both bins at once; from such a table the sums on either
side of any first question are running sums, and the best second question on a side is found by one more pass over its
bins. With n rows, k features, m arms and B bins that takes n·k²·m/2 additions and k²·B²·m steps more, whatever the
tree; Zhou, Athey, Wager sort and insert instead, which is exact for all thresholds and slower on many rows.

References:
    Zhou, Athey, Wager (2023), Offline Multi-Action Policy Learning: Generalization and Optimization, Operations
    Research 71, section 4. Athey, Wager (2021), Policy Learning with Observational Data, Econometrica 89.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from netlift.evaluation.policy.binned_columns import BinnedColumns

NONE = -1
Question = tuple[int, int]
NO_QUESTION: Question = (NONE, NONE)
ROUNDING = 1e-9  # of the sum of absolute gains: a smaller difference of two sums is no difference


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The questions of the best tree, by feature and number of the split; `NONE` where nothing is asked.

    Attributes:
        root: The first question.
        sides: The question asked of those who say yes, and of those who say no.
    """

    root: Question
    sides: tuple[Question, Question]


NO_QUESTIONS = Questions(root=NO_QUESTION, sides=(NO_QUESTION, NO_QUESTION))


def search_questions(
    columns: BinnedColumns, gains: np.ndarray, weight: np.ndarray, *, least: float
) -> tuple[Questions, Questions, Questions]:
    """The questions whose best arms gain most, for trees of no, one and two levels.

    Of equally good trees that of fewer questions is taken, then the first found.

    Args:
        columns: The rows' features, k of them.
        gains: What each arm but control gains over it, weighted, shape (n, m).
        weight: Weight of each row, shape (n,).
        least: Weight that every end of the tree must hold, above 0.
    """
    measures = np.ascontiguousarray(np.column_stack([gains, weight]), dtype=np.float64)
    tolerance = ROUNDING * float(np.abs(gains).sum())
    alone, deep, asked = _search(columns.codes, columns.bins, columns.is_category, measures, least, tolerance)
    all_alike = max(0.0, float(gains.sum(axis=0).max(initial=0.0)))
    one = _take_best(alone, np.full_like(asked, NONE), all_alike, tolerance)
    return NO_QUESTIONS, one, _take_best(deep, asked, all_alike, tolerance)


def _take_best(value: np.ndarray, asked: np.ndarray, all_alike: float, tolerance: float) -> Questions:
    """The first question of the largest gain, with those that follow it; none where none gains."""
    best, asked_so_far, found = all_alike, 0, NO_QUESTIONS
    for feature, choice in np.argwhere(np.isfinite(value).all(axis=2)):
        total = float(value[feature, choice].sum())
        sides = tuple((int(f), int(c)) for f, c in asked[feature, choice])
        questions = 1 + sum(f != NONE for f, _ in sides)
        if total > best + tolerance or (total > best - tolerance and questions < asked_so_far):
            best, asked_so_far = max(best, total), questions
            found = Questions(root=(int(feature), int(choice)), sides=(sides[0], sides[1]))
    return found


@njit(cache=True, nogil=True)
def count_choices(bins: int, is_category: bool) -> int:  # noqa: FBT001
    """How many ways there are to split a feature.

    A category: each value against the rest, missing last. A number of E = bins - 1 thresholds: below each with missing
    values on the other side (0 … E - 1), below each with missing values on this side (E … 2E - 1), missing or not (2E).
    """
    return bins + 1 if is_category else 2 * (bins - 1) + 1


@njit(cache=True, nogil=True)
def _search(
    codes: np.ndarray, bins: np.ndarray, is_category: np.ndarray, measures: np.ndarray, least: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per first question and side: gain with nothing more asked, and with the best second question; which it is.

    Shapes (k, choices, 2), (k, choices, 2) and (k, choices, 2, 2).

    Minus infinity stands where a side would hold too little.
    """
    k = len(bins)
    choices = 0
    for f in range(k):
        choices = max(choices, count_choices(bins[f], is_category[f]))
    value = np.full((k, choices, 2), -np.inf)
    asked = np.full((k, choices, 2, 2), NONE)
    for f in range(k):
        _begin(_tabulate(codes[f], bins[f], codes[f], 0, measures), (bins[f], is_category[f]), least, value[f])
    alone = value.copy()
    for f in range(k):
        for g in range(f, k):
            table = _tabulate(codes[f], bins[f], codes[g], bins[g], measures)
            own, other = (bins[f], is_category[f]), (bins[g], is_category[g])
            _ask(table, own, other, (g, least, tolerance), value[f], asked[f])
            if g > f:
                _ask(_turn(table, bins[g] + 1), other, own, (f, least, tolerance), value[g], asked[g])
    return alone, value, asked


@njit(cache=True, nogil=True)
def _tabulate(
    first: np.ndarray, first_bins: int, second: np.ndarray, second_bins: int, measures: np.ndarray
) -> np.ndarray:
    """Sums of the measures by two features' bins, the second's beside each other: (bins + 1, (bins + 1) · measures).

    With no bins of the second, sums by the first alone.
    """
    width = measures.shape[1]
    table = np.zeros((first_bins + 1, (second_bins + 1) * width))
    for i in range(len(first)):
        row = first[i]
        at = second[i] * width if second_bins else 0
        for j in range(width):
            table[row, at + j] += measures[i, j]
    return table


@njit(cache=True, nogil=True)
def _turn(table: np.ndarray, seconds: int) -> np.ndarray:
    """The table with the second feature first."""
    firsts, width = len(table), table.shape[1] // seconds
    turned = np.empty((seconds, firsts * width))
    for a in range(firsts):
        for b in range(seconds):
            for j in range(width):
                turned[b, a * width + j] = table[a, b * width + j]
    return turned


@njit(cache=True, nogil=True)
def _gather(sums: np.ndarray, of: tuple[int, bool], choice: int, yes: np.ndarray) -> None:
    """Sums of those who say yes to a choice, from those to the choice before it; choices are taken in order."""
    bins, is_category = of
    cuts = bins - 1
    running = not is_category and choice < 2 * cuts
    at = choice % cuts if running else (choice if is_category else bins)
    for j in range(len(yes)):
        if not running:
            yes[j] = sums[at, j]
        elif at > 0:
            yes[j] += sums[at, j]
        else:
            yes[j] = sums[0, j] + (sums[bins, j] if choice >= cuts else 0.0)


@njit(cache=True, nogil=True)
def _is_idle(of: tuple[int, bool], choice: int, any_missing: bool) -> bool:  # noqa: FBT001
    """Whether a choice says the same as one before it: where nothing is missing, its side does not matter."""
    bins, is_category = of
    return not is_category and bins - 1 <= choice < 2 * (bins - 1) and not any_missing


@njit(cache=True, nogil=True)
def _total(sums: np.ndarray, rows: int) -> np.ndarray:
    """Sum over the first rows."""
    total = np.zeros(sums.shape[1])
    for b in range(rows):
        for j in range(len(total)):
            total[j] += sums[b, j]
    return total


@njit(cache=True, nogil=True)
def _begin(sums: np.ndarray, of: tuple[int, bool], least: float, value: np.ndarray) -> None:
    """What the sides of each first question gain if nothing more is asked."""
    last = sums.shape[1] - 1
    total, yes = _total(sums, len(sums)), np.zeros(last + 1)
    for choice in range(count_choices(of[0], of[1])):
        _gather(sums, of, choice, yes)
        if yes[last] < least or total[last] - yes[last] < least or _is_idle(of, choice, sums[of[0], last] > 0):
            continue
        value[choice] = 0.0
        for j in range(last):
            value[choice, 0] = max(value[choice, 0], yes[j])
            value[choice, 1] = max(value[choice, 1], total[j] - yes[j])


@njit(cache=True, nogil=True)
def _ask(
    table: np.ndarray,
    first: tuple[int, bool],
    second: tuple[int, bool],
    how: tuple[int, float, float],
    value: np.ndarray,
    asked: np.ndarray,
) -> None:
    """Try a second feature on both sides of every first question of a feature."""
    feature, least, tolerance = how
    rows = second[0] + 1
    total = _total(table, len(table))
    yes, no = np.zeros(len(total)), np.zeros(len(total))
    for choice in range(count_choices(first[0], first[1])):
        _gather(table, first, choice, yes)
        if value[choice, 0] == -np.inf:
            continue
        for j in range(len(total)):
            no[j] = total[j] - yes[j]
        for side in range(2):
            sums = (yes if side == 0 else no).reshape((rows, len(total) // rows))
            gain, found = _best_split(sums, second, least, value[choice, side] + tolerance)
            if found != NONE:
                value[choice, side], asked[choice, side, 0], asked[choice, side, 1] = gain, feature, found


@njit(cache=True, nogil=True)
def _best_split(sums: np.ndarray, of: tuple[int, bool], least: float, above: float) -> tuple[float, int]:
    """Gain and number of the best split of some rows by one feature, `NONE` where none gains more than `above`."""
    last = sums.shape[1] - 1
    total, yes = _total(sums, of[0] + 1), np.zeros(last + 1)
    best, found = above, NONE
    any_missing = sums[of[0], last] > 0
    for choice in range(count_choices(of[0], of[1])):
        if _is_idle(of, choice, any_missing):
            continue
        _gather(sums, of, choice, yes)
        if yes[last] < least or total[last] - yes[last] < least:
            continue
        with_yes = with_no = 0.0
        for j in range(last):
            with_yes, with_no = max(with_yes, yes[j]), max(with_no, total[j] - yes[j])
        if with_yes + with_no > best:
            best, found = with_yes + with_no, choice
    return best, found
