"""Fingerprints of the files behind an image, to detect changes."""

from __future__ import annotations

import hashlib
import json

from dasksom.image.sources.picture import Picture
from dasksom.image.sources.protocol import Readable
from dasksom.image.sources.unreadable import WithoutRegions


def fingerprint(image: Picture | Readable) -> str:
    """Return what changes whenever a file behind an image changes, or behind its mask; reads no pixels.

    Parameters
    ----------
    image : Picture or source
        Its files are looked up now, even if it was opened before.

    Returns
    -------
    str
        64 hexadecimal digits, of what was selected and of size and time of last change of each file: a TIFF or
        photograph, all tiles of a mosaic, metadata and all chunks that are read of a Zarr. On object stores it is what
        these list (ETag, else time). Of more than 200,000 chunks a seeded 200,000 are looked at; of chunks behind
        http(s), where nothing can be listed, a seeded 64. For arrays it is made of their dask names.
    """
    sources = image.sources if isinstance(image, Picture) else (image,)
    names: list[str] = []
    if isinstance(image, Picture) and not sources:
        names = [array.name for array in (image.pixels, image.mask) if array is not None]
    digest = hashlib.sha256(json.dumps(names).encode())
    for source in sources:
        own = source.source if isinstance(source, WithoutRegions) else source
        digest.update(repr(own.identity).encode())
        for name, stamp in own.members():
            digest.update(f"{name}\0{stamp}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
