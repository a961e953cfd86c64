"""Read the output of a run: labels, palette and metadata of the run.

To add a format, write an opener and add it to ``RESULTS``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import plan_chunks
from dasksom.image.tiff.page_checks import check_chain, check_decoder, check_ome_xml
from dasksom.image.writers.protocol import JSON, with_nodata_row
from dasksom.image.zarr.guarded_store import store_of
from dasksom.storage.local_paths import check_readable, listed, local_path, match_suffix
from dasksom.storage.locations import Location

_MOST_COLORS, _MOST_PALETTE_BYTES = 1 << 16, 1 << 30
"""Limits of a palette that is read: the largest number of units of a map, and the largest size of a map in bytes."""
_CHUNK_BYTES = 4 << 20
"""Target size of a lazy chunk of labels; small, because tiles are viewed in random order."""


@dataclass(frozen=True, eq=False)
class QuantizedImage:
    """An opened output of a run."""

    path: str
    labels: tuple[da.Array, ...]
    """Label values as stored, (height, width), unsigned; full resolution first, then the coarser levels."""
    offset: int
    """Label value of unit 0; values that belong to no unit stand for no data."""
    palette: NDArray[Any]
    """Shape (units, bands), in the image's dtype."""
    about: Mapping[str, JSON]
    """Metadata of the run, as written."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        height, width = self.labels[0].shape
        return int(height), int(width)

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands; empty if the output records none."""
        names = self.about.get("bands")
        if not isinstance(names, list) or len(names) != self.palette.shape[1]:
            return ()
        return tuple(map(str, names))

    def units_of(self, numbers: NDArray[Any]) -> NDArray[np.int64]:
        """Convert label values to row-major unit numbers; -1 is no data."""
        units = np.asarray(numbers).astype(np.int64) - self.offset
        return np.where((units >= 0) & (units < len(self.palette)), units, -1)

    def colors_of(self, units: NDArray[np.int64]) -> NDArray[Any]:
        """Return the colors of units, shape (..., bands); NaN (0 for integer dtypes) where there is no data."""
        colors: NDArray[Any] = with_nodata_row(self.palette)[units]
        return colors

    def rebuilt(self, numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Convert label values to pixels, shape (..., bands), and a bool mask of the pixels that hold data."""
        units = self.units_of(numbers)
        return self.colors_of(units), units >= 0


def open_result(path: str | os.PathLike[str]) -> AbstractContextManager[QuantizedImage]:
    """Open an output of `quantize` or `apply`: .zarr, .ome.zarr, or a paletted .tif; no pixel is read.

    Parameters
    ----------
    path : of the output; inside the context, its lazy labels can be computed on threads of this process

    Raises
    ------
    InputError
        The output has another format, or holds no palette.
    """
    local = local_path(path)
    check_readable(local)
    opener = match_suffix(local, RESULTS)
    if opener is None:
        raise InputError(f"{local}: has no labels and palette; `report` and `view` need an output in {listed(RESULTS)}")
    return opener(local)


def check_result(path: str | os.PathLike[str], *, dtype: np.dtype[Any], bands: int, units: int) -> None:
    """Refuse, before anything is written, an output that `open_result` could not read.

    Parameters
    ----------
    path : of the output
    dtype, bands : of the image
    units : number of colors in the palette

    Raises
    ------
    InputError
    """
    local = local_path(path)
    opener = match_suffix(local, RESULTS)
    paletted = dtype == np.uint8 and bands == 3 and units <= 256
    if opener is None or (opener is _open_tiff and not paletted):
        raise InputError(
            f"{local}: labels and palette cannot be read again from it, as a report must: of {listed(RESULTS)} can, "
            "TIFFs where they are of 8-bit RGB with at most 256 colors"
        )


@contextmanager
def _open_zarr(path: Path) -> Iterator[QuantizedImage]:
    try:
        group = zarr.open_group(store_of(Location(str(path)), None), mode="r")
        about = dict(group.attrs["dasksom"])["metadata"]  # type: ignore[arg-type]
        palette = _palette(_array(group, "palette"))
        levels = [_array(group, "labels")] if isinstance(group["labels"], zarr.Array) else _pyramid(group["labels/som"])
    except InputError:
        raise
    except Exception as error:  # zarr raises many kinds of errors for other files
        raise InputError(f"{path}: not an output of dasksom with labels and a palette ({error})") from error
    if not isinstance(about, dict) or palette.ndim != 2 or any(level.ndim != 2 for level in levels):
        raise InputError(f"{path}: not an output of dasksom: its labels, palette or attributes have another form")
    yield QuantizedImage(str(path), tuple(_lazy(level, path) for level in levels), 1, palette, about)


def _palette(array: zarr.Array[Any]) -> NDArray[Any]:
    if array.ndim != 2 or array.shape[0] > _MOST_COLORS or array.nbytes > _MOST_PALETTE_BYTES:
        raise InputError(
            f"{array.path}: a palette is of shape (units, bands), of at most {_MOST_COLORS} units; found "
            f"{array.shape} of {array.dtype}"
        )
    return np.asarray(array[...])


def _pyramid(group: Any) -> list[zarr.Array[Any]]:
    arrays = {name: array for name, array in group.arrays() if name.isdigit()}
    return [arrays[name] for name in sorted(arrays, key=int)]


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    found = group[name]
    if not isinstance(found, zarr.Array):
        raise InputError(f"{name} is a group; an array is expected")
    return found


@contextmanager
def _open_tiff(path: Path) -> Iterator[QuantizedImage]:
    with ExitStack() as stack:
        try:
            found = _in_tiff(stack.enter_context(tifffile.TiffFile(path)), path)
        except InputError:
            raise
        except Exception as error:  # tifffile raises many kinds of errors for damaged files
            raise InputError(f"{path}: not a TIFF that can be read ({error})") from error
        yield found


def _in_tiff(file: tifffile.TiffFile, path: Path) -> QuantizedImage:
    location = Location(str(path))
    check_chain(location, file)
    check_ome_xml(location, file)
    page = file.pages[0]
    check_decoder(location, page)
    about = _metadata_in(page.description)
    parameters = about.get("parameters", {})
    sides = [parameters.get(name) for name in ("rows", "columns")]
    units = prod(side if isinstance(side, int) else 0 for side in sides)
    if page.colormap is None or not 0 < units <= page.colormap.shape[1]:
        raise InputError(
            f"{path}: holds no palette of dasksom: a TIFF does where it was written from 8-bit RGB with at most "
            "256 colors; write .zarr"
        )
    palette = np.ascontiguousarray((page.colormap[:, :units] >> 8).astype(np.uint8).T)
    series = file.series[0]
    levels = [zarr.open_array(series.aszarr(level=number), mode="r") for number in range(len(series.levels))]
    return QuantizedImage(str(path), tuple(_lazy(level, path) for level in levels), 0, palette, about)


def _metadata_in(description: str) -> dict[str, Any]:
    try:
        about = json.loads(description)["dasksom"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return about if isinstance(about, dict) and isinstance(about.get("parameters", {}), dict) else {}


@dataclass(frozen=True, eq=False)
class _Labels:
    """An array whose read errors are reported as damage of the output."""

    array: zarr.Array[Any]
    path: Path

    def __getitem__(self, region: Any) -> NDArray[Any]:
        try:
            return np.asarray(self.array[region])
        except InputError:
            raise
        except Exception as error:  # zarr, tifffile and the codecs each raise their own errors
            raise InputError(
                f"{self.path}: its labels cannot be read: {error}; the output is damaged, write it again"
            ) from error

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return len(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype


def _lazy(array: zarr.Array[Any], path: Path) -> da.Array:
    height, width = array.shape
    stored = int(array.chunks[0]), int(array.chunks[1])  # chunks, not shards: each can be read separately
    rows, columns = plan_chunks((height, width, 1), array.dtype.itemsize, stored, chunk_bytes=_CHUNK_BYTES)
    return da.from_array(
        _Labels(array, path),
        chunks=(min(rows, height), min(columns, width)),
        meta=np.empty((0, 0), array.dtype),
        asarray=False,
        inline_array=True,
        name=False,
    )


RESULTS: dict[str, Callable[[Path], AbstractContextManager[QuantizedImage]]] = {
    ".tif": _open_tiff,
    ".tiff": _open_tiff,
    ".zarr": _open_zarr,
}
