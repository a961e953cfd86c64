"""Passes over the labels of an output together with an image: statistics of units, and classes within objects."""

from collections.abc import Callable, Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Progress, reduce_chunks
from dasksom.errors import InputError
from dasksom.image import Picture, QuantizedImage
from dasksom.som.statistics.unit_statistics import UnitStatistics, added, unit_statistics


def _statistics_of_chunk(
    block: NDArray[Any],
    corner: Corner,
    labels: NDArray[Any],
    *,
    vectors: NDArray[np.float64],
    units_of: Callable[[NDArray[Any]], NDArray[np.int64]],
) -> UnitStatistics:
    units = units_of(labels.reshape(-1))
    units[units < 0] = len(vectors)
    return unit_statistics(block.reshape(-1, block.shape[-1]), units.astype(np.uint32), vectors)


def statistics_of_output(
    result: QuantizedImage, image: da.Array, vectors: NDArray[np.float64], progress: Progress | None = None
) -> UnitStatistics:
    """Compute the statistics of the units of an output, in a pass over its labels and the image.

    Parameters
    ----------
    result : QuantizedImage
    image : dask array of shape (height, width, bands)
        The image that it was made from.
    vectors : ndarray of shape (units, bands), float64
    progress : callable, optional
    """
    labels = labels_like(result, image)
    with dask.config.set(scheduler="threads"):
        return reduce_chunks(
            image,
            _statistics_of_chunk,
            added,
            beside=[labels],
            progress=progress,
            vectors=vectors,
            units_of=result.units_of,
        )


def labels_like(result: QuantizedImage, image: da.Array) -> da.Array:
    """Return the labels in the chunks of an image, shape (height, width, 1)."""
    if image.shape[:2] != result.shape:
        sizes = [f"{width} x {height}" for height, width in (image.shape[:2], result.shape)]
        raise InputError(f"{result.path}: is of {sizes[1]} pixels, and the other image of {sizes[0]}")
    return result.stored[0].lazy(image.chunks[:2])[..., np.newaxis]


Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Objects, classes, and the number of pixels of each pair; sorted."""


def _pairs_of_chunk(block: NDArray[Any], corner: Corner, labels: NDArray[Any], *, numbers: NDArray[Any]) -> Pairs:
    objects = block.reshape(-1).astype(np.int64)
    return counted_pairs(
        objects, np.take(numbers, labels.reshape(-1), mode="clip").astype(np.int64), np.ones_like(objects)
    )


def combined_pairs(parts: Sequence[Pairs]) -> Pairs:
    """Add up the pairs of several parts."""
    return counted_pairs(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def counted_pairs(objects: NDArray[np.int64], classes: NDArray[np.int64], counts: NDArray[np.int64]) -> Pairs:
    """Return each pair once, with its total count."""
    order = np.lexsort((classes, objects))
    objects, classes, counts = objects[order], classes[order], counts[order]
    starts = np.flatnonzero(np.append(True, (np.diff(objects) != 0) | (np.diff(classes) != 0))[: len(objects)])
    return objects[starts], classes[starts], np.add.reduceat(counts, starts) if len(starts) else counts


def pixels_within(
    result: QuantizedImage, objects: Picture, numbers: NDArray[Any], progress: Progress | None = None
) -> Pairs:
    """Count the pixels of each class in each object of a label image, objects across chunks added up.

    Parameters
    ----------
    result : QuantizedImage
    objects : Picture
        Of the same size, one band of integers; 0 is no object.
    numbers : ndarray of int
        Class of each label value, the last one of all values beyond.
    progress : callable, optional

    Raises
    ------
    InputError
        If it is not such an image.
    """
    image = objects.pixels
    if image.shape[2] != 1 or image.dtype.kind not in "ui":
        raise InputError(
            f"the objects are an image of {image.shape[2]} bands of {image.dtype}; one band of integers is needed"
        )
    labels = labels_like(result, image)
    with dask.config.set(scheduler="threads"):
        found = reduce_chunks(
            image, _pairs_of_chunk, combined_pairs, beside=[labels], progress=progress, numbers=numbers
        )
    inside = found[0] != 0
    return found[0][inside], found[1][inside], found[2][inside]
