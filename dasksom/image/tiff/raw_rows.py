"""Read uncompressed TIFF rows that are contiguous in the file.

It uses plain reads, not a memory map: a truncated file or a failing file server would kill a worker that maps it.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.protocol import shown_window
from dasksom.image.tiff.layout import Band, TiffLayout


def read_raw_rows(layout: TiffLayout, rows: range, columns: range, bands: tuple[Band, ...], out: NDArray[Any]) -> None:
    """Read a region to `out` (rows, columns, bands), in native byte order.

    Raises
    ------
    InputError
        The file is truncated.
    """
    pages = layout.pages
    samples = 1 if pages.planar else pages.samples
    if not pages.planar and bands == tuple((bands[0][0], sample) for sample in range(samples)):
        _read_plane(layout, bands[0], rows, columns, out)
    else:
        plane, held = np.empty((*out.shape[:2], samples), out.dtype), None
        for number, band in enumerate(bands):
            wanted = band if pages.planar else (band[0], 0)
            if wanted != held:
                _read_plane(layout, wanted, rows, columns, plane)
                held = wanted
            out[:, :, number] = plane[:, :, 0 if pages.planar else band[1]]
    if pages.stored_dtype != out.dtype:
        out.byteswap(inplace=True)


def _read_plane(layout: TiffLayout, band: Band, rows: range, columns: range, out: NDArray[Any]) -> None:
    pages, file = layout.pages, layout.file_of(band[0])
    pixel = out.shape[2] * out.dtype.itemsize
    start = pages.raw_offsets[band[0]]
    if not start:
        raise InputError(f"{file}: page {band[0]} has no pixels; the file is cut short: copy it again")
    if pages.planar:
        start += band[1] * pages.height * pages.width * pixel
    raw = out.view(np.uint8).reshape(len(rows), -1)
    spans = [raw.reshape(-1)] if len(columns) == pages.width else list(raw)
    offsets = [start + ((rows.start + i) * pages.width + columns.start) * pixel for i in range(len(spans))]
    cut_short = InputError(f"{file}: ends inside {shown_window((rows, columns))}; it is cut short: copy it again")
    if layout.location.remote:
        found = layout.location.read_parts((at, span.nbytes) for at, span in zip(offsets, spans, strict=True))
        for span, data in zip(spans, found, strict=True):
            if len(data) != span.nbytes:
                raise cut_short
            span[...] = np.frombuffer(data, np.uint8)
        return
    with open(file.path, "rb", buffering=0) as stream:
        for at, span in zip(offsets, spans, strict=True):
            stream.seek(at)
            if not _read_into(stream, span):
                raise cut_short


def _read_into(stream: BinaryIO, span: NDArray[Any]) -> bool:
    """Fill an array from a file; return whether the file had enough bytes."""
    # one read may return fewer bytes than requested: Linux returns at most 2 GiB
    view, done = span.data, 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True
