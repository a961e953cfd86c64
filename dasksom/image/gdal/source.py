"""Read JPEG 2000, NetCDF, HDF5, ENVI, ESRI grids and virtual datasets by windows, through rasterio.

Only local files are opened, and only by the drivers of their suffix: GDAL itself would follow URLs and names of other
files, and its other drivers are never tried. Virtual datasets are checked first (`virtual_files`).
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.gdal.dataset_metadata import dataset_geo_tags, dataset_nodata, dataset_scales
from dasksom.image.metadata.geo_tags import crs_name, georeference
from dasksom.image.sources.dtypes_and_axes import check_dtype, check_not_empty
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.other_formats import way_out_of
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import PixelWindow, shown_window
from dasksom.image.sources.selection import AxisLayout, Selection, plan_axes
from dasksom.storage.file_checks import check_size_unchanged
from dasksom.storage.local_paths import Stamp, listed, match_suffix
from dasksom.storage.locations import Location, Member
from dasksom.storage.retries import retry

DRIVERS: dict[str, tuple[str, ...]] = {
    ".asc": ("AAIGrid",),
    ".h5": ("HDF5", "HDF5Image"),
    ".hdf5": ("HDF5", "HDF5Image"),
    ".hdr": ("ENVI", "EHdr"),
    ".j2k": ("JP2OpenJPEG",),
    ".jp2": ("JP2OpenJPEG",),
    ".nc": ("netCDF",),
    ".nc4": ("netCDF",),
}
"""Drivers of GDAL by suffix."""
_DATA_SUFFIXES = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw")
"""Suffixes of the pixels next to a header (.hdr)."""
_OPTIONS = {
    "GDAL_CACHEMAX": 32,
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_NUM_THREADS": 1,
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_VRT_ENABLE_RAWRASTERBAND": "NO",
}
"""Options of GDAL: its cache of blocks in MiB, because its default is a share of the machine's memory."""
_MOST_OPEN = 8
"""Datasets that a thread holds open; GDAL's are not thread-safe."""
_MOST_LISTED = 20

_warnings = threading.Lock()
_of_thread = threading.local()


@dataclass(frozen=True)
class GdalSource(NumpyIndexing):
    """A dataset of GDAL; each thread opens it once."""

    location: Location
    stamp: Stamp
    dataset: str
    """Name for GDAL: the path, or that of an array within the file."""
    drivers: tuple[str, ...]
    view: AxisLayout
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]
    files: tuple[Location, ...] = ()
    """Files of a virtual dataset."""
    is_mask: bool = False
    """Whether the mask of the dataset is read, as one band, in place of its pixels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""
        return self.view.shape

    @property
    def identity(self) -> tuple[Any, ...]:
        """Name of the dataset, size and modification time, and the selected bands."""
        return "gdal", self.dataset, self.stamp, self.view.roles, self.view.bands, self.is_mask

    def members(self) -> Iterator[Member]:
        """Yield the file, its header if that is a file of its own, and the files of a virtual dataset."""
        yield self.location.member()
        yield from (file.member() for file in self.files)
        local = self.location.local
        for header in (
            local.with_suffix(".hdr"),
            local.with_name(f"{local.name}.hdr"),
        ):
            if header != local and header.is_file():
                yield Location(str(header)).member()

    def of_bands(self, picks: tuple[int, ...]) -> GdalSource:
        """Return a source of some bands, in this order."""
        return replace(self, view=self.view.of_bands(picks))

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        try:
            return retry(lambda: self._read(window))
        except (InputError, MemoryError):
            raise
        except Exception as error:  # GDAL's drivers raise many kinds of errors
            raise self.location.refusal(
                f"{shown_window(window)} cannot be read: {_reason(error)}; the file is damaged or cut short"
            ) from self.location.cause(error)

    def _read(self, window: PixelWindow) -> NDArray[Any]:
        check_size_unchanged(self.location, self.stamp)
        with _environment():
            dataset = _open_dataset(self.dataset, self.drivers, self.stamp)
            stored = dataset.count, dataset.height, dataset.width
            index = self.view.index(window)
            bands, *sides = (np.arange(length)[part] for length, part in zip(stored, index, strict=True))
            part = tuple((int(np.min(side)), int(np.max(side)) + 1) for side in sides)
            read = dataset.read_masks if self.is_mask else dataset.read
            found = read([int(band) + 1 for band in np.atleast_1d(bands)], window=part)
        for axis, side in ((2, sides[1]), (1, sides[0])):
            if self.view.roles[axis] not in ("y", "x"):  # of which a range was read
                found = found.take(side - part[axis - 1][0], axis)
        found = found[0] if isinstance(index[0], int) else found
        return np.ascontiguousarray(self.view.upright(found), dtype=self.dtype)


def open_gdal(location: Location, selection: Selection) -> OpenedImage:
    """Open a file, or the array of it that `component` names; read headers, never pixels."""
    for name, given in (("series", selection.series), ("level", selection.level)):
        if given:
            raise InputError(f"{location}: --{name} does not apply to this format; leave it out")
    if location.remote:
        raise InputError(f"{location}: this format is read from a disk only; copy it to one")
    drivers = match_suffix(location.file_name, DRIVERS) or ()
    location = _data_file(location)
    stamp = location.stamp()
    with _environment():
        try:
            name = location.path
            dataset = _open_dataset(name, drivers, stamp)
            if dataset.count == 0 or (selection.component is not None and dataset.subdatasets):
                name = _array_in(location, dataset.subdatasets, selection.component)
                dataset = _open_dataset(name, drivers, stamp)
            elif selection.component is not None:
                raise InputError(f"{location}: holds one image; leave --component {selection.component} out")
            return _opened(location, stamp, name, drivers, dataset, selection)
        except InputError:
            raise
        except Exception as error:
            raise location.refusal(
                f"cannot be opened by GDAL's {' or '.join(drivers)}: {_reason(error)}; is it damaged, or misnamed?"
            ) from location.cause(error)


def open_virtual(location: Location, selection: Selection, files: tuple[Location, ...]) -> OpenedImage:
    """Open a virtual dataset of some files, which `virtual_files` has checked; read headers, never pixels."""
    for name in ("component", "series", "level"):
        if getattr(selection, name):
            raise InputError(f"{location}: --{name} is for single files; leave it out for an image of many")
    stamp = location.stamp()
    with _environment():
        try:
            dataset = _open_dataset(location.path, ("VRT",), stamp)
            opened = _opened(location, stamp, location.path, ("VRT",), dataset, selection)
            masked = any(flag.name == "per_dataset" for flag in dataset.mask_flag_enums[0]) and opened.alpha is None
        except InputError:
            raise
        except Exception as error:
            raise location.refusal(f"cannot be opened by GDAL: {_reason(error)}") from location.cause(error)
    plain: Any = opened.source
    source = replace(plain, files=files)
    view = AxisLayout((0, "y", "x"), (0,), (*source.shape[:2], 1))
    mask = replace(source, view=view, dtype=np.dtype(np.uint8), is_mask=True)
    return replace(opened, source=source, masks={"internal mask": mask} if masked else {})


def _data_file(location: Location) -> Location:
    """Return the file of the pixels of a header."""
    if not location.file_name.endswith(".hdr"):
        return location
    stem = location.path[: -len(".hdr")]
    found = next((stem + suffix for suffix in _DATA_SUFFIXES if Location(stem + suffix).local.is_file()), None)
    if found is None:
        raise InputError(
            f"{location}: the file of its pixels is not next to it; it has the same name with "
            f"{listed(dict.fromkeys(_DATA_SUFFIXES[1:]))}, or no suffix: copy it there"
        )
    return Location(found)


def _environment() -> Any:
    try:
        import rasterio
    except ImportError:
        raise InputError(
            "this format is read through rasterio, which is not installed: python -m pip install 'dasksom[gdal]'; "
            f"or {way_out_of('.jp2')}"
        ) from None
    return rasterio.Env(**_OPTIONS)


def _open_dataset(name: str, drivers: tuple[str, ...], stamp: Stamp) -> Any:
    """Return an open dataset of this thread."""
    import rasterio

    datasets: OrderedDict[tuple[str, Stamp], Any] = _of_thread.__dict__.setdefault("datasets", OrderedDict())
    key = name, stamp
    if key not in datasets:
        with _warnings, warnings.catch_warnings():  # filters of warnings are global
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            for driver in drivers:
                try:
                    datasets[key] = rasterio.open(name, driver=driver)
                    break
                except rasterio.errors.RasterioIOError:
                    if driver == drivers[-1]:
                        raise
        while len(datasets) > _MOST_OPEN:
            datasets.popitem(last=False)[1].close()
    datasets.move_to_end(key)
    return datasets[key]


def _array_in(location: Location, names: list[str], component: str | None) -> str:
    """Return GDAL's name of the array that is the image."""
    arrays = {name.rpartition(":")[2].strip("/"): name for name in names if location.path in name}
    if component is None and len(arrays) == 1:
        return next(iter(arrays.values()))
    if component is None or component.strip("/") not in arrays:
        found = ", ".join(list(arrays)[:_MOST_LISTED]) or "none"
        wrong = "" if component is None else f"has no array {component}; "
        raise InputError(f"{location}: {wrong}its arrays are {found}; say which is the image with --component NAME")
    return arrays[component.strip("/")]


def _opened(
    location: Location, stamp: Stamp, name: str, drivers: tuple[str, ...], dataset: Any, selection: Selection
) -> OpenedImage:
    dtypes = sorted(set(dataset.dtypes))
    if len(dtypes) > 1:
        raise InputError(f"{location}: bands of {' and '.join(dtypes)}; bands of one type are read")
    dtype = check_dtype(str(location), np.dtype(dtypes[0]))
    shape = dataset.count, dataset.height, dataset.width
    check_not_empty(str(location), shape)
    view = plan_axes(str(location), ("c", "y", "x"), shape, selection)
    stored = dict(zip(view.roles, (1, *dataset.block_shapes[0]), strict=True))
    source = GdalSource(location, stamp, name, drivers, view, dtype, (int(stored["y"]), int(stored["x"])))
    nodata, problem = dataset_nodata(dataset)
    tags = dataset_geo_tags(dataset) if view.roles[1:] == ("y", "x") else ()
    bands = view.bands if view.roles[0] == "c" else ()
    about = {"format": f"{dataset.driver} (GDAL)"}
    if tags:
        about["place on earth"] = crs_name(tags) or ""
        if way := georeference(tags):
            about["georeference"] = way
    if scales := dataset_scales(dataset):
        about["scale and offset"] = f"{scales}; not applied: values are as stored"
    alpha = [n for n, band in enumerate(bands) if dataset.colorinterp[band].name == "alpha"]
    return OpenedImage(
        source=source,
        nodata=nodata,
        nodata_problem=problem,
        alpha=alpha[0] if alpha else None,
        geo_tags=tags,
        band_names=tuple(dataset.descriptions[band] or "" for band in bands),
        about=about,
    )


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return " ".join(str(cause).split())[:200]
