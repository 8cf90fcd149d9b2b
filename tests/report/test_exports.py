import io
import json
import re
import zipfile
from datetime import date
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from scorecard_page import EVIL, MONTHS, make_document

from netlift.report.document import Cell, Document, Grid, Section, text_cell
from netlift.report.exports import to_html, to_json, to_markdown, to_xlsx
from netlift.report.language import speak
from netlift.segments.figures import TOTAL
from netlift.segments.metrics import METRICS

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
CARD, DOCUMENT = make_document("ru")
PAGE = to_html(DOCUMENT).decode()
BOOK = to_xlsx(DOCUMENT)


VOID = {"meta", "link", "br", "img"}


class Seen(HTMLParser):
    """Tags, attributes and text of a page, and whether its tags close in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open, self.ids = [], [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


SEEN = Seen(PAGE)


def open_book(content):
    return zipfile.ZipFile(io.BytesIO(content))


def part(content, name):
    return ElementTree.fromstring(open_book(content).read(name))


def strings(content):
    return ["".join(item.itertext()) for item in part(content, "xl/sharedStrings.xml")]


def sheets(content):
    """Sheet name to rows of (value, number format), as a reader of the file sees them."""
    shared = strings(content)
    styles = part(content, "xl/styles.xml")
    codes = {f.get("numFmtId"): f.get("formatCode") for f in styles.iter(f"{MAIN}numFmt")}
    formats = [codes.get(xf.get("numFmtId"), "General") for xf in styles.find(f"{MAIN}cellXfs")]
    found = {}
    for i, sheet in enumerate(part(content, "xl/workbook.xml").iter(f"{MAIN}sheet"), start=1):
        rows = []
        for row in part(content, f"xl/worksheets/sheet{i}.xml").iter(f"{MAIN}row"):
            cells = []
            for cell in row:
                value = cell.find(f"{MAIN}v")
                text = value.text if value is not None else ""
                read = shared[int(text)] if cell.get("t") == "s" else float(text) if text else ""
                cells.append((read, formats[int(cell.get("s", 0))]))
            rows.append(cells)
        found[sheet.get("name")] = rows
    return found


def test_the_page_fetches_nothing_and_runs_nothing():
    assert not re.search(r"https?://(?!evil\.example)", PAGE)
    assert not {"script", "iframe", "link", "img", "object", "form", "base", "foreignobject"} & set(SEEN.tags)
    fetching = {"src", "href", "xlink:href", "data", "action", "srcset", "poster"}
    assert all(value.startswith("#") for _, name, value in SEEN.attributes if name in fetching)
    assert not [name for _, name, _ in SEEN.attributes if name.startswith("on")]
    assert "@import" not in PAGE and not re.search(r"url\((?!#)", PAGE)


def test_names_that_would_do_harm_are_shown_as_the_text_they_are():
    texts = "".join(SEEN.texts)
    for name in EVIL:
        assert name in texts
    assert "<script" not in PAGE and "=shop & <b>" in texts
    assert not [value for _, name, value in SEEN.attributes if name == "href" and "evil" in value]


def test_the_page_is_whole_and_can_be_read_without_seeing_it():
    assert SEEN.open == [] and SEEN.tags.count("h1") == 1
    assert ("html", "lang", "ru") in SEEN.attributes
    assert len(set(SEEN.ids)) == len(SEEN.ids), "ids of charts must not meet"
    heads = [value for tag, name, value in SEEN.attributes if (tag, name) == ("th", "scope")]
    assert heads.count("row") > 80 and len(heads) == SEEN.tags.count("th")
    labels = [value for tag, name, value in SEEN.attributes if (tag, name) == ("figure", "aria-label")]
    assert len(labels) == SEEN.tags.count("svg") == 5 and all(labels)
    assert 'name="viewport"' in PAGE and "@media print" in PAGE
    inside = {value for _, name, value in SEEN.attributes if name == "href"}
    assert inside <= {f"#{name}" for name in SEEN.ids}


def test_neighbours_with_one_reason_are_one_cell_and_every_row_stays_as_wide_as_its_head():
    tables = re.findall(r"<table>(.*?)</table>", PAGE, re.S)
    spanned = 0
    for table in tables:
        head, *rows = (re.findall(r"<t[hd][^>]*>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S))
        for row in rows:
            widths = [int(found[1]) if (found := re.search(r'colspan="(\d+)"', cell)) else 1 for cell in row]
            spanned += max(widths) > 1
            assert sum(widths) == len(head)
    assert tables and spanned, "the example has months without figures"


def test_money_stands_first_and_a_figure_without_a_source_says_why():
    texts = [text.strip() for text in SEEN.texts if text.strip()]
    contents = texts.index("Что важно знать")
    money, changed = (texts.index(title, contents) for title in ("Где деньги?", "Где изменилось больше всего денег"))
    assert money < texts.index("Маржа") < changed
    assert "ещё не измерено" in texts and "скидки и бонусы неизвестны" in texts


def test_every_export_is_the_same_bytes_again():
    _, again = make_document("ru")
    assert (to_html(again), to_markdown(again), to_xlsx(again)) == (PAGE.encode(), to_markdown(DOCUMENT), BOOK)


def test_every_export_holds_the_same_figures():
    figure = CARD.index()[CARD.newest, TOTAL, "margin"]
    shown = speak("ru").money(figure.value, "RUB")
    long = next(rows for name, rows in sheets(BOOK).items() if name.startswith("Все показатели"))
    margins = [row for row in long if row[1][0] == "Вся база" and row[2][0] == "Маржа"]
    assert shown in PAGE and shown in to_markdown(DOCUMENT).decode()
    assert margins[-1][3][0] == pytest.approx(figure.value)
    plain = json.loads(to_json(CARD.to_document()))
    rows = plain["figures"]["rows"]
    assert [r["value"] for r in rows if r["segment"] == TOTAL and r["metric"] == "margin"][-1] == figure.value


def test_the_workbook_has_a_sheet_per_table_numbers_with_formats_and_months_that_are_dates():
    book = sheets(BOOK)
    names = list(book)
    assert names[0] == "Где деньги" and "Чемпионы" in names
    assert len({name.casefold() for name in names}) == len(names)
    assert all(len(name) <= 31 and not re.search(r"[\[\]:*?/\\]", name) for name in names)
    rows = {row[0][0]: row for row in book["Вся база"]}
    assert rows["Маржа"][1][1] == '#,##0\xa0"₽"' and isinstance(rows["Маржа"][1][0], float)
    assert rows["Отток, прогноз"][1] == (pytest.approx(0.2), "0.0%")
    assert rows["Клиентов в базе"][1][1] == "#,##0"
    assert rows["Показатель"][1][1] == "mmm yyyy"
    assert rows["Показатель"][1][0] == (MONTHS[0].first - date(1899, 12, 30)).days
    assert rows["Прибыль от контактов"][1][0] == "ещё не измерено"


def test_heads_stay_columns_are_wide_enough_and_one_sheet_is_drawn():
    names = list(sheets(BOOK))
    sheet = part(BOOK, f"xl/worksheets/sheet{names.index('Вся база') + 1}.xml")
    pane = next(sheet.iter(f"{MAIN}pane"))
    assert (pane.get("xSplit"), pane.get("ySplit"), pane.get("state")) == ("1", "1", "frozen")
    widths = [float(column.get("width")) for column in sheet.iter(f"{MAIN}col")]
    assert max(widths) > 25 and min(widths) >= 10
    charts = [name for name in open_book(BOOK).namelist() if name.startswith("xl/charts/chart")]
    assert len(charts) == 1 and b"lineChart" in open_book(BOOK).read(charts[0])


def test_nothing_in_the_workbook_is_a_formula_or_a_link():
    book = open_book(BOOK)
    for name in book.namelist():
        content = book.read(name)
        if name.startswith("xl/worksheets/"):
            assert b"<f>" not in content and b"<f " not in content and b"hyperlink" not in content
    assert EVIL[1] in strings(BOOK)
    assert not [name for name in book.namelist() if "externalLink" in name or "vba" in name.lower()]


def test_the_workbook_says_a_day_of_its_content_and_not_of_the_clock():
    assert b"2026-09-01T00:00:00Z" in open_book(BOOK).read("docProps/core.xml")


def test_markdown_keeps_tables_whole_and_tags_out():
    text = to_markdown(DOCUMENT).decode()
    assert "<script" not in text and "&lt;script>" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").endswith("|") for line in table)
    widths = {line.replace("\\|", "").count("|") for line in table if "evil" in line and "LTV" not in line}
    assert widths


@pytest.mark.parametrize(("language", "currency"), [("ru", "USD"), ("en", "RUB"), ("en", "XTS")])
def test_the_page_speaks_its_language_alone(language, currency):
    _, document = make_document(language, months=MONTHS[-1:], currency=currency)
    page = Seen(to_html(document).decode())
    text = "".join(page.texts)
    for name in EVIL:
        text = text.replace(name, "")
    cyrillic = re.search("[а-яё]", text, re.I)
    assert bool(cyrillic) == (language == "ru")
    to_xlsx(document)
    for metric in METRICS:
        assert document.words.say(f"metric.{metric.name}", horizon=document.words.say("horizon.half_year")) in text


def test_odd_names_of_sheets_are_made_fit_and_kept_apart():
    grids = tuple(
        Grid(name=name, title="", columns=(text_cell("a"),), rows=())
        for name in ("x" * 40, "X" * 40, "'quoted'", "History", "", "[]")
    )
    document = Document(
        title="t",
        subtitle="",
        words=speak("en"),
        currency="EUR",
        dated=date(2026, 1, 1),
        sections=(Section(name="first", title="?", grids=grids),),
    )
    names = list(sheets(to_xlsx(document)))
    assert len(names) == 7 and "History" not in names


def test_an_empty_cell_and_a_number_without_interval_are_written():
    words = speak("en")
    assert Cell(kind="money", value=None).shown(words, "EUR") == ""
    cell = Cell(kind="share", value=0.5, lower=0.4, upper=0.6, digits=1, note="9 answers")
    assert (cell.shown(words, "EUR"), cell.small_print(words, "EUR")) == ("50.0%", "40.0% to 60.0%; 9 answers")
