"""A checksum inside a file: a mark, and the SHA-256 of the whole file with zeros in the place of the sum."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

MARK = b"dasksom-sha256:"
"""Stands before a file's own sum."""
UNSEALED = MARK.decode() + 64 * "0"
"""What a file says of its sum before there is one."""

_HEAD_BYTES = 4 << 20
_BLOCK_BYTES = 4 << 20


def seal(path: Path) -> None:
    """Put a file's sum into it, at the place that `UNSEALED` holds."""
    with path.open("r+b") as file:
        place = _place_of_sum(file)
        if place is None:
            raise ValueError(f"internal error: {path} has no place for its checksum")
        digest = _sum_without(file, place)
        file.seek(place)
        file.write(digest.encode())


def seal_archive(path: Path) -> None:
    """Put the sum of a zip archive (.npz) into it, as its comment."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = UNSEALED.encode()
    seal(path)


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
