"""Find the unreadable chunks of an image, in one pass before the run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress, reduce_chunks
from dasksom.errors import InputError
from dasksom.image import Picture, Readable, Rectangle, merged, unread_in

logger = logging.getLogger(__name__)

MOST_REGIONS = 10_000
"""Maximum number of skipped regions; a file with more damage should be copied again."""
_MOST_LOGGED = 20
"""Maximum number of chunks whose errors are logged."""


@dataclass(frozen=True)
class Unread:
    """The unreadable regions of an image."""

    parts: tuple[Rectangle, ...] = ()
    """Rectangles in row-major order; adjacent chunks are joined."""
    messages: tuple[str, ...] = ()
    """Error messages of the first stored chunks."""
    count: int = 0
    """Number of stored chunks; a region may consist of several."""

    @property
    def pixels(self) -> int:
        """Number of pixels in the regions."""
        return sum((bottom - top) * (right - left) for top, bottom, left, right in self.parts)


def find_unread(picture: Picture, progress: Progress | None = None) -> Unread:
    """Read every chunk of an image and its masks once; log and return the unreadable regions.

    Parameters
    ----------
    picture : Picture
        Opened with ``unread=()``, so that missing chunks are no error before they are read.
    progress : callable, optional

    Raises
    ------
    InputError
        No chunk can be read, or the regions are too many to list.
    """
    if not picture.sources:
        return Unread()
    height, width, _ = picture.pixels.shape
    grid = da.zeros((height, width, 1), chunks=(*picture.pixels.chunks[:2], (1,)), dtype=np.uint8)
    unread = reduce_chunks(grid, _check_chunk, _join, progress=progress, sources=picture.sources, stored=picture.stored)
    if unread.pixels == height * width:
        raise InputError(f"not a single chunk can be read: {unread.messages[0]}")
    if len(unread.parts) > MOST_REGIONS:
        raise InputError(
            f"{unread.count} chunks cannot be read, in more than {MOST_REGIONS} regions: copy the image again; the "
            f"first one: {unread.messages[0]}"
        )
    for message in unread.messages:
        logger.warning("skipped, as no data: %s", message)
    if unread.count > len(unread.messages):
        logger.warning("skipped, as no data: %d more chunks", unread.count - len(unread.messages))
    return unread


def _check_chunk(
    block: NDArray[np.uint8], corner: Corner, *, sources: Sequence[Readable], stored: tuple[int, int]
) -> Unread:
    rows, columns = (range(at, at + length) for at, length in zip(corner[:2], block.shape[:2], strict=True))
    unread = list(unread_in(sources, rows, columns, stored))
    return Unread(merged([part for part, _ in unread]), tuple(why for _, why in unread[:_MOST_LOGGED]), len(unread))


def _join(some: Sequence[Unread]) -> Unread:
    parts = merged([part for one in some for part in one.parts])
    messages = tuple(message for one in some for message in one.messages)[:_MOST_LOGGED]
    return Unread(parts, messages, sum(one.count for one in some))
