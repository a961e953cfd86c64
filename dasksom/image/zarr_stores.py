"""Zarr stores, on disks and remote: opening their arrays and groups, and noticing chunks that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from dasksom.image.locations import Location, Stamp

ZARR_METADATA = ("zarr.json", ".zarray", ".zgroup")
"""A directory that holds one of these is a Zarr node."""
ALL_METADATA = (*ZARR_METADATA, ".zattrs", ".zmetadata")


def is_zarr(path: Path) -> bool:
    """Return whether a directory is a Zarr array or group."""
    return any((path / name).is_file() for name in ZARR_METADATA)


class MissingChunkError(Exception):
    """A chunk that the store lacks."""


class WholeStore(WrapperStore[Any]):
    """A store of which every chunk must be there: zarr itself takes a lost one for its fill value without a word."""

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """Return what the store holds under a key; MissingChunkError for a chunk that it lacks."""
        found = await self._store.get(key, *args, **kwargs)
        if found is None and not key.endswith(ALL_METADATA):
            raise MissingChunkError(
                f"the chunk {key} is missing: lost, or never written because it holds the fill value alone; "
                "if so, say --fill-missing (in Python fill_missing=True)"
            )
        return found


def store_of(location: Location) -> Any:
    """Return a store as zarr takes it, read only."""
    if not location.remote:
        return LocalStore(location.local, read_only=True)
    return FsspecStore.from_url(location.path, storage_options=location.storage_options(), read_only=True)


def metadata_stamp(node: Location) -> Stamp:
    """Return what names the version of an array's or group's metadata."""
    for name in ZARR_METADATA:
        try:
            return node.below(name).stamp()
        except FileNotFoundError:
            continue
    raise node.refusal("its Zarr metadata is gone")


def open_node(location: Location, component: str) -> Any:
    """Open whatever is there, array or group."""
    named = location.below(component)
    try:
        return zarr.open(store_of(location), path=component, mode="r")
    except FileNotFoundError as error:
        raise named.refusal("no Zarr metadata is found there; check the path") from location.cause(error)
    except Exception as error:
        hint = "; check the URL, and input.storage of the configuration file" if location.remote else ""
        raise named.refusal(f"its Zarr metadata cannot be read: {error}{hint}") from location.cause(error)


def attributes_of(node: zarr.Array[Any] | zarr.Group) -> Mapping[str, Any]:
    """Return a node's attributes; none where the file has something else in their place."""
    told = node.metadata.attributes
    return told if isinstance(told, Mapping) else {}


def open_array(location: Location, component: str) -> zarr.Array[Any]:
    """Open an array, whose codecs are all known then; InputError if there is none that can be read."""
    try:
        return zarr.open_array(store_of(location), path=component, mode="r")
    except Exception as error:  # damaged JSON, unknown codecs, unknown dtypes: each raises its own
        raise location.below(component).refusal(f"cannot be opened as a Zarr array: {error}") from location.cause(error)
