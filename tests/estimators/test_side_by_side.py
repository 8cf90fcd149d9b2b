"""Fits side by side: their order kept, their errors told."""

import time

import pytest

from netlift.errors import DataError
from netlift.estimators.parallel import run_side_by_side


@pytest.mark.parametrize("threads", [1, 3])
def test_answers_come_in_the_order_of_the_jobs(threads):
    jobs = [lambda i=i: time.sleep(0.002 * (5 - i)) or i for i in range(5)]
    assert run_side_by_side(jobs, threads=threads) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_job_is_raised(threads):
    def fail():
        raise DataError("no rows")

    with pytest.raises(DataError, match="no rows"):
        run_side_by_side([lambda: 1, fail, lambda: 2], threads=threads)
