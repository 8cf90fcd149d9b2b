"""What a result was made from: digests of the data's files and of the settings."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from netlift.config.business import BusinessSettings
from netlift.data.read import source_files
from netlift.data.write import file_digest


def digest_sources(settings: BusinessSettings) -> dict[str, str]:
    """The sha256 of every source file's whole content, by table or file name."""
    return {name: file_digest(path) for name, path in sorted(source_files(settings).items())}


def combine_digests(digests: Mapping[str, str]) -> str:
    """One sha256 for several, whatever their order.

    Examples:
        >>> combine_digests({"a": "1", "b": "2"}) == combine_digests({"b": "2", "a": "1"})
        True
    """
    return hashlib.sha256(json.dumps(dict(digests), sort_keys=True).encode()).hexdigest()


def git_commit() -> str:
    """The commit of the checkout that netlift runs from, or "unknown" where it is installed without one."""
    folder = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
