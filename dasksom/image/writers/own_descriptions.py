"""The description that TIFF and PNG outputs hold as JSON: metadata of the run, trained map, and palette of labels."""

from __future__ import annotations

import base64
import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError

MOST_COLORS = 1 << 16
"""Limit of a palette that is read: the largest number of units of a map."""


def palette_as_json(palette: NDArray[Any]) -> dict[str, Any]:
    """Return a palette as JSON, for files of labels, which hold no colors."""
    values = base64.b64encode(palette.astype(palette.dtype.newbyteorder("<")).tobytes()).decode("ascii")
    return {"dtype": palette.dtype.name, "bands": palette.shape[1], "values": values}


def palette_from_json(stored: Any) -> NDArray[Any] | None:
    """Undo `palette_as_json`; None if it was not written by it."""
    try:
        dtype, bands = np.dtype(str(stored["dtype"])), int(stored["bands"])
        if dtype.kind not in "iuf" or bands < 1:
            return None
        values = np.frombuffer(base64.b64decode(stored["values"], validate=True), dtype.newbyteorder("<"))
        palette = values.astype(dtype).reshape(-1, bands)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return palette if 0 < len(palette) <= MOST_COLORS else None


def read_description(text: str) -> dict[str, Any]:
    """Return `dasksom` (metadata), `model` and `palette` of a description; what is not as written is left out."""
    try:
        description = json.loads(text)
        about, model = description["dasksom"], description.get("model", "")
        valid = isinstance(about, dict) and isinstance(about.get("parameters", {}), dict)
        known = {"dasksom": about if valid else {}, "model": base64.b64decode(model, validate=True)}
        return {**known, "palette": palette_from_json(description.get("palette"))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def palette_in_file(
    path: Path, description: dict[str, Any], indexed: NDArray[np.uint8] | None
) -> tuple[NDArray[Any], int]:
    """Return the palette of a TIFF or PNG, and the value of unit 0.

    Parameters
    ----------
    path : of the file, for errors
    description : as `read_description` returns it
    indexed : ndarray of shape (colors, 3), or None
        The colors of a file of indices, whose unit 0 is 0; unit 0 of a file of labels is 1. The description of indices
        of colors with opacity has their palette too.

    Raises
    ------
    InputError
        If it is not a file of dasksom with indices or labels.
    """
    palette: NDArray[Any] | None = description.get("palette")
    if palette is not None and (indexed is None or len(palette) <= len(indexed)):
        return palette, int(indexed is None)
    parameters = description.get("dasksom", {}).get("parameters", {})
    sides = [parameters.get(name) for name in ("rows", "columns")]
    units = prod(side if isinstance(side, int) else 0 for side in sides)
    if indexed is None or not 0 < units <= len(indexed):
        raise InputError(
            f"{path}: holds no palette of dasksom: TIFF and PNG do where they were written from 8-bit RGB with at most "
            "256 colors, or with --pixels labels; write .zarr"
        )
    return indexed[:units], 0
