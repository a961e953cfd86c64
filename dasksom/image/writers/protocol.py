"""What a source of pixels and a writer of results must be able to do; each file format implements one or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.protocol import Tag
from dasksom.image.writers.options import DEFAULTS, Options
from dasksom.storage.checksum_manifests import Stored
from dasksom.storage.publish.object_store_run import Unfinished

Target = str | Unfinished
"""Where a Zarr is written: a temporary local path, or a place on an object store."""

JSON = Any
"""What ``json.dumps`` accepts."""


Run = Callable[[Callable[[tuple[int, int]], Stored], Sequence[tuple[int, int]]], None]
"""Calls a function with each of some places, on the cluster or here, in any order; notes the sums of the files that it
wrote, and returns when all are done."""


def run_here(function: Callable[[tuple[int, int]], Stored], places: Sequence[tuple[int, int]]) -> None:
    """Call a function with each of some places, in this process."""
    for place in places:
        function(place)


Encoded = Iterable[tuple[tuple[int, int], tuple[int, int], Any]]
"""(corner (y, x), (height, width), payload) of every chunk, in row-major order."""


class Writer(Protocol):
    """Turns the labels of chunks into a file: `encode` runs on workers, `collect` on the driver."""

    @property
    def chunk_alignment(self) -> int:
        """Rows and columns of the image's chunks must be multiples of it, the end of the image aside."""

    @property
    def keeps_chunks(self) -> bool:
        """Whether a chunk that was encoded is on the disk, or the store, and outlives this process."""

    def encode(self, labels: NDArray[np.unsignedinteger[Any]], corner: tuple[int, int]) -> Any:
        """Work on one image chunk, on a worker; doing it twice does no harm.

        Parameters
        ----------
        labels : (height, width), unsigned; 0-based rows of the palette
        corner : (y, x) of the chunk's first pixel, in pixels

        Returns
        -------
        What `collect` needs of this chunk, small and picklable; names and sums of the files that were written
        (`Stored`) where chunks are kept.
        """

    def are_whole(self, stored: Stored) -> bool:
        """Tell whether files that `encode` wrote are there as it wrote them: called on a worker."""

    def collect(self, encoded: Encoded, run: Run = run_here) -> None:
        """Take what every chunk's `encode` returned, lazily and in row-major order, and finish the file.

        What is then left to do for many parts of the image is given to `run`.
        """


@dataclass(frozen=True, eq=False)
class Output:
    """What is to be written, whatever the format."""

    path: str
    """Where: the temporary path that `publish` gave; or what to call a place on an object store."""
    height: int
    """Pixels."""
    width: int
    """Pixels."""
    chunks: tuple[int, int]
    """Rows and columns of the image's chunks, as they will come to `Writer.encode`."""
    palette: NDArray[Any]
    """(units, bands) in the image's dtype."""
    metadata: Mapping[str, JSON]
    """Written into the file where the format has a place for it."""
    with_image: bool
    """Write the rebuilt image, where the format can also do without."""
    nodata: bool
    """Some labels may be `units` or more: pixels without data."""
    options: Options = DEFAULTS
    """How it is stored."""
    geo_tags: tuple[Tag, ...] = ()
    """GeoTIFF tags that place the image on earth."""
    pixel_size: tuple[float, float] | None = None
    """Height and width of a pixel, in `unit`."""
    unit: str | None = None
    nodata_value: float | None = None
    """What stands for "no data" in the file that was read."""

    unfinished: Unfinished | None = None
    """The place on an object store, where that is where a Zarr is written."""

    @property
    def target(self) -> Target:
        """Where a Zarr is written."""
        return self.unfinished or self.path

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
