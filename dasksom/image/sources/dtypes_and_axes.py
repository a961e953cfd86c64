"""Check the dtypes of images, and guess the axes of arrays without axis names; the same rules for every format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dasksom.errors import InputError

if TYPE_CHECKING:
    import numpy as np

BAND_NAMES = {"band", "bands", "c", "channel", "channels", "s", "sample", "samples", "wavelength", "rgb"}
"""Names of the band axis."""
_MANY_BANDS = 1024


def check_dtype(path: str, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype in native byte order; refuse all but integers and floats of up to 64 bits."""
    if dtype.kind == "b":
        raise InputError(f"{path}: pixels are of dtype bool; convert them to uint8 (0 and 255) first")
    if dtype.kind == "c":
        raise InputError(
            f"{path}: pixels are of dtype {dtype}; accepted are integers and floats: "
            "store real and imaginary parts, or magnitudes, as bands"
        )
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise InputError(f"{path}: pixels are of dtype {dtype}; accepted are integers and floats, convert them first")
    return dtype.newbyteorder("=")


def check_not_empty(path: str, shape: Sequence[int]) -> None:
    """Refuse an array without pixels."""
    if 0 in shape:
        raise InputError(
            f"{path}: has no pixels, shape {tuple(shape)}; at least 1 along each axis is needed: is it damaged, or "
            "another array or level than the image?"
        )


def is_data_array(image: Any) -> bool:
    """Return whether an object has the interface of an xarray DataArray."""
    return all(hasattr(image, name) for name in ("dims", "coords", "attrs", "transpose", "data"))


def guess_axes(path: str, shape: Sequence[int]) -> tuple[str, ...]:
    """Return the axes of an array without axis names: rows, columns, bands last.

    Raises
    ------
    InputError
        There are fewer than 2 or more than 3 axes, or the shape looks like bands first.
    """
    if len(shape) not in (2, 3):
        raise InputError(
            f"{path}: has {len(shape)} axes, shape {tuple(shape)}; an image is (height, width) or "
            f"(height, width, bands): say what the axes are, for example --axes {'ctzyx'[-len(shape) :]}, "
            "and which place to take along each that is not y, x or c (bands), for example --select z=0"
        )
    if len(shape) == 2:
        return "y", "x"
    height, _, bands = shape
    if height < bands and (height <= 4 or bands > _MANY_BANDS):
        raise InputError(
            f"{path}: shape {tuple(shape)} looks like bands first, but does not say so; say it with --axes cyx, "
            "or --axes yxc if the bands are last all the same (in Python open_image(..., axes='cyx'))"
        )
    return "y", "x", "c"
