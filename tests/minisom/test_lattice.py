"""Where units sit and which are neighbors: by their distances, one pair of units at a time."""

import numpy as np
import pytest

from dasksom.minisom.lattice import neighbor_distances, places


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 5), (5, 3)])
@pytest.mark.parametrize("hexagonal", [False, True])
def test_neighbor_distances__go_to_the_units_that_are_near_in_the_plane(shape, hexagonal):
    weights = np.random.default_rng(0).random((*shape, 3))
    distances, neighbors = neighbor_distances(weights, hexagonal)
    xx, yy = places(*shape, hexagonal)
    reach = 1.01 if hexagonal else 1.5
    for i, j in np.ndindex(shape):
        away = np.hypot(xx.T - xx.T[i, j], yy.T - yy.T[i, j])
        near = (away > 0) & (away < reach)
        assert neighbors[i, j] == near.sum()
        assert distances[i, j] == pytest.approx(np.linalg.norm(weights[near] - weights[i, j], axis=-1).sum())
