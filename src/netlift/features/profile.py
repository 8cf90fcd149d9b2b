"""Feature profile of training, and drift of today's features from it.

Some features move though the world stands still: those of a cohort age with it, and those of contacts follow what the
business itself sent. Drift is therefore held against what training saw the same feature do: the newer half of its rows
against the older, carried on to the day of the scores. Small shifts of a distribution move the population stability
index by their square, so twice the distance is four times the index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlift.features.matrix import Feature, FeatureMatrix
from netlift.features.vocabulary import OTHER

BINS = 10
CALENDAR = "cutoff"
DRIFTED = 0.25
OWN_ACTS = re.compile(r"openings_\d+d|days_since_last_nps")
"""Features of events and surveys that move with what the business sends, beside all those of contacts."""
US_PER_DAY = 86_400_000_000
WHAT_HELPS = (
    "Train again, which learns from the newest cutoffs; where that does not help, look whether a source lost or gained "
    "rows (`netlift check`, and the months of `netlift scorecard`)"
)


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
        expected: The index that the feature's own way through the training cutoffs leads to by now.
        is_own_act: Whether it follows what the business sent.
    """

    feature: str
    psi: float
    missing_before: float
    missing_now: float
    other_before: float = 0.0
    other_now: float = 0.0
    expected: float = 0.0
    is_own_act: bool = False

    @property
    def is_news(self) -> bool:
        """Whether the world has moved: far, farther than the feature goes by itself, and not by our own contacts."""
        return self.psi > max(DRIFTED, self.expected) and not self.is_own_act


class Profile:
    """Frozen bins of every training feature and the share of rows in each; holds no row of anybody.

    Features of the cutoff itself are left out: the calendar moves by nature.

    Args:
        features: Feature names, in order.
        edges: Inner edges of each feature's bins; for a category, halves between its codes.
        shares: Share of training rows per bin, the last for missing.
        others: Bin of the values that the vocabulary does not name; None for a number.
        speeds: How far each feature went inside training: the index between its halves, over their distance in days
            squared.
        own_acts: Whether each follows what the business sent.
        centre: Mean cutoff of the training rows, days since 1970; None where nobody knows.
    """

    def __init__(
        self,
        features: Sequence[str],
        edges: Sequence[Sequence[float]],
        shares: Sequence[Sequence[float]],
        others: Sequence[int | None],
        speeds: Sequence[float] = (),
        own_acts: Sequence[bool] = (),
        centre: float | None = None,
    ) -> None:
        self.features = list(features)
        self.others = list(others)
        self.edges = [np.asarray(e, dtype=np.float64) for e in edges]
        self.shares = [np.asarray(s, dtype=np.float64) for s in shares]
        self.speeds = list(speeds) or [0.0] * len(self.features)
        self.own_acts = list(own_acts) or [False] * len(self.features)
        self.centre = centre

    @classmethod
    def of(cls, X: np.ndarray, features: Sequence[Feature], cutoff: np.ndarray | None = None) -> Profile:
        """The profile of a training matrix.

        Args:
            X: Shape (n, k).
            features: Its columns.
            cutoff: Of each row, datetime64, shape (n,); None where all rows are of one moment.
        """
        watched = [(X[:, i], feature) for i, feature in enumerate(features) if feature.source != CALENDAR]
        edges = [_edges(x, feature) for x, feature in watched]
        shares = [_counts(x, e) / len(X) for (x, _), e in zip(watched, edges, strict=True)]
        others = [f.categories.index(OTHER) if f.kind == "category" else None for _, f in watched]
        own_acts = [f.source == "contacts" or bool(OWN_ACTS.fullmatch(f.name)) for _, f in watched]
        names, bins, parts = [f.name for _, f in watched], [list(e) for e in edges], [list(s) for s in shares]
        if cutoff is None:
            return cls(names, bins, parts, others, own_acts=own_acts)
        day = _days(cutoff)
        newer = day > np.median(day)
        speeds = [0.0] * len(names)
        if newer.any() and not newer.all():
            apart = float(day[newer].mean() - day[~newer].mean())
            halves = [(_counts(x[~newer], e), _counts(x[newer], e)) for (x, _), e in zip(watched, edges, strict=True)]
            speeds = [_psi(old / old.sum(), new) / apart**2 for old, new in halves]
        return cls(names, bins, parts, others, speeds, own_acts, float(day.mean()))

    def to_json(self) -> bytes:
        """The profile as JSON bytes; the same profile gives the same bytes."""
        rows = zip(self.features, self.edges, self.shares, self.others, self.speeds, self.own_acts, strict=True)
        features = [
            {
                "feature": f,
                "edges": e.tolist(),
                "shares": np.round(s, 9).tolist(),
                "other": other,
                "speed": speed,
                "own_act": own_act,
            }
            for f, e, s, other, speed, own_act in rows
        ]
        return json.dumps({"centre": self.centre, "features": features}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Profile:
        """Read what `to_json` wrote; models of before have a plain list, of features that stand still."""
        plain: dict[str, Any] | list[dict[str, Any]] = json.loads(content)
        known: dict[str, Any] = {"centre": None, "features": plain} if isinstance(plain, list) else plain
        rows = [{"speed": 0.0, "own_act": False, **row} for row in known["features"]]
        return cls(
            [row["feature"] for row in rows],
            [row["edges"] for row in rows],
            [row["shares"] for row in rows],
            [row["other"] for row in rows],
            [row["speed"] for row in rows],
            [row["own_act"] for row in rows],
            known["centre"],
        )

    def watch(self) -> DriftWatch:
        """A counter that sees the rows of today, part by part."""
        return DriftWatch(self)

    def expected(self, today: float) -> list[float]:
        """The index that each feature's own way leads to on a day, given in days since 1970."""
        away = 0.0 if self.centre is None else max(today - self.centre, 0.0)
        return [speed * away**2 for speed in self.speeds]


class DriftWatch:
    """Counts rows per training bin as they pass."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._counts = [np.zeros(len(shares)) for shares in profile.shares]
        self._today = 0.0

    def see(self, matrix: FeatureMatrix) -> None:
        """Count the rows of a part."""
        position = {name: i for i, name in enumerate(matrix.names)}
        if len(matrix):
            self._today = max(self._today, float(_days(matrix.cutoff).max()))
        for i, name in enumerate(self._profile.features):
            self._counts[i] += _counts(matrix.X[:, position[name]], self._profile.edges[i])

    def counts(self) -> dict[str, Any]:
        """Rows per bin of each feature, and the newest day, for another watch to add."""
        return {"today": self._today, "bins": [counts.tolist() for counts in self._counts]}

    def add(self, counts: Mapping[str, Any]) -> None:
        """Count the rows that another watch of this profile has seen."""
        self._today = max(self._today, counts["today"])
        for mine, theirs in zip(self._counts, counts["bins"], strict=True):
            mine += theirs

    def drifts(self) -> tuple[Drift, ...]:
        """Every feature's drift, the largest first.

        The index is less its own expectation under no change, (bins - 1) / n, so that a small list is not an alarm.
        """
        found = []
        known = self._profile
        expected = known.expected(self._today)
        rows = zip(known.features, known.shares, self._counts, known.others, expected, known.own_acts, strict=True)
        for name, before, counts, other, by_itself, own_act in rows:
            n = counts.sum()
            if n == 0:
                continue
            now = counts / n
            found.append(
                Drift(
                    feature=name,
                    psi=_psi(before, counts),
                    expected=by_itself,
                    is_own_act=own_act,
                    missing_before=float(before[-1]),
                    missing_now=float(now[-1]),
                    other_before=0.0 if other is None else float(before[other]),
                    other_now=0.0 if other is None else float(now[other]),
                )
            )
        return tuple(sorted(found, key=lambda drift: (-drift.psi, drift.feature)))


def _psi(before: np.ndarray, counts: np.ndarray) -> float:
    """The index of counts against shares of before, less what chance alone gives."""
    n = counts.sum()
    now, floor = counts / n, 0.5 / n
    p, q = np.maximum(before, floor), np.maximum(now, floor)
    used = (before > 0) | (now > 0)
    return max(float(((q - p) * np.log(q / p))[used].sum()) - (int(used.sum()) - 1) / float(n), 0.0)


def _days(cutoff: np.ndarray) -> np.ndarray:
    return cutoff.astype("datetime64[us]").astype(np.int64) / US_PER_DAY


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
