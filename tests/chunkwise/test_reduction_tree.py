import dask.array as da
import numpy as np
import pytest
from distributed import wait

from dasksom.chunkwise import chunk_count, pass_tasks, reduce_chunks
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
    assert 512 <= computed <= 1.1 * 512


@pytest.mark.parametrize(("shape", "chunk"), [((30, 20, 3), 1), ((80, 60, 1), 1)])
def test_pass_tasks__is_what_a_scheduler_counts(client, shape, chunk):
    told = da.zeros(shape, chunks=(chunk, chunk, shape[2]), dtype=np.uint8)
    with count_tasks(client) as counts:
        assert reduce_chunks(told, _one, sum) == told.npartitions
    assert counts.workers == 2
    assert counts.retries == 0
    assert counts.tasks == pass_tasks(told)
    if told.npartitions > 4096:  # small chunks share tasks
        assert counts.tasks < told.npartitions / 8


def _one(block, corner):
    return 1
