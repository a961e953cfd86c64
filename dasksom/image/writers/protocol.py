"""The protocol of image writers, and the record of what is to be written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.picture import Picture
from dasksom.image.sources.protocol import Tag
from dasksom.image.writers.options import DEFAULTS, Options
from dasksom.storage.checksum_manifests import FileSums, Manifest
from dasksom.storage.local_paths import local_path
from dasksom.storage.publish.object_store_run import StoreRun

Target = str | StoreRun
"""Where a Zarr is written: a temporary local path, or a run on an object store."""

JSON = Any
"""What ``json.dumps`` accepts."""

Origin = tuple[int, int]
"""y and x of the first pixel of a chunk or block."""

RunTasks = Callable[[Callable[[Origin], FileSums], Sequence[Origin]], None]
"""Calls a function with each of some corners, on the cluster or here, in any order; records the checksums of the files
that it wrote, and returns when all calls are done."""

EncodedChunk = tuple[Origin, tuple[int, int], Any]
"""Origin (y, x), (height, width) and what `Writer.encode` returned for one chunk."""


def run_tasks_here(function: Callable[[Origin], FileSums], corners: Sequence[Origin]) -> None:
    """Call a function with each of some corners, in this process."""
    for corner in corners:
        function(corner)


class Writer(Protocol):
    """Turns the labels of chunks into a file: `encode` runs on workers, all else on the driver. Picklable."""

    @property
    def chunk_alignment(self) -> int:
        """Rows and columns of the image's chunks must be multiples of it, except at the image's end."""

    @property
    def keeps_chunks(self) -> bool:
        """Whether an encoded chunk is stored when `encode` returns, and outlives this process."""

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: Origin) -> Any:
        """Encode one chunk, on a worker; idempotent.

        Parameters
        ----------
        labels : (height, width), unsigned; 0-based rows of the palette
        corner : (y, x) of the chunk's first pixel, in pixels

        Returns
        -------
        What `collect` needs of this chunk, small and picklable; where chunks are kept, names and checksums of the
        files that were written (`FileSums`).
        """

    def are_whole(self, stored: FileSums) -> bool:
        """Return, on a worker, whether files that `encode` wrote still match their checksums."""

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Take what `encode` returned for every chunk, lazily and in row-major order, and complete the file.

        Chunks that are kept, and were written by an earlier process, are left out. Work that is left for many regions
        of the image is given to `run`.
        """

    def annotate(self, more: Mapping[str, JSON]) -> None:
        """Add to the metadata of a completed output, where its format allows."""
        return

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the checksums of all files into a completed output; single files hold their own already.

        Parameters
        ----------
        manifest : checksums of its chunks
        """
        return


@dataclass(frozen=True, eq=False)
class Output:
    """Everything about an image to write, whatever the format."""

    place: str | os.PathLike[str] | StoreRun
    """Where: the temporary path that `publish` returned, or a run on an object store."""
    height: int
    """Pixels."""
    width: int
    """Pixels."""
    chunks: tuple[int, int]
    """Rows and columns of the image's chunks, as `Writer.encode` gets them."""
    palette: NDArray[Any]
    """(units, bands) in the image's dtype."""
    metadata: Mapping[str, JSON]
    """Written into the file where its format has a place for it."""
    with_image: bool = True
    """Write the rebuilt image too, where the format can do without it (Zarr)."""
    nodata: bool = False
    """Some labels may be `units` or more, for pixels without data: label 0 in the file, NaN or 0 in the image."""
    resumed: bool = False
    """Chunks of an earlier process may be there; they are replaced."""
    options: Options = DEFAULTS
    """How it is stored."""
    geo_tags: tuple[Tag, ...] = ()
    """GeoTIFF tags that georeference the image."""
    pixel_size: tuple[float, float] | None = None
    """Height and width of a pixel, in `unit`."""
    unit: str | None = None
    nodata_value: float | None = None
    """The no-data value of the file that was read."""

    def __post_init__(self) -> None:
        if self.palette.ndim != 2 or 0 in self.palette.shape:
            raise InputError(f"a palette must be (units, bands), both at least 1, not of shape {self.palette.shape}")
        # by its name: NumPy has two types of 64-bit integers, and zarr knows one of them
        native = np.ascontiguousarray(self.palette, np.dtype(self.palette.dtype.name))
        chunks = min(self.chunks[0], self.height), min(self.chunks[1], self.width)
        for name, value in (("palette", native), ("chunks", chunks)):
            object.__setattr__(self, name, value)

    def placed_as(self, picture: Picture) -> Output:
        """Return this output with the georeference, pixel size and no-data value of the image that was read."""
        return replace(
            self,
            geo_tags=picture.geo_tags,
            pixel_size=picture.pixel_size,
            unit=picture.unit,
            nodata_value=picture.nodata,
        )

    @property
    def path(self) -> str:
        """Absolute path, or the URL on an object store without secrets."""
        return self.place.final.name if isinstance(self.place, StoreRun) else str(local_path(self.place).absolute())

    @property
    def target(self) -> Target:
        """Where a Zarr is written."""
        return self.place if isinstance(self.place, StoreRun) else self.path

    @property
    def units(self) -> int:
        """Rows of the palette."""
        return int(self.palette.shape[0])

    @property
    def bands(self) -> int:
        """Columns of the palette."""
        return int(self.palette.shape[1])


def pixel_bytes(output: Output) -> int:
    """Return the bytes of a pixel of the image."""
    return output.bands * output.palette.dtype.itemsize


def with_nodata_row(palette: NDArray[Any]) -> NDArray[Any]:
    """Return a palette with one more row, for pixels without data: (units + 1, bands), NaN for floats, else 0.

    ``np.take(..., labels, axis=0, mode="clip")`` sends every label of `units` or more to that row at no cost.
    """
    fill = np.nan if palette.dtype.kind == "f" else 0
    return np.concatenate([palette, np.full_like(palette[:1], fill)])


def label_table(units: int) -> NDArray[Any]:
    """Return what a label file holds for each label: unit + 1, and at the end 0 for no data.

    Shape (units + 1, 1), smallest unsigned dtype that holds `units`.
    """
    numbers = np.arange(1, units + 2, dtype=np.int64)
    numbers[-1] = 0
    return numbers.astype(np.min_scalar_type(units))[:, np.newaxis]


def clip_labels(
    labels: NDArray[np.unsignedinteger[Any]], units: int, dtype: np.dtype[np.unsignedinteger[Any]]
) -> NDArray[np.unsignedinteger[Any]]:
    """Return labels in the dtype given, every one of `units` or more (no data) as `units`."""
    highest = min(units, int(np.iinfo(labels.dtype).max))
    clipped: NDArray[np.unsignedinteger[Any]] = np.minimum(labels, highest).astype(dtype, copy=False)
    return clipped


def check_aligned(output: Output, alignment: int) -> None:
    """Refuse image chunks that would cut through what the file stores as one piece: two tasks would write it."""
    for chunk, length, name in zip(output.chunks, (output.height, output.width), ("rows", "columns"), strict=True):
        if chunk < length and chunk % alignment:
            raise InputError(
                f"{output.path}: image chunks of {chunk} {name} cannot be written, "
                f"only multiples of {alignment}; open the image with open_image(..., align={alignment})"
            )


def check_labels(labels: NDArray[Any], output_units: int, nodata: bool) -> None:
    """Raise on labels that no palette row answers to: an error of the caller, not of the user."""
    if labels.ndim != 2 or labels.dtype.kind != "u":
        raise TypeError(f"internal error: labels must be 2-D and unsigned, not {labels.ndim}-D {labels.dtype}")
    if not nodata and labels.size and int(labels.max()) >= output_units:
        raise ValueError(
            f"internal error: label {int(labels.max())} of a palette of {output_units}, without nodata=True"
        )
