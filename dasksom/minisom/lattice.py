"""Positions and neighbors of the units of an online map, as in MiniSom."""

import numpy as np
from numpy.typing import NDArray

ROW_HEIGHT = 3 / 2 / np.sqrt(3)
"""Distance of adjacent rows of a hexagonal map."""
AROUND_SQUARE = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1))
AROUND_HEXAGON_EVEN = ((0, 1), (1, 0), (0, -1), (-1, -1), (-1, 0), (-1, 1))
AROUND_HEXAGON_ODD = ((1, 1), (1, 0), (1, -1), (0, -1), (-1, 0), (0, 1))
"""Offsets to the neighbors of a unit (i, j); for hexagonal maps, those for even j and those for odd j."""


def places(x: int, y: int, hexagonal: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positions of the units, in lattice units: two arrays of shape (y, x).

    Unit (i, j) of a rectangular map is at (i, j). On a hexagonal map it is at ``(i, j ROW_HEIGHT)``, moved back by half
    a unit in every second row, counted from the last one.
    """
    xx, yy = np.meshgrid(np.arange(x, dtype=np.float64), np.arange(y, dtype=np.float64))
    if hexagonal:
        xx[::-2] -= 0.5
        yy *= ROW_HEIGHT
    return xx, yy


def neighbor_distances(
    weights: NDArray[np.float64], hexagonal: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the distances of each unit's weights to those of its neighbors.

    Parameters
    ----------
    weights : ndarray of shape (x, y, bands), float64
    hexagonal : bool
        Whether units have six neighbors instead of eight, as on a map whose last j is even.

    Returns
    -------
    distances : ndarray of shape (x, y), float64
        Sums of euclidean distances.
    neighbors : ndarray of shape (x, y), float64
        Number of neighbors.
    """
    x, y, _ = weights.shape
    even, odd = (AROUND_HEXAGON_EVEN, AROUND_HEXAGON_ODD) if hexagonal else (AROUND_SQUARE, AROUND_SQUARE)
    i, j = np.indices((x, y))
    away = np.zeros((x, y, len(even)))  # added up together, in NumPy's order
    neighbors = np.zeros((x, y))
    for k in range(len(even)):
        p, q = (at + np.where(j % 2 == 0, even[k][axis], odd[k][axis]) for axis, at in enumerate((i, j)))
        inside = (p >= 0) & (p < x) & (q >= 0) & (q < y)
        away[inside, k] = np.linalg.norm(weights[inside] - weights[p[inside], q[inside]], axis=-1)
        neighbors += inside
    return away.sum(axis=2), neighbors
