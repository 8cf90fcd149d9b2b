"""Outputs with a key: the same key gives the same bytes, or a refusal that says what changed.

A key that nobody gave is made of what is asked, so that two questions never meet under one. A verb that answers
questions gives the same question a key of its own again once data or config have changed. A verb that acts (scores,
decisions) does not: what was sent under a key stays what it was, and another run is asked for by `--run-key`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlift.data.write import file_digest
from netlift.errors import GateRefusedError, UsageError

MANIFEST_FILE = "manifest.json"
SHORT = 6
BRING_BACK = "bring it back from a backup"
OTHERWISE = f"{BRING_BACK}, or give another --run-key"


def safe_key(key: str) -> str:
    """The key as a folder name.

    Raises:
        UsageError: It holds anything but letters, digits, `.`, `-` and `_`, or begins with a point.
    """
    allowed = all(letter.isalnum() or letter in "-_." for letter in key)
    if not key or not allowed or key.startswith(".") or len(key) > 100:
        raise UsageError("--run-key holds letters, digits, '.', '-' and '_' only, at most 100, and no point first")
    return key


def name_question(own: str, *question: str) -> str:
    """The key of what is asked: `own`, and where it is not the plain question a short digest of it.

    Args:
        own: Key of the plain question.
        question: What else is asked, each empty where it is not.

    Examples:
        >>> name_question("C08-2026-10-01-en", "", ""), name_question("C08-2026-10-01-en", "by region", "")
        ('C08-2026-10-01-en', 'C08-2026-10-01-en-asked-6ae55b')
    """
    if not any(question):
        return own
    return f"{own}-asked-{hashlib.sha256(json.dumps(question).encode()).hexdigest()[:SHORT]}"


def find_key(place: Path, asked: str, own: str, inputs: Mapping[str, str]) -> str:
    """The key asked for, else `own`; with a digest of the inputs behind it where `own` was made from others.

    Args:
        place: The folder of the verb's outputs.
        asked: What the caller gave; empty for none.
        own: Key of the question.
        inputs: Digests of what would be made now; `inputs` is that of all of them together.

    Raises:
        UsageError: The key is no name of a folder.
    """
    key = safe_key(asked or own)
    if asked:
        return key
    try:
        before = json.loads((place / key / MANIFEST_FILE).read_text())["digests"]["inputs"]
    except (OSError, ValueError, KeyError):
        return key  # nothing stands there, or nothing whole
    return key if before == inputs["inputs"] else safe_key(f"{key}-anew-{inputs['inputs'][:SHORT]}")


def read_standing(target: Path, inputs: Mapping[str, str], key: str, *, files: Mapping[str, str]) -> dict[str, Any]:
    """The manifest of what was written under this key before, if it was made from the same inputs and is whole.

    Args:
        target: Its folder.
        inputs: Digests of what would be made now; `inputs` is that of all of them together.
        key: The run key.
        files: Name in the manifest's digests to the file it is of.

    Raises:
        UsageError: It was made from other inputs.
        GateRefusedError: A file is missing or is not what was written.
    """
    try:
        manifest: dict[str, Any] = json.loads((target / MANIFEST_FILE).read_text())
        found = {name: file_digest(target / file) for name, file in files.items()}
    except (OSError, ValueError) as error:
        raise GateRefusedError(f"{target} is not whole ({type(error).__name__}); {OTHERWISE}") from error
    if manifest.get("erasing"):
        raise GateRefusedError(
            f"{target}: an erasure of customers was cut off there; run it again, or `netlift doctor --fix`"
        )
    changed = [name for name, digest in inputs.items() if manifest["digests"].get(name) != digest and name != "inputs"]
    if changed or manifest["digests"]["inputs"] != inputs["inputs"]:
        raise UsageError(
            f"run key {key} was written before from other inputs ({', '.join(changed) or 'as_of'} changed since); the "
            "same key never gives other bytes. Give another --run-key"
        )
    for name, digest in found.items():
        if manifest["digests"].get(name) != digest:
            raise GateRefusedError(f"{target / files[name]} is not what was written; {OTHERWISE}")
    return manifest
