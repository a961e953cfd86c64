"""Read PNG, JPEG and WebP; each is decoded completely, once per process."""

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
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.photographs import MAX_PIXELS
from dasksom.image.sources.numpy_indexing import NumpyIndexing
from dasksom.image.sources.orientation import UPRIGHT, is_turned, orientation_of
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

# Pillow mode of the file -> (mode to decode to, bands, dtype)
_MODES: dict[str, tuple[str, int, str]] = {
    "1": ("L", 1, "u1"),
    "L": ("L", 1, "u1"),
    "LA": ("LA", 2, "u1"),
    "P": ("RGB", 3, "u1"),
    "PA": ("RGBA", 4, "u1"),
    "RGB": ("RGB", 3, "u1"),
    "RGBA": ("RGBA", 4, "u1"),
    "I;16": ("I;16", 1, "u2"),
    "I;16B": ("I;16", 1, "u2"),
    "I;16L": ("I;16", 1, "u2"),
}

# Only one thread decodes at a time: the others usually want the same photograph.
_decoding = Lock()

_waiting: list[tuple[Location, Stamp, Image.Image]] = []
"""The photograph whose header was read last, still open: it is usually the next one that is decoded."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""Pillow's decoders that are used, whatever the suffix; others run external programs (EPS) or are little tested."""

_OWN = (".png", ".jpg")


@dataclass(frozen=True)
class _Decoding:
    """How to decode a file to pixels."""

    mode: str
    """Pillow mode to convert to."""
    upright: bool
    """Whether the EXIF orientation is applied."""
    transparent: tuple[int, ...] | None = None
    """Transparent color, in the file's mode (tRNS of a PNG without a palette)."""


@dataclass(frozen=True)
class PhotographSource(NumpyIndexing):
    """A PNG, JPEG or WebP; it cannot be decoded in part, so each process decodes all of it once and caches it.

    Rows and columns are those of the upright photograph: the EXIF orientation is applied.
    """

    location: Location
    stamp: Stamp
    decoding: _Decoding
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """The complete image."""
        return self.shape[0], self.shape[1]

    @property
    def identity(self) -> tuple[Any, ...]:
        """Path, size and modification time."""
        return "photograph", self.location.name, self.stamp

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
            raise InputError(
                f"{location}: {name}={given!r} (--{name}) does not apply to PNG, JPEG or WebP; leave it out"
            )
    if selection.axes is not None or selection.select:
        raise InputError(f"{location}: --axes and --select do not apply to PNG, JPEG or WebP; leave them out")
    stamp = location.stamp()
    with _decoding, _header_of(location, stamp) as image:
        _check_photograph(location, image)
        mode, bands, dtype = _MODES[image.mode]
        transparent = _transparent_color(image)
        if image.mode == "P" and "transparency" in image.info:
            mode, bands = "RGBA", 4
        alpha = bands if transparent is not None and mode != "I;16" else _ALPHA.get(mode)
        bands += transparent is not None and mode != "I;16"
        # an orientation declared after the pixels of a PNG is ignored: finding it would read the complete file
        declares = image.format != "PNG" or "exif" in image.info
        orientation = orientation_of(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT) if declares else UPRIGHT)
        size = (image.width, image.height) if is_turned(orientation) else (image.height, image.width)
        about = {"format": str(image.format), "colors": image.mode}
    nodata = float(transparent[0]) if transparent is not None and mode == "I;16" else None
    if transparent is not None:
        about["transparent color"] = ", ".join(map(str, transparent))
    decoding = _Decoding(mode, orientation != UPRIGHT, transparent if nodata is None else None)
    source = PhotographSource(location, stamp, decoding, (*size, bands), np.dtype(dtype))
    return OpenedImage(source=source, nodata=nodata, alpha=alpha, orientation=orientation, about=about)


def _transparent_color(image: Image.Image) -> tuple[int, ...] | None:
    """Return the transparent color of a gray or RGB PNG, scaled like Pillow's decoded pixels; None if there is none."""
    declared = image.info.get("transparency")
    if image.format != "PNG" or image.mode in ("P", "PA") or declared is None:
        return None
    color = tuple(int(value) for value in (declared if isinstance(declared, tuple) else (declared,)))
    depth = _png_depth(image)
    highest = (1 << depth) - 1
    # Pillow scales gray levels of 2 or 4 bits to 8 bits, but leaves the transparent one unscaled
    return tuple(value * 255 // highest if value <= highest else value for value in color) if depth < 8 else color


@lru_cache(maxsize=1)
def _decoded(location: Location, stamp: Stamp, decoding: _Decoding) -> NDArray[Any]:
    def decode() -> NDArray[Any]:
        check_size_unchanged(location, stamp)
        with _take_waiting(location, stamp) or _opened(location) as image:
            upright = ImageOps.exif_transpose(image) if decoding.upright else image
            return np.asarray(upright if upright.mode == decoding.mode else upright.convert(decoding.mode))

    try:
        pixels = retry(decode)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins and remote stores each raise their own errors
        raise location.refusal(
            f"its pixels cannot be decoded: {error}; the file is damaged or cut short"
        ) from location.cause(error)
    pixels = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    if decoding.transparent is None:
        return pixels
    opacity = np.where((pixels == np.array(decoding.transparent)).all(axis=2, keepdims=True), 0, 255)
    return np.append(pixels, opacity.astype(pixels.dtype), axis=2)


@contextmanager
def _header_of(location: Location, stamp: Stamp) -> Iterator[Image.Image]:
    """Open a photograph, and leave it open for `_decoded`, in place of the one before."""
    _close_waiting()
    image = _opened(location)
    try:
        yield image
    except BaseException:
        image.close()
        raise
    _waiting.append((location, stamp, image))


def _take_waiting(location: Location, stamp: Stamp) -> Image.Image | None:
    return _waiting.pop()[2] if _waiting and _waiting[0][:2] == (location, stamp) else None


@atexit.register
def _close_waiting() -> None:
    while _waiting:
        _waiting.pop()[2].close()


def _opened(location: Location) -> Image.Image:
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
            f"{location}: too large for a PNG, JPEG or WebP, which is decoded as a whole: more than {MAX_PIXELS} "
            f"pixels; {first}convert it to a tiled TIFF, for example so: pip install 'pyvips[binary]' && "
            f"python -c {shlex.quote(program)}"
        ) from error
    except UnidentifiedImageError as error:
        kind = _kind_by_content(location.read(0, 16))
        kind = None if kind in _OWN else kind
        raise location.refusal(
            f"is not a PNG, JPEG or WebP that can be read, but {kind}; {_way_out_of(kind)}"
            if kind
            else "is not a PNG, JPEG or WebP that can be read; is it damaged, or misnamed?"
        ) from location.cause(error)
    except Exception as error:
        raise location.refusal(f"cannot be opened as a photograph: {error}") from location.cause(error)


def _check_photograph(location: Location, image: Image.Image) -> None:
    if image.mode not in _MODES:
        raise InputError(
            f"{location}: its colors are {image.mode}; accepted are gray, RGB and RGBA: "
            "convert it to RGB first (an image editor, or Pillow's image.convert('RGB'))"
        )
    if image.format == "PNG" and image.mode != "I;16" and _png_depth(image) == 16:
        raise InputError(
            f"{location}: is a PNG of 16 bits and several bands, of which Pillow keeps 8 bits; "
            "convert it to TIFF or Zarr"
        )
    if image.format in ("PNG", "WEBP", "GIF") and getattr(image, "n_frames", 1) > 1:
        raise InputError(
            f"{location}: is an animation of {getattr(image, 'n_frames', 1)} frames; save one frame as an image"
        )


def _png_depth(image: Image.Image) -> int:
    """Return the bits of a value of a PNG, from the name of the layout that Pillow decodes, such as RGB;16B."""
    tiles: Any = getattr(image, "tile", None)
    layout = str(tiles and tiles[0][3])
    return 1 if layout == "1" else int(layout.partition(";")[2].rstrip("BLNR") or 8)
