"""Write labels or colors as tiled BigTIFF with coarser levels, cloud-optimized if requested.

Workers compress the tiles of a chunk and of its coarser levels into files next to the output, one file per chunk and
level. At the end, the driver joins these files to one TIFF, without loading pixels into its memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.tiff.assembly import assemble
from dasksom.image.tiff.pixel_kinds import Pixels, pixels_of
from dasksom.image.writers.codecs import TIFF, codec_named
from dasksom.image.writers.options import TIFF_TILE
from dasksom.image.writers.planes import interleave
from dasksom.image.writers.protocol import (
    EncodedChunk,
    Output,
    RunTasks,
    Writer,
    check_aligned,
    check_labels,
    pixel_bytes,
    run_tasks_here,
)
from dasksom.image.writers.pyramid import PyramidPlan, Size, Stage, plan_pyramid
from dasksom.storage.checksum_manifests import FileSums, match_sums
from dasksom.storage.local_paths import parts_folder
from dasksom.storage.own_files import write_file

FLAT_TILES = 2
"""Images of at most this many tiles per side have no coarser levels by default."""


@dataclass(frozen=True, eq=False)
class TiffWriter(Writer):
    """Workers compress tiles into files next to the output; the driver joins them.

    The files remain until the output is published, so no tile is compressed twice, even if the driver is killed.
    """

    output: Output
    pixels: Pixels
    pyramid: PyramidPlan
    tile: int
    layout: str

    @property
    def chunk_alignment(self) -> int:
        """Side of a tile."""
        return self.tile

    @property
    def keeps_chunks(self) -> bool:
        """True: every chunk's tiles are on disk when its task ends."""
        return True

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: Size) -> FileSums:
        """Compress the tiles of a chunk and of its coarser levels; see `Writer`."""
        check_labels(labels, self.output.units, self.output.nodata)
        planes = self.pixels.of_labels(labels)
        stored = self._write(0, corner, planes)
        return stored + self._write_coarser(self.pyramid.stages[0], corner, planes)

    def are_intact(self, stored: FileSums) -> bool:
        """Return whether files match their checksums; see `Writer`."""
        return match_sums(parts_folder(self.output.path), stored)

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Make the levels that cannot be made from single chunks, and join all tiles to one file; see `Writer`."""
        for _ in encoded:
            pass
        for stage in self.pyramid.stages[1:]:
            run(partial(self.make_levels, stage=stage), self.pyramid.corners(stage))
        assemble(self.output, self.pixels, self.pyramid, self.tile, self.layout, self._piece_path)

    def make_levels(self, corner: Size, stage: Stage) -> FileSums:
        """Read one block of a stage's first level and write its coarser levels."""
        return self._write_coarser(stage, corner, self._read(stage.first, corner, stage.block))

    def _write_coarser(self, stage: Stage, corner: Size, planes: NDArray[Any]) -> FileSums:
        stored: FileSums = ()
        for level in range(stage.first + 1, stage.last + 1):
            planes, corner = self.pixels.halve(planes), (corner[0] // 2, corner[1] // 2)
            stored += self._write(level, corner, planes)
        return stored

    def _piece_path(self, level: int, corner: Size) -> Path:
        return parts_folder(self.output.path) / f"{level}-{corner[0]}-{corner[1]}"

    def _write(self, level: int, corner: Size, planes: NDArray[Any]) -> FileSums:
        piece = self.pyramid.levels[level].piece
        if corner[0] % piece[0] or corner[1] % piece[1]:
            raise RuntimeError(f"internal error: a chunk at {corner} of level {level} is no whole piece of {piece}")
        path, encode = self._piece_path(level, corner), codec_named(self.output.options.codec, TIFF).encode
        sizes, digest = [], hashlib.sha256()

        def content() -> Iterator[bytes]:
            for y, x in _tiles(planes.shape[-2:], self.tile):
                tile = encode(_padded(planes[:, y : y + self.tile, x : x + self.tile], self.tile))
                sizes.append(len(tile))
                digest.update(tile)
                yield tile
            table = np.array(sizes, "<u4").tobytes()
            digest.update(table)
            yield table

        write_file(path, content(), replace=self.output.resumed)
        return ((path.name, digest.hexdigest()),)

    def _read(self, level: int, corner: Size, block: Size) -> NDArray[Any]:
        """Read a block of a level from the pieces that intersect it."""
        planned = self.pyramid.levels[level]
        size = tuple(min(block[axis], planned.size[axis] - corner[axis]) for axis in (0, 1))
        planes = np.empty((self.pixels.bands, *size), self.pixels.dtype)
        for at, extent in self.pyramid.pieces(level):
            if all(at[i] < corner[i] + size[i] and corner[i] < at[i] + extent[i] for i in (0, 1)):
                self._read_piece(level, at, extent, corner, planes)
        return planes

    def _read_piece(self, level: int, at: Size, extent: Size, corner: Size, planes: NDArray[Any]) -> None:
        decode, tile = codec_named(self.output.options.codec, TIFF).decode, self.tile
        data = self._piece_path(level, at).read_bytes()
        places = list(_tiles(extent, tile))
        ends = np.cumsum(np.frombuffer(data[-4 * len(places) :], "<u4"), dtype=np.int64)
        stored = self.pixels.dtype.newbyteorder("<")
        for (y, x), end, start in zip(places, ends, [0, *ends], strict=False):
            # first row and column of the tile, relative to the block
            top, left = at[0] + y - corner[0], at[1] + x - corner[1]
            if not (-tile < top < planes.shape[1] and -tile < left < planes.shape[2]):
                continue
            found = np.frombuffer(decode(data[start:end]), stored).reshape(tile, tile, -1)
            out = planes[:, max(top, 0) : top + tile, max(left, 0) : left + tile]
            rows, columns = (slice(max(-first, 0), None) for first in (top, left))
            out[...] = np.moveaxis(found[rows, columns][: out.shape[1], : out.shape[2]], -1, 0)


def _tiles(size: Size, tile: int) -> Iterator[Size]:
    for y in range(0, size[0], tile):
        for x in range(0, size[1], tile):
            yield y, x


def _padded(planes: NDArray[Any], tile: int) -> bytes:
    """Return a tile's bytes, bands last and little-endian; zero-padded at the image's end."""
    out = np.zeros((tile, tile, len(planes)), planes.dtype)
    if len(planes) == 1:
        out[: planes.shape[1], : planes.shape[2], 0] = planes[0]
    else:
        interleave(planes, out)
    return out.astype(out.dtype.newbyteorder("<"), copy=False).tobytes()


def create_tiff(output: Output) -> TiffWriter:
    """Prepare the writer of a TIFF; no file is touched."""
    tile = output.options.chunk_side(TIFF_TILE, pixel_bytes(output))
    check_aligned(output, tile)
    codec_named(output.options.codec, TIFF)
    layout = output.options.layout
    if layout == "auto":
        small = max(output.height, output.width) <= FLAT_TILES * tile
        layout = "cog" if output.geo_tags else "flat" if small else "pyramid"
    size = output.height, output.width
    pyramid = plan_pyramid(size, output.chunks, tile, least=tile, levels=1 if layout == "flat" else None)
    pixels = pixels_of(output)
    if tile * tile * pixels.bands * pixels.dtype.itemsize >= 1 << 32:
        raise InputError(f"chunk: tiles of {tile} pixels with {pixels.bands} bands exceed 4 GiB; give a smaller one")
    return TiffWriter(output, pixels, pyramid, tile, layout)
