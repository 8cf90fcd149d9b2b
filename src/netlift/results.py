"""Result types: estimates with intervals, and tables that export themselves."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from netlift.text import escape_markdown

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number that a person sees, with the interval that goes with it.

    Attributes:
        point: The estimate.
        ci_lower: Lower end of the interval.
        ci_upper: Upper end of the interval.
        level: Confidence level of the interval, such as .95.
        unit: What one unit of `point` is, such as "RUB/customer".
        method: How point and interval were computed, in a few words.

    Examples:
        >>> print(Estimate(point=1.84, ci_lower=0.61, ci_upper=3.07, level=0.95, unit="EUR/customer", method="DR"))
        1.84 [0.61, 3.07] EUR/customer
    """

    point: float
    ci_lower: float
    ci_upper: float
    level: float
    unit: str
    method: str

    def __str__(self) -> str:
        numbers = f"{format_number(self.point)} [{format_number(self.ci_lower)}, {format_number(self.ci_upper)}]"
        return f"{numbers} {self.unit}".rstrip()


def format_number(value: float) -> str:
    """Write a number with the digits a reader needs: whole above 1,000, three significant below.

    Examples:
        >>> format_number(1234567.891), format_number(0.012345), format_number(-2.5)
        ('1,234,568', '0.0123', '-2.5')
    """
    if not math.isfinite(value):
        return str(value)
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Told:
    """A result that tells itself in plain text: the terminal prints it, and a notebook shows the same.

    Examples:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Sent(Told):
        ...     lists: int
        ...     def to_text(self) -> str:
        ...         return f"{self.lists} lists < 3"
        >>> Sent(lists=2)._repr_html_()
        '<pre>2 lists &lt; 3</pre>'
    """

    def to_text(self) -> str:
        """The result for people."""
        raise NotImplementedError

    @property
    def counts(self) -> dict[str, int]:
        """Rows read ("in") and written ("out"), for logs and metrics; empty where nobody counts them."""
        return {}

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.to_text())}</pre>"


Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Table(Generic[Row]):
    """Rows of one frozen dataclass, in order; prints, and exports as a frame, Markdown or JSON.

    Attributes:
        name: What the table holds, in one or two words.
        rows: The rows.

    Examples:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Count:
        ...     table: str
        ...     rows: int
        >>> counts = Table(name="counts", rows=(Count(table="customers", rows=3),))
        >>> print(counts.to_markdown())
        | table | rows |
        |---|---|
        | customers | 3 |
    """

    name: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One plain dictionary per row."""
        return [to_plain(row) for row in self.rows]

    def to_frame(self) -> pd.DataFrame:
        """The rows as a frame; an estimate becomes the columns point, ci_lower, ci_upper and unit behind its name."""
        import pandas as pd

        return pd.DataFrame([_flatten(row) for row in self.to_dicts()])

    def to_markdown(self) -> str:
        """The rows as a Markdown table."""
        if not self.rows:
            return f"(no {self.name})"
        names = [field.name for field in fields(self.rows[0])]  # type: ignore[arg-type]
        lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        for row in self.rows:
            cells = [_cell(getattr(row, name)) for name in names]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The rows as one JSON document with its schema version."""
        return json.dumps(
            {"schema_version": SCHEMA_VERSION, "name": self.name, "rows": self.to_dicts()}, ensure_ascii=False
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False))


def to_plain(value: Any) -> Any:
    """Turn results into what JSON can hold: dataclasses and settings to dictionaries, dates to text, NaN to null.

    Examples:
        >>> to_plain({"a": (1, float("nan"))})
        {'a': [1, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain({field.name: getattr(value, field.name) for field in fields(value)})
    if hasattr(value, "model_dump"):
        return to_plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    return str(value)


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and "point" in value:
            flat[name] = value["point"]
            flat |= {f"{name}_{part}": value[part] for part in ("ci_lower", "ci_upper", "unit")}
        else:
            flat[name] = value
    return flat


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    if isinstance(value, str):
        value = escape_markdown(value)
    text = format_number(value) if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


__all__ = ["SCHEMA_VERSION", "Estimate", "Table", "Told", "format_number", "to_plain"]
