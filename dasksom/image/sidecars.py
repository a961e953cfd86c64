"""Read the files that GDAL writes next to an image: a mask (IMAGE.msk) and metadata (IMAGE.aux.xml)."""

from __future__ import annotations

from dataclasses import replace

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.metadata.gdal_xml import band_names_of, nodata_of, scales_of, tags_of_gdal_xml, unused_georeference
from dasksom.image.metadata.geo_tags import crs_name, georeference
from dasksom.image.sources.orientation import upright
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.selection import Selection
from dasksom.storage.locations import Location
from dasksom.storage.safe_xml import MOST_XML_BYTES, xml_tree

_open_tiff = deferred("dasksom.image.tiff.source:open_tiff")

_MASK, _METADATA = ".msk", ".aux.xml"


def with_sidecars(location: Location, opened: OpenedImage, selection: Selection) -> OpenedImage:
    """Add the metadata and mask in files next to a local image; such metadata overrides the image's own, as in GDAL.

    Parameters
    ----------
    location, opened : of the image
    selection : with which the image was opened

    Raises
    ------
    InputError
        The mask or metadata cannot be used.
    """
    if location.remote or not location.local.is_file():
        return opened
    metadata, mask = (Location(location.path + suffix) for suffix in (_METADATA, _MASK))
    if metadata.exists():
        opened = _with_metadata(metadata, opened)
    return _with_mask(mask, opened, selection) if mask.exists() else opened


def _with_metadata(location: Location, opened: OpenedImage) -> OpenedImage:
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


def _with_mask(location: Location, opened: OpenedImage, selection: Selection) -> OpenedImage:
    level = Selection(level=selection.level, fill_missing=True, lenient=selection.lenient)
    try:
        mask = upright(_open_tiff(location, level).source, opened.orientation)
    except InputError as error:
        raise InputError(f"{error}; it is the mask next to the image: move it away to leave it out") from error
    if mask.shape[:2] != opened.source.shape[:2] or mask.shape[2] != 1:
        raise InputError(
            f"{location}: the mask next to the image has {mask.shape[0]} x {mask.shape[1]} pixels of {mask.shape[2]} "
            f"bands, and the image {opened.source.shape[0]} x {opened.source.shape[1]}; one band of the same size is "
            "needed: move it away, or give a mask with --mask"
        )
    return replace(opened, masks={**opened.masks, f"mask next to it ({location.local.name})": mask})
