"""Rebuilt images as tiled BigTIFF, paletted if possible."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from dasksom.image.protocols import Encoded, Output, check_aligned, check_labels, clip_labels, with_nodata_row

TILE = 512
"""Side of the tiles that are written, in pixels."""

# Measured on 256 units of noisy photographs: level 1 makes 61 Mpx/s and 0.75 bytes per pixel, level 6 35 and 0.76.
_LEVEL = 1

_GDAL_NODATA = 42113


@dataclass(frozen=True, eq=False)
class TiffWriter:
    """Workers compress tiles, the driver appends them: it holds one row of chunks of compressed tiles at most."""

    output: Output
    paletted: bool

    @property
    def chunk_alignment(self) -> int:
        """One tile."""
        return TILE

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: tuple[int, int]) -> list[bytes]:
        """Return the chunk's compressed tiles, row by row; see `Writer`."""
        check_labels(labels, self.output.units, self.output.nodata)
        if corner[0] % TILE or corner[1] % TILE:
            raise RuntimeError(f"internal error: a chunk at {corner} does not begin at a tile of {TILE} pixels")
        if self.paletted:
            pixels = clip_labels(labels, self.output.units, np.dtype(np.uint8))[:, :, np.newaxis]
        else:
            pixels = np.take(with_nodata_row(self.output.palette), labels, axis=0, mode="clip")
        height, width = labels.shape
        return [
            zlib.compress(_tile(pixels[y : y + TILE, x : x + TILE]), _LEVEL)
            for y in range(0, height, TILE)
            for x in range(0, width, TILE)
        ]

    def collect(self, encoded: Encoded) -> None:
        """Append the tiles to the file; see `Writer`."""
        output = self.output
        size = output.height, output.width
        many = not self.paletted and output.bands > 1
        with tifffile.TiffWriter(output.path, bigtiff=True) as tiff:
            tiff.write(
                _in_order(encoded, output.width),
                shape=(*size, output.bands) if many else size,
                dtype=np.uint8 if self.paletted else output.palette.dtype,
                tile=(TILE, TILE),
                compression="zlib",
                description=json.dumps({"dasksom": dict(output.metadata)}),
                software="dasksom",
                metadata=None,
                **self._kind(),
            )

    def _kind(self) -> dict[str, Any]:
        output = self.output
        if self.paletted:
            colors = np.zeros((3, 256), np.uint16)
            colors[:, : output.units] = output.palette.T.astype(np.uint16) * 257
            # without this tag, pixels without data would look like any black ones
            tags = [(_GDAL_NODATA, "s", 0, str(output.units), True)] if output.nodata else []
            return {"photometric": "palette", "colormap": colors, "extratags": tags}
        if output.bands in (3, 4) and output.palette.dtype.kind == "u":
            # nobody told whether a fourth band is alpha or infrared
            extra = {"extrasamples": ["unspecified"]} if output.bands == 4 else {}
            return {"photometric": "rgb", "planarconfig": "contig", **extra}
        return {"photometric": "minisblack", **({"planarconfig": "contig"} if output.bands > 1 else {})}


def create_tiff(output: Output) -> TiffWriter:
    """Prepare a TIFF: paletted where the colors are uint8 RGB and 256 entries suffice, else pixels of any bands."""
    check_aligned(output, TILE)
    paletted = output.palette.dtype == np.uint8 and output.bands == 3 and output.units + output.nodata <= 256
    return TiffWriter(output, paletted)


def _tile(pixels: NDArray[Any]) -> bytes:
    """Return a tile's bytes, little-endian as the file; tiles at the image's end are filled up with zeros."""
    if pixels.shape[:2] != (TILE, TILE):
        missing = [(0, TILE - n) for n in pixels.shape[:2]]
        pixels = np.pad(pixels, [*missing, (0, 0)])
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _in_order(encoded: Encoded, width: int) -> Iterator[bytes]:
    """Yield the tiles of chunks row by row of the image, one row of chunks at a time."""
    pending: list[list[Any]] = []
    for (_, x), (_, columns), tiles in encoded:
        across = ceil(columns / TILE)
        pending.append([tiles[first : first + across] for first in range(0, len(tiles), across)])
        if x + columns == width:
            for row in zip(*pending, strict=True):
                for part in row:
                    yield from part
            pending = []
