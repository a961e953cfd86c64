"""Means of the pixels of each unit, for features from which the bands cannot be computed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.chunkwise import Corner
from dasksom.features.scaling import MeasuredSamples
from dasksom.som.bmu.search import Search
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import UnitSums, add_up


def unit_means(samples: MeasuredSamples, codebook: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the bands over the pixels of each unit, in one pass.

    Parameters
    ----------
    samples : MeasuredSamples
        Converted to features.
    codebook : ndarray of shape (units, features), float64

    Returns
    -------
    ndarray of shape (units, bands), float64
        A unit without pixels has the mean of the nearest unit that has some.
    """
    sums: UnitSums = samples.reduce(_chunk_sums, add_up, codebook=codebook)
    used = np.flatnonzero(sums.hits > 0)
    away = ((codebook[:, None] - codebook[used]) ** 2).sum(axis=2) if len(used) < len(codebook) else None
    nearest = np.arange(len(codebook)) if away is None else used[away.argmin(axis=1)]
    means: NDArray[np.float64] = (sums.sums / np.maximum(sums.counts, 1e-300))[nearest]
    return means


def _chunk_sums(
    block: NDArray[Any],
    corner: Corner,
    weights: NDArray[Any] | None = None,
    *,
    search: Search,
    codebook: NDArray[np.float64],
) -> UnitSums:
    samples = search.take(block, corner, weights)
    converted = search.convert(samples, block.dtype)
    samples = samples.within(converted.kept)
    center = np.zeros((len(codebook), block.shape[-1]))
    return search.gather(Samples(samples.values, samples.weights, None), center, search.best(converted, codebook))
