"""Read the output of a run: labels, palette and metadata of the run.

To add a format, write an opener and add it to ``RESULTS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from dasksom.errors import InputError
from dasksom.image.photographs.stored_indices import read_png_indices
from dasksom.image.sources.protocol import Tag
from dasksom.image.tiff.page_checks import check_chain, check_decoder, check_ome_xml
from dasksom.image.tiff.tags import read_facts
from dasksom.image.writers.options import holds_labels
from dasksom.image.writers.own_descriptions import MOST_COLORS, palette_in_file, read_description
from dasksom.image.writers.protocol import JSON, with_nodata_row
from dasksom.image.zarr.guarded_store import store_of
from dasksom.image.zarr.stored_labels import StoredLabels
from dasksom.image.zarr.target import CLASSES, MODEL, OME_CLASSES, OME_LABELS, SUMS
from dasksom.storage.local_paths import check_readable, listed, local_path, match_suffix
from dasksom.storage.locations import Location

_MOST_PALETTE_BYTES = 1 << 30
"""Limit of the bytes of a palette that is read."""
_PNG_CHUNK = 512
"""Rows and columns of a PNG that are cut out at once."""
_MOST_MODEL_BYTES = 1 << 30
"""Limit of the bytes of a trained map, and of the sums of its units."""


@dataclass(frozen=True)
class Place:
    """Georeference and pixel size of an output."""

    geo_tags: tuple[Tag, ...] = ()
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None


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
    stored: tuple[StoredLabels, ...] = ()
    """The stored arrays of `labels`."""
    place: Place = Place()
    model: bytes = b""
    """The trained map as .npz; empty if the output does not hold it."""
    sums: bytes = b""
    """The sums of the units' pixels as .npz; empty if the output does not hold them."""
    classes: Mapping[str, JSON] | None = None
    """The stored table of classes, if classes were written."""

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
    """Open an output of `quantize` or `apply`: .zarr, .ome.zarr, or a .tif or .png of a palette or of labels.

    No pixel is read, except of a PNG, which is decoded as one piece.

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


def check_result(
    path: str | os.PathLike[str], *, dtype: np.dtype[Any], bands: int, units: int, pixels: str = "auto"
) -> None:
    """Refuse, before anything is written, an output that `open_result` could not read.

    Parameters
    ----------
    path : of the output
    dtype, bands : of the image
    units : number of colors in the palette
    pixels : what the pixels of a TIFF or PNG are: "auto", "palette", "colors" or "labels"

    Raises
    ------
    InputError
    """
    local = local_path(path)
    if not holds_labels(str(local), dtype=str(dtype), bands=bands, units=units, pixels=pixels):
        raise InputError(
            f"{local}: labels and palette cannot be read again from it, as a report must: of {listed(RESULTS)} can, "
            "TIFF and PNG of 8-bit RGB with at most 256 colors, or of labels (--pixels labels, or --no-image)"
        )


@contextmanager
def _open_zarr(path: Path) -> Iterator[QuantizedImage]:
    try:
        group = zarr.open_group(store_of(Location(str(path)), None), mode="r")
        about = dict(group.attrs["dasksom"])["metadata"]  # type: ignore[arg-type]
        palette = _palette(_array(group, "palette"))
        flat = isinstance(group["labels"], zarr.Array)
        levels = [_array(group, "labels")] if flat else _pyramid(group.get(OME_LABELS, group))
        own: dict[str, Any] = dict(group.attrs["dasksom"])  # type: ignore[arg-type]
        classes = _classes(group, CLASSES if flat else OME_CLASSES)
    except InputError:
        raise
    except Exception as error:  # zarr raises many kinds of errors for other files
        raise InputError(f"{path}: not an output of dasksom with labels and a palette ({error})") from error
    if not isinstance(about, dict) or palette.ndim != 2 or any(level.ndim != 2 for level in levels):
        raise InputError(f"{path}: not an output of dasksom: its labels, palette or attributes have another form")
    stored = tuple(StoredLabels(level, path) for level in levels)
    files = _own_file(path / MODEL), _own_file(path / SUMS)
    lazy = tuple(array.lazy() for array in stored)
    yield QuantizedImage(str(path), lazy, 1, palette, about, stored, _place(own.get("place")), *files, classes)


def _classes(group: Any, name: str) -> Mapping[str, JSON] | None:
    """Return the table in the attributes of stored classes."""
    if name not in group:
        return None
    table = dict(group[name].attrs).get("dasksom", {}).get("classes")
    return table if isinstance(table, dict) else None


def _own_file(path: Path) -> bytes:
    if not path.is_file():
        return b""
    if path.stat().st_size > _MOST_MODEL_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_MODEL_BYTES >> 30} GiB; it is no file of dasksom")
    return path.read_bytes()


def _place(plain: Any) -> Place:
    """Return the georeference that the attributes hold; none if they are not as written."""
    try:
        tags = tuple(
            (int(code), int(kind), int(count), value if isinstance(value, str) else tuple(value), True)
            for code, kind, count, value in plain.get("geo_tags", [])
        )
        size = plain.get("pixel_size")
        return Place(tags, None if size is None else (float(size[0]), float(size[1])), plain.get("unit"))
    except (AttributeError, TypeError, ValueError, IndexError):
        return Place()


def _palette(array: zarr.Array[Any]) -> NDArray[Any]:
    if array.ndim != 2 or array.shape[0] > MOST_COLORS or array.nbytes > _MOST_PALETTE_BYTES:
        raise InputError(
            f"{array.path}: a palette is of shape (units, bands), of at most {MOST_COLORS} units; found "
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
    description = read_description(page.description)
    about = description.get("dasksom", {})
    indexed = None if page.colormap is None else np.ascontiguousarray((page.colormap >> 8).astype(np.uint8).T)
    palette, offset = palette_in_file(path, description, indexed)
    series = file.series[0]
    levels = [zarr.open_array(series.aszarr(level=number), mode="r") for number in range(len(series.levels))]
    stored = tuple(StoredLabels(level, path) for level in levels)
    return QuantizedImage(
        str(path),
        tuple(array.lazy() for array in stored),
        offset,
        palette,
        about,
        stored,
        _place_in_tiff(file, page),
        model=description.get("model", b""),
    )


def _place_in_tiff(file: tifffile.TiffFile, page: Any) -> Place:
    """Return the georeference of a TIFF; the size of a pixel is the resolution that dasksom writes without one."""
    facts = read_facts(file, 0, page, page)
    if facts.pixel_size is None and not facts.geo_tags and page.resolutionunit == tifffile.RESUNIT.CENTIMETER:
        across, down = page.get_resolution(tifffile.RESUNIT.MICROMETER)
        if across > 0 and down > 0:
            return Place((), (1 / down, 1 / across), "micrometer")
    return Place(facts.geo_tags, facts.pixel_size, facts.unit)


@contextmanager
def _open_png(path: Path) -> Iterator[QuantizedImage]:
    numbers, colors, text = read_png_indices(path)
    description = read_description(text)
    palette, offset = palette_in_file(path, description, colors)
    array = zarr.create_array(MemoryStore(), data=numbers, chunks=(_PNG_CHUNK, _PNG_CHUNK), compressors=None)
    stored = StoredLabels(array, path)
    yield QuantizedImage(str(path), (stored.lazy(),), offset, palette, description.get("dasksom", {}), (stored,))


RESULTS: dict[str, Callable[[Path], AbstractContextManager[QuantizedImage]]] = {
    ".png": _open_png,
    ".tif": _open_tiff,
    ".tiff": _open_tiff,
    ".zarr": _open_zarr,
}
