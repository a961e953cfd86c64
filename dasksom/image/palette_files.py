"""Write palettes in the formats of other programs.

To add a format, write a function of (colors, (rows, columns) of the map) and add it to ``PALETTE_FILES``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dasksom.errors import InputError
from dasksom.image.writers.palettes import display_colors
from dasksom.storage.local_paths import listed, local_path, match_suffix
from dasksom.storage.own_files import write_file
from dasksom.storage.publish.atomic_publish import check_output, publish

_Shape = tuple[int, int]
"""Rows and columns of the map."""

MOST_ACT_COLORS = 256
SWATCH_SIDE = 32
"""Side of the square of one color in a swatch, in pixels; smaller for large maps."""
LARGEST_SWATCH = 4096


def write_palette(
    path: str | os.PathLike[str],
    weights: NDArray[Any],
    bands: Sequence[int] | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a map's colors in the palette format of another program, chosen by the suffix.

    Parameters
    ----------
    path : ends in .gpl (GIMP, Krita, Inkscape), .act (Adobe), .clr (QGIS, GRASS), .txt (GDAL) or .png (a swatch)
    weights : ndarray of shape (rows, columns, bands), real
    bands : the three bands for red, green and blue, or the one for gray; counted from 0
    overwrite : replace an existing file

    Raises
    ------
    InputError
        The suffix is unknown, a band does not exist, or the format holds fewer colors than the map has.
    """
    local = local_path(path)
    form = match_suffix(local, PALETTE_FILES)
    if form is None:
        raise InputError(f"{local}: no kind of palette is known by this name; end it in one of {listed(PALETTE_FILES)}")
    rows, columns, count = weights.shape
    if bands is None and count not in (1, 3):
        raise InputError(
            f"{local}: a palette file holds red, green and blue, and the map has {count} bands; "
            "say which three they are (--bands)"
        )
    chosen = list(range(count)) if bands is None else list(bands)
    if len(chosen) not in (1, 3) or not all(0 <= band < count for band in chosen):
        numbers = ", ".join(map(str, chosen))
        raise InputError(f"{local}: bands {numbers}: one, or three, of the map's {count} are needed (counted from 0)")
    colors = display_colors(weights.reshape(-1, count)[:, chosen])
    content = form(colors, (rows, columns))
    check_output(local, overwrite=overwrite, suffixes=PALETTE_FILES)
    with publish(local, overwrite=overwrite) as temporary:
        write_file(temporary, [content])


def _gimp(colors: NDArray[np.uint8], shape: _Shape) -> bytes:
    lines = ["GIMP Palette", "Name: dasksom", f"Columns: {min(shape[1], 64)}", "#"]
    lines += [f"{r:3d} {g:3d} {b:3d}\tunit {k}" for k, (r, g, b) in enumerate(colors.tolist())]
    return ("\n".join(lines) + "\n").encode()


def _adobe(colors: NDArray[np.uint8], shape: _Shape) -> bytes:
    """Return 256 colors, the number of valid ones, and the index of the transparent one (0xFFFF: none); big-endian."""
    if len(colors) > MOST_ACT_COLORS:
        raise InputError(
            f".act: an Adobe color table holds {MOST_ACT_COLORS} colors, and the map has {len(colors)}; write .gpl"
        )
    table = np.zeros((MOST_ACT_COLORS, 3), np.uint8)
    table[: len(colors)] = colors
    return table.tobytes() + np.array([len(colors), 0xFFFF], ">u2").tobytes()


def _labeled(colors: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Return (label, red, green, blue, alpha) of every label: unit + 1, and 0 for no data."""
    return [(0, 0, 0, 0, 0), *((k + 1, *color, 255) for k, color in enumerate(colors.tolist()))]


def _qgis(colors: NDArray[np.uint8], shape: _Shape) -> bytes:
    lines = [
        f"{value} {r} {g} {b} {alpha} {'no data' if value == 0 else f'unit {value - 1}'}"
        for value, r, g, b, alpha in _labeled(colors)
    ]
    return ("\n".join(lines) + "\n").encode()


def _gdal(colors: NDArray[np.uint8], shape: _Shape) -> bytes:
    lines = ["# dasksom: label, red, green, blue, alpha; label = unit + 1, 0 is no data"]
    lines += [" ".join(map(str, row)) for row in _labeled(colors)]
    return ("\n".join(lines) + "\n").encode()


def _swatch(colors: NDArray[np.uint8], shape: _Shape) -> bytes:
    side = max(1, min(SWATCH_SIDE, LARGEST_SWATCH // max(shape)))
    grid = colors.reshape(*shape, 3).repeat(side, axis=0).repeat(side, axis=1)
    file = io.BytesIO()
    Image.fromarray(grid).save(file, format="PNG")
    return file.getvalue()


PALETTE_FILES: dict[str, Callable[[NDArray[np.uint8], _Shape], bytes]] = {
    ".act": _adobe,
    ".clr": _qgis,
    ".gpl": _gimp,
    ".png": _swatch,
    ".txt": _gdal,
}
"""Palette formats by suffix."""
