from __future__ import annotations

from datetime import date

from netlift.report.document import Cell, Document, Grid, Section, text_cell
from netlift.report.exports import to_text
from netlift.report.language import Words


def page(*sections, title="Title"):
    return Document(
        title=title, subtitle="", words=Words(language="ru"), currency="RUB", dated=date(2026, 10, 1), sections=sections
    )


def test_columns_stand_straight_words_to_the_left_and_numbers_to_the_right():
    rows = (
        (text_cell("control"), Cell(kind="count", value=7)),
        (text_cell("sms"), Cell(kind="count", value=12345)),
    )
    grid = Grid(name="arms", title="", columns=(text_cell("arm"), text_cell("n")), rows=rows)
    lines = to_text(page(Section(name="arms", title="Arms", grids=(grid,)))).splitlines()
    assert lines[-4:] == ["  arm           n", "  -------  ------", "  control       7", "  sms      12\xa0345"]


def test_nothing_in_a_text_steers_the_terminal_or_breaks_a_row():
    trick = "a\x1b[2Jb\nc\x07\u202e"
    grid = Grid(name="g", title="", columns=(text_cell(trick),), rows=((text_cell(trick),),))
    section = Section(name="s", title=trick, paragraphs=(trick,), items=(trick,), grids=(grid,))
    text = to_text(page(section, title=trick))
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert len(text.splitlines()) == 8


def test_a_section_with_nothing_in_it_is_left_out():
    assert to_text(page(Section(name="s", title="Empty"))) == "Title"
