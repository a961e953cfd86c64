"""The images of a run, opened in the chunks that it works on."""

from collections.abc import Sequence

from dask.utils import parse_bytes

from dasksom.config import RunConfig
from dasksom.image import Picture, Rectangle, chunk_alignment, open_picture

CHUNK_BYTES = 64 << 20
"""Largest decoded chunk where memory allows."""
CHUNKS_PER_WORKER = 16
"""A worker's memory holds so many chunks: one in its several forms, those that come next, and the libraries."""


def most_chunk_bytes(config: RunConfig) -> int:
    """Give the largest decoded chunk: a function of what was asked for alone.

    The chunks of a streamed image decide in which order its sums are added, so they may not depend on the machine.
    """
    if config.input.chunk_size is not None:
        return int(parse_bytes(config.input.chunk_size))
    if config.cluster.memory_limit is None:
        return CHUNK_BYTES
    return min(CHUNK_BYTES, int(parse_bytes(config.cluster.memory_limit)) // CHUNKS_PER_WORKER)


def open_source(source: str, config: RunConfig, unread: Sequence[Rectangle] = (), align: int = 1) -> Picture:
    """Open an image as the configuration says.

    Parameters
    ----------
    source : str
        A path or URL.
    config : RunConfig
    unread : sequence of Rectangle
        What cannot be read, and is left out.
    align : int
        Rows and columns of chunks are multiples of it.
    """
    how = config.input.opening() | ({"unread": unread} if unread else {})
    return open_picture(source, chunk_bytes=most_chunk_bytes(config), align=align, **how)


def open_for(output: str, source: str, config: RunConfig, unread: Sequence[Rectangle] = ()) -> Picture:
    """Open an image in chunks that an output can be written in; without parts that cannot be read."""
    pixels = open_source(source, config).pixels
    # chunks are planned anew, now that it is known how wide the pixels are
    pixel_bytes = pixels.shape[2] * pixels.dtype.itemsize
    return open_source(source, config, unread, chunk_alignment(output, config.output.options(), pixel_bytes))
