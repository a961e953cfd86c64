"""Plan dask chunks of complete storage chunks, of about a target size in bytes and close to square."""

from __future__ import annotations

from math import ceil, isqrt, lcm

from dasksom.errors import InputError

MAX_CHUNKS = 5_000_000
"""A scheduler holds about 1 kB per task; with more chunks, the graph would not fit in its memory."""

MAX_STORAGE_CHUNK_BYTES = 2**31
"""Largest storage chunk that is read, in decoded bytes; decoders hold it two or three times."""

_FREE_STEP = 256
"""If the file imposes no grid, chunks are multiples of this (and of `align`), so that output chunks can divide them."""

_OVERSHOOT = 4
"""A common multiple of storage chunk and alignment may exceed the target size by this factor."""


def plan_chunks(
    shape: tuple[int, int, int],
    itemsize: int,
    storage_chunks: tuple[int, int],
    *,
    chunk_bytes: int,
    align: int = 1,
) -> tuple[int, int]:
    """Return rows and columns of an image's chunks.

    Chunks are multiples of the storage chunk, so that nothing is decoded twice, and of `align`, so that outputs can be
    written. If no common multiple is of reasonable size, `align` takes precedence: reading at any offset is correct,
    only slower, while writing at a wrong offset is not. A storage chunk that holds the complete image is split freely.
    The result depends only on the arguments, never on the number of workers, because results may depend on the chunks.

    Parameters
    ----------
    shape : height, width, bands
    itemsize : bytes of one value
    storage_chunks : rows and columns that the file decodes at once
    chunk_bytes : target size of a decoded chunk in bytes; exceeded only if one storage chunk (or `align`) is larger
    align : rows and columns are multiples of this

    Returns
    -------
    rows, columns : at least one storage chunk; may exceed the image by less than a storage chunk or `align`

    Raises
    ------
    InputError
        An argument is below 1, a storage chunk exceeds 2 GiB, or the image makes more than 5,000,000 chunks.

    Examples
    --------
    >>> plan_chunks((100_000, 100_000, 3), 1, (1024, 1024), chunk_bytes=64 * 2**20)
    (4096, 4096)
    >>> plan_chunks((100_000, 100_000, 3), 1, (1, 100_000), chunk_bytes=64 * 2**20)
    (223, 100000)
    """
    height, width, bands = shape
    _check_arguments(shape, itemsize, storage_chunks, chunk_bytes, align)
    pixel_bytes = bands * itemsize
    stored = min(storage_chunks[0], height), min(storage_chunks[1], width)
    _check_storage(stored, pixel_bytes)
    wanted = max(1, chunk_bytes // pixel_bytes)
    units = _units((height, width), storage_chunks, wanted, align)
    rows, columns = _fill((height, width), units, wanted)
    count = ceil(height / rows) * ceil(width / columns)
    if count > MAX_CHUNKS:
        raise InputError(
            f"an image of {height} x {width} pixels makes {count} chunks of {rows} x {columns}, "
            f"more than {MAX_CHUNKS}; give a larger chunk_bytes than {chunk_bytes}"
        )
    return rows, columns


def _check_arguments(
    shape: tuple[int, int, int], itemsize: int, storage_chunks: tuple[int, int], chunk_bytes: int, align: int
) -> None:
    given = {"shape": shape, "itemsize": (itemsize,), "storage_chunks": storage_chunks}
    given |= {"chunk_bytes": (chunk_bytes,), "align": (align,)}
    for name, values in given.items():
        if min(values) < 1:
            raise InputError(f"{name} must be 1 or more, not {values if len(values) > 1 else values[0]}")


def _check_storage(stored: tuple[int, int], pixel_bytes: int) -> None:
    decoded = stored[0] * stored[1] * pixel_bytes
    if decoded > MAX_STORAGE_CHUNK_BYTES:
        raise InputError(
            f"stored in pieces of {stored[0]} x {stored[1]} pixels, {decoded / 2**30:.1f} GiB each once decoded; "
            f"at most {MAX_STORAGE_CHUNK_BYTES / 2**30:.0f} GiB can be read: store it again in smaller chunks or tiles"
        )


def _units(size: tuple[int, int], stored: tuple[int, int], wanted: int, align: int) -> tuple[int, int]:
    """Return rows and columns of the smallest unit that chunks are multiples of."""
    covers = [stored[axis] >= size[axis] for axis in (0, 1)]
    if all(covers):
        step = lcm(align, _FREE_STEP)
        return step, step
    units = []
    for axis, other in ((0, 1), (1, 0)):
        aligned = _round_up(min(stored[axis], size[axis]), align)
        exact = lcm(stored[axis], align)
        across = size[other] if covers[other] else 2 * isqrt(wanted)
        # never cut an axis that one storage chunk covers: each piece would decode all of it again
        divides = not covers[axis] and exact * across <= _OVERSHOOT * wanted
        units.append(exact if divides else aligned)
    return units[0], units[1]


def _fill(size: tuple[int, int], units: tuple[int, int], wanted: int) -> tuple[int, int]:
    """Return chunks of whole units: about `wanted` pixels, close to square, evenly divided along each axis."""
    most = ceil(size[0] / units[0]), ceil(size[1] / units[1])
    if size[0] * size[1] <= wanted:
        return most[0] * units[0], most[1] * units[1]
    side = isqrt(wanted)
    down = min(most[0], max(1, side // units[0]))
    across = min(most[1], max(1, side // units[1]))
    # if one axis is shorter than a square's side, or has to be longer, the other compensates for it
    if down == most[0] or units[0] > side:
        across = min(most[1], max(1, wanted // (min(down * units[0], size[0]) * units[1])))
    if across == most[1] or units[1] > side:
        down = min(most[0], max(1, wanted // (min(across * units[1], size[1]) * units[0])))
    return _even(down, most[0]) * units[0], _even(across, most[1]) * units[1]


def _even(count: int, most: int) -> int:
    """Return the smallest number of units per chunk that gives the same number of chunks: 9 in 4s becomes 3, 3, 3."""
    return ceil(most / ceil(most / count))


def _round_up(value: int, step: int) -> int:
    return ceil(value / step) * step
