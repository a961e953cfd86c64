import numpy as np
import pytest

from dasksom.som.choices import NEIGHBORHOODS, TOPOLOGIES
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from tests import reference

SHAPES = [(3, 5), (4, 3), (1, 6), (6, 1), (1, 1), (2, 2), (6, 4)]


@pytest.mark.parametrize("kind", NEIGHBORHOODS)
@pytest.mark.parametrize("sigma", [0.05, 0.5, 1, 3])
def test_every_neighborhood_is_one_at_home_and_falls_off(kind, sigma):
    factor = NEIGHBORHOODS[kind].profile(np.arange(8.0), sigma)
    assert factor[0] == 1
    assert ((factor >= 0) & (factor <= 1)).all()
    assert (np.diff(factor) <= 0).all()


@pytest.mark.parametrize("kind", NEIGHBORHOODS)
@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("toroidal", [False, True])
@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize("sigma", [0.0, 0.4, 1.3, 4.0])
def test_spread__equals_the_whole_matrix(kind, topology, toroidal, rows, columns, sigma):
    if topology == "hexagonal" and toroidal:
        rows += rows % 2
    lattice = Lattice(rows, columns, topology, toroidal)
    matrix = np.array(
        [
            [reference.neighborhood(lattice, k, j, sigma, kind) for j in range(lattice.units)]
            for k in range(lattice.units)
        ]
    )
    near = Neighborhood(lattice, kind, sigma)
    values = np.random.default_rng(0).random((lattice.units, 4))
    assert np.allclose(near.spread(values), matrix @ values, rtol=1e-12, atol=1e-14)
    assert np.allclose(near.spread(values[:, 0]), matrix @ values[:, 0], rtol=1e-12, atol=1e-14)


def test_gaussian__is_the_gaussian_of_the_lattice_distance():
    near = Neighborhood(Lattice(4, 4), "gaussian", 1.5)
    at_corner = np.zeros(16)
    at_corner[0] = 1
    far = near.spread(at_corner)[2 * 4 + 3]
    assert far == pytest.approx(np.exp(-(2**2 + 3**2) / (2 * 1.5**2)), rel=1e-14)


def test_on_a_torus_no_unit_is_at_the_edge():
    for topology in TOPOLOGIES:
        sums = Neighborhood(Lattice(6, 5, topology, toroidal=True), "gaussian", 1.1).spread(np.ones(30))
        assert np.allclose(sums, sums[0], rtol=1e-13)
