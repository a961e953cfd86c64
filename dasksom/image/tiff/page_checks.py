"""Refuse TIFFs that are damaged, malicious, or have unsupported pixels."""

from __future__ import annotations

import lzma
import os
import zlib
from contextlib import suppress
from importlib.util import find_spec
from math import prod
from typing import Any

import numpy as np
import tifffile

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import MAX_STORAGE_CHUNK_BYTES
from dasksom.image.sources.dtypes_and_axes import check_dtype
from dasksom.image.tiff.color_tables import BLACK_IS_ZERO, PHOTOMETRIC_PALETTE, TABLE_BITS, WHITE_IS_ZERO
from dasksom.storage.locations import Location
from dasksom.storage.safe_xml import xml_tree

_TO_RGB = "convert it to RGB first (ImageMagick: convert IN -type TrueColor OUT.tif; or Pillow's image.convert('RGB'))"
_WAY_OUT = {5: f"its colors are CMYK: {_TO_RGB}", 8: f"its colors are CIELab: {_TO_RGB}"}
_RECOMPRESS = "compress it otherwise first (GDAL: gdal_translate -co COMPRESS=DEFLATE IN OUT.tif; or ImageMagick)"
_RGB, _YCBCR = 2, 6
_PHOTOMETRIC = (WHITE_IS_ZERO, BLACK_IS_ZERO, _RGB, PHOTOMETRIC_PALETTE, _YCBCR)
_TABLES = (WHITE_IS_ZERO, BLACK_IS_ZERO, PHOTOMETRIC_PALETTE)
_OLD_JPEG = 6
_DECODED_TO_RGB = {7, 34892, 33003, 33007}
"""Compressions whose decoders convert YCbCr to RGB."""
_LAYOUT_TAGS = (256, 257, 258, 259, 262, 277, 278, 284, 317, 322, 323, 338, 339)
"""Tags of the size, type and layout of pixels."""
_UNPACKED_BITS = (1, 8, 16, 32, 64)
"""Bits per value that are read without imagecodecs."""
_MOST_PAGES, _MOST_TAGS = 1 << 20, 4096


def check_chain(location: Location, tiff: Any) -> None:
    """Refuse a file with a cycle in its chain of directories, which tifffile would follow for hours.

    Raises
    ------
    InputError
    """
    file, form, offset = tiff.filehandle, tiff.tiff, int(tiff.pages.first.offset)
    seen: set[int] = set()
    while 0 < offset < file.size:
        if offset in seen or len(seen) >= _MOST_PAGES:
            what = "lead back to an earlier one" if offset in seen else f"are more than {_MOST_PAGES}"
            raise InputError(f"{location}: its pages {what}; the file is damaged: copy it again")
        seen.add(offset)
        file.seek(offset)
        data = file.read(form.tagnosize)
        count = int.from_bytes(data, "little" if form.byteorder == "<" else "big")
        file.seek(offset + form.tagnosize + count * form.tagsize)
        data = file.read(form.offsetsize)
        if count > _MOST_TAGS or len(data) < form.offsetsize:
            return  # tifffile reads the pages before it
        offset = int.from_bytes(data, "little" if form.byteorder == "<" else "big")


def check_ome_xml(location: Location, tiff: Any) -> None:
    """Refuse OME-XML that makes tifffile expand entities, or read files outside the folder of the TIFF.

    Raises
    ------
    InputError
    """
    text = tiff.ome_metadata
    if not isinstance(text, str) or not any(sign in text for sign in ("FileName", "MetadataFile", "<!")):
        return
    try:
        root = xml_tree(text)
    except InputError as error:
        raise InputError(f"{location}: its OME-XML cannot be used: {error}; save the image as a plain TIFF") from error
    keys = ("FileName", "MetadataFile")
    for name in sorted({node.get(key, "") for node in root.iter() for key in keys if key in node.attrib}):
        if os.path.basename(name) != name or name in ("", ".", "..") or "\\" in name:
            raise InputError(
                f"{location}: its OME-XML looks for pixels in {name[:80]!r}; the files of an OME-TIFF are in one "
                "folder: copy them there, and save it again"
            )


def missing_files(location: Location, tiff: Any) -> list[str]:
    """Return the names of files that belong to an OME-TIFF but are missing in its folder."""
    if location.remote or not isinstance(tiff.ome_metadata, str):
        return []
    names = {node.get("FileName") for node in xml_tree(tiff.ome_metadata).iter()} - {None}
    return [name for name in sorted(map(str, names)) if not (location.local.parent / name).exists()]


def check_kind(location: Location, page: Any) -> None:
    """Refuse pixels that are not gray levels, RGB, palette indices or plain bands, and codecs that are not installed.

    Raises
    ------
    InputError
    """
    kind = None if page.photometric is None else int(page.photometric)
    if kind is not None and kind not in _PHOTOMETRIC:
        name = getattr(page.photometric, "name", page.photometric)
        way_out = _WAY_OUT.get(kind, _TO_RGB)
        raise InputError(f"{location}: a TIFF with photometric interpretation {name}; {way_out}")
    if kind == _YCBCR and int(page.compression) != _OLD_JPEG and int(page.compression) not in _DECODED_TO_RGB:
        raise InputError(f"{location}: its colors are YCbCr without JPEG; {_TO_RGB}")
    if int(page.compression) == _OLD_JPEG:
        raise InputError(
            f"{location}: compressed as old-style JPEG (TIFF compression 6), which is not read; {_RECOMPRESS}"
        )
    _check_tags(location, page)
    deep = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    if page.dtype is None or (deep < 8 and (deep not in TABLE_BITS or kind not in _TABLES)):
        raise InputError(
            f"{location}: values of {page.bitspersample} bits are not read; convert it to 8, 16 or 32 bits "
            "(GDAL: gdal_translate -co NBITS=8 IN OUT.tif)"
        )
    if page.dtype != np.bool_:
        check_dtype(str(location), page.dtype)
    if getattr(page, "imagedepth", 1) != 1:
        raise InputError(f"{location}: holds a stack of {page.imagedepth} planes; save one plane as a TIFF of its own")
    check_decoder(location, page)


def _check_tags(location: Location, page: Any) -> None:
    """Refuse a page with contradictory duplicates of a tag, which every reader resolves differently."""
    for code in _LAYOUT_TAGS:
        values = {str(tag.value) for tag in page.tags.getall(code, default=())}
        if len(values) > 1:
            raise InputError(
                f"{location}: its tag {code} is stored twice, as {' and '.join(sorted(values))}; the file is damaged: "
                "copy it again"
            )


def check_decoder(location: Location, page: Any) -> None:
    """Refuse compressions, predictors and packed bits for which no decoder is installed.

    Raises
    ------
    InputError
        The message names the extra to install, or a conversion if no extra has the decoder.
    """
    bits = page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample)
    has_codecs = find_spec("imagecodecs") is not None
    name, missing = getattr(page.compression, "name", page.compression), None
    try:
        decode = None if page.compression == 1 else tifffile.TIFF.DECOMPRESSORS[page.compression]
        if page.predictor != 1:
            tifffile.TIFF.UNPREDICTORS[page.predictor]
        if decode is not None and not has_codecs:
            with suppress(ValueError, RuntimeError, OSError, EOFError, zlib.error, lzma.LZMAError):
                decode(b"")  # tifffile's own decoders import their dependencies when they are called
    except (KeyError, ImportError, NotImplementedError) as error:
        missing = error
    if not has_codecs and bits not in _UNPACKED_BITS:
        name, missing = f"{bits} bits a value", NotImplementedError("packed bits")
    if missing is None:
        return
    unknown = has_codecs and ("not supported" in str(missing) or "not a known" in str(missing))
    way_out = f"none is known: {_RECOMPRESS}" if unknown else "install it with: pip install 'dasksom[tiff]'"
    raise InputError(f"{location}: compressed as {name}, for which a decoder is missing; {way_out}") from missing


def check_segment_size(location: Location, page: Any, segment: tuple[int, int]) -> None:
    """Refuse tiles that do not fit in memory; they are decoded completely, even beyond the image's end."""
    samples = 1 if int(page.planarconfig or 1) == 2 else int(page.samplesperpixel)
    size = prod(segment) * samples * page.dtype.itemsize
    if min(segment) < 1 or (page.is_tiled and size > MAX_STORAGE_CHUNK_BYTES):
        raise InputError(
            f"{location}: has tiles or strips of {segment[0]} x {segment[1]} pixels, {size / 2**30:.3g} GiB decoded; "
            f"from 1 x 1 to {MAX_STORAGE_CHUNK_BYTES / 2**30:.0f} GiB can be read: save it in tiles of 512 x 512"
        )
