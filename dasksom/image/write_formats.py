"""Create the writer of an output path; the suffix chooses the format."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.writers.options import DEFAULTS, OME_CHUNK, TIFF_TILE, Options
from dasksom.image.writers.protocol import Output, Writer
from dasksom.storage.local_paths import listed, local_path, match_suffix
from dasksom.storage.locations import is_remote, shown

_create_jpeg = deferred("dasksom.image.photographs.writer:create_jpeg")
_create_png = deferred("dasksom.image.photographs.writer:create_png")
_create_tiff = deferred("dasksom.image.tiff.writer:create_tiff")
_check_ome_zarr = deferred("dasksom.image.zarr.ome_writer:check_ome_zarr")
_create_ome_zarr = deferred("dasksom.image.zarr.ome_writer:create_ome_zarr")
_check_zarr = deferred("dasksom.image.zarr.writer:check_zarr")
_create_zarr = deferred("dasksom.image.zarr.writer:create_zarr")


class Format(NamedTuple):
    """One output format."""

    create: Callable[[Output], Writer]
    check: Callable[[Output], object]
    """Refuses images and options that the format cannot hold; touches no file."""
    alignment: Callable[[Options, int], int]
    """Returns the value of `open_image(align=)` with which the image's chunks can be written."""
    options: frozenset[str] = frozenset()
    """Names of the options that affect this format."""
    labels_only: bool = False
    """Whether the format can hold labels without the rebuilt image."""


def _any_chunks(_: Options, pixel_bytes: int) -> int:
    return 1


def _stored_chunks(options: Options, pixel_bytes: int) -> int:
    return options.chunk or 1


def _tiles(options: Options, pixel_bytes: int) -> int:
    return options.chunk_side(TIFF_TILE, pixel_bytes)


def _shards(options: Options, pixel_bytes: int) -> int:
    return options.shard or options.chunk_side(OME_CHUNK, pixel_bytes)


_PHOTOGRAPH = frozenset({"pixels"})
_TIFF = frozenset({"pixels", "layout", "chunk", "codec"})
_OME = frozenset({"layout", "chunk", "shard", "codec", "ome_version"})

# To add a format, add a line here and a module in a folder next to this one.
WRITERS: dict[str, Format] = {
    ".jpeg": Format(_create_jpeg, _create_jpeg, _any_chunks),
    ".jpg": Format(_create_jpeg, _create_jpeg, _any_chunks),
    ".png": Format(_create_png, _create_png, _any_chunks, _PHOTOGRAPH),
    ".tif": Format(_create_tiff, _create_tiff, _tiles, _TIFF, labels_only=True),
    ".tiff": Format(_create_tiff, _create_tiff, _tiles, _TIFF, labels_only=True),
    ".ome.zarr": Format(_create_ome_zarr, _check_ome_zarr, _shards, _OME, labels_only=True),
    ".zarr": Format(_create_zarr, _check_zarr, _stored_chunks, frozenset({"chunk", "codec"}), labels_only=True),
}


def output_suffix(name: str) -> str | None:
    """Return the longest suffix of a name that is an output format; None if there is none."""
    known = [suffix for suffix in WRITERS if name.lower().endswith(suffix)]
    return name[-len(max(known, key=len)) :] if known else None


def _named(path: str | os.PathLike[str]) -> str:
    return shown(path) if is_remote(path) else str(local_path(path))


def output_format(path: str | os.PathLike[str]) -> Format:
    """Return the format for the suffix of a path or URL."""
    name = _named(path).rstrip("/")
    found = match_suffix(name, WRITERS)
    if found is None:
        raise InputError(f"{name}: its name does not say the format; end it in one of {listed(WRITERS)}")
    return found


def chunk_alignment(path: str | os.PathLike[str], options: Options = DEFAULTS, pixel_bytes: int = 3) -> int:
    """Return the value of `open_image(align=)` with which the image's chunks can be written to this path.

    Parameters
    ----------
    path : final path of the output
    options : storage options of the output
    pixel_bytes : bytes of a pixel: number of bands times bytes per value
    """
    return output_format(path).alignment(options, pixel_bytes)


def check_format(
    path: str | os.PathLike[str],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    units: int,
    with_image: bool = True,
    nodata: bool = False,
    options: Options = DEFAULTS,
) -> None:
    """Refuse an image that the output format cannot hold, before any work; no file is touched.

    Parameters
    ----------
    path : final path of the output
    shape : height, width and bands of the image
    dtype : of the image
    units : number of colors in the palette
    with_image : whether the rebuilt image is written, not only the labels
    nodata : whether some pixels may have no data
    options : storage options of the output

    Raises
    ------
    InputError
    """
    name, form = _named(path), output_format(path)
    if not with_image and not form.labels_only:
        known = [suffix for suffix, other in WRITERS.items() if other.labels_only]
        png = "; a .png of labels is written with --pixels labels" if name.lower().endswith(".png") else ""
        raise InputError(f"{name}: labels without the image (--no-image) are written to {listed(known)}{png}")
    if vain := [option for option in options.given if option not in form.options]:
        known = [suffix for suffix, other in WRITERS.items() if vain[0] in other.options]
        raise InputError(
            f"{name}: {vain[0]} (--{vain[0].replace('_', '-')}) has no meaning for this format; "
            f"it is for {listed(known)}: leave it out"
        )
    height, width, bands = shape
    palette = np.zeros((units, bands), dtype)
    form.check(Output(name, height, width, (height, width), palette, {}, with_image, nodata, options=options))


def create_writer(output: Output) -> Writer:
    """Prepare an output file and return its writer, which is small enough to send with every task.

    Raises
    ------
    InputError
        The format cannot hold this image.
    """
    return output_format(output.path).create(output)
