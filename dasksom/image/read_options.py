"""Options for opening an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dasksom.errors import InputError
from dasksom.image.sources.bands import BandPicks
from dasksom.image.sources.picture import Chunking, Rectangle
from dasksom.image.sources.selection import ALPHA, Selection, parse_select


@dataclass(frozen=True)
class ReadOptions:
    """Options for opening an image; the defaults suit most files."""

    component: str | Sequence[str] | None = None
    """Path of an array or image inside a Zarr group; several are bands of one image."""
    stack: bool = False
    """Read a folder as one image of one file per band, and a list of paths as the bands of one image. Coarser bands
    are repeated to the finest resolution."""
    series: int | None = None
    """Number of the image in a file that holds several."""
    level: int | None = None
    """Level of a pyramid; 0 is the full resolution."""
    select: Mapping[str, Any] | Iterable[str] | None = None
    """Indices along axes, such as {"z": 3, "c": (0, 2)} or ["z=3", "c=0,2"]."""
    bands: BandPicks | None = None
    """Bands by name or number from 0, in this order: ["CD3", "CD45"], "CD3,CD45" or [2, 0]; default: all. They are the
    bands that remain after `select` and `alpha`."""
    axes: str | None = None
    """The stored axes, such as "cyx"; overrides the axes that the file declares."""
    alpha: str | None = None
    """Use of the alpha band, one of `ALPHA`; default "mask": transparent pixels hold no data. If given, and the file
    declares no alpha band, the last band of 2 or 4 is used."""
    nodata: float | str | None = None
    """No-data value, overrides the file's own; "none": all pixels hold data."""
    mask: Any = None
    """Path or URL of an image, or bool array of shape (height, width): pixels hold data where it is not 0. A mask given
    as an image may have a lower resolution."""
    fill_missing: bool = False
    """Read missing chunks or tiles as the fill value (default: error)."""
    allow_outside: bool = False
    """Allow a .vrt to refer to files outside of its own folder."""
    storage: Mapping[str, Any] | None = field(default=None, repr=False)
    """Options of a remote store's file system (fsspec): key, secret, endpoint_url, anon, ..."""
    chunk_bytes: int = 64 * 2**20
    """Target size of a decoded chunk, in bytes."""
    indices: bool = False
    """Read images with a palette (TIFF, PNG, BMP) as one band of indices: maps of classes. By default, as colors."""
    align: int = 1
    """Rows and columns of chunks are multiples of this; `dasksom.image.chunk_alignment` returns it for an output."""
    unread: Sequence[Rectangle] | None = None
    """Rectangles (first row, last row, first column, last column; last ones exclusive) that are never read and hold no
    data; `dasksom.runs.bad_chunks.find_unread` lists the unreadable ones. If given, even if empty, missing data is
    an error only when it is read."""

    def __post_init__(self) -> None:
        if self.alpha is not None and self.alpha not in ALPHA:
            raise InputError(f"alpha={self.alpha!r}: one of {', '.join(ALPHA)} is accepted")

    @property
    def selection(self) -> Selection:
        """Selection within the image file."""
        return Selection(
            self.component if isinstance(self.component, str) else None,
            self.series,
            self.level,
            self.axes,
            parse_select(self.select),
            self.fill_missing,
            self.allow_outside,
            lenient=self.unread is not None,
            indices=self.indices,
        )

    @property
    def mask_selection(self) -> Selection:
        """Selection within the mask file."""
        return Selection(
            fill_missing=self.fill_missing,
            allow_outside=self.allow_outside,
            bools=True,
            lenient=self.unread is not None,
        )

    @property
    def chunking(self) -> Chunking:
        """Chunking of the image."""
        return Chunking(self.chunk_bytes, self.align, tuple(self.unread or ()))
