"""The dask graph of a window: a function on each of its chunks, and the tree that combines the results."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

import dask.array as da
from dask._task_spec import List, Task, TaskRef  # what dask's own collections are made of
from dask.delayed import Delayed

from dasksom.chunkwise.chunk_grid import Box, chunk_count, chunks_in, described, places_in, windows
from dasksom.chunkwise.fusion import fuse_private
from dasksom.chunkwise.submission import Window

FAN_IN = 16
"""Results that one task combines."""
GROUPED_CHUNKS = 4096
"""Images of fewer chunks have a task for each, so that there is one for everybody."""
GROUPED_BYTES = 1 << 20
"""Largest chunk that shares a task with its neighbors: work of some milliseconds, of which a task costs one."""


def window_size(chunks: int) -> int:
    """Give the chunks a window: a sixty-fourth of the image, within limits; a function of the chunk count alone."""
    return min(max(FAN_IN, math.ceil(chunks / 64)), 512)


def are_grouped(image: da.Array) -> bool:
    """Tell whether one task works on `FAN_IN` chunks, one after the other: small ones, where there are many."""
    size = math.prod(image.chunksize) * image.dtype.itemsize
    return chunk_count(image) >= GROUPED_CHUNKS and size <= GROUPED_BYTES


def window_of(results: da.Array, box: Box, combine: Callable[[Sequence[Any]], Any], grouped: bool) -> Window:
    """Give the window of a box of chunks, of an array of per-chunk results."""
    keys = [(results.name, *at) for at in places_in(box)]
    # only this window's tasks are made of the array's abstract graph; read and function are fused to one task here
    graph = dict(results.__dask_optimize__(results.__dask_graph__(), keys))
    # where dask has fused more than that it leaves aliases behind, which would be tasks of their own
    leaves = [getattr(graph[key], "target", key) for key in keys]
    fuse_private(graph, leaves)
    # chunks that wait for a chunk elsewhere, in a worker's memory, stay where that is
    fused = grouped and len({graph[key].dependencies for key in leaves}) == 1
    root = _grow(graph, leaves, combine, fused)
    tasks = math.ceil(len(leaves) / FAN_IN) if fused else len(leaves)
    return Window(Delayed(root, graph), len(keys), tasks, partial(_place_of, results.chunks, box, fused))


def _grow(graph: dict[Any, Any], leaves: Sequence[Any], combine: Callable[[Sequence[Any]], Any], fused: bool) -> Any:
    """Add the tree over some tasks to their graph, and give the key of its root.

    Fused, the tasks that one task combines become part of it.
    """
    name, depth, level = f"combine-{uuid4().hex}", 0, leaves
    while depth == 0 or len(level) > 1:
        gathered = []
        for start in range(0, len(level), FAN_IN):
            parts = level[start : start + FAN_IN]
            task = Task((name, depth, start), combine, List(*map(TaskRef, parts)))
            if fused and depth == 0:
                task = Task.fuse(*map(graph.pop, parts), task)
            graph[task.key] = task
            gathered.append(task.key)
        level, depth = gathered, depth + 1
    return level[0]


def _place_of(chunks: tuple[tuple[int, ...], ...], box: Box, fused: bool, key: Any) -> str:
    """Say in words what the task of a key works on, in a window of a grid of chunks."""
    name, *at = key if isinstance(key, tuple) else (key,)
    if str(name).startswith("combine-"):
        if not fused or at[0]:
            return "the adding up of results"
        several = [described(chunks, chunk) for chunk in islice(places_in(box), at[1], at[1] + FAN_IN)]
        return f"one of the chunks from {several[0]} to {several[-1]}"
    if len(at) != len(chunks):
        return f"the task {name}"
    return f"chunk {described(chunks, at)}"


def pass_tasks(image: da.Array) -> int:
    """Give the number of tasks of one pass, with those that only combine."""
    total, grouped = 0, are_grouped(image)
    for box in windows(image.numblocks, window_size(chunk_count(image))):
        level = chunks_in(box)
        total += 0 if grouped else level
        while True:
            level = math.ceil(level / FAN_IN)
            total += level
            if level == 1:
                break
    return total
