"""The options with which an image is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dasksom.errors import InputError
from dasksom.image.sources.picture import Chunking, Rectangle
from dasksom.image.sources.selection import ALPHA, Selection, parse_select


@dataclass(frozen=True)
class ReadOptions:
    """How an image is opened; every option has a default that suits most files."""

    component: str | None = None
    """Path of an array or image inside a Zarr group."""
    series: int | None = None
    """Number of the image in a file of several."""
    level: int | None = None
    """Level of a pyramid; 0 is the full resolution."""
    select: Mapping[str, Any] | Iterable[str] | None = None
    """Positions along axes, such as {"z": 3, "c": (0, 2)} or ["z=3", "c=0,2"]."""
    axes: str | None = None
    """The stored axes, such as "cyx", in place of those that the file declares."""
    alpha: str | None = None
    """Use of the opacity band, one of `ALPHA`; by default "mask": transparent pixels hold no data. If given, and the
    file names no such band, the last one of 2 or 4 is meant."""
    nodata: float | str | None = None
    """Value of pixels without data, in place of the file's; "none": all pixels hold data."""
    mask: Any = None
    """Path or URL of an image, or bool array of shape (height, width): pixels hold data where it is not 0. An image may
    have a lower resolution."""
    fill_missing: bool = False
    """Read chunks or tiles that the file lacks as its fill value; otherwise they are an error."""
    allow_outside: bool = False
    """Let a .vrt name files outside of its own folder."""
    storage: Mapping[str, Any] | None = field(default=None, repr=False)
    """Options of a remote store's file system (fsspec): key, secret, endpoint_url, anon, ..."""
    chunk_bytes: int = 64 * 2**20
    """Wanted bytes of a decoded chunk."""
    align: int = 1
    """Rows and columns of chunks are multiples of it; `dasksom.image.chunk_alignment` returns an output's."""
    unread: Sequence[Rectangle] | None = None
    """Rectangles (first row, last row, first column, last column) that are never read and hold no data;
    `dasksom.runs.bad_chunks.find_unread` lists those that cannot be read. If given, even empty, what is missing is no
    error before it is read."""

    def __post_init__(self) -> None:
        if self.alpha is not None and self.alpha not in ALPHA:
            raise InputError(f"alpha={self.alpha!r}: one of {', '.join(ALPHA)} is accepted")

    @property
    def selection(self) -> Selection:
        """What is read of the image's own file."""
        return Selection(
            self.component,
            self.series,
            self.level,
            self.axes,
            parse_select(self.select),
            self.fill_missing,
            self.allow_outside,
            lenient=self.unread is not None,
        )

    @property
    def mask_selection(self) -> Selection:
        """What is read of the mask's file."""
        return Selection(
            fill_missing=self.fill_missing,
            allow_outside=self.allow_outside,
            bools=True,
            lenient=self.unread is not None,
        )

    @property
    def chunking(self) -> Chunking:
        """How the image is cut into chunks."""
        return Chunking(self.chunk_bytes, self.align, tuple(self.unread or ()))
