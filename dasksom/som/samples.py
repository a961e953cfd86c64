"""A chunk of an image as the samples that a map takes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError

LARGEST = 1e150
"""Largest magnitude of a sample; sums of squares of larger ones leave the range of float64."""


def samples_of(block: NDArray[Any], corner: tuple[int, ...]) -> NDArray[Any]:
    """Give a chunk's samples.

    Parameters
    ----------
    block : ndarray of shape (..., bands), real
    corner : tuple of int
        Index of the chunk's first element in the image; errors tell places by it.

    Returns
    -------
    ndarray of shape (n, bands), a view where the chunk is contiguous

    Raises
    ------
    InputError
        If one of them is NaN, infinite, or so large that its square is.
    """
    samples = block.reshape(-1, block.shape[-1])
    if samples.dtype.kind == "f" and not (-LARGEST <= float(samples.min()) <= float(samples.max()) <= LARGEST):
        bad = tuple(np.argwhere(~(np.abs(block.astype(np.float64)) <= LARGEST))[0])
        place = tuple(int(start + at) for start, at in zip(corner, bad, strict=True))
        raise InputError(
            f"the image holds {block[bad]} at pixel {place[:-1]}, band {place[-1]}; a map needs finite numbers up "
            f"to {LARGEST:g}. Replace such pixels first, for example with dask.array.nan_to_num"
        )
    return samples
