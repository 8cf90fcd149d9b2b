"""Audit journal: one JSON line per act, chained by sha256."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlift.data.write import append_line
from netlift.errors import ModelIntegrityError, ResourceError

AUDIT_FILE = "audit.jsonl"
PREVIOUS, MOVED = "previous", "moved"


def append_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Add an entry behind the last one and force it to disk; call it under the lock of those who write there.

    The end of a line that a full disk or a killed process cut off was never acknowledged, and is removed.

    Raises:
        ModelIntegrityError: The journal was changed.
        ResourceError: The disk is full or the place cannot be written.
    """
    lines = _whole_lines(path)
    _verify(path, lines)
    line = json.dumps({**entry, PREVIOUS: _digest(lines[-1]) if lines else ""}, ensure_ascii=False)
    size = sum(len(each) + 1 for each in lines)
    if path.exists() and path.stat().st_size != size:
        os.truncate(path, size)
    append_line(path, line)
    if path.stat().st_size != size + len(line.encode()) + 1:
        raise ResourceError(f"{path}: the disk is full; the entry was not kept, free space and rerun")


def read_entries(path: Path) -> list[dict[str, Any]]:
    """All entries, oldest first.

    Raises:
        ModelIntegrityError: A line was changed, added between others or removed from between them.
    """
    lines = _whole_lines(path)
    _verify(path, lines)
    return [json.loads(line) for line in lines]


def _whole_lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _verify(path: Path, lines: list[bytes]) -> None:
    before = ""
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)[PREVIOUS]
        except (ValueError, KeyError, TypeError):
            found = None
        if found != before:
            raise ModelIntegrityError(
                f"{path}: line {number} does not follow the line before it, so one of them was changed: "
                "bring the journal back from a backup"
            )
        before = _digest(line)


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
