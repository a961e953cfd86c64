import dask

from dasksom.chunkwise import submission
from tests.chunkwise.sums import random_image


def _kept(image, cache):
    return submission.keep_in_memory(image, None, cache)[0]


def test_keep_in_memory__by_size_and_by_wish(monkeypatch):
    _, image = random_image()
    lazy = image + 1
    assert len(_kept(lazy, "none").dask.layers) > 1
    assert len(_kept(lazy, "memory").dask.layers) == 1
    with dask.config.set({"distributed.worker.memory.target": 0.6}):
        monkeypatch.setattr(submission, "memory_limit", lambda: int(image.nbytes / 0.36))
        assert len(_kept(lazy, "auto").dask.layers) > 1
        monkeypatch.setattr(submission, "memory_limit", lambda: int(image.nbytes / 0.34))
        assert len(_kept(lazy, "auto").dask.layers) == 1


def test_memory_limit__is_that_of_the_workers(client):
    assert submission.memory_limit() == 2 * 2 * 2**30
