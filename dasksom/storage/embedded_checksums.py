"""Checksums embedded in files: a marker, then the SHA-256 of the file with zeros in place of the checksum."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

MARK = b"dasksom-sha256:"
"""Precedes the checksum in a file."""
UNSEALED = MARK.decode() + 64 * "0"
"""Placeholder for the checksum in a file."""

_HEAD_BYTES = 4 << 20
_BLOCK_BYTES = 4 << 20


def seal(file: BinaryIO) -> None:
    """Replace `UNSEALED` in an open file with the checksum of the file."""
    place = _place_of_sum(file)
    if place is None:
        raise ValueError("internal error: the file has no place for its checksum")
    digest = _sum_without(file, place)
    file.seek(place)
    file.write(digest.encode())


def seal_archive(file: BinaryIO) -> None:
    """Write the checksum of an open zip archive (.npz) into its comment."""
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = UNSEALED.encode()
    seal(file)


def sealed_sum(path: Path) -> tuple[str, str] | None:
    """Return the checksum stored in a file and the one computed from its content; None if it stores none."""
    with path.open("rb") as file:
        place = _place_of_sum(file)
        if place is None:
            return None
        file.seek(place)
        stored = file.read(64).decode("ascii", "replace")
        return stored, _sum_without(file, place)


def _place_of_sum(file: BinaryIO) -> int | None:
    """Return the offset of the checksum, in the header or at the end of the file."""
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
