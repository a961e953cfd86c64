"""Samples of a user's table: converted to float64 and checked tile by tile, never copied completely."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dasksom.errors import InputError
from dasksom.som.samples import LARGEST

TILE_NUMBERS = 1 << 18
"""Number of values of a tile: 2 MiB as float64."""
LEAST_TILE_ROWS = 32
"""Minimum number of rows of a tile: searches process 16 at a time, after preparing the codebook."""


def as_sample(x: ArrayLike) -> NDArray[np.float64]:
    """Return one sample as float64, of any shape.

    Raises
    ------
    InputError
        If it holds anything but finite real numbers.
    """
    sample = _as_float(x)
    if not (np.abs(sample) <= LARGEST).all():
        raise InputError(f"the sample {x!r} holds {_first_bad(sample)}; a map needs finite numbers up to {LARGEST:g}")
    return sample


class Rows:
    """The rows of a table, read on demand.

    Parameters
    ----------
    data : array of shape (n, bands), or sequence of n rows
        Lists and tuples are converted to one array. Other objects with ``len()`` and ``[]`` are read tile by tile.
    bands : int

    Raises
    ------
    InputError
        If there are no rows, or the first row does not have `bands` values. Methods also raise it if a row holds
        anything but finite real numbers.
    TypeError
        If a row has no length.
    """

    def __init__(self, data: Any, bands: int) -> None:
        if len(data) == 0:
            raise InputError("there are no samples; at least 1 is needed")
        if len(data[0]) != bands:
            raise InputError(f"samples have {len(data[0])} features; this map takes {bands}")
        self._data = _as_float(data) if isinstance(data, (list, tuple)) else data
        self._bands = bands
        self._tile = max(LEAST_TILE_ROWS, TILE_NUMBERS // bands)

    def __len__(self) -> int:
        return len(self._data)

    def at(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the rows with these indices: shape (len(numbers), bands), float64, C-contiguous, read-only."""
        if isinstance(self._data, np.ndarray):
            return self._checked(self._data[numbers], numbers)
        return self._checked([self._data[number] for number in numbers.tolist()], numbers)

    def tiles(self) -> Iterator[NDArray[np.float64]]:
        """Yield all rows in order, tile by tile: shape (up to a tile, bands), float64, C-contiguous, read-only."""
        for start in range(0, len(self), self._tile):
            numbers = np.arange(start, min(start + self._tile, len(self)))
            if hasattr(self._data, "shape"):
                yield self._checked(self._data[start : start + self._tile], numbers)
            else:
                yield self.at(numbers)

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean, shape (bands,), and the covariance, shape (bands, bands): two passes over the tiles."""
        mean = np.sum([tile.sum(axis=0) for tile in self.tiles()], axis=0) / len(self)
        scatter = np.zeros((self._bands, self._bands))
        for tile in self.tiles():
            away = tile - mean
            scatter += away.T @ away
        return mean, scatter / max(len(self) - 1, 1)

    def _checked(self, rows: Any, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        block = np.ascontiguousarray(_as_float(rows))
        if block.shape != (len(numbers), self._bands):
            raise InputError(f"samples of shape {block.shape[1:]}; this map takes ({self._bands},)")
        if not (-LARGEST <= float(block.min()) <= float(block.max()) <= LARGEST):
            row, band = np.argwhere(~(np.abs(block) <= LARGEST))[0]
            raise InputError(
                f"sample {numbers[row]} holds {block[row, band]} (feature {band}); a map needs finite numbers up to "
                f"{LARGEST:g}. Leave such samples out, or fill them in, first"
            )
        block = block.view()
        block.flags.writeable = False  # one compiled kernel for all arrays; a user's table is never changed
        return block


def _as_float(values: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise InputError(f"samples are {array.dtype}; real numbers are accepted")
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:
            raise InputError(
                f"samples are {array.dtype}; numbers of at most 64 bits are accepted: convert them with "
                "x.astype('float64')"
            )
        return array.astype(np.float64, copy=False)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"samples are not a table of numbers ({error})") from error


def _first_bad(sample: NDArray[np.float64]) -> float:
    return float(sample[~(np.abs(sample) <= LARGEST)].flat[0])
