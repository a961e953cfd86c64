"""Which shapes and dtypes are images; the same rules for every format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dasksom.errors import InputError

_BAND_NAMES = {"band", "bands", "c", "channel", "channels", "s", "sample", "samples", "wavelength", "rgb"}
_MANY_BANDS = 1024


def check_dtype(path: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in this machine's byte order; refuse all but integers and floats."""
    if dtype.kind == "b":
        raise InputError(f"{path}: pixels are of dtype bool; convert them to uint8 (0 and 255) first")
    if dtype.kind not in "uif":
        raise InputError(f"{path}: pixels are of dtype {dtype}; accepted are integers and floats, convert them first")
    return dtype.newbyteorder("=")


def check_shape(path: str, shape: Sequence[int], axes: Sequence[str | None] | None = None) -> tuple[int, int, int]:
    """Return (height, width, bands) for a 2-D or 3-D shape, bands last.

    Parameters
    ----------
    path : of the image, for messages
    shape : of the stored array, in pixels
    axes : names of the axes where the file tells them; a last axis named like bands settles what is ambiguous

    Raises
    ------
    InputError
        No pixels, fewer than 2 or more than 3 axes, or bands that may stand first.
    """
    named = f" with axes {tuple(axes)}" if axes and any(axes) else ""
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: has {len(shape)} axes, shape {tuple(shape)}{named}; "
            "an image is (height, width) or (height, width, bands): take one plane of it first"
        )
    if 0 in shape:
        raise InputError(f"{path}: has no pixels, shape {tuple(shape)}")
    if len(shape) == 2:
        return int(shape[0]), int(shape[1]), 1
    height, width, bands = (int(n) for n in shape)
    names = [(name or "").lower() for name in axes] if axes else ["", "", ""]
    unlikely = height < bands and (height <= 4 or bands > _MANY_BANDS)
    if names[0] in _BAND_NAMES or (unlikely and names[2] not in _BAND_NAMES):
        raise InputError(
            f"{path}: shape {tuple(shape)}{named} looks like bands first, but bands must come last; in Python: "
            "array = dask.array.from_zarr(path).transpose(1, 2, 0), then BatchSOM(...).fit(array), "
            "or save the transposed array with rechunk and to_zarr"
        )
    return height, width, bands
