"""Read no-data value, band names, scale and georeference from GDAL's XML (.vrt, .aux.xml)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dasksom.errors import InputError
from dasksom.image.metadata.geo_tags import crs_name, georeference, tag_of_rpc, tags_of_epsg, tags_of_points
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.protocol import Tag
from dasksom.storage.locations import Location
from dasksom.storage.safe_xml import MOST_XML_BYTES, xml_tree

_LARGEST_EPSG = 32_767
_COMPOUND = ("COMPD_CS", "COMPOUNDCRS", "BOUNDCRS")
_RPC_KEYS = (
    "ERR_BIAS", "ERR_RAND", "LINE_OFF", "SAMP_OFF", "LAT_OFF", "LONG_OFF", "HEIGHT_OFF", "LINE_SCALE", "SAMP_SCALE",
    "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE", "LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF",
)  # fmt: skip
"""In the order of the TIFF tag; the first 12 have one number each, the last 4 have 20."""


def nodata_of(
    root: ElementTree.Element, bands: Sequence[ElementTree.Element], dtype: np.dtype[Any]
) -> tuple[float | None, str | None]:
    """Return the no-data value of an image, and a note if it cannot be used.

    Parameters
    ----------
    root, bands : elements of the image and of its bands
    dtype : of the pixels; for integers, the value keeps all its digits
    """
    texts = {(band.findtext("NoDataValue") or "").strip() for band in bands} or {""}
    if texts == {""}:
        texts = set((root.findtext("Metadata/MDI[@key='NODATA_VALUES']") or "").split()) or texts
    if len(texts) > 1:
        return None, f"its bands have different no-data values ({', '.join(sorted(texts))})"
    text = texts.pop()
    if not text:
        return None, None
    try:
        return (int(text) if dtype.kind in "ui" and re.fullmatch(r"[+-]?\d+", text) else float(text)), None
    except ValueError:
        return None, f"its no-data value {text[:40]!r} is no number"


def band_names_of(bands: Sequence[ElementTree.Element]) -> tuple[str, ...]:
    """Return the names of the bands; empty if no band has one."""
    names = tuple((band.findtext("Description") or "").strip() for band in bands)
    return names if any(names) else ()


def scales_of(bands: Sequence[ElementTree.Element]) -> str:
    """Describe scales and offsets that change values, for users."""
    parts = []
    for number, band in enumerate(bands):
        for tag, neutral in (("Scale", 1.0), ("Offset", 0.0)):
            text = band.findtext(tag)
            if text is not None and _numbers([text]) != [neutral]:
                parts.append(f"{tag.lower()} {text.strip()} of band {number}")
    return ", ".join(parts)


def tags_of_gdal_xml(root: ElementTree.Element) -> tuple[Tag, ...]:
    """Return GeoTIFF tags for the georeference of a .vrt or .aux.xml: SRS and GeoTransform, or GCPList; RPCs."""
    points, transform = root.find("GCPList"), _numbers(root.findtext("GeoTransform", "").split(","))
    system = _epsg_of(root.findtext("SRS", "") if points is None else points.get("Projection", ""))
    tags: tuple[Tag, ...] = ()
    if system is not None and len(transform) == 6 and points is None:
        tags = tags_of_epsg(*system, transform)
    elif system is not None and points is not None:
        rows = [_numbers([node.get(name, "0") for name in ("Pixel", "Line", "X", "Y", "Z")]) for node in points]
        placed = [row for row in rows if len(row) == 5]
        tags = tags_of_points(*system, placed) if placed else ()
    return tags + _rpc_of(root)


def unused_georeference(root: ElementTree.Element, tags: Sequence[Tag]) -> str | None:
    """Return a note for users if the declared georeference cannot be represented; None otherwise."""
    declared = root.findtext("SRS") or root.find("GCPList") is not None
    return "a coordinate reference system without an EPSG number, which is left out" if declared and not tags else None


def _rpc_of(root: ElementTree.Element) -> tuple[Tag, ...]:
    nodes = root.findall("Metadata[@domain='RPC']/MDI")
    texts = {node.get("key", ""): node.text or "" for node in nodes}
    numbers = [_numbers(texts.get(key, "0" if key.startswith("ERR") else "").split()) for key in _RPC_KEYS]
    lengths = [1] * 12 + [20] * 4
    if not nodes or [len(part) for part in numbers] != lengths:
        return ()
    return (tag_of_rpc([number for part in numbers for number in part]),)


def _epsg_of(crs: str) -> tuple[int, bool] | None:
    """Return a system's EPSG code, and whether it is geographic; None for a system without a code.

    Nested elements (ellipsoids, units, axes) have codes of their own, which are not the system's.
    """
    plain = re.fullmatch(r"EPSG:(\d+)", crs.strip())
    number = plain[1] if plain else _root_authority(crs)
    if number is None and crs.lstrip().startswith(_COMPOUND):
        inner = re.search(r"\b(?:PROJCS|PROJCRS|GEOGCS|GEOGCRS)\[", crs)
        return None if inner is None else _epsg_of(_balanced(crs[inner.start() :]))
    if number is None or int(number) > _LARGEST_EPSG:
        return None
    geographic = crs.lstrip().startswith(("GEOGCS", "GEOGCRS", "GEODCRS")) or crs.strip() == "EPSG:4326"
    return int(number), geographic


def _root_authority(crs: str) -> str | None:
    for match in re.finditer(r'\b(?:ID|AUTHORITY)\["EPSG",\s*"?(\d+)"?', crs):
        before = re.sub(r'"[^"]*"', "", crs[: match.start()])
        if before.count("[") - before.count("]") == 1:
            return match[1]
    return None


def _balanced(text: str) -> str:
    """Return a text up to and including the bracket that closes its first one."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "[") - (sign == "]")
        if sign == "]" and depth == 0:
            return text[: place + 1]
    return text


def _numbers(texts: Sequence[str]) -> list[float]:
    try:
        return [float(text) for text in texts if text.strip()]
    except ValueError:
        return []


def with_aux_xml(location: Location, opened: OpenedImage) -> OpenedImage:
    """Return an opened image with the metadata of a file that GDAL wrote next to it (IMAGE.aux.xml)."""
    try:
        if location.stamp()[0] > MOST_XML_BYTES:
            raise InputError(f"more than {MOST_XML_BYTES} bytes")
        root = xml_tree(location.local.read_bytes())
    except InputError as error:
        raise InputError(f"{location}: cannot be used: {error}; move it away if it is not GDAL's") from error
    if root.tag != "PAMDataset":
        return opened
    bands = root.findall("PAMRasterBand")
    changes: dict[str, object] = {}
    about = {**opened.about, "metadata next to it": location.local.name}
    nodata, problem = nodata_of(root, bands, opened.source.dtype)
    if nodata is not None or problem is not None:
        if any(key in opened.about for key in ("palette", "gray levels")) or opened.about.get("colors") == "P":
            problem = f"{location.local.name} declares a no-data value of stored values that stand for colors"
        changes |= {"nodata": None if problem else nodata, "nodata_problem": problem}
    if names := band_names_of(bands):
        changes["band_names"] = (*names, *[""] * opened.source.shape[2])[: opened.source.shape[2]]
    if tags := tags_of_gdal_xml(root):
        changes["geo_tags"] = tags
        about |= {"place on earth": crs_name(tags) or "", "georeference": georeference(tags) or "transform"}
    elif note := unused_georeference(root, ()):
        about["place on earth"] = note
    if scales := scales_of(bands):
        about["scale and offset"] = f"{scales}; not applied: values are as stored"
    return replace(opened, about=about, **changes)  # type: ignore[arg-type]
