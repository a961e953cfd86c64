"""The protocol of image writers, and the description of an output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.writers.options import DEFAULTS, Options
from dasksom.storage.local_paths import local_path

if TYPE_CHECKING:
    from dasksom.image.sources.picture import Picture
    from dasksom.image.sources.protocol import Tag
    from dasksom.storage.checksum_manifests import FileSums, Manifest
    from dasksom.storage.publish.object_store_run import StoreRun

Target: TypeAlias = "str | StoreRun"
"""Destination of a Zarr: a temporary local path, or a run on an object store."""

JSON = Any
"""Any value that ``json.dumps`` accepts."""

Origin = tuple[int, int]
"""y and x of the first pixel of a chunk or block."""

RunTasks: TypeAlias = "Callable[[Callable[[Origin], FileSums], Sequence[Origin]], None]"
"""Calls a function for each of several origins, on the cluster or in this process, in any order; records the checksums
of the files that it wrote, and returns when all calls have finished."""

EncodedChunk = tuple[Origin, tuple[int, int], Any]
"""Origin (y, x), size (height, width), and the return value of `Writer.encode` for one chunk."""


def run_tasks_here(function: Callable[[Origin], FileSums], corners: Sequence[Origin]) -> None:
    """Call a function for each of several origins, in this process."""
    for corner in corners:
        function(corner)


class Writer(Protocol):
    """Writes the labels of chunks to a file: `encode` runs on workers, the rest mostly on the driver. Picklable."""

    @property
    def chunk_alignment(self) -> int:
        """Rows and columns of the image's chunks must be multiples of this, except at the image's end."""

    @property
    def keeps_chunks(self) -> bool:
        """Whether an encoded chunk is stored when `encode` returns, independently of this process."""

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: Origin) -> Any:
        """Encode one chunk, on a worker; idempotent.

        Parameters
        ----------
        labels : (height, width), unsigned; 0-based rows of the palette
        corner : (y, x) of the chunk's first pixel, in pixels

        Returns
        -------
        The data of this chunk that `collect` needs, small and picklable; if chunks are stored, names and checksums of
        the files that were written (`FileSums`).
        """

    def are_intact(self, stored: FileSums) -> bool:
        """Return, on a worker, whether files that `encode` wrote still match their checksums."""

    def collect(self, encoded: Iterable[EncodedChunk], run: RunTasks = run_tasks_here) -> None:
        """Take the results of `encode` for all chunks, lazily and in row-major order, and complete the file.

        Chunks that an earlier process stored are omitted. Further work on many regions of the image is passed to `run`.
        """

    def annotate(self, more: Mapping[str, JSON]) -> None:
        """Add to the metadata of a completed output, if its format allows it."""
        return

    def write_sums(self, content: bytes) -> None:
        """Write the encoded sums of the units' pixels into a completed output, if its format allows it."""
        return

    def write_manifest(self, manifest: Manifest) -> None:
        """Write the checksums of all files into a completed output; outputs of a single file already include theirs.

        Parameters
        ----------
        manifest : checksums of the output's chunks
        """
        return


@dataclass(frozen=True, eq=False)
class Output:
    """Description of an image to write, common to all formats."""

    place: str | os.PathLike[str] | StoreRun
    """Destination: the temporary path that `publish` returned, or a run on an object store."""
    height: int
    """Height in pixels."""
    width: int
    """Width in pixels."""
    chunks: tuple[int, int]
    """Rows and columns of the image's chunks, as passed to `Writer.encode`."""
    palette: NDArray[Any]
    """(units, bands) in the image's dtype."""
    metadata: Mapping[str, JSON]
    """Metadata that is written into the file if its format supports it."""
    with_image: bool = True
    """Whether to write the rebuilt image too, not only the labels."""
    nodata: bool = False
    """Whether labels may be `units` or more, for pixels without data: label 0 in the file, NaN or 0 in the image."""
    resumed: bool = False
    """Whether chunks of an earlier process may exist; they are replaced."""
    options: Options = DEFAULTS
    """Storage options."""
    geo_tags: tuple[Tag, ...] = ()
    """GeoTIFF tags that georeference the image."""
    pixel_size: tuple[float, float] | None = None
    """Height and width of a pixel, in `unit`."""
    unit: str | None = None
    nodata_value: float | None = None
    """The no-data value of the input image."""
    band_names: tuple[str, ...] = ()
    """One name per band; empty if they have none."""
    model: bytes = b""
    """The trained map as .npz, so that the output can be used in its place; empty if there is none."""

    def __post_init__(self) -> None:
        if self.palette.ndim != 2 or 0 in self.palette.shape:
            raise InputError(f"a palette must be (units, bands), both at least 1, not of shape {self.palette.shape}")
        # by dtype name: NumPy has two types of 64-bit integers, and zarr supports only one of them
        native = np.ascontiguousarray(self.palette, np.dtype(self.palette.dtype.name))
        chunks = min(self.chunks[0], self.height), min(self.chunks[1], self.width)
        for name, value in (("palette", native), ("chunks", chunks)):
            object.__setattr__(self, name, value)

    def placed_as(self, picture: Picture) -> Output:
        """Return this output with the georeference, pixel size, no-data value and band names of the input image."""
        return replace(
            self,
            geo_tags=picture.geo_tags,
            pixel_size=picture.pixel_size,
            unit=picture.unit,
            nodata_value=picture.nodata,
            band_names=picture.band_names,
        )

    @property
    def path(self) -> str:
        """Absolute path, or the URL (without secrets) on an object store."""
        if isinstance(self.place, str | os.PathLike):
            return str(local_path(self.place).absolute())
        return self.place.final.name

    @property
    def target(self) -> Target:
        """Destination of a Zarr."""
        return self.path if isinstance(self.place, str | os.PathLike) else self.place

    @property
    def units(self) -> int:
        """Number of rows of the palette."""
        return int(self.palette.shape[0])

    @property
    def bands(self) -> int:
        """Number of columns of the palette."""
        return int(self.palette.shape[1])


def pixel_bytes(output: Output) -> int:
    """Return the size of a pixel of the image in bytes."""
    return output.bands * output.palette.dtype.itemsize


def with_nodata_row(palette: NDArray[Any]) -> NDArray[Any]:
    """Return a palette with an additional row for pixels without data: (units + 1, bands), NaN for floats, else 0.

    ``np.take(..., labels, axis=0, mode="clip")`` maps all labels of `units` or more to that row at no extra cost.
    """
    fill = np.nan if palette.dtype.kind == "f" else 0
    return np.concatenate([palette, np.full_like(palette[:1], fill)])


def label_table(units: int) -> NDArray[Any]:
    """Return the stored value of each label: unit + 1, and in the last row 0 for no data.

    Shape (units + 1, 1), in the smallest unsigned dtype that holds `units`.
    """
    numbers = np.arange(1, units + 2, dtype=np.int64)
    numbers[-1] = 0
    return numbers.astype(np.min_scalar_type(units))[:, np.newaxis]


def clip_labels(
    labels: NDArray[np.unsignedinteger[Any]], units: int, dtype: np.dtype[np.unsignedinteger[Any]]
) -> NDArray[np.unsignedinteger[Any]]:
    """Return labels in the given dtype; labels of `units` or more (no data) become `units`."""
    highest = min(units, int(np.iinfo(labels.dtype).max))
    clipped: NDArray[np.unsignedinteger[Any]] = np.minimum(labels, highest).astype(dtype, copy=False)
    return clipped


def check_aligned(output: Output, alignment: int) -> None:
    """Refuse image chunks that would divide a stored chunk or tile, which two tasks would then write."""
    for chunk, length, name in zip(output.chunks, (output.height, output.width), ("rows", "columns"), strict=True):
        if chunk < length and chunk % alignment:
            raise InputError(
                f"{output.path}: image chunks of {chunk} {name} cannot be written, "
                f"only multiples of {alignment}; open the image with open_image(..., align={alignment})"
            )


def check_labels(labels: NDArray[Any], output_units: int, nodata: bool) -> None:
    """Raise an internal error if labels have no row in the palette: a mistake of the calling code, not of the user."""
    if labels.ndim != 2 or labels.dtype.kind != "u":
        raise TypeError(f"internal error: labels must be 2-D and unsigned, not {labels.ndim}-D {labels.dtype}")
    if not nodata and labels.size and int(labels.max()) >= output_units:
        raise ValueError(
            f"internal error: label {int(labels.max())} of a palette of {output_units}, without nodata=True"
        )
