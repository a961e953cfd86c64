"""A grid of chunks: the windows it is cut into, where its chunks begin, and the place of one of them in words."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, product

import dask.array as da
import numpy as np

Corner = tuple[int, ...]
Box = tuple[slice, ...]
"""Neighboring chunks: a slice of the grid along each axis."""
Steps = int | tuple[int, ...]
"""Where the chunks of one axis begin: their common length, or each one's first index."""


def chunk_count(image: da.Array) -> int:
    """Give the number of chunks of an image whose last axis is one chunk."""
    return math.prod(image.numblocks)


def windows(numblocks: Sequence[int], most: int) -> Iterator[Box]:
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


def chunks_in(box: Box) -> int:
    """Give the number of chunks in a box."""
    return math.prod(cut.stop - cut.start for cut in box)


def places_in(box: Box) -> Iterator[tuple[int, ...]]:
    """Give the places in the grid of the chunks in a box, in row-major order."""
    return product(*(range(cut.start, cut.stop) for cut in box))


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


def described(chunks: tuple[tuple[int, ...], ...], at: Sequence[int]) -> str:
    """Say in words where the chunk at a place in the grid lies."""
    starts = [sum(sizes[:number]) for sizes, number in zip(chunks, at, strict=True)]
    pixels = (f"{start}:{start + sizes[number]}" for start, sizes, number in zip(starts, chunks, at, strict=True))
    # the last axis, of the bands, is one chunk
    return f"({', '.join(map(str, at[:-1]))}), pixels [{', '.join(list(pixels)[:-1])}]"
