"""Neighborhoods of the online map against their formulas."""

import numpy as np
import pytest

from dasksom.minisom.neighborhood import ONLINE_NEIGHBORHOODS, OnlineNeighborhood
from tests.reference import online_shares as shares


@pytest.mark.parametrize("kind", ONLINE_NEIGHBORHOODS)
@pytest.mark.parametrize("hexagonal", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (4, 5), (5, 4), (1, 6), (6, 1)])
def test_neighborhood__is_its_formula_around_every_unit(kind, hexagonal, shape):
    neighborhood = OnlineNeighborhood(kind, *shape, hexagonal)
    for winner in np.ndindex(shape):
        for sigma in (0.4, 1, 2.5):
            assert np.allclose(neighborhood(winner, sigma), shares(neighborhood, winner, sigma), atol=1e-15)


@pytest.mark.parametrize("kind", ["gaussian", "mexican_hat"])
def test_neighborhood__sigma_0_is_the_winner_alone(kind):
    alone = np.zeros((3, 3))
    alone[1, 2] = 1
    assert np.array_equal(OnlineNeighborhood(kind, 3, 3)((1, 2), 0), alone)


def test_neighborhood__a_bubble_is_symmetric_whatever_the_rounding_of_sigma():
    bubble = OnlineNeighborhood("bubble", 17, 1)((8, 0), np.nextafter(3.0, 4))[:, 0]
    assert np.array_equal(bubble, bubble[::-1])
    assert bubble.sum() == 7
