"""Codecs of output files by name, with checksums wherever a format allows them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numcodecs
from numcodecs.zstd import compress as compress_zstd
from numcodecs.zstd import decompress as decompress_zstd
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from dasksom.errors import InputError

try:
    import imagecodecs
except ImportError:
    imagecodecs = None  # type: ignore[assignment]

_T = TypeVar("_T")

# Zstd at level 1, measured on noisy photographs, 256 units, two workers: 196 Mpx/s, 0.88 bytes per pixel; level -5 has
# 220 and 1.37, level 3 has 108 and 0.82. Zstd and gzip have checksums of their own; the other codecs are combined with
# CRC-32C, because a flipped bit in a file would otherwise go unnoticed.
ZARR_3: dict[str, tuple[Any, ...]] = {
    "zstd": (ZstdCodec(level=1, checksum=True),),
    "blosc": (BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()),
    "gzip": (GzipCodec(level=5),),
    "none": (Crc32cCodec(),),
}
ZARR_2: dict[str, tuple[Any, ...]] = {
    "blosc": (numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE),),  # all old readers support it
    "zstd": (numcodecs.Zstd(level=1, checksum=True),),
    "gzip": (numcodecs.GZip(level=5),),
    "none": (),
}


class TileCodec(NamedTuple):
    """A codec of TIFF tiles."""

    scheme: str
    """tifffile's name of the compression."""
    encode: Callable[[bytes], bytes]
    decode: Callable[[bytes], bytes]


def _deflate(data: bytes) -> bytes:
    # Measured on 256 units of noisy photographs: zlib level 1 has 61 Mpx/s and 0.75 bytes per pixel, level 6 has 35 and
    # 0.76. libdeflate, included in the extra "tiff", is twice as fast; the pixels are the same.
    return zlib.compress(data, 1) if imagecodecs is None else bytes(imagecodecs.deflate_encode(data, 1))


TIFF: dict[str, TileCodec] = {
    "zlib": TileCodec("adobe_deflate", _deflate, zlib.decompress),
    "zstd": TileCodec("zstd", lambda data: compress_zstd(data, 1, checksum=True), decompress_zstd),
    "none": TileCodec("none", bytes, bytes),
}


def codec_named(name: str | None, codecs: dict[str, _T]) -> _T:
    """Return a codec by name; the first (default) one for None."""
    if name is None:
        return next(iter(codecs.values()))
    if name not in codecs:
        raise InputError(f"codec: {name!r} is not one that this output has; give one of {', '.join(codecs)}")
    return codecs[name]
