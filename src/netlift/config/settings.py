"""Loading of YAML to a frozen settings object, with one error that lists all mistakes."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from netlift.errors import ConfigError
from netlift.text import has_control

MAX_BYTES = 200_000
MAX_DEPTH = 20
MAX_VALUES = 10_000
MOST_MISTAKES, MOST_LETTERS, LONGEST_LINE = 20, 3_000, 1_200
LONGEST_WORD = 60  # that is compared with known ones, or quoted
LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_OPENING = (
    yaml.BlockMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.FlowSequenceStartToken,
)
_CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


class Settings(BaseModel):
    """A part of a configuration: immutable, and no key beyond those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_max_length=4000)

    def digest(self) -> str:
        """The sha256 of the settings as read, independent of the order and layout of the file.

        Where a file stands does not enter: paths are left out of the digest by the classes that hold them.
        """
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


AnySettings = TypeVar("AnySettings", bound=Settings)


def load_settings(path: Path, kind: type[AnySettings]) -> AnySettings:
    """Read a YAML file into settings of one kind.

    Every scalar is read as text and converted by the field's type, so that `NO`, `12:30` and `0123` stay what was
    written.

    Raises:
        ConfigError: The file is missing, too large, not plain YAML, or holds mistakes; all are listed together.
    """
    data = read_yaml(path)
    try:
        return kind.model_validate(data, context={"folder": path.absolute().parent})
    except ValidationError as error:
        found = error.errors(include_url=False)
        count = f"{len(found):,} mistake" + ("s" if len(found) > 1 else "")
        lines = [
            f"{_shorten(str(path))}: {count}",
            *(f"  {_shorten(_describe(each, kind))}" for each in found[:MOST_MISTAKES]),
        ]
        while len("\n".join(lines)) > MOST_LETTERS and len(lines) > 2:
            lines.pop()
        if left := len(found) - len(lines) + 1:
            lines.append(f"  and {left:,} more; correct these first")
        raise ConfigError("\n".join(lines)) from None


def read_yaml(path: Path) -> Any:
    """Plain YAML as nested dictionaries, lists and text.

    Raises:
        ConfigError: No such file, over 200 kB, nested over 20 deep, or with anchors, tags, control characters or keys
            given twice.
    """
    if not _is_file(path):
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise ConfigError(f"{_shorten(str(path))}: no such file{hint}")
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(f"{path}: {path.stat().st_size:,} bytes; a configuration holds at most {MAX_BYTES:,}")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_tricks(path, text)
        node = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: not plain YAML: {_shorten(error.problem or 'cannot be read')}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not plain YAML: {_shorten(' '.join(str(error).split()))}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    return _construct(node, path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the system
        return False


def _shorten(text: str) -> str:
    text = re.sub(r"://[^/\s@]*@", "://…@", text)  # user and password of a URL that stands where none may
    return text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"


def _refuse_tricks(path: Path, text: str) -> None:
    """Refuse what plain settings do not need and what a parser can be hurt with, before anything is built."""
    depth = values = 0
    for token in yaml.scan(text, Loader=LOADER):
        if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
            line = token.start_mark.line + 1
            raise ConfigError(f"{path}:{line}: anchors, aliases and tags are not read; write the value out")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{path}: nested deeper than {MAX_DEPTH} levels")
        values += isinstance(token, yaml.ScalarToken)
        if values > MAX_VALUES:
            raise ConfigError(f"{path}: more than {MAX_VALUES:,} words and numbers; no configuration needs so many")
        if isinstance(token, yaml.ScalarToken) and has_control(token.value):
            line = token.start_mark.line + 1
            raise ConfigError(f"{path}:{line}: holds a control character or half of one; write what people can read")


def _construct(node: yaml.Node | None, path: Path) -> Any:
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: a key is one word, not a list or a mapping")
            if key.value in mapping:
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: {_quote(key.value)} is given twice")
            mapping[key.value] = _construct(value, path)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [_construct(value, path) for value in node.value]
    return node.value if node is not None else {}


def _describe(mistake: Any, kind: type[BaseModel]) -> str:
    """One line: where, what was found, what is allowed, what was probably meant."""
    place = ".".join(_cut(str(part)) for part in mistake["loc"]) or "(top)"
    found = mistake.get("input")
    shown = _quote(found) if isinstance(found, str | int | float | bool) else None
    if mistake["type"] == "extra_forbidden":
        known = _fields_at(kind, mistake["loc"][:-1])
        return f"{place}: no such key{did_you_mean(str(mistake['loc'][-1]), known)}"
    if mistake["type"] == "missing":
        return f"{place}: missing, and there is no default"
    message = mistake["msg"].removeprefix("Value error, ")
    expected = mistake.get("ctx", {}).get("expected")
    if isinstance(expected, str) and isinstance(found, str):
        message += did_you_mean(found, expected.replace("'", "").replace(" or ", ", ").split(", "))
    return f"{place}: {message}" + (f", found {shown}" if shown and shown not in message else "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_WORD else f"{text[:LONGEST_WORD]}…"


def _quote(value: Any) -> str:
    return repr(_cut(value) if isinstance(value, str) else value)


def did_you_mean(word: str, known: list[str], *, quote_all: bool = True) -> str:
    """A hint for a word that is nearly one of the known ones, or the list of them; empty when nothing is known.

    Args:
        word: What was written.
        known: What it may be.
        quote_all: List them where none is near; not for a CSV's first line, which may be a customer's row.

    Examples:
        >>> did_you_mean("chanel", ["channel", "cost"])
        '; did you mean channel?'
        >>> did_you_mean("x", ["channel", "cost"])
        '; known: channel, cost'
    """
    compared = [name for name in known if len(name) <= LONGEST_WORD] if len(word) <= LONGEST_WORD else []
    near = difflib.get_close_matches(word, compared, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(map(_cut, sorted(known)[:20]))}" if known and quote_all else ""


def _fields_at(kind: Any, loc: tuple[int | str, ...]) -> list[str]:
    """Field names of the settings class that stands at a place of another."""
    for part in loc:
        choices = _settings_classes(kind)
        found = [c.model_fields[part].annotation for c in choices if isinstance(part, str) and part in c.model_fields]
        kind = found[0] if found else kind
    return sorted({name for choice in _settings_classes(kind) for name in choice.model_fields})


def _settings_classes(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is not None:
        return [found for argument in typing.get_args(kind) for found in _settings_classes(argument)]
    return []
