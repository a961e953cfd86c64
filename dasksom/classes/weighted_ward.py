"""Ward's linkage of weighted vectors."""

import numpy as np
from numpy.typing import NDArray


def weighted_ward(vectors: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Merge, again and again, the two groups whose union increases the weighted squared error least.

    The result is that of Ward's linkage (Ward, 1963) where each vector is repeated as often as its weight says. Groups
    are merged along chains of nearest neighbors (Murtagh, "A survey of recent advances in hierarchical clustering
    algorithms", 1983), in a time that grows with the square of their number.

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
    means, weights, present = vectors.copy(), weights.astype(np.float64), np.ones(count, bool)
    merges, errors = np.empty((count - 1, 2), np.int64), np.empty(count - 1)
    chain: list[int] = []
    for number in range(count - 1):
        chain = chain or [int(present.argmax())]
        while True:
            last = chain[-1]
            increases = ((means - means[last]) ** 2).sum(axis=1) * (weights * weights[last] / (weights + weights[last]))
            increases[~present] = np.inf
            increases[last] = np.inf
            nearest = int(increases.argmin())
            if len(chain) > 1 and increases[chain[-2]] <= increases[nearest]:
                break
            chain.append(nearest)
        second, first = chain.pop(), chain.pop()
        merges[number], errors[number] = (first, second), increases[first]
        total = weights[first] + weights[second]
        means[first] += (means[second] - means[first]) * (weights[second] / total)
        weights[first], present[second] = total, False
    return _numbered_unions(merges[np.argsort(errors, kind="stable")])


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
