"""Check of available memory before a job starts."""

from __future__ import annotations

import resource

from netlift.errors import ResourceError

LIBRARIES_MB = 2_500.0
"""Addresses that loaded libraries, compiled kernels and thread stacks take beside the data, rounded up."""


def require_memory(needed_mb: float, *, cure: str) -> None:
    """Refuse to begin what a limit on the process's addresses (`ulimit -v`) cannot hold.

    Args:
        needed_mb: Addresses that will be taken in all.
        cure: What to do.

    Raises:
        ResourceError: The limit is below that; the message names both.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < needed_mb * 2**20:
        raise ResourceError(
            f"this job may hold {limit / 2**20:,.0f} MB of memory (`ulimit -v`) and needs {needed_mb:,.0f}: {cure}"
        )


__all__ = ["LIBRARIES_MB", "require_memory"]
