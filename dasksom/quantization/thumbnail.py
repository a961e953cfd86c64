"""A small version of an image and its labels, collected while a run writes, without further reads."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner

_Extract = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class _EveryNth:
    """Extracts every nth row and column of a chunk and its labels, on a worker."""

    step: int

    def __call__(self, block: NDArray[Any], labels: NDArray[Any], corner: Corner) -> _Extract:
        """Return the pixels and labels of a chunk that belong to the overview."""
        rows, columns = (slice(-start % self.step, None, self.step) for start in corner[:2])
        return np.ascontiguousarray(block[rows, columns]), np.ascontiguousarray(labels[rows, columns])


class Overview:
    """The small version, assembled on the driver.

    Parameters
    ----------
    height, width, bands : int
        Shape of the image.
    dtype : dtype of the image
    side : int
        Longest side of the overview, in pixels.
    """

    def __init__(self, height: int, width: int, bands: int, dtype: np.dtype[Any], side: int = 512) -> None:
        self.extract = _EveryNth(max(1, ceil(max(height, width) / side)))
        size = ceil(height / self.extract.step), ceil(width / self.extract.step)
        self.pixels: NDArray[Any] = np.zeros((*size, bands), dtype)
        """Pixels of the input image."""
        self.labels: NDArray[np.int64] = np.zeros(size, np.int64)
        """Unit numbers; values from the number of units on mean no data."""

    def add(self, corner: Corner, extracted: _Extract) -> None:
        """Copy the extract of one chunk to its position."""
        pixels, labels = extracted
        top, left = (ceil(start / self.extract.step) for start in corner[:2])
        region = slice(top, top + labels.shape[0]), slice(left, left + labels.shape[1])
        self.pixels[region], self.labels[region] = pixels, labels
