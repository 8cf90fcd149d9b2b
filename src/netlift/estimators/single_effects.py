"""Sparse regression by single effects: few of many features tell something, and it is uncertain which.

    b = b_1 + ... + b_L        each b_l has one entry that is not 0, normal with variance `slab`, any feature as likely

The posterior mean of each given the others is that of one feature at a time, weighted by its Bayes factor, in turn
until nothing moves. Features that say the same share the effect; a feature that says nothing gets next to none.

References:
    Wang, Sarkar, Carbonetto, Stephens (2020), A simple new approach to variable selection in regression, JRSS B 82.
    Wakefield (2009), Bayes factors for genome-wide association studies, Genetic Epidemiology 33.
"""

from __future__ import annotations

import numpy as np

SWEEPS = 50
STILL = 1e-4


def find_single_effects(gram: np.ndarray, toward: np.ndarray, *, effects: int, slab: float) -> np.ndarray:
    """The posterior mean of b for a log-likelihood of -b'Gb/2 + t'b, shape (k,).

    Args:
        gram: G, the information, shape (k, k).
        toward: t, shape (k,).
        effects: L, the most features that tell something.
        slab: Prior variance of an effect.

    Examples:
        >>> find_single_effects(np.diag([100.0, 100.0]), np.array([100.0, 0.0]), effects=1, slab=1.0).round(2)
        array([0.99, 0.  ])
    """
    error = 1.0 / np.maximum(np.diag(gram), 1e-12)
    shrinkage = slab / (error + slab)
    found = np.zeros((effects, len(toward)))
    for _ in range(SWEEPS):
        before = found.copy()
        for one in range(effects):
            alone = (toward - gram @ (found.sum(axis=0) - found[one])) * error
            log_factor = 0.5 * (np.log1p(-shrinkage) + alone**2 / error * shrinkage)
            chance = np.exp(log_factor - log_factor.max())
            found[one] = chance / chance.sum() * shrinkage * alone
        if np.abs(found - before).max(initial=0.0) < STILL:
            break
    return np.asarray(found.sum(axis=0))


__all__ = ["find_single_effects"]
