"""Decode photographs: with Pillow, or values of 16 bits, of which Pillow keeps 8, with imagecodecs and NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from PIL.ImageFile import ImageFile

from dasksom.deferred import deferred
from dasksom.errors import InputError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM", "AVIF")
"""Pillow's decoders that are used, whatever the suffix; others run external programs (EPS) or are little tested."""
FORMAT_NAMES = "PNG, JPEG, WebP, GIF, BMP, PNM or AVIF"

_PIXELS = 1 << 22
"""Most pixels of complete rows that are converted at a time, because Pillow's pixels are in memory too."""

# Pillow mode of the file -> (mode to decode to, bands, dtype)
MODES: dict[str, tuple[str, int, str]] = {
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
_DEEP_PNG = {"LA;16B": 2, "RGB;16B": 3, "RGBA;16B": 4}
"""Bands by Pillow's name of a layout of 16 bits that it decodes to 8 bits."""
_png_decode = deferred("imagecodecs:png_decode")


@dataclass(frozen=True)
class Decoding:
    """How to decode a file to pixels."""

    mode: str
    """Pillow mode to convert to."""
    transparent: tuple[int, ...] | None = None
    """Transparent color, in the file's mode (tRNS of a PNG without a palette)."""
    frame: int = 0
    """Number of the frame of an animation."""
    deep_bands: int = 0
    """Number of bands of 16 bits that Pillow does not keep; 0: Pillow decodes the file."""

    def pixels_of(self, image: ImageFile) -> NDArray[Any]:
        """Decode an image whose header was read: shape (height, width, bands)."""
        if self.deep_bands:
            return self._with_opacity(_deep_pixels(image, self.deep_bands))
        if self.frame:
            image.seek(self.frame)
        image.load()
        rows = max(1, _PIXELS // image.width)
        if rows >= image.height:
            return self._converted(image)
        out: NDArray[Any] | None = None
        for top in range(0, image.height, rows):
            part = self._converted(image.crop((0, top, image.width, min(top + rows, image.height))))
            out = np.empty((image.height, *part.shape[1:]), part.dtype) if out is None else out
            out[top : top + rows] = part
        return cast("NDArray[Any]", out)

    def _converted(self, image: Image) -> NDArray[Any]:
        pixels = np.asarray(image if image.mode == self.mode else image.convert(self.mode))
        return self._with_opacity(pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis])

    def _with_opacity(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.transparent is None:
            return pixels
        opacity = np.where((pixels == np.array(self.transparent)).all(axis=2, keepdims=True), 0, 255)
        return np.append(pixels, opacity.astype(pixels.dtype), axis=2)


def deep_bands(image: ImageFile) -> int:
    """Return the number of bands of an image of 16 bits of which Pillow keeps 8 or changes the values; 0 for others."""
    if image.format == "PNG":
        return _DEEP_PNG.get(_layout(image), 0)
    if image.format != "PPM":
        return 0
    arguments = image.tile[0][3] if image.tile else None
    largest = arguments[1] if isinstance(arguments, tuple) else 65535 if arguments == "I;16B" else 0
    return (3 if image.mode == "RGB" else 1) if isinstance(largest, int) and largest > 255 else 0


def check_deep(name: str, image: ImageFile) -> None:
    """Check that an image with `deep_bands` can be decoded.

    Raises
    ------
    InputError
    """
    if image.format == "PPM" and image.tile[0][0] == "ppm_plain":
        raise InputError(f"{name}: is a PNM of 16 bits written as text; convert it to TIFF or to a binary PNM")
    if image.format == "PNG" and find_spec("imagecodecs") is None:
        raise InputError(
            f"{name}: is a PNG of 16 bits and several bands, which needs imagecodecs: pip install 'dasksom[tiff]', "
            "or convert it to TIFF or Zarr"
        )


def check_depth(name: str, image: ImageFile) -> None:
    """Check that Pillow keeps all bits of an AVIF.

    Raises
    ------
    InputError
    """
    if image.format != "AVIF":
        return
    file: Any = image.fp
    file.seek(0)
    _, pixel_information, rest = file.read(1 << 16).partition(b"pixi")
    bits = rest[5] if pixel_information and len(rest) > 5 else 8
    if bits > 8:
        raise InputError(f"{name}: is an AVIF of {bits} bits, of which Pillow keeps 8 bits; convert it to TIFF or Zarr")


def _deep_pixels(image: ImageFile, bands: int) -> NDArray[np.uint16]:
    """Return the values as they are stored."""
    file: Any = image.fp
    file.seek(0)
    content = file.read()
    shape = image.height, image.width, bands
    if image.format == "PNG":
        pixels = np.asarray(_png_decode(content))
        return pixels.reshape(*shape[:2], -1)[..., :bands]
    start = int(image.tile[0][2])
    return np.frombuffer(content, ">u2", shape[0] * shape[1] * bands, start).reshape(shape).astype(np.uint16)


def transparent_color(image: ImageFile) -> tuple[int, ...] | None:
    """Return the transparent color of a gray or RGB PNG, scaled like Pillow's decoded pixels; None if there is none."""
    declared = image.info.get("transparency")
    if image.format != "PNG" or image.mode in ("P", "PA") or declared is None:
        return None
    color = tuple(int(value) for value in (declared if isinstance(declared, tuple) else (declared,)))
    layout = _layout(image)
    depth = 1 if layout == "1" else int(layout.partition(";")[2].rstrip("BLNR") or 8)
    highest = (1 << depth) - 1
    # Pillow scales gray levels of 2 or 4 bits to 8 bits, but leaves the transparent one unscaled
    return tuple(value * 255 // highest if value <= highest else value for value in color) if depth < 8 else color


def _layout(image: ImageFile) -> str:
    """Return Pillow's name of the layout of the stored values, such as RGB;16B."""
    tiles: Any = getattr(image, "tile", None)
    return str(tiles and tiles[0][3])
