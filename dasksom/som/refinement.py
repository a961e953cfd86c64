"""Refinement: reduce the quantization error of a palette.

With sigma 0, a batch epoch is a step of k-means, which converges to the nearest local minimum. A refinement escapes it
by breathing (Fritzke, "The breathing k-means algorithm", 2020): units are added next to those with the most error, all
units learn for some epochs, and as many units are removed, those whose samples have another unit at nearly the same
distance. The number of added units decreases from step to step.

Palettes of few 8-bit colors start from the best of several instead (`dasksom.som.counted_colors.palette_search`).

This loses the order of the units. At the end they are arranged as close as possible to the map before the refinement.
The palette is unchanged, and neighbors on the lattice have similar colors again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel
from dasksom.som.schedule import Step

CYCLE = 4
"""Epochs between two additions of units."""
REMOVED_AFTER = 2
"""Epochs between the addition and the removal of units."""
REST = 6
"""Minimum number of final epochs without additions or removals."""
SHARE = 0.2
"""Fraction of the units added at first."""
STEP = 0.3
"""Distance of an added unit from its neighbor, in root mean squared distances of the neighbor's samples."""
MOST_ARRANGED = 1024
"""Maximum number of units that are arranged: the time grows with the cube of their number."""


def refinement_steps(units: int, epochs: int, *, searched: bool = False) -> tuple[Step, ...]:
    """Plan the epochs of a refinement.

    Parameters
    ----------
    units : int
        Number of units of the map, at least 1.
    epochs : int
        At least 0; with fewer than 10 no unit moves.
    searched : bool
        Whether the first epoch starts from the best of several palettes; units then only learn.
    """
    steps = [Step(sigma=0.0)] * epochs
    if searched and epochs:
        return (Step(sigma=0.0, searched=True), *steps[1:])
    cycles = max(epochs - REST, 0) // CYCLE if units > 1 else 0
    for cycle in range(cycles):
        count = max(1, round(units * SHARE * (1 - cycle / cycles)))
        steps[cycle * CYCLE] = Step(sigma=0.0, added=count)
        steps[cycle * CYCLE + REMOVED_AFTER] = Step(sigma=0.0, removed=True)
    return tuple(steps)


def add_near_worst(
    codebook: NDArray[np.float64], errors: NDArray[np.float64], hits: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    """Return vectors next to the units with the most error.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
        The current codebook.
    errors, hits : ndarray of shape (units,), float64
        Squared error and weight of the samples of each unit.
    count : int
        Number of vectors; fewer are returned if fewer units have an error.
    seed : int
        Seed of the random directions.

    Returns
    -------
    ndarray of shape (up to count, bands), float64
    """
    worst = np.argsort(-errors, kind="stable")[:count]
    worst = worst[errors[worst] > 0]
    direction = np.random.default_rng(seed).standard_normal((len(worst), codebook.shape[1]))
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
    radius = np.sqrt(errors[worst] / hits[worst])
    vectors: NDArray[np.float64] = codebook[worst] + STEP * radius[:, None] * direction
    return vectors


def remove_least_useful(
    codebook: NDArray[np.float64], utilities: NDArray[np.float64], units: int, fixed: Sequence[int] = ()
) -> NDArray[np.float64]:
    """Remove the units whose removal increases the error least; added units replace the removed ones.

    The samples of a removed unit go to a unit near it. To remove only one of two redundant units, the nearest unit of
    each removed one is kept.

    Parameters
    ----------
    codebook : ndarray of shape (units + added, bands), float64
        As many are added as units are not fixed, at most.
    utilities : ndarray of shape (units + added,), float64
        Increase of the squared error if the unit is removed.
    units : int
        Number of units to keep.
    fixed : sequence of int
        Units that are not removed.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    left, kept = np.ones(len(codebook), bool), np.zeros(len(codebook), bool)
    kept[list(fixed)] = True
    for unit in np.argsort(utilities, kind="stable"):
        if left.sum() == units:
            break
        if kept[unit]:
            continue
        left[unit] = False
        distances = ((codebook - codebook[unit]) ** 2).sum(axis=1)
        distances[~left] = np.inf
        kept[distances.argmin()] = True
    places, added = np.flatnonzero(~left[:units]), np.flatnonzero(left[units:]) + units
    remaining = codebook[:units].copy()
    remaining[places] = codebook[added]
    return remaining


def arranged_order(codebook: NDArray[np.float64], laid_out: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order of units in which the total squared distance to the units of an ordered map is minimal.

    Parameters
    ----------
    codebook, laid_out : ndarray of shape (units, bands), float64

    Returns
    -------
    ndarray of shape (units,), int64
        Rows of `codebook`; in their order if there are more than ``MOST_ARRANGED``.
    """
    if len(codebook) > MOST_ARRANGED:
        return np.arange(len(codebook))
    costs = np.zeros((len(codebook), len(codebook)))
    for band in range(codebook.shape[1]):
        costs += (laid_out[:, band, np.newaxis] - codebook[:, band]) ** 2
    order: NDArray[np.int64] = assigned(costs)
    return order


@kernel
def assigned(costs: Any) -> Any:
    """Assign a column to each row, so that the total cost is minimal: SciPy's ``linear_sum_assignment`` for a square.

    Importing SciPy's takes a fifth of a short run. Source: Crouse, "On implementing 2D rectangular assignment
    algorithms" (2016).

    Parameters
    ----------
    costs : ndarray of shape (n, n), float64
        Finite.

    Returns
    -------
    ndarray of shape (n,), int64
    """
    n = len(costs)
    row_prices, column_prices = np.zeros(n), np.zeros(n)
    column_of, row_of = np.full(n, -1), np.full(n, -1)
    for first in range(n):  # extend the assignment by a shortest augmenting path from this row
        lengths, came_from = np.full(n, np.inf), np.full(n, -1)
        rows_done, columns_done = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        row, length = first, 0.0
        while True:
            rows_done[row] = True
            nearest, shortest = -1, np.inf
            for column in range(n):
                if columns_done[column]:
                    continue
                through = length + costs[row, column] - row_prices[row] - column_prices[column]
                if through < lengths[column]:
                    lengths[column], came_from[column] = through, row
                if lengths[column] < shortest or (lengths[column] == shortest and row_of[column] < 0):
                    nearest, shortest = column, lengths[column]
            columns_done[nearest], length = True, shortest
            if row_of[nearest] < 0:
                break
            row = row_of[nearest]
        for row in range(n):
            if rows_done[row]:
                row_prices[row] += length - (lengths[column_of[row]] if row != first else 0.0)
        for column in range(n):
            if columns_done[column]:
                column_prices[column] -= length - lengths[column]
        column = nearest
        while True:
            row = came_from[column]
            row_of[column] = row
            column, column_of[row] = column_of[row], column
            if row == first:
                break
    return column_of
