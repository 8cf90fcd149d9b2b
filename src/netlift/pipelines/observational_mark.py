"""What was made from campaigns that nobody randomized says so, wherever it is shown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from netlift.estimators.rows import ContactRows

OBSERVATIONAL = "observational"


@dataclass(frozen=True, kw_only=True)
class ObservationalMark:
    """Which rows are observational.

    Attributes:
        campaigns: Their campaigns.
        rows: Which rows, bool, shape (n,).
    """

    campaigns: tuple[str, ...]
    rows: np.ndarray

    @property
    def tag(self) -> str:
        """The campaigns, for tags and manifests."""
        return ", ".join(self.campaigns)

    @property
    def note(self) -> str:
        """How much of the rows it is, for the card."""
        marked, n = int(self.rows.sum()), len(self.rows)
        return (
            f"{OBSERVATIONAL}: {marked:,} of {n:,} rows ({marked / n:.0%}) are of campaigns that nobody randomized "
            f"({self.tag}), with estimated chances, by consent of the definition: what is made from them is an "
            "observation, not an experiment"
        )

    def replace_rows(self, rows: ContactRows, *, propensity: np.ndarray, kept: np.ndarray) -> ContactRows:
        """All rows, with estimated chances for the marked ones and without those of them that are not kept.

        Args:
            rows: The rows that the mark was made of.
            propensity: Of the marked rows, shape (marked,).
            kept: Which of them, bool, shape (marked,).
        """
        chances, among = rows.propensity.copy(), ~self.rows
        chances[self.rows] = propensity
        among[self.rows] = kept
        return replace(rows, propensity=chances).take(among)

    def mark(self, words: str) -> str:
        """A sentence that says it."""
        return f"{OBSERVATIONAL} (campaign {self.tag} was not randomized): {words}"


def mark_observational(
    rows: ContactRows, campaigns: Sequence[str], consented: Collection[str]
) -> ObservationalMark | None:
    """The mark of contact rows; None where all of them are of randomized campaigns.

    Args:
        rows: Contact rows.
        campaigns: Names of the campaigns, by code.
        consented: `UpliftDefinition.observational`.
    """
    codes = [code for code, name in enumerate(campaigns) if name in set(consented)]
    marked = np.isin(rows.campaign, codes)
    names = tuple(campaigns[code] for code in codes if np.any(rows.campaign == code))
    return ObservationalMark(campaigns=names, rows=marked) if names else None
