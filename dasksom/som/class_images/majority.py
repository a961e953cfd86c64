"""Majority filter of a class image.

A pixel gets the most frequent class of the square window around it. Of equally frequent classes its own class wins,
then the lowest number. Pixels without class (0) keep it and have no vote, as have positions outside the image.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel


def majority_filter(classes: NDArray[Any], window: int, margins: tuple[int, int, int, int]) -> NDArray[Any]:
    """Filter a chunk, which includes margins of its neighbors.

    Parameters
    ----------
    classes : ndarray of shape (rows, columns), unsigned
    window : int
        Side of the window in pixels, odd.
    margins : tuple of int
        Rows and columns to leave out of the result: above, below, left, right. `window // 2`, or as many as there are
        up to the border of the image.

    Returns
    -------
    ndarray of the shape without margins, in the same dtype
    """
    above, below, left, right = margins
    rows, columns = classes.shape
    filtered = np.empty((rows - above - below, columns - left - right), classes.dtype)
    _filter(np.ascontiguousarray(classes), window // 2, above, left, filtered)
    return filtered


@kernel
def _filter(classes: NDArray[Any], reach: int, above: int, left: int, filtered: NDArray[Any]) -> None:
    rows, columns = classes.shape
    highest = int(classes.max()) if classes.size else 0
    # the classes are looked up where they are fewer than the pixels of the window
    few = highest <= (2 * reach + 1) ** 2
    votes = np.zeros(highest + 1, np.int64)
    for row in range(filtered.shape[0]):
        first, stop = max(row + above - reach, 0), min(row + above + reach + 1, rows)
        votes[:] = 0
        start = max(left - reach, 0)
        for r in range(first, stop):
            for c in range(start, min(left + reach, columns)):
                votes[classes[r, c]] += 1
        for column in range(filtered.shape[1]):
            middle = column + left
            entering, leaving = middle + reach, middle - reach - 1
            for r in range(first, stop):
                if entering < columns:
                    votes[classes[r, entering]] += 1
                if leaving >= 0:
                    votes[classes[r, leaving]] -= 1
            own = int(classes[row + above, middle])
            best = own
            if own != 0:
                if few:
                    for candidate in range(1, highest + 1):
                        if votes[candidate] > votes[best]:
                            best = candidate
                else:
                    for r in range(first, stop):
                        for c in range(max(leaving + 1, 0), min(entering + 1, columns)):
                            candidate = int(classes[r, c])
                            ahead = votes[candidate] > votes[best]
                            lower = votes[candidate] == votes[best] and best != own and candidate < best
                            if candidate != 0 and (ahead or lower):
                                best = candidate
            filtered[row, column] = best
