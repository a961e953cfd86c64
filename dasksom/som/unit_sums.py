"""What the units of a map gather from some samples, each sample counting for its best-matching unit alone."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel
from dasksom.som.samples import Samples

_BLOCK = 1 << 14
"""Samples converted to float64 together; sums are added up per block, then block after block."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class UnitSums:
    """Sums over the samples of each unit."""

    sums: NDArray[np.float64]
    """Weighted sum of the samples, shape (units, bands)."""
    counts: NDArray[np.float64]
    """Weight of what was summed, shape (units, 1), or (units, bands) where samples may miss bands."""
    hits: NDArray[np.float64]
    """Weight of the samples (their number, where they have none), shape (units,); exact up to 2^53."""
    squared_errors: NDArray[np.float64]
    """Weighted sum of the squared Euclidean distances to the unit, shape (units,)."""
    distance: float
    """Weighted sum of the Euclidean distances to the best units."""
    utilities: NDArray[np.float64] | None = None
    """How much the squared errors would grow without the unit: of the second-best unit less its own; shape (units,)."""


def add_up(parts: Sequence[T]) -> T:
    """Add records field by field, in the order given."""
    total = parts[0]
    for part in parts[1:]:
        total = _plus(total, part)
    return total


def _plus(one: Any, other: Any) -> Any:
    if is_dataclass(one) and not isinstance(one, type):
        names = [field.name for field in fields(one)]
        return replace(one, **{name: _plus(getattr(one, name), getattr(other, name)) for name in names})
    return None if one is None else one + other


# None stands for what is not asked for; numba compiles each such case without it.


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
    """Add up a block; return the weighted sum of its samples' distances to their units."""
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
    """Add samples up by unit.

    Parameters
    ----------
    samples : Samples
    codebook : ndarray of shape (units, bands), float64
    best, second : ndarray of shape (n,), unsigned
        Each sample's best and second-best unit; the second ones, where given, tell the units' utilities.
    missing : bool
        Whether NaN stands for bands that a sample misses.
    """
    units, bands = codebook.shape
    codebook = np.ascontiguousarray(codebook, np.float64)
    total: UnitSums | None = None
    for start in range(0, max(len(samples), 1), _BLOCK):
        part = slice(start, start + _BLOCK)
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
