"""The dask graph of a window: a task for each chunk, and the tree that combines their results."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any
from uuid import uuid4

import dask.array as da
from dask._task_spec import Alias, DataNode, List, Task, TaskRef  # private API, used on purpose: see dasksom.chunkwise
from dask.delayed import Delayed

from dasksom.chunkwise.chunk_grid import Box, chunk_count, chunks_in, describe_chunk, indices_in, windows
from dasksom.chunkwise.submission import Window

FAN_IN = 16
"""Number of results that one task combines."""
_GROUPED_CHUNKS = 4096
"""Images with fewer chunks have one task per chunk, so that every thread gets one."""
_GROUPED_BYTES = 1 << 20
"""Largest chunk that shares a task with its neighbors: it takes a few milliseconds, and each task costs one."""


def window_size(chunks: int) -> int:
    """Return the chunks per window: a sixty-fourth of the image, within limits; depends only on the chunk count."""
    return min(max(FAN_IN, math.ceil(chunks / 64)), 512)


def are_grouped(image: da.Array) -> bool:
    """Return whether one task processes `FAN_IN` chunks in sequence: for small chunks, if there are many."""
    size = math.prod(image.chunksize) * image.dtype.itemsize
    return chunk_count(image) >= _GROUPED_CHUNKS and size <= _GROUPED_BYTES


def window_of(results: da.Array, box: Box, combine: Callable[[Sequence[Any]], Any], grouped: bool) -> Window:
    """Return the window of a box of chunks of an array of results per chunk."""
    keys = [(results.name, *at) for at in indices_in(box)]
    # materializes only the tasks of this window, with read and function fused into one task
    graph = dict(results.__dask_optimize__(results.__dask_graph__(), keys))
    # if dask has fused more, it leaves aliases, which would be separate tasks
    leaves = [getattr(graph[key], "target", key) for key in keys]
    fuse_private(graph, leaves)
    # chunks that depend on a chunk in the memory of a worker run on that worker
    fused = grouped and len({graph[key].dependencies for key in leaves}) == 1
    root = _grow(graph, leaves, combine, fused)
    tasks = math.ceil(len(leaves) / FAN_IN) if fused else len(leaves)
    return Window(Delayed(root, graph), len(keys), tasks, partial(_describe_task, results.chunks, box, fused))


def _grow(graph: dict[Any, Any], leaves: Sequence[Any], combine: Callable[[Sequence[Any]], Any], fused: bool) -> Any:
    """Add a tree over some tasks to their graph and return the key of its root.

    If fused, a task of the first level includes the tasks that it combines.
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


def _describe_task(chunks: tuple[tuple[int, ...], ...], box: Box, fused: bool, key: Any) -> str:
    """Describe the chunks that the task of a key processes."""
    name, *at = key if isinstance(key, tuple) else (key,)
    if str(name).startswith("combine-"):
        if not fused or at[0]:
            return "the sum of results"
        combined = [describe_chunk(chunks, chunk) for chunk in islice(indices_in(box), at[1], at[1] + FAN_IN)]
        return f"one of the chunks from {combined[0]} to {combined[-1]}"
    if len(at) != len(chunks):
        return f"the task {name}"
    return f"chunk {describe_chunk(chunks, at)}"


def pass_tasks(image: da.Array) -> int:
    """Return the number of tasks of one pass, including those that only combine."""
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


def fuse_private(graph: dict[Any, Any], keys: Sequence[Any]) -> None:
    """Fuse each given task with the tasks that only it depends on, in place.

    An image and its mask may depend on the same read: dask then leaves three tasks, the read and the two that use it.
    Tasks that several of the given tasks need remain separate, as does data in the memory of a worker.
    """
    dependents: dict[Any, int] = {}
    waiting, seen = list(keys), set(keys)
    while waiting:
        for needed in getattr(graph.get(waiting.pop()), "dependencies", ()):
            dependents[needed] = dependents.get(needed, 0) + 1
            if needed not in seen:
                seen.add(needed)
                waiting.append(needed)
    for key in keys:
        left: dict[Any, int] = {}
        own, waiting = [key], [key]
        while waiting:
            for needed in graph[waiting.pop()].dependencies:
                left[needed] = left.get(needed, dependents[needed]) - 1
                if not left[needed] and isinstance(graph.get(needed), (Task, Alias, DataNode)):
                    own.append(needed)
                    waiting.append(needed)
        graph[key] = Task.fuse(*map(graph.pop, own), key=key)
