"""The area of a pixel, from its georeference or its size."""

from __future__ import annotations

from collections.abc import Sequence

from dasksom.image.metadata.geo_tags import linear_scale
from dasksom.image.sources.protocol import Tag

_METERS = {
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "meter": 1.0,
    "kilometer": 1e3,
}
_SMALL = 1e-2
"""Pixels with smaller sides, in meters, are measured in square millimeters, larger ones in hectares."""


def pixel_area(
    geo_tags: Sequence[Tag], pixel_size: tuple[float, float] | None, unit: str | None
) -> tuple[float, str] | None:
    """Return the area of a pixel and its unit, "mm2" or "ha".

    Parameters
    ----------
    geo_tags : GeoTIFF tags of the image
    pixel_size : height and width of a pixel
    unit : of `pixel_size`, as OME-NGFF spells it

    Returns
    -------
    None if it is unknown: without a unit of length, or in degrees.
    """
    square_meters = linear_scale(geo_tags)
    if square_meters is None:
        if pixel_size is None or unit not in _METERS:
            return None
        square_meters = pixel_size[0] * pixel_size[1] * _METERS[unit] ** 2
    return (square_meters * 1e6, "mm2") if square_meters < _SMALL**2 else (square_meters / 1e4, "ha")
