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
MOST_DESCRIBED_BYTES = 1 << 20
"""Larger maps and palettes are not written into a TIFF's description."""


def check_described(path: str, palette: NDArray[Any]) -> None:
    """Refuse labels whose palette is too large for the description, so that nothing could be read from them."""
    if palette.nbytes > MOST_DESCRIBED_BYTES:
        raise InputError(
            f"{path}: holds at most {MOST_DESCRIBED_BYTES >> 20} MiB of colors of labels, and these are "
            f"{palette.nbytes / (1 << 20):.1f} MiB; write .ome.zarr or .zarr, or train a smaller map"
        )


def labels_as_json(palette: NDArray[Any]) -> dict[str, Any]:
    """Return the part of the description of labels: the value of unit 0, and the palette if it is not too large."""
    small = palette.nbytes <= MOST_DESCRIBED_BYTES
    return {"offset": 1, **({"palette": palette_as_json(palette)} if small else {})}


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
    """Return the `dasksom` metadata, `model`, `palette` and `offset` of a description, those that are as written."""
    try:
        description = json.loads(text)
        about, model = description["dasksom"], description.get("model", "")
        valid = isinstance(about, dict) and isinstance(about.get("parameters", {}), dict)
        known = {"dasksom": about if valid else {}, "model": base64.b64decode(model, validate=True)}
        palette, offset = palette_from_json(description.get("palette")), description.get("offset")
        return {**known, "palette": palette, "offset": 1 if offset == 1 else None}
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
        The color table of the file, if it has one.

    Unit 0 is 1 in a file of labels, whose description says so, and 0 in a file of indices. Descriptions of older labels
    do not, but these have no color table. The description of indices of colors with opacity has their palette too.

    Raises
    ------
    InputError
        If it is not a file of dasksom with indices or labels.
    """
    palette: NDArray[Any] | None = description.get("palette")
    labels = indexed is None or description.get("offset") == 1
    if palette is not None and (indexed is None or len(palette) <= len(indexed)):
        return palette, int(labels)
    parameters = description.get("dasksom", {}).get("parameters", {})
    sides = [parameters.get(name) for name in ("rows", "columns")]
    units = prod(side if isinstance(side, int) else 0 for side in sides)
    if indexed is None or labels or not 0 < units <= len(indexed):
        raise InputError(
            f"{path}: holds no palette of dasksom: TIFF and PNG do where they were written from 8-bit RGB with at most "
            "256 colors, or with --pixels labels; write .zarr"
        )
    return indexed[:units], 0
