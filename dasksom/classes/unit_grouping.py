"""Grouping of a map's units into classes, from the vectors of the units only.

To add a method, write a function of (vectors, their weights, lattice neighbors, seed) that returns a `Partition`, and
add it to ``GROUPINGS``. Equal arguments must give equal classes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from sklearn.metrics import davies_bouldin_score
from sklearn.neighbors import kneighbors_graph

from dasksom.classes.weighted_ward import merge_neighbors, weighted_ward
from dasksom.errors import InputError
from dasksom.som.lattice import Lattice
from dasksom.som.u_matrix import neighbor_pairs

Partition = Callable[[int], NDArray[np.int64]]
"""Function of a number of classes; returns the class of each vector, from 0."""

AUTO = "auto"
"""Count with which the number of classes is chosen."""
AUTO_COUNTS = range(2, 31)
"""Numbers of classes among which ``AUTO`` chooses."""
LARGEST_DEVIATION = 3.0
"""Standardized values are limited to this, so that one extreme unit does not decide the scale."""
MOST_UNCONNECTED = 4096
"""Most groups that are compared in pairs; of more units, neighbors on the map are merged until that many are left."""
_RESAMPLES, _SHARE = 100, 0.8
_RESOLUTIONS = np.geomspace(0.05, 20, 41)
"""Resolutions of the Leiden algorithm that are tried for a number of classes."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """The class of each unit."""

    numbers: NDArray[np.int64]
    """Class of each unit, from 1, the class with the most pixels first; 0 for units without pixels. Shape (units,)."""
    davies_bouldin: float | None
    """Davies-Bouldin index of the classes, lower is better; None if there is one class, or one unit per class."""

    @property
    def count(self) -> int:
        """Number of classes."""
        return int(self.numbers.max(initial=0))


def group_units(
    vectors: NDArray[Any],
    hits: NDArray[Any],
    lattice: Lattice,
    *,
    count: int | str = AUTO,
    method: str = "ward",
    seed: int = 0,
) -> Grouping:
    """Group the units that have pixels into classes.

    Bands are standardized over these units, and limited to three standard deviations. Ward's linkage, also of the
    samples of a consensus, weights units by the square roots of their pixels: without weights, units between classes,
    which have few pixels, become classes of their own; weighted by their pixels, rare classes are lost. The graph of
    the Leiden algorithm has no weights.

    Parameters
    ----------
    vectors : ndarray of shape (units, bands), real
        Vector of each unit, in feature space.
    hits : ndarray of shape (units,)
        Number of pixels of each unit; units with 0 belong to no class.
    lattice : Lattice
        Of the same number of units.
    count : int or "auto"
        Number of classes; "auto" chooses the one from 2 to 30 with the lowest Davies-Bouldin index (Davies and
        Bouldin, "A cluster separation measure", 1979).
    method : str
        A name in ``GROUPINGS``.
    seed : int
        Seed of methods that draw random samples.

    Raises
    ------
    InputError
        If the method is unknown, or there are fewer units with pixels than classes.
    """
    if method not in GROUPINGS:
        raise InputError(f"method: {method!r} is not one of {', '.join(GROUPINGS)}")
    used = np.flatnonzero(np.asarray(hits) > 0)
    _check_count(count, len(used))
    features = standardized(np.asarray(vectors, np.float64)[used])
    if len(used) == 1:
        partition: Partition = _in_one_class(1)
    else:
        weights = np.sqrt(np.asarray(hits, np.float64)[used])
        partition = GROUPINGS[method](features, weights, _neighbors_among(used, lattice), seed)
    if count == AUTO:
        count = _best_count(features, partition)
    chosen = partition(int(count))
    if len(np.unique(chosen)) != count:
        raise InputError(f"count: {method!r} finds {len(np.unique(chosen))} classes and not {count}; ask for that many")
    return Grouping(_numbered(chosen, used, np.asarray(hits)), _score(features, chosen))


def _best_count(features: NDArray[np.float64], partition: Partition) -> int:
    """Return the number of classes with the lowest Davies-Bouldin index, of equal ones the lowest."""
    scored = []
    for count in AUTO_COUNTS:
        if count < len(features):
            classes = partition(count)
            score = _score(features, classes)
            if score is not None and len(np.unique(classes)) == count:
                scored.append((score, count))
    return min(scored)[1] if scored else min(2, len(features))  # one or two units have no index


def _check_count(count: int | str, used: int) -> None:
    if count != AUTO and (isinstance(count, (bool, str)) or int(count) != count or count < 1):
        raise InputError(f"count: a number of classes from 1 on, or {AUTO!r}; got {count!r}")
    if not used:
        raise InputError("no unit has pixels, so there is nothing to group; train the map on other pixels")
    if count != AUTO and int(count) > used:
        units = "1 unit has" if used == 1 else f"{used} units have"
        raise InputError(f"count: {count} classes; only {units} pixels: ask for at most {used}")


def standardized(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors with mean 0 and standard deviation 1 in each band, limited to `LARGEST_DEVIATION`."""
    away = vectors - vectors.mean(axis=0)
    spread = away.std(axis=0)
    # bands that differ by rounding errors only are constant
    constant = spread <= 1e-12 * np.abs(vectors).max(axis=0)
    away[:, constant] = 0
    scaled = away / np.where(constant, 1.0, spread)
    return np.asarray(np.clip(scaled, -LARGEST_DEVIATION, LARGEST_DEVIATION))


def _score(features: NDArray[np.float64], classes: NDArray[np.int64]) -> float | None:
    return float(davies_bouldin_score(features, classes)) if 2 <= len(np.unique(classes)) < len(features) else None


def _numbered(classes: NDArray[np.int64], used: NDArray[np.int64], hits: NDArray[Any]) -> NDArray[np.int64]:
    """Assign numbers by pixels, most first; of equal classes, that of the lowest unit is first."""
    _, first, members = np.unique(classes, return_index=True, return_inverse=True)
    pixels = np.bincount(members, hits[used].astype(np.float64))
    order = np.lexsort((first, -pixels))
    numbers = np.zeros(len(hits), np.int64)
    numbers[used] = (np.argsort(order) + 1)[members]
    return numbers


def _neighbors_among(used: NDArray[np.int64], lattice: Lattice) -> coo_array:
    """Return the lattice neighbors among some units, as a symmetric matrix of zeros and ones."""
    position = np.full(lattice.units, -1)
    position[used] = np.arange(len(used))
    pairs = position[neighbor_pairs(lattice)]
    first, second = pairs[(pairs >= 0).all(axis=1)].T
    both = np.concatenate([first, second]), np.concatenate([second, first])
    return coo_array((np.ones(len(both[0])), both), shape=(len(used), len(used)))


# ------------------------------------------------------------------------------------------------------------- methods


def _in_one_class(count: int) -> Partition:
    return lambda _: np.zeros(count, np.int64)


def _cut(merges: NDArray[Any], leaves: int) -> Partition:
    """Return the partitions of a tree: its first merges, in order of distance, leave that number of classes."""
    nodes = leaves + np.arange(leaves - 1)
    # each merge connects its two members by way of its own node
    children, parents = merges[: leaves - 1].astype(np.int64), np.repeat(nodes, 2)

    def partition(count: int) -> NDArray[np.int64]:
        done = 2 * max(0, leaves - count)
        edges = np.ones(done), (children.reshape(-1)[:done], parents[:done])
        _, classes = connected_components(coo_array(edges, shape=(2 * leaves, 2 * leaves)), directed=False)
        return np.unique(classes[:leaves], return_inverse=True)[1].astype(np.int64)

    return partition


def _ward(features: NDArray[np.float64], weights: NDArray[np.float64], neighbors: coo_array, seed: int) -> Partition:
    """Merge the two classes whose union increases the error least."""
    units = len(features)
    if units <= MOST_UNCONNECTED:
        return _cut(weighted_ward(features, weights), units)
    pairs = np.stack([neighbors.row, neighbors.col], axis=1)
    first, left, means, sizes = merge_neighbors(features, weights, pairs[pairs[:, 0] < pairs[:, 1]], MOST_UNCONNECTED)
    numbers = np.concatenate([left, units + len(first) + np.arange(len(left) - 1)])
    return _cut(np.concatenate([first, numbers[weighted_ward(means, sizes)]]), units)


def _consensus(
    features: NDArray[np.float64], weights: NDArray[np.float64], neighbors: coo_array, seed: int
) -> Partition:
    """Group units that share a class in most random samples of the units (Monti et al., 2003).

    Ward's linkage of weighted units groups each of 100 samples of 80 % of the units; average linkage groups the units
    by the share of the samples with both in which they had the same class.
    """
    units = len(features)
    if units > MOST_UNCONNECTED:
        raise InputError(
            f"method 'consensus': compares all pairs of {units} units; {MOST_UNCONNECTED} are the most: use 'ward'"
        )
    generator = np.random.default_rng(seed)
    size = max(2, round(_SHARE * units))
    samples = [np.sort(generator.choice(units, size, replace=False)) for _ in range(_RESAMPLES)]
    trees = [_cut(weighted_ward(features[sample], weights[sample]), size) for sample in samples]
    drawn = np.zeros((units, units), np.float32)
    for sample in samples:
        drawn[np.ix_(sample, sample)] += 1

    @lru_cache(maxsize=1)
    def partition(count: int) -> NDArray[np.int64]:
        together = np.zeros_like(drawn)
        for sample, tree in zip(samples, trees, strict=True):
            classes = tree(count)
            for number in range(count):
                members = sample[classes == number]
                together[np.ix_(members, members)] += 1
        apart = 1 - together / np.maximum(drawn, 1)
        np.fill_diagonal(apart, 0)
        return _cut(linkage(squareform(apart, checks=False), "average")[:, :2], units)(count)

    return partition


def _leiden(features: NDArray[np.float64], weights: NDArray[np.float64], neighbors: coo_array, seed: int) -> Partition:
    """Find communities of the graph of nearest neighbors (Traag et al., 2019); the resolution sets their number."""
    try:
        import igraph
    except ImportError:
        raise InputError("method 'leiden': needs igraph; install it with pip install 'dasksom[leiden]'") from None
    neighbors_each = min(ceil(log2(len(features))), len(features) - 1)
    near = kneighbors_graph(features, neighbors_each, mode="connectivity").tocoo()
    pairs = {(min(pair), max(pair)) for pair in zip(near.row.tolist(), near.col.tolist(), strict=True)}
    graph = igraph.Graph(len(features), sorted(pairs))

    @lru_cache(maxsize=len(_RESOLUTIONS))
    def communities(resolution: float) -> tuple[int, ...]:
        igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 - no secret
        found = graph.community_leiden("modularity", resolution=resolution, n_iterations=-1)
        return tuple(found.membership)

    def partition(count: int) -> NDArray[np.int64]:
        tried = {max(communities(float(resolution))) + 1: float(resolution) for resolution in _RESOLUTIONS[::-1]}
        nearest = min(tried, key=lambda number: (abs(number - count), number))
        return np.array(communities(tried[nearest]), np.int64)

    return partition


GROUPINGS: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64], coo_array, int], Partition]] = {
    "ward": _ward,
    "consensus": _consensus,
    "leiden": _leiden,
}
"""Methods by name."""
