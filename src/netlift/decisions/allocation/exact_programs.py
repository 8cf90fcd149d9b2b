"""Exact choice among near ties by HiGHS: an LP with its prices, or a MILP."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, eye_array, hstack

from netlift.decisions.allocation.near_ties import Undecided

NODES = 2_000
MORE = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class Relaxed:
    """An optimum that may divide customers.

    Attributes:
        amounts: How many of a class take each entry, shape (entries,).
        prices: Price of each dual row, shape (rows,).
    """

    amounts: np.ndarray
    prices: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """The best choice of whole customers that was found.

    Attributes:
        amounts: How many of a class take each entry, shape (entries,).
        least_loss: No choice loses less than this against the bound at the prices, unused limits counted.
    """

    amounts: np.ndarray
    least_loss: float


def solve_relaxed(undecided: Undecided, p: np.ndarray, penalty: np.ndarray) -> Relaxed | None:
    """The best choice where customers may be divided; None where HiGHS gives up.

    Where several prices are right, those of a little more room are taken: what one more unit of the limits would earn.

    Args:
        undecided: Who and what is open.
        p: Price of each row at which the losses were taken, shape (rows,).
        penalty: Price at which a row may be exceeded, so that there is always an answer, shape (rows,).
    """
    rows, entries = len(p), len(undecided.row)
    gain = p @ undecided.use - undecided.loss
    found = linprog(
        np.concatenate([-gain, penalty]),
        A_ub=hstack([csr_array(undecided.use), -eye_array(rows)], format="csr"),
        b_ub=undecided.room + MORE * np.maximum(np.abs(undecided.use).max(axis=1, initial=0.0), MORE),
        A_eq=_one_each(undecided, entries + rows),
        b_eq=undecided.counts,
        method="highs",
    )
    if found.status != 0:
        return None
    return Relaxed(amounts=found.x[:entries], prices=np.maximum(-found.ineqlin.marginals, 0.0))


def solve_whole(undecided: Undecided, p: np.ndarray, tolerance: float) -> Whole | None:
    """The best choice of whole customers; None where none is found.

    Args:
        undecided: Who and what is open.
        p: Price of each row at which the losses were taken, shape (rows,).
        tolerance: Relative gap that is good enough.
    """
    entries = len(undecided.row)
    with _stdout_to_stderr():
        found = milp(
            undecided.loss - p @ undecided.use,
            integrality=np.ones(entries),
            bounds=Bounds(0, undecided.counts[undecided.row]),
            constraints=[
                LinearConstraint(csr_array(undecided.use), -np.inf, undecided.room),
                LinearConstraint(_one_each(undecided, entries), undecided.counts, undecided.counts),
            ],
            options={"mip_rel_gap": tolerance, "node_limit": NODES},
        )
    if found.x is None:
        return None
    return Whole(amounts=np.round(found.x), least_loss=float(found.mip_dual_bound + p @ undecided.room))


def _one_each(undecided: Undecided, columns: int) -> csr_array:
    """Each customer of a class takes one entry, none among them, shape (classes, columns)."""
    entries = np.arange(len(undecided.row))
    shape = (len(undecided.counts), columns)
    return csr_array((np.ones(len(entries)), (undecided.row, entries)), shape=shape)


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """HiGHS 1.12 writes a line about its inner solver straight to the process' output, where only results belong."""
    if os.name != "posix":
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
