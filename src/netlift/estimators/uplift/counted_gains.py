"""Gains that a decision counts: all, some offers, large ones, or one offer for all.

    an offer that does not count       min(uplift, 0)              no gain, a loss as it is
    with a cutoff                      uplift - cutoff             it is paid before anything is gained
    everybody one offer                max(uplift, least), least > 0, the others as above: who is moved most stays first

The same on arrays, where parts of a policy are tried, and on the stored form, where one of them ships.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netlift.estimators.expression import Expression, constant, linear, maximum
from netlift.estimators.rows import Candidate

CONSTANT = "constant"  # the name of a candidate that gives everybody one offer


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What counts of a policy over m offers.

    Attributes:
        offers: Positions of the offers that count, 0 to m - 1.
        cutoff: What a contact must be predicted to earn above, in currency.
        least: What everybody is predicted to gain at least of the one offer that counts; None where the model chooses.
    """

    offers: tuple[int, ...]
    cutoff: float = 0.0
    least: float | None = None

    def count(self, uplift: np.ndarray) -> np.ndarray:
        """Predicted uplift as it counts, of raw uplift, both of shape (n, m).

        Examples:
            >>> Counted(offers=(0,), cutoff=2.0).count(np.array([[3.0, 5.0], [1.0, -1.0]])).tolist()
            [[1.0, 0.0], [-1.0, -1.0]]
            >>> Counted(offers=(1,), least=0.5).count(np.array([[3.0, 5.0], [1.0, -1.0]])).tolist()
            [[0.0, 5.0], [0.0, 0.5]]
        """
        found = np.minimum(uplift, 0.0)
        for j in self.offers:
            found[:, j] = uplift[:, j] - self.cutoff if self.least is None else np.maximum(uplift[:, j], self.least)
        return found


def count_gains(candidate: Candidate, counted: Counted, *, offers: Sequence[str]) -> Candidate:
    """The candidate whose outputs `uplift_<offer>` hold what counts; itself where everything does, or `constant`.

    Args:
        candidate: An uplift model; its other outputs are not touched.
        counted: What counts.
        offers: Names of the m offers.
    """
    if counted == Counted(offers=tuple(range(len(offers)))):
        return candidate
    spec: dict[str, Any] = json.loads(candidate.files["model.json"])
    place = {f"uplift_{offer}": j for j, offer in enumerate(offers)}
    for output in spec["outputs"]:
        if output["name"] in place:
            output["expression"] = _count(output["expression"], place[output["name"]], counted)
    files = {**candidate.files, "model.json": json.dumps(spec, ensure_ascii=False, indent=1).encode()}
    return replace(candidate, files=files, name=candidate.name if counted.least is None else CONSTANT)


def _count(uplift: Expression, offer: int, counted: Counted) -> Expression:
    if offer not in counted.offers:
        return linear(0.0, [-1.0], [maximum([linear(0.0, [-1.0], [uplift]), constant(0.0)])])
    if counted.least is not None:
        return maximum([uplift, constant(counted.least)])
    return linear(-counted.cutoff, [1.0], [uplift])


__all__ = ["Counted", "count_gains"]
