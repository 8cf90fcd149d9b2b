"""Treatment and propensity columns as arm codes and the known probability of the arm that each row received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from netlift.errors import NotRandomizedError
from netlift.frames.columns import FrameError, read_frame, read_numbers, read_vector

SHARES = "shares"
ASTRAY, ERRORS = 0.02, 5.0  # of a sum of inverse propensities: relative, and in standard errors
CONTROLS = ("control", "0", "False", "0.0")


@dataclass(frozen=True, kw_only=True)
class ReceivedArms:
    """Who received what, and how likely that was.

    Attributes:
        control: The arm that the others are held against, as given.
        names: The other arms, as given, in the order of their text.
        code: 0 for control, j for names[j - 1], shape (n,).
        propensity: Probability of the arm that the row received, shape (n,).
    """

    control: Any
    names: tuple[Any, ...]
    code: np.ndarray
    propensity: np.ndarray

    @property
    def available(self) -> np.ndarray:
        """That every row could receive every arm, bool, shape (n, m + 1)."""
        return np.ones((len(self.code), len(self.names) + 1), dtype=bool)


def read_arms(treatment: Any, propensity: Any, *, control: Any, rows: int) -> ReceivedArms:
    """Read treatment and propensity.

    Args:
        treatment: The arm of each row: text, flags or numbers.
        propensity: Probability of each arm: a number for all (of the one arm beside control), a mapping from arm to
            number or column, a table with a column an arm, one value a row (of the arm *that row received*, as logged),
            or "shares" where chance drew the arms with the same probabilities for everybody, which are then their
            shares.
        control: The arm to compare with; None for the one called control, 0 or False.
        rows: How many rows there are.

    Raises:
        NotRandomizedError: No propensity.
        FrameError: One arm alone, no such control, or probabilities that cannot be those of these arms.

    Examples:
        >>> arms = read_arms(["control", "mail", "mail"], 0.6, control=None, rows=3)
        >>> arms.names, arms.code.tolist(), arms.propensity.tolist()
        (('mail',), [0, 1, 1], [0.4, 0.6, 0.6])
    """
    received = read_vector(treatment, rows=rows, name="treatment")
    values = sorted(pd.unique(pd.Series(received)).tolist(), key=str)
    if len(values) < 2:
        raise FrameError(
            f"treatment: all {rows:,} rows are {values[0]!r}; an effect needs a second arm to compare with"
        )
    control = _find_control(values, control)
    names = tuple(value for value in values if value != control)
    place = {value: code for code, value in enumerate((control, *names))}
    code = pd.Series(received).map(place).to_numpy(dtype=np.int64)
    return ReceivedArms(
        control=control, names=names, code=code, propensity=_read_propensity(propensity, names, control, code)
    )


def _find_control(values: list[Any], control: Any) -> Any:
    shown = ", ".join(map(repr, values[:9]))
    if control is not None:
        if control not in values:
            raise FrameError(f"control {control!r} is no arm of treatment; there are {shown}")
        return next(value for value in values if value == control)
    found = next((value for value in values if str(value) in CONTROLS), None)
    if found is None:
        raise FrameError(f"treatment has the arms {shown}; say which of them is the control: control={values[0]!r}")
    return found


def _read_propensity(propensity: Any, names: tuple[Any, ...], control: Any, code: np.ndarray) -> np.ndarray:
    rows, arms = len(code), (control, *names)
    if propensity is None:
        raise NotRandomizedError(
            'propensity is missing: give the probability of each arm, or propensity="shares" where chance drew the '
            "arms with the same probabilities for everybody; without it an effect may be who was chosen"
        )
    if isinstance(propensity, str):
        if propensity != SHARES:
            raise FrameError(f'propensity is {propensity!r}; give probabilities, or "{SHARES}"')
        return (np.bincount(code) / rows)[code]
    if np.ndim(propensity) == 0 and not isinstance(propensity, Mapping) and not hasattr(propensity, "columns"):
        if len(names) != 1:
            raise FrameError(f"propensity is one number for {len(names)} arms beside control; give one for each arm")
        propensity = {names[0]: float(propensity)}
    if isinstance(propensity, Mapping) or np.ndim(propensity) == 2 or hasattr(propensity, "columns"):
        drawn = _of_arms(propensity, arms, rows)[np.arange(rows), code]
    else:
        drawn = read_numbers(propensity, rows=rows, name="propensity")
    outside = int(np.sum(~((drawn > 0) & (drawn < 1))))
    if outside:
        raise FrameError(
            f"propensity: {outside:,} of {rows:,} values are outside (0, 1); these rows had no other choice"
        )
    _require_drawn(drawn, arms, code)
    return drawn


def _of_arms(propensity: Any, arms: tuple[Any, ...], rows: int) -> np.ndarray:
    """Probability of every arm, shape (n, m + 1); control has what the others leave where it is not given."""
    if not isinstance(propensity, Mapping):
        table = read_frame(propensity, "propensity")
        is_array = isinstance(propensity, np.ndarray)
        columns = table.columns if not is_array else arms if table.shape[1] == len(arms) else arms[1:]
        if len(columns) != table.shape[1]:
            raise FrameError(f"propensity has {table.shape[1]} columns for {len(arms)} arms; give a column for each")
        propensity = {name: table.iloc[:, i] for i, name in enumerate(columns)}
    by_text = {str(arm): value for arm, value in propensity.items()}
    unknown = sorted(set(by_text) - {str(arm) for arm in arms})
    missing = [str(arm) for arm in arms[1:] if str(arm) not in by_text]
    if unknown or missing:
        raise FrameError(
            f"propensity: no arm of treatment is called {', '.join(unknown)}" if unknown
            else f"propensity: none is given for {', '.join(missing)}"
        )  # fmt: skip
    found = np.zeros((rows, len(arms)))
    for j, arm in enumerate(arms):
        if str(arm) in by_text:
            value = by_text[str(arm)]
            whole = np.full(rows, value) if np.ndim(value) == 0 else value
            found[:, j] = read_numbers(whole, rows=rows, name=f"propensity of {arm}")
    if str(arms[0]) not in by_text:
        found[:, 0] = 1.0 - found[:, 1:].sum(axis=1)
    off = int(np.sum(np.abs(found.sum(axis=1) - 1.0) > 1e-6))
    if off:
        raise FrameError(f"propensity: the arms do not add up to 1 in {off:,} of {rows:,} rows")
    return found


def _require_drawn(drawn: np.ndarray, arms: tuple[Any, ...], code: np.ndarray) -> None:
    """Refuse probabilities under which the arms could not have these sizes: each arm stands for all rows."""
    rows = len(code)
    for j, arm in enumerate(arms):
        inverse = np.where(code == j, 1.0 / drawn, 0.0)
        stands, error = inverse.mean(), inverse.std() / np.sqrt(rows)
        if abs(stands - 1.0) > max(ASTRAY, ERRORS * error):
            raise FrameError(
                f"propensity: with {drawn[code == j].mean():.3f} on average, the {int(np.sum(code == j)):,} rows of "
                f"arm {arm!r} stand for {stands:.2f} times all {rows:,} rows, not once; give the probability of the "
                "arm that each row received, not that of being treated"
            )
