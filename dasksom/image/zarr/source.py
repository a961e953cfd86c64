"""Read Zarr 2, Zarr 3 and OME-Zarr: arrays, with or without shards, and groups that hold an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, product
from math import ceil, prod
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.metadata.cf_attributes import nodata_of_attributes, scale_of_attributes
from dasksom.image.sources.chunk_planning import MAX_CHUNKS
from dasksom.image.sources.dtypes_and_axes import check_dtype, check_not_empty, guess_axes
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import PixelWindow, cuts, shown_window
from dasksom.image.sources.selection import AxisLayout, Selection, plan_axes
from dasksom.image.zarr.guarded_store import MissingChunkError, WholeStore, attributes_of, open_array, store_of
from dasksom.image.zarr.ome_metadata import Multiscale
from dasksom.image.zarr.select_array import choose_array
from dasksom.image.zarr.zipped_store import is_zipped
from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location, Member
from dasksom.storage.retries import RetriesExhaustedError, retry
from dasksom.storage.zarr_nodes import ALL_METADATA, ZARR_METADATA, is_zarr, metadata_stamp

_MOST_CHUNKS_LOOKED_FOR = 200_000
_MOST_ASKED_FOR = 64
"""Limit for stores without listings, where each chunk takes a request."""
_MOST_RATIO = 10_000
"""Largest ratio of decoded to stored bytes, checked for images of more than `_SMALL_BYTES` decoded bytes."""
_SMALL_BYTES = 4 << 30


@dataclass(frozen=True)
class ZarrSource(NumpyIndexing):
    """One array of a Zarr store, read lazily.

    A window is one call to zarr, which reads and decodes its storage chunks in parallel on its own threads. Calls for
    single storage chunks are slower in a dask worker (measured with blosc-lz4 and zstd).
    """

    location: Location
    component: str
    stamp: Stamp
    view: AxisLayout
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]
    fill_missing: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""
        return self.view.shape

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, selection, and stamp of the array's metadata; does not change if chunks are modified in place."""
        return "zarr", self.location.name, self.component, self.stamp, self.view.roles, self.view.bands

    def members(self) -> Iterator[Member]:
        """Yield the array's metadata, and the chunks or shards that are read."""
        if is_zipped(self.location):
            yield self.location.member()
            return
        array = _array(self.location, self.component, self.stamp, self.fill_missing)
        node = self.location.below(self.component)
        yield from node.members(ALL_METADATA)
        most = _MOST_ASKED_FOR if node.lists_nothing else _MOST_CHUNKS_LOOKED_FOR
        yield from node.members(map(array.metadata.encode_chunk_key, _some(_chunks_along(array, self.view), most)))

    def of_bands(self, picks: tuple[int, ...]) -> ZarrSource:
        """Return a source of some bands, in this order."""
        return replace(self, view=self.view.of_bands(picks))

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        try:
            found = retry(lambda: self._read(window))
        except (InputError, MemoryError):
            raise
        except Exception as error:  # zarr, numcodecs and the file system each raise their own errors
            found_at = None if isinstance(error, RetriesExhaustedError) else self._first_unread(window)
            where, cause = found_at or (shown_window(window), error)
            damaged = (
                ""
                if isinstance(cause, (MissingChunkError, RetriesExhaustedError))
                else "; the store is damaged or gone"
            )
            raise self.location.below(self.component).refusal(
                f"{where} cannot be read: {cause}{damaged}"
            ) from self.location.cause(error)
        return np.ascontiguousarray(self.view.upright(found), dtype=self.dtype)

    def _read(self, window: PixelWindow) -> NDArray[Any]:
        array = _array(self.location, self.component, self.stamp, self.fill_missing)
        index: Any = self.view.index(window)
        plain = not any(isinstance(part, list) for part in index)
        return np.asarray(array[index] if plain else array.oindex[index])

    def _first_unread(self, window: PixelWindow) -> tuple[str, Exception] | None:
        """Name the first unreadable chunk of a window, by reading one after another; None if there is none."""
        array = _array(self.location, self.component, self.stamp, self.fill_missing)
        files = array.shards or array.chunks
        rows, columns, bands = (range(n)[part] for n, part in zip(self.shape, window, strict=True))
        sides = [array.chunks[self.view.roles.index(role)] for role in "yx"]
        across = array.chunks[self.view.roles.index("c")] if "c" in self.view.roles else 1
        groups = [list(group) for _, group in groupby(bands, lambda band: self.view.bands[band] // across)]
        for top, left, group in product(cuts(rows, sides[0]), cuts(columns, sides[1]), groups):
            piece = top, left, slice(group[0], group[-1] + 1)
            try:
                self._read(piece)
            except MemoryError:
                raise
            except Exception as error:
                first = {"y": top.start, "x": left.start, "c": self.view.bands[group[0]]}
                at = [first[role] if isinstance(role, str) else role for role in self.view.roles]
                key = array.metadata.encode_chunk_key(tuple(i // n for i, n in zip(at, files, strict=True)))
                return f"the {'shard' if array.shards else 'chunk'} {key}, {shown_window(piece)},", error
        return None


def open_zarr(location: Location, selection: Selection) -> OpenedImage:
    """Open an array, the image's array in a group, or a level of an OME-Zarr image; read only metadata."""
    if not (location.remote or is_zipped(location)):
        if not location.local.is_dir():
            raise InputError(
                f"{location}: is not a directory; a zipped Zarr store is read if its name ends in .zarr.zip"
            )
        if not is_zarr(location.local):
            raise InputError(
                f"{location}: no Zarr metadata in this directory (none of {', '.join(ZARR_METADATA)}); "
                "give the directory that zarr wrote, or an image file"
            )
    component, pyramid, level = choose_array(location, selection)
    array = open_array(location, component)
    named = str(location.below(component))
    check_not_empty(named, array.shape)
    dtype = array.dtype if selection.bools and array.dtype == np.bool_ else check_dtype(named, array.dtype)
    axes = _axes(named, array, pyramid, selection)
    view = plan_axes(named, axes, array.shape, selection)
    # NaN holds no data, so with a fill value of NaN, a missing chunk is no loss
    fill_missing = selection.fill_missing or (array.fill_value is not None and array.fill_value != array.fill_value)
    _check_count(named, array.shards or array.chunks, view)
    if not (fill_missing or selection.lenient or location.remote):
        _check_chunks(named, array, view)
    # zarr reads complete shards faster than their chunks one by one, so chunks are planned by shards
    stored = array.shards or array.chunks
    size, unit = (None, None) if pyramid is None else pyramid.pixel_size(level)
    source = ZarrSource(
        location=location,
        component=component,
        stamp=location.stamp() if is_zipped(location) else metadata_stamp(location.below(component)),
        view=view,
        dtype=dtype,
        storage_chunks=(int(stored[view.roles.index("y")]), int(stored[view.roles.index("x")])),
        fill_missing=fill_missing,
    )
    about = _about(location, array, axes, pyramid, level)
    attributes = attributes_of(array)
    nodata, problem = nodata_of_attributes(attributes, array.fill_value, array.metadata.zarr_format)
    if scale := scale_of_attributes(attributes):
        about["scale and offset"] = f"{scale}; not applied: values are as stored"
    return OpenedImage(
        source=source,
        nodata=nodata,
        nodata_problem=problem,
        pixel_size=size,
        unit=unit,
        band_names=_band_names(attributes, pyramid, view),
        about=about,
    )


def _band_names(attributes: Mapping[str, Any], pyramid: Multiscale | None, view: AxisLayout) -> tuple[str, ...]:
    """Return the labels of OME's channels, or the names that rioxarray and dasksom store as `long_name`."""
    listed = attributes.get("long_name")
    names = pyramid.channels if pyramid is not None else listed if isinstance(listed, list) else ()
    return tuple(str(names[band]) if band < len(names) else "" for band in view.bands)


def _check_count(named: str, stored: Sequence[int], view: AxisLayout) -> None:
    """Refuse an image with too many chunks to list in a worker's memory."""
    count = prod(len(_touched(role, length, view)) for role, length in zip(view.roles, stored, strict=True))
    if count > MAX_CHUNKS:
        raise InputError(
            f"{named}: {count} chunks of {tuple(stored)} hold the image, more than {MAX_CHUNKS}; store it again in "
            "larger chunks, or in shards of many, or take a coarser level of a pyramid (--level)"
        )


def _check_chunks(named: str, array: zarr.Array[Any], view: AxisLayout) -> None:
    """Refuse a local array with missing chunks; above a limit of chunks, they are detected only when they are read."""
    along = _chunks_along(array, view)
    count = prod(len(part) for part in along)
    if count > _MOST_CHUNKS_LOOKED_FOR:
        return
    store: Any = array.store
    missing, total = [], 0
    for key in (array.metadata.encode_chunk_key(at) for at in product(*along)):
        size = store.size_of(f"{array.path}/{key}".lstrip("/"))
        total += size or 0
        if size is None:
            missing.append(key)
    if missing:
        raise InputError(
            f"{named}: {len(missing)} of its {count} chunks {'is' if len(missing) == 1 else 'are'} missing, the first "
            f"one {missing[0]}: lost, or never written because they hold only the fill value ({array.fill_value}); if "
            "so, say --fill-missing (in Python fill_missing=True)"
        )
    decoded = count * prod(array.shards or array.chunks) * array.dtype.itemsize
    if decoded > _SMALL_BYTES and decoded > _MOST_RATIO * total:
        raise InputError(
            f"{named}: its {count} chunks have {total} bytes, and would be {decoded / 2**30:.1f} GiB decoded, "
            f"{_MOST_RATIO} times as much or more: no image is like that; if yours is, say --fill-missing, and none is "
            "looked at"
        )


def _touched(role: str | int, length: int, view: AxisLayout) -> Sequence[int]:
    """Return the numbers of the storage chunks along an axis that hold pixels of the image."""
    if isinstance(role, int):
        return (role // length,)
    if role == "c":
        return sorted({band // length for band in view.bands})
    return range(ceil(view.shape["yx".index(role)] / length))


def _chunks_along(array: zarr.Array[Any], view: AxisLayout) -> list[Sequence[int]]:
    """Return the numbers of the chunks, or shards, that hold the image along each stored axis."""
    stored = array.shards or array.chunks
    return [_touched(role, length, view) for role, length in zip(view.roles, stored, strict=True)]


def _some(along: Sequence[Sequence[int]], most: int) -> Iterator[tuple[int, ...]]:
    """Yield the positions of chunks; if there are more than `most`, a seeded, reproducible sample of up to `most`."""
    sides = tuple(map(len, along))
    if prod(sides) <= most:
        yield from product(*along)
        return
    chosen = np.unique(np.random.default_rng(0).integers(prod(sides), size=most))
    for place in zip(*np.unravel_index(chosen, sides), strict=True):
        yield tuple(part[int(number)] for part, number in zip(along, place, strict=True))


@lru_cache(maxsize=16)
def _array(location: Location, component: str, stamp: Stamp, fill_missing: bool) -> zarr.Array[Any]:
    """Return an open array, cached per process; the stamp distinguishes an overwritten store from the old one."""
    store = store_of(location, component)
    return zarr.open_array(store if fill_missing else WholeStore(store), path=component, mode="r")


def _axes(named: str, array: zarr.Array[Any], pyramid: Multiscale | None, selection: Selection) -> tuple[str, ...]:
    """Return the names of an array's axes from OME, Zarr 3 or xarray metadata, or else a guess."""
    if pyramid is not None:
        if len(pyramid.axes) != array.ndim:
            raise InputError(
                f"{named}: has {array.ndim} axes, shape {array.shape}, but its OME-Zarr metadata names "
                f"{''.join(pyramid.axes)}; the metadata is damaged: name the array with --component from the root"
            )
        return pyramid.axes
    names = getattr(array.metadata, "dimension_names", None) or attributes_of(array).get("_ARRAY_DIMENSIONS") or ()
    if isinstance(names, (list, tuple)) and len(names) == array.ndim and all(isinstance(name, str) for name in names):
        return tuple(names)
    return ("?",) * array.ndim if selection.axes is not None else guess_axes(named, array.shape)


def _about(
    location: Location, array: zarr.Array[Any], axes: tuple[str, ...], pyramid: Multiscale | None, level: int
) -> dict[str, str]:
    kind = f"Zarr {array.metadata.zarr_format}" if pyramid is None else f"OME-Zarr {pyramid.version}"
    declared = {"format": kind}
    if axes != ("?",) * array.ndim:
        declared["axes"] = ", ".join(f"{axis} {length}" for axis, length in zip(axes, array.shape, strict=True))
    if pyramid is not None:
        declared["level"] = f"{level} of 0 to {len(pyramid.levels) - 1}"
    return declared
