"""PNG, JPEG and WebP: images of ordinary size, decoded as a whole once per process and written by the driver."""

from __future__ import annotations

import json
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from dasksom.errors import InputError
from dasksom.image.sources.picture import Found
from dasksom.image.sources.protocol import Region
from dasksom.image.sources.selection import Selection
from dasksom.image.writers.palettes import check_paletted, may_be_paletted
from dasksom.image.writers.protocol import (
    Encoded,
    Output,
    Run,
    check_labels,
    clip_labels,
    label_table,
    run_here,
    with_nodata_row,
)
from dasksom.storage.checksum_manifests import Stored
from dasksom.storage.embedded_checksums import UNSEALED, seal
from dasksom.storage.locations import Location, Member, Stamp, check_unchanged
from dasksom.storage.retries import patiently

MAX_PIXELS = 178_956_970
"""Pillow's own limit for what it opens; larger photographs are neither read nor written."""

_MAX_JPEG_SIDE = 65_535

_CONVERSION = (
    "import pyvips; pyvips.Image.new_from_file({!r}, access='sequential').tiffsave({!r}, "
    "tile=True, tile_width=512, tile_height=512, compression='deflate', bigtiff=True)"
)

_ALPHA = {"LA": 1, "RGBA": 3}
"""Modes with a band that tells how opaque a pixel is, and its number."""

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

# One photograph is decoded at a time, and by one thread: the others want the same one.
_decoding = Lock()


# ---------------------------------------------------------------------------------------------------------- reading

_QUARTER_TURN = 5
"""EXIF orientations from here on turn by a quarter: rows become columns."""


@dataclass(frozen=True)
class PhotographSource:
    """One PNG, JPEG or WebP: no part of it can be decoded alone, so each process decodes it once and keeps it.

    Rows and columns are those of the upright photograph: the EXIF orientation is applied.
    """

    location: Location
    stamp: Stamp
    mode: str
    turned: bool
    """Whether the camera was not held upright, and the file tells so."""
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def storage_chunks(self) -> tuple[int, int]:
        """All of it."""
        return self.shape[0], self.shape[1]

    @property
    def identity(self) -> tuple[Any, ...]:
        """Where, size and time of last change."""
        return "photograph", self.location.name, self.stamp

    def members(self) -> Iterator[Member]:
        """Tell the photograph."""
        yield self.location.member()

    def __getitem__(self, region: Region) -> NDArray[Any]:
        """Read a region; see `Source`."""
        with _decoding:
            whole = _decoded(self.location, self.stamp, self.mode, self.turned)
        # a copy, never a view: what is written into a chunk must not reach the kept photograph
        return np.array(whole[region], order="C")


def open_photograph(location: Location, selection: Selection) -> Found:
    """Open a photograph; only its header is read."""
    for name, given in (("component", selection.component), ("series", selection.series), ("level", selection.level)):
        if given:
            raise InputError(
                f"{location}: {name}={given!r} (--{name}): a photograph is one image of one level; leave it out"
            )
    if selection.axes is not None or selection.select:
        raise InputError(f"{location}: --axes and --select: a photograph's axes are y, x and c; leave them out")
    with _decoding, _opened(location) as image:
        _check_photograph(location, image)
        mode, bands, dtype = _MODES[image.mode]
        if image.mode == "P" and "transparency" in image.info:
            mode, bands = "RGBA", 4
        # PNGs that tell it only behind the pixels are taken as they lie: asking would read all of the file
        told = image.format != "PNG" or "exif" in image.info
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1) if told else 1
        turned = orientation >= _QUARTER_TURN
        shape = (image.width, image.height, bands) if turned else (image.height, image.width, bands)
        about = {"format": str(image.format), "colors": image.mode}
    source = PhotographSource(location, location.stamp(), mode, orientation != 1, shape, np.dtype(dtype))
    return Found(source, alpha=_ALPHA.get(mode), about=about)


@lru_cache(maxsize=1)
def _decoded(location: Location, stamp: Stamp, mode: str, turned: bool) -> NDArray[Any]:
    def decode() -> NDArray[Any]:
        check_unchanged(location, stamp)
        with _opened(location) as image:
            upright = ImageOps.exif_transpose(image) if turned else image
            return np.asarray(upright if upright.mode == mode else upright.convert(mode))

    try:
        pixels = patiently(decode)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow's plugins and remote stores each raise their own
        raise location.refusal(
            f"its pixels cannot be decoded: {error}; the file is damaged or cut short"
        ) from location.cause(error)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


def _opened(location: Location) -> Image.Image:
    """Return a Pillow image whose header is read; large ones are refused, fairly large ones open without a warning."""
    try:
        # callers hold the lock, because filters of warnings belong to the whole process
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(location.open() if location.remote else location.path)
    except Image.DecompressionBombError as error:
        program = _CONVERSION.format(location.name, str(Path(location.name).with_suffix(".tif")))
        first = "copy it to a disk, and " if location.remote else ""
        raise InputError(
            f"{location}: too large for a PNG, JPEG or WebP, which is decoded as a whole: more than {MAX_PIXELS} "
            f"pixels; {first}convert it to a tiled TIFF, for example so: pip install 'pyvips[binary]' && "
            f"python -c {shlex.quote(program)}"
        ) from error
    except UnidentifiedImageError as error:
        raise location.refusal(
            "is not a PNG, JPEG or WebP that can be read; is it damaged, or misnamed?"
        ) from location.cause(error)
    except Exception as error:
        raise location.refusal(f"cannot be opened as a photograph: {error}") from location.cause(error)


def _check_photograph(location: Location, image: Image.Image) -> None:
    if image.mode not in _MODES:
        raise InputError(
            f"{location}: its colors are {image.mode}; accepted are gray, RGB and RGBA: "
            "convert it to RGB first (an image editor, or Pillow's image.convert('RGB'))"
        )
    if image.format == "PNG" and image.mode != "I;16" and _png_depth(location) == 16:
        raise InputError(
            f"{location}: is a PNG of 16 bits and several bands, of which Pillow keeps 8 bits; "
            "convert it to TIFF or Zarr"
        )
    if image.format in ("PNG", "WEBP", "GIF") and getattr(image, "n_frames", 1) > 1:
        raise InputError(
            f"{location}: is an animation of {getattr(image, 'n_frames', 1)} frames; save one frame as an image"
        )


def _png_depth(location: Location) -> int:
    return location.read(0, 25)[24]


# ---------------------------------------------------------------------------------------------------------- writing


@dataclass(frozen=True, eq=False)
class PhotographWriter:
    """Gathers all labels on the driver and writes one PNG or JPEG; only for images of ordinary size."""

    output: Output
    jpeg: bool

    @property
    def chunk_alignment(self) -> int:
        """Any image chunk will do."""
        return 1

    @property
    def keeps_chunks(self) -> bool:
        """Labels are gathered in memory."""
        return False

    def encode(
        self, labels: NDArray[np.unsignedinteger[Any]], corner: tuple[int, int]
    ) -> NDArray[np.unsignedinteger[Any]]:
        """Return the labels, in the smallest dtype; see `Writer`."""
        check_labels(labels, self.output.units, self.output.nodata)
        return clip_labels(labels, self.output.units, self._labels_dtype)

    def are_whole(self, stored: Stored) -> bool:
        """Nothing is on the disk before the end."""
        return False

    def collect(self, encoded: Encoded, run: Run = run_here) -> None:
        """Put the chunks together and write the file; see `Writer`."""
        output = self.output
        labels = np.zeros((output.height, output.width), self._labels_dtype)
        for (y, x), (height, width), chunk in encoded:
            labels[y : y + height, x : x + width] = chunk
        text = json.dumps({"dasksom": dict(output.metadata)})
        image, how = self._image(labels)
        if self.jpeg:
            # no chroma subsampling: it would blur the few colors that the map has chosen
            comment = f"{UNSEALED} {text}".encode()[:60_000]
            image.save(output.path, format="JPEG", quality=95, subsampling=0, comment=comment)
            seal(Path(output.path))
            return
        notes = PngImagePlugin.PngInfo()
        notes.add_text("dasksom", text)
        image.save(output.path, format="PNG", pnginfo=notes, **how)

    def _image(self, labels: NDArray[Any]) -> tuple[Image.Image, dict[str, Any]]:
        """Return the image and how it is saved: in a PNG, pixels without data are transparent."""
        output = self.output
        if not self.jpeg and _kind(output) == "palette":
            image = Image.fromarray(labels)
            image.putpalette(with_nodata_row(output.palette)[: output.units + output.nodata].tobytes())
            return image, {"transparency": output.units} if output.nodata else {}
        table = label_table(output.units) if _kind(output) == "labels" else with_nodata_row(output.palette)
        colors = _kind(output) == "colors" and not self.jpeg
        if output.nodata and colors and table.dtype == np.uint8 and output.bands in (1, 3):
            opaque = np.full_like(table[:, :1], 255)
            opaque[-1] = 0
            table = np.append(table, opaque, axis=1)
        pixels = np.take(table, labels, axis=0, mode="clip")
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), {}

    @property
    def _labels_dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        smallest: np.dtype[np.unsignedinteger[Any]] = np.min_scalar_type(self.output.units - (not self.output.nodata))
        return smallest


def create_png(output: Output) -> PhotographWriter:
    """Prepare a PNG: exact colors in 8 bits (1, 3, 4 bands) or 16 bits (1 band), an index into a palette, or labels."""
    _check_size(output)
    if _kind(output) == "palette":
        check_paletted(output)
        return PhotographWriter(output, jpeg=False)
    if _kind(output) == "labels":
        if output.units > np.iinfo(np.uint16).max:
            raise _unfit(output, "labels in a PNG go to 65535")
        return PhotographWriter(output, jpeg=False)
    if (output.palette.dtype.name, output.bands) not in {("uint8", 1), ("uint8", 3), ("uint8", 4), ("uint16", 1)}:
        raise _unfit(output, "a PNG holds uint8 of 1, 3 or 4 bands, or uint16 of 1 band")
    return PhotographWriter(output, jpeg=False)


def create_jpeg(output: Output) -> PhotographWriter:
    """Prepare a JPEG, quality 95: colors are close to the palette's, not exact."""
    _check_size(output)
    if (output.palette.dtype.name, output.bands) not in {("uint8", 1), ("uint8", 3)}:
        raise _unfit(output, "a JPEG holds uint8 of 1 or 3 bands")
    if max(output.height, output.width) > _MAX_JPEG_SIDE:
        raise InputError(
            f"{output.path}: {output.height} x {output.width} pixels, a JPEG has at most {_MAX_JPEG_SIDE} a side; "
            "write .tif or .zarr"
        )
    return PhotographWriter(output, jpeg=True)


def _kind(output: Output) -> str:
    """Return what a pixel of a PNG is: "palette", "colors" or "labels"."""
    if output.options.pixels == "auto":
        return "palette" if may_be_paletted(output) else "colors"
    return output.options.pixels


def _check_size(output: Output) -> None:
    if output.height * output.width > MAX_PIXELS:
        raise InputError(
            f"{output.path}: {output.height} x {output.width} pixels are too many for this format, "
            f"which the driver writes as a whole (at most {MAX_PIXELS}); write .tif or .zarr"
        )


def _unfit(output: Output, accepted: str) -> InputError:
    return InputError(
        f"{output.path}: cannot hold {output.palette.dtype} of {output.bands} bands: {accepted}; write .tif or .zarr"
    )
