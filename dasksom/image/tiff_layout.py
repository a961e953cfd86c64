"""Where the tiles or strips of a TIFF lie, and reading a region from them.

tifffile reads the header once per process; its page objects know where every segment (tile or strip) lies and how it is
decoded, and need no open file for that. So a region is read through a file handle of its own, and any number of threads
read at once without a lock. tifffile's own Zarr store would lock one handle for all of them and cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.paths import Stamp, check_unchanged, stamp_of
from dasksom.image.pixels import check_dtype, check_shape

_PHOTOMETRIC = {1: "MINISBLACK", 2: "RGB", 6: "YCBCR"}
_AXES = {"YX", "YXS", "SYX", "CYX"}
_WAY_OUT = {
    3: "its pixels are indices into a palette: convert it to RGB first",
    5: "its colors are CMYK: convert it to RGB first",
}


@dataclass(frozen=True, eq=False)
class TiffLayout:
    """The first series of a TIFF at full resolution, as segments."""

    path: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    segment: tuple[int, int]
    """Rows and columns of a segment."""
    raw_offset: int | None
    """Where uncompressed rows begin that follow one another without gaps; None where segments must be decoded."""
    stored_dtype: np.dtype[Any]
    pages: tuple[Any, ...]
    """tifffile pages: one, or one per band."""
    decode: Callable[..., tuple[NDArray[Any] | None, tuple[int, ...], tuple[int, ...]]]
    nodata: float

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Rows and columns that must be read at once."""
        return (1, self.shape[1]) if self.raw_offset is not None else self.segment

    @property
    def grid(self) -> tuple[int, int]:
        """Segments down and across."""
        return ceil(self.shape[0] / self.segment[0]), ceil(self.shape[1] / self.segment[1])

    def read(self, rows: range, columns: range) -> NDArray[Any]:
        """Return the pixels of a region: (rows, columns, all bands), in this machine's byte order."""
        out = np.empty((len(rows), len(columns), self.shape[2]), self.dtype)
        with open(self.path, "rb", buffering=0) as file:
            if self.raw_offset is not None:
                self._read_rows(file, rows, columns, out)
            else:
                for y, x, bands, pixels in self._segments(file, rows, columns):
                    top, left = max(y, rows.start), max(x, columns.start)
                    bottom, right = min(y + self.segment[0], rows.stop), min(x + self.segment[1], columns.stop)
                    target = out[
                        top - rows.start : bottom - rows.start, left - columns.start : right - columns.start, bands
                    ]
                    target[...] = self.nodata if pixels is None else pixels[top - y : bottom - y, left - x : right - x]
        return out

    def _segments(
        self, file: BinaryIO, rows: range, columns: range
    ) -> Iterator[tuple[int, int, slice, NDArray[Any] | None]]:
        """Yield first row, first column, bands and pixels of every segment that touches a region; None where sparse."""
        down, across = self.grid
        height, width = self.segment
        separate = len(self.pages[0].dataoffsets) // (down * across)  # 1, or the bands of a planar file
        planes = [(page, band) for page in self.pages for band in range(separate)]
        bands = self.shape[2] // len(planes)
        for number, (page, band) in enumerate(planes):
            for i in range(rows.start // height, ceil(rows.stop / height)):
                for j in range(columns.start // width, ceil(columns.stop / width)):
                    pixels = self._decoded(file, page, (band * down + i) * across + j)
                    yield i * height, j * width, slice(number * bands, (number + 1) * bands), pixels

    def _decoded(self, file: BinaryIO, page: Any, index: int) -> NDArray[Any] | None:
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        if not offset or not count:
            return None
        file.seek(offset)
        data = file.read(count)
        if len(data) != count:
            raise InputError(f"{self.path}: ends inside tile or strip {index}; the file is cut short: copy it again")
        try:
            pixels, _, _ = self.decode(data, index, jpegtables=page.jpegtables, jpegheader=self.pages[0].jpegheader)
        except Exception as error:  # every codec raises its own
            raise InputError(
                f"{self.path}: tile or strip {index} cannot be decoded: {error}; the file is damaged"
            ) from error
        return None if pixels is None else pixels[0]

    def _read_rows(self, file: BinaryIO, rows: range, columns: range, out: NDArray[Any]) -> None:
        pixel = self.shape[2] * self.stored_dtype.itemsize
        raw = out.view(np.uint8).reshape(len(rows), -1)
        whole = len(columns) == self.shape[1]
        for number, part in enumerate([raw.reshape(-1)] if whole else raw):
            first = ((rows.start + number) * self.shape[1] + columns.start) * pixel
            file.seek((self.raw_offset or 0) + first)
            _read_into(file, part, self.path)
        if self.stored_dtype != self.dtype:
            out.byteswap(inplace=True)


def _read_into(file: BinaryIO, part: NDArray[Any], path: str) -> None:
    # one read may return less than asked for: Linux gives at most 2 GiB
    view, done = part.data, 0
    while done < len(view):
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise InputError(f"{path}: ends inside its pixels; the file is cut short: copy it again")
        done += count


_reading = Lock()


def tiff_layout(path: str, stamp: Stamp) -> TiffLayout:
    """Return the layout of a TIFF, read once per process and version of the file; InputError if it is none of ours."""
    with _reading:  # or two threads would both parse 10^5 tile offsets
        return _layout(path, stamp)


@lru_cache(maxsize=8)
def _layout(path: str, stamp: Stamp) -> TiffLayout:
    check_unchanged(path, stamp)
    try:
        with tifffile.TiffFile(path) as tiff:
            return _parsed(path, tiff)
    except InputError:
        raise
    except Exception as error:  # tifffile lets struct.error, IndexError and others through for damaged headers
        raise InputError(
            f"{path}: is not a TIFF that can be read ({error}); it may be cut short, or misnamed"
        ) from error


def _parsed(path: str, tiff: Any) -> TiffLayout:
    if not tiff.series or not tiff.series[0].levels:
        raise InputError(f"{path}: holds no image; is it cut short?")
    level = tiff.series[0].levels[0]
    page = level.keyframe
    _check_kind(path, page)
    pages = tuple(level.pages)
    if level.axes not in _AXES or (level.axes == "CYX") != (len(pages) > 1) or None in pages:
        raise InputError(
            f"{path}: holds a stack, axes {level.axes} of shape {tuple(level.shape)} in {len(pages)} pages; "
            "save the one plane that is the image as a TIFF of its own"
        )
    shape = tuple(level.shape)
    if level.axes in ("SYX", "CYX"):
        shape = (*shape[1:], shape[0])
    height, width, bands = check_shape(path, shape, ["y", "x", "bands"][: len(shape)])
    _check_complete(path, pages)
    tile = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
    rows_follow = page.is_final and len(pages) == 1 and (page.planarconfig == 1 or bands == 1)
    return TiffLayout(
        path=path,
        shape=(height, width, bands),
        dtype=check_dtype(path, page.dtype),
        segment=(int(tile[0]), int(tile[1])),
        raw_offset=int(page.dataoffsets[0]) if rows_follow else None,
        stored_dtype=np.dtype(tiff.byteorder + page.dtype.char),
        pages=pages,
        decode=page.decode,  # made here: it needs tags, which need the open file
        nodata=page.nodata,
    )


def _check_kind(path: str, page: Any) -> None:
    """Refuse pixels that are not gray levels, RGB or plain bands, and codecs that are not installed."""
    if page.photometric is not None and int(page.photometric) not in _PHOTOMETRIC:
        name = getattr(page.photometric, "name", page.photometric)
        way_out = _WAY_OUT.get(int(page.photometric), "convert it to RGB or to plain gray levels first")
        raise InputError(f"{path}: a TIFF with photometric interpretation {name}; {way_out}")
    if page.dtype is None:
        raise InputError(f"{path}: values of {page.bitspersample} bits are not read; convert it to 8, 16 or 32 bits")
    check_dtype(path, page.dtype)
    if getattr(page, "imagedepth", 1) != 1:
        raise InputError(f"{path}: holds a stack of {page.imagedepth} planes; save one plane as a TIFF of its own")
    try:
        if page.compression != 1:
            tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(
            f"{path}: compressed as {name}, for which a codec is missing ({error.args[0]}); "
            "install it with: pip install 'dasksom[tiff]'"
        ) from error


def _check_complete(path: str, pages: tuple[Any, ...]) -> None:
    size = Path(path).stat().st_size
    for page in pages:
        offsets, counts = np.asarray(page.dataoffsets, np.int64), np.asarray(page.databytecounts, np.int64)
        if not len(offsets) or len(offsets) != len(counts):
            raise InputError(f"{path}: its table of tiles or strips is incomplete; copy the file again")
        end = int((offsets + counts).max())
        if end > size:
            raise InputError(
                f"{path}: is cut short: its pixels reach to byte {end}, the file ends at {size}; copy it again"
            )


def whole_image(path: str, stamp: Stamp) -> NDArray[Any]:
    """Return all pixels of a TIFF that is one compressed strip: kept, because any part costs as much as the whole."""
    layout = tiff_layout(path, stamp)
    with _reading:
        return _whole(layout)


@lru_cache(maxsize=1)
def _whole(layout: TiffLayout) -> NDArray[Any]:
    return layout.read(range(layout.shape[0]), range(layout.shape[1]))


def layout_of(path: Path) -> tuple[TiffLayout, Stamp]:
    """Return layout and stamp of a file as it is now."""
    stamp = stamp_of(path)
    return tiff_layout(str(path.absolute()), stamp), stamp
