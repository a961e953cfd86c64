"""Read photographs: PNG, JPEG, WebP, GIF, BMP, PNM and AVIF, each decoded completely, once per process."""

from __future__ import annotations

import atexit
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.photographs import MAX_PIXELS
from dasksom.image.photographs.decoding import (
    FORMAT_NAMES,
    FORMATS,
    MODES,
    Decoding,
    check_deep,
    check_depth,
    deep_bands,
    transparent_color,
)
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.orientation import UPRIGHT, orientation_of, upright
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.selection import Selection
from dasksom.storage.file_checks import check_size_unchanged
from dasksom.storage.local_paths import Stamp
from dasksom.storage.locations import Location, Member
from dasksom.storage.retries import retry

if TYPE_CHECKING:
    from dasksom.image.sources.protocol import PixelWindow

_kind_by_content = deferred("dasksom.image.sources.other_formats:kind_by_content")
_way_out_of = deferred("dasksom.image.sources.other_formats:way_out_of")
_CONVERSION = (
    "import pyvips; pyvips.Image.new_from_file({!r}, access='sequential').tiffsave({!r}, "
    "tile=True, tile_width=512, tile_height=512, compression='deflate', bigtiff=True)"
)

_ALPHA = {"LA": 1, "RGBA": 3}
"""Modes with an alpha band, and the number of that band."""

# Only one thread decodes at a time: the others usually want the same photograph.
_decoding = Lock()

_waiting: list[tuple[Location, Stamp, ImageFile]] = []
"""The photograph whose header was read last, still open: it is usually the next one that is decoded."""

_DEEP_MODES = {1: ("L", 1, "u2"), 2: ("LA", 2, "u2"), 3: ("RGB", 3, "u2"), 4: ("RGBA", 4, "u2")}
"""As `MODES`, of images of 16 bits, by their number of bands."""

_FRAME_BYTES = 5
"""For WebP and AVIF: decoders hold about four images of 4 bytes a pixel, their own and Pillow's."""

_INDEXED = ("PNG", "BMP")
"""Formats whose indices into a palette can be read; Pillow makes colors of those of later frames of a GIF."""

_OWN = (".png", ".jpg")


@dataclass(frozen=True)
class PhotographSource(NumpyIndexing):
    """A photograph; it cannot be decoded in part, so each process decodes all of it once and caches it.

    Rows and columns are those of the file, before the EXIF orientation is applied.
    """

    location: Location
    stamp: Stamp
    decoding: Decoding
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    decoded_pixel_bytes: int
    """Bytes of a pixel for the plan of memory, which includes copies of it."""

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """The complete image."""
        return self.shape[0], self.shape[1]

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, size and modification time."""
        frame = (self.decoding.frame,) if self.decoding.frame else ()
        return "photograph", self.location.name, self.stamp, self.shape[2], *frame

    def members(self) -> Iterator[Member]:
        """Yield the photograph."""
        yield self.location.member()

    def read(self, window: PixelWindow) -> NDArray[Any]:
        """Read a window; see `Source`."""
        with _decoding:
            pixels = _decoded(self.location, self.stamp, self.decoding)
        # a copy, never a view: writing to a chunk must not change the cached photograph
        return np.array(pixels[window], order="C")


def open_photograph(location: Location, selection: Selection) -> OpenedImage:
    """Open a photograph; read only its header."""
    for name, given in (("component", selection.component), ("series", selection.series), ("level", selection.level)):
        if given:
            raise InputError(f"{location}: {name}={given!r} (--{name}) does not apply to {FORMAT_NAMES}; leave it out")
    if selection.axes is not None:
        raise InputError(f"{location}: --axes does not apply to {FORMAT_NAMES}; leave it out")
    stamp = location.stamp()
    with _decoding, _header_of(location, stamp) as image:
        frame, deep = _frame_of(location, image, selection), deep_bands(image)
        _check_photograph(location, image, deep)
        mode, bands, dtype = _DEEP_MODES[deep] if deep else MODES[image.mode]
        transparent = transparent_color(image)
        if selection.indices and image.mode == "P" and image.format in _INDEXED:
            mode, bands = "P", 1
        elif image.mode == "P" and "transparency" in image.info:
            mode, bands = "RGBA", 4
        alpha = bands if transparent is not None and mode != "I;16" else _ALPHA.get(mode)
        bands += transparent is not None and mode != "I;16"
        # an orientation declared after the pixels of a PNG is ignored: finding it would read the complete file
        declares = image.format != "PNG" or "exif" in image.info
        orientation = orientation_of(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) if declares else UPRIGHT)
        size = image.height, image.width
        about = {"format": str(image.format), "colors": f"{mode}, 16 bits" if deep else image.mode}
        if frame is not None:
            about["frame"] = f"{frame} of {image.n_frames}"  # type: ignore[attr-defined]
    nodata = float(transparent[0]) if transparent is not None and mode == "I;16" else None
    if transparent is not None:
        about["transparent color"] = ", ".join(map(str, transparent))
    color = transparent if nodata is None else None
    decoding = Decoding(mode, color, frame or 0, deep)
    held = max(bands * np.dtype(dtype).itemsize, _FRAME_BYTES if about["format"] in ("WEBP", "AVIF") else 0)
    source = PhotographSource(location, stamp, decoding, (*size, bands), np.dtype(dtype), held)
    read = upright(source, orientation)
    return OpenedImage(source=read, nodata=nodata, alpha=alpha, orientation=orientation, about=about)


@lru_cache(maxsize=1)
def _decoded(location: Location, stamp: Stamp, decoding: Decoding) -> NDArray[Any]:
    def decode() -> NDArray[Any]:
        check_size_unchanged(location, stamp)
        with _take_waiting(location, stamp) or _opened(location) as image:
            return decoding.pixels_of(image)

    try:
        return retry(decode)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins and remote stores each raise their own errors
        raise location.refusal(
            f"its pixels cannot be decoded: {error}; the file is damaged or cut short"
        ) from location.cause(error)


@contextmanager
def _header_of(location: Location, stamp: Stamp) -> Iterator[ImageFile]:
    """Open a photograph, and leave it open for `_decoded`, in place of the one before."""
    _close_waiting()
    image = _opened(location)
    try:
        yield image
    except BaseException:
        image.close()
        raise
    _waiting.append((location, stamp, image))


def _take_waiting(location: Location, stamp: Stamp) -> ImageFile | None:
    return _waiting.pop()[2] if _waiting and _waiting[0][:2] == (location, stamp) else None


@atexit.register
def _close_waiting() -> None:
    while _waiting:
        _waiting.pop()[2].close()


def _opened(location: Location) -> ImageFile:
    """Return a Pillow image with its header read; refuse too large ones; suppress Pillow's warning for large ones."""
    try:
        # callers hold the lock, because warning filters are global
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(location.open() if location.remote else location.path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        program = _CONVERSION.format(location.name, str(Path(location.name).with_suffix(".tif")))
        first = "copy it to a disk, and " if location.remote else ""
        raise InputError(
            f"{location}: too large for a {FORMAT_NAMES}, which is decoded as a whole: more than {MAX_PIXELS} "
            f"pixels; {first}convert it to a tiled TIFF, for example so: pip install 'pyvips[binary]' && "
            f"python -c {shlex.quote(program)}"
        ) from error
    except UnidentifiedImageError as error:
        kind = _kind_by_content(location.read(0, 16))
        kind = None if kind in _OWN else kind
        raise location.refusal(
            f"is not a {FORMAT_NAMES} that can be read, but {kind}; {_way_out_of(kind)}"
            if kind
            else f"is not a {FORMAT_NAMES} that can be read; is it damaged, or misnamed?"
        ) from location.cause(error)
    except Exception as error:
        raise location.refusal(f"cannot be opened as a photograph: {error}") from location.cause(error)


def _frame_of(location: Location, image: ImageFile, selection: Selection) -> int | None:
    """Return the number of the selected frame of an animation; None for other images."""
    try:
        frames = int(getattr(image, "n_frames", 1))
    except Exception as error:  # as in `_decoded`
        raise location.refusal(f"its frames cannot be counted: {error}; the file is damaged") from error
    chosen = dict(selection.select)
    if frames == 1:
        if chosen:
            raise InputError(f"{location}: --select applies to animations, and this is one image; leave it out")
        return None
    frame = chosen.get("t")
    if not isinstance(frame, int) or len(chosen) > 1 or not 0 <= frame < frames:
        raise InputError(
            f"{location}: is an animation of {frames} frames; use one of them, from --select t=0 to t={frames - 1}, or "
            "save one frame as an image"
        )
    try:
        image.seek(frame)
    except Exception as error:
        raise location.refusal(f"its frame {frame} cannot be decoded: {error}; the file is damaged") from error
    return frame


def _check_photograph(location: Location, image: ImageFile, deep: int) -> None:
    check_depth(str(location), image)
    if deep:
        check_deep(str(location), image)
        if getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{location}: is an animation of 16 bits; save one frame as an image")
    elif image.mode not in MODES:
        raise InputError(
            f"{location}: its colors are {image.mode}; accepted are gray, RGB and RGBA: "
            "convert it to RGB first (an image editor, or Pillow's image.convert('RGB'))"
        )
