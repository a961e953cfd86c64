"""SHA-256 of what outputs consist of: taken as it is written, kept beside it, compared later.

A Zarr has a file ``SHA256SUMS`` at its root, as ``sha256sum -c`` takes it, with a line for every other file. A format
of one file holds the sum inside: `MARK`, and the sum of the whole file with zeros in its own place. PNG has checksums
of its own.
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
from zarr.storage import WrapperStore

MANIFEST = "SHA256SUMS"
"""Name of the file of sums in a Zarr."""
MARK = b"dasksom-sha256:"
"""Stands before a file's own sum."""
UNSEALED = MARK.decode() + 64 * "0"
"""What a file says of its sum before there is one."""
Stored = tuple[tuple[str, str], ...]
"""Names of files, relative to the output, and their SHA-256 in hexadecimal."""

_REMEMBERED = 1 << 16
_HEAD_BYTES = 4 << 20
_BLOCK_BYTES = 4 << 20


class SummingStore(WrapperStore[Any]):
    """A store that remembers the sums of what was written last."""

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
        """Return the sum of what was just written under a key."""
        return self._sums[key]


def written_chunks(array: zarr.Array[Any], region: tuple[slice, ...]) -> Stored:
    """Return names and sums of the files of an array that a region was just written to."""
    stored = array.shards or array.chunks
    along = [range(part.start // length, ceil(part.stop / length)) for part, length in zip(region, stored, strict=True)]
    store: Any = array.store
    keys = [f"{array.path}/{array.metadata.encode_chunk_key(at)}" for at in product(*along)]
    return tuple((key, store.sum_of(key)) for key in keys)


# ------------------------------------------------------------------------------------------------------- files of sums


class Sums:
    """The sums of an output, gathered on the driver; on a disk, for there may be millions."""

    def __init__(self) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()

    def add(self, stored: Stored) -> None:
        """Note the sums of some files."""
        for name, digest in stored:
            self._file.write(f"{digest}  {name}\n".encode())

    def names(self) -> set[str]:
        """Return the names of all files noted."""
        return {name for name, _ in read_manifest(self._lines())}

    def content(self) -> bytes:
        """Return a file of sums."""
        return b"".join(self._lines())

    def _lines(self) -> Iterator[bytes]:
        self._file.seek(0)
        yield from self._file
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Delete what was gathered."""
        self._file.close()


def read_manifest(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the names and sums of a file of sums; ValueError for a line that is none of it."""
    for line in lines:
        digest, separator, name = line.decode().rstrip("\n").partition("  ")
        if not (separator and name and len(digest) == 64):
            raise ValueError(f"a line is not a sum and a name: {line[:80]!r}")
        yield name, digest


def sum_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------------ sums inside one file


def seal(path: Path) -> None:
    """Put a file's sum into it, at the place that `UNSEALED` holds."""
    with path.open("r+b") as file:
        place = _place_of_sum(file)
        if place is None:
            raise ValueError(f"internal error: {path} has no place for its checksum")
        digest = _sum_without(file, place)
        file.seek(place)
        file.write(digest.encode())


def sealed_sum(path: Path) -> tuple[str, str] | None:
    """Return the sum that a file holds, and the one that it has; None if it holds none."""
    with path.open("rb") as file:
        place = _place_of_sum(file)
        if place is None:
            return None
        file.seek(place)
        told = file.read(64).decode("ascii", "replace")
        return told, _sum_without(file, place)


def _place_of_sum(file: BinaryIO) -> int | None:
    """Look where sums are put: in headers, and at the end."""
    length = file.seek(0, os.SEEK_END)
    for start in (0, max(0, length - _HEAD_BYTES)):
        file.seek(start)
        at = file.read(_HEAD_BYTES).find(MARK)
        if at >= 0 and start + at + len(MARK) + 64 <= length:
            return start + at + len(MARK)
    return None


def _sum_without(file: BinaryIO, place: int) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    left = place
    while left:
        block = file.read(min(left, _BLOCK_BYTES))
        digest.update(block)
        left -= len(block)
    digest.update(64 * b"0")
    file.seek(place + 64)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()
