from itertools import pairwise

import numpy as np
import pytest

from dasksom.som.counted_colors import cells


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_color_numbers_are_a_bijection_that_colors_of_inverts(bands):
    numbers = np.arange(256**bands, dtype=np.uint32)
    colors = cells.colors_from_numbers(numbers, cells.ColorType(np.dtype("u1"), bands))
    table = cells.color_numbers(bands)
    assert np.array_equal(sum(table[band, colors[:, band]] for band in range(bands)), numbers)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_colors_of_one_cell_are_a_cube_of_side_eight(bands):
    numbers = np.arange(256**bands, dtype=np.uint32)
    cell_of_some = numbers[5 * 8**bands : 6 * 8**bands]
    colors = cells.colors_from_numbers(cell_of_some, cells.ColorType(np.dtype("u1"), bands))
    assert np.array_equal(np.ptp(colors, axis=0), [7] * bands)


def test_into_cells__each_color_is_in_the_cell_of_its_high_bits():
    numbers = np.unique(np.random.default_rng(0).integers(0, 256**3, 5000).astype(np.uint32))
    found = cells.into_cells(numbers, 3)
    high = cells.colors_from_numbers(numbers, cells.ColorType(np.dtype("u1"), 3)) >> 3
    for start, stop in zip(found.bounds[:-1], found.bounds[1:], strict=True):
        assert (high[start:stop] == high[start]).all()
    assert len(found.bounds) - 1 == len(np.unique(high, axis=0))
    corner = high[found.bounds[:-1]][found.order].astype(np.int64)
    for side in (1, 2, 4, 8, 16):  # boxes are visited one after the other
        box = (corner // side) @ [10000, 100, 1]
        assert (np.diff(box) != 0).sum() == len(np.unique(box)) - 1


@pytest.mark.parametrize("colors", [1, 300, 10**6])
def test_split_by_cells__whole_cells_and_all_colors(colors):
    numbers = np.unique(np.random.default_rng(0).integers(0, 256**3, 5000).astype(np.uint32))
    pieces = cells.split_by_cells(numbers, 3, colors)
    assert np.array_equal(np.concatenate([numbers[piece] for piece in pieces]), numbers)
    cell = numbers >> 9
    assert all(cell[one.stop - 1] != cell[other.start] for one, other in pairwise(pieces))
    assert all(len(np.unique(cell[piece])) == 1 or piece.stop - piece.start < 2 * colors for piece in pieces)
