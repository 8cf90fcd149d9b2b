"""Every page in both languages, themes and sizes: it fits, is accessible, light and quiet; and the acts of the desk."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from io import BytesIO
from pathlib import Path

import pytest

pytest.importorskip("axe_playwright_python", reason="needs the packages of requirements-browser.lock")

import openpyxl
import pypdf
from axe_playwright_python.sync_playwright import Axe
from pptx import Presentation

from netlift.config.business import load
from netlift.web.worker import run_job

TEST_PAGES = ("/readouts", "/readouts/new", "/designs", "/designs/new", "/jobs", "/no-such-page", "READOUT")
MONEY_PAGES = ("/", "/tests", "/offers", "/models", "/segments", "/scorecard")
MOST_BYTES = 150_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium: apt-get install chromium"),
]


def readout_address(desk, language: str = "ru") -> str:
    """The address of the readout in a language."""
    (run,) = (load(desk.config).state / "out" / "readouts").glob(f"*-{language}*/manifest.json")
    return f"/readouts/{run.parent.name}"


def digits(text: str) -> str:
    """Text without what separates thousands and with one kind of minus."""
    return re.sub(r"[\s\u00a0\u202f]", "", text).replace("\u2212", "-")


def look(page, desk, path, faults, *, name):
    """Open a page and note what is wrong with how it is laid out, how heavy it is and whom it keeps out."""
    answers, errors = [], []
    page.on("response", lambda answer: answers.append(answer))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda told: errors.append(told.text) if "Content Security Policy" in told.text else None)
    where = readout_address(desk) if path == "READOUT" else path
    page.goto(desk.address + where)
    found = [f"{path}: script or policy: {error}" for error in errors]
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        found.append(f"{path}: the body is {wide} px wider than the screen")
    weight = sum(len(answer.body()) for answer in answers)
    if weight > MOST_BYTES:
        found.append(f"{path}: {weight} bytes")
    if folder := os.environ.get("NETLIFT_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}{path.replace('/', '_')}.png", full_page=True)
    strange = [answer.url for answer in answers if not answer.url.startswith((desk.address, "data:"))]
    found += [f"{path}: asks {url}" for url in strange]
    for fault in Axe().run(page).response["violations"]:
        if fault["impact"] in ("serious", "critical"):
            found += [f"{path}: {fault['id']} ({fault['impact']}): {node['target']}" for node in fault["nodes"][:3]]
    faults += found


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_fits_the_screen_keeps_nobody_out_and_is_light(
    tests_desk, money_desk, open_page, language, theme, size
):
    faults = []
    for desk, paths in ((tests_desk, TEST_PAGES), (money_desk, MONEY_PAGES)):
        for path in paths:
            look(open_page(language, theme, size), desk, path, faults, name=f"{language}-{theme}-{size}")
    assert faults == []


BROKEN_WORDS = """() => [...document.querySelectorAll('.cards dt, .cards dd')].flatMap((tile) => {
  const broken = [], walker = document.createTreeWalker(tile, NodeFilter.SHOW_TEXT);
  for (let text = walker.nextNode(); text; text = walker.nextNode())
    for (const word of text.data.matchAll(/[^\\s-]+/g)) {
      const range = document.createRange();
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size > 1) broken.push(word[0]);
    }
  return broken;
})"""


def test_tiles_break_no_word_between_the_phone_and_the_desktop(tests_desk, money_desk, open_page):
    page = open_page("ru", "light", "phone")
    for address in (
        tests_desk.address + readout_address(tests_desk),
        money_desk.address,
        f"{money_desk.address}/offers",
    ):
        page.goto(address)
        assert page.locator(".cards dt").count() > 0
        for width in (360, 390, 500, 640, 700, 800, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            assert (width, page.evaluate(BROKEN_WORDS)) == (width, [])


def test_a_readout_is_requested_watched_and_read(tests_desk, open_page):
    page = open_page("en")
    page.goto(f"{tests_desk.address}/readouts")
    page.get_by_role("link", name="Request a readout").click()
    page.get_by_label("Campaign").fill("K1")
    page.get_by_role("button", name="Request a readout").click()
    page.wait_for_url("**/jobs/*")
    (job,) = [job for job in tests_desk.jobs.all() if not job.is_over]
    work = threading.Thread(
        target=run_job, args=(tests_desk.jobs, job.id, tests_desk.config), kwargs={"clock": lambda: tests_desk.clock}
    )
    work.start()
    page.locator("#progress a.button").click(timeout=180_000)
    work.join()
    page.wait_for_url("**/readouts/*")
    folder = load(tests_desk.config).state / "out" / "readouts" / page.url.rpartition("/")[2]
    head = json.loads((folder / "readout.json").read_bytes())["headline"]
    assert head["verdict"] in page.locator("main").inner_text()


def test_every_export_opens_and_holds_the_same_profit(tests_desk, open_page):
    page = open_page("ru")
    page.goto(tests_desk.address + readout_address(tests_desk))
    files = {}
    for link in page.locator("ul.actions a[download]").all():
        with page.expect_download() as download:
            link.click()
        files[link.inner_text().lower()] = Path(download.value.path()).read_bytes()
    assert set(files) >= {"html", "pdf", "xlsx", "pptx", "json", "md"}
    told = json.loads(files["json"])
    profit, verdict = told["incremental_profit"]["point"], digits(told["headline"]["verdict"])
    book = openpyxl.load_workbook(BytesIO(files["xlsx"]), data_only=True)
    numbers = [
        cell.value for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, int | float)
    ]
    assert any(value == pytest.approx(profit, rel=1e-6) for value in numbers)
    slides = Presentation(BytesIO(files["pptx"])).slides
    texts = {
        "html": files["html"].decode(),
        "md": files["md"].decode(),
        "pdf": "".join(leaf.extract_text() for leaf in pypdf.PdfReader(BytesIO(files["pdf"])).pages),
        "pptx": "".join(shape.text_frame.text for slide in slides for shape in slide.shapes if shape.has_text_frame),
        "message": page.locator("textarea.message").input_value(),
        "page": page.locator("main").inner_text(),
    }
    assert {name for name, text in texts.items() if verdict not in digits(text)} == set()


def test_a_decision_is_recorded_with_the_keyboard_alone(tests_desk, open_page):
    page = open_page("en")
    page.goto(tests_desk.address + readout_address(tests_desk))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    press_until(page, "document.activeElement.id === 'note'")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**#decided")
    assert "by keyboard" in page.locator("#decided table").inner_text()


def test_lists_are_fetched_only_once_approved_and_a_channel_is_stopped_and_resumed(money_desk_to_change, open_page):
    desk, page = money_desk_to_change, open_page("en")
    page.goto(f"{desk.address}/offers")
    assert page.locator("a[href$='.csv'][href*='/lists/']").count() == 0
    assert page.request.get(f"{desk.address}/offers/2026-10-01/lists/push.csv").status == 409
    press_until(
        page, "document.activeElement.form?.action.endsWith('/approve') && document.activeElement.tagName === 'BUTTON'"
    )
    page.keyboard.press("Enter")
    page.wait_for_url("**/offers/2026-10-01")
    with page.expect_download() as download:
        page.locator("a[href$='/lists/push.csv']").click()
    assert Path(download.value.path()).read_bytes()
    page.locator("#what").select_option("channel:push")
    page.locator("#stop-reason").fill("complaints")
    page.locator("#stop-reason").press("Enter")
    page.wait_for_url("**#switches")
    assert "complaints" in page.locator("#switches").inner_text()
    assert page.request.get(f"{desk.address}/offers/2026-10-01/lists/push.csv").status == 409
    page.locator("#resume-1").fill("mended")
    page.locator("#resume-1").press("Enter")
    page.locator("#resume-1").wait_for(state="detached")
    assert page.request.get(f"{desk.address}/offers/2026-10-01/lists/push.csv").status == 200


def press_until(page, reached: str) -> None:
    """Press Tab until an expression holds, as who has no mouse does."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(reached):
            return
    pytest.fail(f"no Tab leads to: {reached}")
