"""The U-matrix: distances of units to their lattice neighbors, with ridges between groups of similar units."""

import numpy as np
from numpy.typing import NDArray

from dasksom.som.lattice import Lattice

# right and the three below; the opposite steps are covered from the neighbor
_STEPS = ((0, 1), (1, -1), (1, 0), (1, 1))


def neighbor_pairs(lattice: Lattice) -> NDArray[np.int64]:
    """Return each pair of neighbors once.

    Returns
    -------
    ndarray of shape (pairs, 2)
        Row-major unit numbers, the lower one first, in ascending order.
    """
    row, column = np.divmod(np.arange(lattice.units), lattice.columns)
    found = []
    for down, right in _STEPS:
        rows, columns = row + down, column + right
        inside = (rows < lattice.rows) & (columns >= 0) & (columns < lattice.columns) | lattice.toroidal
        first = np.flatnonzero(inside)
        second = (rows[first] % lattice.rows) * lattice.columns + columns[first] % lattice.columns
        near = (first != second) & lattice.adjacent(first, second)
        low, high = np.minimum(first, second)[near], np.maximum(first, second)[near]
        found.append(low * lattice.units + high)
    # on a narrow torus, two units can be neighbors twice
    return np.stack(np.divmod(np.unique(np.concatenate(found)), lattice.units), axis=1)


def u_matrix(weights: NDArray[np.floating], lattice: Lattice) -> NDArray[np.float64]:
    """Return each unit's mean Euclidean distance to its neighbors on the lattice.

    Source: Ultsch and Siemon, "Kohonen's self organizing feature maps for exploratory data analysis" (1990).

    Parameters
    ----------
    weights : ndarray of shape (rows, columns, bands)
    lattice : Lattice
        With the same rows and columns. On a torus, opposite edges are neighbors.

    Returns
    -------
    ndarray of shape (rows, columns), float64
        In the units of the weights; 0 for a unit without neighbors.

    Examples
    --------
    >>> u_matrix(np.array([[[0.0], [3.0], [4.0]]]), Lattice(1, 3)).tolist()
    [[3.0, 2.0, 1.0]]
    """
    units = np.asarray(weights, np.float64).reshape(lattice.units, -1)
    first, second = neighbor_pairs(lattice).T
    away = np.sqrt(((units[first] - units[second]) ** 2).sum(axis=1))
    both = np.concatenate([first, second])
    total = np.bincount(both, np.concatenate([away, away]), lattice.units)
    count = np.bincount(both, minlength=lattice.units)
    return (total / np.maximum(count, 1)).reshape(lattice.rows, lattice.columns)
