"""The epochs of a batch map."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dasksom.errors import InputError
from dasksom.som.batch import BatchSums, update
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.samples import NO_SAMPLES

logger = logging.getLogger(__name__)


class TrainingSamples(Protocol):
    """What an epoch needs of the samples: a color table's counts, or a stream of chunks."""

    def batch_sums(self, codebook: NDArray[np.float64], neighborhood: Neighborhood, utilities: bool) -> BatchSums:
        """Give all samples' share of the batch update."""


@dataclass(frozen=True)
class Epoch:
    """What was seen in one epoch, of the codebook that it began with."""

    epoch: int
    """From 1."""
    sigma: float
    """Radius of the neighborhood, in lattice units."""
    mean_squared_error: float
    """Mean over the samples of the squared Euclidean distance to the BMU."""
    quantization_error: float
    """Mean over the samples of the Euclidean distance to the BMU."""
    distortion: float
    """Mean over the samples x of the sum over the units k of h(k, BMU) ||x - w_k||^2."""
    explained_variance: float
    """1 - mean squared error / variance of the samples; NaN where they are all alike."""
    empty_units: int
    """Units that were no sample's BMU."""


OnEpoch = Callable[[Epoch, NDArray[np.float64]], Any]
"""Called after each epoch with its record and the new codebook (units, bands); training stops where it returns True."""


def train(
    codebook: NDArray[np.float64],
    lattice: Lattice,
    sigmas: Sequence[float],
    samples: TrainingSamples,
    *,
    neighborhood: str = "gaussian",
    tolerance: float = 0.0,
    done: int = 0,
    on_epoch: OnEpoch | None = None,
) -> tuple[NDArray[np.float64], tuple[Epoch, ...]]:
    """Run one batch epoch per sigma.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
        To start from.
    lattice : Lattice
    sigmas : sequence of float
        Radius for each epoch, in lattice units.
    samples : TrainingSamples
    neighborhood : str
        A name in ``dasksom.som.neighborhood.NEIGHBORHOODS``.
    tolerance : float
        Training stops after an epoch that moved the units, in the root mean square, by no more than this share of the
        samples' standard deviation; 0 stops never.
    done : int
        Epochs before these, in the numbering of the records.
    on_epoch : callable, optional

    Returns
    -------
    codebook : ndarray of shape (units, bands), float64
    history : tuple of Epoch
    """
    history = []
    for number, sigma in enumerate(sigmas, start=done + 1):
        total = samples.batch_sums(codebook, Neighborhood(lattice, neighborhood, sigma), False)
        if not total.quality.hits.any():
            raise InputError(NO_SAMPLES)
        before, codebook = codebook, update(codebook, total)
        record = _record(number, sigma, total)
        logger.info(
            "epoch %d of %d: sigma %.4g, mean squared error %.6g",
            number,
            done + len(sigmas),
            sigma,
            record.mean_squared_error,
        )
        history.append(record)
        stop = on_epoch is not None and on_epoch(record, codebook) is True
        if stop or _settled(before, codebook, total, tolerance):
            logger.info("stopped after epoch %d", number)
            break
    return codebook, tuple(history)


def _record(number: int, sigma: float, total: BatchSums) -> Epoch:
    quality = total.quality
    return Epoch(
        epoch=number,
        sigma=sigma,
        mean_squared_error=quality.mean_squared_error,
        quantization_error=quality.quantization_error,
        distortion=total.distortion / float(quality.hits.sum()),
        explained_variance=quality.explained_variance,
        empty_units=quality.empty_units,
    )


def _settled(before: NDArray[np.float64], after: NDArray[np.float64], total: BatchSums, tolerance: float) -> bool:
    step = float(((after - before) ** 2).sum(axis=1).mean())
    return tolerance > 0 and step <= tolerance**2 * total.quality.deviation / float(total.quality.hits.sum())
