"""Stores of zarr for outputs: files of our own, and the checksums of what is written."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import product
from math import ceil
from typing import Any

import zarr
from zarr.storage import LocalStore, WrapperStore

from dasksom.storage.checksum_manifests import FileSums
from dasksom.storage.own_files import replace_file, write_file
from dasksom.storage.zarr_nodes import ALL_METADATA, is_zarr_metadata

_REMEMBERED = 1 << 16


class OwnStore(LocalStore):
    """A Zarr that dasksom writes to disk: metadata is replaced, chunks are created once, links are not followed."""

    def __init__(self, root: str, resumed: bool = False) -> None:
        super().__init__(root)
        self._resumed = resumed

    async def set(self, key: str, value: Any) -> None:
        """Write under a key."""
        path, content = self.root / key, value.as_buffer_like()
        if key.rpartition("/")[2] in ALL_METADATA:
            await asyncio.to_thread(replace_file, path, bytes(content), is_ours=is_zarr_metadata)
        else:
            await asyncio.to_thread(write_file, path, [content], self._resumed)


class SummingStore(WrapperStore[Any]):
    """A store that remembers the checksum of the last value written under each key."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self._sums: dict[str, str] = {}

    def _with_store(self, store: Any) -> SummingStore:
        return SummingStore(store)

    async def set(self, key: str, value: Any) -> None:
        """Write under a key."""
        await self._store.set(key, value)
        digest = hashlib.sha256()
        await asyncio.to_thread(digest.update, value.as_buffer_like())
        self._sums[key] = digest.hexdigest()
        while len(self._sums) > _REMEMBERED:
            self._sums.pop(next(iter(self._sums)), None)

    async def _set_many(self, values: Any) -> None:
        for key, value in values:
            await self.set(key, value)

    def sum_of(self, key: str) -> str:
        """Return the checksum of the value last written under a key."""
        return self._sums[key]


def written_chunks(array: zarr.Array[Any], region: tuple[slice, ...]) -> FileSums:
    """Return names and checksums of the chunk files of a region that was just written."""
    stored = array.shards or array.chunks
    along = [range(part.start // length, ceil(part.stop / length)) for part, length in zip(region, stored, strict=True)]
    store: Any = array.store
    keys = [f"{array.path}/{array.metadata.encode_chunk_key(at)}".lstrip("/") for at in product(*along)]
    return tuple((key, store.sum_of(key)) for key in keys)
