"""A small view of an image and its labels, taken in passing while a run writes: it costs no reading."""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner

Seen = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Look:
    """Takes every nth row and column of a chunk and of its labels; travels to the workers."""

    step: int

    def __call__(self, block: NDArray[Any], labels: NDArray[Any], corner: Corner) -> Seen:
        """Give (pixels, labels) of a chunk's part of the view."""
        rows, columns = (slice(-start % self.step, None, self.step) for start in corner[:2])
        return np.ascontiguousarray(block[rows, columns]), np.ascontiguousarray(labels[rows, columns])


class Overview:
    """The view, put together on the driver.

    Parameters
    ----------
    height, width, bands : int
        Of the image.
    dtype : dtype of the image
    side : int
        Longest side of the view, in pixels.
    """

    def __init__(self, height: int, width: int, bands: int, dtype: np.dtype[Any], side: int = 512) -> None:
        self.look = Look(max(1, ceil(max(height, width) / side)))
        size = ceil(height / self.look.step), ceil(width / self.look.step)
        self.pixels: NDArray[Any] = np.zeros((*size, bands), dtype)
        """Of the image as it was."""
        self.labels: NDArray[np.int64] = np.zeros(size, np.int64)
        """Unit numbers; the number of units, or more, is no data."""

    def note(self, corner: Corner, seen: Seen) -> None:
        """Put one chunk's part in its place."""
        pixels, labels = seen
        top, left = (ceil(start / self.look.step) for start in corner[:2])
        part = slice(top, top + labels.shape[0]), slice(left, left + labels.shape[1])
        self.pixels[part], self.labels[part] = pixels, labels
