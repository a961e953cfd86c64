"""Lazy labels of an output, in the chunks that a reader wants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import plan_chunks

_CHUNK_BYTES = 4 << 20
"""Target size of a lazy chunk of labels; small, because tiles are viewed in random order."""


@dataclass(frozen=True, eq=False)
class StoredLabels:
    """An array of labels whose read errors are reported as damage of the output."""

    array: zarr.Array[Any]
    path: Path

    def __getitem__(self, region: Any) -> NDArray[Any]:
        try:
            return np.asarray(self.array[region])
        except InputError:
            raise
        except Exception as error:  # zarr, tifffile and the codecs each raise their own errors
            raise InputError(
                f"{self.path}: its labels cannot be read: {error}; the output is damaged, write it again"
            ) from error

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """2."""
        return len(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the label values."""
        return self.array.dtype

    def lazy(self, blocks: Any = None) -> da.Array:
        """Return the labels as a dask array, (height, width).

        Parameters
        ----------
        blocks : rows and columns of its chunks, as dask takes them; by default small ones of complete stored chunks
        """
        stored = int(self.array.chunks[0]), int(self.array.chunks[1])  # chunks, not shards: each can be read separately
        if blocks is None:
            shape = (self.shape[0], self.shape[1], 1)
            blocks = plan_chunks(shape, self.dtype.itemsize, stored, chunk_bytes=_CHUNK_BYTES)
        return da.from_array(
            self,
            chunks=tuple(
                min(sides, length) if isinstance(sides, int) else sides
                for sides, length in zip(blocks, self.shape, strict=True)
            ),
            meta=np.empty((0, 0), self.dtype),
            asarray=False,
            inline_array=True,
            name=False,
        )
