"""Lazily blurred images, across the borders of chunks."""

from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.features.smoothing import blur_chunk, blur_margin, blurred_dtype


def blur_image(image: da.Array, weights: da.Array | None, sigma: float) -> da.Array:
    """Blur an image in the chunks that it has.

    Parameters
    ----------
    image : dask array of shape (rows, columns, bands), real
    weights : dask array of shape (rows, columns, 1), optional
        Pixels of weight 0 hold no data.
    sigma : float
        Standard deviation of the Gaussian, in pixels.

    Returns
    -------
    dask array of the same shape, float32 or float64
        As ``scipy.ndimage.gaussian_filter`` of each band; the same bits for any chunks. See `blur_chunk`.

    Raises
    ------
    InputError
        If the array is not an image.
    """
    if image.ndim != 3:
        raise InputError(
            f"blur={sigma:g}: an array of shape (rows, columns, bands) is needed; got {image.shape}; leave it out"
        )
    margin = blur_margin(sigma)
    parts = [image] if weights is None else [image, weights if weights.dtype == np.bool_ else weights > 0]
    if min(image.shape[:2]) > margin:
        rows, columns = (_joined(sizes, margin) for sizes in image.chunks[:2])
        sides, edges = {0: margin, 1: margin, 2: 0}, {0: "reflect", 1: "reflect", 2: "none"}
        wide = [da.overlap.overlap(part.rechunk({0: rows, 1: columns}), sides, edges) for part in parts]
    else:  # pixels are mirrored several times
        rows, columns = image.shape[:1], image.shape[1:2]
        wide = [_mirrored(part.rechunk({0: -1, 1: -1}), margin) for part in parts]
    kept = None if weights is None else wide[1]
    return blur_parts(wide[0], kept, (rows, columns, image.chunks[2]), sigma).rechunk(image.chunks)


def blur_parts(wide: da.Array, kept: da.Array | None, chunks: tuple[tuple[int, ...], ...], sigma: float) -> da.Array:
    """Blur an image whose chunks have margins of `blur_margin` pixels, and remove these.

    Parameters
    ----------
    wide : dask array of shape (rows, columns, bands)
    kept : dask array of shape (rows, columns, 1), bool, optional
        Pixels that hold data, with the same margins.
    chunks : tuple of tuples of int
        Lengths of the chunks without margins.
    sigma : float

    Returns
    -------
    dask array in these chunks, float32 or float64
    """
    dtype = blurred_dtype(wide.dtype)
    return da.map_blocks(
        _blur_block,
        wide,
        *([] if kept is None else [kept]),
        sigma=sigma,
        chunks=chunks,
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype),
    )


def without_margins(mask: da.Array, chunks: tuple[tuple[int, ...], ...], sigma: float) -> da.Array:
    """Remove the margins of a mask of shape (rows, columns)."""
    return da.map_blocks(
        _inside, mask, margin=blur_margin(sigma), chunks=chunks[:2], dtype=mask.dtype, meta=np.empty((0, 0), mask.dtype)
    )


def _blur_block(block: NDArray[Any], kept: NDArray[np.bool_] | None = None, *, sigma: float) -> NDArray[Any]:
    return blur_chunk(block, None if kept is None else kept[..., 0], sigma)


def _inside(block: NDArray[Any], margin: int) -> NDArray[Any]:
    return block[margin : block.shape[0] - margin, margin : block.shape[1] - margin]


def _mirrored(image: da.Array, margin: int) -> da.Array:
    """Return an array of one chunk with mirrored margins."""
    rows, columns, bands = image.shape
    return da.map_blocks(
        np.pad,
        image,
        pad_width=((margin, margin), (margin, margin), (0, 0)),
        mode="symmetric",
        chunks=((rows + 2 * margin,), (columns + 2 * margin,), (bands,)),
        dtype=image.dtype,
        meta=np.empty((0, 0, 0), image.dtype),
    )


def _joined(sizes: tuple[int, ...], least: int) -> tuple[int, ...]:
    """Join neighboring chunks to lengths of at least `least`."""
    joined: list[int] = []
    for size in sizes:
        if joined and joined[-1] < least:
            joined[-1] += size
        else:
            joined.append(size)
    if len(joined) > 1 and joined[-1] < least:
        joined[-2:] = [joined[-2] + joined[-1]]
    return tuple(joined)
