import numpy as np
import pytest

from dasksom.som.lattice import RectangularLattice
from dasksom.som.neighborhood import NEIGHBORHOODS, SeparableNeighborhood


@pytest.mark.parametrize("kind", NEIGHBORHOODS)
@pytest.mark.parametrize("sigma", [0.05, 0.5, 1, 3])
def test_every_neighborhood_is_one_at_home_symmetric_and_falls_off(kind, sigma):
    distance = np.arange(8.0)
    factor = NEIGHBORHOODS[kind](distance, sigma)
    assert factor[0] == 1
    assert ((factor >= 0) & (factor <= 1)).all()
    assert (np.diff(factor) <= 0).all()


@pytest.mark.parametrize("kind", NEIGHBORHOODS)
def test_spread__equals_the_whole_matrix(kind):
    lattice = RectangularLattice(3, 5)
    near = SeparableNeighborhood(lattice, kind, 1.3)
    matrix = np.kron(near.row, near.column)
    values = np.random.default_rng(0).random((15, 4))
    assert np.allclose(near.spread(values), matrix @ values, rtol=1e-13)
    assert np.allclose(near.spread(values[:, 0]), matrix @ values[:, 0], rtol=1e-13)


def test_gaussian__is_the_gaussian_of_the_lattice_distance():
    near = SeparableNeighborhood(RectangularLattice(4, 4), "gaussian", 1.5)
    at_corner = np.zeros(16)
    at_corner[0] = 1
    far = near.spread(at_corner)[2 * 4 + 3]
    assert far == pytest.approx(np.exp(-(2**2 + 3**2) / (2 * 1.5**2)), rel=1e-14)


def test_sigma_zero_leaves_every_unit_alone():
    near = SeparableNeighborhood(RectangularLattice(2, 2), "gaussian", 0)
    assert near.spread(np.arange(4.0)).tolist() == [0, 1, 2, 3]
