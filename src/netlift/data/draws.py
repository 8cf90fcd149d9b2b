"""Words that look drawn by chance, made from others: the same words give the same, on every machine."""

from __future__ import annotations

import numpy as np


def mix(words: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of a word changes half of the bits of the answer.

    Args:
        words: uint64, any shape.

    References:
        Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.

    Examples:
        >>> mix(np.array([1], dtype=np.uint64)) == mix(np.array([1], dtype=np.uint64))
        array([ True])
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
