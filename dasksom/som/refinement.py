"""A palette of least error: units move to where the error is.

With sigma 0 a batch epoch is a step of k-means, which ends in the nearest local minimum. A refinement gets out of it by
breathing (Fritzke, "The breathing k-means algorithm", 2020): some units are added beside those with the most error, all
of them learn for some epochs, and as many are removed again: those whose samples have another unit nearly as near. Step
by step fewer of them come and go.

That leaves the units in any order. At the end they are put into the order that is nearest to the map as it was laid
out before, which costs nothing of the palette: neighbors on the lattice have similar colors again.
"""

import numpy as np
from numpy.typing import NDArray

from dasksom.som.quality import Quality
from dasksom.som.schedule import Step

CYCLE = 5
"""Epochs from one growth to the next."""
REMOVED_AFTER = 3
"""Epochs that added units learn before as many are removed."""
REST = 6
"""Epochs at the end, at least, in which no unit comes or goes."""
SHARE = 0.12
"""Share of the units that the first growth adds."""
STEP = 0.3
"""How far from its neighbor a unit is added, in root mean squared distances of the neighbor's samples."""
MOST_ARRANGED = 1024
"""Larger maps are left in the order that they have: finding a better one takes a time that grows as units cubed."""


def refinement_steps(units: int, epochs: int) -> tuple[Step, ...]:
    """Plan the epochs of a refinement.

    Parameters
    ----------
    units : int
        Of the map, at least 1.
    epochs : int
        At least 0; with fewer than 11 no unit moves.
    """
    steps = [Step(sigma=0.0)] * epochs
    cycles = max(epochs - REST, 0) // CYCLE if units > 1 else 0
    for cycle in range(cycles):
        count = max(1, round(units * SHARE * (1 - cycle / cycles)))
        steps[cycle * CYCLE] = Step(sigma=0.0, added=count)
        steps[cycle * CYCLE + REMOVED_AFTER] = Step(sigma=0.0, removed=True)
    return tuple(steps)


def beside_the_worst(codebook: NDArray[np.float64], quality: Quality, count: int, seed: int) -> NDArray[np.float64]:
    """Make vectors near those of the units with the most error; fewer where fewer units have any.

    Parameters
    ----------
    codebook : ndarray of shape (units, bands), float64
        As it is now.
    quality : Quality
        Of the codebook of these units before.
    count : int
        Of vectors, if there are as many units with an error.
    seed : int
        Of the directions.

    Returns
    -------
    ndarray of shape (up to count, bands), float64
    """
    errors = quality.squared_errors
    worst = np.argsort(-errors, kind="stable")[:count]
    worst = worst[errors[worst] > 0]
    direction = np.random.default_rng(seed).standard_normal((len(worst), codebook.shape[1]))
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-300)
    radius = np.sqrt(errors[worst] / quality.hits[worst])
    vectors: NDArray[np.float64] = codebook[worst] + STEP * radius[:, None] * direction
    return vectors


def without_the_idlest(
    codebook: NDArray[np.float64], utilities: NDArray[np.float64], units: int
) -> NDArray[np.float64]:
    """Remove the units without which the error grows the least; added ones take the places of those removed.

    The samples of a removed unit go to one near it. So of two units that are as good as one, only one is removed: the
    nearest unit of each that was removed stays.

    Parameters
    ----------
    codebook : ndarray of shape (units + added, bands), float64
        At most twice as many as are to be left.
    utilities : ndarray of shape (units + added,), float64
        How much the squared error grows without each.
    units : int
        That are to be left.

    Returns
    -------
    ndarray of shape (units, bands), float64
    """
    left, kept = np.ones(len(codebook), bool), np.zeros(len(codebook), bool)
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


def arrange(codebook: NDArray[np.float64], laid_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put units into the order in which they are nearest to those of an orderly map, all in all.

    Parameters
    ----------
    codebook, laid_out : ndarray of shape (units, bands), float64

    Returns
    -------
    ndarray of shape (units, bands), float64
        The rows of `codebook`; as they were, if there are more than ``MOST_ARRANGED``.
    """
    if len(codebook) > MOST_ARRANGED:
        return codebook
    from scipy.optimize import linear_sum_assignment  # slow to import, and needed only after a refinement
    from scipy.spatial.distance import cdist

    _, order = linear_sum_assignment(cdist(laid_out, codebook, "sqeuclidean"))
    arranged: NDArray[np.float64] = codebook[order]
    return arranged
