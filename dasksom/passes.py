"""One pass over the chunks of an image: the one place where dask graphs are built.

A pass runs a function on every chunk, next to where the chunk is read (one task a chunk), and combines what comes back
in a tree whose shape depends on the chunk grid alone. So float sums have the same bits whatever the number of workers,
whoever finishes first, and whatever had to be done again.

The chunk grid is cut into *windows*, boxes of neighboring chunks in row-major order, which are submitted a few at a
time. Scheduler and driver then hold a few windows and never the whole image, and there is progress to report. The tree
inside a window is computed on the cluster; its result comes to the driver, always in the order of the windows.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, islice, product
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import dask
import dask.array as da
import numpy as np
import psutil
from dask._task_spec import Alias, DataNode, List, Task, TaskRef  # what dask's own collections are made of
from dask.base import tokenize
from dask.delayed import Delayed
from dask.system import CPU_COUNT

from dasksom.cluster import OURS, Workers, tell_retries
from dasksom.submission import Window, current_client, run_windows

Part = TypeVar("Part")
Corner = tuple[int, ...]
Progress = Callable[[int, int], None]
"""Called with (chunks done, chunks in all)."""


class Keeper(Protocol):
    """What keeps records of work that is under way, should the process be killed."""

    def load(self, name: str) -> Any:
        """Give the newest record of that name; None if there is none."""

    def save(self, name: str, value: Any) -> None:
        """Keep a record under that name."""


UNDER_WAY = "under-way"
"""Name of the record of a pass that is under way."""
KEEP_SECONDS = 30.0
"""How often such a record is kept: as much work as is lost at most, and one window."""
FAN_IN = 16
"""Results that one task combines."""
GROUPED_CHUNKS = 4096
"""Images of fewer chunks have a task for each, so that there is one for everybody."""
GROUPED_BYTES = 1 << 20
"""Largest chunk that shares a task with its neighbors: work of some milliseconds, of which a task costs one."""
HEADROOM = 0.25
"""Part of a worker's memory that stays free for the work when an image is kept in the rest."""
CACHES = ("auto", "memory", "none")
LITERAL_BYTES = 1 << 20
"""Larger arguments become a task's result, sent to each worker once, instead of a part of every task."""


def chunk_count(image: da.Array) -> int:
    """Give the number of chunks of an image whose last axis is one chunk."""
    return math.prod(image.numblocks)


def windows(numblocks: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Cut a grid of chunks into boxes of at most `most` chunks, in row-major order.

    >>> list(windows((3, 4), 8))
    [(slice(0, 2, None), slice(0, 4, None)), (slice(2, 3, None), slice(0, 4, None))]
    >>> len(list(windows((3, 40), 8)))
    15
    """
    cut = 0  # the axis along which boxes have a length; whole beyond it, one chunk thick before it
    while cut < len(numblocks) - 1 and math.prod(numblocks[cut + 1 :]) > most:
        cut += 1
    step = max(1, most // math.prod(numblocks[cut + 1 :]))
    whole = tuple(slice(0, n) for n in numblocks[cut + 1 :])
    for before in np.ndindex(*numblocks[:cut]):
        thin = tuple(slice(at, at + 1) for at in before)
        for start in range(0, numblocks[cut], step):
            yield (*thin, slice(start, min(start + step, numblocks[cut])), *whole)


def _chunks_in(box: tuple[slice, ...]) -> int:
    return math.prod(cut.stop - cut.start for cut in box)


def _window_size(chunks: int) -> int:
    """Give the chunks a window: a sixty-fourth of the image, within limits; a function of the chunk count alone."""
    return min(max(FAN_IN, math.ceil(chunks / 64)), 512)


Steps = int | tuple[int, ...]
"""Where the chunks of one axis begin: their common length, or each one's first index."""


def chunk_steps(chunks: tuple[tuple[int, ...], ...]) -> tuple[Steps, ...]:
    """Tell where the chunks of each axis begin, in as few numbers as it takes."""
    return tuple(
        sizes[0]
        if all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]
        else tuple(accumulate(sizes, initial=0))[:-1]
        for sizes in chunks
    )


def corner_of(block_id: tuple[int, ...], steps: tuple[Steps, ...]) -> Corner:
    """Give the index of a chunk's first element.

    From dask's block_id and not its block_info, which is a table of all chunks: gigabytes for a million of them.
    """
    return tuple(at * step if isinstance(step, int) else step[at] for at, step in zip(block_id, steps, strict=True))


def _run_on_chunk(
    block: Any,
    *beside: Any,
    block_id: tuple[int, ...],
    steps: tuple[Steps, ...],
    function: Callable[..., Any],
    how: Any,
) -> Any:
    tell_retries()  # of reading the block
    return function(block, corner_of(block_id, steps), *beside, **how)


def _are_grouped(image: da.Array) -> bool:
    """Tell whether one task works on `FAN_IN` chunks, one after the other: small ones, where there are many."""
    size = math.prod(image.chunksize) * image.dtype.itemsize
    return chunk_count(image) >= GROUPED_CHUNKS and size <= GROUPED_BYTES


def _fuse_private(graph: dict[Any, Any], keys: Sequence[Any]) -> None:
    """Make one task of each of some tasks and of all that is done for it alone.

    An image and its mask may both be made of what is read: dask makes a task of the reading then, which two others use,
    and one of each of these. What several of the tasks need stays a task of its own, and so does what lies in a
    worker's memory.
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


def _window_root(
    results: da.Array, box: tuple[slice, ...], combine: Callable[[Sequence[Part]], Part], grouped: bool
) -> tuple[Delayed, int]:
    """Give the root of the tree over one window of an array of per-chunk results, and the tree's number of leaves."""
    keys = [(results.name, *at) for at in product(*(range(cut.start, cut.stop) for cut in box))]
    # only this window's tasks are made of the array's abstract graph; read and function are fused to one task here
    graph = dict(results.__dask_optimize__(results.__dask_graph__(), keys))
    # where dask has fused more than that it leaves aliases behind, which would be tasks of their own
    level = [getattr(graph[key], "target", key) for key in keys]
    _fuse_private(graph, level)
    # chunks that wait for a chunk elsewhere, in a worker's memory, stay where that is
    grouped = grouped and len({graph[key].dependencies for key in level}) == 1
    name, leaves = f"combine-{uuid4().hex}", 0 if grouped else len(level)
    depth = 0
    while depth == 0 or len(level) > 1:
        gathered = []
        for start in range(0, len(level), FAN_IN):
            parts = level[start : start + FAN_IN]
            task = Task((name, depth, start), combine, List(*map(TaskRef, parts)))
            if grouped and depth == 0:
                task, leaves = Task.fuse(*map(graph.pop, parts), task), leaves + 1
            graph[task.key] = task
            gathered.append(task.key)
        level, depth = gathered, depth + 1
    return Delayed(level[0], graph), leaves


def _place_of(chunks: tuple[tuple[int, ...], ...], box: tuple[slice, ...], grouped: bool, key: Any) -> str:
    """Say in words what the task of a key works on, in a window of a grid of chunks."""
    name, *at = key if isinstance(key, tuple) else (key,)
    if str(name).startswith("combine-"):
        if not grouped or at[0]:
            return "the adding up of results"
        inside = product(*(range(cut.start, cut.stop) for cut in box))
        several = [_described(chunks, chunk) for chunk in islice(inside, at[1], at[1] + FAN_IN)]
        return f"one of the chunks from {several[0]} to {several[-1]}"
    if len(at) != len(chunks):
        return f"the task {name}"
    return f"chunk {_described(chunks, at)}"


def _described(chunks: tuple[tuple[int, ...], ...], at: Sequence[int]) -> str:
    starts = [sum(sizes[:number]) for sizes, number in zip(chunks, at, strict=True)]
    pixels = (f"{start}:{start + sizes[number]}" for start, sizes, number in zip(starts, chunks, at, strict=True))
    # the last axis, of the bands, is one chunk
    return f"({', '.join(map(str, at[:-1]))}), pixels [{', '.join(list(pixels)[:-1])}]"


def _share(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.nbytes > LITERAL_BYTES:
        # never client.scatter: what is scattered is lost with its worker, a task's result is computed again
        return dask.delayed(np.array, pure=False)(value)
    return value


def memory_limit() -> int:
    """Give the memory of the current cluster's workers together, else of this machine, in bytes."""
    client = current_client()
    if client is None:
        return int(psutil.virtual_memory().total)
    return sum(int(worker["memory_limit"]) for worker in client.scheduler_info(n_workers=-1)["workers"].values())


def keep_in_memory(image: da.Array, cache: str) -> da.Array:
    """Hold an image's chunks in the memory of the cluster, so that later passes need not read them again.

    Parameters
    ----------
    image : dask array
    cache : {"auto", "memory", "none"}
        "auto" holds them where a quarter of the workers' memory is then left, below where they begin to write to disk.
    """
    return keep_with_mask(image, None, cache)[0]


def keep_with_mask(image: da.Array, mask: da.Array | None, cache: str) -> tuple[da.Array, da.Array | None]:
    """Hold an image as `keep_in_memory` does, and what lies beside it, which may be made of the same file."""
    share = float(dask.config.get("distributed.worker.memory.target", 0.6) or 0.6) - HEADROOM
    if cache == "memory" or (cache == "auto" and image.nbytes <= memory_limit() * share):
        with dask.annotate(**OURS):
            return (image.persist(), None) if mask is None else dask.persist(image, mask)
    return image, mask


def pass_tasks(image: da.Array) -> int:
    """Give the number of tasks of one pass, with those that only combine."""
    total, grouped = 0, _are_grouped(image)
    for box in windows(image.numblocks, _window_size(chunk_count(image))):
        level = math.prod(cut.stop - cut.start for cut in box)
        total += 0 if grouped else level
        while True:
            level = math.ceil(level / FAN_IN)
            total += level
            if level == 1:
                break
    return total


def workers() -> Workers:
    """Tell who works on the tasks; without a cluster this process is the only worker."""
    client = current_client()
    if client is None:
        return Workers(1, int(dask.config.get("num_workers", None) or CPU_COUNT), int(psutil.virtual_memory().total))
    there = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [int(worker["memory_limit"]) for worker in there if worker["memory_limit"]]
    return Workers(len(there), max((int(worker["nthreads"]) for worker in there), default=1), min(limits, default=0))


def map_chunks(
    image: da.Array,
    function: Callable[..., Part],
    combine: Callable[[Sequence[Part]], Part],
    *,
    beside: Sequence[da.Array | None] = (),
    progress: Progress | None = None,
    first: int = 0,
    **arguments: Any,
) -> Iterator[Part]:
    """Run a function on every chunk and yield the combined results window by window, in row-major order.

    Parameters
    ----------
    image : dask array of shape (..., bands)
        The last axis must be one chunk.
    function : callable (block, corner, *beside, **arguments) -> result
        Gets the chunk as an ndarray, the index of its first element in the image, and the chunks beside it. Must be
        picklable and safe to run twice.
    combine : callable (list of results) -> result
        Adds results up in the order given. A window of one chunk is combined too.
    beside : sequence of dask arrays or None
        Of the same chunks, but for the last axis, which is one chunk: masks, weights. None is left out.
    progress : callable, optional
    first : int
        Window to begin with; those before it are passed over.
    **arguments
        Passed to every call; large arrays travel once to each worker.
    """
    total = chunk_count(image)
    boxes = list(windows(image.numblocks, _window_size(total)))
    results = da.map_blocks(
        _run_on_chunk,
        image,
        *(array for array in beside if array is not None),
        steps=chunk_steps(image.chunks),
        function=function,
        how={name: _share(value) for name, value in arguments.items()},
        dtype=object,
        # results are no arrays: with this dask neither looks at them nor calls the function to guess
        meta=np.empty((0,) * image.ndim, object),
    )
    grouped = _are_grouped(image)

    def cut() -> Iterator[Window]:
        for box in boxes[first:]:
            root, tasks = _window_root(results, box, combine, grouped)
            yield Window(root, _chunks_in(box), tasks, partial(_place_of, image.chunks, box, grouped))

    done = sum(_chunks_in(box) for box in boxes[:first])
    for result, chunks in run_windows(cut()):
        done += chunks
        if progress is not None:
            progress(done, total)
        yield result


def run_tasks(function: Callable[[Any], Part], places: Sequence[Any]) -> Iterator[Part]:
    """Call a function with each of some places, one task a place, and yield the results in order.

    Parameters
    ----------
    function : callable
        Must be picklable and safe to run twice.
    places : sequence
        Plain values.
    """
    call = dask.delayed(function, pure=False, traverse=False)
    gather = dask.delayed(list, pure=False)
    size = _window_size(len(places))

    def cut() -> Iterator[Window]:
        for start in range(0, len(places), size):
            calls = {call(place): place for place in places[start : start + size]}
            named = {one.key: f"the part {place} of the output" for one, place in calls.items()}
            yield Window(gather(list(calls)), len(calls), len(calls), partial(_named, named))

    for results, _ in run_windows(cut()):
        yield from results


def _named(names: Mapping[Any, str], key: Any) -> str:
    return names.get(key, "what ends the writing")


def reduce_chunks(
    image: da.Array,
    function: Callable[..., Part],
    combine: Callable[[Sequence[Part]], Part],
    *,
    keeper: Keeper | None = None,
    **options: Any,
) -> Part:
    """Run a function on every chunk and combine all results.

    Parameters are those of `map_chunks`. With a keeper, what the windows gave so far is kept now and then, and a pass
    of the same function with the same arguments over the same image goes on from there.
    """
    total: Part | None = None
    done, kept_at, label = 0, time.monotonic(), ""
    if keeper is not None:
        given = {name: value for name, value in options.items() if name not in ("progress", "beside")}
        beside = [array.name for array in options.get("beside", ()) if array is not None]
        label = tokenize(image.name, image.chunks, beside, function.__qualname__, given)
        before = keeper.load(UNDER_WAY)
        if before is not None and before["label"] == label:
            done, total = before["windows"], before["total"]
    begun, kept = done, done
    try:
        for part in map_chunks(image, function, combine, first=done, **options):
            total = part if total is None else combine([total, part])
            done += 1
            if keeper is not None and time.monotonic() - kept_at >= KEEP_SECONDS:
                keeper.save(UNDER_WAY, {"label": label, "windows": done, "total": total})
                kept, kept_at = done, time.monotonic()
    except BaseException:
        if keeper is not None and done > kept:  # interrupted, or a chunk failed
            keeper.save(UNDER_WAY, {"label": label, "windows": done, "total": total})
        raise
    if keeper is not None and begun < kept < done:  # a long pass, the rest of which would be lost
        keeper.save(UNDER_WAY, {"label": label, "windows": done, "total": total})
    if total is None:
        raise ValueError("an image without chunks")
    return total
