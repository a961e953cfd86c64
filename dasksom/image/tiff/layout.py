"""The parsed header of a TIFF: positions and encoding of the tiles or strips of an image.

tifffile parses the header once per process; its page objects hold the position and encoding of every segment (tile or
strip) and need no open file for that. Each region is therefore read through its own file handle, and any number of
threads read in parallel without a lock. tifffile's own Zarr store would share one locked handle and cannot be pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.metadata.geo_tags import crs_name, georeference
from dasksom.image.sources.header_cache import HeaderCache
from dasksom.image.sources.masks import holds
from dasksom.image.sources.orientation import UPRIGHT
from dasksom.image.sources.protocol import shown_window
from dasksom.image.tiff.color_tables import ValueColors, color_table
from dasksom.image.tiff.page_checks import check_chain, check_ome_xml
from dasksom.image.tiff.pages import TiffLevel, TiffPages, find_pages, images_of, level_of, list_images, mask_page
from dasksom.image.tiff.tags import TiffFacts, read_facts
from dasksom.storage.file_checks import check_size_unchanged
from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location
from dasksom.storage.retries import retry

_MOST_BYTES = 256 << 20
"""Limit of the headers that a process caches: about 10,000 tiles of a folder, or a slide of a million tiles."""
_PAGE_BYTES, _SEGMENT_BYTES = 24 << 10, 128
"""Measured memory of a page's tags, and of the offset and length of a segment."""


Band = tuple[int, int]
"""Position of a band: number of the page, and of the sample in that page."""


@dataclass(frozen=True, eq=False)
class TiffLayout:
    """The segments of one level of one image of a TIFF."""

    location: Location
    pages: TiffPages
    decode: Callable[..., tuple[NDArray[Any] | None, tuple[int, ...], tuple[int, ...]]]
    fill: float
    """Value of segments that are missing in the file."""
    facts: TiffFacts
    about: tuple[tuple[str, str], ...]
    """Other metadata to show to users."""
    masked: bool
    """Whether the image has a mask page."""
    table: ValueColors | None
    """Color table of the pixel values; None if the values are colors or measurements themselves."""

    @property
    def axes(self) -> str:
        """Axes of the pixels as read: a color table adds a band axis to the stored axes."""
        return self.pages.axes if self.table is None else f"{self.pages.axes}s"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels as read."""
        return self.pages.shape if self.table is None else (*self.pages.shape, self.table.bands)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the pixels as read."""
        return self.pages.dtype if self.table is None else self.table.colors.dtype

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """Rows and columns that have to be read at once."""
        return (1, self.pages.width) if self.pages.raw_offsets else self.pages.segment

    def file_of(self, page: int) -> Location:
        """Return the file that holds a page."""
        return self.pages.files[page] if self.pages.files else self.location

    def segment_name(self, page: int, index: int) -> str:
        """Return the name of a tile or strip, for messages: file, number, pixels."""
        (height, width), (down, across) = self.pages.segment, self.pages.grid
        i, j = divmod(index % (down * across), across)
        rows = slice(i * height, min((i + 1) * height, self.pages.height))
        columns = slice(j * width, min((j + 1) * width, self.pages.width))
        of = f" of page {page}" if len(self.pages.pages) > 1 else ""
        return f"{self.file_of(page)}: tile or strip {index}{of}, {shown_window((rows, columns))},"


def tiff_layout(location: Location, stamp: Stamp, part: TiffLevel) -> TiffLayout:
    """Return the layout of a TIFF, parsed once per process and version of the file.

    Raises
    ------
    InputError
        The file is not a TIFF that can be read.
    """
    return _layouts.get((location, stamp, part), lambda: _parse(location, stamp, part))


def _parse(location: Location, stamp: Stamp, part: TiffLevel) -> TiffLayout:
    retry(lambda: check_size_unchanged(location, stamp))

    def parse() -> TiffLayout:
        with _opened(location) as tiff:
            return _parsed(location, tiff, part)

    try:
        return retry(parse)
    except InputError:
        raise
    except Exception as error:  # for damaged headers, tifffile raises struct.error, IndexError and others
        raise location.refusal(
            f"is not a TIFF that can be read ({error}); it may be cut short, or misnamed"
        ) from location.cause(error)


@contextmanager
def _opened(location: Location) -> Iterator[Any]:
    if location.remote:
        with location.open() as file, tifffile.TiffFile(file, name=location.file_name) as tiff:
            yield tiff
    else:  # by path: an OME-TIFF may consist of several files in one folder
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
    about |= _about_facts(facts)
    fill = facts.nodata if facts.nodata is not None and holds(pages.dtype, facts.nodata) else 0
    masked = mask_page(tiff, level) is not None
    table = None if part.mask else color_table(location, level.keyframe, full, facts.nodata, part.indices)
    if table is not None:
        about["palette" if table.bands >= len("RGB") else "gray levels"] = table.described
        if table.has_opacity:
            about["no data"] = f"index {fill:g} of the palette" if table.bands > len("RGB") else f"{fill:g} as stored"
    # create `decode` now: it needs tags, and reading tags needs the open file
    decode = pages.pages[0].keyframe.decode
    return TiffLayout(location, pages, decode, fill, facts, tuple(about.items()), masked, table)


def _about_facts(facts: TiffFacts) -> dict[str, str]:
    """Return the metadata in the tags, for users."""
    about = {"place on earth": crs_name(facts.geo_tags), "georeference": georeference(facts.geo_tags)}
    about["orientation"] = f"{facts.orientation}, read upright" if facts.orientation != UPRIGHT else None
    about["scale and offset"] = f"{facts.scale}; not applied: values are as stored" if facts.scale else None
    return {name: text for name, text in about.items() if text is not None}


def _size(layout: TiffLayout) -> int:
    """Return the approximate size of a layout in bytes: tags of pages, and two numbers per tile or strip."""
    down, across = layout.pages.grid
    segments = 1 if layout.pages.raw_offsets else down * across * (layout.pages.samples if layout.pages.planar else 1)
    return len(layout.pages.pages) * (_PAGE_BYTES + segments * _SEGMENT_BYTES)


_layouts: HeaderCache[TiffLayout] = HeaderCache(_MOST_BYTES, _size)
