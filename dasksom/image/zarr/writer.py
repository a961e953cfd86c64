"""Write Zarr outputs chunk by chunk on the workers: a group of labels, rebuilt image and palette."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from dasksom.image.writers.codecs import ZARR_3, codec_named
from dasksom.image.writers.protocol import (
    EncodedChunk,
    Output,
    RunTasks,
    Target,
    check_aligned,
    check_labels,
    run_tasks_here,
    with_nodata_row,
)
from dasksom.image.zarr.target import (
    PALETTE_ARRAY,
    TargetWriter,
    place_attributes,
    put_created,
    version_of,
    writable,
)
from dasksom.storage.checksum_manifests import FileSums
from dasksom.storage.zarr_stores import written_chunks

FORMAT_VERSION = 1
"""Version of the groups that this module writes; increased if older readers would misread them."""

# A missing chunk then always means: not written. The file does not store this option, and `open_array` ignores it
# (zarr 3.1.6).
EVERY_CHUNK: Any = {"write_empty_chunks": True}
"""Configuration of arrays that are written."""

_LARGEST_STORED = 2048
_SMALLEST_STORED = 256


@dataclass(frozen=True)
class ZarrWriter(TargetWriter):
    """Writes each chunk's labels and rebuilt pixels on the worker that computed them; the driver gathers nothing.

    Every call writes complete storage chunks that no other call writes, so calls need no locks and may be repeated.
    """

    height: int
    width: int
    stored: tuple[int, int]
    units: int
    with_image: bool
    nodata: bool

    @property
    def chunk_alignment(self) -> int:
        """1: image chunks of any size fit, because storage chunks are chosen to divide them."""
        return 1

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: tuple[int, int]) -> FileSums:
        """Write one chunk; see `Writer`."""
        check_labels(labels, self.units, self.nodata)
        self._check_whole(labels.shape, corner)
        target = _target(self.target, self.with_image, version_of(self.target), self.resumed)
        rows = slice(corner[0], corner[0] + labels.shape[0])
        columns = slice(corner[1], corner[1] + labels.shape[1])
        numbers = (
            np.take(target.numbers, labels, mode="clip") if self.nodata else _plus_one(labels, target.labels.dtype)
        )
        target.labels[rows, columns] = numbers
        stored = written_chunks(target.labels, (rows, columns))
        if target.image is None:
            return stored
        target.image[rows, columns] = np.take(target.colors, labels, axis=0, mode="clip")
        return stored + written_chunks(target.image, (rows, columns, slice(0, target.colors.shape[1])))

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Wait for every chunk; `encode` has already written them."""
        for _ in encoded:
            pass

    def _check_whole(self, shape: tuple[int, ...], corner: tuple[int, int]) -> None:
        # zarr reads, changes and writes back chunks that are written partially; if two tasks do so at once, the pixels
        # of one are silently lost
        for start, size, stored, end in zip(corner, shape, self.stored, (self.height, self.width), strict=True):
            if start % stored or ((start + size) % stored and start + size != end):
                raise RuntimeError(
                    f"internal error: {shape} pixels at {corner} are not whole storage chunks of {self.stored}"
                )


def _plus_one(labels: NDArray[np.unsignedinteger[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    numbers: NDArray[Any] = np.add(labels, 1, dtype=dtype)  # without no-data labels, eight times as fast as np.take
    return numbers


@dataclass(frozen=True, eq=False)
class _Target:
    """An open output group and its lookup tables for labels."""

    labels: zarr.Array[Any]
    image: zarr.Array[Any] | None
    numbers: NDArray[Any]
    """Stored value of each label: 1, 2, ..., units, and 0 for no data."""
    colors: NDArray[Any]


@lru_cache(maxsize=4)
def _target(place: Target, with_image: bool, version: Hashable, resumed: bool) -> _Target:
    # read the palette from the output: it may have megabytes, too many to send with every task
    group = zarr.open_group(writable(place, resumed), mode="r+")
    labels, palette = array_to_write(group, "labels"), np.asarray(array_to_write(group, PALETTE_ARRAY)[...])
    numbers = np.append(np.arange(1, len(palette) + 1), 0).astype(labels.dtype)
    return _Target(labels, array_to_write(group, "image") if with_image else None, numbers, with_nodata_row(palette))


def array_to_write(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return an array of a group, configured to write every chunk."""
    found = group[name]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"internal error: {name} is a group")
    return found.with_config(EVERY_CHUNK)


def check_zarr(output: Output) -> None:
    """Refuse an unknown codec; Zarr can hold every image."""
    codec_named(output.options.codec, ZARR_3)


def create_zarr(output: Output) -> ZarrWriter:
    """Create the group, its empty arrays and the palette; existing chunks are kept.

    `labels` (y, x) has the smallest unsigned dtype that holds `units`: row of the palette + 1, 0 for no data;
    `image` (y, x, bands) and `palette` (units, bands) have the image's dtype.
    """
    size, chunk = (output.height, output.width), output.options.chunk
    check_zarr(output)
    check_aligned(output, chunk or 1)
    stored = (
        (min(chunk, size[0]), min(chunk, size[1]))
        if chunk
        else (_stored(output.chunks[0], size[0]), _stored(output.chunks[1], size[1]))
    )
    made: dict[str, Any] = {}
    _create_arrays(output, size, stored, MemoryStore(made))
    put_created(output, made)
    return ZarrWriter(output.target, output.resumed, *size, stored, output.units, output.with_image, output.nodata)


def _create_arrays(output: Output, size: tuple[int, int], stored: tuple[int, int], store: MemoryStore) -> None:
    group = zarr.create_group(store, attributes=_attributes(output))
    fast: dict[str, Any] = {
        "compressors": codec_named(output.options.codec, ZARR_3),
        "fill_value": 0,
        "config": EVERY_CHUNK,
    }
    group.create_array(
        "labels", shape=size, chunks=stored, dtype=np.min_scalar_type(output.units), dimension_names=("y", "x"), **fast
    )
    if output.with_image:
        group.create_array(
            "image",
            shape=(*size, output.bands),
            chunks=(*stored, output.bands),
            dtype=output.palette.dtype,
            dimension_names=("y", "x", "bands"),
            attributes={"long_name": list(output.band_names)} if output.band_names else {},
            **fast,
        )
    palette = group.create_array(
        PALETTE_ARRAY,
        shape=output.palette.shape,
        chunks=output.palette.shape,
        dtype=output.palette.dtype,
        dimension_names=("units", "bands"),
        **fast,
    )
    palette[...] = output.palette


def _attributes(output: Output) -> dict[str, Any]:
    return {
        "dasksom": {
            "format": FORMAT_VERSION,
            "labels": {"offset": 1, "nodata": 0, "meaning": "row of palette = label - 1; 0 = no data"},
            "units": output.units,
            "metadata": dict(output.metadata),
            **place_attributes(output),
        }
    }


def _stored(chunk: int, length: int) -> int:
    """Return the length of a storage chunk: the largest suitable divisor of the image chunk up to 2048, or all of it.

    If one image chunk covers the axis, no two tasks write the same chunk along it, so any length is possible.
    """
    if chunk >= length:
        return min(length, _LARGEST_STORED)
    pieces = ceil(chunk / _LARGEST_STORED)
    while chunk % pieces:
        pieces += 1
    divisor = chunk // pieces
    # 4801 pixels (a prime) would become pieces of 1 pixel and a file per pixel; one large piece is better
    return divisor if divisor >= min(_SMALLEST_STORED, chunk) else chunk
