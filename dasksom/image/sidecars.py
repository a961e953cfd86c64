"""Read the files that GDAL writes next to an image: a mask (IMAGE.msk) and metadata (IMAGE.aux.xml)."""

from __future__ import annotations

from dataclasses import replace

from dasksom.deferred import deferred
from dasksom.errors import InputError
from dasksom.image.sources.orientation import upright
from dasksom.image.sources.picture import OpenedImage
from dasksom.image.sources.selection import Selection
from dasksom.storage.locations import Location

_open_tiff = deferred("dasksom.image.tiff.source:open_tiff")
_with_aux_xml = deferred("dasksom.image.metadata.gdal_xml:with_aux_xml")

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
        opened = _with_aux_xml(metadata, opened)
    return _with_mask(mask, opened, selection) if mask.exists() else opened


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
