"""Colours of pages, charts and slides by name, for light and dark screens."""

from __future__ import annotations

import re
from collections.abc import Mapping

THEME: Mapping[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14191f"),
    "soft": ("#f4f7fa", "#1d242c"),
    "line": ("#d5dbe2", "#3a444f"),
    "ink": ("#1c2733", "#e4e9ee"),
    "quiet": ("#566270", "#a9b4bf"),
    "blue": ("#1b4f8a", "#82b4ec"),
    "gain": ("#1f6b43", "#6fca95"),
    "loss": ("#a3262a", "#ff938c"),
    "warn": ("#8a5a00", "#e9b650"),
    "focus": ("#b77900", "#e0a526"),
    "grey": ("#7d8792", "#8d98a4"),
    "orange": ("#c7651b", "#e8934a"),
    "teal": ("#24806e", "#4fb8a3"),
    "violet": ("#7f5fa8", "#b196d8"),
    "sky": ("#3d86c9", "#5a9fdf"),
    "lime": ("#5d8f43", "#93c47a"),
    "gold": ("#a87a0c", "#dcb13c"),
    "brick": ("#8f3f3a", "#d97d76"),
    "plum": ("#a0709b", "#cfa3ca"),
    "umber": ("#7a6a58", "#b39f88"),
    "slate": ("#5d6670", "#7b8794"),
    "ash": ("#858c94", "#c3c9d0"),
}
LIGHT: Mapping[str, str] = {name: light for name, (light, _) in THEME.items()}
FEW = tuple(LIGHT[name] for name in ("blue", "orange", "teal", "violet"))
MANY = tuple(
    LIGHT[name]
    for name in (
        *("blue", "sky", "teal", "lime", "gold", "orange", "brick", "violet", "plum", "umber", "slate", "ash"),
    )
)
_NAMES = {light: name for name, light in LIGHT.items()}
_DRAWN = re.compile("|".join(f'"{light}"' for light in _NAMES))


def series_colors(count: int) -> tuple[str, ...]:
    """A colour for each series of a chart, far apart where there are few.

    Examples:
        >>> series_colors(2) == FEW[:2], len(series_colors(14))
        (True, 14)
    """
    colors = FEW if count <= len(FEW) else MANY
    return tuple(colors[i % len(colors)] for i in range(count))


def themed(svg: str) -> str:
    """A drawing for use inside a page: its colours are the page's, so that they follow the screen's scheme.

    Examples:
        >>> themed('<path fill="#1b4f8a"/>')
        '<path fill="var(--blue)"/>'
    """
    return _DRAWN.sub(lambda found: f'"var(--{_NAMES[found[0].strip(chr(34))]})"', svg)


__all__ = ["FEW", "LIGHT", "MANY", "THEME", "series_colors", "themed"]
