"""The resolutions of an image, lazily, and their blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import dask
import dask.array as da
import numpy as np

from dasksom.view.cache import Block


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution of an image."""

    arrays: tuple[da.Array, ...]
    """Lazy, of the same rows, columns and chunks: labels; or pixels, and where they count."""
    factors: tuple[float, float]
    """Rows and columns of the image for one of the level."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.arrays[0].shape[:2]
        return int(height), int(width)

    @property
    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Lengths of its blocks along rows and columns."""
        rows, columns = self.arrays[0].chunks[:2]
        return rows, columns

    @property
    def block_bytes(self) -> int:
        """Of one block of all arrays, decoded."""
        return sum(prod(array.chunksize) * array.dtype.itemsize for array in self.arrays)

    def read(self, down: int, across: int) -> Block:
        """Read one block of each array, on this thread."""
        part = tuple(
            slice(sum(lengths[:at]), sum(lengths[: at + 1]))
            for lengths, at in zip(self.chunks, (down, across), strict=True)
        )
        found: Block = dask.compute(*(array[part] for array in self.arrays), scheduler="synchronous")
        return found


def levels_of(levels: Sequence[tuple[da.Array, ...]]) -> list[Level]:
    """Give the levels of a pyramid of arrays that belong together, the finest first."""
    height, width = levels[0][0].shape[:2]
    found = []
    for arrays in levels:
        rows, columns = arrays[0].shape[:2]
        together = tuple(array.rechunk(arrays[0].chunks[:2] + array.chunks[2:]) for array in arrays)
        found.append(Level(together, (_factor(height, rows), _factor(width, columns))))
    return found


def _factor(whole: int, part: int) -> float:
    """Give the factor of a level: a power of two exactly, where sizes were halved and rounded up or down."""
    power = 1 << max(0, round(np.log2(whole / part)))
    return float(power) if part in (whole // power, -(-whole // power)) else whole / part
