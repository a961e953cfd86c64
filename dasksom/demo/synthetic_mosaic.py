"""A synthetic photograph of any size: tiles of real photographs with sensor noise; pixels do not depend on chunks.

It serves demonstrations, tests and measurements. Similarity of neighboring pixels and growth of the number of colors
are as in photographs, and the noise prevents unrealistically good compression.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr
from dask.base import tokenize
from numpy.typing import NDArray
from PIL import Image
from zarr.codecs import BloscCodec, ZstdCodec

from dasksom.errors import InputError
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.protocol import PixelWindow
from dasksom.storage.locations import Member
from dasksom.storage.publish.atomic_publish import publish

TILE = 1024
"""Side of a tile, in pixels; chunks are multiples of it."""

# All are part of scikit-image's wheel: nothing is downloaded.
PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)

COMPRESSORS: dict[str, BloscCodec | ZstdCodec | None] = {
    "blosc-lz4": BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=1),
    "none": None,
    "zstd": ZstdCodec(level=1, checksum=True),
}

# Variance of a pixel's noise: readout noise, and photon noise, which grows with brightness.
# The standard deviation is 1.7 levels for dark pixels, 2.6 for medium and 3.2 for bright ones.
_READ_VARIANCE = 3.0
_SHOT_VARIANCE_PER_LEVEL = 0.028

_WINDOW = 32
"""Number of chunks submitted at once: enough for many workers; progress is reported after each window."""


@dataclass(frozen=True)
class MosaicSource(NumpyIndexing):
    """The mosaic as a pixel source; each tile depends only on the seed, its row and its column."""

    side: int
    seed: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Side, side, 3."""
        return self.side, self.side, 3

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """One tile."""
        return TILE, TILE

    @property
    def identity(self) -> tuple[Any, ...]:
        """Side and seed."""
        return "mosaic", self.side, self.seed

    def members(self) -> Iterator[Member]:
        """Yield nothing: the mosaic is not read from files."""
        return iter(())

    def read(self, window: PixelWindow) -> NDArray[np.uint8]:
        """Compute a window; see `Source`."""
        rows, columns = range(self.side)[window[0]], range(self.side)[window[1]]
        out = np.empty((len(rows), len(columns), 3), np.uint8)
        touched = (range(part.start // TILE, -(-part.stop // TILE)) for part in (rows, columns))
        for i, j in product(*touched):
            top, left = max(i * TILE, rows.start), max(j * TILE, columns.start)
            bottom, right = min((i + 1) * TILE, rows.stop), min((j + 1) * TILE, columns.stop)
            part = _tile(self.seed, i, j)[top - i * TILE : bottom - i * TILE, left - j * TILE : right - j * TILE]
            out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = part
        return np.ascontiguousarray(out[:, :, window[2]])


def mosaic_array(side: int = 32768, chunk: int = 2048, seed: int = 0) -> da.Array:
    """Return the mosaic as a lazy dask array (side, side, 3) of uint8, without a file.

    Parameters
    ----------
    side : pixels; if it is not a multiple of 1024, the last tiles are cut
    chunk : rows and columns of a chunk, a multiple of 1024
    seed : seed of the choice of photographs, crops, exposures and noise
    """
    source = _source(side, chunk, seed)
    chunks = min(chunk, side), min(chunk, side), 3
    return da.from_array(
        source,
        chunks=chunks,
        name=f"mosaic-{tokenize(source.identity, chunks)}",
        meta=np.empty((0, 0, 0), np.uint8),
        asarray=False,
        inline_array=True,
        lock=False,
    )


def write_mosaic(
    path: str | os.PathLike[str],
    *,
    side: int = 32768,
    chunk: int = 2048,
    seed: int = 0,
    compressor: str = "blosc-lz4",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the mosaic as a Zarr v3 array (side, side, 3) of uint8, with the current dask scheduler.

    Parameters
    ----------
    path : path with the suffix .zarr; must not exist
    side, chunk, seed : as in `mosaic_array`; also the stored chunks
    compressor : "blosc-lz4" (fastest to read), "zstd" (with checksums) or "none"
    progress : called with (completed chunks, total chunks), first with 0 completed
    """
    source = _source(side, chunk, seed)
    if compressor not in COMPRESSORS:
        raise InputError(f"compressor must be one of {', '.join(sorted(COMPRESSORS))}, not {compressor!r}")
    if not os.fspath(path).lower().endswith(".zarr"):
        raise InputError(f"{path}: a mosaic is a Zarr array; end its name in .zarr")
    corners = list(product(range(0, side, chunk), repeat=2))
    with publish(path) as temporary:
        stored = min(chunk, -(-side // TILE) * TILE)
        zarr.create_array(
            temporary,
            shape=source.shape,
            chunks=(stored, stored, 3),
            dtype=np.uint8,
            compressors=COMPRESSORS[compressor],
            dimension_names=("y", "x", "bands"),
        )
        write = dask.delayed(_write_chunk, pure=False)
        for done in range(0, len(corners), _WINDOW):
            if progress:
                progress(done, len(corners))
            dask.compute([write(str(temporary), source, corner, chunk) for corner in corners[done : done + _WINDOW]])
        if progress:
            progress(len(corners), len(corners))


def _write_chunk(path: str, source: MosaicSource, corner: tuple[int, int], chunk: int) -> None:
    # one complete stored chunk, so that tasks do not share files
    rows, columns = (slice(start, min(start + chunk, source.side)) for start in corner)
    array = zarr.open_array(path, mode="r+")
    array[rows, columns] = source[rows, columns, slice(0, 3)]


def _source(side: int, chunk: int, seed: int) -> MosaicSource:
    if side < 1:
        raise InputError(f"side must be 1 or more, not {side}")
    if chunk < TILE or chunk % TILE:
        raise InputError(f"chunk must be a multiple of {TILE}, the side of the mosaic's tiles, not {chunk}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, not {seed}")
    return MosaicSource(side, seed)


@lru_cache(maxsize=len(PHOTOGRAPHS))
def _photograph(name: str) -> Image.Image:
    path = files("skimage.data") / name
    with path.open("rb") as file:
        return Image.open(file).convert("RGB")


def _tile(seed: int, row: int, column: int) -> NDArray[np.uint8]:
    """Return one tile: a random crop of a random photograph, with scaling, exposure and noise; (1024, 1024, 3)."""
    random = np.random.default_rng([seed, row, column])
    photograph = _photograph(PHOTOGRAPHS[random.integers(len(PHOTOGRAPHS))])
    # size of the crop: from 150 pixels per side to the largest square
    side = random.uniform(150, min(photograph.size))
    left, top = (random.uniform(0, n - side) for n in photograph.size)
    scaled = photograph.resize((TILE, TILE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    pixels = np.asarray(scaled, np.float32) * np.float32(random.uniform(0.8, 1.15))
    deviation = np.sqrt(_READ_VARIANCE + _SHOT_VARIANCE_PER_LEVEL * pixels)
    pixels += deviation * random.standard_normal(pixels.shape, np.float32)
    return np.clip(np.rint(pixels, out=pixels), 0, 255, out=pixels).astype(np.uint8)
