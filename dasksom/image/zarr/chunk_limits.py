"""Check the stored chunks of a Zarr array against its metadata before they are decoded.

Decoders allocate the memory that a compressed chunk declares, whatever the metadata of the array say.
"""

from __future__ import annotations

from typing import NamedTuple

from dasksom.errors import InputError

_SPARE_BYTES = 1 << 16
"""Allowance for content of a file other than pixels: headers, and the index of a shard."""


class Declared(NamedTuple):
    """The declared content of each file of an image."""

    decoded: int
    """Decoded size of the file's pixels in bytes, whether chunk or shard."""
    chunks: int
    """Number of chunks in the file: 1, or those of a shard."""
    codec: str | None
    """The first codec in decoding order; None for shards."""


def check_file(named: str, declared: Declared, size: int, start: bytes = b"") -> None:
    """Refuse a chunk's file that would need much more memory than the metadata declare.

    Parameters
    ----------
    named : name of the file, for messages
    declared : what the metadata declare about all files
    size : of the file, in bytes
    start : its first 18 bytes; empty before the file is read

    Raises
    ------
    InputError
    """
    if size > 2 * declared.decoded + _SPARE_BYTES + 32 * declared.chunks:
        raise InputError(
            f"{named}: {size} bytes, but a chunk has {declared.decoded} decoded; the store is damaged: write it again"
        )
    claimed = _claimed(declared.codec, start)
    if claimed is not None and claimed > 2 * declared.decoded + _SPARE_BYTES:
        raise InputError(
            f"{named}: says that it decodes to {claimed} bytes, but a chunk has {declared.decoded}; the store is "
            "damaged: write it again"
        )


def _claimed(codec: str | None, start: bytes) -> int | None:
    """Return the decoded size that a compressed chunk declares, which decoders allocate; None if it declares none."""
    if codec in ("blosc", "numcodecs.blosc") and len(start) >= 16:
        return int.from_bytes(start[4:8], "little")
    if codec in ("zstd", "numcodecs.zstd") and len(start) >= 6 and start[:4] == b"\x28\xb5\x2f\xfd":
        # RFC 8878, 3.1.1.1: the descriptor declares which other fields are present
        size_flag, single, dictionary = start[4] >> 6, start[4] >> 5 & 1, (0, 1, 2, 4)[start[4] & 3]
        length = (single, 2, 4, 8)[size_flag]
        at = 5 + (1 - single) + dictionary
        if length and len(start) >= at + length:
            return int.from_bytes(start[at : at + length], "little") + (256 if length == 2 else 0)
    return None
