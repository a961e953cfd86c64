"""A path becomes a lazy image: one dask task per chunk, nothing read before compute."""

from __future__ import annotations

import os
from collections.abc import Callable
from math import prod
from pathlib import Path

import dask.array as da
import numpy as np
from dask.base import tokenize

from dasksom.errors import InputError
from dasksom.image.chunks import plan_chunks
from dasksom.image.paths import check_readable, listed, local_path, match_suffix
from dasksom.image.photographs import open_photograph
from dasksom.image.protocols import Source
from dasksom.image.tiff_source import open_tiff
from dasksom.image.zarr_files import open_zarr

Opener = Callable[[Path, str | None], Source]

# A format to read: one line here, one file beside this one. Openers read headers, never pixels.
READERS: dict[str, Opener] = {
    ".jpeg": open_photograph,
    ".jpg": open_photograph,
    ".png": open_photograph,
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".webp": open_photograph,
    ".zarr": open_zarr,
}

# First bytes of files whose suffix says nothing (SVS, NDPI and many scanners' files are TIFF).
MAGIC: dict[bytes, Opener] = {
    b"II*\0": open_tiff,
    b"MM\0*": open_tiff,
    b"II+\0": open_tiff,
    b"MM\0+": open_tiff,
    b"\x89PNG\r\n\x1a\n": open_photograph,
    b"\xff\xd8\xff": open_photograph,
    b"RIFF": open_photograph,
}


def open_image(
    path: str | os.PathLike[str], *, component: str | None = None, chunk_bytes: int = 64 * 2**20, align: int = 1
) -> da.Array:
    """Open an image file as a lazy dask array.

    Parameters
    ----------
    path : a Zarr directory, a TIFF, or a PNG, JPEG or WebP; every worker must see it under the same path
    component : the array of a Zarr group that is the image, where the group leaves a choice
    chunk_bytes : wanted bytes of a decoded chunk
    align : rows and columns of chunks are multiples of it; `writing.chunk_alignment(output)` says what an output needs

    Returns
    -------
    dask array of shape (height, width, bands), in the file's dtype; the bands are one chunk, each chunk is one task.
    Its name depends on path, size and time of last change: equal for equal files.

    Raises
    ------
    InputError
        Whatever makes the file unusable, before any pixel is read; damaged pixels are found on reading.
    """
    source = open_source(path, component=component)
    try:
        rows, columns = plan_chunks(
            source.shape, source.dtype.itemsize, source.storage_chunks, chunk_bytes=chunk_bytes, align=align
        )
    except InputError as error:
        raise InputError(f"{os.fspath(path)}: {error}") from error
    height, width, bands = source.shape
    chunks = min(rows, height), min(columns, width), bands
    return da.from_array(
        source,
        chunks=chunks,
        name=f"image-{tokenize(source.identity, chunks)}",
        meta=np.empty((0, 0, 0), source.dtype),
        # one task per chunk that holds its own small source, and a plain call to it
        asarray=False,
        inline_array=True,
        lock=False,
    )


def open_source(path: str | os.PathLike[str], *, component: str | None = None) -> Source:
    """Open an image file without dask: shape, dtype and storage chunks, and regions read on demand."""
    local = local_path(path)
    opener = open_zarr if check_readable(local) else match_suffix(local, READERS) or _sniffed(local)
    source = opener(local, component)
    if prod(source.shape) == 0:
        raise InputError(f"{local}: has no pixels, shape {source.shape}")
    return source


def _sniffed(path: Path) -> Opener:
    with path.open("rb") as file:
        start = file.read(16)
    for magic, opener in MAGIC.items():
        if start.startswith(magic):
            return opener
    raise InputError(f"{path}: not an image that is known here, by suffix or content; accepted are {listed(READERS)}")
