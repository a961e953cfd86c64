"""SHA-256 checksums of outputs: computed while writing, stored with the output, compared by `dasksom verify`.

A Zarr has a manifest with one line per other file; run ``sha256sum -c palette/SHA256SUMS`` at its root to check it.
Single-file formats embed their checksum (`dasksom.storage.embedded_checksums`); PNG has its own checksums.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

import zarr
from zarr.storage import LocalStore, WrapperStore

from dasksom.storage.own_files import replace_file, write_file
from dasksom.storage.zarr_nodes import ALL_METADATA

MANIFEST = "palette/SHA256SUMS"
"""Key of the manifest in a Zarr. It is inside an array, because zarr warns about unknown files in a group."""
FileSums = tuple[tuple[str, str], ...]
"""Names of files, relative to the output, and their SHA-256 in hexadecimal."""

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
            await asyncio.to_thread(replace_file, path, bytes(content))
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
    keys = [f"{array.path}/{array.metadata.encode_chunk_key(at)}" for at in product(*along)]
    return tuple((key, store.sum_of(key)) for key in keys)


# ----------------------------------------------------------------------------------------------------------- manifests


class Manifest:
    """The checksums of an output, collected by the driver in a temporary file: there may be millions."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, stored: FileSums) -> None:
        """Add the checksums of some files."""
        for name, digest in stored:
            self._file.write(f"{digest}  {name}\n".encode())

    def content(self) -> bytes:
        """Return the content of the manifest."""
        return b"".join(self._lines())

    def _lines(self) -> Iterator[bytes]:
        self._file.seek(0)
        yield from self._file
        self._file.seek(0, os.SEEK_END)


def read_manifest(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the names and checksums in a manifest; ValueError for an invalid line."""
    for line in lines:
        digest, separator, name = line.decode().rstrip("\n").partition("  ")
        if not (separator and name and len(digest) == 64 and line.endswith(b"\n")):
            raise ValueError(f"a line is not a sum and a name: {line[:80]!r}")
        yield name, digest


def files_are_whole(folder: Path, stored: FileSums) -> bool:
    """Return whether all these files exist in a folder and match their checksums."""
    return all((folder / name).is_file() and sum_of_file(folder / name) == digest for name, digest in stored)


def sum_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
