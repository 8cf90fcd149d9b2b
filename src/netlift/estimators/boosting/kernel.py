"""Fold boosting kernel: small boosted trees on binned rows, all folds together, compiled.

Rows lie in order of their fold. Model k of K grows on all rows but those from starts[k] to starts[k + 1], which it is
judged on. Trees are grown as LightGBM grows them, best leaf first, by gain G²/(H + λ) of the sums of gradients G and
hessians H, with rows of a leaf told from its share of H; one of two searches finds a split of a leaf:

    histogram   every cut of the drawn columns, from sums by code, as fixed-point numbers two to a word
    random      one cut drawn for each column (extremely randomized trees): a comparison of bytes and two sums, which
                the processor does for many rows at once, and no histogram

All models draw the same columns and cuts, so that the folds' trees are as like those of all rows as they can be. The
loss of rows held out is not evaluated: from tree to tree it moves by the mean of its gradients before and after times
what the tree adds (trapezoid).

References:
    Friedman (2001), Greedy Function Approximation, Annals of Statistics. Ke et al. (2017), LightGBM, NIPS. Geurts,
    Ernst, Wehenkel (2006), Extremely Randomized Trees, Machine Learning. Shi et al. (2022), Quantized Training of
    Gradient Boosting Decision Trees, NeurIPS.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

BINARY, GAMMA, SQUARED = 0, 1, 2  # losses


class Sample(NamedTuple):
    """Rows to learn from, in order of their fold; (n,) and float32 but for codes (columns, n) uint8.

    Attributes:
        codes: Line by line.
        most: Largest code of each column, int64.
        gaps: Whether a column has missing values, bool.
        label: Of the loss.
        offset: Raw score that trees are added to.
        weight: Of the loss.
        starts: First row of each fold, and n, int64, shape (K + 1,); twice n for one model of all rows.
    """

    codes: np.ndarray
    most: np.ndarray
    gaps: np.ndarray
    label: np.ndarray
    offset: np.ndarray
    weight: np.ndarray
    starts: np.ndarray


class GrowthPlan(NamedTuple):
    """How trees are grown.

    Attributes:
        loss: BINARY, GAMMA or SQUARED.
        random: Random cuts, not histograms.
        rate: Of learning.
        leaves: At most so many.
        least: Rows of a leaf.
        ridge: λ.
        rounds: At most so many trees.
        patience: Rounds without a lower loss after which growing ends; 0 for never.
    """

    loss: int
    random: bool
    rate: float
    leaves: int
    least: float
    ridge: float
    rounds: int
    patience: int


class Trees(NamedTuple):
    """Trees of all models, shape (rounds, K, splits or leaves); split s makes leaf s + 1 out of the leaf `at`.

    Attributes:
        at: The leaf that a split divides; -1 where the tree has ended. Rows that go left stay in it.
        column: Its column.
        code: Rows up to this code go left.
        right: 1 if missing values go right.
        gain: Of the split.
        value: Raw score of each leaf.
        hessian_sum: Sum of hessians in it.
        loss: Held-out loss after so many trees, less that of none, shape (rounds + 1,).
    """

    at: np.ndarray
    column: np.ndarray
    code: np.ndarray
    right: np.ndarray
    gain: np.ndarray
    value: np.ndarray
    hessian_sum: np.ndarray
    loss: np.ndarray


CODES = 64
USED = 0.5  # a column drawn above it may be used in a round
HALF_WORD = 32
LOW = (1 << HALF_WORD) - 1
LEAST_HESSIAN = 1e-3
STEEPEST = 7.9  # of the hyperbolic tangent's argument, in single precision
Span = tuple[int, int]
Pair = tuple[float, float]
Gradients = tuple[np.ndarray, np.ndarray]
Room = tuple[np.ndarray, ...]
Given = tuple[Sample, GrowthPlan, np.ndarray]


@njit(cache=True, nogil=True)
def grow_trees(sample: Sample, plan: GrowthPlan, draws: np.ndarray, trees: Trees) -> int:
    """Grow all models together into `trees`; how many rounds were grown.

    Args:
        sample: Rows.
        plan: How.
        draws: float32, shape (rounds, columns): for random cuts in [0, 1), one for all leaves of a round; for
            histograms 1 for a column that the round's trees may use and 0 for others.
        trees: Zeroed, `at` of -1.
    """
    n, models = len(sample.label), len(sample.starts) - 1
    score = np.empty((models, n), dtype=np.float32)
    for k in range(models):
        _copy(score[k], sample.offset)
    gradient, hessian = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    before, step = np.zeros(n, dtype=np.float32), np.zeros((models, n), dtype=np.float32)
    leaf = np.zeros(n, dtype=np.uint8)
    work = np.zeros((2, n), dtype=np.float32)
    words, near, picked = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int32)
    sums = np.zeros((1 if plan.random else plan.leaves, len(sample.most), CODES), dtype=np.int64)
    lefts = np.zeros((plan.leaves, len(sample.most), 2))
    best, loss = 0, 0.0
    for r in range(plan.rounds + 1):
        change = 0.0
        for k in range(models):
            low, high = sample.starts[k], sample.starts[k + 1]
            _differentiate(plan.loss, score[k], sample.label, sample.weight, gradient, hessian)
            held = slice(low, high)
            change += _trapezoid(gradient[held], before[held], step[k][held])
            if r == plan.rounds:
                continue
            _grow_tree(
                sample, plan, draws[r], (r, k), (gradient, hessian, leaf, work, words, near, picked, sums, lefts), trees
            )
            _add(score[k], trees.value[r, k].astype(np.float32), leaf, step[k])
        loss += change
        trees.loss[r] = loss
        if loss < trees.loss[best]:
            best = r
        if plan.patience > 0 and r - best >= plan.patience:
            return r
    return plan.rounds


@njit(cache=True, nogil=True, fastmath=True)
def _trapezoid(gradient: np.ndarray, before: np.ndarray, step: np.ndarray) -> float:
    """Change of the loss of held-out rows by the last tree; keeps their gradients for the next."""
    change = np.float32(0.0)
    for i in range(len(gradient)):
        change += step[i] * (before[i] + gradient[i])
        before[i] = gradient[i]
    return 0.5 * float(change)


@njit(cache=True, nogil=True)
def _add(score: np.ndarray, value: np.ndarray, leaf: np.ndarray, step: np.ndarray) -> None:
    """Add a tree's values to the scores; keeps them."""
    for i in range(len(score)):
        added = value[leaf[i]]
        step[i] = added
        score[i] += added


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _differentiate(
    loss: int, score: np.ndarray, label: np.ndarray, weight: np.ndarray, gradient: np.ndarray, hessian: np.ndarray
) -> None:
    """First and second derivative of each row's loss in its raw score."""
    one, half = np.float32(1.0), np.float32(0.5)
    if loss == BINARY:
        for i in range(len(score)):
            p = half + half * _tanh(half * score[i])
            gradient[i] = weight[i] * (p - label[i])
            hessian[i] = weight[i] * p * (one - p)
    elif loss == GAMMA:
        for i in range(len(score)):
            ratio = label[i] * math.exp(-score[i])
            gradient[i] = weight[i] * (one - ratio)
            hessian[i] = weight[i] * ratio
    else:
        for i in range(len(score)):
            gradient[i] = weight[i] * (score[i] - label[i])
            hessian[i] = weight[i]


@njit(cache=True, nogil=True, fastmath=True, inline="always", error_model="numpy")
def _tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent to single precision by a ratio of polynomials, without a branch (as in Eigen's `ptanh`)."""
    x = np.float32(STEEPEST) if x > np.float32(STEEPEST) else x
    x = np.float32(-STEEPEST) if x < np.float32(-STEEPEST) else x
    s = x * x
    top = np.float32(-2.76076847742355e-16)
    top = top * s + np.float32(2.00018790482477e-13)
    top = top * s + np.float32(-8.60467152213735e-11)
    top = top * s + np.float32(5.12229709037114e-08)
    top = top * s + np.float32(1.48572235717979e-05)
    top = top * s + np.float32(6.37261928875436e-04)
    top = (top * s + np.float32(4.89352455891786e-03)) * x
    under = np.float32(1.19825839466702e-06)
    under = under * s + np.float32(1.18534705686654e-04)
    under = under * s + np.float32(2.26843463243900e-03)
    return top / (under * s + np.float32(4.89352518554385e-03))


@njit(cache=True, nogil=True)
def _grow_tree(sample: Sample, plan: GrowthPlan, draws: np.ndarray, of: Span, room: Room, trees: Trees) -> None:
    """One tree of model k in round r, into `trees`, and the leaf of every row."""
    (r, k), (gradient, hessian, leaf), held = of, room[:3], (sample.starts[of[1]], sample.starts[of[1] + 1])
    totals = np.zeros((plan.leaves, 2))
    found = np.zeros((plan.leaves, 6))  # gain, column, code, missing right, gradients and hessians on the left
    leaf[:] = 0
    for part in (slice(0, held[0]), slice(held[1], len(gradient))):
        totals[0, 0] += _sum(gradient[part])
        totals[0, 1] += _sum(hessian[part])
    least = plan.least * totals[0, 1] / max(1, len(gradient) - (held[1] - held[0]))
    scale = (0.0, 0.0)
    if not plan.random:
        scale = _scales(gradient, hessian)
        _pack(gradient, hessian, scale, room[4])
    given, bounds = (sample, plan, draws), (scale, least)
    at = new = int(np.argmax(found[:1, 0]))  # 0, not written so: constants would compile the search twice
    for split in range(plan.leaves - 1):
        _search_leaves(given, (at, new), held, room, totals, bounds, found)
        at, new = int(np.argmax(found[: split + 1, 0])), split + 1
        if not found[at, 0] > 0:
            break
        column, code, right = int(found[at, 1]), int(found[at, 2]), int(found[at, 3])
        for j in range(2):
            totals[new, j] = totals[at, j] - found[at, 4 + j]
            totals[at, j] = found[at, 4 + j]
        if not sample.gaps[column]:
            right = 1 if totals[new, 1] > totals[at, 1] else 0
        trees.at[r, k, split], trees.column[r, k, split], trees.code[r, k, split] = at, column, code
        trees.right[r, k, split], trees.gain[r, k, split] = right, found[at, 0]
        divide(sample.codes[column], code, right, leaf, at, new)
        found[at], found[new] = 0.0, 0.0
    for j in range(plan.leaves):
        g, h = totals[j]
        trees.value[r, k, j] = -plan.rate * g / (h + plan.ridge) if h > 0 else 0.0
        trees.hessian_sum[r, k, j] = h


@njit(cache=True, nogil=True)
def _search_leaves(
    given: Given, of: Span, held: Span, room: Room, totals: np.ndarray, bounds: tuple[Pair, float], found: np.ndarray
) -> None:
    """Best split of the two new leaves, or of the first one."""
    (sample, plan, draws), (scale, least), (at, new) = given, bounds, of
    gradient, hessian, leaf, work, words, near, picked, sums, lefts = room
    small, other = (at, new) if totals[at, 1] < totals[new, 1] else (new, at)
    if plan.random:
        if small == at:
            _copy(lefts[new].reshape(-1), lefts[at].reshape(-1))
        _mask(gradient, hessian, leaf, small, work[0], work[1])
        _sum_cuts(sample, draws, (work[0], work[1]), held, lefts[small])
        if new > 0:
            _subtract(lefts[other].reshape(-1), lefts[small].reshape(-1))
        for child in range(at, new + 1, max(1, new - at)):
            _try_cuts(sample, plan, draws, lefts[child], (totals[child, 0], totals[child, 1]), least, found[child])
        return
    if small == at:
        _copy(sums[new].reshape(-1), sums[at].reshape(-1))
    _count_leaf(sample, draws, leaf, small, held, (words, near, picked), sums[small])
    if new > 0:
        _subtract(sums[other].reshape(-1), sums[small].reshape(-1))
        _search(sample, plan, draws, sums[other], scale, least, found[other])
    _search(sample, plan, draws, sums[small], scale, least, found[small])


@njit(cache=True, nogil=True)
def _copy(into: np.ndarray, values: np.ndarray) -> None:
    """Assigning an array would do, but compiles for seconds: numba brings the texts of its errors along."""
    for i in range(len(values)):
        into[i] = values[i]


@njit(cache=True, nogil=True)
def _subtract(whole: np.ndarray, part: np.ndarray) -> None:
    """As `_copy`, in place of `-=`."""
    for i in range(len(part)):
        whole[i] -= part[i]


@njit(cache=True, nogil=True, fastmath=True)
def _sum(values: np.ndarray) -> float:
    total = np.float32(0.0)
    for i in range(len(values)):
        total += values[i]
    return float(total)


@njit(cache=True, nogil=True)
def _mask(
    gradient: np.ndarray,
    hessian: np.ndarray,
    leaf: np.ndarray,
    child: int,
    own_gradient: np.ndarray,
    own_hessian: np.ndarray,
) -> None:
    """Gradients and hessians of a leaf's rows, and 0 elsewhere."""
    none, own = np.float32(0.0), np.uint8(child)
    for i in range(len(gradient)):
        inside = leaf[i] == own
        own_gradient[i] = gradient[i] if inside else none
        own_hessian[i] = hessian[i] if inside else none


@njit(cache=True, nogil=True)
def divide(line: np.ndarray, code: int, right: int, leaf: np.ndarray, at: int, new: int) -> None:
    """Move the rows of a leaf that go right to the new one."""
    shift, last, old, fresh = np.uint8(right), np.uint8(code - right), np.uint8(at), np.uint8(new)
    for i in range(len(line)):
        goes = (leaf[i] == old) & (np.uint8(line[i] - shift) > last)
        leaf[i] = fresh if goes else leaf[i]


@njit(cache=True, nogil=True, fastmath=True)
def _sum_left(
    line: np.ndarray, gradient: np.ndarray, hessian: np.ndarray, code: int, right: int
) -> tuple[float, float]:
    """Gradients and hessians of the rows that go left."""
    shift, last = np.uint8(right), np.uint8(code - right)
    g, h, none = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for i in range(len(line)):
        goes = np.uint8(line[i] - shift) <= last
        g += gradient[i] if goes else none
        h += hessian[i] if goes else none
    return float(g), float(h)


@njit(cache=True, nogil=True, inline="always")
def _cut(sample: Sample, draws: np.ndarray, column: int) -> Span:
    """The drawn cut of a column: its code, and whether missing values go right."""
    span = sample.most[column] - 1 + (1 if sample.gaps[column] else 0)
    draw = draws[column] * 2.0
    right = int(draw)
    code = 1 + int((draw - right) * span)
    return code, 1 if code == sample.most[column] else right


@njit(cache=True, nogil=True)
def _sum_cuts(sample: Sample, draws: np.ndarray, sums: Gradients, held: Span, left: np.ndarray) -> None:
    """Gradients and hessians left of each column's cut."""
    (low, high), (gradient, hessian) = held, sums
    left[:] = 0.0
    for column in range(len(sample.most)):
        code, right = _cut(sample, draws, column)
        for part in (slice(0, low), slice(high, len(gradient))):
            g, h = _sum_left(sample.codes[column][part], gradient[part], hessian[part], code, right)
            left[column, 0] += g
            left[column, 1] += h


@njit(cache=True, nogil=True)
def _try_cuts(
    sample: Sample, plan: GrowthPlan, draws: np.ndarray, left: np.ndarray, total: Pair, least: float, found: np.ndarray
) -> None:
    """The best of one drawn cut a column."""
    if total[1] < 2 * least:
        return
    whole = total[0] * total[0] / (total[1] + plan.ridge)
    for column in range(len(sample.most)):
        code, right = _cut(sample, draws, column)
        _keep(found, (column, code, right), (left[column, 0], left[column, 1]), total, whole, plan.ridge, least)


@njit(cache=True, nogil=True, inline="always")
def _keep(
    found: np.ndarray, cut: tuple[int, int, int], left: Pair, total: Pair, whole: float, ridge: float, least: float
) -> None:
    """Remember a cut if it gains more than the one found."""
    left_g, left_h = left
    right_g, right_h = total[0] - left_g, total[1] - left_h
    if left_h < least or right_h < least or left_h < LEAST_HESSIAN or right_h < LEAST_HESSIAN:
        return
    gain = left_g * left_g / (left_h + ridge) + right_g * right_g / (right_h + ridge) - whole
    if gain > found[0]:
        found[0], found[1], found[2], found[3] = gain, cut[0], cut[1], cut[2]
        found[4], found[5] = left_g, left_h


@njit(cache=True, nogil=True)
def _scales(gradient: np.ndarray, hessian: np.ndarray) -> tuple[float, float]:
    """Fixed-point units of gradients and hessians whose sums over all rows still fit half a word."""
    top_gradient, top_hessian = 1e-12, 1e-12
    for i in range(len(gradient)):
        top_gradient = max(top_gradient, abs(gradient[i]))
        top_hessian = max(top_hessian, hessian[i])
    n = len(gradient)
    return (LOW // 2 - n) / n / top_gradient, (LOW - n) / n / top_hessian


@njit(cache=True, nogil=True)
def _pack(gradient: np.ndarray, hessian: np.ndarray, scale: Pair, words: np.ndarray) -> None:
    """Gradient above and hessian below in one word; sums of words are words of sums."""
    gradient_unit, hessian_unit, half = np.float32(scale[0]), np.float32(scale[1]), np.float32(0.5)
    for i in range(len(gradient)):
        above = np.int64(np.int32(math.floor(gradient[i] * gradient_unit + half)))
        words[i] = (above << HALF_WORD) + np.int64(np.int32(hessian[i] * hessian_unit + half))


@njit(cache=True, nogil=True)
def _count_leaf(
    sample: Sample, drawn: np.ndarray, leaf: np.ndarray, child: int, held: Span, room: Room, sums: np.ndarray
) -> None:
    """Sums of a leaf's words by code, of the drawn columns."""
    words, near, picked = room
    rows = _pick(leaf, child, held, words, picked, near)
    whole = rows == len(leaf) - (held[1] - held[0])
    for column in range(len(sample.most)):
        if drawn[column] < USED:
            continue
        line, own = sample.codes[column], sums[column]
        own[:] = 0
        if whole:
            for part in (slice(0, held[0]), slice(held[1], len(leaf))):
                _count_all(line[part], words[part], own)
        else:
            for j in range(rows):
                own[line[picked[j]]] += near[j]


@njit(cache=True, nogil=True)
def _count_all(line: np.ndarray, words: np.ndarray, own: np.ndarray) -> None:
    """Sums by code; four at a time, so that rows of one code do not wait for each other."""
    sums = np.zeros((4, 256), dtype=np.int64)
    for j in range(0, len(line) - 3, 4):
        sums[0, line[j]] += words[j]
        sums[1, line[j + 1]] += words[j + 1]
        sums[2, line[j + 2]] += words[j + 2]
        sums[3, line[j + 3]] += words[j + 3]
    for j in range(len(line) // 4 * 4, len(line)):
        sums[0, line[j]] += words[j]
    for code in range(len(own)):
        own[code] += sums[0, code] + sums[1, code] + sums[2, code] + sums[3, code]


@njit(cache=True, nogil=True)
def _pick(leaf: np.ndarray, child: int, held: Span, words: np.ndarray, rows: np.ndarray, near: np.ndarray) -> int:
    """Rows of a leaf that are not held out, and their words; how many."""
    low, high = held
    count = 0
    for i in range(len(leaf)):
        if leaf[i] == child and (i < low or i >= high):
            rows[count] = i
            near[count] = words[i]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _search(
    sample: Sample, plan: GrowthPlan, drawn: np.ndarray, sums: np.ndarray, scale: Pair, least: float, found: np.ndarray
) -> None:
    """The best of all cuts of the drawn columns."""
    for column in range(len(sample.most)):
        if drawn[column] < USED:
            continue
        own, total = sums[column], 0
        for code in range(sample.most[column] + 1):
            total += own[code]
        g, h = (total >> HALF_WORD) / scale[0], (total & LOW) / scale[1]
        whole = g * g / (h + plan.ridge)
        gap = sample.gaps[column]
        passed = 0
        for code in range(1, sample.most[column] + (1 if gap else 0)):
            passed += own[code]
            left = ((passed >> HALF_WORD) / scale[0], (passed & LOW) / scale[1])
            _keep(found, (column, code, 1), left, (g, h), whole, plan.ridge, least)
            if gap and code < sample.most[column]:
                wider = passed + own[0]
                left = ((wider >> HALF_WORD) / scale[0], (wider & LOW) / scale[1])
                _keep(found, (column, code, 0), left, (g, h), whole, plan.ridge, least)


@njit(cache=True, nogil=True)
def score_rows(codes: np.ndarray, trees: Trees, k: int, rounds: int, counts: np.ndarray) -> np.ndarray:
    """Raw score of the first trees of a model, float64, shape (n,), and how many rows each leaf held.

    Args:
        codes: Rows, uint8, shape (columns, n).
        trees: Of all models.
        k: Which of them.
        rounds: How many.
        counts: Filled, int64, shape (rounds, leaves), or of no rounds where nobody asks.
    """
    n = codes.shape[1]
    score, leaf = np.zeros(n), np.zeros(n, dtype=np.uint8)
    for r in range(rounds):
        leaf[:] = 0
        for split in range(trees.at.shape[2]):
            at = trees.at[r, k, split]
            if at < 0:
                break
            divide(
                codes[trees.column[r, k, split]], trees.code[r, k, split], trees.right[r, k, split], leaf, at, split + 1
            )
        value = trees.value[r, k]
        for i in range(n):
            score[i] += value[leaf[i]]
        if r < len(counts):
            for i in range(n):
                counts[r, leaf[i]] += 1
    return score
