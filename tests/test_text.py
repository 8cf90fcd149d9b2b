"""Text from outside: nothing steers a terminal, nothing is live in Markdown, nothing runs in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from unicodedata import category

import altair as alt
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlift.cli import terminal
from netlift.data.csv_lists import to_csv
from netlift.report.charts import draw, name_rows
from netlift.text import clean, clean_lines, dump_json, escape_markdown, safe_cell

HOSTILE = "\x1b]0;title\x07\x1b[31mred\x9b5m\u202eдлев\u2066\x00\x0b\x7f\ufffe\u2028"
ANY = st.text(
    st.characters(codec="utf-8") | st.sampled_from("\\`[](|=+-@\t\r\n\x1b\x9b\u202e\ufeff\u200b\x00＝"), max_size=40
)


def _steers(text: str) -> list[str]:
    return [letter for letter in text if category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in "\u202e\u2066\u200f"]


@given(ANY)
def test_no_cleaned_text_steers(text: str) -> None:
    assert not _steers(clean(text)) and not _steers(clean_lines(text).replace("\n", ""))
    assert clean_lines(text).count("\n") == text.count("\n")
    assert clean(clean(text)) == clean(text)


@given(ANY)
def test_json_is_clean_and_means_the_same(text: str) -> None:
    told = dump_json({"name": text, text: 1})
    assert not _steers(told) and json.loads(told) == {"name": text, text: 1}


@given(ANY)
def test_markdown_has_every_bracket_and_backslash_behind_a_backslash(text: str) -> None:
    shown = escape_markdown(text)
    bare = shown.replace("\\\\", "")  # pairs are backslashes that are shown
    for mark in "[`":
        assert bare.count(mark) == bare.count(f"\\{mark}")


@pytest.mark.parametrize("text", [r"\[x](http://e.v)", "![x](y)", "https://e.v", "www.e.v", r"\\[x]: http://e.v"])
def test_links_stay_dead(text: str) -> None:
    shown = escape_markdown(text).replace("\\\\", "")
    assert "[" not in shown.replace("\\[", "") and "://" not in shown and "www." not in shown


@given(st.lists(ANY, min_size=1, max_size=5), st.booleans())
def test_no_cell_of_a_csv_runs(texts: list[str], for_excel: bool) -> None:
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        content = to_csv(pa.table({"customer_id": pa.array(texts, kind)}), for_excel=for_excel).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(content, newline=""), delimiter=";" if for_excel else ","))[1:]
        cells = [row[0] if row else "" for row in rows]
        assert cells == [safe_cell(text) for text in texts]
        assert not [cell for cell in cells if cell.strip().lstrip("\ufeff\u200b").startswith(tuple("=+-@＝"))]


def test_progress_is_clean_on_terminals_and_in_logs(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    plain = terminal.TerminalLines(lines.append)
    plain.stage("readout", f"campaign {HOSTILE}")
    plain.advance("readout", 1, 1, HOSTILE)
    assert len(lines) == 2 and not _steers("".join(lines))
    with terminal._bar() as bar:
        bar.stage(f"x{HOSTILE}", f"[red]{HOSTILE}[/nobody-opened]")
        bar.advance("readout", 1, 2, f"[link=http://e.v]{HOSTILE}")
    shown = capsys.readouterr().err
    assert not [letter for letter in "\x07\x9b\u202e\x00" if letter in shown] and "[/nobody-opened]" in shown


def test_charts_survive_any_letter_in_the_names_of_their_rows() -> None:
    names = [HOSTILE, f"b {HOSTILE}", "plain"]
    axis, _ = name_rows(names)
    rows = alt.Data(values=[{"label": name, "x": float(x)} for name, x in zip(names, np.arange(3), strict=True)])
    svg = draw(alt.Chart(rows).mark_bar().encode(x="x:Q", y=axis), "ru").decode()
    assert "plain" in svg and not _steers(svg.replace("\n", ""))
