"""Check GDAL's virtual datasets (.vrt) of an unknown source before GDAL reads them.

Bands and masks are made of image files on a disk, scaled, resampled or filtered. Other elements, other kinds of bands,
and files of formats that name further files or hosts are refused.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from math import isfinite
from os.path import commonpath, realpath
from pathlib import Path

from dasksom.errors import InputError
from dasksom.storage.locations import Location

_ELEMENTS = """
VRTDataset SRS GeoTransform GCPList GCP Metadata MDI VRTRasterBand MaskBand Description UnitType Offset Scale
CategoryNames Category ColorInterp ColorTable Entry NoDataValue HideNoDataValue SimpleSource ComplexSource
AveragedSource KernelFilteredSource Kernel Size Coefs SourceFilename SourceBand SourceProperties SrcRect DstRect NODATA
ScaleOffset ScaleRatio LUT Exponent SrcMin SrcMax DstMin DstMax Clamp ColorTableComponent UseMaskBand
"""
_ACCEPTED = frozenset(_ELEMENTS.split())
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMATS = (*_TIFF, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
"""First bytes of TIFF, PNG, JPEG and JPEG 2000."""
_SIDECARS = (".ovr", ".msk")
"""Suffixes of TIFF files that GDAL reads next to a file."""
_LARGEST = float(1 << 48)
_WAY_OUT = "make a file of it first (GDAL: gdal_translate -co TILED=YES IN.vrt OUT.tif)"


def virtual_files(location: Location, root: ElementTree.Element, *, allow_outside: bool) -> tuple[Location, ...]:
    """Return the files of a virtual dataset that GDAL can be given.

    Parameters
    ----------
    location : of the .vrt
    root : its content
    allow_outside : whether files outside of its folder are accepted

    Raises
    ------
    InputError
    """
    for node in root.iter():
        kind = node.get("subClass", "VRTSourcedRasterBand")
        if node.tag not in _ACCEPTED or kind != "VRTSourcedRasterBand":
            what = str(node.tag) if kind == "VRTSourcedRasterBand" else kind
            raise InputError(f"{location}: a .vrt with {what[:60]} is not read; {_WAY_OUT}")
        if node.tag in ("SrcRect", "DstRect"):
            _check_numbers(location, node)
    paths = dict.fromkeys(source_path(location, node) for node in root.iter("SourceFilename"))
    for path in paths:
        _check_file(location, path, allow_outside=allow_outside)
    return tuple(Location(str(path)) for path in paths)


def source_path(location: Location, node: ElementTree.Element) -> Path:
    """Return the absolute path of a source of a .vrt; InputError if it is no file on a disk."""
    text = (node.text or "").strip()
    if text.startswith(("/vsi", "<")) or "://" in text:
        raise InputError(f"{location}: the source {text} is no file on a disk; {_WAY_OUT}")
    path = location.local.parent / text if node.get("relativeToVRT") == "1" else Path(text)
    return path.absolute()


def _check_numbers(location: Location, node: ElementTree.Element) -> None:
    for name, text in node.attrib.items():
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not isfinite(number) or abs(number) > _LARGEST:
            raise InputError(f"{location}: {name}={text[:40]!r} of {node.tag} is no position; {_WAY_OUT}")


def _check_file(location: Location, path: Path, *, allow_outside: bool) -> None:
    folder = realpath(location.local.parent)
    if not allow_outside and commonpath((folder, realpath(path))) != folder:
        raise InputError(
            f"{location}: takes pixels of {path}, outside of its own folder; if the mosaic is yours, say "
            "--allow-outside (in Python allow_outside=True)"
        )
    for name, formats in ((str(path), _FORMATS), *((f"{path}{suffix}", _TIFF) for suffix in _SIDECARS)):
        file = Location(name)
        if name != str(path) and not file.local.exists():
            continue
        if not file.local.is_file():
            raise InputError(f"{location}: the source {name} is not a file; is it gone?")
        if ":" in name or not file.read(0, 16).startswith(formats):
            raise InputError(f"{location}: the source {name} is not a TIFF, PNG, JPEG or JPEG 2000 file; {_WAY_OUT}")
