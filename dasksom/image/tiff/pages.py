"""Which pages of a TIFF are the image that is wanted, and what their tags tell; refuses what is none of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import MAX_STORAGE_CHUNK_BYTES
from dasksom.image.sources.dtypes_and_axes import check_dtype, check_not_empty
from dasksom.image.tiff.colormap import PHOTOMETRIC_PALETTE
from dasksom.storage.locations import Location
from dasksom.storage.safe_xml import xml_tree

_PHOTOMETRIC = {1: "MINISBLACK", 2: "RGB", PHOTOMETRIC_PALETTE: "PHOTOMETRIC_PALETTE", 6: "YCBCR"}
_TO_RGB = "convert it to RGB first (ImageMagick: convert IN -type TrueColor OUT.tif; or Pillow's image.convert('RGB'))"
_WAY_OUT = {5: f"its colors are CMYK: {_TO_RGB}"}
_JPEG = {6, 7, 34892, 33007}
"""Compressions whose decoders turn YCbCr to RGB."""
_MASK = 4
"""Bit of the tag NewSubfileType: the page tells which pixels of another one count."""
_MOST_PAGES, _MOST_TAGS = 1 << 20, 4096
_MOST_PAGES_SEARCHED = 64
_MOST_LISTED = 20


@dataclass(frozen=True)
class TiffLevel:
    """One level of one image of a TIFF."""

    series: int | None = None
    level: int = 0
    mask: bool = False
    """The page that tells which pixels of this part count, in place of the part itself."""


@dataclass(frozen=True, eq=False)
class TiffPages:
    """The pages of one part, and how pixels lie in each."""

    pages: tuple[Any, ...]
    """tifffile pages, row-major along the axes that are not within a page; one alone where all lie behind it."""
    axes: str
    """A lower-case letter for each stored axis."""
    shape: tuple[int, ...]
    leading: int
    """How many axes are not within a page."""
    segment: tuple[int, int]
    """Rows and columns of a tile or strip."""
    raw_offsets: tuple[int, ...]
    """Where each page's rows begin if they follow one another as they are; empty where segments must be decoded."""
    dtype: np.dtype[Any]
    stored_dtype: np.dtype[Any]
    files: tuple[Location, ...]
    """The file of each page, where these are several."""

    @property
    def height(self) -> int:
        """Pixels."""
        return self.shape[self.axes.index("y", self.leading)]

    @property
    def width(self) -> int:
        """Pixels."""
        return self.shape[self.axes.index("x", self.leading)]

    @property
    def samples(self) -> int:
        """Samples of a pixel in one page."""
        return prod(self.shape[self.leading :]) // (self.height * self.width)

    @property
    def planar(self) -> bool:
        """Whether a page's samples lie plane by plane."""
        return self.axes[self.leading] == "s"

    @property
    def grid(self) -> tuple[int, int]:
        """Segments down and across."""
        return ceil(self.height / self.segment[0]), ceil(self.width / self.segment[1])


def check_chain(location: Location, tiff: Any) -> None:
    """Refuse a file whose directories of tags lead back to one before: tifffile would follow them for hours.

    Raises
    ------
    InputError
    """
    file, form, offset = tiff.filehandle, tiff.tiff, int(tiff.pages.first.offset)
    seen: set[int] = set()
    while 0 < offset < file.size:
        if offset in seen or len(seen) >= _MOST_PAGES:
            what = "lead back to an earlier one" if offset in seen else f"are more than {_MOST_PAGES}"
            raise InputError(f"{location}: its pages {what}; the file is damaged: copy it again")
        seen.add(offset)
        file.seek(offset)
        told = file.read(form.tagnosize)
        count = int.from_bytes(told, "little" if form.byteorder == "<" else "big")
        file.seek(offset + form.tagnosize + count * form.tagsize)
        told = file.read(form.offsetsize)
        if count > _MOST_TAGS or len(told) < form.offsetsize:
            return  # tifffile takes the pages before it
        offset = int.from_bytes(told, "little" if form.byteorder == "<" else "big")


def check_ome_xml(location: Location, tiff: Any) -> None:
    """Refuse OME-XML that would have tifffile unfold entities, or look for pixels outside the folder of the file.

    Raises
    ------
    InputError
    """
    text = tiff.ome_metadata
    if not isinstance(text, str) or ("FileName" not in text and "<!" not in text):
        return
    try:
        root = xml_tree(text)
    except InputError as error:
        raise InputError(f"{location}: its OME-XML cannot be used: {error}; save the image as a plain TIFF") from error
    for name in (node.get("FileName") for node in root.iter()):
        if name is not None and (os.path.basename(name) != name or name in ("", ".", "..") or "\\" in name):
            raise InputError(
                f"{location}: its OME-XML looks for pixels in {name[:80]!r}; the files of an OME-TIFF lie in one "
                "folder: copy them there, and save it anew"
            )


def images_of(tiff: Any) -> list[Any]:
    """Return the images of an open TIFF, as tifffile's series; masks of others are none."""
    with_pages = [series for series in tiff.series if series.levels]
    return [series for series in with_pages if not _is_mask(series.keyframe)] or with_pages


def level_of(location: Location, images: Sequence[Any], part: TiffLevel) -> tuple[int, Any]:
    """Choose an image and a level of it.

    Returns
    -------
    number : of the image
    level : tifffile series

    Raises
    ------
    InputError
        There is no such image or level, or there are several images and none is chosen.
    """
    number = _choose(location, images, part.series)
    levels = images[number].levels
    if not 0 <= part.level < len(levels):
        shown = ", ".join(f"{n} {_size(level)}" for n, level in enumerate(levels))
        raise InputError(f"{location}: --level {part.level}: its levels are {shown}")
    return number, levels[part.level]


def find_pages(location: Location, tiff: Any, level: Any, mask: bool) -> TiffPages:
    """Find the pages of a level, or of the mask that belongs to it, in an open TIFF.

    Raises
    ------
    InputError
        Pixels of a kind that is not read.
    """
    if mask:
        pages: tuple[Any, ...] = (mask_page(tiff, level),)
        axes, shape = "YX", tuple(pages[0].shape)
    else:
        # not level.pages, which looks for headers behind the first one where there are none
        pages, axes, shape = tuple(level._pages), level.axes, tuple(level.shape)
    first = pages[0] if mask else level.keyframe
    if None in pages:
        raise InputError(f"{location}: page {pages.index(None)} of its axes {axes}, shape {shape}, is missing")
    _check_kind(location, first, mask)
    check_not_empty(str(location), shape)
    _check_segment(location, first, _segment(first))
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
        dtype=np.dtype(np.bool_) if mask and first.dtype == np.bool_ else check_dtype(str(location), first.dtype),
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
    # a slide's label and thumbnail are smaller than the slide; images of one size leave a choice
    if any(area >= areas[0] for area in areas[1:]):
        raise InputError(f"{location}: holds {len(images)} images: {shown}; say which with --series NUMBER")
    return 0


def list_images(images: Sequence[Any]) -> str:
    """List images for a person: number, name, axes and size."""
    more = [f"and {len(images) - _MOST_LISTED} more"] if len(images) > _MOST_LISTED else []
    return "; ".join([f"{n} {_described(series)}" for n, series in enumerate(images[:_MOST_LISTED])] + more)


def _described(series: Any) -> str:
    return f"{series.name!r} {_size(series)}" if series.name else _size(series)


def _size(level: Any) -> str:
    return f"{level.axes} {' x '.join(str(length) for length in level.shape)}"


def _is_mask(page: Any) -> bool:
    return bool(int(page.subfiletype) & _MASK)


def mask_page(tiff: Any, level: Any) -> Any:
    """Return the page that tells which pixels of a level count, as GDAL writes it into a GeoTIFF; None without."""
    if len(tiff.pages) > _MOST_PAGES_SEARCHED:
        return None
    size = level.keyframe.imagelength, level.keyframe.imagewidth
    pages = (tiff.pages[number].aspage() for number in range(1, len(tiff.pages)))
    return next((page for page in pages if _is_mask(page) and (page.imagelength, page.imagewidth) == size), None)


def _check_segment(location: Location, page: Any, segment: tuple[int, int]) -> None:
    """Refuse tiles that cannot be held: they are decoded as a whole, also where they reach past the image's end."""
    samples = 1 if int(page.planarconfig or 1) == 2 else int(page.samplesperpixel)
    size = prod(segment) * samples * page.dtype.itemsize
    if min(segment) < 1 or (page.is_tiled and size > MAX_STORAGE_CHUNK_BYTES):
        raise InputError(
            f"{location}: has tiles or strips of {segment[0]} x {segment[1]} pixels, {size / 2**30:.3g} GiB decoded; "
            f"from 1 x 1 to {MAX_STORAGE_CHUNK_BYTES / 2**30:.0f} GiB can be read: save it in tiles of 512 x 512"
        )


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
    """Return the file of each page of an OME-TIFF of several files; nothing where all are in one."""
    names = [str(page.parent.filehandle.path) for page in pages]
    if len(set(names)) == 1:
        return ()
    if location.remote:
        raise InputError(f"{location}: an OME-TIFF of several files is read from a disk alone: copy them all to one")
    folder = os.path.realpath(location.local.parent)
    for name in names:
        if os.path.realpath(os.path.dirname(name)) != folder:
            raise InputError(
                f"{location}: looks for pixels in {name}, outside of its folder; copy all its files to one"
            )
    return tuple(Location(name) for name in names)


def _check_kind(location: Location, page: Any, mask: bool) -> None:
    """Refuse pixels that are not gray levels, RGB, indices or plain bands, and codecs that are not installed."""
    if not mask and page.photometric is not None and int(page.photometric) not in _PHOTOMETRIC:
        name = getattr(page.photometric, "name", page.photometric)
        way_out = _WAY_OUT.get(int(page.photometric), "convert it to RGB or to plain gray levels first")
        raise InputError(f"{location}: a TIFF with photometric interpretation {name}; {way_out}")
    if page.photometric is not None and int(page.photometric) == 6 and int(page.compression) not in _JPEG:
        raise InputError(f"{location}: its colors are YCbCr without JPEG; {_TO_RGB}")
    deep = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if page.dtype is None or (deep < 8 and not mask):
        raise InputError(
            f"{location}: values of {page.bitspersample} bits are not read; convert it to 8, 16 or 32 bits "
            "(GDAL: gdal_translate -co NBITS=8 IN OUT.tif)"
        )
    if not mask:
        check_dtype(str(location), page.dtype)
    if getattr(page, "imagedepth", 1) != 1:
        raise InputError(f"{location}: holds a stack of {page.imagedepth} planes; save one plane as a TIFF of its own")
    try:
        if page.compression != 1:
            tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        name = getattr(page.compression, "name", page.compression)
        raise InputError(
            f"{location}: compressed as {name}, for which a codec is missing ({error.args[0]}); "
            "install it with: pip install 'dasksom[tiff]'"
        ) from error


def _length(location: Location, file: Location) -> int:
    try:
        return int(file.stamp()[0])
    except OSError as error:
        raise InputError(f"{location}: its file {file} is missing ({error.strerror}); copy it too") from error


def _places(location: Location, told: Sequence[int]) -> NDArray[np.int64]:
    """Return offsets or lengths, of at most 2^62 bytes."""
    try:
        found = np.asarray(told, np.int64)
        if found.ndim == 1 and (found >> 62 == 0).all():
            return found
    except (OverflowError, TypeError, ValueError):  # tags of damaged files may hold anything
        pass
    raise InputError(f"{location}: its table of tiles or strips is damaged: {str(told)[:60]}; copy the file again")


def check_segments(location: Location, pages: TiffPages, used: set[int], size: int, fill_missing: bool) -> None:
    """Refuse a file that is cut short, or that lacks tiles where nothing says what they stand for.

    Parameters
    ----------
    location : of the file
    pages : all pages of the part
    used : numbers of the pages that will be read
    size : of the file, in bytes
    fill_missing : tiles that the file lacks are taken for the fill value
    """
    for number in sorted(used):
        if pages.raw_offsets:
            page_bytes = prod(pages.shape[pages.leading :]) * pages.stored_dtype.itemsize
            offsets, counts = np.array([pages.raw_offsets[number]]), np.array([page_bytes])
        else:
            page = pages.pages[number]
            offsets, counts = (_places(location, told) for told in (page.dataoffsets, page.databytecounts))
        down, across = pages.grid
        expected = 1 if pages.raw_offsets else down * across * (pages.samples if pages.planar else 1)
        if len(offsets) != expected or len(counts) != expected:
            raise InputError(
                f"{location}: its table of tiles or strips is incomplete: {len(offsets)} offsets and {len(counts)} "
                f"lengths of {expected}; copy the file again"
            )
        missing = np.flatnonzero((offsets == 0) | (counts == 0))
        if len(missing) and not fill_missing:
            raise InputError(
                f"{location}: {len(missing)} of its {expected} tiles or strips are missing, the first one number "
                f"{missing[0]}; if they were left out because they hold no data, say --fill-missing (in Python "
                "fill_missing=True)"
            )
        end = int((offsets + counts).max())
        length = _length(location, pages.files[number]) if pages.files else size
        if end > length:
            raise InputError(
                f"{location}: is cut short: its pixels reach to byte {end}, the file ends at {length}; copy it again"
            )
