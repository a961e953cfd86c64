"""Run a function on every chunk of an image or for every item of a list: one task each, results in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import dask
import dask.array as da
import numpy as np

from dasksom.chunkwise.chunk_grid import Steps, chunk_count, chunk_steps, corner_of, windows
from dasksom.chunkwise.reduction_tree import window_of, window_size
from dasksom.chunkwise.submission import PlannedWindow, Window, run_windows
from dasksom.cluster import report_retries

ChunkResult = TypeVar("ChunkResult")
"""Result of a function for one chunk, or a combination of several results."""
Progress = Callable[[int, int], None]
"""Called with (completed chunks, total chunks)."""

_LITERAL_BYTES = 1 << 20
"""Larger arguments become the result of a task, sent to each worker once, instead of a literal in every task."""


def map_chunks(
    image: da.Array,
    function: Callable[..., ChunkResult],
    combine: Callable[[Sequence[ChunkResult]], ChunkResult],
    *,
    beside: Sequence[da.Array | None] = (),
    progress: Progress | None = None,
    first: int = 0,
    **arguments: Any,
) -> Iterator[ChunkResult]:
    """Run a function on every chunk and yield the combined results window by window, in row-major order.

    A task processes a run of chunks where there are many for each thread (`dasksom.chunkwise.reduction_tree`).

    Parameters
    ----------
    image : dask array of shape (..., bands)
        The last axis must be one chunk.
    function : callable (block, corner, *beside, **arguments) -> result
        Gets the chunk as an ndarray, the index of its first element in the image, and the chunks of `beside`. Must be
        picklable and idempotent.
    combine : callable (list of results) -> result
        Combines results in the given order; also called for windows of one chunk.
    beside : sequence of dask arrays or None
        Masks or weights in the same chunks, with one chunk along the last axis. None is skipped.
    progress : callable, optional
    first : int
        Number of the first window; earlier ones are skipped.
    **arguments
        Passed to every call; large arrays are sent to each worker once.
    """
    total = chunk_count(image)
    parts = windows(total, window_size(total))[first:]
    results = da.map_blocks(
        _run_on_chunk,
        image,
        *(array for array in beside if array is not None),
        steps=chunk_steps(image.chunks),
        function=function,
        arguments={name: _share(value) for name, value in arguments.items()},
        dtype=object,
        # results are not arrays: with a meta, dask neither inspects them nor calls the function to guess
        meta=np.empty((0,) * image.ndim, object),
    )
    planned = [PlannedWindow(len(part), partial(window_of, results, part, combine)) for part in parts]
    for part, result in zip(parts, run_windows(planned), strict=True):
        if progress is not None:
            progress(part.stop, total)
        yield result


def _run_on_chunk(
    block: Any,
    *beside: Any,
    block_id: tuple[int, ...],
    steps: tuple[Steps, ...],
    function: Callable[..., Any],
    arguments: dict[str, Any],
) -> Any:
    report_retries()  # of reading the block
    return function(block, corner_of(block_id, steps), *beside, **arguments)


def _share(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.nbytes > _LITERAL_BYTES:
        # not client.scatter: scattered data is lost with its worker; results of tasks are recomputed
        return dask.delayed(np.array, pure=False)(value)
    return value


def run_tasks(function: Callable[[Any], ChunkResult], items: Sequence[Any]) -> Iterator[ChunkResult]:
    """Call a function with each item, one task per item, and yield the results in order.

    Parameters
    ----------
    function : callable
        Must be picklable and idempotent.
    items : sequence
        Plain values.
    """
    call = dask.delayed(function, pure=False, traverse=False)
    gather = dask.delayed(list, pure=False)

    def window_of_calls(part: range, run_length: int) -> Window:
        calls = {call(items[number]): items[number] for number in part}
        names = {task.key: f"the block {item} of the output" for task, item in calls.items()}
        return Window(gather(list(calls)), len(calls), len(calls), partial(_name_of, names))

    parts = windows(len(items), window_size(len(items)))
    for results in run_windows([PlannedWindow(len(part), partial(window_of_calls, part)) for part in parts]):
        yield from results


def _name_of(names: Mapping[Any, str], key: Any) -> str:
    return names.get(key, "the end of writing")
