"""A document as plain text for a terminal: no markup to read past, columns of tables straight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlift.report.document import Card, Cell, Document, Grid
from netlift.text import clean

NUMBERS = ("money", "share", "count", "ratio", "score")


def to_text(document: Document) -> str:
    """The document as lines of text; charts are left out."""
    parts = [_line(document.title), _line(document.subtitle)]
    for section in document.sections:
        banner = () if section.banner is None else (section.banner.title, *section.banner.lines)
        body = [
            *map(_line, banner),
            *map(_line, section.paragraphs),
            *(_card(document, card) for card in section.cards),
            *(f"- {_line(item)}" for item in section.items),
            *(_grid(document, grid) for grid in section.grids),
        ]
        if body:
            parts.append("\n".join([f"\n{_line(section.title)}", *body]))
    return "\n".join(part for part in parts if part)


def _card(document: Document, card: Card) -> str:
    changes = "; ".join(text for text, _ in card.lines)
    text = f"{card.title}: {_shown(document, card.cell)}"
    return _line(f"{text}; {changes}" if changes else text)


def _grid(document: Document, grid: Grid) -> str:
    heads = [_line(document.show(column)) for column in grid.columns]
    rows = [[_shown(document, cell) for cell in row] for row in grid.rows]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    right = [all(_is_number(cell) for cell in column) for column in zip(*grid.rows, strict=True)]
    right = right or [False] * len(heads)
    lines = [_row(heads, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_row(row, widths, right) for row in rows]
    return "\n".join([*([grid.title] if grid.title else []), *(f"  {line}".rstrip() for line in lines)])


def _is_number(cell: Cell) -> bool:
    return cell.kind in NUMBERS and not isinstance(cell.value, str)


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    def padded() -> Iterator[str]:
        for cell, width, on_right in zip(cells, widths, right, strict=True):
            yield cell.rjust(width) if on_right else cell.ljust(width)

    return "  ".join(padded())


def _shown(document: Document, cell: Cell) -> str:
    small = document.show_small(cell)
    return _line(f"{document.show(cell)} ({small})" if small else document.show(cell))


def _line(text: str) -> str:
    """On one line, with nothing that steers a terminal."""
    return clean(" ".join(text.split("\n")))


__all__ = ["to_text"]
