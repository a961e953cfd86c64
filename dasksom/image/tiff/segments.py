"""Where the tiles or strips of a TIFF lie, and reading a region from them.

tifffile reads the header once per process; its page objects know where every segment (tile or strip) lies and how it is
decoded, and need no open file for that. So a region is read through a file handle of its own, and any number of threads
read at once without a lock. tifffile's own Zarr store would lock one handle for all of them and cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import ceil
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.masks import holds
from dasksom.image.sources.protocol import shown_window
from dasksom.image.tiff.colormap import look_up_colors, palette_table
from dasksom.image.tiff.pages import (
    TiffLevel,
    TiffPages,
    check_chain,
    check_ome_xml,
    find_pages,
    images_of,
    level_of,
    list_images,
    mask_page,
)
from dasksom.image.tiff.tags import TiffFacts, crs_name, read_facts
from dasksom.storage.local_paths import Stamp
from dasksom.storage.location_checks import check_size_unchanged
from dasksom.storage.locations import Location
from dasksom.storage.retries import retry

Band = tuple[int, int]
"""Where a band is: number of the page, and of the sample in it."""


@dataclass(frozen=True, eq=False)
class TiffLayout:
    """One level of one image of a TIFF, as segments."""

    location: Location
    pages: TiffPages
    decode: Callable[..., tuple[NDArray[Any] | None, tuple[int, ...], tuple[int, ...]]]
    fill: float
    """Value of the segments that the file leaves out."""
    facts: TiffFacts
    about: tuple[tuple[str, str], ...]
    """What else a person may want to know."""
    masked: bool
    """Whether a page tells which pixels count."""
    palette: NDArray[np.uint8] | None
    """Colors of the indices that the pixels are, shape (indices, 3 or, with opacity, 4); None where they are none."""

    @property
    def axes(self) -> str:
        """Of the pixels as they are read: the colors of a palette are one more axis than is stored."""
        return self.pages.axes if self.palette is None else f"{self.pages.axes}s"

    @property
    def shape(self) -> tuple[int, ...]:
        """Likewise."""
        return self.pages.shape if self.palette is None else (*self.pages.shape, self.palette.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Likewise."""
        return self.pages.dtype if self.palette is None else self.palette.dtype

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Rows and columns that must be read at once."""
        return (1, self.pages.width) if self.pages.raw_offsets else self.pages.segment

    def read(self, rows: range, columns: range, bands: Iterable[Band], fill_missing: bool = True) -> NDArray[Any]:
        """Return the pixels of a region: (rows, columns, bands), in this machine's byte order.

        Raises
        ------
        InputError
            A tile or strip cannot be read; or is missing, where that is not to be filled.
        """
        bands = tuple(bands)
        if self.palette is None:
            return self._stored(rows, columns, bands, fill_missing)
        out = np.empty((len(rows), len(columns), len(bands)), self.dtype)
        for page, group in groupby(enumerate(bands), lambda band: band[1][0]):
            members = list(group)
            table = self.palette[:, [sample for _, (_, sample) in members]]
            indices = self._stored(rows, columns, ((page, 0),), fill_missing)[:, :, 0]
            look_up_colors(indices, table, out[:, :, members[0][0] : members[-1][0] + 1])
        return out

    def _stored(self, rows: range, columns: range, bands: tuple[Band, ...], fill_missing: bool) -> NDArray[Any]:
        out = np.empty((len(rows), len(columns), len(bands)), self.pages.dtype)
        if self.pages.raw_offsets:
            self._read_rows(rows, columns, bands, out)
            return out
        for page, group in groupby(enumerate(bands), lambda band: band[1][0]):
            members = list(group)
            wanted = [sample for _, (_, sample) in members]
            target = out[:, :, members[0][0] : members[-1][0] + 1]
            if self.pages.planar:
                for number, sample in enumerate(wanted):
                    self._read_segments(
                        page, sample, slice(0, 1), rows, columns, target[:, :, number : number + 1], fill_missing
                    )
            else:
                self._read_segments(page, 0, _as_slice(wanted), rows, columns, target, fill_missing)
        return out

    def _read_segments(
        self,
        page: int,
        plane: int,
        samples: slice | list[int],
        rows: range,
        columns: range,
        out: NDArray[Any],
        fill_missing: bool,
    ) -> None:
        height, width = self.pages.segment
        down, across = self.pages.grid
        places = [
            (i, j)
            for i in range(rows.start // height, ceil(rows.stop / height))
            for j in range(columns.start // width, ceil(columns.stop / width))
        ]
        indices = [(plane * down + i) * across + j for i, j in places]
        for (i, j), index, pixels in zip(places, indices, self._decoded(page, indices), strict=True):
            y, x = i * height, j * width
            if pixels is None and not fill_missing:
                raise InputError(
                    f"{self._segment(page, index)} is missing; if it was left out because it holds no data, say "
                    "--fill-missing (in Python fill_missing=True)"
                )
            top, left = max(y, rows.start), max(x, columns.start)
            bottom, right = min(y + height, rows.stop), min(x + width, columns.stop)
            target = out[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
            target[...] = self.fill if pixels is None else pixels[top - y : bottom - y, left - x : right - x, samples]

    def _file(self, page: int) -> Location:
        return self.pages.files[page] if self.pages.files else self.location

    def _decoded(self, page: int, indices: list[int]) -> Iterator[NDArray[Any] | None]:
        """Yield the pixels of segments, None for those that the file leaves out."""
        stored = self.pages.pages[page]
        places = [(int(stored.dataoffsets[index]), int(stored.databytecounts[index])) for index in indices]
        there = [place if all(place) else (0, 0) for place in places]
        parts = self._file(page).read_parts(place for place in there if place[1])
        for index, (_, count) in zip(indices, there, strict=True):
            data = next(parts) if count else b""
            if len(data) != count:
                raise InputError(f"{self._segment(page, index)} ends too early; the file is cut short: copy it again")
            yield self._decode_one(page, index, data) if count else None

    def _decode_one(self, page: int, index: int, data: bytes) -> NDArray[Any] | None:
        stored, first = self.pages.pages[page], self.pages.pages[0]
        try:
            pixels, _, _ = self.decode(data, index, jpegtables=stored.jpegtables, jpegheader=first.jpegheader)
        except MemoryError:
            raise
        except Exception as error:  # every codec raises its own
            raise InputError(f"{self._segment(page, index)} cannot be decoded: {error}; the file is damaged") from error
        return None if pixels is None else pixels[0]

    def _segment(self, page: int, index: int) -> str:
        """Name a tile or strip, for messages: file, number, pixels."""
        (height, width), (down, across) = self.pages.segment, self.pages.grid
        i, j = divmod(index % (down * across), across)
        rows = slice(i * height, min((i + 1) * height, self.pages.height))
        columns = slice(j * width, min((j + 1) * width, self.pages.width))
        of = f" of page {page}" if len(self.pages.pages) > 1 else ""
        return f"{self._file(page)}: tile or strip {index}{of}, {shown_window((rows, columns))},"

    def _read_rows(self, rows: range, columns: range, bands: tuple[Band, ...], out: NDArray[Any]) -> None:
        """Read rows that lie in the file as they are; all samples of a pixel together, or plane by plane."""
        stored, samples = self.pages.stored_dtype, 1 if self.pages.planar else self.pages.samples
        everything = tuple((bands[0][0], sample) for sample in range(samples))
        if bands == everything and not self.pages.planar:
            self._read_plane(bands[0], rows, columns, out)
        else:
            plane, had = np.empty((*out.shape[:2], samples), out.dtype), None
            for number, band in enumerate(bands):
                this = band if self.pages.planar else (band[0], 0)
                if this != had:
                    self._read_plane(this, rows, columns, plane)
                    had = this
                out[:, :, number] = plane[:, :, 0 if self.pages.planar else band[1]]
        if stored != out.dtype:
            out.byteswap(inplace=True)

    def _read_plane(self, band: Band, rows: range, columns: range, out: NDArray[Any]) -> None:
        pixel = out.shape[2] * out.dtype.itemsize
        start = self.pages.raw_offsets[band[0]]
        if self.pages.planar:
            start += band[1] * self.pages.height * self.pages.width * pixel
        raw = out.view(np.uint8).reshape(len(rows), -1)
        whole = len(columns) == self.pages.width
        parts = [raw.reshape(-1)] if whole else list(raw)
        offsets = [start + ((rows.start + i) * self.pages.width + columns.start) * pixel for i in range(len(parts))]
        if not start:
            raise InputError(
                f"{self._file(band[0])}: page {band[0]} has no pixels; the file is cut short: copy it again"
            )
        cut_short = InputError(
            f"{self._file(band[0])}: ends inside {shown_window((rows, columns))}; it is cut short: copy it again"
        )
        if self.location.remote:
            read = self.location.read_parts((at, part.nbytes) for at, part in zip(offsets, parts, strict=True))
            for part, data in zip(parts, read, strict=True):
                if len(data) != part.nbytes:
                    raise cut_short
                part[...] = np.frombuffer(data, np.uint8)
            return
        with open(self._file(band[0]).path, "rb", buffering=0) as file:
            for at, part in zip(offsets, parts, strict=True):
                file.seek(at)
                if not _read_into(file, part):
                    raise cut_short


def _read_into(file: BinaryIO, part: NDArray[Any]) -> bool:
    """Fill an array from a file; return whether the file had enough."""
    # one read may return less than asked for: Linux gives at most 2 GiB
    view, done = part.data, 0
    while done < len(view):
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            return False
        done += count
    return True


def _as_slice(wanted: list[int]) -> slice | list[int]:
    plain = wanted == list(range(wanted[0], wanted[0] + len(wanted)))
    return slice(wanted[0], wanted[-1] + 1) if plain else wanted


_reading = Lock()


def tiff_layout(location: Location, stamp: Stamp, part: TiffLevel) -> TiffLayout:
    """Return the layout of a TIFF, read once per process and version of the file; InputError if it is none of ours."""
    with _reading:  # or two threads would both parse 10^5 tile offsets
        return _layout(location, stamp, part)


@lru_cache(maxsize=8)
def _layout(location: Location, stamp: Stamp, part: TiffLevel) -> TiffLayout:
    retry(lambda: check_size_unchanged(location, stamp))

    def parse() -> TiffLayout:
        with _opened(location) as tiff:
            return _parsed(location, tiff, part)

    try:
        return retry(parse)
    except InputError:
        raise
    except Exception as error:  # tifffile lets struct.error, IndexError and others through for damaged headers
        raise location.refusal(
            f"is not a TIFF that can be read ({error}); it may be cut short, or misnamed"
        ) from location.cause(error)


@contextmanager
def _opened(location: Location) -> Iterator[Any]:
    if location.remote:
        with location.open() as file, tifffile.TiffFile(file, name=location.file_name) as tiff:
            yield tiff
    else:  # by its path, beside which an OME-TIFF may have other files
        with tifffile.TiffFile(location.path) as tiff:
            yield tiff


def _parsed(location: Location, tiff: Any, part: TiffLevel) -> TiffLayout:
    check_chain(location, tiff)
    check_ome_xml(location, tiff)
    images = images_of(tiff)
    number, level = level_of(location, images, part)
    full = images[number].levels[0].keyframe
    pages = find_pages(location, tiff, level, part.mask)
    facts = read_facts(tiff, number, full, level.keyframe)
    about = {"format": "BigTIFF" if tiff.is_bigtiff else "TIFF"}
    about["axes"] = ", ".join(f"{axis} {length}" for axis, length in zip(pages.axes, pages.shape, strict=True))
    if len(images) > 1:
        about["images"] = f"number {number} of {list_images(images)}"
    if len(images[number].levels) > 1:
        about["level"] = f"{part.level} of 0 to {len(images[number].levels) - 1}"
    if crs := crs_name(facts.geo_tags):
        about["place on earth"] = crs
    fill = facts.nodata if facts.nodata is not None and holds(pages.dtype, facts.nodata) else 0
    masked = mask_page(tiff, level) is not None
    palette = None if part.mask else palette_table(location, level.keyframe, full, facts.nodata)
    if palette is not None:
        about["palette"] = f"{len(palette)} colors, read as RGB of 8 bits"
        if palette.shape[1] > len("RGB"):
            about["no data"] = f"index {fill:g} of the palette"
    # `decode` is made here: it needs tags, which need the open file
    decode = pages.pages[0].keyframe.decode
    return TiffLayout(location, pages, decode, fill, facts, tuple(about.items()), masked, palette)


def whole_image(
    location: Location, stamp: Stamp, part: TiffLevel, bands: tuple[Band, ...], fill_missing: bool
) -> NDArray[Any]:
    """Return all pixels of a TIFF that is one compressed strip: kept, because any part costs as much as the whole."""
    layout = tiff_layout(location, stamp, part)
    with _reading:
        return _whole(layout, bands, fill_missing)


@lru_cache(maxsize=1)
def _whole(layout: TiffLayout, bands: tuple[Band, ...], fill_missing: bool) -> NDArray[Any]:
    return layout.read(range(layout.pages.height), range(layout.pages.width), bands, fill_missing)
