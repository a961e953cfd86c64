"""Choose the format of a file or Zarr directory by its suffix or, failing that, by its content, and open it."""

from __future__ import annotations

from collections.abc import Callable

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.sidecars import with_sidecars
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.selection import Selection
from dasksom.storage.file_checks import check_reachable
from dasksom.storage.local_paths import check_readable, listed, match_suffix
from dasksom.storage.locations import Location
from dasksom.storage.zarr_nodes import ZARR_METADATA

_kind_by_content = deferred("dasksom.image.sources.other_formats:kind_by_content")
_way_out_of = deferred("dasksom.image.sources.other_formats:way_out_of")
Opener = Callable[[Location, Selection], OpenedImage]
_open_gdal: Opener = deferred("dasksom.image.gdal.source:open_gdal")
_open_photograph: Opener = deferred("dasksom.image.photographs.source:open_photograph")
_open_tiff: Opener = deferred("dasksom.image.tiff.source:open_tiff")
_open_zarr: Opener = deferred("dasksom.image.zarr.source:open_zarr")

# To add a format, add a line here and a module in a folder next to this one. Openers read headers, never pixels.
FILE_OPENERS: dict[str, Opener] = {
    ".asc": _open_gdal,
    ".avif": _open_photograph,
    ".bmp": _open_photograph,
    ".gif": _open_photograph,
    ".h5": _open_gdal,
    ".hdf5": _open_gdal,
    ".hdr": _open_gdal,
    ".j2k": _open_gdal,
    ".jp2": _open_gdal,
    ".jpeg": _open_photograph,
    ".jpg": _open_photograph,
    ".nc": _open_gdal,
    ".nc4": _open_gdal,
    ".ozx": _open_zarr,
    ".pbm": _open_photograph,
    ".pgm": _open_photograph,
    ".png": _open_photograph,
    ".pnm": _open_photograph,
    ".ppm": _open_photograph,
    ".tif": _open_tiff,
    ".tiff": _open_tiff,
    ".webp": _open_photograph,
    ".zarr": _open_zarr,
    ".zarr.zip": _open_zarr,
}

# First bytes of files with an unknown suffix (SVS, NDPI and the files of many scanners are TIFF).
MAGIC: dict[bytes, Opener] = {
    b"II*\0": _open_tiff,
    b"MM\0*": _open_tiff,
    b"II+\0": _open_tiff,
    b"MM\0+": _open_tiff,
    b"\x89PNG\r\n\x1a\n": _open_photograph,
    b"\xff\xd8\xff": _open_photograph,
    b"RIFF": _open_photograph,
    b"GIF8": _open_photograph,
}


def is_remote_zarr(location: Location) -> bool:
    """Return whether a URL refers to a Zarr array or group."""
    return location.file_name.endswith(".zarr") or any(location.below(name).exists() for name in ZARR_METADATA)


def open_file(location: Location, selection: Selection) -> OpenedImage:
    """Open an image file or a Zarr directory; read headers, never pixels.

    Raises
    ------
    InputError
        The image cannot be used.
    """
    known = match_suffix(location.file_name, FILE_OPENERS)
    if location.remote:
        if known is _open_zarr or (known is None and is_remote_zarr(location)):
            return _open_zarr(location, selection)
        check_reachable(location)
    elif check_readable(location.local):
        return _open_zarr(location, selection)
    opener = known or _sniffed(location)
    return with_sidecars(location, opener(location, selection), selection)


def _sniffed(location: Location) -> Opener:
    start = location.read(0, 16)
    for magic, opener in MAGIC.items():
        if start.startswith(magic):
            return opener
    way_out = _way_out_of(_kind_by_content(start) or location.file_name)
    raise InputError(
        f"{location}: not an image that is known here, by suffix or content; accepted are {listed(FILE_OPENERS)}, "
        f".vrt: {way_out}"
    )
