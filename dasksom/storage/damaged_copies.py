"""Compare a file with the intact content that it should have."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_COMPARED_BYTES = 4 << 20
_BLOCK = 512
"""Bytes of a disk's block: a crash of the machine leaves blocks of zeros in files that were not flushed."""


def is_damaged_copy(file: BinaryIO, intact: BinaryIO) -> bool:
    """Return whether a file is a truncated or damaged copy of another.

    Such a file is at most as long, and at least 7 of 8 of the bytes of its blocks that are not zero are the same. An
    empty file is such a copy.
    """
    compared = differing = 0
    while block := file.read(_COMPARED_BYTES):
        expected = intact.read(_COMPARED_BYTES)
        if len(expected) < len(block):
            return False
        ours, theirs = _blocks(block), _blocks(expected[: len(block)])
        written = ours.any(axis=1)
        lengths = np.full(len(ours), _BLOCK)
        lengths[-1] -= ours.size - len(block)
        compared += int(lengths[written].sum())
        differing += int(np.count_nonzero(ours[written] != theirs[written]))
    return differing * 8 <= compared


def _blocks(data: bytes) -> NDArray[Any]:
    return np.pad(np.frombuffer(data, np.uint8), (0, -len(data) % _BLOCK)).reshape(-1, _BLOCK)
