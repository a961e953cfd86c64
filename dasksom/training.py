"""The epochs of a batch map, and what they need to know of an image that is read chunk by chunk."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.passes import Corner, Progress, reduce_chunks
from dasksom.som import batch
from dasksom.som.batch import BatchSums
from dasksom.som.bmu import sum_units
from dasksom.som.initialization import Moments, merge_moments, moments, sample_positions
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.samples import samples_of

logger = logging.getLogger(__name__)

SumPixels = Callable[[NDArray[np.float64], Neighborhood], BatchSums]
"""Takes a codebook (units, bands) and a neighborhood, gives the batch sums over all pixels."""


@dataclass(frozen=True)
class Epoch:
    """What was seen in one epoch."""

    epoch: int
    """From 1."""
    sigma: float
    """Radius of the neighborhood, in lattice units."""
    mean_squared_error: float
    """Mean over the samples of the squared Euclidean distance to the BMU, in the codebook that the epoch began with."""
    empty_units: int
    """Units that were no sample's BMU."""


def train(
    codebook: NDArray[np.float64],
    lattice: Lattice,
    sigmas: Sequence[float],
    sum_pixels: SumPixels,
    *,
    neighborhood: str = "gaussian",
    on_epoch: Callable[[Epoch], None] | None = None,
) -> tuple[NDArray[np.float64], tuple[Epoch, ...]]:
    """Run one batch epoch per sigma.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
        To start from.
    lattice : Lattice
    sigmas : sequence of float
        Radius for each epoch, in lattice units.
    sum_pixels : callable
        One pass over all pixels: a color table's or `stream_sums`.
    neighborhood : str
        A name in ``dasksom.som.neighborhood.NEIGHBORHOODS``.
    on_epoch : callable, optional
        Called with each epoch's record.

    Returns
    -------
    codebook : ndarray of shape (units, bands), float64
    history : tuple of Epoch
    """
    history = []
    for number, sigma in enumerate(sigmas, start=1):
        total = sum_pixels(codebook, Neighborhood(lattice, neighborhood, sigma))
        codebook = batch.update(codebook, total)
        error = total.squared_error / int(total.hits.sum())
        record = Epoch(number, sigma, error, int((total.hits == 0).sum()))
        logger.info("epoch %d of %d: sigma %.4g, mean squared error %.6g", number, len(sigmas), sigma, error)
        history.append(record)
        if on_epoch is not None:
            on_epoch(record)
    return codebook, tuple(history)


def _chunk_sums(
    block: NDArray[Any], corner: Corner, codebook: NDArray[np.float64], neighborhood: Neighborhood
) -> BatchSums:
    return batch.weigh(sum_units(samples_of(block, corner), codebook), neighborhood)


def stream_sums(image: da.Array, progress: Progress | None = None) -> SumPixels:
    """Give the pass over an image that an epoch is: each chunk's task finds BMUs and returns its weighted sums."""

    def sum_pixels(codebook: NDArray[np.float64], neighborhood: Neighborhood) -> BatchSums:
        return reduce_chunks(
            image, _chunk_sums, batch.add, progress=progress, codebook=codebook, neighborhood=neighborhood
        )

    return sum_pixels


def _chunk_moments(block: NDArray[Any], corner: Corner) -> Moments:
    return moments(samples_of(block, corner))


def image_moments(image: da.Array, progress: Progress | None = None) -> Moments:
    """Take the moments of all pixels of an image, in one pass."""
    return reduce_chunks(image, _chunk_moments, merge_moments, progress=progress)


def sample_codebook(image: da.Array, units: int, seed: int | None) -> NDArray[np.float64]:
    """Take `units` of an image's pixels, chosen by their position in the image and so whatever its chunks.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    leading = image.shape[:-1]
    positions = np.unravel_index(sample_positions(int(np.prod(leading)), units, seed), leading)
    chosen = np.asarray(image.vindex[positions].compute(), np.float64)
    if not np.isfinite(chosen).all():
        raise InputError("the image holds NaN or infinity; a map needs finite numbers: replace such pixels first")
    return chosen
