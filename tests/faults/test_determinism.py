"""One hash for each type of pixels: whoever computes, and whoever dies meanwhile."""

import random

import dask
import pytest

from dasksom.chunkwise import ThrottledKeeper
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
    with Watchdog(400), connect(ClusterOptions("local", workers, "1GiB"), small=False):
        assert {dtype: hash_of(images[dtype]) for dtype in TYPES} == expected
        disturbed = {dtype: hash_of(images[dtype], lambda: kill(draw.choice(workers_of()))) for dtype in TYPES}
    assert disturbed == expected


class _StoppedError(Exception):
    pass


def _stop(epoch, _):
    if epoch.epoch == 2:
        raise _StoppedError


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["sync", "threads", 1, 2, 4])
def test_resumed(workers, images, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(ThrottledKeeper, "is_due", True)  # every record
    local = workers not in ("sync", "threads")
    where = (
        connect(ClusterOptions("local", workers, "1GiB"), small=False) if local else dask.config.set(scheduler=workers)
    )
    with Watchdog(400), where:
        for dtype in TYPES:
            with pytest.raises(_StoppedError):
                hash_of(images[dtype], on_epoch=_stop, checkpoint=tmp_path / dtype)
            assert list((tmp_path / dtype).iterdir())
            assert hash_of(images[dtype], checkpoint=tmp_path / dtype) == expected[dtype]
