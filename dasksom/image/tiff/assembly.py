"""Join compressed tiles to one TIFF.

tifffile writes the directories, with empty tiles; then the tiles are appended, and their offsets and byte counts are
filled in. The directories therefore come first, followed by the tiles of the coarsest level, as in a cloud-optimized
TIFF, and the driver only copies bytes.
"""

from __future__ import annotations

import base64
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import repeat
from math import ceil
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import tifffile

from dasksom.image.tiff.pixel_kinds import Pixels
from dasksom.image.writers.codecs import TIFF, codec_named
from dasksom.image.writers.own_descriptions import MOST_DESCRIBED_BYTES, labels_as_json
from dasksom.image.writers.protocol import Output
from dasksom.image.writers.pyramid import PyramidPlan, Size
from dasksom.redaction import printable
from dasksom.storage.embedded_checksums import UNSEALED, seal
from dasksom.storage.own_files import create

_GDAL_METADATA, _GDAL_NODATA = 42112, 42113
_OFFSETS, _BYTE_COUNTS = 324, 325
_COPY_BYTES = 16 << 20
_CENTIMETERS = {"nanometer": 1e-7, "micrometer": 1e-4, "millimeter": 0.1, "centimeter": 1.0, "meter": 100.0}


def assemble(
    output: Output,
    pixels: Pixels,
    pyramid: PyramidPlan,
    tile: int,
    layout: str,
    piece_path: Callable[[int, Size], Path],
) -> None:
    """Write a TIFF from files of compressed tiles.

    Parameters
    ----------
    output : Output
    pixels : how labels are represented as pixels
    pyramid : the levels and their pieces; each piece is a file: its tiles, then their sizes in bytes as uint32
    tile : side of a tile, in pixels
    layout : "flat", "pyramid" (coarser levels are SubIFDs of the image) or "cog" (they follow it)
    piece_path : returns a piece's file for a level and a first pixel
    """
    with create(Path(output.path)) as file:
        _write_directories(file, output, pixels, pyramid, tile, layout)
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:
            # do not use tifffile's levels: it takes levels of a single row or column for other images
            first = tiff.pages.first
            pages = [first, *(first.pages or ())] if layout == "pyramid" else list(tiff.pages)
            tables = [{code: page.aspage().tags[code] for code in (_OFFSETS, _BYTE_COUNTS)} for page in pages]
        file.seek(0, 2)
        for level in reversed(range(len(pyramid.levels))):
            offsets, counts = _append(file, pyramid, level, tile, piece_path)
            for code, values in ((_OFFSETS, offsets), (_BYTE_COUNTS, counts)):
                tag = tables[level][code]
                file.seek(tag.valueoffset)
                file.write(values.astype({3: "<u2", 4: "<u4", 16: "<u8"}[int(tag.dtype)]).tobytes())
            file.seek(0, 2)
        seal(file)


def _append(
    file: Any, pyramid: PyramidPlan, level: int, tile: int, piece_path: Callable[[int, Size], Path]
) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Append a level's tiles, piece by piece; return the offset and size of each tile, row-major in the image."""
    height, width = pyramid.levels[level].size
    grid = ceil(height / tile), ceil(width / tile)
    offsets, counts = np.zeros(grid, np.int64), np.zeros(grid, np.int64)
    for (y, x), size in pyramid.pieces(level):
        down, across = ceil(size[0] / tile), ceil(size[1] / tile)
        path = piece_path(level, (y, x))
        with path.open("rb") as piece:
            length = path.stat().st_size - 4 * down * across
            piece.seek(length)
            sizes = np.frombuffer(piece.read(), "<u4").astype(np.int64)
            piece.seek(0)
            here = slice(y // tile, y // tile + down), slice(x // tile, x // tile + across)
            counts[here] = sizes.reshape(down, across)
            offsets[here] = (file.tell() + np.cumsum(sizes) - sizes).reshape(down, across)
            shutil.copyfileobj(piece, file, _COPY_BYTES)
            file.seek(-4 * down * across, 2)
            file.truncate()
    return offsets.reshape(-1), counts.reshape(-1)


def _write_directories(file: Any, output: Output, pixels: Pixels, pyramid: PyramidPlan, tile: int, layout: str) -> None:
    common = {
        "dtype": pixels.dtype,
        "tile": (tile, tile),
        "compression": codec_named(output.options.codec, TIFF).scheme,
        "metadata": None,
        **_kind(pixels),
    }
    nodata: list[tuple[Any, ...]] = []
    if pixels.nodata_value is not None:
        value = pixels.nodata_value
        text = str(int(value)) if isinstance(value, int) or float(value).is_integer() else str(value)
        nodata = [(_GDAL_NODATA, "s", 0, text, True)]
    extra = {"extratags": [*output.geo_tags, *_descriptions(output, pixels), *nodata], **_resolution(output)}
    with tifffile.TiffWriter(file, bigtiff=True) as tiff:
        for number, level in enumerate(pyramid.levels):
            tiles = ceil(level.size[0] / tile) * ceil(level.size[1] / tile)
            if number == 0:
                # the checksum is looked for at the beginning of the file, so it precedes the model
                described = {"dasksom": dict(output.metadata), "checksum": UNSEALED, **_model(output)}
                if pixels.kind == "labels":
                    described |= labels_as_json(output.palette)
                how: dict[str, Any] = {
                    "description": json.dumps(described),
                    "software": "dasksom",
                    "subifds": len(pyramid.levels) - 1 if layout == "pyramid" else 0,
                    **extra,
                }
            else:
                how = {"subfiletype": 1, "extratags": nodata}
            shape = level.size if pixels.bands == 1 else (*level.size, pixels.bands)
            tiff.write(repeat(b"", tiles), shape=shape, **common, **how)


def _descriptions(output: Output, pixels: Pixels) -> list[tuple[Any, ...]]:
    """Return the tag of GDAL's metadata with the names of the bands; pixels that are labels or indices have none."""
    if pixels.kind != "colors" or not output.band_names:
        return []
    root = ElementTree.Element("GDALMetadata")
    for number, name in enumerate(output.band_names):
        item = ElementTree.SubElement(root, "Item", name="DESCRIPTION", sample=str(number), role="description")
        item.text = escape(printable(name))  # GDAL decodes the entities of these texts twice
    # only ASCII, the encoding of TIFF's texts: other characters become references
    return [(_GDAL_METADATA, "s", 0, ElementTree.tostring(root).decode("ascii"), True)]


def _model(output: Output) -> dict[str, str]:
    if not output.model or len(output.model) > MOST_DESCRIBED_BYTES:
        return {}
    return {"model": base64.b64encode(output.model).decode("ascii")}


def _kind(pixels: Pixels) -> dict[str, Any]:
    """Return the arguments of tifffile that declare how the pixels are displayed."""
    if pixels.color_table is not None:
        colors = np.zeros((3, 1 << 8 * pixels.dtype.itemsize), np.uint16)
        colors[:, : len(pixels.color_table)] = pixels.color_table.T.astype(np.uint16) * 257
        return {"photometric": "palette", "colormap": colors}
    if pixels.bands == 1:
        return {"photometric": "minisblack"}
    contiguous = {"planarconfig": "contig"}
    shown = pixels.bands - pixels.alpha
    rgb = shown in (3, 4) and pixels.dtype.kind == "u"
    # it is unknown whether a fourth band is alpha or infrared
    extra = ["unspecified"] * (shown - (3 if rgb else 1)) + ["unassalpha"] * pixels.alpha
    return {"photometric": "rgb" if rgb else "minisblack", **contiguous, **({"extrasamples": extra} if extra else {})}


def _resolution(output: Output) -> dict[str, Any]:
    """Return pixels per centimeter, across and down; empty if the pixel size is unknown or the image georeferenced."""
    scale = _CENTIMETERS.get(output.unit or "")
    if scale is None or output.pixel_size is None or output.geo_tags:
        return {}
    height, width = output.pixel_size
    return {"resolution": (1 / (width * scale), 1 / (height * scale)), "resolutionunit": "CENTIMETER"}
