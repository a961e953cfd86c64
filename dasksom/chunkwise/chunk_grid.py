"""The chunk grid: windows, starts of chunks, and descriptions of chunk positions."""

import math
from collections.abc import Sequence
from itertools import accumulate

import dask.array as da

Corner = tuple[int, ...]
Steps = int | tuple[int, ...]
"""Starts of the chunks along one axis: their common length, or the first index of each."""


def chunk_count(image: da.Array) -> int:
    """Return the number of chunks of an image whose last axis is one chunk."""
    return math.prod(image.numblocks)


def windows(chunks: int, size: int) -> list[range]:
    """Cut the chunk numbers of an image, in row-major order, into windows of at most `size` chunks.

    >>> windows(40, 16)
    [range(0, 16), range(16, 32), range(32, 40)]
    """
    return [range(start, min(start + size, chunks)) for start in range(0, chunks, size)]


def grid_index(number: int, numblocks: Sequence[int]) -> tuple[int, ...]:
    """Return the grid index of a chunk number."""
    index = []
    for count in reversed(numblocks):
        number, at = divmod(number, count)
        index.append(at)
    return tuple(reversed(index))


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
