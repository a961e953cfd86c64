"""What GDAL's XML (.vrt, .aux.xml) declares of an image: no-data value, names of bands, scale, georeference."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import Any

import numpy as np

from dasksom.image.metadata.geo_tags import tags_of_epsg, tags_of_points
from dasksom.image.sources.protocol import Tag

_LARGEST_EPSG = 32_767


def nodata_of(
    root: ElementTree.Element, bands: Sequence[ElementTree.Element], dtype: np.dtype[Any]
) -> tuple[float | None, str | None]:
    """Return the no-data value of an image, and a note where one cannot be used.

    Parameters
    ----------
    root, bands : elements of the image and of its bands
    dtype : of the pixels: integers keep all their digits
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
    """Return the names of bands; nothing where none has one."""
    names = tuple((band.findtext("Description") or "").strip() for band in bands)
    return names if any(names) else ()


def scales_of(bands: Sequence[ElementTree.Element]) -> str:
    """List scales and offsets that change values, for a person."""
    parts = []
    for number, band in enumerate(bands, start=1):
        for tag, neutral in (("Scale", 1.0), ("Offset", 0.0)):
            text = band.findtext(tag)
            if text is not None and _numbers([text]) != [neutral]:
                parts.append(f"{tag.lower()} {text.strip()} of band {number}")
    return ", ".join(parts)


def tags_of_gdal_xml(root: ElementTree.Element) -> tuple[Tag, ...]:
    """Make the tags of what a .vrt or .aux.xml of GDAL declares: SRS and GeoTransform, or GCPList."""
    if root.find("GCPList") is not None and root.find("GeoTransform") is None:
        points = root.find("GCPList")
        assert points is not None  # noqa: S101 - looked for above
        system = _epsg_of(points.get("Projection", ""))
        rows = [_numbers([node.get(name, "0") for name in ("Pixel", "Line", "X", "Y", "Z")]) for node in points]
        placed = [row for row in rows if len(row) == 5]
        return tags_of_points(*system, placed) if system is not None and placed else ()
    system = _epsg_of(root.findtext("SRS", ""))
    transform = _numbers(root.findtext("GeoTransform", "").split(","))
    return tags_of_epsg(*system, transform) if system is not None and len(transform) == 6 else ()


def _epsg_of(crs: str) -> tuple[int, bool] | None:
    """Return a system's EPSG number, and whether it is geographic; None for a system without."""
    named = re.findall(r'(?:ID|AUTHORITY)\["EPSG",\s*"?(\d+)"?\]', crs) or re.findall(r"^EPSG:(\d+)$", crs.strip())
    if not named or int(named[-1]) > _LARGEST_EPSG:
        return None
    return int(named[-1]), crs.lstrip().startswith(("GEOGCS", "GEOGCRS")) or crs.strip() == "EPSG:4326"


def _numbers(texts: Sequence[str]) -> list[float]:
    try:
        return [float(text) for text in texts if text.strip()]
    except ValueError:
        return []
