import dask
import dask.array as da
import numpy as np
import pytest

from dasksom.chunkwise import reduce_chunks
from tests.chunkwise.sums import chain, check, random_image, tell


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_map_chunks__gives_each_chunk_and_its_corner_in_order(scheduler):
    data, image = random_image()
    with dask.config.set(scheduler=scheduler):
        check(data, image, reduce_chunks(image, tell, chain))


def test_map_chunks__on_a_cluster(client):
    data, image = random_image()
    check(data, image, reduce_chunks(image, tell, chain))


@pytest.mark.parametrize("shape", [(60, 3), (20, 6, 4, 2)])
def test_map_chunks__tables_and_stacks(shape):
    data, image = random_image(shape, (*(3,) * (len(shape) - 1), shape[-1]))
    check(data, image, reduce_chunks(image, tell, chain))


def test_map_chunks__large_arguments_travel_as_a_task(client):
    _, image = random_image()
    records = reduce_chunks(image, tell, chain, sent=np.zeros((400, 500)))
    assert {sent for *_, sent in records} == {(400, 500)}


def test_map_chunks__reports_progress():
    _, image = random_image((100, 100, 3), (10, 10, 3))
    seen = []
    reduce_chunks(image, tell, chain, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 4


def test_map_chunks__chunks_of_any_size():
    data, _ = random_image()
    image = da.from_array(data, chunks=((1, 20, 3, 13), (50,), (3,)))
    check(data, image, reduce_chunks(image, tell, chain))


def _fail(block, corner):
    raise ValueError(f"at {corner}")


def test_map_chunks__an_error_in_a_chunk_reaches_the_caller(client):
    _, image = random_image()
    with pytest.raises(ValueError, match="at "):
        reduce_chunks(image, _fail, chain)


def test_map_chunks__a_function_never_sees_a_chunk_that_is_none():
    """Dask likes to call functions on empty arrays to guess what they return."""
    _, image = random_image()
    for _, shape, *_ in reduce_chunks(image, tell, chain):
        assert 0 not in shape
