"""Opened images: the record of a file's header, and the lazy image that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dask.array as da

from dasksom.image.sources.protocol import Readable, Source, Tag

Rectangle = tuple[int, int, int, int]
"""First and last row, first and last column, in pixels; the last ones are outside."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a file declares of its image, read before any pixel."""

    nodata: float | None = None
    """The value that stands for "no data"."""
    nodata_problem: str | None = None
    """Why the declared no-data value cannot be used, where that is so."""
    alpha: int | None = None
    """The band that holds opacity."""
    alpha_is_nodata: bool = False
    """Whether that band only marks pixels of the stored no-data value."""
    masks: Mapping[str, Source] = field(default_factory=dict)
    """Images of one band and the same size, 0 where a pixel holds no data; by name."""
    geo_tags: tuple[Tag, ...] = ()
    pixel_size: tuple[float, float] | None = None
    unit: str | None = None
    band_names: tuple[str, ...] = ()
    """One for each band; empty where the file names none."""
    orientation: int = 1
    """How the stored rows and columns were turned to be upright, 1 to 8 as in TIFF and EXIF."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What else the header declares, for a person: axes, levels, series, place on earth."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenedImage(Header):
    """The image of a file, with its header."""

    source: Source


@dataclass(frozen=True)
class Chunking:
    """How an image is cut into dask chunks."""

    chunk_bytes: int = 64 * 2**20
    """Wanted bytes of a decoded chunk."""
    align: int = 1
    """Rows and columns of chunks are multiples of it."""
    unread: Sequence[Rectangle] = ()
    """Regions that are never read and hold no data."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A lazy image with its mask and the metadata of its file."""

    pixels: da.Array
    """Shape (height, width, bands), in the file's dtype; the bands are one chunk, each chunk is one task."""
    mask: da.Array | None = None
    """Shape (height, width), bool, in the chunks of `pixels`: True where a pixel holds data. None: everywhere."""
    nodata: float | None = None
    """The value that stands for "no data" in the file, where it declares one; already part of `mask`."""
    geo_tags: tuple[Tag, ...] = ()
    """The GeoTIFF tags that place the image on earth (33550, 33922, 34264, 34735 to 34737, 50844), verbatim."""
    pixel_size: tuple[float, float] | None = None
    """Height and width of a pixel, in `unit`."""
    unit: str | None = None
    """Unit of `pixel_size`, as OME-NGFF spells it, such as "micrometer"."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What else the file declares, for a person: axes, levels, series, place on earth, origin of the mask."""
    sources: tuple[Readable, ...] = ()
    """What pixels and mask are read from, the image first; empty for arrays."""
    stored: tuple[int, int] = (1, 1)
    """Rows and columns of what the file decodes at once."""
    band_names: tuple[str, ...] = ()
    """One for each band of `pixels`; empty where the file names none."""
    cut: Callable[[Chunking], Picture] | None = field(default=None, repr=False)
    """Makes the same image in other chunks."""

    @property
    def has_gaps(self) -> bool:
        """Whether some pixels may have no label: masked, or with NaN."""
        return self.mask is not None or self.pixels.dtype.kind == "f"

    def in_chunks(
        self, chunk_bytes: int = 64 * 2**20, align: int = 1, unread: Sequence[Rectangle] | None = None
    ) -> Picture:
        """Return the same image in other chunks; no file is opened again.

        Parameters
        ----------
        chunk_bytes : wanted bytes of a decoded chunk
        align : rows and columns of chunks are multiples of it
        unread : regions that are left out, as pixels without data

        Raises
        ------
        InputError
            The image cannot be cut so; see `plan_chunks`.
        TypeError
            The picture was not made by `open_picture`.
        """
        if self.cut is None:
            raise TypeError("only a picture that `open_picture` returned can be cut into other chunks")
        return self.cut(Chunking(chunk_bytes, align, tuple(unread or ())))
