"""Parts of a user's own package in definitions, by dotted path (`package.module:Name`) or by an entry point.

An installed package offers a part under a short name by an entry point of the group `netlift.learners`,
`netlift.features`, `netlift.metrics` or `netlift.tasks`; a dotted path needs nothing but that the module can be
imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Literal

from netlift.errors import ConfigError

Kind = Literal["learner", "feature", "metric", "task"]
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def own_path(name: str, kind: Kind) -> str | None:
    """The dotted path of an own part, or None where the name is no dotted path and no entry point.

    Examples:
        >>> own_path("shop.parts:Recent", "learner"), own_path("lightgbm", "learner")
        ('shop.parts:Recent', None)
    """
    if DOTTED.fullmatch(name):
        return name
    return next((point.value for point in entry_points(group=f"netlift.{kind}s") if point.name == name), None)


def load_own(path: str, kind: Kind) -> Any:
    """The part of a dotted path.

    Raises:
        ConfigError: The module cannot be imported, or has no such name.

    Examples:
        >>> load_own("no_such_shop:Recent", "learner")
        Traceback (most recent call last):
        netlift.errors.ConfigError: the own learner no_such_shop:Recent cannot be imported (No module named
        'no_such_shop'): install its package where netlift runs, or take it out of the definition
    """
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the own {kind} {path} cannot be imported ({error}): install its package where netlift runs, or take it "
            "out of the definition"
        ) from error


def known_or_own(known: Sequence[str], kind: Kind) -> Callable[[str], str]:
    """A check of a name in a definition: one of ours, or a part that can be imported."""

    def check(name: str) -> str:
        if name in known:
            return name
        path = own_path(name, kind)
        if path is None:
            from netlift.config.settings import did_you_mean

            own = f"a dotted path (package.module:Name) or an entry point of netlift.{kind}s"
            ours = f"one of {', '.join(known)}, or " if known else ""
            raise ValueError(f"{name!r} is not {ours}{own}{did_you_mean(name, list(known))}")
        try:
            load_own(path, kind)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return name

    return check
