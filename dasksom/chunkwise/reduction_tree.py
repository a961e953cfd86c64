"""The dask graph of a window: tasks for its chunks, and the tree that combines their results.

The tree has the fan-in of `_STEP`, and depends only on the number of chunks. A task processes a chunk, or a *run* of
neighboring chunks, one after another, and combines their results along the same tree: the length of the runs changes
neither the order of the sums nor their bits.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import dask.array as da
from dask._task_spec import Alias, DataNode, List, Task, TaskRef  # private API, used on purpose: see dasksom.chunkwise
from dask.delayed import Delayed

from dasksom.chunkwise.chunk_grid import chunk_count, describe_chunk, grid_index, windows
from dasksom.chunkwise.submission import Window, run_length

FAN_IN = 16
"""Maximum number of results that one task combines."""
_STEP = 4
"""Number of results that are combined at once; a task of the tree does it twice."""
_LARGEST_WINDOW = 512


def window_size(chunks: int) -> int:
    """Return the chunks per window: a sixty-fourth of the image, within limits; depends only on the chunk count."""
    return min(max(1, math.ceil(chunks / 64 / FAN_IN)) * FAN_IN, _LARGEST_WINDOW)


def window_of(results: da.Array, part: range, combine: Callable[[Sequence[Any]], Any], length: int) -> Window:
    """Return the window of some chunk numbers of an array of results per chunk, in runs of a length."""
    keys = [(results.name, *grid_index(number, results.numblocks)) for number in part]
    # materializes only the tasks of this window, with read and function fused into one task
    graph = dict(results.__dask_optimize__(results.__dask_graph__(), keys))
    # if dask has fused more, it leaves aliases, which would be separate tasks
    leaves = [getattr(graph[key], "target", key) for key in keys]
    fuse_private(graph, leaves)
    # chunks that depend on a chunk in the memory of a worker run on that worker
    if len({graph[key].dependencies for key in leaves}) > 1:
        length = 1
    name = uuid4().hex
    runs = [
        _fuse_run(graph, (f"run-{name}", at), leaves[at : at + length], combine, length)
        for at in range(0, len(leaves), length)
    ]
    root = _grow(graph, f"combine-{name}", runs, combine, _fan_ins(len(part), length))
    return Window(Delayed(root, graph), len(part), len(runs), partial(_describe_task, results.chunks, part, length))


def _fuse_run(graph: dict[Any, Any], key: Any, leaves: Sequence[Any], combine: Any, length: int) -> Any:
    """Replace a run of tasks with one that calls them in turn and combines their results; return its key."""
    if length == 1:
        return leaves[0]
    level, steps = [graph.pop(leaf) for leaf in leaves], round(math.log(length, _STEP))
    for step in range(steps):
        # a data producer waits on the scheduler until a thread is free: runs differ in length
        level = [
            Task.fuse(
                *level[start : start + _STEP],
                Task(
                    (*key, step, start),
                    combine,
                    List(*(TaskRef(part.key) for part in level[start : start + _STEP])),
                    _data_producer=True,
                ),
            )
            for start in range(0, len(level), _STEP)
        ]
    graph[level[0].key] = level[0]
    return level[0].key


def _combine_twice(combine: Callable[[Sequence[Any]], Any], results: Sequence[Any]) -> Any:
    return combine([combine(results[start : start + _STEP]) for start in range(0, len(results), _STEP)])


def _fan_ins(chunks: int, length: int) -> Iterator[int]:
    """Yield the number of results that a task combines, for each level of the tree over runs of a length."""
    steps, left = 2, math.ceil(chunks / FAN_IN)
    while left > 1:
        steps, left = steps + 2, math.ceil(left / FAN_IN)
    steps -= round(math.log(length, _STEP))  # those of the runs themselves
    while steps > 0:
        yield FAN_IN if steps > 1 else _STEP
        steps -= 2


def _grow(graph: dict[Any, Any], name: str, runs: Sequence[Any], combine: Any, fan_ins: Iterator[int]) -> Any:
    """Add the tree over runs to their graph and return the key of its root."""
    level = list(runs)
    for depth, fan_in in enumerate(fan_ins):
        function = partial(_combine_twice, combine) if fan_in == FAN_IN else combine
        tasks = [
            Task((name, depth, start), function, List(*map(TaskRef, level[start : start + fan_in])))
            for start in range(0, len(level), fan_in)
        ]
        graph.update({task.key: task for task in tasks})
        level = [task.key for task in tasks]
    return level[0]


def _describe_task(chunks: tuple[tuple[int, ...], ...], part: range, length: int, key: Any) -> str:
    """Describe the chunks that the task of a key processes."""
    name, *at = key if isinstance(key, tuple) else (key,)
    numblocks = [len(sizes) for sizes in chunks]
    if str(name).startswith("combine-"):
        return "the sum of results"
    if str(name).startswith("run-"):
        combined = [describe_chunk(chunks, grid_index(number, numblocks)) for number in part[at[0] : at[0] + length]]
        return f"one of the chunks from {combined[0]} to {combined[-1]}"
    if len(at) != len(chunks):
        return f"the task {name}"
    return f"chunk {describe_chunk(chunks, at)}"


def pass_tasks(image: da.Array, threads: int) -> int:
    """Return the number of tasks of one pass on a cluster, including those that only combine."""
    total, chunks = 0, chunk_count(image)
    left = chunks
    for part in windows(chunks, window_size(chunks)):
        length = run_length(left, chunks, threads)
        left -= len(part)
        level = math.ceil(len(part) / length)
        total += level
        for fan_in in _fan_ins(len(part), length):
            level = math.ceil(level / fan_in)
            total += level
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
