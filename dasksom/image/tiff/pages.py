"""Choose the pages of a TIFF that form an image at one level."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.image.sources.dtypes_and_axes import check_dtype, check_not_empty
from dasksom.image.tiff.page_checks import check_decoder, check_kind, check_segment_size, missing_files
from dasksom.storage.locations import Location

_MASK = 4
"""Bit of the tag NewSubfileType: the page is the mask of another page."""
_MOST_PAGES_SEARCHED = 64
_MOST_LISTED = 20


@dataclass(frozen=True)
class TiffLevel:
    """A level of an image of a TIFF."""

    series: int | None = None
    level: int = 0
    mask: bool = False
    """Whether this is the mask of the level instead of the level itself."""
    indices: bool = False
    """Whether values that stand for colors or gray levels are read as they are stored."""


@dataclass(frozen=True, eq=False)
class TiffPages:
    """The pages of one level, and the layout of pixels in each."""

    pages: tuple[Any, ...]
    """tifffile pages, row-major along the leading axes; a single page if all pixels follow it without headers."""
    axes: str
    """One lower-case letter per stored axis."""
    shape: tuple[int, ...]
    leading: int
    """Number of leading axes: those across pages, not within a page."""
    segment: tuple[int, int]
    """Rows and columns of a tile or strip."""
    raw_offsets: tuple[int, ...]
    """Offset of each page's first row if rows are uncompressed and contiguous; empty if segments have to be decoded."""
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]
    files: tuple[Location, ...]
    """The file of each page; empty if all pages are in one file."""

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.shape[self.axes.index("y", self.leading)]

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.shape[self.axes.index("x", self.leading)]

    @property
    def samples(self) -> int:
        """Samples per pixel in one page."""
        return prod(self.shape[self.leading :]) // (self.height * self.width)

    @property
    def planar(self) -> bool:
        """Whether a page's samples are stored plane by plane."""
        return self.axes[self.leading] == "s"

    @property
    def grid(self) -> tuple[int, int]:
        """Number of segments down and across."""
        return ceil(self.height / self.segment[0]), ceil(self.width / self.segment[1])


def images_of(tiff: Any) -> list[Any]:
    """Return the images of an open TIFF, as tifffile series, without the masks of other images."""
    with_pages = [series for series in tiff.series if series.levels]
    return [series for series in with_pages if not _is_mask(series.keyframe)] or with_pages


def level_of(location: Location, images: Sequence[Any], part: TiffLevel) -> tuple[int, Any]:
    """Choose an image and one of its levels.

    Returns
    -------
    number : of the image
    level : tifffile series

    Raises
    ------
    InputError
        The image or level does not exist, or there are several images and none is selected.
    """
    number = _choose(location, images, part.series)
    levels = images[number].levels
    if not 0 <= part.level < len(levels):
        shown = ", ".join(f"{n} {_size(level)}" for n, level in enumerate(levels))
        raise InputError(f"{location}: --level {part.level}: its levels are {shown}")
    return number, levels[part.level]


def find_pages(location: Location, tiff: Any, level: Any, mask: bool) -> TiffPages:
    """Find the pages of a level, or of its mask, in an open TIFF.

    Raises
    ------
    InputError
        The pixels are damaged or not supported.
    """
    if mask:
        pages: tuple[Any, ...] = (mask_page(tiff, level),)
        axes, shape = "YX", tuple(pages[0].shape)
    else:
        # do not use level.pages: it looks for headers behind the first page even if there are none
        pages, axes, shape = tuple(level._pages), level.axes, tuple(level.shape)
    first = pages[0] if mask else level.keyframe
    if None in pages:
        names = missing_files(location, tiff)
        where = f": it is in {', '.join(names[:3])}, which is not in the same folder; copy it there" if names else ""
        raise InputError(f"{location}: page {pages.index(None)} of its axes {axes}, shape {shape}, is missing{where}")
    if mask:
        check_decoder(location, first)
    else:
        check_kind(location, first)
    check_not_empty(str(location), shape)
    check_segment_size(location, first, _segment(first))
    leading = len(axes) - len(first.axes)
    count = prod(shape[:leading]) if leading >= 0 else 0
    behind = len(pages) == 1 < count and first.is_final  # pages without headers of their own
    fits = axes.endswith(first.axes) and shape[leading:] == tuple(first.shape) and (len(pages) == count or behind)
    if not fits or not {"Y", "X"} <= set(first.axes) <= {"Y", "X", "S"}:
        raise InputError(
            f"{location}: its {len(pages)} pages of {first.axes} {tuple(first.shape)} are no plain stack of "
            f"{axes} {shape}; save the one plane that is the image as a TIFF of its own"
        )
    return TiffPages(
        pages=pages,
        axes=axes.lower(),
        shape=shape,
        leading=leading,
        segment=_segment(first),
        raw_offsets=_raw_offsets(pages, first, count, behind),
        dtype=first.dtype if first.dtype == np.bool_ else check_dtype(str(location), first.dtype),
        stored_dtype=np.dtype(tiff.byteorder + first.dtype.char),
        files=_files(location, pages),
    )


def _choose(location: Location, images: Sequence[Any], number: int | None) -> int:
    shown = list_images(images)
    if not images:
        raise InputError(f"{location}: holds no image; is it cut short?")
    if number is not None:
        if not 0 <= number < len(images):
            raise InputError(f"{location}: --series {number}: its images are {shown}")
        return number
    areas = [prod(series.keyframe.shape) for series in images]
    # a slide's label and thumbnail are smaller than the slide; with images of the same size the choice is ambiguous
    if any(area >= areas[0] for area in areas[1:]):
        raise InputError(f"{location}: holds {len(images)} images: {shown}; say which with --series NUMBER")
    return 0


def list_images(images: Sequence[Any]) -> str:
    """Describe images for users: number, name, axes and size."""
    more = [f"and {len(images) - _MOST_LISTED} more"] if len(images) > _MOST_LISTED else []
    return "; ".join([f"{n} {_described(series)}" for n, series in enumerate(images[:_MOST_LISTED])] + more)


def _described(series: Any) -> str:
    return f"{series.name!r} {_size(series)}" if series.name else _size(series)


def _size(level: Any) -> str:
    return f"{level.axes} {' x '.join(str(length) for length in level.shape)}"


def _is_mask(page: Any) -> bool:
    return bool(int(page.subfiletype) & _MASK)


def mask_page(tiff: Any, level: Any) -> Any:
    """Return the mask page of a level, in the form that GDAL writes to GeoTIFF; None if there is none."""
    if len(tiff.pages) > _MOST_PAGES_SEARCHED:
        return None
    size = level.keyframe.imagelength, level.keyframe.imagewidth
    pages = (tiff.pages[number].aspage() for number in range(1, len(tiff.pages)))
    return next((page for page in pages if _is_mask(page) and (page.imagelength, page.imagewidth) == size), None)


def _segment(page: Any) -> tuple[int, int]:
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return int(min(page.rowsperstrip, page.imagelength)), int(page.imagewidth)


def _raw_offsets(pages: tuple[Any, ...], first: Any, count: int, behind: bool) -> tuple[int, ...]:
    if not first.is_final or not len(first.dataoffsets):
        return ()
    if behind:
        start = int(first.dataoffsets[0])
        return tuple(start + number * int(first.nbytes) for number in range(count))
    return tuple(int(page.dataoffsets[0]) if len(page.dataoffsets) else 0 for page in pages)


def _files(location: Location, pages: tuple[Any, ...]) -> tuple[Location, ...]:
    """Return the file of each page of an OME-TIFF of several files; empty if all pages are in one file."""
    names = [str(page.parent.filehandle.path) for page in pages]
    if len(set(names)) == 1:
        return ()
    if location.remote:
        raise InputError(
            f"{location}: an OME-TIFF of several files can only be read from a local disk: copy all its files to one"
        )
    folder = os.path.realpath(location.local.parent)
    for name in names:
        if os.path.realpath(os.path.dirname(name)) != folder:
            raise InputError(
                f"{location}: looks for pixels in {name}, outside of its folder; copy all its files to one"
            )
    return tuple(Location(name) for name in names)
