"""What TIFF tags tell beside pixels: no-data value, alpha, place on earth, pixel size; read without GDAL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from dasksom.image.sources.protocol import Tag
from dasksom.storage.safe_xml import xml_tree

GDAL_NODATA = 42113
_PIXEL_SCALE, _TRANSFORMATION, _KEYS, _KEY_TEXT = 33550, 34264, 34735, 34737
GEO_TAGS = (_PIXEL_SCALE, 33922, _TRANSFORMATION, _KEYS, 34736, _KEY_TEXT)
"""Pixel scale, tie points, transformation, keys and their numbers and texts."""
_PROJECTED, _GEOGRAPHIC = 3072, 2048
_USER_DEFINED = 32767
_ALPHA = (1, 2)
"""ExtraSamples: associated and unassociated alpha."""
_TEXT = 2
_MICROMETERS = {"µm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}


@dataclass(frozen=True)
class TiffFacts:
    """What the tags of an image tell beside its pixels."""

    nodata: float | None
    alpha: int | None
    """Number of the sample."""
    geo_tags: tuple[Tag, ...]
    pixel_size: tuple[float, float] | None
    unit: str | None


def read_facts(tiff: Any, number: int, full: Any, level: Any) -> TiffFacts:
    """Read the tags of an image of an open TIFF.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    number : of the image
    full, level : tifffile page at full resolution, and of the level that is read
    """
    shrink = full.imagelength / level.imagelength, full.imagewidth / level.imagewidth
    size, unit = _pixel_size_of(tiff, number, shrink)
    return TiffFacts(_nodata_of(full), _alpha_of(level), _geo_tags(full, shrink), size, unit)


def _geo_tags(page: Any, shrink: tuple[float, float]) -> tuple[Tag, ...]:
    """Return the tags that place an image on earth, verbatim at full resolution.

    Parameters
    ----------
    page : tifffile page at full resolution
    shrink : how many of its rows and columns make one of the level that is read; the size of a pixel grows with it
    """
    found = []
    for code in GEO_TAGS:
        tag = page.tags.get(code)
        if tag is not None:
            value = tag.value if isinstance(tag.value, (tuple, str)) else (tag.value,)
            found.append((code, int(tag.dtype), 0 if isinstance(value, str) else len(value), value, True))
    return tuple(_grown(tag, shrink) for tag in found)


def _grown(tag: Tag, shrink: tuple[float, float]) -> Tag:
    code, kind, count, value, once = tag
    rows, columns = shrink
    if shrink == (1.0, 1.0):
        return tag
    if code == _PIXEL_SCALE and count >= 2:
        value = (value[0] * columns, value[1] * rows, *value[2:])
    if code == _TRANSFORMATION and count == 16:
        value = tuple(number * (columns, rows, 1.0, 1.0)[place % 4] for place, number in enumerate(value))
    return code, kind, count, value, once


def tags_of_epsg(epsg: int, geographic: bool, transform: Sequence[float]) -> tuple[Tag, ...]:
    """Make the tags of a coordinate reference system that has an EPSG number.

    Parameters
    ----------
    epsg : number of the system
    geographic : whether its coordinates are longitude and latitude
    transform : six numbers in GDAL's order: x of the corner, dx by column, dx by row, y of the corner, dy by column, dy
        by row
    """
    x, dx, rx, y, ry, dy = (float(number) for number in transform)
    key = _GEOGRAPHIC if geographic else _PROJECTED
    # version 1.1.0 of the directory, 3 keys: kind of system, pixels are areas, the system
    keys = (1, 1, 0, 3, 1024, 0, 1, 2 if geographic else 1, 1025, 0, 1, 1, key, 0, 1, epsg)
    directory: Tag = (_KEYS, 3, len(keys), keys, True)
    if rx == 0 and ry == 0 and dy < 0:
        return (_PIXEL_SCALE, 12, 3, (dx, -dy, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, x, y, 0.0), True), directory
    matrix = (dx, rx, 0.0, x, ry, dy, 0.0, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    return (_TRANSFORMATION, 12, 16, matrix, True), directory


def crs_name(tags: Sequence[Tag]) -> str | None:
    """Name the coordinate reference system of geo tags: its EPSG number, else what is written there; None without."""
    values = {tag[0]: tag[3] for tag in tags}
    keys = values.get(_KEYS)
    if not keys:
        return None
    entries = {keys[at]: (keys[at + 1], keys[at + 3]) for at in range(4, len(keys) - 3, 4)}
    for key in (_PROJECTED, _GEOGRAPHIC):
        place, number = entries.get(key, (None, 0))
        if place == 0 and 0 < number < _USER_DEFINED:
            return f"EPSG:{number}"
    text = str(values.get(_KEY_TEXT, "")).strip("\0| ")
    return text.replace("|", ", ") or "user-defined"


def _nodata_of(page: Any) -> float | None:
    """Return the no-data value that GDAL has noted, None without."""
    tag = page.tags.get(GDAL_NODATA)
    if tag is None:
        return None
    with suppress(ValueError, TypeError):
        text = str(tag.value).strip("\0 ")
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text.replace(",", "."))
    return None


def _alpha_of(page: Any) -> int | None:
    """Return the number of the sample that is alpha, None without."""
    kinds = [int(kind) for kind in page.extrasamples or ()]
    for number, kind in enumerate(kinds):
        if kind in _ALPHA:
            return int(page.samplesperpixel) - len(kinds) + number
    return None


def _pixel_size_of(
    tiff: Any, series: int, shrink: tuple[float, float]
) -> tuple[tuple[float, float] | None, str | None]:
    """Return height and width of a pixel in micrometers, from OME-XML or an Aperio description; None without.

    The resolution tags of TIFF itself are no use: most writers put there what a printer or screen should do.
    """
    size = None
    with suppress(Exception):  # a description is no reason to refuse an image
        if tiff.ome_metadata:
            size = _ome_size(tiff.ome_metadata, series)
        elif tiff.is_svs:
            found = re.search(r"\bMPP\s*=\s*([0-9.]+)", tiff.pages[0].description)
            size = None if found is None else (float(found[1]), float(found[1]))
    if size is None or not np.all(np.array(size) > 0):
        return None, None
    return (size[0] * shrink[0], size[1] * shrink[1]), "micrometer"


def _ome_size(xml: str, series: int) -> tuple[float, float] | None:
    pixels = [node for node in xml_tree(xml).iter() if node.tag.rpartition("}")[2] == "Pixels"][series].attrib
    return tuple(  # type: ignore[return-value]
        float(pixels[f"PhysicalSize{axis}"]) * _MICROMETERS[pixels.get(f"PhysicalSize{axis}Unit", "µm")]
        for axis in "YX"
    )
