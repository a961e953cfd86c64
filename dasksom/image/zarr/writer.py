"""Zarr results: a group of labels, rebuilt image and palette, written chunk by chunk by the workers."""

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
from dasksom.image.zarr.target import PALETTE_ARRAY, TargetWriter, put_all, version_of, writable
from dasksom.storage.checksum_manifests import FileSums, written_chunks

FORMAT_VERSION = 1
"""Of the groups that this module writes; raised when older readers would misread them."""

# A missing chunk then always means: not written. Not kept in the file, and `open_array` ignores it (zarr 3.1.6).
EVERY_CHUNK: Any = {"write_empty_chunks": True}
"""Configuration of arrays that are written to."""

_LARGEST_STORED = 2048
_SMALLEST_STORED = 256


@dataclass(frozen=True)
class ZarrWriter(TargetWriter):
    """Writes each chunk's labels and rebuilt pixels on the worker that made them; the driver gathers nothing.

    Every call writes whole storage chunks and no other call touches them, so calls need no locks and may be repeated.
    """

    height: int
    width: int
    stored: tuple[int, int]
    units: int
    with_image: bool
    nodata: bool

    @property
    def chunk_alignment(self) -> int:
        """Any image chunk will do: storage chunks were chosen to divide it."""
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
        """Wait for every chunk; each has written itself."""
        for _ in encoded:
            pass

    def _check_whole(self, shape: tuple[int, ...], corner: tuple[int, int]) -> None:
        # zarr would read, change and write back a chunk that is not written as a whole: two tasks that do so
        # at once lose one's pixels without a word
        for start, size, stored, end in zip(corner, shape, self.stored, (self.height, self.width), strict=True):
            if start % stored or ((start + size) % stored and start + size != end):
                raise RuntimeError(
                    f"internal error: {shape} pixels at {corner} are not whole storage chunks of {self.stored}"
                )


def _plus_one(labels: NDArray[np.unsignedinteger[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    numbers: NDArray[Any] = np.add(labels, 1, dtype=dtype)  # where every label has its color, eight times as fast
    return numbers


@dataclass(frozen=True, eq=False)
class _Target:
    """An open output group and the tables that labels are looked up in."""

    labels: zarr.Array[Any]
    image: zarr.Array[Any] | None
    numbers: NDArray[Any]
    """What the file holds for each label: 1, 2, ..., units, and 0 for no data."""
    colors: NDArray[Any]


@lru_cache(maxsize=4)
def _target(place: Target, with_image: bool, version: Hashable, resumed: bool) -> _Target:
    # the palette is read back from the output: it can be megabytes, and would else travel with every task
    group = zarr.open_group(writable(place, resumed), mode="r+")
    labels, palette = array_to_write(group, "labels"), np.asarray(array_to_write(group, PALETTE_ARRAY)[...])
    numbers = np.append(np.arange(1, len(palette) + 1), 0).astype(labels.dtype)
    return _Target(labels, array_to_write(group, "image") if with_image else None, numbers, with_nodata_row(palette))


def array_to_write(group: zarr.Group, name: str) -> zarr.Array[Any]:
    """Return an array of a group, every chunk of which will be written."""
    found = group[name]
    if not isinstance(found, zarr.Array):
        raise TypeError(f"internal error: {name} is a group")
    return found.with_config(EVERY_CHUNK)


def check_zarr(output: Output) -> None:
    """Refuse an unknown codec; Zarr holds every image."""
    codec_named(output.options.codec, ZARR_3)


def create_zarr(output: Output) -> ZarrWriter:
    """Create the group, its empty arrays and the palette; chunks that are there already stay.

    `labels` (y, x), smallest unsigned dtype that holds `units`: row of the palette + 1, 0 where there is no data;
    `image` (y, x, bands) and `palette` (units, bands) in the image's dtype.
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
    put_all(output.target, {key: value.to_bytes() for key, value in made.items()})
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
        }
    }


def _stored(chunk: int, length: int) -> int:
    """Return the length of a storage chunk: the largest divisor of the image chunk up to 2048, or all of the chunk.

    An axis that one image chunk covers is never written by two tasks: there any length will do.
    """
    if chunk >= length:
        return min(length, _LARGEST_STORED)
    pieces = ceil(chunk / _LARGEST_STORED)
    while chunk % pieces:
        pieces += 1
    divisor = chunk // pieces
    # 4801 pixels (a prime) in pieces of 1 would make a file per pixel: better a large piece
    return divisor if divisor >= min(_SMALLEST_STORED, chunk) else chunk
