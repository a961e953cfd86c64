"""The search and the sums of units on arrays of a device, such as those of CuPy; NumPy runs every line of it too.

A label is the same as on a CPU: the lowest float64 nearest unit. The float32 filter is one matrix product, which adds
up in any order; `dasksom.som.bmu.rounding` proves which units it may exclude. Samples that it leaves open are compared
in float64, band by band, each operation rounded by itself: as array operations that no compiler fuses.

Sums of units are one float64 matrix product with the indicators of the units for each block of samples. The blocks do
not depend on the device's memory, so that a device gives the same bits again; those of a CPU differ in the last digits.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.arranged_units import FilterUnits
from dasksom.som.unit_sums import UnitSums

logger = logging.getLogger(__name__)
_HOST_BYTES = 64 << 20
"""Memory for a piece of samples if the module reports none: NumPy in tests."""
_DEVICE_SHARE = 0.5
"""Share of a device's free memory that a piece of samples takes."""
_INDICATOR_VALUES = 1 << 25
"""Values (samples x units) of a block of sums."""
_LEAST_SUMMED, _MOST_SUMMED = 256, 1 << 14
"""Limits of the samples of a block of sums."""


@dataclass(frozen=True, eq=False)
class DeviceUnits:
    """A codebook as the filter and the exact comparison need it, in NumPy arrays."""

    units: NDArray[np.float64]
    """Shape (units, bands)."""
    handicap: NDArray[np.float64]
    """Initial total of each unit."""
    known: FilterUnits
    """The same for the filter of a processor."""

    @property
    def negative(self) -> NDArray[np.float32]:
        """The units, shifted, scaled and times -1, of shape (bands, units)."""
        count, bands = self.units.shape
        return np.ascontiguousarray(self.known.panels.transpose(1, 0, 2).reshape(bands, -1)[:, :count])

    @property
    def start(self) -> NDArray[np.float32]:
        """Initial total of each unit in the filter."""
        return self.known.start.reshape(-1)[: len(self.units)]


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an array module reports that memory is missing."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free_bytes(xp: Any) -> int:
    """Return the memory for a piece of samples."""
    if not hasattr(xp, "cuda"):
        return _HOST_BYTES
    pool = xp.get_default_memory_pool()
    free = xp.cuda.Device().mem_info[0] + pool.free_bytes()
    return int(free * _DEVICE_SHARE)


def rows_of_piece(xp: Any, units: int, bands: int) -> int:
    """Return the number of samples that are searched at once: totals and their copy, and the samples three times."""
    return max(1, _free_bytes(xp) // (10 * units + 20 * bands))


def nearest_on_device(xp: Any, samples: NDArray[Any], known: DeviceUnits, ranks: int) -> NDArray[np.uint32]:
    """Return the nearest units of each sample.

    Parameters
    ----------
    xp : module
        numpy, cupy, or another with the same interface.
    samples : ndarray of shape (n, bands), float32 or float64
        Finite.
    known : DeviceUnits
    ranks : int
        1 for the nearest unit, 2 for the two nearest ones.

    Returns
    -------
    ndarray of shape (ranks, n)
    """
    labels = np.empty((ranks, len(samples)), np.uint32)
    rows, begin = rows_of_piece(xp, *known.units.shape), 0
    arrays = _Arrays(xp, known)
    while begin < len(samples):
        part = slice(begin, begin + rows)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # an infinite limit settles nothing
                labels[:, part] = arrays.to_host(arrays.search(samples[part], ranks))
        except Exception as error:
            if rows == 1 or not is_out_of_memory(error):
                raise
            rows = -(-min(rows, len(samples) - begin) // 2)
            logger.warning("the device is out of memory; searching %d samples at once", rows)
            continue
        begin += rows
    return labels


class _Arrays:
    """A codebook on a device."""

    def __init__(self, xp: Any, known: DeviceUnits) -> None:
        self.xp = xp
        self.units, self.handicap = xp.asarray(known.units), xp.asarray(known.handicap)
        self.center, self.scale = xp.asarray(known.known.center), known.known.scale
        self.negative, self.start = xp.asarray(known.negative), xp.asarray(known.start)
        self.of_size, self.of_total, self.least = (np.float32(value) for value in known.known.bound)

    def to_host(self, array: Any) -> NDArray[Any]:
        """Return a device's array as one of NumPy."""
        return np.asarray(array.get() if hasattr(array, "get") else array)

    def search(self, samples: NDArray[Any], ranks: int) -> Any:
        """Return the nearest units of a piece of samples, shape (ranks, n)."""
        xp = self.xp
        stored = xp.asarray(samples)
        shifted = ((stored.astype(np.float64) - self.center) * self.scale).astype(np.float32)
        size = (shifted * shifted).sum(axis=1, dtype=np.float32)
        totals = shifted @ self.negative
        totals += self.start
        everyone = xp.arange(len(samples))
        labels = xp.empty((ranks, len(samples)), np.uint32)
        settled = xp.ones(len(samples), bool)
        for rank in range(ranks):
            best = totals.argmin(axis=1)  # a NaN is the least: its limit is NaN, and settles nothing
            lowest = totals[everyone, best]
            limit = lowest + (self.of_total * lowest + (self.of_size * size + self.least))
            near = xp.count_nonzero(~(totals > limit[:, np.newaxis]), axis=1)
            settled &= near == 1
            labels[rank] = best
            if rank + 1 < ranks:
                totals[everyone, best] = np.inf
        left_open = xp.flatnonzero(~settled)
        if len(left_open):
            labels[:, left_open] = self._exact(stored[left_open].astype(np.float64), ranks)
        return labels

    def _exact(self, samples: Any, ranks: int) -> Any:
        """Return the nearest units by distances in float64, as `exact_search` defines them."""
        xp, (units, bands) = self.xp, self.units.shape
        labels = xp.empty((ranks, len(samples)), np.uint32)
        rows = max(1, rows_of_piece(xp, units, bands) // 3)
        for begin in range(0, len(samples), rows):
            block = samples[begin : begin + rows]
            totals = xp.broadcast_to(self.handicap, (len(block), units)).copy()
            for band in range(bands):
                away = block[:, band, np.newaxis] - self.units[:, band]
                away *= away
                totals += away
            for rank in range(ranks):
                best = totals.argmin(axis=1)
                labels[rank, begin : begin + rows] = best
                if rank + 1 < ranks:
                    totals[xp.arange(len(block)), best] = np.inf
        return labels


def gather_on_device(
    xp: Any,
    samples: NDArray[Any],
    weights: NDArray[Any] | None,
    codebook: NDArray[np.float64],
    best: NDArray[Any],
    second: NDArray[Any] | None = None,
) -> UnitSums:
    """Sum the samples of each unit; parameters as for `dasksom.som.unit_sums.gather`, without missing bands."""
    units, bands = codebook.shape
    rows = min(max(_INDICATOR_VALUES // units, _LEAST_SUMMED), _MOST_SUMMED)
    vectors, numbers = xp.asarray(codebook), xp.arange(units)
    extra = 2 if second is None else 3
    total, distance = xp.zeros((units, bands + extra)), xp.zeros(())
    for begin in range(0, len(samples), rows):
        part = slice(begin, begin + rows)
        block, winners = xp.asarray(samples[part]).astype(np.float64), xp.asarray(best[part])
        weight = xp.ones(len(block)) if weights is None else xp.asarray(weights[part]).astype(np.float64)
        error = ((block - vectors[winners]) ** 2).sum(axis=1)
        columns = xp.empty((len(block), bands + extra))
        columns[:, :bands] = block * weight[:, np.newaxis]
        columns[:, bands] = weight
        columns[:, bands + 1] = weight * error
        if second is not None:
            other = ((block - vectors[xp.asarray(second[part])]) ** 2).sum(axis=1)
            columns[:, bands + 2] = weight * (other - error)
        total += (winners[:, np.newaxis] == numbers).astype(np.float64).T @ columns
        distance += (weight * xp.sqrt(error)).sum()
    host = np.asarray(total.get() if hasattr(total, "get") else total)
    return UnitSums(
        sums=np.ascontiguousarray(host[:, :bands]),
        counts=np.ascontiguousarray(host[:, bands : bands + 1]),
        hits=host[:, bands].copy(),
        squared_errors=host[:, bands + 1].copy(),
        distance=float(distance),
        utilities=None if second is None else host[:, bands + 2].copy(),
    )
