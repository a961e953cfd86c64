import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score
from sklearn.preprocessing import StandardScaler

from dasksom.classes import unit_grouping
from dasksom.classes.unit_grouping import GROUPINGS, group_units, standardized
from dasksom.errors import InputError
from dasksom.som.lattice import Lattice
from dasksom.som.u_matrix import neighbor_pairs

LATTICE = Lattice(8, 8)


@pytest.fixture
def blobs():
    """Vectors of 64 units in five separate groups, the group of each, and hits."""
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(5), [10, 20, 14, 12, 8])
    vectors = random.normal(size=(5, 6))[group] * 10 + random.normal(size=(64, 6))
    return vectors, group, random.integers(1, 100, 64)


@pytest.mark.parametrize("method", GROUPINGS)
def test_group_units__finds_separate_groups_and_their_number(blobs, method):
    vectors, group, hits = blobs
    for count in (5, "auto"):
        found = group_units(vectors, hits, LATTICE, count=count, method=method)
        assert adjusted_rand_score(group, found.numbers) == 1
    expected = davies_bouldin_score(np.clip(StandardScaler().fit_transform(vectors), -3, 3), group)
    assert found.davies_bouldin == pytest.approx(expected)
    pixels = np.bincount(found.numbers, hits)[1:]
    assert len(pixels) == 5
    assert (np.diff(pixels) <= 0).all()  # most first


@pytest.mark.parametrize("method", ["ward", "consensus"])
def test_group_units__has_the_same_result_again(method):
    vectors, hits = np.random.default_rng(0).normal(size=(64, 3)), np.ones(64)
    first, second = (group_units(vectors, hits, LATTICE, count=9, method=method).numbers for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(np.unique(first), np.arange(1, 10))


def test_ward__is_scipy_s(blobs):
    vectors, hits = np.random.default_rng(2).normal(size=(64, 4)), np.ones(64)
    for count in (1, 2, 7, 63, 64):
        found = group_units(vectors, hits, LATTICE, count=count).numbers
        expected = fcluster(linkage(standardized(vectors), "ward"), count, "maxclust")
        assert adjusted_rand_score(expected, found) == 1
        assert found.max() == count


def test_ward__of_weighted_units_is_scipy_s_of_repeated_ones():
    random = np.random.default_rng(4)
    vectors, times = random.normal(size=(64, 3)), random.integers(1, 9, 64)
    for count in (2, 5, 20):
        found = group_units(vectors, times**2, LATTICE, count=count).numbers
        repeated = np.repeat(standardized(vectors), times, axis=0)
        expected = fcluster(linkage(repeated, "ward"), count, "maxclust")
        assert adjusted_rand_score(expected, np.repeat(found, times)) == 1


def test_ward__units_between_classes_are_no_class_of_their_own():
    near = np.random.default_rng(5).normal(0, 0.3, (60, 2))
    vectors = np.concatenate(
        [near + np.repeat([[0, 0], [9, 0], [0, 9]], 20, axis=0), [[4.5, 0], [0, 4.5], [4.5, 4.5], [5, 5]]]
    )
    hits = np.array([1000] * 40 + [30] * 20 + [1] * 4)
    found = group_units(vectors, hits, LATTICE, count=3).numbers
    assert adjusted_rand_score(np.repeat([1, 2, 3], 20), found[:60]) == 1


def test_ward__of_many_units_merges_neighbors_as_scikit_learn_does_of_repeated_ones(monkeypatch):
    monkeypatch.setattr(unit_grouping, "MOST_UNCONNECTED", 1)
    random = np.random.default_rng(3)
    vectors, times = random.normal(size=(64, 4)), random.integers(1, 5, 64)
    near = np.eye(64)  # copies of a unit are neighbors too
    near[tuple(neighbor_pairs(LATTICE).T)] = 1
    copies = np.repeat(np.arange(64), times)
    connectivity = np.maximum(near, near.T)[np.ix_(copies, copies)]
    for count in (2, 9):
        found = group_units(vectors, times**2, LATTICE, count=count).numbers
        reference = AgglomerativeClustering(count, connectivity=connectivity)
        assert adjusted_rand_score(reference.fit_predict(standardized(vectors)[copies]), found[copies]) == 1


def test_ward__of_many_units_compares_all_groups_that_are_left(blobs, monkeypatch):
    vectors, group, hits = blobs
    apart = np.argsort(np.arange(64) % 2, kind="stable")  # every group in two parts of the map
    vectors, group, hits = vectors[apart], group[apart], hits[apart]
    monkeypatch.setattr(unit_grouping, "MOST_UNCONNECTED", 20)
    assert adjusted_rand_score(group, group_units(vectors, hits, LATTICE, count=5).numbers) == 1
    monkeypatch.setattr(unit_grouping, "MOST_UNCONNECTED", 1)
    hits[24:32] = 0  # a row of units without pixels divides the map
    assert group_units(vectors, hits, LATTICE, count=9).count == 9


def test_consensus__of_clear_groups_is_ward_s_with_weights():
    random = np.random.default_rng(6)
    vectors = random.normal(size=(4, 3))[np.repeat(np.arange(4), 16)] * 5 + random.normal(size=(64, 3)) * 0.2
    vectors[::16] += 3  # units between classes, of few pixels
    hits = np.where(np.arange(64) % 16 == 0, 1, 1000)
    found = [group_units(vectors, hits, LATTICE, count=4, method=method).numbers for method in ("ward", "consensus")]
    assert adjusted_rand_score(*found) == 1
    assert adjusted_rand_score(np.repeat(np.arange(4), 16)[hits > 1], found[1][hits > 1]) == 1


def test_group_units__leaves_out_units_without_pixels(blobs):
    vectors, group, hits = blobs
    vectors[::7], hits[::7] = 1e6, 0
    found = group_units(vectors, hits, LATTICE, count=5)
    assert not found.numbers[::7].any()
    assert adjusted_rand_score(group[hits > 0], found.numbers[hits > 0]) == 1


@pytest.mark.parametrize("vectors", [np.zeros((64, 2)), np.full((64, 2), 1e9) + np.eye(64, 2)], ids=["equal", "far"])
def test_group_units__of_few_distinct_vectors(vectors):
    for count in (3, "auto"):
        assert group_units(vectors, np.ones(64), LATTICE, count=count).count >= 2


def test_group_units__of_one_unit():
    assert group_units(np.ones((1, 3)), np.ones(1), Lattice(1, 1)).numbers.tolist() == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 65}, "count: 65 classes; only 64 units have pixels: ask for at most 64"),
        ({"count": 0}, "count: a number of classes from 1 on, or 'auto'; got 0"),
        ({"count": "some"}, "count: a number of classes from 1 on, or 'auto'; got 'some'"),
        ({"method": "best"}, "method: 'best' is not one of ward, consensus, leiden"),
    ],
)
def test_group_units__refuses(blobs, options, message):
    with pytest.raises(InputError, match=message):
        group_units(blobs[0], blobs[2], LATTICE, **options)
