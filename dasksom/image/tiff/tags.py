"""Read the metadata of a TIFF: no-data value, alpha, georeference, pixel size, orientation, band names."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import unescape

import numpy as np

from dasksom.image.metadata.geo_tags import GEO_TAGS, at_level
from dasksom.image.sources.orientation import UPRIGHT, orientation_of
from dasksom.image.sources.protocol import Tag
from dasksom.storage.safe_xml import xml_tree

_GDAL_METADATA, _GDAL_NODATA, _ORIENTATION = 42112, 42113, 274
_ALPHA = (1, 2)
"""Values of ExtraSamples: associated and unassociated alpha."""
_MICROMETERS = {"µm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}


@dataclass(frozen=True)
class TiffFacts:
    """Metadata that the tags of an image declare."""

    nodata: float | None
    alpha: int | None
    """Number of the alpha sample."""
    geo_tags: tuple[Tag, ...]
    pixel_size: tuple[float, float] | None
    unit: str | None
    orientation: int = UPRIGHT
    """1 to 8; always 1 for georeferenced images, whose tags apply to the rows as stored."""
    band_names: tuple[str, ...] = ()
    """Names of samples or channels from GDAL's or OME's metadata."""
    scale: str | None = None
    """GDAL's scale and offset of the bands, as text for users."""


def read_facts(tiff: Any, number: int, full: Any, level: Any) -> TiffFacts:
    """Read the metadata of an image of an open TIFF.

    Parameters
    ----------
    tiff : tifffile.TiffFile
    number : of the image
    full, level : tifffile pages of the full resolution and of the level that is read
    """
    shrink = full.imagelength / level.imagelength, full.imagewidth / level.imagewidth
    size, unit = _pixel_size_of(tiff, number, shrink)
    geo_tags = _geo_tags(full, shrink)
    orientation = UPRIGHT if geo_tags else orientation_of(full.tags.valueof(_ORIENTATION))
    items = _gdal_items(full)
    names = {sample: text for role, sample, text in items if role == "description"}
    bands = tuple(names.get(n, "") for n in range(max(names) + 1)) if names else _ome_channels(tiff, number)
    scale = ", ".join(f"{role} {text} of band {sample}" for role, sample, text in items if role != "description")
    nodata = _nodata_of(full)
    return TiffFacts(nodata, _alpha_of(level), geo_tags, size, unit, orientation, bands, scale or None)


def _geo_tags(page: Any, shrink: tuple[float, float]) -> tuple[Tag, ...]:
    """Return the georeferencing tags; verbatim at full resolution, scaled at other levels."""
    tags = []
    for code in GEO_TAGS:
        tag = page.tags.get(code)
        if tag is not None:
            # tifffile returns long tags as arrays, and tags of one value as a scalar
            value = tag.value if isinstance(tag.value, str) else tuple(np.atleast_1d(tag.value).tolist())
            tags.append((code, int(tag.dtype), 0 if isinstance(value, str) else len(value), value, True))
    return tuple(at_level(tag, shrink) for tag in tags)


def _gdal_items(page: Any) -> list[tuple[str, int, str]]:
    """Return (role, band number, text) of GDAL's band metadata: names, scales and offsets."""
    text = page.tags.valueof(_GDAL_METADATA)
    items = []
    with suppress(Exception):  # do not refuse an image because of its metadata
        for node in xml_tree(text):
            role, sample = node.get("role", ""), node.get("sample", "0")
            value = unescape((node.text or "").strip(), {"&quot;": '"', "&apos;": "'"})  # GDAL encodes them twice
            changes = {"scale": "1", "offset": "0"}
            if role == "description" or (role in changes and float(value) != float(changes[role])):
                items.append((role, int(sample), value))
    return items if all(0 <= sample < 1 << 16 for _, sample, _ in items) else []


def _ome_channels(tiff: Any, number: int) -> tuple[str, ...]:
    with suppress(Exception):
        if tiff.ome_metadata:
            channels = [node for node in _ome_pixels(tiff.ome_metadata, number) if _local(node) == "Channel"]
            names = tuple(node.get("Name", "") for node in channels)
            return names if any(names) else ()
    return ()


def _nodata_of(page: Any) -> float | None:
    """Return the no-data value that GDAL wrote; None if there is none."""
    tag = page.tags.get(_GDAL_NODATA)
    if tag is None:
        return None
    with suppress(ValueError, TypeError):
        text = str(tag.value).strip("\0 ")
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text.replace(",", "."))
    return None


def _alpha_of(page: Any) -> int | None:
    """Return the number of the alpha sample; None if there is none."""
    kinds = [int(kind) for kind in page.extrasamples or ()]
    for number, kind in enumerate(kinds):
        if kind in _ALPHA:
            return int(page.samplesperpixel) - len(kinds) + number
    return None


def _pixel_size_of(
    tiff: Any, series: int, shrink: tuple[float, float]
) -> tuple[tuple[float, float] | None, str | None]:
    """Return height and width of a pixel in micrometers, from OME-XML or an Aperio description; else None.

    TIFF's own resolution tags are ignored: most writers store a print or screen resolution there.
    """
    size = None
    with suppress(Exception):  # do not refuse an image because of its description
        if tiff.ome_metadata:
            size = _ome_size(tiff.ome_metadata, series)
        elif tiff.is_svs:
            stated = re.search(r"\bMPP\s*=\s*([0-9.]+)", tiff.pages[0].description)
            size = None if stated is None else (float(stated[1]), float(stated[1]))
    if size is None or not np.all(np.array(size) > 0):
        return None, None
    return (size[0] * shrink[0], size[1] * shrink[1]), "micrometer"


def _ome_size(xml: str, series: int) -> tuple[float, float] | None:
    pixels = _ome_pixels(xml, series).attrib
    return tuple(  # type: ignore[return-value]
        float(pixels[f"PhysicalSize{axis}"]) * _MICROMETERS[pixels.get(f"PhysicalSize{axis}Unit", "µm")]
        for axis in "YX"
    )


def _ome_pixels(xml: str, series: int) -> Any:
    return [node for node in xml_tree(xml).iter() if _local(node) == "Pixels"][series]


def _local(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]
