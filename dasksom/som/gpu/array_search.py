"""The search on arrays of a device, such as those of CuPy; NumPy runs every line of it too.

A label is the same as on a CPU: the lowest float64 nearest unit. The float32 filter is one matrix product, which adds
up in any order; `dasksom.som.bmu.rounding` proves which units it may exclude. Samples that it leaves open are compared
in float64, band by band, each operation rounded by itself: as array operations that no compiler fuses.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.rounding import FilterUnits
from dasksom.som.gpu.device import DEVICE_LOCK, piece_bytes, search_bytes, to_host, work_in_pieces


@dataclass(frozen=True, eq=False)
class DeviceUnits:
    """A codebook as the filter and the exact comparison need it, in NumPy arrays."""

    units: NDArray[np.float64]
    """Shape (units, bands)."""
    handicap: NDArray[np.float64]
    """Initial total of each unit."""
    arranged: FilterUnits
    """The same for the filter of a processor."""

    @property
    def negative(self) -> NDArray[np.float32]:
        """The units, shifted, scaled and times -1, of shape (bands, units)."""
        count, bands = self.units.shape
        return np.ascontiguousarray(self.arranged.panels.transpose(1, 0, 2).reshape(bands, -1)[:, :count])

    @property
    def start(self) -> NDArray[np.float32]:
        """Initial total of each unit in the filter."""
        return self.arranged.start.reshape(-1)[: len(self.units)]


def rows_of_piece(xp: Any, units: int, bands: int) -> int:
    """Return the number of samples that are searched at once."""
    return max(1, piece_bytes(xp) // search_bytes(units, bands))


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

    Raises
    ------
    DeviceMemoryError
        If the device has no memory for a single sample.
    """
    labels = np.empty((ranks, len(samples)), np.uint32)

    def search(part: slice) -> None:
        labels[:, part] = to_host(_Arrays(xp, known).search(samples[part], ranks))

    with DEVICE_LOCK, np.errstate(over="ignore", invalid="ignore"):  # an infinite limit settles nothing
        work_in_pieces(xp, search, len(samples), rows_of_piece(xp, *known.units.shape))
    return labels


class _Arrays:
    """A codebook on a device."""

    def __init__(self, xp: Any, known: DeviceUnits) -> None:
        arranged = known.arranged
        self.xp = xp
        self.units, self.handicap = xp.asarray(known.units), xp.asarray(known.handicap)
        self.center, self.scale = xp.asarray(arranged.center), arranged.scale
        self.negative, self.start = xp.asarray(known.negative), xp.asarray(known.start)
        self.of_size, self.of_total, self.least = (float(value) for value in arranged.bound)  # numbers of float32

    def search(self, samples: NDArray[Any], ranks: int) -> Any:
        """Return the nearest units of a piece of samples, shape (ranks, n)."""
        xp, units = self.xp, len(self.units)
        stored = xp.asarray(samples)
        shifted = ((stored.astype(np.float64) - self.center) * self.scale).astype(np.float32)
        size = (shifted * shifted).sum(axis=1, dtype=np.float32)
        totals = shifted @ self.negative
        totals += self.start
        everyone = xp.arange(len(samples))
        labels = xp.empty((ranks, len(samples)), np.uint32)
        settled = xp.ones(len(samples), bool)
        for rank in range(ranks):
            best = totals.argmin(axis=1)
            lowest = totals[everyone, best]
            limit = lowest + (lowest * self.of_total + (size * self.of_size + self.least))
            # totals and limits that are NaN exclude no unit
            settled &= xp.count_nonzero(totals > limit[:, np.newaxis], axis=1) == units - 1
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
        numbers = xp.arange(units, dtype=np.uint32)
        for begin in range(0, len(samples), rows):
            block = samples[begin : begin + rows]
            totals = xp.broadcast_to(self.handicap, (len(block), units)).copy()
            for band in range(bands):
                away = block[:, band, np.newaxis] - self.units[:, band]
                away *= away
                totals += away
            for rank in range(ranks):
                lowest = totals.min(axis=1)[:, np.newaxis]
                best = xp.where(totals == lowest, numbers, units).min(axis=1)  # the first of several
                labels[rank, begin : begin + rows] = best
                if rank + 1 < ranks:
                    totals[xp.arange(len(block)), best] = np.inf
        return labels
