"""Open a path, a URL or a DataArray as a lazy image; pixels are read only when they are computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask.array as da

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.picture_assembly import PictureParts, check_mask_array
from dasksom.image.read_formats import FILE_OPENERS, Opener, open_file
from dasksom.image.read_options import ReadOptions
from dasksom.image.sidecars import with_sidecars
from dasksom.image.sources.dtypes_and_axes import is_data_array
from dasksom.image.sources.picture import Chunking, Header, OpenedImage, Picture
from dasksom.image.sources.selection import Selection
from dasksom.storage.local_paths import check_readable, is_sentinel_product
from dasksom.storage.locations import Location, locate
from dasksom.storage.zarr_nodes import is_zarr

if TYPE_CHECKING:
    from dasksom.image.sources.masks import MaskSource
    from dasksom.image.sources.protocol import Source

_mask_of: Callable[..., MaskSource] = deferred("dasksom.image.sources.masks:mask_of")
_open_data_array = deferred("dasksom.image.xarray_input:open_data_array")
_placed_elsewhere = deferred("dasksom.image.metadata.geo_tags:placed_elsewhere")
_open_stack_parts: Callable[..., PictureParts] = deferred("dasksom.image.stacks.opening:open_stack_parts")
_placed_mask: Callable[..., MaskSource] = deferred("dasksom.image.sources.masks:MaskSource")
_placement = deferred("dasksom.image.metadata.geo_tags:placement")
_warp_command = deferred("dasksom.image.metadata.geo_tags:warp_command")
_refuse_others = deferred("dasksom.image.xarray_input:refuse_others")
_open_tile_folder: Opener = deferred("dasksom.image.mosaics.tile_folder:open_tile_folder")
_open_vrt: Opener = deferred("dasksom.image.mosaics.vrt:open_vrt")

READERS: dict[str, Opener] = {**FILE_OPENERS, ".vrt": _open_vrt}
"""Openers by suffix."""


def open_image(image: Any, options: ReadOptions | None = None, **changes: Any) -> da.Array:
    """Open an image as a lazy dask array.

    Parameters
    ----------
    image : path, URL or xarray DataArray, or a list of paths of the bands of one image
    options, **changes : as for `open_picture`

    Returns
    -------
    dask array of shape (height, width, bands), in the file's dtype; all bands are in one chunk, each chunk is one task.
    It supports NumPy indexing. Its name is derived from path, size and modification time: equal for equal files.

    Raises
    ------
    InputError
        The file cannot be used (raised before any pixel is read), or pixels are damaged (raised when they are read).
    """
    return open_picture(image, options, **changes).pixels


def open_picture(image: Any, options: ReadOptions | None = None, **changes: Any) -> Picture:
    """Open an image with its metadata: mask, no-data value, georeference, pixel size, names of bands.

    Parameters
    ----------
    image : path, URL or xarray DataArray, or a list of paths
        A Zarr or OME-Zarr directory, a TIFF, a photograph (PNG, JPEG ...), a GDAL .vrt, a folder of tiles, or a
        Sentinel-2 product (.SAFE); a list has the files of the bands of one image, as with `stack`. All workers
        must see it under the same path.
    options : ReadOptions, optional
    **changes
        Fields of `ReadOptions`: component, stack, series, level, select, bands, axes, alpha, nodata, mask,
        fill_missing, allow_outside, storage, chunk_bytes, align, unread.

    Returns
    -------
    Picture
        ``BatchSOM.fit(picture.pixels, mask=picture.mask)`` trains on the pixels that hold data;
        ``picture.in_chunks(...)`` returns it in other chunks without opening the file again.

    Raises
    ------
    InputError
        The file cannot be used (raised before any pixel is read), or pixels are damaged (raised when they are read).

    Examples
    --------
    >>> import numpy as np, dasksom, tempfile, PIL.Image
    >>> path = tempfile.mkdtemp() + "/a.png"
    >>> PIL.Image.fromarray(np.full((2, 3, 4), 255, np.uint8)).save(path)
    >>> picture = dasksom.open_picture(path)
    >>> picture.pixels.shape, picture.mask.compute().all()
    ((2, 3, 3), np.True_)
    """
    options = replace(options or ReadOptions(), **changes)
    if is_stack(image, options):
        parts = _open_stack_parts(image, options, open_header)
    elif isinstance(image, (str, os.PathLike)):
        location = locate(image, options.storage)
        opened = open_header(location, options.selection)
        size = opened.source.shape[:2]
        masks = {name: _mask_of(mask, size, f"{location} ({name})") for name, mask in opened.masks.items()}
        parts = PictureParts(str(location), opened, opened.source, masks=masks)
    elif is_data_array(image):
        parts = PictureParts(*_open_data_array(image, options.selection))
    else:
        _refuse_others(image)
    given = None if options.mask is None else _given_mask(options, parts)
    alpha = "band" if parts.select is not None else options.alpha  # stacks apply it to each file
    parts = replace(parts, alpha=alpha, nodata=options.nodata, given=given)
    return (parts if options.bands is None else parts.of_bands(options.bands)).cut(options.chunking)


def picture_of_array(pixels: da.Array, own_mask: da.Array | None = None, mask: Any = None) -> Picture:
    """Return an array as an image without metadata.

    Parameters
    ----------
    pixels : dask array of shape (height, width, bands)
    own_mask : dask array of shape (height, width), bool, optional
        True for pixels with data.
    mask : array of shape (height, width), bool, optional
        Another one.

    Raises
    ------
    InputError
        The shape or type of the mask does not fit.
    """
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    given = None if mask is None else check_mask_array(mask, size)
    if own_mask is not None:
        given = own_mask if given is None else own_mask & given.rechunk(own_mask.chunks)
    return PictureParts("the array", Header(), pixels, given=given).cut(Chunking())


def is_stack(image: Any, options: ReadOptions) -> bool:
    """Return whether the bands of an image are in several files or arrays."""
    if isinstance(image, (list, tuple)):
        return True
    if not isinstance(image, (str, os.PathLike)):
        return False
    several = options.component is not None and not isinstance(options.component, str)
    return options.stack or several or is_sentinel_product(image)


def open_pixels(image: str | os.PathLike[str], *, storage: Mapping[str, Any] | None = None, **selection: Any) -> Source:
    """Open an image file without dask: provides shape, dtype and storage chunks, and reads regions on demand."""
    return open_header(locate(image, storage), Selection(**selection)).source


def open_header(location: Location, selection: Selection) -> OpenedImage:
    """Open a location of any kind: a file, a Zarr directory, a virtual mosaic or a folder of tiles."""
    if not location.remote and check_readable(location.local):
        tiles = not is_zarr(location.local) and not location.file_name.endswith(".zarr")
        return _open_tile_folder(location, selection) if tiles else open_file(location, selection)
    if location.file_name.endswith(".vrt"):
        return with_sidecars(location, _open_vrt(location, selection), selection)
    return open_file(location, selection)


def _given_mask(options: ReadOptions, parts: PictureParts) -> MaskSource | da.Array:
    size = parts.shape[:2]
    if not isinstance(options.mask, (str, os.PathLike)):
        return check_mask_array(options.mask, size)
    location = locate(options.mask, options.storage)
    opened = open_header(location, options.mask_selection)
    elsewhere = _placed_elsewhere(parts.header.geo_tags, size, opened.geo_tags, opened.source.shape[:2])
    if elsewhere is not None:
        place = _placement(parts.header.geo_tags, size, opened.geo_tags, opened.source.shape[:2])
        overlaps = place is not None and all(
            max(0, first) < min(own, first + length * step) if step > 0 else False
            for (first, step), length, own in zip(place, size, opened.source.shape, strict=False)
        )
        if place is None or not overlaps:
            warp = _warp_command(parts.header.geo_tags, size, str(location)) or "gdalwarp -t_srs ... -te ... -ts ..."
            raise InputError(
                f"{location}: the mask is not where {parts.named} is: {elsewhere}; warp it to the image first: {warp}; "
                "or give one without georeference"
            )
        bands = opened.source.shape[2] - (opened.alpha is not None)
        return _placed_mask(opened.source, size, None, bands, place)
    return _mask_of(opened.source, size, str(location), opened.alpha)
