"""Vectors of any number of bands and range as screen colors."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError

LUMA = np.array([0.2126, 0.7152, 0.0722])
"""Shares of red, green and blue in perceived brightness."""


@dataclass(frozen=True, eq=False)
class Palette:
    """A view of vectors as colors: three of their bands, each from black to full intensity."""

    bands: tuple[int, int, int]
    """Shown as red, green and blue; the same one three times for gray."""
    low: NDArray[np.float64]
    """Values that are black, shape (3,)."""
    high: NDArray[np.float64]
    """Values of full intensity, shape (3,)."""

    @classmethod
    def of(cls, vectors: NDArray[Any], bands: tuple[int, int, int] | None = None) -> Self:
        """Choose a view of vectors by their range.

        Values from 0 to 255, or 0 to 1, are intensities; others are stretched, band by band, from the lowest to the
        highest value.

        Parameters
        ----------
        vectors : ndarray of shape (..., bands)
        bands : (int, int, int), optional
            By default the first three; the first, where there are fewer than three.

        Raises
        ------
        InputError
            If a band does not exist.
        """
        count = vectors.shape[-1]
        chosen = bands or ((0, 1, 2) if count >= 3 else (0, 0, 0))
        if len(chosen) != 3 or not all(0 <= band < count for band in chosen):
            raise InputError(f"bands: three of 0 to {count - 1} are shown as red, green and blue; got {chosen}")
        values = np.asarray(vectors, np.float64).reshape(-1, count)[:, chosen]
        values = values[np.isfinite(values).all(axis=1)]
        lowest, highest = (values.min(), values.max()) if len(values) else (0.0, 1.0)
        if vectors.dtype == np.uint8 or (lowest >= 0 and 1 < highest <= 255):
            return cls(chosen, np.zeros(3), np.full(3, 255.0))
        if lowest >= 0 and highest <= 1:
            return cls(chosen, np.zeros(3), np.ones(3))
        return cls(chosen, values.min(axis=0), values.max(axis=0))

    def colors(self, vectors: NDArray[Any]) -> NDArray[np.float64]:
        """Return colors of shape (..., 3), floats from 0 to 1; NaN stays NaN."""
        values = np.asarray(vectors, np.float64)[..., self.bands]
        span = np.where(self.high > self.low, self.high - self.low, 1.0)
        return np.clip((values - self.low) / span, 0.0, 1.0)


def hexadecimal(color: NDArray[Any]) -> str:
    """Return a color of three floats from 0 to 1 as #rrggbb.

    >>> hexadecimal(np.array([1.0, 0.5, 0.0]))
    '#ff8000'
    """
    return "#" + "".join(f"{int(part * 255 + 0.5):02x}" for part in color)
