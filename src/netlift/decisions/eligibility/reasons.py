"""Reason codes of refused options and of decisions, one byte each, with their words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from netlift.decisions.allocation.exploration import Draw


class Refusal(IntEnum):
    """Why an option is refused to a customer, in the order of asking; the first that holds is the reason."""

    OPEN = 0
    LEFT = 1
    CONSENT = 2
    OPTED_OUT = 3
    HOLDOUT = 4
    PRIORITY_CAMPAIGN = 5
    IN_JOURNEY = 6
    CONTACT_PRESSURE = 7
    QUIET_AFTER_PURCHASE = 8
    QUIET_AFTER_COMPLAINT = 9
    NOT_IN_STRATEGY = 10
    NOT_ELIGIBLE = 11
    NOT_VALID = 12
    OPEN_WINDOW = 13
    RETIRED = 14
    STOPPED = 15
    NO_EFFECT_KNOWN = 16

    @property
    def code(self) -> str:
        """As it is logged."""
        return self.name.lower()


class Reason(IntEnum):
    """Why a customer got an option or none; codes below `POLICY` are those of `Refusal`."""

    POLICY = 32
    EXPLORE = 33
    EXPLORE_NONE = 34
    NOTHING_PAYS = 35
    OUTBID = 36
    MONTH_USED = 37
    JOURNEY = 38

    @property
    def code(self) -> str:
        """As it is logged."""
        return self.name.lower()


WORDS: Mapping[int, str] = {one.value: one.code for one in (*Refusal, *Reason)}


def explain(refused: np.ndarray, value: np.ndarray, draw: Draw, month_used: np.ndarray | None = None) -> np.ndarray:
    """Reason of every customer's decision, uint8, shape (n,).

    With an option: policy or explore. With none: drawn as none by exploration; nothing that is open earns anything;
    something does, but the month has nothing left for it, or others earn more of what is short (outbid); or all is
    refused, with the reason of the option that came furthest.

    Args:
        refused: `Eligibility.refused`, shape (n, m).
        value: Expected profit, shape (n, m); only that of open options is looked at.
        draw: What was drawn.
        month_used: Options that the month has nothing left for, bool, shape (n, m); None for none.

    Examples:
        >>> from netlift.decisions.allocation.exploration import Draw
        >>> draw = Draw(option=np.array([0, -1, -1]), explored=np.zeros(3, bool), tried=np.zeros(3, bool),
        ...             held_out=np.array([0, 0, 1], bool), propensity=np.array([1.0, 1.0, np.nan]),
        ...             chances=np.ones((3, 2)))
        >>> refused = np.array([[Refusal.OPEN], [Refusal.CONSENT], [Refusal.HOLDOUT]], dtype=np.uint8)
        >>> [WORDS[int(code)] for code in explain(refused, np.array([[2.0], [3.0], [1.0]]), draw)]
        ['policy', 'consent', 'holdout']
    """
    open_to = refused == Refusal.OPEN
    best = np.where(open_to, value, -np.inf).max(axis=1, initial=-np.inf)
    reason = np.where(best > 0, Reason.OUTBID, Reason.NOTHING_PAYS).astype(np.uint8)
    if month_used is not None:
        reason[(best > 0) & ~(open_to & (value > 0) & ~month_used).any(axis=1)] = Reason.MONTH_USED
    closed = ~open_to.any(axis=1)
    reason[closed] = refused[closed].max(axis=1, initial=0)
    reason[draw.explored] = np.where(draw.option[draw.explored] >= 0, Reason.EXPLORE, Reason.EXPLORE_NONE)
    reason[~draw.explored & (draw.option >= 0)] = Reason.POLICY
    reason[draw.held_out] = Refusal.HOLDOUT
    return reason


def count_reasons(codes: np.ndarray) -> dict[str, int]:
    """Times that each reason occurs, those that do not left out, in the order of codes.

    Examples:
        >>> count_reasons(np.array([[0, 2], [2, 11]], dtype=np.uint8))
        {'open': 1, 'consent': 2, 'not_eligible': 1}
    """
    counts = np.bincount(codes.ravel(), minlength=1)
    return {WORDS[int(code)]: int(counts[code]) for code in np.flatnonzero(counts)}


__all__ = ["WORDS", "Reason", "Refusal", "count_reasons", "explain"]
