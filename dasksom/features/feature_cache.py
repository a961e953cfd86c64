"""Features that are computed once and cached where the image is cached, instead of in every epoch."""

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner, Steps, chunk_steps, corner_of, keep_in_memory
from dasksom.som.bmu.search import Search


def cached_features(image: da.Array, weights: da.Array | None, search: Search) -> da.Array | None:
    """Compute the features of an image in memory, if both fit like a cached image; None otherwise.

    Parameters
    ----------
    image : dask array of shape (..., bands)
    weights : dask array of shape (..., 1), optional
    search : Search
        With features.

    Returns
    -------
    dask array of shape (..., features), or None
        In the image's chunks and memory; NaN for unused samples. Sums over it are those over the image, to the bit.
    """
    if search.features is None or not _is_in_memory(image):
        return None
    features = _features_of(image, weights, search, search.features.count)
    kept, _ = keep_in_memory(features, None, "auto", image.nbytes)
    return None if kept is features else kept


def _features_of(image: da.Array, weights: da.Array | None, search: Search, count: int) -> da.Array:
    dtype = np.result_type(image.dtype, np.float32)
    return da.map_blocks(
        _chunk_features,
        image,
        *([] if weights is None else [weights]),
        search=search,
        steps=chunk_steps(image.chunks),
        chunks=(*image.chunks[:-1], (count,)),
        dtype=dtype,
        meta=np.empty((0,) * image.ndim, dtype),
    )


def _chunk_features(
    block: NDArray[np.generic],
    weights: NDArray[np.generic] | None = None,
    *,
    block_id: tuple[int, ...],
    search: Search,
    steps: tuple[Steps, ...],
) -> NDArray[np.floating]:
    corner: Corner = corner_of(block_id, steps)
    samples = search.convert(search.take(block, corner, weights), block.dtype)
    shape = (*block.shape[:-1], samples.values.shape[1])
    if samples.kept is None:
        return samples.values.reshape(shape)
    features = np.full((samples.kept.size, shape[-1]), np.nan, samples.values.dtype)
    features[samples.kept] = samples.values
    return features.reshape(shape)


def _is_in_memory(image: da.Array) -> bool:
    """Return whether the chunks of an image are arrays, or results that a cluster holds."""
    graph = image.__dask_graph__()
    return len(graph) == image.npartitions and not any(map(dask.core.istask, graph.values()))
