import numpy as np
import pytest

from dasksom.som.choices import TOPOLOGIES
from dasksom.som.lattice import Lattice


def _neighbors(lattice, unit):
    others = np.arange(lattice.units)
    found = others[lattice.adjacent(np.full_like(others, unit), others)]
    return [other for other in found.tolist() if other != unit]


@pytest.mark.parametrize(("topology", "inside"), [("rectangular", 8), ("hexagonal", 6)])
def test_units_inside_have_all_their_neighbors_and_on_a_torus_all_units_do(topology, inside):
    assert len(_neighbors(Lattice(6, 5, topology), 2 * 5 + 2)) == inside
    assert len(_neighbors(Lattice(6, 5, topology), 0)) < inside
    torus = Lattice(6, 5, topology, toroidal=True)
    assert all(len(_neighbors(torus, unit)) == inside for unit in range(torus.units))


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("toroidal", [False, True])
def test_distances_by_row_and_column_are_those_of_the_positions(topology, toroidal):
    lattice = Lattice(6, 5, topology, toroidal)
    places = lattice.positions()
    size = np.array([lattice.columns, lattice.rows * TOPOLOGIES[topology].row_height])
    classes = len(lattice.row_classes)
    for k in range(lattice.units):
        for j in range(lattice.units):
            away = np.abs(places[k] - places[j])
            if toroidal:
                away = np.minimum(away, size - away)
            row, other = k // 5, j // 5
            assert lattice.row_distances()[abs(row - other)] == pytest.approx(away[1], abs=1e-12)
            along = lattice.column_distances(other % classes, row % classes)[4 + k % 5 - j % 5]
            assert along == pytest.approx(abs(away[0]), abs=1e-12)


def test_hexagonal__neighbors_are_at_distance_one():
    lattice = Lattice(4, 4, "hexagonal")
    places = lattice.positions()
    for neighbor in _neighbors(lattice, 5):
        assert np.linalg.norm(places[5] - places[neighbor]) == pytest.approx(1)
