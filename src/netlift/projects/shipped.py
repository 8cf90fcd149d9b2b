"""The demo's config and the definitions of models that netlift ships, in the wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

from netlift.errors import ConfigError

WHEEL, CHECKOUT = Path(__file__).parent / "shipped", Path(__file__).parents[3]


def read_shipped(name: str) -> str:
    """A shipped file's text.

    Args:
        name: Its path, such as `configs/demo.yaml`.

    Raises:
        ConfigError: netlift was installed without it.
    """
    for root in (WHEEL, CHECKOUT):
        if (root / name).is_file():
            return (root / name).read_text(encoding="utf-8")
    raise ConfigError(f"{name} is not part of this installation; install netlift from its wheel or its checkout")


def block_of(text: str, key: str) -> str:
    r"""One top-level block of a YAML text, as it is written, comments included.

    Examples:
        >>> block_of("a: 1\nb:\n  c: 2  # why\nd: 3\n", "b")
        'b:\n  c: 2  # why'
    """
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"{key}:"))
    after = (place for place, line in enumerate(lines) if place > start and line[:1] not in ("", " "))
    return "\n".join(lines[start : next(after, len(lines))])
