"""Read palettes of other programs.

To add a format, write a function of the content of a file that returns colors, and add it to ``PALETTE_READERS``.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dasksom.errors import InputError
from dasksom.storage.local_paths import check_readable, local_path, match_suffix

MOST_PALETTE_COLORS = 1 << 16
_MOST_BYTES = 64 << 20
_ACT_BYTES = 768
_MOST_SWATCH_PIXELS = 1 << 26


def read_palette(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read the colors of a palette file.

    Parameters
    ----------
    path : ends in .gpl (GIMP), .act (Adobe), .clr (QGIS), .txt (GDAL) or .png (its palette, or its distinct colors)

    Returns
    -------
    ndarray of shape (colors, 3), uint8
        In the order of the file; entries without color or opacity are left out.

    Raises
    ------
    InputError
        If it is not such a file, or holds no colors or too many.
    """
    local = local_path(path)
    reader = match_suffix(local, PALETTE_READERS)
    if reader is None or check_readable(local):
        raise InputError(f"{local}: is not a palette file (.act, .clr, .gpl, .png, .txt)")
    if local.stat().st_size > _MOST_BYTES:
        raise InputError(f"{local}: is larger than {_MOST_BYTES >> 20} MiB, and no palette")
    try:
        colors = reader(local.read_bytes())
    except (ValueError, OSError, SyntaxError) as error:  # Pillow raises SyntaxError for damaged PNGs
        raise InputError(f"{local}: is not a palette ({error})") from None
    if not 0 < len(colors) <= MOST_PALETTE_COLORS:
        raise InputError(f"{local}: holds {len(colors)} colors; from 1 to {MOST_PALETTE_COLORS} are possible")
    return colors


def _checked(rows: Iterable[list[int]]) -> NDArray[np.uint8]:
    colors = np.array(list(rows), np.int64).reshape(-1, 3)
    if colors.size and (colors.min() < 0 or colors.max() > 255):
        raise ValueError("a color has values beyond 0 to 255")
    return colors.astype(np.uint8)


def _text_of(content: bytes) -> list[str]:
    return content.decode("utf-8-sig", "replace").splitlines()


def _gimp(content: bytes) -> NDArray[np.uint8]:
    lines = _text_of(content)
    if not lines or lines[0].strip() != "GIMP Palette":
        raise ValueError("its first line is not 'GIMP Palette'")
    colors = [re.match(r"\s*(\d+)\s+(\d+)\s+(\d+)(\s|$)", line) for line in lines[1:]]
    return _checked([int(value) for value in match.groups()[:3]] for match in colors if match is not None)


def _adobe(content: bytes) -> NDArray[np.uint8]:
    """Return the valid colors of 256, without the transparent one; see `palette_files`."""
    if len(content) not in (_ACT_BYTES, _ACT_BYTES + 4):
        raise ValueError(f"{len(content)} bytes; an .act has {_ACT_BYTES} or {_ACT_BYTES + 4}")
    colors = np.frombuffer(content[:_ACT_BYTES], np.uint8).reshape(-1, 3)
    if len(content) == _ACT_BYTES:
        return colors
    count, transparent = np.frombuffer(content[_ACT_BYTES:], ">u2").tolist()
    kept = colors[: count or len(colors)]
    return np.delete(kept, transparent, axis=0) if transparent < len(kept) else kept


def _labeled(content: bytes) -> NDArray[np.uint8]:
    """Return the colors of lines of value, red, green, blue and optionally alpha; transparent ones are left out."""
    colors = []
    for number, line in enumerate(_text_of(content), 1):
        fields = re.split(r"[\s,:]+", line.partition("#")[0].strip())
        if fields == [""] or fields[0].lower() == "nv" or fields[0] == "INTERPOLATION":
            continue
        if len(fields) < 4 or not all(re.fullmatch(r"\d{1,3}", field) for field in fields[1:4]):
            raise ValueError(f"line {number} is not a value, red, green and blue")
        if len(fields) > 4 and fields[4] == "0":
            continue
        colors.append([int(field) for field in fields[1:4]])
    return _checked(colors)


def _swatch(content: bytes) -> NDArray[np.uint8]:
    """Return the palette of a PNG that has one, else its distinct colors in the order of their first pixels."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.width * image.height > _MOST_SWATCH_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels; a swatch has at most {_MOST_SWATCH_PIXELS}")
        indices = np.asarray(image) if image.mode == "P" else None
        pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    if indices is not None:
        colors = pixels[np.unique(indices, return_index=True)[1]]
    else:
        colors = pixels[np.sort(np.unique(pixels, axis=0, return_index=True)[1])]
    return np.ascontiguousarray(colors[colors[:, 3] > 0, :3])


PALETTE_READERS: dict[str, Callable[[bytes], NDArray[np.uint8]]] = {
    ".act": _adobe,
    ".clr": _labeled,
    ".gpl": _gimp,
    ".png": _swatch,
    ".txt": _labeled,
}
"""Readers by suffix."""
