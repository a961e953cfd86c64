"""What a dataset of GDAL declares of its pixels, for rasterio's datasets."""

from __future__ import annotations

from math import isnan
from typing import Any

from dasksom.image.metadata.geo_tags import tags_of_epsg, tags_of_points
from dasksom.image.sources.protocol import Tag


def dataset_scales(dataset: Any) -> str:
    """Return the scales and offsets of the bands, in words; empty if there are none."""
    found = [
        f"{kind} {value:g} of band {band}"
        for kind, values, neutral in (("scale", dataset.scales, 1.0), ("offset", dataset.offsets, 0.0))
        for band, value in enumerate(values)
        if value != neutral
    ]
    return ", ".join(found)


def dataset_nodata(dataset: Any) -> tuple[float | None, str | None]:
    """Return the no-data value of all bands, and why it cannot be used."""
    values = {repr(value): value for value in dataset.nodatavals}
    if len(values) > 1:
        return None, f"its bands have different no-data values ({', '.join(values)})"
    value = next(iter(values.values()))
    if value is None or isnan(value) or not float(value).is_integer():
        return value, None
    return int(value), None


def dataset_geo_tags(dataset: Any) -> tuple[Tag, ...]:
    """Return the GeoTIFF tags of its georeference; none if its system has no EPSG number."""
    points, system = dataset.gcps
    crs = dataset.crs or system
    epsg = crs.to_epsg() if crs else None
    if epsg is None:
        return ()
    if points:
        placed = [(point.col, point.row, point.x, point.y, point.z or 0.0) for point in points]
        return tags_of_points(epsg, crs.is_geographic, placed)
    return tags_of_epsg(epsg, crs.is_geographic, dataset.transform.to_gdal())
