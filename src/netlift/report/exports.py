"""Rendering of a document to Markdown, HTML and XLSX, and of results to JSON.

Nothing in a document is markup: whatever a table of the business holds is shown as the text that it is.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.report.document import Card, Cell, Document, Grid, Section
from netlift.report.palette import THEME, themed
from netlift.results import to_plain
from netlift.text import clean, escape_markdown

if TYPE_CHECKING:
    from jinja2 import Environment, Template

__all__ = ["to_html", "to_json", "to_markdown", "to_text", "to_xlsx"]

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


TEMPLATES = Path(__file__).parent / "templates"
NAMESPACES = re.compile(r' xmlns(:xlink)?="[^"]*"')
SHEET_NAME_LENGTH, NOT_IN_SHEET_NAMES = 31, re.compile(r"[\[\]:*?/\\\x00-\x1f]")
NARROWEST, WIDEST, COVER = 10, 60, 110  # widths of columns, in letters
LINE, FILLED = 15.0, 0.85  # points of a line, and the share of its width that wrapped words fill
PORTRAIT_COLUMNS = 11  # of the widest table on upright paper
HEADED = {"bold": True, "bg_color": "#E8EEF5", "bottom": 1, "text_wrap": True, "valign": "top"}


def to_json(result: Any) -> bytes:
    """Any result as one JSON document, keys in the order of the result."""
    return (json.dumps(to_plain(result), ensure_ascii=False, indent=1) + "\n").encode()


def to_markdown(document: Document) -> bytes:
    """The document as Markdown; charts are left out, what they show stands in its tables."""
    parts = [f"# {escape_markdown(document.title)}", escape_markdown(document.subtitle), _quoted(document.notice)]
    for section in document.sections:
        parts += [f"## {escape_markdown(section.title)}", *_markdown_parts(document, section)]
    return ("\n\n".join(part for part in parts if part) + "\n").encode()


def to_html(document: Document) -> bytes:
    """The document as one HTML file that fetches nothing: style and charts stand in it, scripts there are none."""
    from markupsafe import Markup

    pictures = {
        id(picture): Markup(_inline(picture.svg, f"{section.name}{i}"))
        for section in document.sections
        for i, picture in enumerate(section.pictures)
    }
    columns = [len(grid.columns) for section in document.sections for grid in section.grids]
    return (
        _template()
        .render(
            document=document,
            theme=THEME,
            paper="portrait" if max(columns, default=0) <= PORTRAIT_COLUMNS else "landscape",
            drawing=lambda picture: pictures[id(picture)],
            runs=_runs,
        )
        .encode()
    )


def to_xlsx(document: Document, *, calculate: Callable[[Any], None] | None = None) -> bytes:
    """The document's tables as a workbook: numbers with formats, a sheet per table, heads that stay, and a chart.

    Text is written as text: nothing in it becomes a formula or a link. The same document gives the same bytes.

    Args:
        document: The document.
        calculate: Writes sheets that calculate into the workbook, behind its cover.
    """
    import xlsxwriter

    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    workbook = xlsxwriter.Workbook(buffer, options)
    made = datetime.combine(document.dated, time(), tzinfo=UTC).replace(tzinfo=None)
    workbook.set_properties({"title": document.title, "created": made})
    formats = _Formats(workbook, document)
    names: set[str] = set()
    _write_cover(workbook, document, names)
    if calculate is not None:
        calculate(workbook)
        names |= {sheet.get_name().casefold() for sheet in workbook.worksheets()}
    for grid in (*(g for s in document.sections for g in s.grids), *document.sheets):
        _write_sheet(workbook, document, grid, _sheet_name(grid.name, names), formats)
    if document.notice:
        for sheet in workbook.worksheets():
            sheet.set_header(f"&C{_header(document.notice)}")
            sheet.set_tab_color("#A3262A")
    workbook.close()
    return buffer.getvalue()


def _quoted(text: str) -> str:
    return f"> **{escape_markdown(text)}**" if text else ""


def _markdown_parts(document: Document, section: Section) -> Iterator[str]:
    if section.banner is not None:
        yield f"**{escape_markdown(section.banner.title)}**"
        yield from map(escape_markdown, section.banner.lines)
    yield from map(escape_markdown, section.paragraphs)
    if section.cards:
        yield "\n".join(_markdown_card(document, card) for card in section.cards)
    if section.items:
        yield "\n".join(f"- {escape_markdown(item)}" for item in section.items)
    for grid in section.grids:
        if grid.title:
            yield f"### {escape_markdown(grid.title)}"
        lines = [_markdown_row([document.show(column) for column in grid.columns]), "|" + "---|" * len(grid.columns)]
        lines += [_markdown_row([_with_interval(document, cell) for cell in row]) for row in grid.rows]
        yield "\n".join(lines)


def _markdown_card(document: Document, card: Any) -> str:
    changes = "; ".join(text for text, _ in card.lines)
    text = f"{card.title}: {_with_interval(document, card.cell)}"
    return f"- {escape_markdown(f'{text}; {changes}' if changes else text)}"


def _with_interval(document: Document, cell: Cell) -> str:
    interval = document.show_small(cell)
    return f"{document.show(cell)} ({interval})" if interval else document.show(cell)


def _markdown_row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(text).replace("|", "\\|") for text in texts) + " |"


@cache
def _template() -> Template:
    return _environment().get_template("document.html")


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment


def _runs(cells: Sequence[Cell]) -> list[tuple[Cell, int]]:
    """Cells of a row and how many places each takes: neighbours with one reason for having no number are one."""
    found: list[tuple[Cell, int]] = []
    for cell in cells:
        if found and cell == found[-1][0] and cell.text and cell.value is None:
            found[-1] = (cell, found[-1][1] + 1)
        else:
            found.append((cell, 1))
    return found


def _inline(svg: bytes, prefix: str) -> str:
    """A drawing for use inside a page: no namespaces, the page's colours, and ids that are its own."""
    text = themed(NAMESPACES.sub("", svg.decode()))
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    return re.sub(r' width="\d+" height="\d+"', ' aria-hidden="true"', text, count=1)


class _Formats:
    """Cell formats of a workbook, each made once."""

    def __init__(self, workbook: Any, document: Document) -> None:
        self._workbook = workbook
        self._money = _money_format(document)
        self._made: dict[str, Any] = {}
        self.head = workbook.add_format(HEADED)
        self.head_month = workbook.add_format({**HEADED, "num_format": "mmm yyyy", "align": "left"})
        self.text = workbook.add_format({"text_wrap": True, "valign": "top"})
        self.reason = workbook.add_format({"font_color": "#5F6670", "italic": True, "align": "right"})

    def of(self, cell: Cell) -> Any:
        """The format of a number or a month."""
        digits = "." + "0" * cell.digits if cell.digits else ""
        pattern = {"money": self._money.format(digits), "share": f"0{digits}%", "month": "mmm yyyy"}.get(
            cell.kind, f"#,##0{digits}"
        )
        if pattern not in self._made:
            self._made[pattern] = self._workbook.add_format({"num_format": pattern})
        return self._made[pattern]


def _money_format(document: Document) -> str:
    """A spreadsheet's pattern of money, with a place for the digits."""
    symbol = document.words.symbol(document.currency).replace('"', "")
    return f'"{symbol}"#,##0{{}}' if document.words.language == "en" else f'#,##0{{}}\xa0"{symbol}"'


def _write_cover(workbook: Any, document: Document, names: set[str]) -> None:
    """The first sheet: what is read first."""
    first = document.sections[0]
    sheet = workbook.add_worksheet(_sheet_name(first.title, names))
    bold = workbook.add_format({"bold": True, "font_size": 14})
    wrapped = workbook.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, COVER)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.write_string(0, 0, document.title, bold)
    sheet.write_string(1, 0, document.subtitle)
    if document.notice:
        sheet.write_string(2, 0, document.notice, workbook.add_format({"bold": True, "font_color": "#A3262A"}))
    row = 3
    for section in document.sections:
        lines = [] if section.banner is None else [section.banner.title, *section.banner.lines]
        lines += [_cover_line(document, card) for card in section.cards]
        lines += [*section.items, *(section.paragraphs if section.items or not section.cards else ())]
        if not lines:
            continue
        sheet.write_string(row, 0, section.title, bold)
        for line in lines:
            row += 1
            sheet.set_row(row, _height(line, COVER))
            sheet.write_string(row, 0, line, wrapped)
        row += 2


def _header(text: str) -> str:
    """Text for the head of a printed sheet, where `&` commands and at most 255 letters stand."""
    return text.replace("&", "&&")[:250]


def _cover_line(document: Document, card: Any) -> str:
    return "; ".join([f"{card.title}: {_with_interval(document, card.cell)}", *(text for text, _ in card.lines)])


def _write_sheet(workbook: Any, document: Document, grid: Grid, name: str, formats: _Formats) -> None:
    sheet = workbook.add_worksheet(name)
    widths = [_width(document, grid, j) for j in range(len(grid.columns))]
    for j, column in enumerate(grid.columns):
        _write(sheet, 0, j, column, formats)
        sheet.set_column(j, j, widths[j])
    for i, row in enumerate((grid.columns, *grid.rows)):
        texts = [(cell.value, width) for cell, width in zip(row, widths, strict=True) if isinstance(cell.value, str)]
        sheet.set_row(i, max((_height(*text) for text in texts), default=LINE))
    for i, row in enumerate(grid.rows, start=1):
        for j, cell in enumerate(row):
            _write(sheet, i, j, cell, formats)
    sheet.freeze_panes(1, 1)
    if grid.rows:
        sheet.autofilter(0, 0, len(grid.rows), len(grid.columns) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    if grid.plot is not None and grid.plot.rows:
        _draw(workbook, sheet, grid, name)


def _write(sheet: Any, i: int, j: int, cell: Cell, formats: _Formats) -> None:
    head = i == 0
    if isinstance(cell.value, date):
        moment = datetime.combine(cell.value, time())
        sheet.write_datetime(i, j, moment, formats.head_month if head else formats.of(cell))
    elif isinstance(cell.value, str):
        sheet.write_string(i, j, cell.value, formats.head if head else formats.text)
    elif cell.value is None:
        sheet.write_string(i, j, cell.text, formats.reason)
    else:
        sheet.write_number(i, j, cell.value, formats.of(cell))


def _width(document: Document, grid: Grid, j: int) -> float:
    """A column's width by its longest text."""
    cells = [grid.columns[j], *(row[j] for row in grid.rows)]
    longest = max(len(document.show(cell)) for cell in cells)
    return float(min(max(longest + 2, NARROWEST), WIDEST))


def _height(text: str, width: float) -> float:
    """A row's height in points that holds a text wrapped at a width: not every program fits rows by itself."""
    return LINE * sum(max(1, math.ceil(len(line) / (width * FILLED))) for line in text.split("\n"))


def _draw(workbook: Any, sheet: Any, grid: Grid, name: str) -> None:
    """The plotted rows as lines over the grid's columns, below the grid."""
    if grid.plot is None:
        return
    chart = workbook.add_chart({"type": "line"})
    last = len(grid.columns) - 1
    for row in grid.plot.rows:
        chart.add_series(
            {
                "name": [name, row + 1, 0],
                "categories": [name, 0, 1, 0, last],
                "values": [name, row + 1, 1, row + 1, last],
                "marker": {"type": "circle", "size": 5},
            }
        )
    chart.set_title({"name": grid.plot.title, "name_font": {"size": 12}})
    chart.set_x_axis({"num_format": "mmm yy", "date_axis": False, "text_axis": True})
    chart.set_legend({"position": "bottom"})
    sheet.insert_chart(len(grid.rows) + 2, 0, chart, {"x_scale": 1.6, "y_scale": 1.2})


def _sheet_name(title: str, names: set[str]) -> str:
    """A name that workbooks allow and that is taken by no other sheet, whatever its case."""
    clean = NOT_IN_SHEET_NAMES.sub(" ", title).strip().strip("'") or "-"
    name, number = clean[:SHEET_NAME_LENGTH], 1
    while name.casefold() in names or name.casefold() == "history":
        number += 1
        mark = f" {number}"
        name = clean[: SHEET_NAME_LENGTH - len(mark)] + mark
    names.add(name.casefold())
    return name
