"""Write OME-Zarr outputs on the workers: pyramids of the rebuilt image (c, y, x) and its labels, or of labels only."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from dasksom.errors import InputError
from dasksom.image.writers.codecs import ZARR_2, ZARR_3, codec_named
from dasksom.image.writers.options import OME_CHUNK
from dasksom.image.writers.planes import halve_mean, halve_nearest, look_up
from dasksom.image.writers.protocol import (
    EncodedChunk,
    Output,
    RunTasks,
    Target,
    check_aligned,
    check_labels,
    label_table,
    pixel_bytes,
    run_tasks_here,
    with_nodata_row,
)
from dasksom.image.writers.pyramid import PyramidPlan, Size, Stage, plan_pyramid
from dasksom.image.zarr.ome_attributes import image_attributes, label_attributes, labels_attributes
from dasksom.image.zarr.target import OME_LABELS, PALETTE_ARRAY, TargetWriter, put_created, version_of, writable
from dasksom.image.zarr.writer import EVERY_CHUNK, array_to_write
from dasksom.storage.checksum_manifests import FileSums
from dasksom.storage.zarr_stores import written_chunks


@dataclass(frozen=True)
class OmeWriter(TargetWriter):
    """Writes each chunk's labels and colors, and their coarser levels, on the worker that computed them.

    Every call writes complete chunks or shards that no other call writes, so calls need no locks and may be repeated.
    """

    pyramid: PyramidPlan
    units: int
    nodata: bool
    alignment: int
    with_image: bool

    @property
    def chunk_alignment(self) -> int:
        """Side of a shard, or of a chunk if there are no shards."""
        return self.alignment

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: Size) -> FileSums:
        """Write one chunk and its coarser levels; see `Writer`."""
        check_labels(labels, self.units, self.nodata)
        target = self._target()
        numbers = look_up(labels, target.numbers)[0]
        colors = look_up(labels, target.colors) if self.with_image else None
        stored = self._write(target, 0, corner, numbers, colors)
        return stored + self._write_coarser(target, self.pyramid.stages[0], corner, numbers, colors)

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Wait for every chunk, then make the levels that cannot be made from single chunks."""
        for _ in encoded:
            pass
        for stage in self.pyramid.stages[1:]:
            run(partial(self.make_levels, stage=stage), self.pyramid.corners(stage))

    def make_levels(self, corner: Size, stage: Stage) -> FileSums:
        """Read one block of a stage's first level and write its coarser levels."""
        target = self._target()
        rows, columns = (slice(start, start + size) for start, size in zip(corner, stage.block, strict=True))
        numbers = np.asarray(target.labels[stage.first][rows, columns])
        colors = np.asarray(target.image[stage.first][:, rows, columns]) if self.with_image else None
        return self._write_coarser(target, stage, corner, numbers, colors)

    def _write_coarser(
        self, target: _Target, stage: Stage, corner: Size, numbers: NDArray[Any], colors: NDArray[Any] | None
    ) -> FileSums:
        stored: FileSums = ()
        for level in range(stage.first + 1, stage.last + 1):
            if colors is not None:
                present = _present(numbers, colors) if self.nodata else None
                colors = halve_mean(colors, present, fill=target.colors[-1, 0])
            numbers = halve_nearest(numbers)
            corner = corner[0] // 2, corner[1] // 2
            stored += self._write(target, level, corner, numbers, colors)
        return stored

    def _write(
        self, target: _Target, level: int, corner: Size, numbers: NDArray[Any], colors: NDArray[Any] | None
    ) -> FileSums:
        planned = self.pyramid.levels[level]
        for start, size, piece, end in zip(corner, numbers.shape, planned.piece, planned.size, strict=True):
            # zarr reads, changes and writes back partially written chunks; if two tasks do so at once, the pixels of
            # one are silently lost
            if start % piece or (size % piece and start + size != end):
                raise RuntimeError(
                    f"internal error: {numbers.shape} pixels at {corner} of level {level} are no whole {planned.piece}"
                )
        rows, columns = (slice(start, start + size) for start, size in zip(corner, numbers.shape, strict=True))
        target.labels[level][rows, columns] = numbers
        stored = written_chunks(target.labels[level], (rows, columns))
        if colors is None:
            return stored
        target.image[level][:, rows, columns] = colors
        return stored + written_chunks(target.image[level], (slice(0, len(colors)), rows, columns))

    def _target(self) -> _Target:
        levels = len(self.pyramid.levels)
        return _target(self.target, levels, self.with_image, version_of(self.target), self.resumed)


def _present(numbers: NDArray[Any], colors: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels have data.

    A coarser label is that of a single pixel, so it may be 0 although the color is the mean of pixels with data.
    """
    if colors.dtype.kind == "f":
        return np.asarray(~np.isnan(colors[0]))
    return np.asarray((numbers != 0) | (colors != 0).any(axis=0))


@dataclass(frozen=True, eq=False)
class _Target:
    """An open output and its lookup tables for labels."""

    labels: list[zarr.Array[Any]]
    image: list[zarr.Array[Any]]
    """Empty if only labels are written."""
    numbers: NDArray[Any]
    """Stored value of each label, and of no data: shape (units + 1, 1)."""
    colors: NDArray[Any]
    """Color of each label, and of no data: shape (units + 1, bands)."""


@lru_cache(maxsize=4)
def _target(place: Target, levels: int, with_image: bool, version: Hashable, resumed: bool) -> _Target:
    group = zarr.open_group(writable(place, resumed), mode="r+")
    # read the palette from the output: it may have megabytes, too many to send with every task
    palette = np.asarray(array_to_write(group, PALETTE_ARRAY)[...])
    root = [str(level) for level in range(levels)]
    labels = [array_to_write(group, f"{OME_LABELS}/{name}" if with_image else name) for name in root]
    image = [array_to_write(group, name) for name in root] if with_image else []
    return _Target(labels, image, label_table(len(palette)), with_nodata_row(palette))


def check_ome_zarr(output: Output) -> None:
    """Refuse contradictory options; OME-Zarr can hold every image."""
    old = output.options.ome_version == "0.4"
    if old and output.options.shard:
        raise InputError("shard: OME-Zarr 0.4 has no shards; leave it out (--shard), or write 0.5")
    if output.options.layout == "cog":
        raise InputError("layout: 'cog' is a kind of TIFF; an OME-Zarr is 'flat' or a 'pyramid'")
    codec_named(output.options.codec, ZARR_2 if old else ZARR_3)


def create_ome_zarr(output: Output) -> OmeWriter:
    """Create the groups, empty arrays, metadata and the palette; existing chunks are kept.

    Arrays `0`, `1`, ... (c, y, x) have the image's dtype; each level is the mean of the previous one. Arrays
    `labels/som/0`, ... (y, x) have the smallest unsigned dtype that holds `units`: row of the palette + 1, 0 for no
    data; each level has every second row and column of the previous one. `palette` is (units, bands). Without the
    image, the arrays of the labels are `0`, `1`, ...: the root is a label image, as OME-NGFF defines them.
    """
    check_ome_zarr(output)
    options = output.options
    chunk = options.chunk_side(OME_CHUNK, pixel_bytes(output))
    alignment = options.shard or chunk
    check_aligned(output, alignment)
    pyramid = plan_pyramid(
        (output.height, output.width),
        output.chunks,
        chunk,
        least=chunk // 2,
        levels=1 if options.layout == "flat" else None,
    )
    made: dict[str, Any] = {}
    _create_arrays(output, pyramid, MemoryStore(made))
    put_created(output, made)
    form = pyramid, output.units, output.nodata, alignment, output.with_image
    return OmeWriter(output.target, output.resumed, *form)


def _create_arrays(output: Output, pyramid: PyramidPlan, store: MemoryStore) -> None:
    version = output.options.ome_version
    root = zarr.create_group(
        store,
        zarr_format=2 if version == "0.4" else 3,
        attributes=image_attributes(output, pyramid) if output.with_image else label_attributes(output, pyramid),
    )
    # without the image, the group is for classes that may be added
    labels = root.create_group("labels", attributes=labels_attributes(version, ["som"] if output.with_image else []))
    som = root
    if output.with_image:
        som = labels.create_group("som", attributes=label_attributes(output, pyramid))
    numbers_dtype = np.min_scalar_type(output.units)
    for level in range(len(pyramid.levels)):
        if output.with_image:
            _create_level(root, level, output, pyramid, output.bands, output.palette.dtype)
        _create_level(som, level, output, pyramid, None, numbers_dtype)
    names: dict[str, Any] = {} if version == "0.4" else {"dimension_names": ("units", "bands")}
    about: dict[str, Any] = {"dasksom": {"meaning": "row k is the color of label k + 1"}}
    root.create_array(
        PALETTE_ARRAY, data=output.palette, chunks=output.palette.shape, attributes=about, config=EVERY_CHUNK, **names
    )


def _create_level(
    group: zarr.Group, number: int, output: Output, pyramid: PyramidPlan, bands: int | None, dtype: np.dtype[Any]
) -> None:
    level, options = pyramid.levels[number], output.options
    chunks = tuple(min(side, length) for side, length in zip(level.chunk, level.size, strict=True))
    shards = tuple(
        _shard(piece, chunk, length, (options.shard or 0) >> number)
        for piece, chunk, length in zip(level.piece, chunks, level.size, strict=True)
    )
    before: tuple[tuple[int, ...], ...] = ((), (), ()) if bands is None else ((bands,), (1,), (bands,))
    how: dict[str, Any]
    if options.ome_version == "0.4":
        compressors = codec_named(options.codec, ZARR_2)
        how = {"chunk_key_encoding": {"name": "v2", "separator": "/"}, "compressors": compressors or None}
    else:
        how = {"compressors": codec_named(options.codec, ZARR_3)}
        how["dimension_names"] = ("y", "x") if bands is None else ("c", "y", "x")
        if options.shard != 0:
            how["shards"] = (*before[2], *shards)
    group.create_array(
        str(number),
        shape=(*before[0], *level.size),
        chunks=(*before[1], *chunks),
        dtype=dtype,
        fill_value=0,
        config=EVERY_CHUNK,
        **how,
    )


def _shard(piece: int, chunk: int, length: int, wanted: int) -> int:
    """Return the side of a level's shards: the piece that a task writes at once, or the requested side if it fits."""
    if chunk == length:
        return chunk
    return wanted if wanted and wanted % chunk == 0 and (piece % wanted == 0 or piece >= length) else piece
