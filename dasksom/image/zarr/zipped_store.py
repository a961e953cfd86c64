"""Zarr stores in a ZIP file, for reading: ``.zarr.zip``, and ``.ozx`` (OME-NGFF RFC-9).

The Zarr is at the root of the archive, or in its only folder, as `zip -r` of a folder writes it.
"""

from __future__ import annotations

import asyncio
import threading
import zipfile
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from typing import Any

from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest

from dasksom.errors import InputError
from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location
from dasksom.storage.zarr_nodes import ZARR_METADATA

_SUFFIXES = (".zarr.zip", ".ozx")
_OF_MACOS = "__MACOSX/"
"""Folder of attributes that macOS adds to ZIP files."""


def is_zipped(location: Location) -> bool:
    """Return whether a location is a file that is named as a zipped Zarr store."""
    return location.file_name.endswith(_SUFFIXES) and (location.remote or not location.local.is_dir())


class ZipArchive:
    """The files of a Zarr store in a ZIP file; reads of several threads take turns.

    Raises
    ------
    InputError
        If it is not a complete ZIP file, or does not hold a Zarr store.
    """

    def __init__(self, location: Location) -> None:
        try:
            self._file = zipfile.ZipFile(location.open() if location.remote else location.local)
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            raise location.refusal(
                f"is not a ZIP file, or is cut short or damaged ({error}); copy it again, or pack it again: zip -0 -r"
            ) from location.cause(error)
        except OSError as error:
            raise location.refusal(f"cannot be opened: {error}") from location.cause(error)
        self._lock = threading.Lock()
        entries = self._file.infolist()
        files = {one.filename: one for one in entries if not (one.is_dir() or one.filename.startswith(_OF_MACOS))}
        folders = {name.partition("/")[0] for name in files}
        root = next((base for base in ("", *(f"{one}/" for one in folders)) if _has_metadata(base, files)), None)
        if root is None or (root and len(folders) > 1):
            self._file.close()
            raise InputError(
                f"{location}: no Zarr metadata at the root of this ZIP file, or in its only folder (none of "
                f"{', '.join(ZARR_METADATA)}); pack the content of the Zarr folder: cd NAME.zarr; zip -0 -r "
                "../NAME.ozx ."
            )
        self.files = {name.removeprefix(root): info for name, info in files.items()}
        """Entries of the archive by their name in the Zarr store."""

    def read(self, key: str, part: ByteRequest | None) -> bytes | None:
        """Return the content of a file, or a part of it; None if there is no such file."""
        info = self.files.get(key)
        if info is None:
            return None
        with self._lock, self._file.open(info) as file:
            if part is None:
                return file.read()
            if isinstance(part, RangeByteRequest):
                file.seek(part.start)
                return file.read(part.end - part.start)
            start = max(info.file_size - part.suffix, 0) if isinstance(part, SuffixByteRequest) else part.offset
            file.seek(start)
            return file.read()


def _has_metadata(base: str, files: dict[str, Any]) -> bool:
    return any(f"{base}{name}" in files for name in ZARR_METADATA)


@lru_cache(maxsize=4)
def _archive(location: Location, stamp: Stamp) -> ZipArchive:
    """Return an open archive, cached per process; the stamp distinguishes an overwritten file from the old one."""
    return ZipArchive(location)


class ZippedStore(Store):
    """A read-only store of zarr in a ZIP file, on a disk or on a remote store."""

    supports_writes = supports_deletes = False
    supports_listing = True

    def __init__(self, location: Location) -> None:
        super().__init__(read_only=True)
        self._location = location
        try:
            self._archive = _archive(location, location.stamp())
        except OSError as error:
            raise location.refusal(f"cannot be opened: {error}") from location.cause(error)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZippedStore) and self._location == other._location

    def size_of(self, key: str) -> int | None:
        """Return the size of a file in bytes, decompressed; None if there is no such file."""
        info = self._archive.files.get(key)
        return None if info is None else info.file_size

    async def get(self, key: str, prototype: Any, byte_range: ByteRequest | None = None) -> Any:
        """Return the content of a file, or a part of it."""
        content = await asyncio.to_thread(self._archive.read, key, byte_range)
        return None if content is None else prototype.buffer.from_bytes(content)

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """Return parts of files."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether there is a file of that name."""
        return key in self._archive.files

    async def list(self) -> AsyncIterator[str]:
        """List the names of all files."""
        for key in self._archive.files:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the names of all files that begin with a prefix."""
        for key in self._archive.files:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the names of files and folders in a folder."""
        base = f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""
        inside = (key.removeprefix(base) for key in self._archive.files if key.startswith(base))
        for name in dict.fromkeys(key.partition("/")[0] for key in inside):
            yield name

    async def set(self, key: str, value: Any) -> None:
        """Refuse to write."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        self._check_writable()
