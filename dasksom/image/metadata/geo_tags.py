"""Create, scale, describe and compare georeferences in the form of GeoTIFF tags, without GDAL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dasksom.image.sources.protocol import Tag

_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _KEYS, _KEY_NUMBERS, _KEY_TEXT = 33550, 33922, 34264, 34735, 34736, 34737
_RPC = 50844
GEO_TAGS = (_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION, _KEYS, _KEY_NUMBERS, _KEY_TEXT, _RPC)
"""Pixel scale, tie points (or ground control points), transformation, keys, key numbers, key texts; RPCs."""
_RPC_PIXELS = {2: 0, 3: 1, 7: 0, 8: 1}
"""Indices of the RPC numbers in rows (0) or columns (1): offsets and scales of line and sample."""
_PROJECTED, _GEOGRAPHIC = 3072, 2048
_USER_DEFINED = 32767
_MODEL_TYPE, _PROJECTED_MODEL, _LINEAR_UNITS = 1024, 1, 3076
_METERS_BY_UNIT = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}
"""Meter, international foot, US survey foot, by EPSG code."""
_SYSTEMS_IN_METERS = (range(32601, 32661), range(32701, 32761), range(25828, 25839), (3035, 3857))
"""EPSG codes of systems in meters: UTM, ETRS89 in Europe, Web Mercator."""
_DOUBLE, _SHORT = 12, 3


def at_level(tag: Tag, shrink: tuple[float, float]) -> Tag:
    """Convert a tag of the full resolution to a level of a pyramid.

    Parameters
    ----------
    tag : one of `GEO_TAGS`
    shrink : rows and columns of the full resolution per row and column of the level; pixel sizes grow by these factors
    """
    code, kind, count, value, once = tag
    rows, columns = shrink
    if shrink == (1.0, 1.0):
        return tag
    if code == _PIXEL_SCALE and count >= 2:
        value = (value[0] * columns, value[1] * rows, *value[2:])
    if code == _TIE_POINTS and count % 6 == 0:
        sides = (columns, rows, 1.0, 1.0, 1.0, 1.0)
        value = tuple(number / sides[place % 6] for place, number in enumerate(value))
    if code == _TRANSFORMATION and count == 16:
        value = tuple(number * (columns, rows, 1.0, 1.0)[place % 4] for place, number in enumerate(value))
    if code == _RPC and count == 92:
        value = tuple(
            number / shrink[_RPC_PIXELS[place]] if place in _RPC_PIXELS else number
            for place, number in enumerate(value)
        )
    return code, kind, count, value, once


def tags_of_epsg(epsg: int, geographic: bool, transform: Sequence[float]) -> tuple[Tag, ...]:
    """Return the tags of a coordinate reference system that has an EPSG code.

    Parameters
    ----------
    epsg : code of the system
    geographic : whether its coordinates are longitude and latitude
    transform : six numbers in GDAL's order: x of the corner, dx per column, dx per row, y of the corner, dy per column,
        dy per row
    """
    x, dx, rx, y, ry, dy = (float(number) for number in transform)
    directory = _directory(epsg, geographic)
    if rx == 0 and ry == 0 and dy < 0:
        scale: Tag = (_PIXEL_SCALE, _DOUBLE, 3, (dx, -dy, 0.0), True)
        return scale, (_TIE_POINTS, _DOUBLE, 6, (0.0, 0.0, 0.0, x, y, 0.0), True), directory
    matrix = (dx, rx, 0.0, x, ry, dy, 0.0, y, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    return (_TRANSFORMATION, _DOUBLE, 16, matrix, True), directory


def tags_of_points(epsg: int, geographic: bool, points: Sequence[Sequence[float]]) -> tuple[Tag, ...]:
    """Return the tags of ground control points, given as column, row, x, y, z each."""
    values = tuple(number for column, row, x, y, z in points for number in (column, row, 0.0, x, y, z))
    return (_TIE_POINTS, _DOUBLE, len(values), values, True), _directory(epsg, geographic)


def tag_of_rpc(numbers: Sequence[float]) -> Tag:
    """Return the tag of rational polynomial coefficients: 92 numbers in the order of the tag."""
    return _RPC, _DOUBLE, len(numbers), tuple(numbers), True


def _directory(epsg: int, geographic: bool) -> Tag:
    key = _GEOGRAPHIC if geographic else _PROJECTED
    # version 1.1.0 of the directory with 3 keys: type of system, pixel is area, the system
    keys = (1, 1, 0, 3, 1024, 0, 1, 2 if geographic else 1, 1025, 0, 1, 1, key, 0, 1, epsg)
    return _KEYS, _SHORT, len(keys), keys, True


def crs_name(tags: Sequence[Tag]) -> str | None:
    """Return the name of a coordinate reference system: its EPSG code, else its description; None if there is none."""
    values = {tag[0]: tag[3] for tag in tags}
    entries = _entries(values.get(_KEYS))
    if not entries:
        return None
    for key in (_PROJECTED, _GEOGRAPHIC):
        place, number = entries.get(key, (None, 0))
        if place == 0 and 0 < number < _USER_DEFINED:
            return f"EPSG:{number}"
    text = str(values.get(_KEY_TEXT, "")).strip("\0| ")
    return text.replace("|", ", ") or "user-defined"


def _entries(keys: Sequence[int] | None) -> dict[int, tuple[int, int]]:
    """Return the tag with the value (0: the directory itself) and the value, by key."""
    return {keys[at]: (keys[at + 1], keys[at + 3]) for at in range(4, len(keys) - 3, 4)} if keys else {}


def linear_scale(tags: Sequence[Tag]) -> float | None:
    """Return the area of a pixel in square meters; None unless the system is projected and its unit is known."""
    values = {tag[0]: tag[3] for tag in tags}
    entries = _entries(values.get(_KEYS))
    ends = corners(tags, (1, 1))
    if ends is None or entries.get(_MODEL_TYPE) != (0, _PROJECTED_MODEL):
        return None
    system, unit = entries.get(_PROJECTED, (0, 0))[1], entries.get(_LINEAR_UNITS, (0, 0))[1]
    in_meters = any(system in codes for codes in _SYSTEMS_IN_METERS)
    meters = _METERS_BY_UNIT.get(unit, 1.0 if in_meters and not unit else None)
    if meters is None:
        return None
    if len(values.get(_TRANSFORMATION, ())) == 16:
        matrix = np.array(values[_TRANSFORMATION], float).reshape(4, 4)
        area = abs(float(np.linalg.det(matrix[:2, :2])))
    else:
        area = float(values[_PIXEL_SCALE][0] * values[_PIXEL_SCALE][1])
    return area * meters**2


def georeference(tags: Sequence[Tag]) -> str | None:
    """Describe ground control points and RPCs, for users; None if the tags have neither."""
    codes = {tag[0]: tag for tag in tags}
    points = codes[_TIE_POINTS][2] // 6 if _TIE_POINTS in codes and _PIXEL_SCALE not in codes else 0
    ways = [f"{points} ground control points"] if points else []
    return ", ".join(ways + (["RPCs"] if _RPC in codes else [])) or None


def corners(tags: Sequence[Tag], size: tuple[int, int]) -> Any:
    """Return x and y of the top left and bottom right corners, shape (2, 2); None without a plain transform."""
    values = {tag[0]: tag[3] for tag in tags}
    ends = np.array([(0.0, 0.0), (size[1], size[0])])
    if len(values.get(_TRANSFORMATION, ())) == 16:
        matrix = np.array(values[_TRANSFORMATION], float).reshape(4, 4)
        return ends @ matrix[:2, :2].T + matrix[:2, 3]
    if len(values.get(_PIXEL_SCALE, ())) >= 2 and len(values.get(_TIE_POINTS, ())) == 6:
        column, row, _, x, y, _ = values[_TIE_POINTS]
        scale = np.array([values[_PIXEL_SCALE][0], -values[_PIXEL_SCALE][1]])
        return (ends - (column, row)) * scale + (x, y)
    return None


Placement = tuple[tuple[float, float], tuple[float, float]]
"""Of rows and of columns: position of the first edge in another image, and its pixels per pixel, both in its pixels."""


def placement(
    tags: Sequence[Tag], size: tuple[int, int], other: Sequence[Tag], other_size: tuple[int, int]
) -> Placement | None:
    """Return the position of an image in another image; None unless both have the same system and no rotation.

    Parameters
    ----------
    tags, size : of the image; size is (height, width)
    other, other_size : of the other image
    """
    name = crs_name(tags)
    ends, others = corners(tags, size), corners(other, other_size)
    if name is None or name != crs_name(other) or ends is None or others is None or _rotated(tags) or _rotated(other):
        return None
    pixel = (others[1] - others[0]) / (other_size[1], other_size[0])
    if not np.isfinite(pixel).all() or (pixel == 0).any():
        return None
    first, step = (ends[0] - others[0]) / pixel, (ends[1] - ends[0]) / (size[1], size[0]) / pixel
    return (float(first[1]), float(step[1])), (float(first[0]), float(step[0]))


def _rotated(tags: Sequence[Tag]) -> bool:
    matrix = {tag[0]: tag[3] for tag in tags}.get(_TRANSFORMATION, ())
    return len(matrix) == 16 and (matrix[1] != 0 or matrix[4] != 0)


def warp_command(tags: Sequence[Tag], size: tuple[int, int], named: str) -> str | None:
    """Return the command of GDAL that brings a file to the grid of an image; None without a plain transform."""
    ends, name = corners(tags, size), crs_name(tags)
    if ends is None or _rotated(tags):
        return None
    (left, top), (right, bottom) = ends.tolist()
    target = f"-t_srs {name} " if name and name.startswith("EPSG:") else ""
    extent = f"-te {min(left, right):.10g} {min(top, bottom):.10g} {max(left, right):.10g} {max(top, bottom):.10g}"
    return f"gdalwarp {target}{extent} -ts {size[1]} {size[0]} -r near {named} OUT.tif"


def placed_elsewhere(
    tags: Sequence[Tag], size: tuple[int, int], other: Sequence[Tag], other_size: tuple[int, int]
) -> str | None:
    """Return how the georeferences of an image and its mask disagree; None if they agree, or if one has none.

    Parameters
    ----------
    tags, size : of the image; size is (height, width)
    other, other_size : of the mask, which may have a lower resolution
    """
    names = crs_name(tags), crs_name(other)
    if all(names) and names[0] != names[1]:
        return f"its coordinate reference system is {names[1]}, the image's {names[0]}"
    ends, others = corners(tags, size), corners(other, other_size)
    if ends is None or others is None:
        return None
    # sizes of pyramid levels are rounded, so the far corners may differ by one pixel of the mask
    pixel = np.abs(others[1] - others[0]) / (other_size[1], other_size[0])
    if (np.abs(others - ends) <= np.array([[0.5], [1.0]]) * pixel * (1 + 1e-6)).all():
        return None
    shown = ["({:.10g}, {:.10g}) to ({:.10g}, {:.10g})".format(*place.ravel()) for place in (others, ends)]
    return f"its corners are {shown[0]}, the image's {shown[1]}"
