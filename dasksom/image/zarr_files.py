"""Zarr, versions 2 and 3: arrays, sharded or not, and groups that hold one, read as images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.paths import Stamp, stamp_of
from dasksom.image.pixels import check_dtype, check_shape
from dasksom.image.protocols import Region

ZARR_METADATA = ("zarr.json", ".zarray", ".zgroup")
"""A directory that holds one of these is a Zarr node."""


def is_zarr(path: Path) -> bool:
    """Return whether a directory is a Zarr array or group."""
    return any((path / name).is_file() for name in ZARR_METADATA)


@dataclass(frozen=True)
class ZarrSource:
    """One array of a Zarr store, read lazily.

    A region is one call into zarr, which reads and decodes the storage chunks in it side by side on its own threads.
    Storage chunk by storage chunk is slower in a dask worker (measured, blosc-lz4 and zstd).
    """

    path: str
    component: str
    stamp: Stamp
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    storage_chunks: tuple[int, int]

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, component, and stamp of the array's metadata: chunks changed in place go unnoticed."""
        return "zarr", self.path, self.component, self.stamp

    def __getitem__(self, region: Region) -> NDArray[Any]:
        """Read a region; see `Source`."""
        try:
            array = _array(self.path, self.component, self.stamp)
            found = np.asarray(array[region[: array.ndim]])
        except Exception as error:  # zarr, numcodecs and the file system each raise their own
            where = ", ".join(f"{r.start}:{r.stop}" for r in region[:2])
            raise InputError(
                f"{_named(self.path, self.component)}: pixels [{where}] cannot be read: {error}; "
                "the store is damaged or gone"
            ) from error
        if found.ndim == 2:
            found = found[:, :, np.newaxis]
        return np.ascontiguousarray(found, dtype=self.dtype)


def open_zarr(path: Path, component: str | None) -> ZarrSource:
    """Open an array, or the array of a group that is the image; read metadata only.

    Parameters
    ----------
    path : a directory
    component : path of an array inside a group; needed where the group leaves a choice
    """
    if not path.is_dir():
        raise InputError(f"{path}: is not a directory; unpack a zipped Zarr store first")
    if not is_zarr(path):
        raise InputError(
            f"{path}: no Zarr metadata in this directory (none of {', '.join(ZARR_METADATA)}); "
            "give the directory that zarr wrote, or an image file"
        )
    name = _choose(path, component)
    named = _named(str(path), name)
    array = _opened_array(path, name)
    shape = check_shape(named, array.shape, getattr(array.metadata, "dimension_names", None))
    # a shard is read and decoded as a whole, faster than chunk by chunk; so it is what chunks are planned by
    stored = array.shards or array.chunks
    return ZarrSource(
        path=str(path.absolute()),
        component=name,
        stamp=_metadata_stamp(path / name),
        shape=shape,
        dtype=check_dtype(named, array.dtype),
        storage_chunks=(int(stored[0]), int(stored[1])),
    )


@lru_cache(maxsize=16)
def _array(path: str, component: str, stamp: Stamp) -> zarr.Array[Any]:
    """Return an open array, once per process; the stamp keeps an overwritten store from being taken for the old one."""
    return zarr.open_array(path, path=component, mode="r")


def _named(path: str, component: str) -> str:
    return f"{path}/{component}" if component else path


def _metadata_stamp(node: Path) -> Stamp:
    return stamp_of(next(node / name for name in ZARR_METADATA if (node / name).is_file()))


def _opened_array(path: Path, component: str) -> zarr.Array[Any]:
    try:
        return zarr.open_array(path, path=component, mode="r")
    except Exception as error:  # damaged JSON, unknown codecs, unknown dtypes: each raises its own
        raise InputError(f"{_named(str(path), component)}: cannot be opened as a Zarr array: {error}") from error


def _choose(path: Path, component: str | None) -> str:
    """Return the component that is the image; "" where the path itself is an array."""
    try:
        node = zarr.open(path, mode="r")
    except Exception as error:
        raise InputError(f"{path}: its Zarr metadata cannot be read: {error}") from error
    if isinstance(node, zarr.Array):
        if component:
            raise InputError(f"{path}: is an array, not a group; leave component={component!r} (--component) out")
        return ""
    try:
        arrays = {name: array for name, array in node.members(max_depth=None) if isinstance(array, zarr.Array)}
    except Exception as error:
        raise InputError(f"{path}: its members cannot be read: {error}") from error
    if component is not None:
        wanted = component.strip("/")
        if wanted in arrays:
            return wanted
        raise InputError(f"{path}: no array {component!r} in this group; it holds {_described(arrays)}")
    own = [name for name, array in arrays.items() if "/" not in name and _may_be_image(array)]
    if "image" in arrays or len(own) == 1:
        return "image" if "image" in arrays else own[0]
    raise InputError(
        f"{path}: which array is the image? this group holds {_described(arrays)}; "
        "say component='NAME' (on the command line --component NAME)"
    )


def _may_be_image(array: zarr.Array[Any]) -> bool:
    return array.ndim in (2, 3) and array.dtype.kind in "uif"


def _described(arrays: dict[str, zarr.Array[Any]]) -> str:
    described = [f"{name} {array.shape} {array.dtype}" for name, array in sorted(arrays.items())]
    more = [f"and {len(described) - 20} more"] if len(described) > 20 else []
    return "; ".join(described[:20] + more) or "no arrays"
