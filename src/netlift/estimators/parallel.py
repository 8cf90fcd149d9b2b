"""Independent fits in parallel, one LightGBM thread each.

Small trees on tens of thousands of rows leave LightGBM's own threads waiting for each other, and burning time while
they wait when the machine is busy; whole fits do not wait. A fit on one thread also gives the same bytes however many
threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


def run_side_by_side(jobs: Sequence[Callable[[], Answer]], *, threads: int) -> list[Answer]:
    """The answers of all jobs, in their order; the first error is raised once the jobs begun are done.

    Examples:
        >>> run_side_by_side([lambda: 1, lambda: 2], threads=2)
        [1, 2]
    """
    if threads == 1 or len(jobs) < 2:
        return [job() for job in jobs]
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
