"""Open Zarr arrays and groups, local or remote, through stores that check metadata and detect missing chunks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from stat import S_ISREG
from typing import Any

import zarr
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from dasksom.errors import InputError
from dasksom.image.zarr.chunk_limits import Declared, check_file
from dasksom.image.zarr.metadata_limits import MOST_METADATA_BYTES, check_image, check_safe, parse
from dasksom.image.zarr.zipped_store import ZippedStore, is_zipped
from dasksom.storage.locations import Location
from dasksom.storage.zarr_nodes import ALL_METADATA


class MissingChunkError(Exception):
    """A chunk is missing in the store."""


class GuardedStore(WrapperStore[Any]):
    """A store from an untrusted source: metadata and chunks are checked before zarr sees them.

    Parameters
    ----------
    store : zarr store
    location : of the store
    component : path of the image's array; None: check every array as an image
    """

    def __init__(self, store: Any, location: Location, component: str | None) -> None:
        super().__init__(store)
        self._location, self._component = location, component
        self._declared: Declared | None = None

    def _with_store(self, store: Any) -> GuardedStore:
        return GuardedStore(store, self._location, self._component)

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """Return the content of a key; raise InputError if it is not safe to decode."""
        if key.rpartition("/")[2] in ALL_METADATA:
            return await self._metadata(key, *args, **kwargs)
        if self._declared is not None:
            check_file(f"{self._location}/{key}", self._declared, self.size_of(key) or 0)
        found = await self._store.get(key, *args, **kwargs)
        if found is not None and self._declared is not None:
            check_file(f"{self._location}/{key}", self._declared, len(found), found[:18].to_bytes())
        return found

    async def _metadata(self, key: str, *args: Any, **kwargs: Any) -> Any:
        node, _, name = key.rpartition("/")
        if (size := self.size_of(key) or 0) > MOST_METADATA_BYTES:
            raise InputError(
                f"{self._location}/{key}: {size} bytes of metadata; at most {MOST_METADATA_BYTES} are read"
            )
        found = await self._store.get(key, *args, **kwargs)
        if found is None:
            return None
        metadata = parse(f"{self._location}/{key}", found.to_bytes())
        check_safe(f"{self._location}/{key}", metadata)
        is_array = name == ".zarray" or (name == "zarr.json" and _is_array(metadata))
        if is_array and self._component in (None, node):
            declared = check_image(str(self._location.below(node)), metadata)
            self._declared = declared if self._component is not None else None
        return found

    def size_of(self, key: str) -> int | None:
        """Return the size of a file in bytes before it is read; None if there is no such file, or it is unknown."""
        if isinstance(self._store, ZippedStore):
            return self._store.size_of(key)
        try:
            state = None if self._location.remote else os.stat(f"{self._location.path}/{key}")
        except OSError:
            return None
        return state.st_size if state is not None and S_ISREG(state.st_mode) else None


def _is_array(metadata: Any) -> bool:
    return not isinstance(metadata, Mapping) or metadata.get("node_type") != "group"


class WholeStore(WrapperStore[Any]):
    """A store in which every chunk has to exist: zarr itself reads missing chunks as the fill value, silently."""

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        """Return the content of a key; raise MissingChunkError if it is a missing chunk."""
        found = await self._store.get(key, *args, **kwargs)
        if found is None and not key.endswith(ALL_METADATA):
            raise MissingChunkError(
                f"the chunk {key} is missing: lost, or never written because it holds only the fill value; "
                "if so, say --fill-missing (in Python fill_missing=True)"
            )
        return found


def store_of(location: Location, component: str | None) -> GuardedStore:
    """Return a read-only zarr store; `component` is the path of the image's array, None: check every array as one."""
    if is_zipped(location):
        store: Any = ZippedStore(location)
    elif not location.remote:
        store = LocalStore(location.local, read_only=True)
    else:
        store = FsspecStore.from_url(location.path, storage_options=location.storage_options(), read_only=True)
    return GuardedStore(store, location, component)


def open_node(location: Location, component: str) -> Any:
    """Open the array or group at a path."""
    named = location.below(component)
    if not location.remote and all((named.local / name).is_file() for name in ("zarr.json", ".zarray")):
        raise InputError(f"{named}: holds metadata of Zarr 2 and of Zarr 3 (.zarray, zarr.json); delete one of them")
    try:
        return zarr.open(store_of(location, component), path=component, mode="r")
    except InputError:
        raise
    except FileNotFoundError as error:
        raise named.refusal("no Zarr metadata is found there; check the path") from location.cause(error)
    except Exception as error:
        hint = "; check the URL, and input.storage of the configuration file" if location.remote else ""
        raise named.refusal(f"its Zarr metadata cannot be read: {error}{hint}") from location.cause(error)


def attributes_of(node: zarr.Array[Any] | zarr.Group) -> Mapping[str, Any]:
    """Return a node's attributes; empty if they are not a mapping."""
    metadata = node.metadata.attributes
    return metadata if isinstance(metadata, Mapping) else {}


def open_array(location: Location, component: str) -> zarr.Array[Any]:
    """Open an array and check that its codecs are known; raise InputError if it cannot be read."""
    try:
        return zarr.open_array(store_of(location, component), path=component, mode="r")
    except InputError:
        raise
    except Exception as error:  # damaged JSON, unknown codecs and unknown dtypes each raise their own errors
        raise location.below(component).refusal(f"cannot be opened as a Zarr array: {error}") from location.cause(error)
