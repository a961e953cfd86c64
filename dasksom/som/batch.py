"""The batch update: from the sums of each unit's samples to the next codebook."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dasksom.som.neighborhood import Neighborhood
from dasksom.som.quality import Quality, quality_of
from dasksom.som.unit_sums import UnitSums, band_blocks

NEGLIGIBLE = 1e-12
"""A unit whose denominator is below this fraction of one sample (of the total weight, if that is less than 1) keeps its
vector: neither it nor a unit near it won a sample."""


@dataclass(frozen=True, eq=False)
class BatchSums:
    """One chunk's contribution to the batch update; contributions are added field by field (`add_up`)."""

    numerator: NDArray[np.float64]
    """Neighborhood-weighted sum of the samples, shape (units, bands), float64."""
    denominator: NDArray[np.float64]
    """Neighborhood-weighted number of samples, shape (units, 1), or (units, bands) if samples may miss bands."""
    distortion: float
    """Sum over samples x and units k of h(k, b(x)) ||x - w_k||^2, which the batch map minimizes."""
    quality: Quality
    """Quality of the codebook at the start of the epoch."""
    utilities: NDArray[np.float64] | None
    """As in `UnitSums`."""


def weigh(gathered: UnitSums, codebook: NDArray[np.float64], neighborhood: Neighborhood) -> BatchSums:
    """Apply the neighborhood to the sums of each unit.

    numerator = H S and denominator = H n: H is linear, so weighting the sums of a chunk is weighting each of its
    samples. The distortion needs no samples either: with y = x - c for the codebook's mean c, and E the sums of the
    units' ||y||^2, it is the sum over k of (H E)_k - 2 (w_k - c) (H Y)_k + (w_k - c)^2 (H n)_k, where H Y is
    H S - c H n.
    """
    units, bands = codebook.shape
    numerator, lengths, distortion = np.empty((units, bands)), gathered.squared_errors.copy(), 0.0
    denominator = neighborhood.spread(gathered.counts)
    for part in band_blocks(bands):
        counts, weights = (x if x.shape[1] == 1 else x[:, part] for x in (gathered.counts, denominator))
        center = codebook[:, part].mean(axis=0)
        away = codebook[:, part] - center
        rest = gathered.sums[:, part] - counts * codebook[:, part]
        lengths += (2 * away * rest + counts * away**2).sum(axis=1)
        spread = numerator[:, part] = neighborhood.spread(gathered.sums[:, part])
        distortion += float((weights * away**2).sum() - 2 * (away * (spread - weights * center)).sum())
    distortion += float(neighborhood.spread(lengths).sum())
    return BatchSums(
        numerator=numerator,
        denominator=denominator,
        distortion=max(distortion, 0.0),
        quality=quality_of(gathered, codebook),
        utilities=gathered.utilities,
    )


def reached(total: BatchSums) -> NDArray[np.bool_]:
    """Return which numerators have a weight that is not negligible: shape (units, 1), or (units, bands)."""
    return np.asarray(total.denominator > NEGLIGIBLE * min(1.0, float(total.quality.hits.sum())))


def update(codebook: NDArray[np.float64], total: BatchSums) -> NDArray[np.float64]:
    """Move every unit to the neighborhood-weighted mean of the samples; a unit with no weight keeps its vector.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
    total : BatchSums
        Sums over all samples.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    moved = reached(total)
    return np.where(moved, total.numerator / np.where(moved, total.denominator, 1.0), codebook)
