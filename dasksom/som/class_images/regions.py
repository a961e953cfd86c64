"""Regions of a class image: pixels of one class that are connected by their sides; class 0 belongs to no region.

Small regions are merged as GDAL's sieve filter does: a region takes the class of its largest neighbor, sizes being
those before merging; of equally large neighbors, the one whose first contact is first in row-major order, the contact
above a pixel before the one at its left. If that neighbor is small too, its own largest neighbor decides, and so on; a
region whose neighbors lead to no large region keeps its class.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dasksom.som.numba_kernel import kernel


def label_regions(classes: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label the regions in row-major order of their first pixels, from 1.

    Parameters
    ----------
    classes : ndarray of shape (rows, columns), unsigned

    Returns
    -------
    labels : ndarray of the same shape, int32
        0 where there is no class.
    values : ndarray of shape (regions + 1,), int64
        Class of each region.
    """
    labels = np.empty(classes.shape, np.int32)
    count = _label(np.ascontiguousarray(classes), labels)
    values = np.zeros(count + 1, np.int64)
    values[labels] = classes
    return labels, values


@kernel
def _root(parents: NDArray[np.int32], label: int) -> int:
    while parents[label] != label:
        parents[label] = parents[parents[label]]
        label = parents[label]
    return label


@kernel
def _label(classes: NDArray[Any], labels: NDArray[np.int32]) -> int:
    rows, columns = classes.shape
    parents = np.zeros(classes.size + 1, np.int32)
    count = 0
    for row in range(rows):
        for column in range(columns):
            own = classes[row, column]
            if own == 0:
                labels[row, column] = 0
                continue
            above = labels[row - 1, column] if row > 0 and classes[row - 1, column] == own else 0
            left = labels[row, column - 1] if column > 0 and classes[row, column - 1] == own else 0
            if above == 0 and left == 0:
                count += 1
                parents[count] = count
                labels[row, column] = count
            elif above == 0 or left == 0:
                labels[row, column] = max(above, left)
            else:
                first, second = _root(parents, above), _root(parents, left)
                parents[max(first, second)] = min(first, second)
                labels[row, column] = min(first, second)
    # roots are the lowest of their labels, so that numbers follow the first pixels
    regions = 0
    for label in range(1, count + 1):
        if parents[label] == label:
            regions += 1
            parents[label] = regions
        else:
            parents[label] = parents[parents[label]]
    for row in range(rows):
        for column in range(columns):
            labels[row, column] = parents[labels[row, column]]
    return regions


@kernel
def find_largest_neighbors(
    labels: NDArray[np.int32],
    sizes: NDArray[np.int64],
    least: int,
    corner: tuple[int, int],
    width: int,
    neighbors: NDArray[np.int32],
    contacts: NDArray[np.int64],
) -> None:
    """Find the largest neighbor of each small region of a chunk.

    Parameters
    ----------
    labels : ndarray of shape (rows, columns), int32
    sizes : ndarray of shape (regions + 1,), int64
        Pixels of each region, with those in other chunks.
    least : int
        Regions with fewer pixels are small.
    corner : row and column of the first pixel in the image
    width : of the image
    neighbors : ndarray of shape (regions + 1,), int32, zeros, filled in
        Region of the largest neighbor in this chunk; stays 0 without one, and for regions that are not small.
    contacts : ndarray of shape (regions + 1,), int64, filled in
        Order of the first contact with this neighbor, as `contact_order` returns it.
    """
    rows, columns = labels.shape
    for row in range(rows):
        for column in range(columns):
            for side in range(2):
                if (row if side == 0 else column) == 0:
                    continue
                one = labels[row, column]
                other = labels[row - 1, column] if side == 0 else labels[row, column - 1]
                if one == other or one == 0 or other == 0:
                    continue
                for _ in range(2):
                    if sizes[one] < least and sizes[other] > sizes[neighbors[one]]:
                        neighbors[one] = other
                        contacts[one] = 2 * ((corner[0] + row) * width + corner[1] + column) + side
                    one, other = other, one


def contact_order(rows: Any, columns: Any, width: int, side: int) -> Any:
    """Return the order of contacts in the image.

    Parameters
    ----------
    rows, columns : int or ndarray of int
        Lower or right pixel of the contact.
    width : of the image
    side : 0 if the other pixel is above, 1 if it is at the left
    """
    return 2 * (rows * width + columns) + side


@kernel
def chain_ends(following: NDArray[Any], is_end: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Follow chains of regions to their ends.

    Parameters
    ----------
    following : ndarray of shape (regions,), int
        Next region of each region; negative for none.
    is_end : ndarray of shape (regions,), bool
        Regions that end a chain.

    Returns
    -------
    ndarray of shape (regions,), int64
        Region at the end of the chain from each region; -1 for chains without an end.
    """
    unknown, active = -2, -3
    ends = np.full(len(following), unknown, np.int64)
    for start in range(len(following)):
        region = start
        while region >= 0 and ends[region] == unknown and not is_end[region]:
            ends[region] = active
            region = following[region]
        end = -1  # no neighbor, or a circle
        if region >= 0 and ends[region] != active:
            end = region if is_end[region] else ends[region]
        region = start
        while region >= 0 and ends[region] == active:
            ends[region] = end
            region = following[region]
        if is_end[start]:
            ends[start] = start
    return ends
