"""Records of opened images: the header of a file, and the lazy image with its metadata."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dask.array as da

if TYPE_CHECKING:
    from dasksom.image.sources.bands import BandPicks
    from dasksom.image.sources.protocol import Readable, Source, Tag

Rectangle = tuple[int, int, int, int]
"""First row, last row, first column, last column, in pixels; the last ones are exclusive."""


@dataclass(frozen=True, eq=False)
class Header:
    """Metadata that a file declares of its image, read before any pixel."""

    nodata: float | None = None
    """The no-data value."""
    nodata_problem: str | None = None
    """Reason why the declared no-data value cannot be used; None if it can."""
    alpha: int | None = None
    """Number of the alpha band."""
    alpha_is_nodata: bool = False
    """Whether the alpha band only marks pixels that have the stored no-data value."""
    masks: Mapping[str, Source] = field(default_factory=dict)
    """Masks by name: images of one band and the same size, 0 where a pixel holds no data."""
    geo_tags: tuple[Tag, ...] = ()
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    band_names: tuple[str, ...] = ()
    """One name per band; empty if the file declares none."""
    orientation: int = 1
    """Orientation of the stored rows and columns, which are read upright; 1 to 8 as in TIFF and EXIF."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Other metadata to show to users: axes, levels, series, georeference."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenedImage(Header):
    """Pixels and header of an opened file."""

    source: Source


@dataclass(frozen=True)
class Chunking:
    """How an image is divided into dask chunks."""

    chunk_bytes: int = 64 * 2**20
    """Target size of a decoded chunk, in bytes."""
    align: int = 1
    """Rows and columns of chunks are multiples of this."""
    unread: Sequence[Rectangle] = ()
    """Regions that are never read and hold no data."""
    margin: int = 0
    """Rows and columns of neighboring pixels that each chunk is read with, on all sides."""


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A lazy image with its mask and the metadata of its file."""

    pixels: da.Array
    """Shape (height, width, bands), in the file's dtype; all bands are in one chunk, each chunk is one task."""
    mask: da.Array | None = None
    """Shape (height, width), bool, in the chunks of `pixels`: True where a pixel holds data. None: all pixels do."""
    nodata: float | None = None
    """The no-data value of the file or of the `nodata` option, if any; already applied to `mask`."""
    geo_tags: tuple[Tag, ...] = ()
    """The GeoTIFF tags that georeference the image (33550, 33922, 34264, 34735 to 34737, 50844), verbatim."""
    pixel_size: tuple[float, float] | None = None
    """Height and width of a pixel, in `unit`."""
    unit: str | None = None
    """Unit of `pixel_size`, as OME-NGFF spells it, such as "micrometer"."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Other metadata to show to users: axes, levels, series, georeference, origin of the mask."""
    sources: tuple[Readable, ...] = ()
    """Sources of the pixels and masks, that of the image first; empty for arrays."""
    stored: tuple[int, int] = (1, 1)
    """Rows and columns that the file decodes at once."""
    decoded_pixel_bytes: int = 0
    """Bytes per pixel that the file decodes, those of bands that are not selected included; 0 for arrays."""
    band_names: tuple[str, ...] = ()
    """One name per band of `pixels`; empty if the file declares none."""
    cut: Callable[[Chunking], Picture] | None = field(default=None, repr=False)
    """Returns the same image in other chunks."""
    pick: Callable[[BandPicks], Picture] | None = field(default=None, repr=False)
    """Returns some bands of the same image."""
    widen: Callable[[int], Picture] | None = field(default=None, repr=False)
    """Returns the same chunks, read with a margin of that many pixels around each, mirrored at the image's edges; None
    for arrays."""

    def __repr__(self) -> str:
        height, width, bands = self.pixels.shape
        return f"<Picture of {width} x {height} pixels, {bands} band{'s' * (bands != 1)} of {self.pixels.dtype}>"

    def _repr_html_(self) -> str:
        """Show the picture in a notebook: its metadata, and dask's drawing of its chunks."""
        rows = {"no data": self.nodata, "unit": self.unit, "bands": ", ".join(self.band_names), **self.about}
        if self.pixel_size is not None:
            rows["pixel"] = f"{self.pixel_size[1]:g} x {self.pixel_size[0]:g}"
        lines = "".join(
            f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
            if value not in (None, "")
        )
        return f"<div>{html.escape(repr(self))}<table>{lines}</table>{self.pixels._repr_html_()}</div>"

    @property
    def has_gaps(self) -> bool:
        """Whether some pixels may have no label: those that are masked, or NaN."""
        return self.mask is not None or self.pixels.dtype.kind == "f"

    def in_chunks(
        self, chunk_bytes: int = 64 * 2**20, align: int = 1, unread: Sequence[Rectangle] | None = None
    ) -> Picture:
        """Return the same image in other chunks; no file is opened again.

        Parameters
        ----------
        chunk_bytes : target size of a decoded chunk, in bytes
        align : rows and columns of chunks are multiples of this
        unread : regions that are not read and hold no data

        Raises
        ------
        InputError
            The image cannot be chunked this way; see `plan_chunks`.
        TypeError
            The picture was not made by `open_picture`.
        """
        if self.cut is None:
            raise TypeError("only a picture that `open_picture` returned can be cut into other chunks")
        return self.cut(Chunking(chunk_bytes, align, tuple(unread or ())))

    def of_bands(self, wanted: BandPicks) -> Picture:
        """Return some bands of the same image, in this order; no file is opened again.

        Parameters
        ----------
        wanted : names of bands or their numbers from 0

        Raises
        ------
        InputError
            A band is unknown, ambiguous or selected twice.
        TypeError
            The picture was not made by `open_picture`.
        """
        if self.pick is None:
            raise TypeError("only a picture that `open_picture` returned can be reduced to some of its bands")
        return self.pick(wanted)
