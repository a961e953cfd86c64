"""Zarr, versions 2 and 3, and OME-Zarr: arrays, sharded or not, and groups that hold one, read as images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.locations import Location, Stamp
from dasksom.image.ome_zarr import Pyramid
from dasksom.image.picture import Found
from dasksom.image.pixels import check_dtype, check_not_empty, guess_axes
from dasksom.image.protocols import Region
from dasksom.image.selection import Selection, View, plan_view
from dasksom.image.zarr_choice import choose_array
from dasksom.image.zarr_stores import (
    ZARR_METADATA,
    MissingChunkError,
    WholeStore,
    attributes_of,
    is_zarr,
    metadata_stamp,
    open_array,
    store_of,
)
from dasksom.patience import GaveUpError, patiently

_MOST_CHUNKS_LOOKED_FOR = 200_000


@dataclass(frozen=True)
class ZarrSource:
    """One array of a Zarr store, read lazily.

    A region is one call into zarr, which reads and decodes the storage chunks in it side by side on its own threads.
    Storage chunk by storage chunk is slower in a dask worker (measured, blosc-lz4 and zstd).
    """

    location: Location
    component: str
    stamp: Stamp
    view: View
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]
    fill_missing: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, bands."""
        return self.view.shape

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def identity(self) -> tuple[Any, ...]:
        """Where, what of it, and stamp of the array's metadata: chunks changed in place go unnoticed."""
        return "zarr", self.location.name, self.component, self.stamp, self.view.roles, self.view.bands

    def __getitem__(self, region: Region) -> NDArray[Any]:
        """Read a region; see `Source`."""
        index: Any = self.view.index(region)
        plain = not any(isinstance(part, list) for part in index)

        def read() -> NDArray[Any]:
            array = _array(self.location, self.component, self.stamp, self.fill_missing)
            return np.asarray(array[index] if plain else array.oindex[index])

        try:
            found = patiently(read)
        except Exception as error:  # zarr, numcodecs and the file system each raise their own
            where = ", ".join(f"{r.start}:{r.stop}" for r in region[:2])
            damaged = "" if isinstance(error, (MissingChunkError, GaveUpError)) else "; the store is damaged or gone"
            raise self.location.below(self.component).refusal(
                f"pixels [{where}] cannot be read: {error}{damaged}"
            ) from self.location.cause(error)
        return np.ascontiguousarray(self.view.upright(found), dtype=self.dtype)


def open_zarr(location: Location, selection: Selection) -> Found:
    """Open an array, the array of a group that is the image, or a level of an OME-Zarr image; read metadata only."""
    if not location.remote:
        if not location.local.is_dir():
            raise InputError(f"{location}: is not a directory; unpack a zipped Zarr store first")
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
    view = plan_view(named, axes, array.shape, selection)
    # chunks of NaN hold no data, so nothing is lost with one that was never written
    fill_missing = selection.fill_missing or (array.fill_value is not None and array.fill_value != array.fill_value)
    if min(array.shards or array.chunks) < 1:
        raise InputError(f"{named}: has chunks of {array.shards or array.chunks}; its metadata is damaged")
    if not fill_missing and not location.remote:
        _check_chunks(location.below(component), array, view)
    # a shard is read and decoded as a whole, faster than chunk by chunk; so it is what chunks are planned by
    stored = array.shards or array.chunks
    size, unit = (None, None) if pyramid is None else pyramid.pixel_size(level)
    source = ZarrSource(
        location=location,
        component=component,
        stamp=metadata_stamp(location.below(component)),
        view=view,
        dtype=dtype,
        storage_chunks=(int(stored[view.roles.index("y")]), int(stored[view.roles.index("x")])),
        fill_missing=fill_missing,
    )
    about = _about(location, array, axes, pyramid, level)
    return Found(source, nodata=_nodata(attributes_of(array)), pixel_size=size, unit=unit, about=about)


def _check_chunks(location: Location, array: zarr.Array[Any], view: View) -> None:
    """Refuse an array on a disk that lacks chunks; of arrays of very many chunks only reading tells."""
    stored = array.shards or array.chunks
    places = {"y": range(view.shape[0]), "x": range(view.shape[1]), "c": view.bands}
    along = [
        sorted({place // length for place in (places[role] if isinstance(role, str) else (role,))})
        for role, length in zip(view.roles, stored, strict=True)
    ]
    count = prod(len(part) for part in along)
    if count > _MOST_CHUNKS_LOOKED_FOR:
        return
    keys = (array.metadata.encode_chunk_key(at) for at in product(*along))
    missing = [key for key in keys if not (location.local / key).is_file()]
    if missing:
        raise location.refusal(
            f"{len(missing)} of its {count} chunks {'is' if len(missing) == 1 else 'are'} missing, the first one "
            f"{missing[0]}: lost, or never written because they hold the fill value ({array.fill_value}) alone; if so, "
            "say --fill-missing (in Python fill_missing=True)"
        )


@lru_cache(maxsize=16)
def _array(location: Location, component: str, stamp: Stamp, fill_missing: bool) -> zarr.Array[Any]:
    """Return an open array, once per process; the stamp keeps an overwritten store from being taken for the old one."""
    store = store_of(location)
    return zarr.open_array(store if fill_missing else WholeStore(store), path=component, mode="r")


def _axes(named: str, array: zarr.Array[Any], pyramid: Pyramid | None, selection: Selection) -> tuple[str, ...]:
    """Return the names of an array's axes, from where they are told: OME, Zarr 3, xarray; or else a guess."""
    if pyramid is not None:
        if len(pyramid.axes) != array.ndim:
            raise InputError(
                f"{named}: has {array.ndim} axes, shape {array.shape}, but its OME-Zarr metadata names "
                f"{''.join(pyramid.axes)}; the metadata is damaged: name the array with --component from the root"
            )
        return pyramid.axes
    told = getattr(array.metadata, "dimension_names", None) or attributes_of(array).get("_ARRAY_DIMENSIONS") or ()
    if isinstance(told, (list, tuple)) and len(told) == array.ndim and all(isinstance(name, str) for name in told):
        return tuple(told)
    return ("?",) * array.ndim if selection.axes is not None else guess_axes(named, array.shape)


def _nodata(attributes: Mapping[str, Any]) -> float | None:
    """Return what xarray and others note as the value of missing pixels."""
    for name in ("_FillValue", "missing_value", "nodata"):
        told = attributes.get(name)
        if isinstance(told, (int, float)) and not isinstance(told, bool):
            return told
    return None


def _about(
    location: Location, array: zarr.Array[Any], axes: tuple[str, ...], pyramid: Pyramid | None, level: int
) -> dict[str, str]:
    kind = f"Zarr {array.metadata.zarr_format}" if pyramid is None else f"OME-Zarr {pyramid.version}"
    told = {"format": kind}
    if axes != ("?",) * array.ndim:
        told["axes"] = ", ".join(f"{axis} {length}" for axis, length in zip(axes, array.shape, strict=True))
    if pyramid is not None:
        told["level"] = f"{level} of 0 to {len(pyramid.levels) - 1}"
    return told
