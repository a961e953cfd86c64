"""Ward's linkage of weighted vectors."""

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist


def weighted_ward(vectors: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Merge, again and again, the two groups whose union increases the weighted squared error least.

    The result is that of Ward's linkage (Ward, 1963) where each vector is repeated as often as its weight says. Groups
    are merged along chains of nearest neighbors (Murtagh, "A survey of recent advances in hierarchical clustering
    algorithms", 1983); the increases of a union follow from those of its members (Lance and Williams, 1967). Time and
    memory grow with the square of their number.

    Parameters
    ----------
    vectors : ndarray of shape (n, features), float64, at least 2
    weights : ndarray of shape (n,), float64, above 0

    Returns
    -------
    ndarray of shape (n - 1, 2), int64
        The groups of each merge, in order of the error: vectors have the numbers 0 to n - 1, unions those from n on.
    """
    count = len(vectors)
    weights, present = weights.astype(np.float64), np.ones(count, bool)
    increases = cdist(vectors, vectors, "sqeuclidean")
    for row, weight in zip(increases, weights, strict=True):
        row *= weights * weight / (weights + weight)
    np.fill_diagonal(increases, np.inf)
    merges, errors = np.empty((count - 1, 2), np.int64), np.empty(count - 1)
    chain: list[int] = []
    for number in range(count - 1):
        chain = chain or [int(present.argmax())]
        while True:
            last = chain[-1]
            nearest = int(increases[last].argmin())
            if len(chain) > 1 and increases[last, chain[-2]] <= increases[last, nearest]:
                break
            chain.append(nearest)
        second, first = chain.pop(), chain.pop()
        error = increases[first, second]
        merges[number], errors[number] = (first, second), error
        one, other = (weights[member] + weights for member in (first, second))
        union = (one * increases[first] + other * increases[second] - weights * error) / (one + weights[second])
        union[first] = np.inf
        increases[first] = increases[:, first] = union
        increases[second] = increases[:, second] = np.inf
        weights[first] += weights[second]
        present[second] = False
    return _numbered_unions(merges[np.argsort(errors, kind="stable")])


def merge_neighbors(
    vectors: NDArray[np.float64], weights: NDArray[np.float64], pairs: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Merge neighbors only, again and again the two groups whose union increases the weighted squared error least.

    Parameters
    ----------
    vectors, weights : ndarrays
        As for `weighted_ward`.
    pairs : ndarray of shape (m, 2), int64
        Neighboring vectors; unions are neighbors where their members are.
    groups : int
        Number of groups that are left; more, where no two of them are neighbors.

    Returns
    -------
    merges : ndarray of shape (n - left, 2), int64
        As `weighted_ward` returns them.
    left : ndarray of shape (left,), int64
        Numbers of the groups that are left, ascending.
    means, weights : ndarrays of shape (left, features) and (left,), float64
        Of these groups.
    """
    count = len(vectors)
    means, sizes = np.empty((2 * count, vectors.shape[1])), np.empty(2 * count)
    means[:count], sizes[:count] = vectors, weights
    near: list[set[int]] = [set() for _ in range(count)]
    for one, other in pairs.tolist():
        near[one].add(other)
        near[other].add(one)
    present = set(range(count))
    merges: list[tuple[int, int]] = []

    def increases(one: int, others: list[int]) -> list[tuple[float, int, int]]:
        apart = ((means[others] - means[one]) ** 2).sum(axis=1) * (sizes[others] * sizes[one])
        return list(zip((apart / (sizes[others] + sizes[one])).tolist(), others, [one] * len(others), strict=True))

    heap = [row for one in range(count) for row in increases(one, [other for other in near[one] if other < one])]
    heapify(heap)
    while heap and len(present) > groups:
        _, first, second = heappop(heap)
        if not present.issuperset((first, second)):
            continue
        union = count + len(merges)
        merges.append((first, second))
        sizes[union] = sizes[first] + sizes[second]
        means[union] = means[first] + (means[second] - means[first]) * (sizes[second] / sizes[union])
        near.append((near[first] | near[second]) - {first, second})
        present -= {first, second}
        present.add(union)
        for other in near[union]:
            near[other] -= {first, second}
            near[other].add(union)
        for row in increases(union, sorted(near[union])):
            heappush(heap, row)
    left = np.array(sorted(present))
    return np.array(merges, np.int64).reshape(-1, 2), left, means[left], sizes[left]


def _numbered_unions(merges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace vectors, which stand for their groups, by the numbers of these groups at each merge."""
    count = len(merges) + 1
    unions, union_of = np.empty_like(merges), list(range(2 * count - 1))
    for number, members in enumerate(merges.tolist()):
        for side, member in enumerate(members):
            path = [member]
            while union_of[path[-1]] != path[-1]:
                path.append(union_of[path[-1]])
            for passed in path:
                union_of[passed] = path[-1]
            unions[number, side] = path[-1]
        for group in unions[number]:
            union_of[group] = count + number
    return unions
