"""A drawing made small shows what it showed: every mark where it was, in its colours, and every text that was seen."""

import re
from xml.etree import ElementTree

import pytest

from netlift.report.charts import CONFIG, PAGE, color_series
from netlift.report.palette import series_colors
from netlift.report.small_svg import shrink

LOOKS = {"fill": "black", "stroke": "none", "stroke-width": "1", "text-anchor": "start", "font-size": ""}
OF_SHAPES = 3  # of the looks; the rest is of texts
CIRCLE = re.compile(r"M([\d.]+),0A.*")


def marks(svg):
    """What is seen of a drawing: shape, place, looks and text of each mark, bars of one path one by one."""
    found = []

    def walk(element, looks, x, y, turned, seen):
        looks = {name: element.get(name, value) for name, value in looks.items()}
        for verb, numbers in re.findall(r"(\w+)\(([^)]*)\)", element.get("transform", "")):
            parts = [float(part) for part in re.split("[ ,]+", numbers)]
            if verb == "translate" and not turned:
                x, y = x + parts[0], y + (parts[1] if len(parts) > 1 else 0.0)
            turned = turned or verb == "rotate"
        seen = seen and element.get("opacity") != "0" and element.get("display") != "none"
        tag = element.tag.rpartition("}")[2]
        if tag in ("path", "line", "rect", "text", "circle") and seen:
            painted = looks["fill"] != "none" or looks["stroke"] != "none"
            shape = element.get("d", "")
            round_one = CIRCLE.fullmatch(shape)
            if tag == "line":
                shape = ",".join(element.get(end, "0") for end in ("x1", "y1", "x2", "y2"))
            if tag == "circle" or round_one:
                shape = f"circle {float(element.get('r') or round_one[1]):.0f}"
            for part in [one for one in re.split("(?<=Z)", shape) if one] or [""]:
                place = tuple(round(float(n)) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", part))
                if painted and part != "M0,0h0v0h0Z" and (part or tag not in ("path",)):
                    own = tuple(looks.values())[: None if tag == "text" else OF_SHAPES]
                    found.append((place, own, element.text or "", x, y))
        for child in element:
            if child.tag.rpartition("}")[2] != "defs":
                walk(child, looks, x, y, turned, seen)

    walk(ElementTree.fromstring(svg), LOOKS, 0.0, 0.0, False, True)
    return found


def drawings():
    import altair as alt

    rows = [
        {"month": f"m{i}", "part": part, "value": v, "low": v - 1, "high": v + 1}
        for part, scale in (("a", 1), ("b", -2))
        for i, v in enumerate(scale * n for n in (3, 5, 1.234567, 8))
    ]
    base = alt.Chart(alt.Data(values=rows))
    color = color_series("part", dict(zip("ab", series_colors(2), strict=True)))
    x = alt.X("month:O", axis=alt.Axis(labelAngle=-45))
    yield "bars", base.mark_bar().encode(x=x, y="value:Q", color=color), PAGE
    rules = base.mark_rule(strokeWidth=2).encode(x=x, y="low:Q", y2="high:Q", color=color)
    line = base.mark_line(point=True).encode(x=x, y="value:Q", color=color)
    yield "lines", alt.layer(rules, line, base.mark_text(dy=-8).encode(x=x, y="high:Q", text="part:N")), PAGE
    yield "artifact", base.mark_area(opacity=0.4, clip=True).encode(x=x, y="value:Q", color=color), CONFIG


@pytest.mark.parametrize(("name", "chart", "config"), list(drawings()), ids=["bars", "lines", "artifact"])
def test_every_mark_is_where_it_was_in_its_colours(name, chart, config):
    import vl_convert

    whole = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version="6.1", config=config, allowed_base_urls=[])
    small = shrink(whole)
    before, after = marks(whole), marks(small)
    assert len(small) < 0.45 * len(whole), name
    assert [mark[2] for mark in after] == [mark[2] for mark in before]
    for (place, looks, text, x, y), (own, own_looks, _, own_x, own_y) in zip(before, after, strict=True):
        assert own_looks == looks, text
        assert (own_x, own_y) == (pytest.approx(x, abs=0.3), pytest.approx(y, abs=0.3)), text
        assert len(own) == len(place) and all(abs(a - b) <= 1 for a, b in zip(own, place, strict=True))


def test_a_drawing_is_the_same_however_many_were_drawn_before():
    first, second = (
        shrink(
            f'<svg xmlns="http://www.w3.org/2000/svg"><defs><clipPath id="clip{n}"><rect width="9"/></clipPath></defs>'
            f'<g clip-path="url(#clip{n})"><path d="M0,0L1,1" stroke="#000"/></g></svg>'
        )
        for n in (1, 12)
    )
    assert first == second and "url(#c0)" in first
