"""Contradictory conditions, found before a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from netlift.config.criteria import SEGMENT, Criterion
from netlift.config.segments import SEGMENTS, VARIABLES
from netlift.config.settings import did_you_mean


def find_contradictions(criteria: Sequence[Criterion]) -> list[str]:
    """What is wrong with conditions that all have to hold; empty where somebody may meet them.

    Args:
        criteria: The conditions.

    Examples:
        >>> from netlift.config.criteria import parse_criterion
        >>> find_contradictions([parse_criterion("p_churn >= 0.5"), parse_criterion("p_churn < 0.3")])
        ['p_churn >= 0.5 and p_churn < 0.3: nobody can meet these']
        >>> find_contradictions([parse_criterion("segment = champion")])
        ["segment is never 'champion'; did you mean champions?"]
    """
    mistakes = []
    for name in dict.fromkeys(criterion.name for criterion in criteria):
        own = [criterion for criterion in criteria if criterion.name == name]
        strange = _strange_words(name, own)
        if strange:
            mistakes += strange
        elif not (_some_number(name, own) if _is_number(name, own) else _some_word(name, own)):
            said = " and ".join(f"{c.name} {c.sign} {', '.join(c.values)}" for c in own)
            mistakes.append(f"{said}: nobody can meet {'this' if len(own) == 1 else 'these'}")
    return mistakes


def allows_segment(criteria: Sequence[Criterion], segment: str) -> bool:
    """Whether customers of a segment may meet the conditions, as far as these speak of segments."""
    return all((segment in c.values) == (c.sign == "=") for c in criteria if c.name == SEGMENT)


def _words_of(name: str) -> tuple[str, ...]:
    """Words that a name takes, where they are known beforehand."""
    return SEGMENTS if name == SEGMENT else VARIABLES[name].words if name in VARIABLES else ()


def _strange_words(name: str, criteria: Sequence[Criterion]) -> list[str]:
    words = _words_of(name)
    if not words:
        return []
    if any(criterion.sign not in ("=", "!=") for criterion in criteria):
        return [f"{name} is a word; compare it by = or !="]
    asked = [word for criterion in criteria for word in criterion.values if word not in words]
    return [f"{name} is never {word!r}{did_you_mean(word, [*words])}" for word in asked]


def _is_number(name: str, criteria: Sequence[Criterion]) -> bool:
    if _words_of(name):
        return False
    return name in VARIABLES or any(criterion.sign not in ("=", "!=") for criterion in criteria)


def _some_word(name: str, criteria: Sequence[Criterion]) -> bool:
    wanted = [set(criterion.values) for criterion in criteria if criterion.sign == "="]
    unwanted = {word for criterion in criteria if criterion.sign == "!=" for word in criterion.values}
    known = set(_words_of(name))
    if not wanted and not known:
        return True
    left = set.intersection(*wanted) if wanted else known
    return bool(left - unwanted)


def _some_number(name: str, criteria: Sequence[Criterion]) -> bool:
    low, high = _domain(name)
    for criterion in criteria:
        if criterion.sign not in ("=", "!="):
            low, high = _narrowed(low, high, criterion)
    try:
        wanted = [set(map(float, criterion.values)) for criterion in criteria if criterion.sign == "="]
        unwanted = {float(value) for criterion in criteria if criterion.sign == "!=" for value in criterion.values}
    except ValueError:
        return False
    if wanted:
        return any(low[0] <= value <= high[0] and not _outside(value, low, high) for value in
                   set.intersection(*wanted) - unwanted)  # fmt: skip
    if low[0] == high[0]:
        return not (low[1] or high[1]) and low[0] not in unwanted
    return low[0] < high[0]


def _domain(name: str) -> tuple[tuple[float, bool], tuple[float, bool]]:
    variable = VARIABLES.get(name)
    if variable is None:
        return (-math.inf, False), (math.inf, False)
    return (variable.low, False), (variable.high, False)


def _narrowed(
    low: tuple[float, bool], high: tuple[float, bool], criterion: Criterion
) -> tuple[tuple[float, bool], tuple[float, bool]]:
    """Ends, each with whether it is left out, after one more condition."""
    end, is_open = criterion.number, criterion.sign in ("<", ">")
    if criterion.sign in (">", ">="):
        return max(low, (end, is_open)), high
    return low, min(high, (end, is_open), key=lambda one: (one[0], not one[1]))


def _outside(value: float, low: tuple[float, bool], high: tuple[float, bool]) -> bool:
    return (low[1] and value == low[0]) or (high[1] and value == high[0])


__all__ = ["allows_segment", "find_contradictions"]
