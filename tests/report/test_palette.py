"""The colours are read in both schemes: contrast by WCAG 2, from the palette and from the page's own style."""

import re

import pytest
from scorecard_page import make_document

from netlift.report.exports import TEMPLATES, to_html
from netlift.report.palette import MANY, THEME, series_colors, themed

TEXTS = ("ink", "quiet", "blue", "gain", "loss", "warn")
GROUNDS = ("paper", "soft")
DRAWN = [name for name in THEME if name not in (*GROUNDS, "line")]
SCHEMES = {"light": 0, "dark": 1}


def luminance(color):
    """Relative luminance, WCAG 2.2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_what_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_read_on_every_ground_of_both_schemes(scheme, ground, text):
    side = SCHEMES[scheme]
    assert contrast(THEME[text][side], THEME[ground][side]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", DRAWN)
def test_what_a_chart_draws_stands_out_from_the_paper(scheme, name):
    side = SCHEMES[scheme]
    assert contrast(THEME[name][side], THEME["paper"][side]) >= 3


def test_each_colour_has_a_name_and_each_series_its_own_colour():
    assert len({light for light, _ in THEME.values()}) == len(THEME)
    assert len(set(MANY)) == 12 and set(series_colors(3)) < set(MANY)


def test_the_style_names_no_colour_that_is_not_of_the_palette():
    style = (TEMPLATES / "document.css").read_text()
    assert not re.search(r"#[0-9a-fA-F]{3,6}\b", style)
    assert set(re.findall(r"var\(--(\w+)\)", style)) <= set(THEME)


def test_every_colour_of_a_pages_charts_follows_the_scheme():
    _, document = make_document("ru")
    page = to_html(document).decode()
    colors = {value for _, value in re.findall(r'(fill|stroke)="([^"]+)"', page)}
    assert colors - {"none", "transparent"} and all(re.fullmatch(r"none|transparent|var\(--\w+\)", c) for c in colors)
    assert {name for c in colors for name in re.findall(r"--(\w+)", c)} <= set(THEME)


def test_a_dark_screen_gets_dark_colours_and_paper_never_does():
    _, document = make_document("ru")
    page = to_html(document).decode()
    dark = re.findall(r"@media ([^{]*prefers-color-scheme: dark[^{]*)\{", page)
    assert [condition.strip() for condition in dark] == ["screen and (prefers-color-scheme: dark)"]
    assert all(f"--{name}: {light};" in page and f"--{name}: {dark};" in page for name, (light, dark) in THEME.items())


def test_colours_of_others_stay_as_they_are():
    assert themed('<path fill="#123456"/>') == '<path fill="#123456"/>'
