"""A function on every chunk of an image, or at every place of an output: one task each, and their results in order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import dask
import dask.array as da
import numpy as np

from dasksom.chunkwise.chunk_grid import Steps, chunk_count, chunk_steps, chunks_in, corner_of, windows
from dasksom.chunkwise.reduction_tree import are_grouped, window_of, window_size
from dasksom.chunkwise.submission import Window, run_windows
from dasksom.cluster import report_retries

Part = TypeVar("Part")
Progress = Callable[[int, int], None]
"""Called with (chunks done, chunks in all)."""

LITERAL_BYTES = 1 << 20
"""Larger arguments become a task's result, sent to each worker once, instead of a part of every task."""


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
    boxes = list(windows(image.numblocks, window_size(total)))
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
    grouped = are_grouped(image)
    done = sum(map(chunks_in, boxes[:first]))
    for result, chunks in run_windows(window_of(results, box, combine, grouped) for box in boxes[first:]):
        done += chunks
        if progress is not None:
            progress(done, total)
        yield result


def _run_on_chunk(
    block: Any,
    *beside: Any,
    block_id: tuple[int, ...],
    steps: tuple[Steps, ...],
    function: Callable[..., Any],
    how: Any,
) -> Any:
    report_retries()  # of reading the block
    return function(block, corner_of(block_id, steps), *beside, **how)


def _share(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.nbytes > LITERAL_BYTES:
        # never client.scatter: what is scattered is lost with its worker, a task's result is computed again
        return dask.delayed(np.array, pure=False)(value)
    return value


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
    size = window_size(len(places))

    def cut() -> Iterator[Window]:
        for start in range(0, len(places), size):
            calls = {call(place): place for place in places[start : start + size]}
            named = {one.key: f"the part {place} of the output" for one, place in calls.items()}
            yield Window(gather(list(calls)), len(calls), len(calls), partial(_named, named))

    for results, _ in run_windows(cut()):
        yield from results


def _named(names: Mapping[Any, str], key: Any) -> str:
    return names.get(key, "what ends the writing")
