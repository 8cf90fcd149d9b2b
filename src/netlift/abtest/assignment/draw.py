"""Assignment of arms by a salted hash of the customer id, reproducible on any machine.

One keyed hash turns a customer (or a household) into 64 bits that nobody can foresee without the salt. From these each
arm draws an exponential waiting time with its share as rate, and the shortest wait wins. That gives

- P(arm) = its share, exactly, and independently for every customer and every salt;
- stickiness: an arm depends on the customer and the salt alone, so who joins later moves nobody;
- least movement: when one arm's share grows, customers move into it and nowhere else.

Where strata are asked for, units are put in the order of their hash within each stratum and the order is cut into
blocks, so that each stratum has its shares to within one customer; who joins later may then move others.

References:
    Aumasson et al. (2013), BLAKE2: simpler, smaller, fast as MD5; RFC 7693.
    Thaler, Ravishankar (1998), Using name-based mappings to increase hit rates, IEEE/ACM Trans. Networking 6(1):
        rendezvous hashing, here with weights.
    Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA: the finaliser.
    Madow (1949), On the theory of systematic sampling II: cuts that keep every expectation exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from netlift.errors import DataError


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


Purpose = Literal["arm", "stratum", "sample", "holdout", "explore"]
REST = "(rest)"
_53_BITS = 2.0**-53


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """Which arm each customer was drawn into.

    Attributes:
        arms: Names, control among them.
        arm: Position of each customer's arm among the names, int8, shape (n,).
        propensity: Chance of the arm that was drawn, shape (n,): the planned share, or within strata the share of the
            stratum's units that the arm has.
        chances: Chance of every arm where strata differ in them, shape (n, k); None where all have the planned shares.
        strata: Strata that the draw was made in; 0 for one draw each.
        merged: Customers of strata too small to hold every arm, who were drawn together.
    """

    arms: tuple[str, ...]
    arm: np.ndarray
    propensity: np.ndarray
    chances: np.ndarray | None = None
    strata: int = 0
    merged: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Customers of each arm."""
        counts = np.bincount(self.arm, minlength=len(self.arms))
        return {arm: int(count) for arm, count in zip(self.arms, counts, strict=True)}


def hash_units(units: Sequence[str], *, salt: str, purpose: Purpose) -> np.ndarray:
    """64 bits for each unit, the same on every machine and in every order, uint64, shape (n,).

    Args:
        units: Ids of customers or households.
        salt: What the draw depends on besides the unit.
        purpose: What the bits are for; those of different purposes have nothing to do with each other.

    Examples:
        >>> [hex(word) for word in hash_units(["0001", "1"], salt="C12", purpose="arm")]
        ['0xcb6cc0c104cb54ab', '0xbd53ea4b1203c534']
    """
    key, person = hashlib.blake2b(salt.encode()).digest(), purpose.encode()
    hashed = [hashlib.blake2b(unit.encode(), digest_size=8, key=key, person=person).digest() for unit in units]
    return np.frombuffer(b"".join(hashed), dtype=">u8").astype(np.uint64)


def to_uniform(words: np.ndarray) -> np.ndarray:
    """Words as numbers of [0, 1), from their upper 53 bits."""
    return (words >> np.uint64(11)).astype(np.float64) * _53_BITS


def draw_arms(words: np.ndarray, shares: Mapping[str, float]) -> np.ndarray:
    """Position of the arm of each unit, int8, shape (n,): the arm whose exponential wait is shortest.

    Args:
        words: 64 bits of each unit, shape (n,).
        shares: Chance of each arm; only their ratios matter.
    """
    best = np.full(len(words), np.inf)
    chosen = np.zeros(len(words), dtype=np.int8)
    for position, (arm, share) in enumerate(shares.items()):
        key = np.frombuffer(hashlib.blake2b(arm.encode(), digest_size=8).digest(), dtype=">u8").astype(np.uint64)
        wait = -np.log1p(-to_uniform(mix(words ^ key))) / share
        sooner = wait < best
        best[sooner], chosen[sooner] = wait[sooner], position
    return chosen


def draw_blocks(words: np.ndarray, shares: Mapping[str, float], offset: float) -> np.ndarray:
    """Position of the arm of each unit of one stratum, int8, shape (n,): its order by hash, cut by the shares.

    Args:
        words: 64 bits of each unit of the stratum, shape (n,).
        shares: Chance of each arm, in all 1.
        offset: Of [0, 1): where the cuts fall between customers. Were it drawn evenly, every arm would have n times its
            share on average; it always has it to within one.

    Examples:
        >>> words = np.array([3, 1, 2, 0], dtype=np.uint64)
        >>> draw_blocks(words, {"control": 0.25, "sms": 0.75}, 0.0).tolist()
        [1, 1, 1, 0]
    """
    cuts = np.cumsum(list(shares.values()))
    cuts[-1] = 1.0
    ends = np.floor(len(words) * cuts + offset).astype(np.int64)
    arm = np.empty(len(words), dtype=np.int8)
    arm[np.argsort(words, kind="stable")] = np.searchsorted(ends, np.arange(len(words)), side="right")
    return arm


def assign(
    ids: Sequence[str],
    *,
    shares: Mapping[str, float],
    salt: str,
    strata: Sequence[str] | None = None,
    cluster: Sequence[str | None] | None = None,
) -> Assignment:
    """Draw an arm for each customer.

    Args:
        ids: Customers, each once, shape (n,).
        shares: Chance of each arm, in all 1.
        salt: What the draw depends on besides the customer.
        strata: Label of each customer's stratum, shape (n,); None for one draw each. Strata too small to hold every arm
            are drawn together. A cluster is of the stratum of its first customer by id.
        cluster: Cluster of each customer, such as a household, who all get one arm, shape (n,); a customer without one
            stands for himself.

    Raises:
        DataError: A customer twice, or within strata too few to put anybody into the smallest arm.

    Examples:
        >>> drawn = assign(["a", "b", "c", "d"], shares={"control": 0.5, "sms": 0.5}, salt="C12", strata=["x"] * 4)
        >>> drawn.counts
        {'control': 2, 'sms': 2}
    """
    twice = len(ids) - len(set(ids))
    if twice:
        raise DataError(f"customers: {twice:,} of {len(ids):,} rows repeat a customer; one arm needs one row each")
    units, unit_of = _units(ids, cluster)
    words = hash_units(units, salt=salt, purpose="arm")
    planned = np.array(list(shares.values()))
    if strata is None:
        arm = draw_arms(words, shares)[unit_of]
        return Assignment(arms=tuple(shares), arm=arm, propensity=planned[arm])
    labels = _labels_of_units(ids, strata, unit_of, units=len(units))
    kept = _merge_small(labels, fewest=int(np.ceil(1 / planned.min())))
    arm_of, chance_of = np.empty(len(units), dtype=np.int8), np.empty((len(units), len(planned)))
    names = sorted(set(kept))
    offsets = to_uniform(hash_units(names, salt=salt, purpose="stratum"))
    for name, offset in zip(names, offsets, strict=True):
        own = np.flatnonzero(kept == name)
        arm_of[own] = draw_blocks(words[own], shares, float(offset))
        chance_of[own] = np.bincount(arm_of[own], minlength=len(planned)) / len(own)
    arm, chances = arm_of[unit_of], chance_of[unit_of]
    merged = int((kept != labels)[unit_of].sum())
    return Assignment(
        arms=tuple(shares),
        arm=arm,
        propensity=chances[np.arange(len(ids)), arm],
        chances=chances,
        strata=len(names),
        merged=merged,
    )


def sample_customers(
    ids: Sequence[str], *, limit: int, salt: str, cluster: Sequence[str | None] | None = None
) -> np.ndarray:
    """Who is taken where a plan has room for some only, bool, shape (n,): whole clusters in the order of their hash.

    Args:
        ids: Customers, shape (n,).
        limit: At most so many are taken.
        salt: What the draw depends on besides the customer.
        cluster: Cluster of each customer, shape (n,), taken whole or not at all.
    """
    units, unit_of = _units(ids, cluster)
    order = np.argsort(hash_units(units, salt=salt, purpose="sample"), kind="stable")
    sizes = np.bincount(unit_of, minlength=len(units))
    taken = np.zeros(len(units), dtype=bool)
    taken[order] = np.cumsum(sizes[order]) <= limit
    return taken[unit_of]


def _units(ids: Sequence[str], cluster: Sequence[str | None] | None) -> tuple[list[str], np.ndarray]:
    """Ids of what is drawn, and the position of each customer's among them, shape (n,)."""
    if cluster is None:
        return list(ids), np.arange(len(ids))
    import pandas as pd

    # a household "7" is not the customer "7"
    named = [i if c is None else f"\x1f{c}" for i, c in zip(ids, cluster, strict=True)]
    codes, units = pd.factorize(np.asarray(named, dtype=object))
    return list(units), codes


def _labels_of_units(ids: Sequence[str], strata: Sequence[str], unit_of: np.ndarray, *, units: int) -> np.ndarray:
    """The stratum of each unit, that of its first customer by id, shape (units,), dtype object."""
    labels = np.empty(units, dtype=object)
    values = np.asarray(strata, dtype=object)
    if units == len(ids):
        labels[unit_of] = values
        return labels
    backwards = np.argsort(np.asarray(ids, dtype=object), kind="stable")[::-1]
    labels[unit_of[backwards]] = values[backwards]
    return labels


def _merge_small(labels: np.ndarray, *, fewest: int) -> np.ndarray:
    """Labels of strata with so many units at least; smaller ones together, with the smallest other if need be."""
    names, codes, counts = np.unique(labels.astype(str), return_inverse=True, return_counts=True)
    if len(labels) < fewest:
        raise DataError(
            f"{len(labels):,} customers or households were found, and the smallest arm needs {fewest:,} to hold "
            "anybody; widen eligible, or raise the smallest share"
        )
    small = counts < fewest
    if small.any() and counts[small].sum() < fewest:
        small[np.argmin(np.where(small, np.iinfo(np.int64).max, counts))] = True
    merged = np.where(small, REST, names).astype(object)
    return np.asarray(merged[codes], dtype=object)


__all__ = ["REST", "Assignment", "assign", "draw_arms", "draw_blocks", "hash_units", "sample_customers", "to_uniform"]
