"""The best-matching units of values of one band: outward from each value along the sorted units.

Rounding keeps the order of distances, so those to the units on either side of a value never decrease outward. The
search of a value ends at the first unit that is farther than the best ones, and compares the others in float64, as an
exhaustive search does.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel


@kernel
def _match(values: Any, weights: Any, order: Any, best: Any, second: Any) -> None:
    """Write the best unit of each value, and the second-best if `second` is not empty; `weights` is ascending."""
    units, two, at = weights.size, second.size > 0, 0
    for i in range(values.size):
        x = values[i]
        while at < units and weights[at] < x:
            at += 1
        while at > 0 and weights[at - 1] >= x:
            at -= 1
        below, above = at - 1, at
        least, next_least, first, other = np.inf, np.inf, units, units
        while below >= 0 or above < units:
            down = (x - weights[below]) * (x - weights[below]) if below >= 0 else np.inf
            up = (x - weights[above]) * (x - weights[above]) if above < units else np.inf
            if down <= up:
                distance, k = down, order[below]
                below -= 1
            else:
                distance, k = up, order[above]
                above += 1
            if distance > (next_least if two else least):
                break
            if distance < least or (distance == least and k < first):
                next_least, other = least, first
                least, first = distance, k
            elif distance < next_least or (distance == next_least and k < other):
                next_least, other = distance, k
        best[i] = first
        if two:
            second[i] = other if units > 1 else first


def match_line(
    values: NDArray[np.float64], codebook: NDArray[np.float64], two: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the exact best-matching unit of each value, and the second-best; ties go to the lowest unit.

    Parameters
    ----------
    values : ndarray of shape (n,), float64
        Fastest if ascending.
    codebook : ndarray of shape (units, 1), float64
    two : bool
        Whether to find the second-best units; else their array is empty.
    """
    weights = codebook[:, 0]
    order = np.argsort(weights, kind="stable")
    best, second = np.empty(len(values), np.int64), np.empty(len(values) if two else 0, np.int64)
    _match(values, weights[order], order, best, second)
    return best, second
