"""Sources as arrays: NumPy indexing for sources that read plain windows, and lazy dask arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dasksom.image.sources.protocol import Readable

_MOST_INLINE = 64
"""Largest number of unread regions that each task includes; more go into a separate task, sent to each worker once."""


class NumpyIndexing:
    """Base of sources: ``source[index]`` equals ``source.read(all)[index]``, but reads only the window it needs."""

    @property
    def ndim(self: Readable) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self: Readable, index: Any) -> NDArray[Any]:
        """Read what an index selects: integers, slices, `...`, `np.newaxis`, arrays of integers or of bool.

        Parameters
        ----------
        index : as for an ndarray of this shape

        Returns
        -------
        ndarray, a copy; 0-dimensional where an ndarray would return a scalar

        Raises
        ------
        IndexError
            As in NumPy: out of range, or too many indices.
        InputError
            The window cannot be read.
        """
        window, rest = _split(_expanded(index, self.shape), self.shape)
        if any(part.start >= part.stop for part in window):  # nothing to read; a broadcast zero has the shape
            found = np.broadcast_to(np.zeros((), self.dtype), [part.stop - part.start for part in window])
        else:
            found = self.read(window)
        if all(isinstance(part, slice) and part == slice(None) for part in rest):
            return found
        return np.array(found[rest], order="C")


def _expanded(index: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return one entry per axis, plus entries of newaxis; bool arrays are converted to integer arrays."""
    entries: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if part is None or part is Ellipsis or isinstance(part, slice):
            entries.append(part)
        elif isinstance(part, (bool, np.bool_)):
            raise IndexError("a bool is not an index; give an array of bool, or an integer")
        elif np.ndim(part) == 0:
            entries.append(_integer(part))
        else:
            entries.extend(_integers(part, shape, sum(entry is not None for entry in entries)))
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    if used > len(shape):
        raise IndexError(f"too many indices: the array has {len(shape)} axes, {used} were indexed")
    if sum(entry is Ellipsis for entry in entries) > 1:
        raise IndexError("an index can only have one ellipsis ('...')")
    if not any(entry is Ellipsis for entry in entries):
        entries.append(Ellipsis)
    place = next(number for number, entry in enumerate(entries) if entry is Ellipsis)
    return [*entries[:place], *[slice(None)] * (len(shape) - used), *entries[place + 1 :]]


def _integer(part: Any) -> int:
    try:
        return int(part.__index__())
    except (AttributeError, TypeError):
        raise IndexError(
            f"{part!r} is not an index: integers, slices, ..., None and arrays of integers or bool are"
        ) from None


def _integers(part: Any, shape: tuple[int, ...], axis: int) -> tuple[NDArray[np.intp], ...]:
    array = np.asarray(part)
    if array.dtype.kind == "b":
        if array.shape != shape[axis : axis + array.ndim]:
            raise IndexError(f"a bool index of shape {array.shape} does not match axes of {shape[axis:]}")
        return np.nonzero(array)
    if array.size and array.dtype.kind not in "iu":
        raise IndexError(f"arrays used as indices must be of integer or bool type, not {array.dtype}")
    return (array.astype(np.intp),)


def _split(entries: list[Any], shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[Any, ...]]:
    """Return the smallest window that holds everything an index selects, and the index into that window."""
    window: list[slice] = []
    rest: list[Any] = []
    axis = 0
    for entry in entries:
        if entry is None:
            rest.append(entry)
            continue
        length = shape[axis]
        if isinstance(entry, slice):
            chosen = range(length)[entry]
            first, last = (chosen[0], chosen[-1]) if len(chosen) else (0, -1)
            window.append(slice(min(first, last), max(first, last) + 1) if len(chosen) else slice(0, 0))
            rest.append(slice(None) if chosen.step == 1 or len(chosen) < 2 else slice(None, None, chosen.step))
        else:
            numbers = np.asarray(entry)
            if numbers.size and not (-length <= numbers.min() and numbers.max() < length):
                raise IndexError(f"index {entry} is out of bounds for axis {axis} of size {length}")
            numbers = np.where(numbers < 0, numbers + length, numbers)
            low, high = (int(numbers.min()), int(numbers.max()) + 1) if numbers.size else (0, 0)
            window.append(slice(low, high))
            rest.append(int(numbers) - low if np.ndim(entry) == 0 else numbers - low)
        axis += 1
    return tuple(window), tuple(rest)


def lazy_array(source: Readable, chunks: Any, name: str) -> da.Array:
    """Return a lazy array of a source; its name is derived from the source's identity and the chunks."""
    return da.from_array(
        source,
        chunks=chunks,
        name=f"{name}-{tokenize(source.identity, chunks)}",
        meta=np.empty((0,) * source.ndim, source.dtype),
        # each chunk is one task, a plain call that includes the small source
        asarray=False,
        inline_array=len(getattr(source, "unread", ())) <= _MOST_INLINE,
        lock=False,
    )
