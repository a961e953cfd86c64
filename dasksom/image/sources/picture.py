"""An opened image: its lazy pixels, and what its file says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import dask.array as da

from dasksom.image.sources.protocol import Source, Tag
from dasksom.image.sources.unreadable import Readable


@dataclass(frozen=True, eq=False)
class Found:
    """What a format's opener finds in a file, before any pixel is read."""

    source: Source
    nodata: float | None = None
    """The value that stands for "no data"."""
    alpha: int | None = None
    """The band that tells how opaque a pixel is."""
    alpha_is_nodata: bool = False
    """Whether that band tells which pixels have the no-data value of what is stored, and nothing else."""
    mask: Source | None = None
    """One band of the same size: not 0 where a pixel counts."""
    geo_tags: tuple[Tag, ...] = ()
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    """What else a person may want to know: axes, levels, series, place on earth."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A lazy image beside what is not pixels: where there are any, and where on earth or on the slide they lie."""

    pixels: da.Array
    """Shape (height, width, bands), in the file's dtype; the bands are one chunk, each chunk is one task."""
    mask: da.Array | None = None
    """Shape (height, width), bool, in the chunks of `pixels`: True where a pixel counts. None: everywhere."""
    nodata: float | None = None
    """The value that stands for "no data" in the file, where it tells one; `mask` is already made of it."""
    geo_tags: tuple[Tag, ...] = ()
    """The GeoTIFF tags that place the image on earth (33550, 33922, 34264, 34735 to 34737), verbatim."""
    pixel_size: tuple[float, float] | None = None
    """Height and width of a pixel, in `unit`."""
    unit: str | None = None
    """Unit of `pixel_size`, as OME-NGFF spells it, such as "micrometer"."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What else the file tells, for a person: axes, levels, series, place on earth, what the mask was made of."""
    sources: tuple[Readable, ...] = ()
    """What pixels and mask are read from, the image first; empty for arrays."""
    stored: tuple[int, int] = (1, 1)
    """Rows and columns of what the file decodes at once."""

    @property
    def has_gaps(self) -> bool:
        """Whether some pixels may have no label: masked, or with NaN."""
        return self.mask is not None or self.pixels.dtype.kind == "f"
