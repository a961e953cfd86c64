"""A chunk of an image as the samples that a map takes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError


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
        If one of them is NaN or infinite.
    """
    samples = block.reshape(-1, block.shape[-1])
    if samples.dtype.kind == "f" and not np.isfinite(samples).all():
        bad = tuple(np.argwhere(~np.isfinite(block))[0])
        place = tuple(int(start + at) for start, at in zip(corner, bad, strict=True))
        raise InputError(
            f"the image holds {block[bad]} at pixel {place[:-1]}, band {place[-1]}; a map needs finite numbers. "
            "Replace such pixels first, for example with dask.array.nan_to_num"
        )
    return samples
