"""Eligibility conditions in text form, as in `days_since_last_purchase <= 365` or `region = Москва, Тверь`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

BEHAVIOURS = (
    "days_since_last_purchase",
    "days_since_last_contact",
    "purchase_days_365d",
    "margin_365d",
    "revenue_365d",
    "tenure_days",
)
SEGMENT, STRATEGY = "segment", "strategy"
SPLITS = (SEGMENT, STRATEGY)
"""What campaigns are split by that is no column of customers: it changes with time."""
_CRITERION = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(<=|>=|!=|==?|<|>)\s*([^\s<>=!].*?)\s*$")


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One condition of eligibility; a value that is missing meets no condition.

    Attributes:
        name: A behaviour of `BEHAVIOURS`, `segment`, or an attribute of customers.
        sign: How it is compared.
        values: What with: one number, or words of which any will do (`=`) or none (`!=`).
    """

    name: str
    sign: Literal["<=", ">=", "!=", "=", "<", ">"]
    values: tuple[str, ...]

    @property
    def number(self) -> float:
        """The value as a number, for signs of order."""
        return float(self.values[0])


def parse_criterion(text: str) -> Criterion:
    """Read a condition as a person writes it.

    Raises:
        ValueError: It is not a name, a sign and a value, or compares words by order.

    Examples:
        >>> parse_criterion("region = Москва, Тверь")
        Criterion(name='region', sign='=', values=('Москва', 'Тверь'))
        >>> parse_criterion("margin_365d >= 1000").number
        1000.0
    """
    found = _CRITERION.match(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no condition; write a name, one of <= >= < > = !=, and a value, "
            "such as days_since_last_purchase <= 365"
        )
    name, sign, value = found.groups()
    sign = sign.replace("==", "=")
    values = tuple(part.strip() for part in value.split(",") if part.strip())
    ordered = sign in ("<=", ">=", "<", ">")
    if not values or (ordered and (len(values) > 1 or not _is_number(values[0]))):
        raise ValueError(f"{text!r}: {sign} compares with one number")
    if not ordered and name in BEHAVIOURS and not all(map(_is_number, values)):
        raise ValueError(f"{text!r}: {name} is a number")
    return Criterion(name=name, sign=sign, values=values)  # type: ignore[arg-type]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


__all__ = ["BEHAVIOURS", "SEGMENT", "SPLITS", "STRATEGY", "Criterion", "parse_criterion"]
