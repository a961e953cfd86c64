"""The chunk grid: windows, starts of chunks, and descriptions of chunk positions."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, product

import dask.array as da
import numpy as np

Corner = tuple[int, ...]
Box = tuple[slice, ...]
"""Neighboring chunks: a slice of the grid along each axis."""
Steps = int | tuple[int, ...]
"""Starts of the chunks along one axis: their common length, or the first index of each."""


def chunk_count(image: da.Array) -> int:
    """Return the number of chunks of an image whose last axis is one chunk."""
    return math.prod(image.numblocks)


def windows(numblocks: Sequence[int], most: int) -> Iterator[Box]:
    """Cut a grid of chunks into boxes of at most `most` chunks, in row-major order.

    >>> list(windows((3, 4), 8))
    [(slice(0, 2, None), slice(0, 4, None)), (slice(2, 3, None), slice(0, 4, None))]
    >>> len(list(windows((3, 40), 8)))
    15
    """
    cut = 0  # boxes have a length along this axis, all chunks along later ones, and one chunk along earlier ones
    while cut < len(numblocks) - 1 and math.prod(numblocks[cut + 1 :]) > most:
        cut += 1
    step = max(1, most // math.prod(numblocks[cut + 1 :]))
    later = tuple(slice(0, n) for n in numblocks[cut + 1 :])
    for before in np.ndindex(*numblocks[:cut]):
        earlier = tuple(slice(at, at + 1) for at in before)
        for start in range(0, numblocks[cut], step):
            yield (*earlier, slice(start, min(start + step, numblocks[cut])), *later)


def chunks_in(box: Box) -> int:
    """Return the number of chunks in a box."""
    return math.prod(cut.stop - cut.start for cut in box)


def indices_in(box: Box) -> Iterator[tuple[int, ...]]:
    """Yield the grid indices of the chunks in a box, in row-major order."""
    return product(*(range(cut.start, cut.stop) for cut in box))


def chunk_steps(chunks: tuple[tuple[int, ...], ...]) -> tuple[Steps, ...]:
    """Return the starts of the chunks along each axis, in as few numbers as possible."""
    return tuple(
        sizes[0]
        if all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]
        else tuple(accumulate(sizes, initial=0))[:-1]
        for sizes in chunks
    )


def corner_of(block_id: tuple[int, ...], steps: tuple[Steps, ...]) -> Corner:
    """Return the index of the first element of a chunk.

    Uses dask's block_id, because block_info is a table of all chunks: gigabytes for a million chunks.
    """
    return tuple(at * step if isinstance(step, int) else step[at] for at, step in zip(block_id, steps, strict=True))


def describe_chunk(chunks: tuple[tuple[int, ...], ...], at: Sequence[int]) -> str:
    """Return the position of the chunk at a grid index, in words."""
    starts = [sum(sizes[:number]) for sizes, number in zip(chunks, at, strict=True)]
    pixels = (f"{start}:{start + sizes[number]}" for start, sizes, number in zip(starts, chunks, at, strict=True))
    # the last axis, of the bands, is one chunk
    return f"({', '.join(map(str, at[:-1]))}), pixels [{', '.join(list(pixels)[:-1])}]"
