"""Cells of 16 close units, with a center and a plane through it.

Units are sorted by repeated halving across their direction of largest variance. `dasksom.som.bmu.pruned_search`
describes the use of cells.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.bmu.llvm_vectors import GROUP
from dasksom.som.bmu.rounding import CELL
from dasksom.som.numba_kernel import kernel

_POWER_STEPS = 2
"""Iterations of the power method; directions must be orthogonal, but not exact."""


@kernel
def _product(a: Any, b: Any) -> float:
    """Return the dot product, computed in four partial sums."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    whole = len(a) // 4 * 4
    for i in range(0, whole, 4):
        one += a[i] * b[i]
        two += a[i + 1] * b[i + 1]
        three += a[i + 2] * b[i + 2]
        four += a[i + 3] * b[i + 3]
    for i in range(whole, len(a)):
        one += a[i] * b[i]
    return (one + two) + (three + four)


@kernel
def _direction(vectors: Any, out: Any) -> None:
    """Write the approximate direction of largest variance of centered vectors (power method from the longest one)."""
    count, bands = vectors.shape
    longest, which = -1.0, 0
    for i in range(count):
        square = _product(vectors[i], vectors[i])
        if square > longest:
            longest, which = square, i
    new = vectors[which].copy()
    for _ in range(_POWER_STEPS):
        length = np.sqrt(_product(new, new))
        if not length > 0.0:
            break
        for band in range(bands):
            out[band] = new[band] / length
            new[band] = 0.0
        for i in range(count):
            along = _product(vectors[i], out)
            for band in range(bands):
                new[band] += along * vectors[i, band]


@kernel
def _centered(units: Any, order: Any, out: Any) -> Any:
    """Write the differences of units from their mean; return the mean."""
    mean = np.zeros(units.shape[1])
    for i in order:
        for band in range(len(mean)):
            mean[band] += units[i, band]
    mean /= len(order)
    for i in range(len(order)):
        for band in range(len(mean)):
            out[i, band] = units[order[i], band] - mean[band]
    return mean


@kernel
def _sort_into_cells(units: Any, order: Any) -> None:
    """Halve the units repeatedly across their direction of largest variance, down to complete cells."""
    count, bands = units.shape
    away, direction, along = np.empty((count, bands)), np.zeros(bands), np.empty(count)
    waiting = [(0, count)]
    while len(waiting):
        begin, end = waiting.pop()
        if end - begin <= CELL:
            order[begin:end] = np.sort(order[begin:end])  # so that ties go to the lowest
            continue
        _centered(units, order[begin:end], away[begin:end])
        direction[:] = 0.0
        _direction(away[begin:end], direction)
        for i in range(begin, end):
            along[i] = _product(away[i], direction)
        order[begin:end] = order[begin:end][np.argsort(along[begin:end])]
        middle = begin + ((end - begin + CELL - 1) // CELL + 1) // 2 * CELL
        waiting.append((begin, middle))
        waiting.append((middle, end))


@kernel
def _make_orthogonal(direction: Any, other: Any) -> None:
    """Make a direction orthogonal to another; set it to zero, which is valid too, if only rounding errors remain."""
    along = _product(direction, other)
    for band in range(len(direction)):
        direction[band] -= along * other[band]
    length = np.sqrt(_product(direction, direction))
    direction *= 1.0 / length if length > 0.5 else 0.0


@kernel
def _describe_cells(units: Any, order: Any, planes: Any, sizes: Any) -> None:
    """Write each cell's center, two directions, and the maximum distances of its units along and across their plane."""
    count, bands = units.shape
    away = np.empty((CELL, bands))
    for cell in range(len(planes)):
        begin, end = cell * CELL, min((cell + 1) * CELL, count)
        rest = away[: end - begin]
        planes[cell, 0] = _centered(units, order[begin:end], rest)
        planes[cell, 1:] = 0.0
        flat = np.zeros(end - begin)
        for axis in range(1, 3):
            _direction(rest, planes[cell, axis])
            if axis == 2:
                _make_orthogonal(planes[cell, 2], planes[cell, 1])
            for i in range(end - begin):
                along = _product(rest[i], planes[cell, axis])
                for band in range(bands):
                    rest[i, band] -= along * planes[cell, axis, band]
                flat[i] += along * along
        sizes[cell, 0] = np.sqrt(flat.max())
        across = 0.0
        for i in range(end - begin):
            across = max(across, _product(rest[i], rest[i]))
        sizes[cell, 1] = np.sqrt(across)


@dataclass(frozen=True)
class UnitCells:
    """A codebook arranged in cells for the kernel; vectors are in groups, as in the search of all units."""

    units: NDArray[np.int64]
    """Unit at each position, shape (units,)."""
    panels: NDArray[np.float32]
    start: NDArray[np.float32]
    centers: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Panels and start of the cells' centers, for the search of the nearest center."""
    planes: tuple[NDArray[np.float32], NDArray[np.float32]]
    """Panels and start of each cell's center and two directions."""
    sizes: NDArray[np.float32]
    """Maximum distance of units from the center, along the plane and across it, shape (cells, 2)."""
    slack: float
    """Bounds are relaxed by this times (the sample's squared length + `longest`)."""
    longest: float
    """Largest squared length of a unit."""
    bound: NDArray[np.float32]
    """Result of `rounding_bound`."""


def _in_groups(vectors: NDArray[Any], start: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Arrange the negatives of vectors (n, bands) in groups, padded to complete cells."""
    count = -(-len(vectors) // CELL) * CELL
    padded, begin = np.zeros((count, vectors.shape[1]), np.float32), np.full(count, np.inf, np.float32)
    padded[: len(vectors)], begin[: len(vectors)] = -vectors, start
    groups = padded.reshape(-1, GROUP, vectors.shape[1])
    return np.ascontiguousarray(groups.transpose(0, 2, 1)), begin.reshape(-1, GROUP)


def arrange_cells(
    panels: NDArray[np.float32], start: NDArray[np.float32], count: int, bound: NDArray[np.float32]
) -> UnitCells:
    """Sort the first `count` units of a codebook arranged for the filter into cells."""
    bands = panels.shape[1]
    units = -panels.transpose(0, 2, 1).reshape(-1, bands)[:count].astype(np.float64)
    order, cells = np.arange(count), -(-count // CELL)
    _sort_into_cells(units, order)
    planes, sizes = np.zeros((cells, 3, bands)), np.empty((cells, 2))
    _describe_cells(units, order, planes, sizes)
    planes = planes.astype(np.float32).astype(np.float64)
    offsets = (planes[:, :1] * planes).sum(axis=2)
    offsets[:, 0] /= 2
    return UnitCells(
        order,
        *_in_groups(units[order], start.reshape(-1)[order]),
        centers=_in_groups(planes[:, 0], offsets[:, 0]),
        planes=_in_groups(planes.reshape(-1, bands), offsets.reshape(-1)),
        sizes=(sizes * (1 + 1e-6)).astype(np.float32),
        slack=(32 * bands + 128) * 2.0**-24,
        longest=float((units**2).sum(axis=1).max()),
        bound=bound,
    )
