"""Random streams of customers' lives: one per world, or draws shared by all worlds.

Worlds that are to be compared must differ by what was sent and by nothing else. `MatchedFate` therefore draws by
person, day and purpose: whatever happened to others, and whatever happened to this person before, the luck of this
person on this day is the same in every world (common random numbers).

References:
    Glasserman, Yao (1992), Some guidelines and guarantees for common random numbers, Management Science 38(6).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

PURPOSES = (
    "turn", "move", "look", "first", "category", "basket", "promo", "return", "return_day", "upset", "pages",
    "asked", "willing", "mood", "delivered", "leave", "warm", "redeem", "complain",
)  # fmt: skip


class Fate(Protocol):
    """Draws for persons, by position, on a day; each shape (persons,)."""

    def uniform(self, persons: np.ndarray, day: int, purpose: str) -> np.ndarray:
        """Uniform on [0, 1)."""

    def normal(self, persons: np.ndarray, day: int, purpose: str) -> np.ndarray:
        """Standard normal."""

    def poisson(self, persons: np.ndarray, day: int, purpose: str, *, mean: float) -> np.ndarray:
        """Poisson of one mean."""

    def integers(self, persons: np.ndarray, day: int, purpose: str, *, low: int, high: int) -> np.ndarray:
        """Even over low, ..., high - 1."""


class StreamFate:
    """The next draws of one stream, whoever asks.

    Args:
        rng: The stream.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def uniform(self, persons: np.ndarray, day: int, purpose: str) -> np.ndarray:
        """Uniform on [0, 1)."""
        return self._rng.random(len(persons))

    def normal(self, persons: np.ndarray, day: int, purpose: str) -> np.ndarray:
        """Standard normal."""
        return self._rng.standard_normal(len(persons))

    def poisson(self, persons: np.ndarray, day: int, purpose: str, *, mean: float) -> np.ndarray:
        """Poisson of one mean."""
        return self._rng.poisson(mean, len(persons))

    def integers(self, persons: np.ndarray, day: int, purpose: str, *, low: int, high: int) -> np.ndarray:
        """Even over low, ..., high - 1."""
        return self._rng.integers(low, high, len(persons))


class MatchedFate:
    """Draws that depend on the seed, the person, the day and the purpose alone.

    Args:
        seed: Of the world and of all worlds it is compared with.
        count: Persons.

    Examples:
        >>> fate, again = MatchedFate(seed=1, count=5), MatchedFate(seed=1, count=5)
        >>> alone = fate.uniform(np.array([3]), 10, "move")
        >>> bool(alone[0] == again.uniform(np.array([0, 3, 4]), 10, "move")[1])
        True
    """

    def __init__(self, *, seed: int, count: int) -> None:
        self._seed, self._count = seed, count

    def uniform(self, persons: np.ndarray, day: int, purpose: str) -> np.ndarray:
        """Uniform on [0, 1)."""
        return np.asarray(self._stream(day, purpose).random(self._count)[persons])

    def normal(self, persons: np.ndarray, day: int, purpose: str) -> np.ndarray:
        """Standard normal."""
        return np.asarray(self._stream(day, purpose).standard_normal(self._count)[persons])

    def poisson(self, persons: np.ndarray, day: int, purpose: str, *, mean: float) -> np.ndarray:
        """Poisson of one mean."""
        return np.asarray(self._stream(day, purpose).poisson(mean, self._count)[persons])

    def integers(self, persons: np.ndarray, day: int, purpose: str, *, low: int, high: int) -> np.ndarray:
        """Even over low, ..., high - 1."""
        return np.asarray(self._stream(day, purpose).integers(low, high, self._count)[persons])

    def _stream(self, day: int, purpose: str) -> np.random.Generator:
        return np.random.default_rng((self._seed, day, PURPOSES.index(purpose)))


__all__ = ["PURPOSES", "Fate", "MatchedFate", "StreamFate"]
