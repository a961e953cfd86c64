"""A path, a URL or a DataArray becomes a lazy image: one dask task per chunk, nothing read before compute."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import dask.array as da
import numpy as np

from dasksom.errors import InputError
from dasksom.image import read_formats as formats
from dasksom.image.mosaics.tile_folder import open_tile_folder
from dasksom.image.mosaics.vrt import open_vrt
from dasksom.image.read_formats import Opener, open_file
from dasksom.image.sources.chunk_planning import plan_chunks
from dasksom.image.sources.masks import MaskSource, alpha_mask, holds, mask_of, nodata_mask, without_band
from dasksom.image.sources.picture import Found, Picture
from dasksom.image.sources.protocol import Source
from dasksom.image.sources.selection import Selection, parse_select
from dasksom.image.sources.unreadable import Part, Readable, Rest, WithoutParts, lazy
from dasksom.image.xarray_input import data_array_picture, is_data_array, refuse_others
from dasksom.storage.local_paths import check_readable
from dasksom.storage.locations import Location, locate
from dasksom.storage.zarr_nodes import is_zarr

READERS: dict[str, Opener] = {**formats.READERS, ".vrt": open_vrt}
"""What a path may end in."""

ALPHA = ("mask", "drop", "band")
"""What becomes of a band of opacity: it tells which pixels count, is left out, or is a band like the others."""
NODATA = "no-data value"
"""What a mask was made of, for a person."""


def open_image(image: Any, **options: Any) -> da.Array:
    """Open an image as a lazy dask array.

    Parameters
    ----------
    image : path, URL or xarray DataArray
    **options : those of `open_picture`

    Returns
    -------
    dask array of shape (height, width, bands), in the file's dtype; the bands are one chunk, each chunk is one task.
    Its name depends on path, size and time of last change: equal for equal files.

    Raises
    ------
    InputError
        Whatever makes the file unusable, before any pixel is read; damaged pixels are found on reading.
    """
    return open_picture(image, **options).pixels


def open_picture(
    image: Any,
    *,
    component: str | None = None,
    series: int | None = None,
    level: int | None = None,
    select: Mapping[str, Any] | Iterable[str] | None = None,
    axes: str | None = None,
    alpha: str | None = None,
    nodata: float | str | None = None,
    mask: Any = None,
    fill_missing: bool = False,
    allow_outside: bool = False,
    storage: Mapping[str, Any] | None = None,
    chunk_bytes: int = 64 * 2**20,
    align: int = 1,
    unread: Sequence[Part] | None = None,
) -> Picture:
    """Open an image with what its file tells beside pixels: which of them count, and where on earth they lie.

    Parameters
    ----------
    image : path, URL or xarray DataArray
        A Zarr or OME-Zarr directory, a TIFF, a PNG, JPEG or WebP, a GDAL .vrt, a folder of tiles; every worker must see
        it under the same path.
    component : str, optional
        Path of an array or image inside a Zarr group.
    series, level : int, optional
        Number of the image in a file of several; level of its pyramid, 0 being the full resolution.
    select : dict or list of str, optional
        Places along axes, such as {"z": 3, "c": (0, 2)} or ["z=3", "c=0,2"].
    axes : str, optional
        What the stored axes are, such as "cyx", in place of what the file says.
    alpha : {"mask", "drop", "band"}, optional
        What becomes of opacity; "mask" by default, so that transparent pixels do not count. Where the file does not say
        which band it is, it is the last one of 2 or 4 if this is given.
    nodata : float or "none", optional
        Value of pixels that do not count, in place of the file's; "none": all count.
    mask : path, URL or bool array of shape (height, width), optional
        Pixels count where it is not 0; an image may be of a lower resolution.
    fill_missing : bool
        Whether chunks or tiles that the file lacks are its fill value; else they are an error.
    allow_outside : bool
        Whether a .vrt may name files outside of its own folder.
    storage : dict, optional
        Options of a remote store's file system (fsspec): key, secret, endpoint_url, anon, ...
    chunk_bytes : int
        Wanted bytes of a decoded chunk.
    align : int
        Rows and columns of chunks are multiples of it; `writing.chunk_alignment(output)` says what an output needs.
    unread : sequence of (first row, last row, first column, last column), optional
        Parts that are never read and do not count; `dasksom.runs.bad_chunks.find_unread` finds
        those that cannot be read.
        With this, even of none, what is missing is no error before it is read.

    Returns
    -------
    Picture
        `BatchSOM.fit(picture.pixels, mask=picture.mask)` trains on the pixels that count.

    Raises
    ------
    InputError
        Whatever makes the file unusable, before any pixel is read; damaged pixels are found on reading.

    Examples
    --------
    >>> import numpy as np, dasksom, tempfile, PIL.Image
    >>> path = tempfile.mkdtemp() + "/a.png"
    >>> PIL.Image.fromarray(np.full((2, 3, 4), 255, np.uint8)).save(path)
    >>> picture = dasksom.open_picture(path)
    >>> picture.pixels.shape, picture.mask.compute().all()
    ((2, 3, 3), np.True_)
    """
    if alpha is not None and alpha not in ALPHA:
        raise InputError(f"alpha={alpha!r}: one of {', '.join(ALPHA)} is accepted")
    lenient = unread is not None
    parts = parse_select(select)
    selection = Selection(component, series, level, axes, parts, fill_missing, allow_outside, lenient=lenient)
    if isinstance(image, (str, os.PathLike)):
        picture = _open_path(locate(image, storage), selection, alpha, nodata, _Cut(chunk_bytes, align, unread or ()))
    elif is_data_array(image):
        picture = _settle_alpha(data_array_picture(image, selection, chunk_bytes, align), None, alpha)
    else:
        refuse_others(image)
    picture = _settle_nodata(picture, nodata)
    if mask is not None:
        taken = replace(selection, component=None, series=None, level=None, axes=None, select=(), bools=True)
        picture = _with_mask(picture, mask, storage, taken, unread or ())
    if unread:
        rest = lazy(Rest(picture.pixels.shape[:2], tuple(unread)), picture.pixels.chunks[:2], "read")
        picture = _masked(picture, rest, "parts that can be read")
    return picture


@dataclass(frozen=True)
class _Cut:
    """How an image becomes chunks."""

    chunk_bytes: int
    align: int
    unread: Sequence[Part]


def _open_path(
    location: Location, selection: Selection, alpha: str | None, nodata: float | str | None, cut: _Cut
) -> Picture:
    found = open_found(location, selection)
    source = _without(found.source, cut.unread)
    pixels = _lazy(source, found.source, str(location), cut)
    picture = Picture(
        pixels, None, found.nodata, found.geo_tags, found.pixel_size, found.unit, found.about,
        sources=(source,), stored=found.source.storage_chunks,
    )  # fmt: skip
    if found.mask is not None:
        mask = mask_of(found.mask, pixels.shape[:2], f"{location} (its own mask)")
        picture = _masked_by(picture, mask, cut.unread, "mask of the file")
    if found.alpha_is_nodata and found.alpha is not None:
        # like the no-data value that it is, it gives way to another one
        return _settle_alpha(picture, found.alpha, "drop" if nodata is not None else alpha, NODATA)
    return _settle_alpha(picture, found.alpha, alpha)


def open_source(image: str | os.PathLike[str], *, storage: Mapping[str, Any] | None = None, **selection: Any) -> Source:
    """Open an image file without dask: shape, dtype and storage chunks, and regions read on demand."""
    return open_found(locate(image, storage), Selection(**selection)).source


def open_found(location: Location, selection: Selection) -> Found:
    """Open whatever a location is: a file, a Zarr directory, a virtual mosaic, a folder of tiles."""
    if not location.remote and check_readable(location.local):
        tiles = not is_zarr(location.local) and not location.file_name.endswith(".zarr")
        return open_tile_folder(location, selection) if tiles else open_file(location, selection)
    if location.file_name.endswith(".vrt"):
        return open_vrt(location, selection)
    return open_file(location, selection)


def _without(source: Any, unread: Sequence[Part]) -> Any:
    return WithoutParts(source, tuple(unread)) if unread else source


def _lazy(source: Readable, stored: Source, named: str, cut: _Cut) -> da.Array:
    height, width, bands = stored.shape
    try:
        rows, columns = plan_chunks(
            stored.shape, stored.dtype.itemsize, stored.storage_chunks, chunk_bytes=cut.chunk_bytes, align=cut.align
        )
    except InputError as error:
        raise InputError(f"{named}: {error}") from error
    return lazy(source, (min(rows, height), min(columns, width), bands), "image")


def _masked(picture: Picture, mask: da.Array, of: str) -> Picture:
    """Let fewer pixels count."""
    both = mask if picture.mask is None else picture.mask & mask
    told = picture.about.get("mask")
    return replace(picture, mask=both, about={**picture.about, "mask": f"{told}, {of}" if told else of})


def _masked_by(picture: Picture, mask: MaskSource, unread: Sequence[Part], of: str) -> Picture:
    """Let fewer pixels count, by another image."""
    source = _without(mask, unread)
    array = lazy(source, picture.pixels.chunks[:2], "mask")
    return _masked(replace(picture, sources=(*picture.sources, source)), array, of)


def _settle_alpha(picture: Picture, band: int | None, wanted: str | None, named: str = "alpha") -> Picture:
    """Do with opacity what is wanted; where it is not known to be there, only if a person says so."""
    bands = picture.pixels.shape[2]
    if band is None and wanted is not None and bands in (2, 4):
        band = bands - 1
    if band is None or wanted == "band" or bands == 1:
        return picture
    colors = replace(picture, pixels=without_band(picture.pixels, band))
    return colors if wanted == "drop" else _masked(colors, alpha_mask(picture.pixels, band), named)


def _settle_nodata(picture: Picture, given: float | str | None) -> Picture:
    if given is None and picture.nodata is None:
        return picture
    if isinstance(given, str) and given.strip().lower() == "none":
        return replace(picture, nodata=None)
    if given is None:
        value = float(picture.nodata) if picture.nodata is not None and isnan(picture.nodata) else picture.nodata
        if value is None or not holds(picture.pixels.dtype, value):
            about = {**picture.about, "no data": f"{value}, which {picture.pixels.dtype} cannot hold: all pixels count"}
            return replace(picture, nodata=None, about=about)
    else:
        value = _number(given)
    mask = nodata_mask(picture.pixels, value)
    told = replace(picture, nodata=value, about={**picture.about, "no data": f"{value:g}"})
    return told if mask is None else _masked(told, mask, NODATA)


def _number(given: float | str) -> float:
    try:
        return int(given) if isinstance(given, str) and given.strip().lstrip("+-").isdigit() else float(given)
    except (TypeError, ValueError):
        raise InputError(f"nodata={given!r}: a number, nan or none is accepted") from None


def _with_mask(
    picture: Picture, mask: Any, storage: Mapping[str, Any] | None, selection: Selection, unread: Sequence[Part]
) -> Picture:
    size, of = picture.pixels.shape[:2], "mask given"
    if isinstance(mask, (str, os.PathLike)):
        location = locate(mask, storage)
        found = open_found(location, selection)
        return _masked_by(picture, mask_of(found.source, size, str(location), found.alpha), unread, of)
    array = mask if isinstance(mask, da.Array) else da.from_array(np.asarray(mask), chunks=-1)
    if array.dtype != np.bool_ or array.shape != size:
        raise InputError(
            f"mask: True where a pixel counts, so an array of bool and shape {size} is needed; "
            f"got {array.dtype} of {array.shape}. A mask of lower resolution is given as an image file"
        )
    return _masked(picture, array.rechunk(picture.pixels.chunks[:2]), of)
