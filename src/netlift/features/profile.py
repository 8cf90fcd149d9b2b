"""What the features looked like in training, and how far those of today have drifted from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.vocabulary import OTHER

BINS = 10
CALENDAR = "cutoff"
DRIFTED = 0.25


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How far one feature has moved.

    Attributes:
        feature: Its name.
        psi: Population stability index: Σ (p - q) ln(p / q) over the training deciles and the missing share.
        missing_before: Share missing in training.
        missing_now: Share missing now.
        other_before: Share of values that the vocabulary does not name, in training; 0 for a number.
        other_now: The same now: values that training never saw are among them.
    """

    feature: str
    psi: float
    missing_before: float
    missing_now: float
    other_before: float = 0.0
    other_now: float = 0.0


class Profile:
    """Frozen bins of every training feature and the share of rows in each; holds no row of anybody.

    Features of the cutoff itself are left out: the calendar moves by nature.

    Args:
        features: Feature names, in order.
        edges: Inner edges of each feature's bins; for a category, halves between its codes.
        shares: Share of training rows per bin, the last for missing.
        others: Bin of the values that the vocabulary does not name; None for a number.
    """

    def __init__(
        self,
        features: Sequence[str],
        edges: Sequence[Sequence[float]],
        shares: Sequence[Sequence[float]],
        others: Sequence[int | None],
    ) -> None:
        self.features = list(features)
        self.others = list(others)
        self.edges = [np.asarray(e, dtype=np.float64) for e in edges]
        self.shares = [np.asarray(s, dtype=np.float64) for s in shares]

    @classmethod
    def of(cls, X: np.ndarray, features: Sequence[Feature]) -> Profile:
        """The profile of a training matrix of shape (n, k)."""
        watched = [(X[:, i], feature) for i, feature in enumerate(features) if feature.source != CALENDAR]
        edges = [_edges(x, feature) for x, feature in watched]
        shares = [_counts(x, e) / len(X) for (x, _), e in zip(watched, edges, strict=True)]
        others = [f.categories.index(OTHER) if f.kind == "category" else None for _, f in watched]
        return cls([f.name for _, f in watched], [list(e) for e in edges], [list(s) for s in shares], others)

    def to_json(self) -> bytes:
        """The profile as JSON bytes; the same profile gives the same bytes."""
        rows = zip(self.features, self.edges, self.shares, self.others, strict=True)
        return json.dumps(
            [
                {"feature": f, "edges": e.tolist(), "shares": np.round(s, 9).tolist(), "other": other}
                for f, e, s, other in rows
            ]
        ).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Profile:
        """Read what `to_json` wrote."""
        rows: list[dict[str, Any]] = json.loads(content)
        columns = ([row[name] for row in rows] for name in ("feature", "edges", "shares", "other"))
        return cls(*columns)

    def watch(self) -> DriftWatch:
        """A counter that sees the rows of today, part by part."""
        return DriftWatch(self)


class DriftWatch:
    """Counts rows per training bin as they pass."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._counts = [np.zeros(len(shares)) for shares in profile.shares]

    def see(self, matrix: FeatureMatrix) -> None:
        """Count the rows of a part."""
        position = {name: i for i, name in enumerate(matrix.names)}
        for i, name in enumerate(self._profile.features):
            self._counts[i] += _counts(matrix.X[:, position[name]], self._profile.edges[i])

    def drifts(self) -> tuple[Drift, ...]:
        """Every feature's drift, the largest first.

        The index is less its own expectation under no change, (bins - 1) / n, so that a small list is not an alarm.
        """
        found = []
        rows = zip(self._profile.features, self._profile.shares, self._counts, self._profile.others, strict=True)
        for name, before, counts, other in rows:
            n = counts.sum()
            if n == 0:
                continue
            now = counts / n
            floor = 0.5 / n
            p, q = np.maximum(before, floor), np.maximum(now, floor)
            used = (before > 0) | (now > 0)
            psi = float(((q - p) * np.log(q / p))[used].sum()) - (int(used.sum()) - 1) / n
            found.append(
                Drift(
                    feature=name,
                    psi=max(psi, 0.0),
                    missing_before=float(before[-1]),
                    missing_now=float(now[-1]),
                    other_before=0.0 if other is None else float(before[other]),
                    other_now=0.0 if other is None else float(now[other]),
                )
            )
        return tuple(sorted(found, key=lambda drift: (-drift.psi, drift.feature)))


def _edges(x: np.ndarray, feature: Feature) -> np.ndarray:
    if feature.kind == "category":
        return np.arange(len(feature.categories) - 1) + 0.5
    seen = x[~np.isnan(x)]
    if not len(seen):
        return np.empty(0)
    return np.unique(np.quantile(seen, np.arange(1, BINS) / BINS).astype(np.float64))


def _counts(x: np.ndarray, edges: np.ndarray) -> np.ndarray:
    missing = np.isnan(x)
    bins = np.searchsorted(edges, x[~missing].astype(np.float64), side="left")
    return np.append(np.bincount(bins, minlength=len(edges) + 1), missing.sum()).astype(np.float64)
