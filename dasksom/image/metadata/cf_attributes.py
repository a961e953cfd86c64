"""Read no-data value, scale and offset from the attributes that xarray, GDAL and netCDF (CF conventions) write."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np

_NODATA = ("_FillValue", "missing_value", "nodata", "_FILL_VALUE", "NODATA")
_NEUTRAL = {"scale_factor": 1.0, "add_offset": 0.0}
_SPECIAL = {"nan": np.nan, "inf": np.inf, "infinity": np.inf, "-inf": -np.inf, "-infinity": -np.inf}


def nodata_of_attributes(
    attributes: Mapping[str, Any], fill_value: Any, zarr_format: int
) -> tuple[float | None, str | None]:
    """Return the no-data value that attributes declare, and a note if it cannot be used.

    Parameters
    ----------
    attributes, fill_value : of an array
    zarr_format : 2 or 3; xarray stores the no-data value as the fill value of Zarr 2, GDAL as that of both versions

    Returns
    -------
    nodata : int, float or None
        In Zarr 3, xarray stores it as the base64 text of its bytes (floats) or as a list of one number.
    note : str or None
        Text to show to users.
    """
    recorded = {name: attributes[name] for name in _NODATA if attributes.get(name) is not None}
    if fill_value is not None and ("_CRS" in attributes or (zarr_format == 2 and "_ARRAY_DIMENSIONS" in attributes)):
        recorded.setdefault("fill_value", fill_value)
    values: dict[str, float] = {}
    for name, stored in recorded.items():
        value = _number(stored)
        if value is None:
            return None, f"{name} {str(stored)[:40]!r} is no number"
        values[name] = value
    distinct = {repr(float(value)) for value in values.values()}
    if len(distinct) > 1:
        shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
        return None, f"{shown} are different no-data values"
    return next(iter(values.values()), None), None


def scale_of_attributes(attributes: Mapping[str, Any]) -> str | None:
    """Describe a scale and offset that change values, for users; None if there are none."""
    parts = [f"{name} {attributes[name]}" for name, value in _NEUTRAL.items() if attributes.get(name, value) != value]
    return ", ".join(parts) or None


def _number(value: Any) -> float | None:
    if isinstance(value, (list, tuple, np.ndarray)) and len(value) == 1:
        value = value[0]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if text.lower() in _SPECIAL:
        return float(_SPECIAL[text.lower()])
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        pass
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # xarray packs floats as float64, whatever the array's dtype
    return float(np.frombuffer(data, f"<f{len(data)}")[0]) if len(data) in (4, 8) else None
