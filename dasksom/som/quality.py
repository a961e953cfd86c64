"""Quality of a codebook: hits and errors over samples, and the measurements of an epoch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dasksom.som.unit_sums import UnitSums, band_blocks


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
    sampled: bool = False
    """Whether the epoch ran on the sample of a warm-up; its measurements are then estimates."""


@dataclass(frozen=True, eq=False)
class Quality:
    """Hits and errors over samples; records of several groups are added field by field (`add_up`)."""

    hits: NDArray[np.float64]
    """Weight of each unit's samples (their number, if unweighted), shape (units,)."""
    squared_errors: NDArray[np.float64]
    """Weighted sum of the squared Euclidean distances of each unit's samples to it, shape (units,)."""
    distance: float
    """Weighted sum of the Euclidean distances of the samples to their units."""
    counts: NDArray[np.float64]
    """Weight of the samples by band, shape (1,), or (bands,) if samples may miss bands."""
    offsets: NDArray[np.float64]
    """Weighted sum of the samples' differences from the codebook's mean, shape (bands,)."""
    squared_offset: float
    """Weighted sum of the squared lengths of those differences."""
    misplaced: float | None = None
    """Weight of the samples whose best and second-best units are not neighbors; None if not measured."""

    @property
    def squared_error(self) -> float:
        """Sum over the samples of the squared Euclidean distance to their unit."""
        return float(self.squared_errors.sum())

    @property
    def mean_squared_error(self) -> float:
        """Mean over the samples of the squared Euclidean distance to their unit (summed over the bands)."""
        return self.squared_error / float(self.hits.sum())

    @property
    def quantization_error(self) -> float:
        """Mean over the samples of the Euclidean distance to their unit."""
        return self.distance / float(self.hits.sum())

    @property
    def deviation(self) -> float:
        """Sum over the samples of the squared Euclidean distance to their mean; 0 if it is within rounding errors."""
        deviation = self.squared_offset - float((self.offsets**2 / np.maximum(self.counts, 1e-300)).sum())
        return deviation if deviation > 1e-12 * self.squared_offset else 0.0

    @property
    def explained_variance(self) -> float:
        """1 - squared error / squared deviation of the samples from their mean; NaN if all are equal."""
        return 1 - self.squared_error / self.deviation if self.deviation else float("nan")

    @property
    def topographic_error(self) -> float | None:
        """Fraction of the samples whose best and second-best units are not neighbors; None if not measured.

        Source: Kiviluoto, "Topology preservation in self-organizing maps" (1996).
        """
        return None if self.misplaced is None else self.misplaced / float(self.hits.sum())

    @property
    def empty_units(self) -> int:
        """Number of units that are no sample's BMU."""
        return int((self.hits == 0).sum())


def quality_of(gathered: UnitSums, codebook: NDArray[np.float64], misplaced: float | None = None) -> Quality:
    """Compute the quality of a codebook from the sums of its units.

    Moments are taken about the codebook's mean, which is close to the samples, so that an offset loses no precision:
    sum ||x - c||^2 = sum over the units of e + 2 (w - c)(S - n w) + n (w - c)^2.
    """
    squared, counts, offsets = 0.0, [], []
    for bands in band_blocks(codebook.shape[1]):
        units = codebook[:, bands]
        weights = gathered.counts if gathered.counts.shape[1] == 1 else gathered.counts[:, bands]
        away = units - units.mean(axis=0)
        rest = gathered.sums[:, bands] - weights * units
        squared += float((2 * away * rest + weights * away**2).sum())
        offsets.append((rest + weights * away).sum(axis=0))
        counts.append(weights.sum(axis=0))
    return Quality(
        hits=gathered.hits,
        squared_errors=gathered.squared_errors,
        distance=gathered.distance,
        counts=counts[0] if gathered.counts.shape[1] == 1 else np.concatenate(counts),
        offsets=np.concatenate(offsets),
        squared_offset=float(gathered.squared_errors.sum() + squared),
        misplaced=misplaced,
    )
