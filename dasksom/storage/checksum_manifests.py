"""SHA-256 checksums of outputs: computed while writing, stored with the output, compared by `dasksom verify`.

A Zarr has a manifest with one line per other file; run ``sha256sum -c palette/SHA256SUMS`` at its root to check it.
Single-file formats embed their checksum (`dasksom.storage.embedded_checksums`); PNG has its own checksums.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from dasksom.storage.zarr_nodes import ALL_METADATA, is_zarr_metadata

MANIFEST = "palette/SHA256SUMS"
"""Key of the manifest in a Zarr. It is inside an array, because zarr warns about unknown files in a group."""
FileSums = tuple[tuple[str, str], ...]
"""Names of files, relative to the output, and their SHA-256 in hexadecimal."""


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


def has_content_of_zarr(key: str, content: bytes) -> bool:
    """Return whether a file of a Zarr is metadata, a map or a manifest; chunks have no such content."""
    if key.rpartition("/")[2] in ALL_METADATA:
        return is_zarr_metadata(content)
    if key.endswith(".npz"):
        return content.startswith(b"PK\x03\x04")
    return key.endswith(MANIFEST) and re.match(rb"[0-9a-f]{64}  ", content) is not None


def is_earlier_manifest(existing: bytes, content: bytes) -> bool:
    """Return whether two manifests differ only in sums of the root's metadata, which has the times of a run."""
    try:
        earlier, now = (list(read_manifest(lines.splitlines(keepends=True))) for lines in (existing, content))
    except ValueError:
        return False
    same_names = [name for name, _ in earlier] == [name for name, _ in now]
    return same_names and all(
        ours == theirs or ours[0] in ALL_METADATA for ours, theirs in zip(now, earlier, strict=True)
    )


def read_manifest(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Yield the names and checksums in a manifest; ValueError for an invalid line."""
    for line in lines:
        digest, separator, name = line.decode().rstrip("\n").partition("  ")
        if not (separator and name and len(digest) == 64 and line.endswith(b"\n")):
            raise ValueError(f"a line is not a sum and a name: {line[:80]!r}")
        yield name, digest


def match_sums(folder: Path, stored: FileSums) -> bool:
    """Return whether all these files exist in a folder and match their checksums."""
    return all((folder / name).is_file() and sum_of_file(folder / name) == digest for name, digest in stored)


def sum_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
