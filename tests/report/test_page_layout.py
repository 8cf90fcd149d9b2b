"""Pages as a phone, a desktop and a printer show them: measured in Chromium where there is one."""

import html
import json
import re
import shutil
import subprocess

import pytest
from readout_example import EXAMPLES
from scorecard_page import make_document

from netlift.abtest.readout_report.page import readout_document
from netlift.report.charts import PAGE_WIDTH
from netlift.report.exports import to_html
from netlift.report.language import speak
from netlift.report.pdf import to_pdf

pytestmark = pytest.mark.slow
PAGES = {
    "scorecard": lambda language: make_document(language)[1],
    "probably": lambda language: readout_document(EXAMPLES["probably"](), speak(language)),
    "six_arms": lambda language: readout_document(EXAMPLES["six_arms"](), speak(language)),
    "evil": lambda language: readout_document(EXAMPLES["evil"](), speak(language)),
}
PHONE, DESKTOP, SMALLEST_TEXT = 390, 1280, 11
MOST_BYTES, MOST_SHEETS = 150_000, 6
MEASURE = """<body><iframe src="page.html" style="border:0;width:%dpx;height:900px"></iframe><pre></pre><script>
document.querySelector("iframe").onload = event => {
  const page = event.target.contentDocument
  const size = text => parseFloat(getComputedStyle(text).fontSize)
  const drawn = [...page.querySelectorAll("svg text")].map(text => size(text) * text.getScreenCTM().a)
  const said = [...page.querySelectorAll("td, th, p, li, dd, dt, small, figcaption")].map(size)
  const taps = [...page.querySelectorAll("summary")].map(one => one.getBoundingClientRect().height)
  const cut = [...page.querySelectorAll("svg text")].filter(text => {
    const own = text.getBoundingClientRect(), whole = text.ownerSVGElement.getBoundingClientRect()
    return own.left < whole.left - 2 || own.right > whole.right + 2 || own.top < whole.top - 2
  }).map(text => text.textContent)
  document.querySelector("pre").textContent = JSON.stringify({
    width: page.documentElement.scrollWidth, drawn: Math.min(...drawn), said: Math.min(...said),
    taps: Math.min(...taps), cut: cut, charts: page.querySelectorAll("svg").length,
  })
}
</script>"""


def measure(page, width, folder):
    """What Chromium lays out when the page is so wide."""
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium on this machine")
    (folder / "page.html").write_bytes(page)
    (folder / "frame.html").write_text(MEASURE % width)
    command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu"]
    command += [
        "--allow-file-access-from-files",
        "--virtual-time-budget=10000",
        f"--user-data-dir={folder}/profile",
        "--window-size=1400,1000",
    ]
    dumped = subprocess.run(
        [*command, "--dump-dom", (folder / "frame.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    return json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", dumped, re.S)[1]))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_small_and_its_charts_are_as_wide_as_a_phone(name):
    page = to_html(PAGES[name]("ru"))
    assert len(page) < MOST_BYTES
    boxes = re.findall(r'viewBox="0 0 (\d+) \d+"', page.decode())
    assert boxes and all(int(width) <= PAGE_WIDTH + 1 for width in boxes)


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_pans_nothing_and_reads_every_text(name, tmp_path):
    found = measure(to_html(PAGES[name]("ru")), PHONE, tmp_path)
    assert found["charts"] and found["width"] <= PHONE
    assert found["drawn"] >= SMALLEST_TEXT and found["said"] >= SMALLEST_TEXT
    assert found["taps"] >= 40 and found["cut"] == []


@pytest.mark.parametrize("name", ["scorecard", "six_arms"])
def test_a_desktop_pans_nothing_and_cuts_no_label(name, tmp_path):
    found = measure(to_html(PAGES[name]("en")), DESKTOP, tmp_path)
    assert found["width"] <= DESKTOP and found["drawn"] >= SMALLEST_TEXT and found["cut"] == []


@pytest.mark.parametrize("name", ["probably", "six_arms"])
def test_a_printed_readout_has_six_sheets_at_most(name):
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium on this machine")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", to_pdf(to_html(PAGES[name]("ru"))))) <= MOST_SHEETS
