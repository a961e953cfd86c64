"""The state of a map between two epochs, and the measurements of completed epochs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Epoch:
    """Measurements of one epoch, for the codebook at its start."""

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
    """1 - mean squared error / variance of the samples; NaN if all samples are equal."""
    empty_units: int
    """Number of units that were no sample's BMU."""


@dataclass(frozen=True, eq=False)
class MapState:
    """A map between two epochs: everything that the next epoch needs."""

    codebook: NDArray[np.float64]
    """Shape (units, bands), float64; includes units that a refinement has added."""
    laid_out: NDArray[np.float64]
    """Last codebook with a nonzero radius, shape (units, bands): the order that a refinement restores."""
    history: tuple[Epoch, ...] = ()
    """Records of the completed epochs."""
