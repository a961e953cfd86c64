"""The resolutions of an image as lazy arrays, and their blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from dasksom.view.cache import Block

if TYPE_CHECKING:
    import dask.array as da


@dataclass(frozen=True, eq=False)
class ImageLevel:
    """One resolution of an image."""

    arrays: "tuple[da.Array, ...]"
    """Lazy, of the same rows, columns and chunks: labels; or pixels and their mask."""
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
        import dask

        part = tuple(
            slice(sum(lengths[:at]), sum(lengths[: at + 1]))
            for lengths, at in zip(self.chunks, (down, across), strict=True)
        )
        block: Block = dask.compute(*(array[part] for array in self.arrays), scheduler="synchronous")
        return block


def levels_of(levels: "Sequence[tuple[da.Array, ...]]") -> list[ImageLevel]:
    """Return the levels of a pyramid of arrays of the same rows and columns, the finest first."""
    height, width = levels[0][0].shape[:2]
    result = []
    for arrays in levels:
        rows, columns = arrays[0].shape[:2]
        together = tuple(array.rechunk(arrays[0].chunks[:2] + array.chunks[2:]) for array in arrays)
        result.append(ImageLevel(together, (_factor(height, rows), _factor(width, columns))))
    return result


def _factor(full: int, reduced: int) -> float:
    """Return the factor of a level: exactly a power of two where sizes were halved and rounded up or down."""
    power = 1 << max(0, round(np.log2(full / reduced)))
    return float(power) if reduced in (full // power, -(-full // power)) else full / reduced
