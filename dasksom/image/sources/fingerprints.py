"""Compute fingerprints of the files behind an image, to detect changes."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from dasksom.image.sources.picture import Picture
from dasksom.storage.local_paths import Stamp, stamp_of
from dasksom.storage.locations import is_remote

if TYPE_CHECKING:
    from dasksom.image.sources.protocol import Readable

_IMAGE_NAME = re.compile(r"\.(?!json$)[A-Za-z][A-Za-z0-9]*$")
"""Names of images, unlike those of the chunks and metadata of a Zarr, which may be many."""


def _metadata_next_to(name: str) -> Stamp | None:
    """Return the version of the metadata that GDAL writes next to a local image; None if there is none."""
    if is_remote(name) or not _IMAGE_NAME.search(name):
        return None
    try:
        return stamp_of(f"{name}.aux.xml")
    except OSError:
        return None


def fingerprint(image: Picture | Readable) -> str:
    """Return a digest that changes whenever a file of an image or of its mask changes; reads no pixels.

    Parameters
    ----------
    image : Picture or source
        Its files are examined now, even if it was opened earlier.

    Returns
    -------
    str
        64 hexadecimal digits: SHA-256 of the selection and of size and modification time of each file: a TIFF or
        photograph and GDAL's metadata next to it (.aux.xml), all tiles of a mosaic, or the metadata and the chunks of a
        Zarr that are read. On object stores, the listed version is used (ETag, else time). Of more than 200,000 chunks,
        a seeded sample of up to 200,000 is used; on http(s), which has no listings, one of up to 64. For arrays, it is
        the SHA-256 of their dask names.
    """
    sources = image.sources if isinstance(image, Picture) else (image,)
    names: list[str] = []
    if isinstance(image, Picture) and not sources:
        names = [array.name for array in (image.pixels, image.mask) if array is not None]
    digest = hashlib.sha256(json.dumps(names).encode())
    for source in sources:
        own: Any = getattr(source, "source", source) if hasattr(source, "unread") else source  # with all regions
        digest.update(repr(own.identity).encode())
        for name, stamp in own.members():
            digest.update(f"{name}\0{stamp}\n".encode(errors="surrogateescape"))
            if metadata := _metadata_next_to(name):
                digest.update(f"{metadata}\n".encode())
    return digest.hexdigest()
