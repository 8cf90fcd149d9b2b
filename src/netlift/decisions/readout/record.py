"""The log of a decision run, validated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

ARMS = ("policy", "explore", "new_offer", "holdout", "journey")
NEEDED = ("customer_id", "as_of", "run_key", "offer_id", "arm", "propensity", "expected_profit")
NONE_NAME, CHANCE = "none", "p_"
POLICY_PROFIT = "policy_profit"
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionRecord:
    """A run's log, one row per customer.

    Attributes:
        run_key: Its key.
        as_of: Day of the decision; outcomes count from its first moment.
        ids: Customers, shape (n,).
        offers: Names of the m options.
        arm: policy, explore, new_offer, holdout or journey, shape (n,).
        option: What each got, -1 for none, shape (n,).
        chances: Chance of none (column 0) and of each option, shape (n, m + 1); NaN for holdout and journeys.
        expected_profit: Of what each got, NaN where nobody knows, shape (n,).
        policy_profit: Expected profit of what the policy gives, or would have given to those who explored, shape (n,);
            None where it was not logged.

    Raises:
        DataError: The log contradicts itself; all that was found, counted.
    """

    run_key: str
    as_of: date
    ids: np.ndarray
    offers: tuple[str, ...]
    arm: np.ndarray
    option: np.ndarray
    chances: np.ndarray
    expected_profit: np.ndarray
    policy_profit: np.ndarray | None = None
    logged: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        mistakes = [*self._mistakes()]
        if mistakes:
            raise DataError(
                f"decisions of {self.run_key}: {'; '.join(mistakes)}. The log is not what was decided: restore "
                "decisions.parquet of the run before anything is read from it"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def held_out(self) -> np.ndarray:
        """The universal holdout, bool, shape (n,)."""
        return np.asarray(self.arm == "holdout")

    @property
    def in_journey(self) -> np.ndarray:
        """Who got the step of a journey, whose arm was drawn when it began, bool, shape (n,)."""
        return np.asarray(self.arm == "journey")

    @property
    def open_to(self) -> np.ndarray:
        """Whose offer, or none, was left to chance, bool, shape (n,)."""
        none = self.chances[:, 0]
        return np.asarray(~self.held_out & (none < 1 - ROUNDING))

    @property
    def propensity(self) -> np.ndarray:
        """Chance of what each got, NaN for holdout and journeys, shape (n,)."""
        return np.asarray(self.chances[np.arange(len(self)), self.option + 1])

    @property
    def policy(self) -> np.ndarray:
        """What the policy gives, -1 for none, shape (n,): nothing else can have the largest chance."""
        return np.where(self.in_journey, self.option + 1, np.nan_to_num(self.chances).argmax(axis=1)) - 1

    def _mistakes(self) -> Iterator[str]:
        n, out = len(self), self.held_out
        undrawn = out | self.in_journey
        told = {
            "rows repeat a customer": n - len(np.unique(self.ids)),
            f"rows have an arm that is none of {', '.join(ARMS)}": int((~np.isin(self.arm, ARMS)).sum()),
            "customers of the holdout got an offer": int((out & (self.option >= 0)).sum()),
        }
        p = self.chances[~undrawn]
        strange = ~np.isfinite(p).all(axis=1) | (p < -ROUNDING).any(axis=1)
        told["rows have a chance that is missing or below 0"] = int(strange.sum())
        adrift = ~strange & (np.abs(p.sum(axis=1) - 1) > ROUNDING)
        told["rows have chances that do not add up to 1"] = int(adrift.sum())
        told["rows got what had no chance"] = int((~strange & (self.propensity[~undrawn] <= 0)).sum())
        if self.logged is not None:
            away = ~strange & ~(np.abs(self.propensity[~undrawn] - self.logged[~undrawn]) <= ROUNDING)
            told["rows have a propensity that is not the chance of their offer"] = int(away.sum())
        yield from (f"{count:,} of {n:,} {what}" for what, count in told.items() if count)


def load_decisions(path: Path) -> DecisionRecord:
    """Read `decisions.parquet` of a run.

    Raises:
        UsageError: No such file.
        DataError: Columns are missing, several runs are in one file, or the log contradicts itself.
    """
    import pandas as pd

    if not path.is_file():
        raise UsageError(f"no log at {path}; give the decisions.parquet of a run of `netlift decide`")
    return record_of(pd.read_parquet(path))


def record_of(frame: pd.DataFrame) -> DecisionRecord:
    """The log of a frame with the columns of `decisions.parquet`.

    Raises:
        DataError: As `load_decisions`.
    """
    missing = [name for name in (*NEEDED, CHANCE + NONE_NAME) if name not in frame]
    if missing:
        raise DataError(f"decisions: no columns {', '.join(missing)}; the log of a run has them all")
    if not len(frame):
        raise DataError("decisions: no rows; a run logs every customer")
    for name in ("run_key", "as_of"):
        if frame[name].nunique(dropna=False) != 1:
            raise DataError(f"decisions.{name}: {frame[name].nunique(dropna=False)} values; read one run at a time")
    chances = [name for name in map(str, frame) if name.startswith(CHANCE) and name != CHANCE + NONE_NAME]
    offers = tuple(name.removeprefix(CHANCE) for name in chances)
    place = {NONE_NAME: -1, **{offer: j for j, offer in enumerate(offers)}}
    option = frame["offer_id"].map(place)
    if option.isna().any():
        raise DataError(
            f"decisions.offer_id: {int(option.isna().sum()):,} of {len(frame):,} rows have an offer without a column "
            f"{CHANCE}<offer> of its chances; found are {', '.join(offers) or 'none'}"
        )
    return DecisionRecord(
        run_key=str(frame["run_key"].iloc[0]),
        as_of=frame["as_of"].iloc[0],
        ids=frame["customer_id"].to_numpy(dtype=object).astype(str),
        offers=offers,
        arm=frame["arm"].to_numpy(dtype=object).astype(str),
        option=option.to_numpy(dtype=np.int64),
        chances=frame[[CHANCE + name for name in (NONE_NAME, *offers)]].to_numpy(dtype=np.float64),
        expected_profit=frame["expected_profit"].to_numpy(dtype=np.float64),
        policy_profit=frame[POLICY_PROFIT].to_numpy(dtype=np.float64) if POLICY_PROFIT in frame else None,
        logged=frame["propensity"].to_numpy(dtype=np.float64),
    )


__all__ = ["DecisionRecord", "load_decisions", "record_of"]
