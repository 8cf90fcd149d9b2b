"""Sanitizing of external text for terminals, charts, Markdown and spreadsheets."""

from __future__ import annotations

import json
import re
from typing import Any
from unicodedata import category

JOINERS = "\u200c\u200d"  # of Persian words and of emoji; they turn and hide nothing
FORMULA = tuple("=+-@＝＋－＠")  # full-width signs run in spreadsheets too
BLANK = re.compile(r"[\s\0-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*")
MARKUP = re.compile(r"[\\`\[]")
BARE_LINK = re.compile(r"(?i)\b(https?|ftp)://|\b(mailto|xmpp):|\bwww\.")


def clean(text: str) -> str:
    r"""One line without letters that steer a terminal, turn the writing of what stands behind them, or are unseen.

    Examples:
        >>> clean("sale\x1b[31m \u202enow\x00"), clean("🎁 осень")
        ('sale [31m now', '🎁 осень')
    """
    if text.isprintable():
        return text.strip()
    return "".join(map(_cleaned, text)).strip()


def clean_lines(text: str) -> str:
    r"""Text of many lines for a terminal: lines and their indents stay, nothing in them steers.

    Examples:
        >>> clean_lines("  a\x1b]0;title\x07\n  b\u202e")
        '  a ]0;title \n  b'
    """
    if text.isprintable():
        return text
    return "\n".join(line if line.isprintable() else "".join(map(_cleaned, line)) for line in text.split("\n"))


def dump_json(content: Any) -> str:
    r"""One line of JSON for a terminal or a pipe: letters that steer are written as escapes, and mean the same.

    Examples:
        >>> dump_json({"name": "\u202eдень"})
        '{"name": "\\u202eдень"}'
    """
    text = json.dumps(content, ensure_ascii=False)
    return "".join(
        letter if letter.isprintable() or _cleaned(letter) == letter else json.dumps(letter)[1:-1] for letter in text
    )


def escape_markdown(text: str) -> str:
    r"""Text that Markdown shows as it is: no tags, links or pictures, no lines of its own.

    Examples:
        >>> print(escape_markdown(r"\[win](http://x.y) <b>"))
        \\\[win](http&#58;//x.y) &lt;b>
    """
    one_line = " ".join(text.split("\n")).replace("&", "&amp;").replace("<", "&lt;")
    one_line = BARE_LINK.sub(lambda found: found[0].replace(":", "&#58;").replace(".", "&#46;"), one_line)
    return MARKUP.sub(r"\\\g<0>", one_line)


def has_control(text: str) -> bool:
    r"""Whether text holds what no name does: controls other than tab and line feed, halves of letters.

    Examples:
        >>> has_control("a\tb\n"), has_control("a\0")
        (False, True)
    """
    return not text.isprintable() and any(_cleaned(letter) == " " for letter in text if letter not in "\t\n\r \u2028")


def safe_cell(text: str | None) -> str | None:
    """Text with an apostrophe before it where a spreadsheet would run it.

    Examples:
        >>> safe_cell("=1+1"), safe_cell("0042"), safe_cell("-7")
        ("'=1+1", '0042', "'-7")
    """
    if not text:
        return text
    begins = BLANK.match(text)
    start = begins.end() if begins else 0
    return f"'{text}" if text.startswith(FORMULA, start) or text[0] in "\t\r\n\0" else text


def _cleaned(letter: str) -> str:
    kind = category(letter)
    if kind == "Cf":
        return letter if letter in JOINERS else ""
    unwritable = kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cn" and ord(letter) & 0xFFFE == 0xFFFE)
    return " " if unwritable else letter


__all__ = ["clean", "clean_lines", "dump_json", "escape_markdown", "has_control", "safe_cell"]
