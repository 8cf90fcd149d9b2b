import io
import re
import shutil
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from readout_example import EVIL, EXAMPLES, make_readout
from test_readout_page import see

from netlift.abtest.readout_report.headline import write_headline
from netlift.abtest.readout_report.page import readout_brief, readout_document, readout_json, readout_workbook
from netlift.abtest.readout_report.sentences import ReadoutWords
from netlift.abtest.readout_report.slides import to_pptx
from netlift.errors import ConfigError, NetliftError
from netlift.report.exports import to_html, to_markdown, to_text
from netlift.report.language import speak
from netlift.report.pdf import find_browser, to_pdf

pytestmark = pytest.mark.slow
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
RU, EN = speak("ru"), speak("en")


def parts(content):
    return zipfile.ZipFile(io.BytesIO(content))


def shared(content):
    root = ElementTree.fromstring(parts(content).read("xl/sharedStrings.xml"))
    return ["".join(item.itertext()) for item in root]


def slide_texts(content):
    """Paragraphs of each slide."""
    book = parts(content)
    names = sorted(name for name in book.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", name))
    return [["".join(p.itertext()) for p in ElementTree.fromstring(book.read(n)).iter(f"{A}p")] for n in names]


def calculator(content):
    """Cells of the second sheet: place to (formula, value, text)."""
    strings, found = shared(content), {}
    for cell in ElementTree.fromstring(parts(content).read("xl/worksheets/sheet2.xml")).iter(f"{MAIN}c"):
        formula, value = cell.find(f"{MAIN}f"), cell.find(f"{MAIN}v")
        text = None if value is None else value.text
        if cell.get("t") == "s":
            found[cell.get("r")] = strings[int(text)]
        else:
            found[cell.get("r")] = (None if formula is None else formula.text, float(text) if text else None)
    return found


def recalculate(cells, changed):
    """The sheet's formulas worked out as a spreadsheet would, with some cells changed."""
    sheet = {place: cell for place, cell in cells.items() if isinstance(cell, tuple)}

    def value(place):
        if place in changed:
            return changed[place]
        formula, number = sheet[place]
        if formula is None:
            return number
        test = re.fullmatch(r'IF\((.+?)(>|<>)0,(.+),""\)', formula)
        if test:
            worth = work(test[1])
            return work(test[3]) if (worth > 0 if test[2] == ">" else worth != 0) else None
        return work(formula)

    def work(expression):
        return eval(re.sub(r"[A-Z]\d+", lambda m: f"({value(m[0])!r})", expression))  # own formulas, in a test

    return value


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("name", ["probably", "blocked", "observational", "six_arms", "outside", "zero_money"])
def test_every_export_says_the_same_headline(name, language):
    found, words = EXAMPLES[name](), speak(language)
    head = write_headline(found, ReadoutWords(words=words, currency="RUB"))
    document = readout_document(found, words)
    page = "\n".join(see(found, words).sections.values())
    outs = {
        "html": page,
        "markdown": to_markdown(document).decode().replace("&lt;", "<").replace("&amp;", "&"),
        "terminal": to_text(readout_brief(found, words)),
        "json": str(readout_json(found, words)["headline"]),
        "xlsx": "\n".join(shared(readout_workbook(found, words))),
        "pptx": "\n".join(line for slide in slide_texts(to_pptx(found, words)) for line in slide),
    }
    said = [head.banner.title, *head.banner.lines, head.title, head.notice]
    for card in head.cards:
        said += [card.title, head.shown(card.cell), head.small(card.cell)]
    for out, text in outs.items():
        flat = text.replace("\\xa0", "\xa0")
        for one in said:
            assert one in flat, (out, one)


def test_money_is_written_as_the_language_writes_it():
    text = to_markdown(readout_document(make_readout(), RU)).decode()
    assert "1\xa0278\xa0000,00\xa0₽" in text and "211\xa0500\xa0₽" in text
    assert "RUB\xa01,278,000.00" in to_markdown(readout_document(make_readout(), EN)).decode()


def test_the_workbook_computes_profit_and_return_from_the_cells_finance_may_change():
    found = make_readout()
    cells = calculator(readout_workbook(found, EN))
    rows = {text: int(place[1:]) for place, text in cells.items() if isinstance(text, str) and place[0] == "A"}
    profit, rate, reward, fixed = (
        f"C{rows[name]}"
        for name in ("Profit", "Margin / revenue", "Discounts and\xa0points, per customer", "Fixed cost")
    )
    roi, even = f"C{rows['ROI']}", f"C{rows['Margin rate at which the profit is zero']}"
    same = recalculate(cells, {})
    assert same(profit) == pytest.approx(found.profit.point) == cells[profit][1]
    assert same(roi) == pytest.approx(found.roi.point)
    assert same(even) == pytest.approx(247_500 / 1_278_000)
    changed = recalculate(cells, {rate: 0.2, reward: 1.0, fixed: 0.0})
    assert changed(profit) == pytest.approx(1_278_000 * 0.2 - 90_000 * 1.0 - 31_500)
    assert recalculate(cells, {rate: same(even)})(profit) == pytest.approx(0, abs=1e-6)
    assert changed(profit.replace("C", "D")) == pytest.approx(changed(profit) - found.profit.point)


def test_arms_that_do_not_add_up_to_the_campaign_are_one_block_of_the_workbook():
    found = EXAMPLES["unlogged"]()
    names = {text for text in calculator(readout_workbook(found, EN)).values() if isinstance(text, str)}
    assert "Together" in names
    assert not names & {arm.arm for arm in found.arms}


def test_the_whole_campaign_is_the_sum_of_its_arms_in_the_workbook():
    found = EXAMPLES["six_arms"]()
    cells = calculator(readout_workbook(found, EN))
    assert recalculate(cells, {})("C11") == pytest.approx(sum(arm.profit.point for arm in found.arms))


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_every_example_becomes_a_workbook_and_slides_and_the_same_again(name):
    found = EXAMPLES[name]()
    assert readout_workbook(found, RU) == readout_workbook(found, RU)
    slides = to_pptx(found, RU)
    assert slides == to_pptx(found, RU) and len(slide_texts(slides)) == (5 if len(found.arms) > 1 else 4)


def test_the_workbook_opens_on_the_calculator():
    book = parts(readout_workbook(make_readout(), RU))
    assert b'activeTab="1"' in book.read("xl/workbook.xml")


def test_a_slide_says_what_to_do_with_every_arm():
    found = EXAMPLES["six_arms"]()
    slide = slide_texts(to_pptx(found, RU))[1]
    assert all(one.arm in slide for one in found.advice)
    assert {"масштабировать", "остановить"} & set(slide)


def test_nothing_a_table_says_becomes_a_formula_or_a_link_in_the_workbook():
    content = readout_workbook(EXAMPLES["evil"](), RU)
    book = parts(content)
    for name in book.namelist():
        if name.startswith("xl/worksheets/sheet"):
            sheet = book.read(name).decode()
            formulas = re.findall(r"<f>(.*?)</f>", sheet)
            assert all(re.fullmatch(r"(IF\()?[-+*/()<>,C B\d&;gtlquo\"]+", one) for one in formulas), name
            assert "hyperlink" not in sheet
    assert EVIL[0] in shared(content) and EVIL[1] in shared(content)


def test_nothing_a_table_says_becomes_a_formula_or_a_link_in_the_slides():
    book = parts(to_pptx(EXAMPLES["evil"](), RU))
    rels = [book.read(name).decode() for name in book.namelist() if name.endswith(".rels") and "slides/" in name]
    assert not any("hyperlink" in rel or "External" in rel for rel in rels)
    inner = next(name for name in book.namelist() if name.endswith(".xlsx"))
    sheet = parts(book.read(inner)).read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert EVIL[1] in "".join(line for slide in slide_texts(to_pptx(EXAMPLES["evil"](), RU)) for line in slide)


@pytest.mark.parametrize("name", ["probably", "lost_money", "six_arms"])
def test_the_slide_chart_is_native_and_stacks_to_the_profit_with_its_interval(name):
    found = EXAMPLES[name]()
    book = parts(to_pptx(found, RU))
    chart = ElementTree.fromstring(book.read(next(n for n in book.namelist() if re.search(r"charts/chart\d+", n))))
    values = [[float(v.text) for v in series.find(f"{C}val").iter(f"{C}v")] for series in chart.iter(f"{C}ser")]
    base, above, below = values
    assert above[-1] + below[-1] == pytest.approx(found.profit.point / 1000) and base[-1] == 0
    points = list(chart.iter(f"{C}dPt"))
    assert points and all([each.tag for each in point][:2] == [f"{C}idx", f"{C}invertIfNegative"] for point in points)
    assert {each.get("val") for each in chart.iter(f"{C}invertIfNegative")} == {"0"}, "losses keep their colour"
    series = list(chart.iter(f"{C}ser"))[1 if found.profit.point >= 0 else 2]
    tags = [child.tag.removeprefix(C) for child in series]
    assert tags.index("dPt") < tags.index("errBars") < tags.index("cat")
    plus, minus = (float(next(series.iter(f"{C}{side}")).find(f".//{C}v").text) for side in ("plus", "minus"))
    assert plus == pytest.approx((found.profit.ci_upper - found.profit.point) / 1000)
    assert minus == pytest.approx((found.profit.point - found.profit.ci_lower) / 1000)


def test_the_notice_of_an_observational_readout_is_on_every_slide_and_sheet():
    found = EXAMPLES["observational"]()
    notice = RU.say("readout.observational_notice")
    assert all(notice in slide for slide in slide_texts(to_pptx(found, RU)))
    book = parts(readout_workbook(found, RU))
    sheets = [book.read(name).decode() for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert all("<oddHeader>&amp;C" in sheet and notice[:30] in sheet for sheet in sheets)


def test_a_pdf_is_printed_where_there_is_a_browser():
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium on this machine")
    content = to_pdf(to_html(readout_document(EXAMPLES["zero_money"](), RU)))
    assert content.startswith(b"%PDF-") and b"/Page" in content


def test_without_a_browser_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="needs Chromium; install it"):
        find_browser()
    with pytest.raises(ConfigError, match="nowhere"):
        to_pdf(b"", browser=Path("/nowhere/chromium"))
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(NetliftError, match=r"exit code 3.*no display"):
        to_pdf(b"<p>", browser=broken)
