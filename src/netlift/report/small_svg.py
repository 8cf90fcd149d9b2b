"""Reduction of Vega SVG files without visible change."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

NAMESPACE = "http://www.w3.org/2000/svg"
INHERITED = ("fill", "stroke", "stroke-width", "stroke-dasharray", "fill-opacity", "text-anchor", "font-weight")
FONTS = ("font-family", "font-size")
SPOKEN = re.compile(r"aria-.*|role|class|pointer-events|version|stroke-miterlimit")
INITIAL = {"opacity": "1", "stroke-width": "1", "transform": "translate(0,0)"}
LINE_ENDS = ("x1", "y1", "x2", "y2")
SHAPES = ("d", "transform", "points", "x", "y", "width", "height", "r", *LINE_ENDS)
FRACTION = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|-?\d+e-\d+")
CIRCLE = re.compile(r"M([\d.]+),0A\1,\1,0,1,1,-\1,0A\1,\1,0,1,1,\1,0")


def shrink(svg: str) -> str:
    """The same drawing in fewer bytes: tenths of a pixel, no empty groups, no words for a screen reader.

    A page names the whole figure for who cannot see it, and hides the drawing from them.

    Args:
        svg: A drawing of Vega.

    Examples:
        >>> shrink('<svg xmlns="http://www.w3.org/2000/svg"><g role="a"><path d="M0.123,1h2.5" opacity="1"/></g></svg>')
        '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0.1,1h2.5" /></svg>'
    """
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.fromstring(svg)
    _clean(root)
    _share_fonts(root)
    return _renumber(ElementTree.tostring(root, encoding="unicode"))


def _renumber(svg: str) -> str:
    """Ids that count from this drawing's first, and not from the first of the process."""
    for number, name in enumerate(re.findall(r'\bid="([^"]+)"', svg)):
        svg = svg.replace(f'id="{name}"', f'id="c{number}"').replace(f"url(#{name})", f"url(#c{number})")
    return svg


def _clean(element: Element) -> None:
    """From the leaves up: drop what is not seen, unwrap groups that say nothing, lift what all children share."""
    for child in list(element):
        if _tag(child) == "defs":
            continue
        _clean(child)
        if _is_unseen(child):
            element.remove(child)
    for name, value in list(element.attrib.items()):
        if SPOKEN.fullmatch(name) or INITIAL.get(name) == value or (name in LINE_ENDS and value == "0"):
            del element.attrib[name]
        elif name in SHAPES:
            element.set(name, FRACTION.sub(_round, value))
    _simplify(element)
    children: list[Element] = []
    for child in element:
        children += list(child) if _tag(child) == "g" and not child.attrib else [child]
    element[:] = children
    if _tag(element) == "g":
        _join(element)
        _lift(element)
        _merge(element)


def _is_unseen(child: Element) -> bool:
    empty = _tag(child) == "g" and not len(child)
    blank = _tag(child) == "path" and not child.get("d", "").replace("M0,0h0v0h0Z", "")
    bare = _tag(child) == "path" and not {"fill", "stroke"} & set(child.attrib) and "Z" in child.get("d", "")
    return empty or blank or bare or child.get("display") == "none" or child.get("opacity") == "0"


def _simplify(element: Element) -> None:
    """A circle that is drawn as two arcs becomes a circle."""
    found = CIRCLE.fullmatch(element.get("d", ""))
    if found:
        element.tag = f"{{{NAMESPACE}}}circle"
        element.set("r", found[1])
        del element.attrib["d"]


def _join(group: Element) -> None:
    """Bars in a row that look alike are one shape."""
    kept: list[Element] = []
    for child in group:
        last = kept[-1] if kept else None
        if last is not None and set(child.attrib) == set(last.attrib) == {"d", "fill"}:
            if child.get("fill") == last.get("fill"):
                last.set("d", last.get("d", "") + child.get("d", ""))
                continue
        kept.append(child)
    group[:] = kept


def _lift(group: Element) -> None:
    for name in INHERITED:
        values = {child.get(name) for child in group}
        if len(values) == 1 and None not in values:
            group.set(name, values.pop() or "")
            for child in group:
                del child.attrib[name]


def _merge(group: Element) -> None:
    """A group within a group alone is one group."""
    allowed = {*INHERITED, "transform"}
    if len(group) == 1 and _tag(group[0]) == "g" and set(group.attrib) | set(group[0].attrib) <= allowed:
        inner = group[0]
        transform = group.get("transform", "") + inner.get("transform", "")
        group.attrib.update(inner.attrib)
        if transform:
            group.set("transform", transform)
        group[:] = list(inner)


def _share_fonts(root: Element) -> None:
    """The font of most texts stands at the root."""
    texts = [element for element in root.iter() if _tag(element) == "text"]
    for name in FONTS:
        found = Counter(value for text in texts if (value := text.get(name)))
        if found and sum(found.values()) == len(texts):
            most = found.most_common(1)[0][0]
            root.set(name, most)
            for text in texts:
                if text.get(name) == most:
                    del text.attrib[name]


def _round(found: re.Match[str]) -> str:
    return f"{round(float(found[0]), 1) + 0.0:.10g}"


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


__all__ = ["shrink"]
