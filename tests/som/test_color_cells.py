import numpy as np
import pytest

from dasksom.som import color_cells as cells


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_color_numbers_are_a_bijection_that_colors_of_inverts(bands):
    numbers = np.arange(256**bands, dtype=np.uint32)
    colors = cells.colors_of(numbers, bands)
    table = cells.color_numbers(bands)
    assert np.array_equal(sum(table[band, colors[:, band]] for band in range(bands)), numbers)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_colors_of_one_cell_are_a_cube_of_side_eight(bands):
    numbers = np.arange(256**bands, dtype=np.uint32)
    cell_of_some = numbers[5 * 8**bands : 6 * 8**bands]
    colors = cells.colors_of(cell_of_some, bands)
    assert np.array_equal(np.ptp(colors, axis=0), [7] * bands)
