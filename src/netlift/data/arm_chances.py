"""Propensities of all arms logged with a contact: {"control": 0.3, "email": 0.5, "sms": 0.2}.

The chance of the drawn arm alone says how rare a customer is within his arm. How an arm's customers differ from those
of control is told by the chance of that arm *against* control, which of several arms only the whole row of chances
gives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

TOLERANCE = 1e-6
"""By how much chances may miss 1 in all, or the logged propensity."""


def write_chances(arms: Sequence[str], chances: np.ndarray) -> np.ndarray:
    """The text of each customer, dtype object, shape (n,); None where all had the same, or chance took no part.

    Args:
        arms: Names, control among them, k of them.
        chances: Chance of each arm, NaN where nothing was drawn, shape (n, k).

    Examples:
        >>> write_chances(["control", "sms"], np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
        ['{"control": 0.5, "sms": 0.5}', '{"control": 1.0}']
        >>> write_chances(["control", "sms"], np.array([[0.5, 0.5], [0.5, 0.5]])).tolist()
        [None, None]
    """
    kept = ~np.isnan(chances).any(axis=1)
    texts = np.full(len(chances), None, dtype=object)
    rows, code = np.unique(chances[kept], axis=0, return_inverse=True)
    if len(rows) > 1:
        written = [
            json.dumps({arm: float(p) for arm, p in zip(arms, row, strict=True) if p > 0}, ensure_ascii=False)
            for row in rows
        ]
        texts[kept] = np.array(written, dtype=object)[code.ravel()]
    return texts


def parse_chances(text: str, *, arm: str, propensity: float | None) -> dict[str, float]:
    """Arm to chance; empty where the text holds no chances that add up to 1, or the drawn arm's is not as logged.

    Args:
        text: What was logged.
        arm: The arm that was drawn.
        propensity: Its logged chance.

    Examples:
        >>> parse_chances('{"control": 0.3, "sms": 0.7}', arm="sms", propensity=0.7)
        {'control': 0.3, 'sms': 0.7}
        >>> parse_chances('{"control": 0.3, "sms": 0.8}', arm="sms", propensity=0.8)
        {}
    """
    try:
        found = json.loads(text)
        chances = {name: float(p) for name, p in found.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
    possible = all(0 <= p <= 1 for p in chances.values()) and abs(sum(chances.values()) - 1) <= TOLERANCE
    as_logged = propensity is not None and abs(chances.get(arm, 0.0) - propensity) <= TOLERANCE
    return chances if possible and as_logged else {}


__all__ = ["TOLERANCE", "parse_chances", "write_chances"]
