"""The class of every pixel of an output, computed from its labels where they are read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.zarr.stored_labels import StoredLabels
from dasksom.som.class_images.majority import majority_filter

LARGEST_WINDOW = 255
"""Largest side of the window of the majority filter."""


@dataclass(frozen=True)
class Tidying:
    """How a class image is tidied: first smoothed, then freed from small regions."""

    smooth: int = 0
    """Side of the window of the majority filter in pixels, odd; 0: none."""
    min_area: int = 0
    """Regions with fewer pixels take the class of their largest neighbor; 0: none."""

    def __post_init__(self) -> None:
        if self.smooth and not (3 <= self.smooth <= LARGEST_WINDOW and self.smooth % 2):
            raise InputError(f"smooth: {self.smooth} is not an odd number of pixels from 3 to {LARGEST_WINDOW}")
        if self.min_area and self.min_area < 2:
            raise InputError(f"min-area: {self.min_area} is not a number of pixels from 2 on")

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.smooth or self.min_area)

    def as_json(self) -> dict[str, int]:
        """Return the chosen filters by name."""
        return {name: value for name, value in asdict(self).items() if value}


AS_LABELED = Tidying()
"""No filter: every pixel has the class of its unit."""


@dataclass(frozen=True, eq=False)
class ClassImage:
    """Classes of the pixels, smoothed if asked for; regions are read with the margin that smoothing needs."""

    labels: StoredLabels
    table: NDArray[np.unsignedinteger[Any]]
    """Class of each label value, the last one of all values beyond."""
    smooth: int = 0
    """Side of the window of the majority filter; 0: none."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the class numbers."""
        return self.table.dtype

    def __getitem__(self, region: tuple[slice, slice]) -> NDArray[Any]:
        reach = self.smooth // 2
        read, margins = [], []
        for cut, length in zip(region, self.shape, strict=True):
            start, stop, _ = cut.indices(length)
            read.append(slice(max(start - reach, 0), min(stop + reach, length)))
            margins += [start - read[-1].start, read[-1].stop - stop]
        classes = np.take(self.table, self.labels[tuple(read)], mode="clip")
        if self.smooth:
            above, below, left, right = margins
            classes = majority_filter(classes, self.smooth, (above, below, left, right))
        return classes

    def lazy(self, blocks: tuple[int, int]) -> da.Array:
        """Return the classes as a dask array, (height, width, 1), in chunks of the given rows and columns."""
        classes = da.from_array(
            self, chunks=blocks, meta=np.empty((0, 0), self.dtype), asarray=False, inline_array=True, name=False
        )
        return classes[..., np.newaxis]
