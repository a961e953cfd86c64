"""Read and decode the tiles or strips of a TIFF that intersect a region."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Any

from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.tiff.layout import Band, TiffLayout
from dasksom.image.tiff.ycbcr import APERIO_YCBCR, rgb_of_ycbcr

_DEFLATE = (8, 32946)


@dataclass(frozen=True)
class _Segments:
    """Segments of one plane of a page, and the samples to read from them."""

    page: int
    plane: int
    samples: slice | list[int]
    fill_missing: bool


def read_segments(
    layout: TiffLayout, rows: range, columns: range, bands: tuple[Band, ...], out: NDArray[Any], fill_missing: bool
) -> None:
    """Read a region to `out` (rows, columns, bands), in native byte order.

    Raises
    ------
    InputError
        A tile or strip cannot be read, or is missing although `fill_missing` is False.
    """
    for page, group in groupby(enumerate(bands), lambda band: band[1][0]):
        members = list(group)
        wanted = [sample for _, (_, sample) in members]
        target = out[:, :, members[0][0] : members[-1][0] + 1]
        if layout.pages.planar:
            for number, sample in enumerate(wanted):
                segments = _Segments(page, sample, slice(0, 1), fill_missing)
                _read(layout, segments, rows, columns, target[:, :, number : number + 1])
        else:
            _read(layout, _Segments(page, 0, _as_slice(wanted), fill_missing), rows, columns, target)


def _read(layout: TiffLayout, segments: _Segments, rows: range, columns: range, out: NDArray[Any]) -> None:
    height, width = layout.pages.segment
    down, across = layout.pages.grid
    corners = [
        (i, j)
        for i in range(rows.start // height, ceil(rows.stop / height))
        for j in range(columns.start // width, ceil(columns.stop / width))
    ]
    indices = [(segments.plane * down + i) * across + j for i, j in corners]
    for (i, j), index, pixels in zip(corners, indices, _decoded(layout, segments.page, indices), strict=True):
        y, x = i * height, j * width
        if pixels is None and not segments.fill_missing:
            raise InputError(
                f"{layout.segment_name(segments.page, index)} is missing; if it was left out because it holds no data, "
                "say --fill-missing (in Python fill_missing=True)"
            )
        top, left = max(y, rows.start), max(x, columns.start)
        bottom, right = min(y + height, rows.stop), min(x + width, columns.stop)
        target = out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
        if pixels is None:
            target[...] = layout.fill
        else:
            target[...] = pixels[top - y : bottom - y, left - x : right - x, segments.samples]


def _decoded(layout: TiffLayout, page: int, indices: list[int]) -> Iterator[NDArray[Any] | None]:
    """Yield the pixels of segments; None for missing segments."""
    stored = layout.pages.pages[page]
    spans = [(int(stored.dataoffsets[index]), int(stored.databytecounts[index])) for index in indices]
    spans = [span if all(span) else (0, 0) for span in spans]
    parts = layout.file_of(page).read_parts(span for span in spans if span[1])
    for index, (_, count) in zip(indices, spans, strict=True):
        data = next(parts) if count else b""
        if len(data) != count:
            raise InputError(f"{layout.segment_name(page, index)} ends too early; the file is cut short: copy it again")
        yield _decode(layout, page, index, data) if count else None


def _decode(layout: TiffLayout, page: int, index: int, data: bytes) -> NDArray[Any] | None:
    stored, first = layout.pages.pages[page], layout.pages.pages[0]
    tables = {"jpegtables": stored.jpegtables, "jpegheader": first.jpegheader}
    compression = int(stored.compression)
    try:
        try:
            pixels, _, _ = layout.decode(data, index, **tables)
        except MemoryError:
            raise
        except Exception:
            exact = _without_surplus(data) if compression in _DEFLATE else None
            if exact is None:
                raise
            pixels, _, _ = layout.decode(exact, index, **tables)
    except MemoryError:
        raise
    except Exception as error:  # every codec raises its own errors
        raise InputError(
            f"{layout.segment_name(page, index)} cannot be decoded: {error}; the file is damaged"
        ) from error
    if pixels is None:
        return None
    return rgb_of_ycbcr(pixels[0]) if compression == APERIO_YCBCR and pixels.shape[-1] == 3 else pixels[0]


def _without_surplus(data: bytes) -> bytes | None:
    """Return deflated bytes without trailing bytes, which libtiff ignores; None if there are none to remove."""
    stream = zlib.decompressobj()
    try:
        stream.decompress(data)
    except zlib.error:
        return None
    return data[: len(data) - len(stream.unused_data)] if stream.eof and stream.unused_data else None


def _as_slice(wanted: list[int]) -> slice | list[int]:
    plain = wanted == list(range(wanted[0], wanted[0] + len(wanted)))
    return slice(wanted[0], wanted[-1] + 1) if plain else wanted
