"""A map between two epochs of its training, and what was seen in those that are done."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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


@dataclass(frozen=True, eq=False)
class MapState:
    """A map between two epochs: all that the next one needs."""

    codebook: NDArray[np.float64]
    """Shape (units, bands), float64; with more units than the map while some are added."""
    laid_out: NDArray[np.float64]
    """As it was when the neighborhood last had a radius, shape (units, bands): the order that a refinement goes by."""
    history: tuple[Epoch, ...] = ()
    """Of the epochs that are done."""
