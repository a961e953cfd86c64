"""Zarr, versions 2 and 3, and OME-Zarr: arrays, sharded or not, and groups that hold one, read as images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from dasksom.errors import InputError
from dasksom.image.locations import Location, Stamp
from dasksom.image.ome_zarr import Pyramid, ome_attributes, pyramid_of
from dasksom.image.picture import Found
from dasksom.image.pixels import check_dtype, check_not_empty, guess_axes
from dasksom.image.protocols import Region
from dasksom.image.selection import Selection, View, plan_view

ZARR_METADATA = ("zarr.json", ".zarray", ".zgroup")
"""A directory that holds one of these is a Zarr node."""
_MOST_CHUNKS_LOOKED_FOR = 200_000
_ALL_METADATA = (*ZARR_METADATA, ".zattrs", ".zmetadata")


def is_zarr(path: Path) -> bool:
    """Return whether a directory is a Zarr array or group."""
    return any((path / name).is_file() for name in ZARR_METADATA)


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
        try:
            array = _array(self.location, self.component, self.stamp, self.fill_missing)
            index: Any = self.view.index(region)
            plain = not any(isinstance(part, list) for part in index)
            found = np.asarray(array[index] if plain else array.oindex[index])
        except Exception as error:  # zarr, numcodecs and the file system each raise their own
            where = ", ".join(f"{r.start}:{r.stop}" for r in region[:2])
            damaged = "" if isinstance(error, _MissingChunkError) else "; the store is damaged or gone"
            raise self.location.below(self.component).refusal(
                f"pixels [{where}] cannot be read: {error}{damaged}"
            ) from self.location.cause(error)
        return np.ascontiguousarray(self.view.upright(found), dtype=self.dtype)


class _MissingChunkError(Exception):
    """A chunk that the store lacks."""


class _WholeStore(WrapperStore[Any]):
    """A store of which every chunk must be there: zarr itself takes a lost one for its fill value without a word."""

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        found = await self._store.get(key, *args, **kwargs)
        if found is None and not key.endswith(_ALL_METADATA):
            raise _MissingChunkError(
                f"the chunk {key} is missing: lost, or never written because it holds the fill value alone; "
                "if so, say --fill-missing (in Python fill_missing=True)"
            )
        return found


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
    component, pyramid, level = _choose(location, selection)
    array = _opened(location, component)
    named = str(location.below(component))
    check_not_empty(named, array.shape)
    dtype = array.dtype if selection.bools and array.dtype == np.bool_ else check_dtype(named, array.dtype)
    axes = _axes(named, array, pyramid, selection)
    view = plan_view(named, axes, array.shape, selection)
    # chunks of NaN hold no data, so nothing is lost with one that was never written
    fill_missing = selection.fill_missing or (array.fill_value is not None and array.fill_value != array.fill_value)
    if not fill_missing and not location.remote:
        _check_chunks(location.below(component), array, view)
    # a shard is read and decoded as a whole, faster than chunk by chunk; so it is what chunks are planned by
    stored = array.shards or array.chunks
    size, unit = (None, None) if pyramid is None else pyramid.pixel_size(level)
    source = ZarrSource(
        location=location,
        component=component,
        stamp=_metadata_stamp(location.below(component)),
        view=view,
        dtype=dtype,
        storage_chunks=(int(stored[view.roles.index("y")]), int(stored[view.roles.index("x")])),
        fill_missing=fill_missing,
    )
    about = _about(location, array, axes, pyramid, level)
    return Found(source, nodata=_nodata(array.attrs), pixel_size=size, unit=unit, about=about)


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


def _store(location: Location) -> Any:
    if not location.remote:
        return LocalStore(location.local, read_only=True)
    return FsspecStore.from_url(location.path, storage_options=location.storage_options(), read_only=True)


@lru_cache(maxsize=16)
def _array(location: Location, component: str, stamp: Stamp, fill_missing: bool) -> zarr.Array[Any]:
    """Return an open array, once per process; the stamp keeps an overwritten store from being taken for the old one."""
    store = _store(location)
    return zarr.open_array(store if fill_missing else _WholeStore(store), path=component, mode="r")


def _metadata_stamp(node: Location) -> Stamp:
    for name in ZARR_METADATA:
        try:
            return node.below(name).stamp()
        except FileNotFoundError:
            continue
    raise node.refusal("its Zarr metadata is gone")


def _node(location: Location, component: str) -> Any:
    """Open whatever is there, array or group."""
    named = location.below(component)
    try:
        return zarr.open(_store(location), path=component, mode="r")
    except FileNotFoundError as error:
        raise named.refusal("no Zarr metadata is found there; check the path") from location.cause(error)
    except Exception as error:
        hint = "; check the URL, and input.storage of the configuration file" if location.remote else ""
        raise named.refusal(f"its Zarr metadata cannot be read: {error}{hint}") from location.cause(error)


def _opened(location: Location, component: str) -> zarr.Array[Any]:
    try:
        return zarr.open_array(_store(location), path=component, mode="r")
    except Exception as error:  # damaged JSON, unknown codecs, unknown dtypes: each raises its own
        raise location.below(component).refusal(f"cannot be opened as a Zarr array: {error}") from location.cause(error)


def _choose(location: Location, selection: Selection) -> tuple[str, Pyramid | None, int]:
    """Return the component that is the image ("" where the path itself is an array), its pyramid, and the level."""
    node, base = _node(location, ""), ""
    if selection.component is not None:
        if isinstance(node, zarr.Array):
            raise InputError(
                f"{location}: is an array, not a group; leave component={selection.component!r} (--component) out"
            )
        base = selection.component.strip("/")
        node = _member(location, node, base, selection.component)
    if isinstance(node, zarr.Group) and "multiscales" not in ome_attributes(node.attrs):
        base, node = _scene(location, node, base, selection.series)
    elif selection.series is not None:
        raise InputError(f"{location}: holds one image; leave --series {selection.series} out")
    if isinstance(node, zarr.Array):
        return _without_level(location, base, selection)
    pyramid = pyramid_of(str(location.below(base)), node.attrs)
    if pyramid is None:
        return _without_level(location, _only_image(location, node, base), selection)
    level = selection.level or 0
    if not 0 <= level < len(pyramid.levels):
        raise InputError(
            f"{location.below(base)}: --level {level}: its levels are 0 (full resolution) to {len(pyramid.levels) - 1}"
        )
    return f"{base}/{pyramid.levels[level]}".strip("/"), pyramid, level


def _without_level(location: Location, component: str, selection: Selection) -> tuple[str, None, int]:
    if selection.level:
        raise InputError(f"{location.below(component)}: --level {selection.level}: is no pyramid; it has level 0 alone")
    return component, None, 0


def _member(location: Location, group: zarr.Group, base: str, given: str) -> Any:
    try:
        if not base or ".." in base.split("/"):
            raise KeyError(base)
        return group[base]
    except Exception as error:
        raise InputError(
            f"{location}: no array {given!r} in this group; it holds {_described(_arrays(location, group))}"
        ) from location.cause(error)


def _scene(location: Location, group: zarr.Group, base: str, series: int | None) -> tuple[str, Any]:
    """Return one image of a group of several, as bioformats2raw lays them out: "0", "1", ... below the root."""
    if "bioformats2raw.layout" not in ome_attributes(group.attrs):
        if series is not None:
            raise InputError(f"{location}: --series {series}: is no group of several images; name one with --component")
        return base, group
    told = ome_attributes(group["OME"].attrs).get("series") if "OME" in group else None
    numbers = range(len(told)) if told else sorted(int(name) for name in group.group_keys() if name.isdigit())
    if series is None and len(numbers) > 1:
        raise InputError(f"{location}: holds {len(numbers)} images; say which: --series {numbers[0]} to {numbers[-1]}")
    chosen = series if series is not None else numbers[0] if numbers else 0
    if chosen not in numbers:
        raise InputError(f"{location}: --series {chosen}: its images are {', '.join(map(str, numbers)) or 'none'}")
    scene = f"{base}/{chosen}".strip("/")
    return scene, _node(location, scene)


def _arrays(location: Location, group: zarr.Group) -> dict[str, zarr.Array[Any]]:
    try:
        return {name: node for name, node in group.members(max_depth=None) if isinstance(node, zarr.Array)}
    except Exception as error:
        raise location.refusal(
            f"its members cannot be read: {error}; name the array with --component"
        ) from location.cause(error)


def _only_image(location: Location, group: zarr.Group, base: str) -> str:
    arrays = _arrays(location, group)
    own = [name for name, array in arrays.items() if "/" not in name and _may_be_image(array)]
    if "image" in arrays or len(own) == 1:
        return f"{base}/{'image' if 'image' in arrays else own[0]}".strip("/")
    raise InputError(
        f"{location.below(base)}: which array is the image? this group holds {_described(arrays)}; "
        "say component='NAME' (on the command line --component NAME)"
    )


def _may_be_image(array: zarr.Array[Any]) -> bool:
    return array.ndim >= 2 and array.dtype.kind in "uif"


def _described(arrays: dict[str, zarr.Array[Any]]) -> str:
    described = [f"{name} {array.shape} {array.dtype}" for name, array in sorted(arrays.items())]
    more = [f"and {len(described) - 20} more"] if len(described) > 20 else []
    return "; ".join(described[:20] + more) or "no arrays"


def _axes(named: str, array: zarr.Array[Any], pyramid: Pyramid | None, selection: Selection) -> tuple[str, ...]:
    """Return the names of an array's axes, from where they are told: OME, Zarr 3, xarray; or else a guess."""
    if pyramid is not None:
        if len(pyramid.axes) != array.ndim:
            raise InputError(
                f"{named}: has {array.ndim} axes, shape {array.shape}, but its OME-Zarr metadata names "
                f"{''.join(pyramid.axes)}; the metadata is damaged: name the array with --component from the root"
            )
        return pyramid.axes
    told = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
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
