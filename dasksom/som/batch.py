"""The batch update: from what each unit gathered to the next codebook."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dasksom.som.neighborhood import Neighborhood

NEGLIGIBLE = 1e-12
"""A unit whose denominator is below this share of one sample keeps its vector: nobody chose it or anyone near it."""


@dataclass(frozen=True)
class UnitSums:
    """What the units gathered from some samples, each sample counting for its best-matching unit alone."""

    sums: NDArray[np.float64]
    """Sum of the samples of each unit, shape (units, bands), float64."""
    hits: NDArray[np.int64]
    """Number of samples of each unit, shape (units,), int64."""
    squared_error: float
    """Sum over the samples of the squared Euclidean distance to the best-matching unit."""


@dataclass(frozen=True)
class BatchSums:
    """One chunk's share of the batch update, or the sum of several chunks' shares."""

    numerator: NDArray[np.float64]
    """Neighborhood-weighted sum of the samples, shape (units, bands), float64."""
    denominator: NDArray[np.float64]
    """Neighborhood-weighted number of samples, shape (units,), float64."""
    hits: NDArray[np.int64]
    """Number of samples of each unit, shape (units,), int64."""
    squared_error: float
    """Sum over the samples of the squared Euclidean distance to the best-matching unit."""


def weigh(gathered: UnitSums, neighborhood: Neighborhood) -> BatchSums:
    """Spread what each unit gathered over its neighborhood.

    numerator = H S and denominator = H n: H is linear, so weighting the sums of a chunk is weighting each of its
    samples.
    """
    return BatchSums(
        numerator=neighborhood.spread(gathered.sums),
        denominator=neighborhood.spread(gathered.hits.astype(np.float64)),
        hits=gathered.hits,
        squared_error=gathered.squared_error,
    )


def add(parts: Sequence[BatchSums]) -> BatchSums:
    """Add the shares of several chunks, in the order given."""
    total = parts[0]
    for part in parts[1:]:
        total = BatchSums(
            total.numerator + part.numerator,
            total.denominator + part.denominator,
            total.hits + part.hits,
            total.squared_error + part.squared_error,
        )
    return total


def update(codebook: NDArray[np.float64], total: BatchSums) -> NDArray[np.float64]:
    """Move every unit to the neighborhood-weighted mean of the samples; a unit with no weight keeps its vector.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
    total : BatchSums
        Of all samples.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    moved = total.denominator > NEGLIGIBLE
    updated = codebook.copy()
    updated[moved] = total.numerator[moved] / total.denominator[moved, None]
    return updated
