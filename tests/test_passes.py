import dask
import dask.array as da
import numpy as np
import pytest
from distributed import wait
from hypothesis import given
from hypothesis import strategies as st

from dasksom import passes


@given(numblocks=st.lists(st.integers(1, 9), min_size=1, max_size=4), most=st.integers(1, 40))
def test_windows__cover_each_chunk_once_in_row_major_order(numblocks, most):
    grid = np.arange(np.prod(numblocks)).reshape(numblocks)
    boxes = [grid[box].ravel() for box in passes.windows(numblocks, most)]
    assert np.concatenate(boxes).tolist() == list(range(grid.size))
    assert all(len(box) <= most for box in boxes)


def _tell(block, corner, sent=None):
    return [(corner, block.shape, float(block.sum()), None if sent is None else sent.shape)]


def _chain(parts):
    return [record for part in parts for record in part]


def _image(shape=(37, 50, 3), chunks=(10, 7, 3)):
    data = np.random.default_rng(0).random(shape)
    return data, da.from_array(data, chunks=chunks)


def _check(data, image, records):
    for corner, shape, total, _ in records:
        place = tuple(slice(first, first + size) for first, size in zip(corner, shape, strict=True))
        assert total == pytest.approx(data[place].sum())
    corners = [corner for corner, *_ in records]
    assert corners == sorted(corners)
    assert len(corners) == passes.chunk_count(image)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_map_chunks__gives_each_chunk_and_its_corner_in_order(scheduler):
    data, image = _image()
    with dask.config.set(scheduler=scheduler):
        _check(data, image, passes.reduce_chunks(image, _tell, _chain))


def test_map_chunks__on_a_cluster(client):
    data, image = _image()
    _check(data, image, passes.reduce_chunks(image, _tell, _chain))


@pytest.mark.parametrize("shape", [(60, 3), (20, 6, 4, 2)])
def test_map_chunks__tables_and_stacks(shape):
    data, image = _image(shape, (*(3,) * (len(shape) - 1), shape[-1]))
    _check(data, image, passes.reduce_chunks(image, _tell, _chain))


def test_map_chunks__large_arguments_travel_as_a_task(client):
    _, image = _image()
    records = passes.reduce_chunks(image, _tell, _chain, sent=np.zeros((400, 500)))
    assert {sent for *_, sent in records} == {(400, 500)}


def test_map_chunks__reports_progress():
    _, image = _image((100, 100, 3), (10, 10, 3))
    seen = []
    passes.reduce_chunks(image, _tell, _chain, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 4


class _CountTasks:
    """A scheduler plugin that counts the tasks that were computed."""

    name = "count-tasks"

    def __init__(self):
        self.computed = 0

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory":
            self.computed += 1


def _tell_sums(block, corner, *beside):
    return [(corner, *(float(one.sum()) for one in (block, *beside)))]


def _read_once(block, block_id, reads):
    reads.append(block_id)
    return block


def test_map_chunks__reads_a_chunk_once_for_an_image_and_what_lies_beside_it():
    data, image = _image()
    reads = []
    read = da.map_blocks(_read_once, image, reads=reads, meta=image._meta)
    first = da.map_blocks(np.delete, read, [1, 2], axis=2, chunks=(*image.chunks[:2], (1,)), meta=image._meta)
    shared = da.ones((37, 50, 3), chunks=(37, 50, 3))[:, :, :1].rechunk((10, 7, 1))  # one task that all chunks need
    found = passes.reduce_chunks(first, _tell_sums, _chain, beside=[read[..., 1:2] * 2, read[..., 2:] > 0.5, shared])
    assert len(reads) == len(found) == passes.chunk_count(image)
    assert sum(total for _, total, *_ in found) == pytest.approx(data[..., 0].sum())
    assert sum(total for _, _, total, *_ in found) == pytest.approx(data[..., 1].sum() * 2)
    assert sum(total for _, _, _, total, _ in found) == (data[..., 2] > 0.5).sum()
    assert sum(total for *_, total in found) == 37 * 50


@pytest.mark.parametrize("kind", ["read", "computed", "kept", "masked", "kept and masked"])
def test_map_chunks__at_most_1_1_tasks_a_chunk(client, kind):
    from distributed import SchedulerPlugin

    _, image = _image((330, 170, 3), (10, 10, 3))
    beside = []
    if kind == "computed":
        image = (image * 2).astype(np.float32) + 1
    if kind in ("kept", "kept and masked"):
        image = image.persist()
        wait(image)
    image = image[10:, 10:]
    if "masked" in kind:  # image and mask are made of the same chunks
        beside = [(image[..., :1] > 0.5) & (image[..., 1:2] > 0.5), image.sum(axis=2, keepdims=True) * 2]
        image = da.map_blocks(np.delete, image, 2, axis=2, chunks=(*image.chunks[:2], (2,)), meta=image._meta)

    class Counter(_CountTasks, SchedulerPlugin):
        async def start(self, scheduler):
            scheduler.counter = self

    client.register_plugin(Counter())
    passes.reduce_chunks(image, _tell_sums, _chain, beside=beside)
    computed = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.counter.computed)
    client.unregister_scheduler_plugin("count-tasks")
    assert passes.chunk_count(image) == 512
    assert 512 <= computed <= 1.1 * 512


def test_map_chunks__chunks_of_any_size():
    data, _ = _image()
    image = da.from_array(data, chunks=((1, 20, 3, 13), (50,), (3,)))
    _check(data, image, passes.reduce_chunks(image, _tell, _chain))


def _fail(block, corner):
    raise ValueError(f"at {corner}")


def test_map_chunks__an_error_in_a_chunk_reaches_the_caller(client):
    _, image = _image()
    with pytest.raises(ValueError, match="at "):
        passes.reduce_chunks(image, _fail, _chain)


def test_map_chunks__a_function_never_sees_a_chunk_that_is_none():
    """Dask likes to call functions on empty arrays to guess what they return."""
    _, image = _image()
    for _, shape, *_ in passes.reduce_chunks(image, _tell, _chain):
        assert 0 not in shape


def test_float_sums_have_the_same_bits_on_any_scheduler(client):
    data, image = _image((200, 200, 3), (9, 11, 3))

    def total():
        return passes.reduce_chunks(image, _sum, sum)

    on_cluster = total()
    with dask.config.set(scheduler="sync"):
        assert total() == on_cluster
    with dask.config.set(scheduler="threads", num_workers=4):
        assert total() == on_cluster
    assert on_cluster == pytest.approx(data.sum())


def _sum(block, corner):
    return float(block.sum())


def test_keep_in_memory__by_size_and_by_wish(monkeypatch):
    _, image = _image()
    lazy = image + 1
    assert len(passes.keep_in_memory(lazy, "none").dask.layers) > 1
    assert len(passes.keep_in_memory(lazy, "memory").dask.layers) == 1
    with dask.config.set({"distributed.worker.memory.target": 0.6}):
        monkeypatch.setattr(passes, "memory_limit", lambda: int(image.nbytes / 0.36))
        assert len(passes.keep_in_memory(lazy, "auto").dask.layers) > 1
        monkeypatch.setattr(passes, "memory_limit", lambda: int(image.nbytes / 0.34))
        assert len(passes.keep_in_memory(lazy, "auto").dask.layers) == 1


def test_memory_limit__is_that_of_the_workers(client):
    assert passes.memory_limit() == 2 * 2 * 2**30
