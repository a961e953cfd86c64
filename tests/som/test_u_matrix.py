import numpy as np
import pytest
from minisom import MiniSom

from dasksom.som.lattice import Lattice
from dasksom.som.u_matrix import neighbor_pairs, u_matrix

LATTICES = [
    Lattice(5, 7),
    Lattice(6, 5, "hexagonal"),
    Lattice(5, 4, toroidal=True),
    Lattice(6, 5, "hexagonal", toroidal=True),
    Lattice(2, 2, toroidal=True),
    Lattice(2, 1, "hexagonal", toroidal=True),
    Lattice(1, 6),
    Lattice(1, 1),
]


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_pairs__are_all_that_the_lattice_calls_adjacent(lattice):
    every = np.arange(lattice.units)
    first, second = np.meshgrid(every, every, indexing="ij")
    expected = np.argwhere(lattice.adjacent(first, second) & (first < second))
    assert np.array_equal(neighbor_pairs(lattice), expected)


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_u_matrix__is_the_mean_over_neighbors(lattice, random):
    weights = random.normal(size=(lattice.rows, lattice.columns, 3))
    units, found = weights.reshape(-1, 3), u_matrix(weights, lattice).reshape(-1)
    for unit in range(lattice.units):
        others = [k for k in range(lattice.units) if k != unit and lattice.adjacent(np.array(unit), np.array(k))]
        away = [np.linalg.norm(units[unit] - units[k]) for k in others]
        assert found[unit] == pytest.approx(np.mean(away) if away else 0.0)


def test_u_matrix__inside_is_minisom_s(random):
    theirs = MiniSom(6, 8, 3, random_seed=1)
    theirs._weights = random.random((6, 8, 3))
    inside = (slice(1, -1), slice(1, -1))  # at the edges it divides by eight as well
    ours = u_matrix(theirs.get_weights(), Lattice(6, 8))[inside]
    expected = theirs.distance_map(scaling="mean")[inside]
    assert ours / ours.max() == pytest.approx(expected / expected.max())


def test_u_matrix__wraps_around_a_torus():
    weights = np.zeros((4, 6, 1))
    weights[:, 0] = 1.0
    flat, torus = u_matrix(weights, Lattice(4, 6)), u_matrix(weights, Lattice(4, 6, toroidal=True))
    assert not flat[:, 5].any()
    assert (torus[:, 5] == 3 / 8).all()


def test_u_matrix__of_a_large_map_is_quick():
    assert u_matrix(np.zeros((256, 256, 3)), Lattice(256, 256)).shape == (256, 256)
