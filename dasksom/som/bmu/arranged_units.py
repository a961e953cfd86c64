"""A codebook arranged for the float32 filter, without the units that win no sample."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_kernels import GROUP
from dasksom.som.bmu.rounding import LARGEST_SCALE

CELL = 16
"""Number of units per cell of `dasksom.som.bmu.unit_cells`: a multiple of the filter's group size."""


@dataclass(frozen=True)
class FilterUnits:
    """A codebook arranged for the filter."""

    center: NDArray[np.float64]
    """Shape (bands,); samples are searched as ``(x - center) * scale``."""
    scale: float
    panels: NDArray[np.float32]
    """Shape (groups, bands, GROUP); negative for `EXPANDED`."""
    start: NDArray[np.float32]
    """Initial total of each unit, shape (groups, GROUP); infinite after the last unit."""
    bound: NDArray[np.float32]
    """Result of `rounding_bound`."""


def arrange_units(
    units: NDArray[np.float64], handicap: NDArray[np.float64], bound: NDArray[np.float32], expanded: bool
) -> FilterUnits | None:
    """Shift, scale and round a codebook and cut it into groups; None if its extent is out of range."""
    count, bands = units.shape
    # the lower median of the units in each band: robust against outliers and distant groups
    center = np.partition(np.ascontiguousarray(units.T), (count - 1) // 2, axis=1)[:, (count - 1) // 2].copy()
    away = units - center
    extent = float(np.abs(away).max())
    scale = float(np.ldexp(1.0, -np.frexp(extent)[1])) if 1 / LARGEST_SCALE < extent < LARGEST_SCALE else 1.0
    if extent >= LARGEST_SCALE or 0 < extent <= 1 / LARGEST_SCALE:
        return None
    groups = -(-count // GROUP)
    padded, start = np.zeros((groups * GROUP, bands), np.float32), np.full(groups * GROUP, np.inf, np.float32)
    padded[:count] = away * scale
    start[:count] = handicap * scale**2
    if expanded:
        start[:count] = (handicap * scale**2 + np.square(padded[:count], dtype=np.float64).sum(axis=1)) / 2
        np.negative(padded, out=padded)
    panels = np.ascontiguousarray(padded.reshape(groups, GROUP, bands).transpose(0, 2, 1))
    return FilterUnits(center, scale, panels, start.reshape(groups, GROUP), bound)


def distinct_units(units: NDArray[np.float64], copies: int) -> NDArray[np.int64]:
    """Return the units with fewer than `copies` equal predecessors, ascending: the others win no sample."""
    with np.errstate(over="ignore", invalid="ignore"):
        if len(np.unique(units.sum(axis=1))) == len(units):  # much faster than sorting wide units
            return np.arange(len(units))
    plain = np.ascontiguousarray(units + 0.0)  # -0.0 becomes 0.0
    rows = plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1]))).reshape(-1)
    left = np.arange(len(rows))
    taken = []
    for _ in range(copies):
        _, first = np.unique(rows[left], return_index=True)
        taken.append(left[first])
        left = np.delete(left, first)
    return np.sort(np.concatenate(taken))


def break_even(samples: int, bands: int, units: int) -> float:
    """Return the fraction of searched cells below which searching in cells is faster, from measured overheads.

    The overheads, relative to a search of all units, are: finding the nearest center, computing bounds, gathering
    samples in another order, and sorting the units.
    """
    bounds = (3 * bands + 45) / (CELL * (bands + 1.3))
    return 1 - 1 / CELL - bounds - 24 * CELL / units - 4800 / max(samples, 1)
