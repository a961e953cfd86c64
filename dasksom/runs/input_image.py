"""The images of a run: their paths, and their pixels in the chunks that it reads."""

from collections.abc import Callable, Sequence

import dask.array as da
from dask.utils import parse_bytes

from dasksom.config import InputSection, RunConfig
from dasksom.deferred import deferred
from dasksom.image import Picture, Rectangle, chunk_alignment, open_picture, shown
from dasksom.training.input_arrays import as_weights

_blur_image: "Callable[..., da.Array]" = deferred("dasksom.features.blurring:blur_image")
_blur_margin: "Callable[[float], int]" = deferred("dasksom.som.features.smoothing:blur_margin")
_blur_parts: "Callable[..., da.Array]" = deferred("dasksom.features.blurring:blur_parts")
_without_margins: "Callable[..., da.Array]" = deferred("dasksom.features.blurring:without_margins")

ImagePaths = tuple[str, ...]
"""Paths or URLs of the files of one image: one, or one a band (`input.stack`)."""
_CHUNK_BYTES = 64 << 20
"""Largest decoded chunk, if memory allows."""
_CHUNKS_PER_WORKER = 16
"""Number of chunks for which a worker needs memory: one in several forms, the next ones, and the libraries."""


def paths_of(source: str | Sequence[str]) -> ImagePaths:
    """Return the paths of an image."""
    return (source,) if isinstance(source, str) else tuple(source)


def shown_image(source: str | Sequence[str]) -> str:
    """Return the name of an image for messages, without secrets: its path, or the first and the number of others."""
    paths = paths_of(source)
    return shown(paths[0]) if len(paths) == 1 else f"{shown(paths[0])} and {len(paths) - 1} more files"


def most_chunk_bytes(config: RunConfig) -> int:
    """Return the size of the largest decoded chunk; it depends on the configuration only.

    The chunks of a streamed image determine the order of its sums, so they must not depend on the machine.
    """
    if config.input.chunk_size is not None:
        return int(parse_bytes(config.input.chunk_size))
    if config.cluster.memory_limit is None:
        return _CHUNK_BYTES
    return min(_CHUNK_BYTES, int(parse_bytes(config.cluster.memory_limit)) // _CHUNKS_PER_WORKER)


def open_input(source: str | Sequence[str], config: RunConfig, own: InputSection | None = None) -> Picture:
    """Open an image with the options of a configuration.

    Parameters
    ----------
    source : str or sequence of str
        Path or URL, or those of the files of its bands.
    config : RunConfig
    own : InputSection, optional
        Options of this image; by default those of the configuration.
    """
    paths, options = paths_of(source), config.input if own is None else own
    image = paths[0] if len(paths) == 1 else list(paths)
    return open_picture(image, chunk_bytes=most_chunk_bytes(config), **options.opening())


def open_for_output(output: str, source: str | Sequence[str], config: RunConfig) -> Picture:
    """Open an image in chunks in which an output can be written."""
    return fit_to_output(open_input(source, config), output, config)


def fit_to_output(picture: Picture, output: str, config: RunConfig, unread: Sequence[Rectangle] = ()) -> Picture:
    """Rechunk an open image to chunks in which an output can be written.

    Parameters
    ----------
    picture : Picture
    output : str
        Path or URL; its format determines the chunks.
    config : RunConfig
    unread : sequence of Rectangle
        Regions that are treated as no data.
    """
    pixel_bytes = picture.pixels.shape[2] * picture.pixels.dtype.itemsize
    alignment = chunk_alignment(output, config.output.options(), pixel_bytes)
    return picture.in_chunks(most_chunk_bytes(config), alignment, unread)


def in_chunks_of(picture: Picture, config: RunConfig) -> Picture:
    """Rechunk an open image to the chunk size of a configuration."""
    return picture.in_chunks(most_chunk_bytes(config))


def without_regions(picture: Picture, config: RunConfig, unread: Sequence[Rectangle]) -> Picture:
    """Treat some regions of an open image as no data."""
    return picture.in_chunks(most_chunk_bytes(config), unread=unread)


def compared_pixels(picture: Picture, blur: float) -> tuple[da.Array, da.Array | None]:
    """Return the pixels of an image as a map compares them, before other features, and their mask.

    Parameters
    ----------
    picture : Picture
    blur : float
        Standard deviation of the blur, in pixels; 0 for the pixels as they are stored.

    Returns
    -------
    pixels : dask array of shape (rows, columns, bands)
        Each chunk is blurred in the task that reads it, with its margins as one window.
    mask : dask array of shape (rows, columns), bool, or None
    """
    pixels, mask = picture.pixels, picture.mask
    if not blur:
        return pixels, mask
    if picture.widen is None:
        return _blur_image(pixels, as_weights(pixels, mask), blur), mask
    wide = picture.widen(_blur_margin(blur))
    blurred = _blur_parts(wide.pixels, as_weights(wide.pixels, wide.mask), pixels.chunks, blur)
    return blurred, None if wide.mask is None else _without_margins(wide.mask, pixels.chunks, blur)
