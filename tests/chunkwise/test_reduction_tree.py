import heapq

import dask.array as da
import numpy as np
import pytest
from distributed import wait

from dasksom.chunkwise import chunk_count, pass_tasks, reduce_chunks
from dasksom.chunkwise.reduction_tree import window_of
from dasksom.chunkwise.submission import RUN_LENGTHS, run_length
from dasksom.cluster import count_tasks
from tests.chunkwise.sums import chain, random_image, tell_sums


class _CountTasks:
    """A scheduler plugin that counts the tasks that were computed."""

    name = "count-tasks"

    def __init__(self):
        self.computed = 0

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory":
            self.computed += 1


@pytest.mark.parametrize("kind", ["read", "computed", "kept", "masked", "kept and masked"])
def test_map_chunks__at_most_1_1_tasks_a_chunk(client, kind):
    from distributed import SchedulerPlugin

    _, image = random_image((330, 170, 3), (10, 10, 3))
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
    reduce_chunks(image, tell_sums, chain, beside=beside)
    computed = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.counter.computed)
    client.unregister_scheduler_plugin("count-tasks")
    assert chunk_count(image) == 512
    if "kept" in kind:  # a chunk stays on the worker that has it
        assert 512 <= computed <= 1.1 * 512
    else:
        assert 512 / 16 <= computed <= 512 / 4


@pytest.mark.parametrize(("shape", "chunk"), [((30, 20, 3), 1), ((40, 30, 1), 1)])
def test_pass_tasks__is_what_a_scheduler_counts(client, shape, chunk):
    told = da.zeros(shape, chunks=(chunk, chunk, shape[2]), dtype=np.uint8)
    with count_tasks(client) as counts:
        assert reduce_chunks(told, _one, sum) == told.npartitions
    assert counts.workers == 2
    assert counts.retries == 0
    assert counts.tasks == pass_tasks(told, 2)
    assert counts.tasks < told.npartitions / 8


@pytest.mark.parametrize("chunks", [1, 3, 17, 39, 130])
def test_window_of__the_same_bits_for_runs_of_any_length(chunks):
    data = np.random.default_rng(chunks).random((chunks, 4, 2)) * 10.0 ** np.arange(8).reshape(4, 2)
    image = da.from_array(data, chunks=(1, 4, 2))
    results = da.map_blocks(lambda block: float(block.sum()), image, dtype=object, meta=np.empty((0, 0, 0), object))
    built = {length: window_of(results, range(chunks), _reciprocal, length) for length in RUN_LENGTHS}
    totals = [window.root.compute(scheduler="sync") for window in built.values()]
    assert totals == totals[:1] * 3
    assert {length: window.tasks for length, window in built.items()} == {n: -(-chunks // n) for n in RUN_LENGTHS}


def _reciprocal(parts):
    """Depends on the order, on the grouping and on the number of calls."""
    return 1 / (1 + sum(parts))


@pytest.mark.parametrize("threads", [1, 2, 7, 64, 256, 1024])
def test_run_length__every_thread_is_busy_to_the_end(threads):
    chunks = left = 32 * threads
    runs = []
    while left:
        runs.append(min(run_length(left, chunks, threads), left))
        left -= runs[-1]
    free = [0] * threads  # when each thread is free, if all chunks take the same time
    for length in runs:
        heapq.heapreplace(free, free[0] + length)
    assert max(free) == 32
    assert len(runs) <= 11 * threads


def _one(block, corner):
    return 1
