"""Sums of samples per best-matching unit."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel
from dasksom.som.samples import Samples

BLOCK_SAMPLES = 1 << 14
"""Number of samples converted to float64 at once; sums are computed per block, then added block by block."""
_BANDS = 4096
"""Number of bands of a codebook that are processed at once: temporary arrays of all bands of a wide table are slow."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class UnitSums:
    """Sums over the samples of each unit."""

    sums: NDArray[np.float64]
    """Weighted sum of the samples, shape (units, bands)."""
    counts: NDArray[np.float64]
    """Weight of the summed values, shape (units, 1), or (units, bands) if samples may miss bands."""
    hits: NDArray[np.float64]
    """Weight of the samples (their number, if unweighted), shape (units,); exact up to 2^53."""
    squared_errors: NDArray[np.float64]
    """Weighted sum of the squared Euclidean distances to the unit, shape (units,)."""
    distance: float
    """Weighted sum of the Euclidean distances to the best units."""
    utilities: NDArray[np.float64] | None = None
    """Increase of the squared error without the unit (error of the second-best unit minus its own); shape (units,)."""


def band_blocks(bands: int) -> list[slice]:
    """Return the blocks of bands in which sums of units are processed."""
    return [slice(start, start + _BANDS) for start in range(0, bands, _BANDS)]


def add_up(parts: Sequence[T]) -> T:
    """Add records field by field, in the given order."""
    total = parts[0]
    for part in parts[1:]:
        total = _plus(total, part)
    return total


def _plus(one: Any, other: Any) -> Any:
    if is_dataclass(one) and not isinstance(one, type):
        names = [field.name for field in fields(one)]
        return replace(one, **{name: _plus(getattr(one, name), getattr(other, name)) for name in names})
    return None if one is None else one + other


# None skips an optional result; Numba compiles each combination separately.


@kernel
def _gather(
    samples: Any,
    weights: Any,
    best: Any,
    second: Any,
    codebook: Any,
    sums: Any,
    counts: Any,
    hits: Any,
    errors: Any,
    utilities: Any,
) -> float:
    """Add a block to the sums; return the weighted sum of its samples' distances to their units."""
    distance = 0.0
    bands = samples.shape[1]
    for i in range(samples.shape[0]):
        k = best[i]
        weight = 1.0 if weights is None else weights[i]
        error = 0.0
        if counts is None:
            for band in range(bands):
                sums[k, band] += weight * samples[i, band]
                away = samples[i, band] - codebook[k, band]
                error += away * away
        else:
            for band in range(bands):
                value = samples[i, band]
                if value == value:  # not missing
                    sums[k, band] += weight * value
                    counts[k, band] += weight
                    away = value - codebook[k, band]
                    error += away * away
        hits[k] += weight
        errors[k] += weight * error
        distance += weight * np.sqrt(error)
        if second is not None:
            other = 0.0
            for band in range(bands):
                away = samples[i, band] - codebook[second[i], band]
                if away == away:
                    other += away * away
            utilities[k] += weight * (other - error)
    return distance


def gather(
    samples: Samples,
    codebook: NDArray[np.float64],
    best: NDArray[Any],
    second: NDArray[Any] | None = None,
    *,
    missing: bool = False,
) -> UnitSums:
    """Sum the samples of each unit.

    Parameters
    ----------
    samples : Samples
    codebook : ndarray of shape (units, bands), float64
    best, second : ndarray of shape (n,), unsigned
        Each sample's best and second-best unit; `second`, if given, is used to compute the utilities.
    missing : bool
        Whether NaN means a missing band.
    """
    units, bands = codebook.shape
    codebook = np.ascontiguousarray(codebook, np.float64)
    total: UnitSums | None = None
    for start in range(0, max(len(samples), 1), BLOCK_SAMPLES):
        part = slice(start, start + BLOCK_SAMPLES)
        sums, hits, errors = np.zeros((units, bands)), np.zeros(units), np.zeros(units)
        counts = np.zeros((units, bands)) if missing else None
        gains = None if second is None else np.zeros(units)
        distance = _gather(
            np.ascontiguousarray(samples.values[part], np.float64),
            None if samples.weights is None else samples.weights[part],
            best[part],
            None if second is None else second[part],
            codebook,
            sums,
            counts,
            hits,
            errors,
            gains,
        )
        one = UnitSums(sums, hits[:, None] if counts is None else counts, hits, errors, distance, gains)
        total = one if total is None else add_up([total, one])
    assert total is not None  # noqa: S101 - the loop runs at least once
    return total
