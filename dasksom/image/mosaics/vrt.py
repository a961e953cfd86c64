"""Read GDAL's virtual mosaics (.vrt): plain rectangles of files without GDAL, others through rasterio."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.gdal.virtual_files import source_path, virtual_files
from dasksom.image.metadata.gdal_xml import band_names_of, nodata_of, scales_of, tags_of_gdal_xml, unused_georeference
from dasksom.image.mosaics.tiled_source import PlacedTile, Tiling, open_tiles
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.selection import Selection
from dasksom.storage.locations import Location
from dasksom.storage.safe_xml import MOST_XML_BYTES, xml_tree

_open_virtual: Callable[..., OpenedImage] = deferred("dasksom.image.gdal.source:open_virtual")
_WAY_OUT = "make a file of it first (GDAL: gdal_translate -co TILED=YES IN.vrt OUT.tif)"
_LONGEST = 1 << 48
"""Largest height, width or offset, in pixels."""
_TYPES = {
    "Byte": "u1", "Int8": "i1", "UInt16": "u2", "Int16": "i2", "UInt32": "u4", "Int32": "i4", "UInt64": "u8",
    "Int64": "i8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
_PLAIN = {"SourceFilename", "SourceBand", "SourceProperties", "SrcRect", "DstRect", "OpenOptions", "NODATA"}
"""Child elements of a source that do not change its pixels."""


class NotPlainError(InputError):
    """A virtual mosaic has masks, or changes the pixels of its files."""


def open_vrt(location: Location, selection: Selection) -> OpenedImage:
    """Open a virtual mosaic; read the header of each file."""
    if location.remote:
        raise InputError(
            f"{location}: .vrt mosaics can only be read from a local disk; copy the .vrt and its files to one"
        )
    try:
        return open_tiles(location, location.stamp(), parse_vrt, selection, {"format": "GDAL virtual mosaic"})
    except NotPlainError:
        files = virtual_files(location, _root(location), allow_outside=selection.allow_outside)
        return _open_virtual(location, selection, files)


def files_of_vrt(location: Location) -> set[str]:
    """Return the paths of the files of a virtual mosaic."""
    return {str(source_path(location, node)) for node in _root(location).iter("SourceFilename")}


def parse_vrt(location: Location) -> Tiling:
    """Determine the positions of the files of a virtual mosaic."""
    root = _root(location)
    bands = root.findall("VRTRasterBand")
    if root.get("subClass") or not bands:
        what = root.get("subClass") or "no bands"
        raise InputError(f"{location}: a .vrt with {what} is more than files side by side; {_WAY_OUT}")
    if root.find("MaskBand") is not None:
        raise NotPlainError(f"{location}: has a mask band")
    types = {band.get("dataType", "Byte") for band in bands}
    if len(types) > 1 or not types <= set(_TYPES):
        raise InputError(f"{location}: bands of {', '.join(sorted(types))}; one of {', '.join(_TYPES)} is read")
    dtype = np.dtype(_TYPES[types.pop()])
    tags = tags_of_gdal_xml(root)
    nodata, problem = nodata_of(root, bands, dtype)
    shape = _whole(location, root.get("rasterYSize")), _whole(location, root.get("rasterXSize")), len(bands)
    tiles: dict[PlacedTile, list[tuple[int, int]]] = {}
    for number, band in enumerate(bands):
        if band.get("subClass"):
            raise InputError(f"{location}: bands of subClass {band.get('subClass')} are not read; {_WAY_OUT}")
        for node in band:
            if node.tag.endswith("Source"):
                tile, stored = _tile(location, node)
                tiles.setdefault(tile, []).append((number, stored))
    alpha = [number for number, band in enumerate(bands) if band.findtext("ColorInterp") == "Alpha"]
    if not tiles:
        raise InputError(f"{location}: has no files in it")
    return Tiling(
        shape=shape,
        dtype=dtype,
        tiles=tuple(_with_bands(tile, tuple(pairs)) for tile, pairs in tiles.items()),
        fill=0 if nodata is None else nodata,
        nodata=nodata,
        nodata_problem=problem,
        alpha=alpha[0] if alpha else None,
        geo_tags=tags,
        unused_georeference=unused_georeference(root, tags),
        band_names=band_names_of(bands),
        scale=scales_of(bands),
    )


def _with_bands(tile: PlacedTile, bands: tuple[tuple[int, int], ...]) -> PlacedTile:
    return PlacedTile(tile.location, tile.y, tile.x, tile.height, tile.width, tile.top, tile.left, bands, tile.nodata)


def _root(location: Location) -> ElementTree.Element:
    size = int(location.stamp()[0])
    if size > MOST_XML_BYTES:
        raise InputError(f"{location}: {size} bytes; a .vrt has at most {MOST_XML_BYTES}")
    try:
        root = xml_tree(location.local.read_bytes())
    except InputError as error:
        raise InputError(f"{location}: is not a GDAL .vrt: {error}") from error
    if root.tag != "VRTDataset":
        raise InputError(f"{location}: is not a GDAL .vrt: its root is <{root.tag[:60]}>, not <VRTDataset>")
    return root


def _tile(location: Location, node: ElementTree.Element) -> tuple[PlacedTile, int]:
    """Return the rectangle of a source, and its band in its file (from 0)."""
    name = node.find("SourceFilename")
    extra = {child.tag for child in node} - _PLAIN
    if node.tag not in ("SimpleSource", "ComplexSource") or extra or node.get("resampling") or name is None:
        what = ", ".join(sorted(extra)) or node.tag
        raise NotPlainError(f"{location}: a .vrt whose sources have {what} changes pixels")
    path, text = source_path(location, name), (name.text or "").strip()
    taken, laid = (_rectangle(location, node.find(tag), text) for tag in ("SrcRect", "DstRect"))
    if taken[2:] != laid[2:]:
        raise NotPlainError(f"{location}: the source {text} is resampled ({taken} to {laid})")
    nodata = node.findtext("NODATA")
    left, top, width, height = taken
    stored = node.findtext("SourceBand", "1")
    if stored.startswith("mask"):
        raise NotPlainError(f"{location}: the source {text} takes its mask")
    if not stored.isdigit() or stored == "0":
        raise InputError(f"{location}: the source {text} takes its band {stored!r}; {_WAY_OUT}")
    tile = PlacedTile(
        Location(str(path)), laid[1], laid[0], height, width, top, left, (),
        None if nodata is None else _number(location, nodata),
    )  # fmt: skip
    return tile, int(stored) - 1


def _rectangle(location: Location, node: ElementTree.Element | None, name: str) -> tuple[int, int, int, int]:
    if node is None:
        raise InputError(f"{location}: the source {name} has no position (SrcRect, DstRect); {_WAY_OUT}")
    try:
        x, y, width, height = (_whole(location, node.get(key)) for key in ("xOff", "yOff", "xSize", "ySize"))
    except InputError as error:
        raise NotPlainError(str(error)) from error
    return x, y, width, height


def _whole(location: Location, text: str | None) -> int:
    try:
        number = float(text or "")
    except ValueError:
        number = -1.0
    if not 0 <= number <= _LONGEST or number != int(number):
        raise InputError(f"{location}: {text!r} is no integer number of pixels, so pixels are resampled; {_WAY_OUT}")
    return int(number)


def _number(location: Location, text: str) -> float:
    try:
        if re.fullmatch(r"\s*[+-]?\d{1,20}\s*", text):
            return int(text)  # floats cannot hold all 64-bit integers
        number = float(text)
        return np.nan if np.isnan(number) else number  # one object: bands of one tile have equal keys
    except ValueError:
        raise InputError(f"{location}: the no-data value {text[:40]!r} is no number; {_WAY_OUT}") from None
