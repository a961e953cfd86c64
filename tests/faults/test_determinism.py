"""One hash for each type of pixels: whoever computes, and whoever dies meanwhile."""

import random

import dask
import pytest

from dasksom.cluster import ClusterOptions, connect
from tests.faults.harness import TYPES, Watchdog, hash_of, kill, workers_of


@pytest.fixture(scope="module")
def expected(images):
    with dask.config.set(scheduler="sync"):
        return {dtype: hash_of(images[dtype]) for dtype in TYPES}


@pytest.mark.slow
def test_threads(images, expected):
    with dask.config.set(scheduler="threads", num_workers=3):
        assert {dtype: hash_of(images[dtype]) for dtype in TYPES} == expected


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers__none_killed_and_one_killed(workers, images, expected):
    draw = random.Random(workers)  # noqa: S311
    with Watchdog(200), connect(ClusterOptions("local", workers, "1GiB"), small=False):
        assert {dtype: hash_of(images[dtype]) for dtype in TYPES} == expected
        disturbed = {dtype: hash_of(images[dtype], lambda: kill(draw.choice(workers_of()))) for dtype in TYPES}
    assert disturbed == expected
