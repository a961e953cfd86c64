import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage import data
from sklearn.cluster import KMeans

from dasksom.som.counted_colors.cells import colors_from_numbers, type_of
from dasksom.som.counted_colors.counts import count_colors
from dasksom.som.counted_colors.palette_search import coarsen, search_palette


def table(pixels):
    numbers, counts = count_colors(pixels)
    return numbers, colors_from_numbers(numbers, type_of(pixels)).astype(np.float64), counts.astype(np.int64)


def error(values, weights, codebook):
    return cdist(values, codebook, "sqeuclidean").min(axis=1) @ weights / weights.sum()


@pytest.mark.parametrize("bands", [1, 2, 3])
@pytest.mark.parametrize("highest", [16, 256])
def test_coarsen__keeps_the_sums_and_moves_no_color_far(bands, highest):
    draw = np.random.default_rng(0)
    numbers, values, counts = table(draw.integers(0, highest, (20_000, bands), np.uint8))
    means, weights = coarsen(numbers, values, counts, 1000)
    assert weights @ means == pytest.approx(counts @ values)
    assert weights.sum() == 20_000
    assert len(means) == len(values) if len(values) < 1000 else 1000 <= len(means) <= 32**3
    assert cdist(values, means, "chebyshev").min(axis=1).max() <= 7


@pytest.mark.parametrize("units", [4, 16])
def test_search_palette__is_below_the_best_of_five_kmeans(units):
    numbers, values, counts = table(data.chelsea()[::3, ::3].reshape(-1, 3))
    codebook = search_palette(numbers, values, counts, np.zeros((units, 3)), seed=0)
    kmeans = KMeans(units, n_init=5, random_state=0).fit(values, sample_weight=counts)
    assert error(values, counts, codebook) <= 1.002 * kmeans.inertia_ / counts.sum()


def test_search_palette__with_more_units_than_colors_has_every_color():
    numbers, values, counts = table(np.array([[0, 0], [9, 9], [9, 9], [200, 3]], np.uint8))
    codebook = search_palette(numbers, values, counts, np.full((6, 2), 50.0), seed=0)
    assert error(values, counts, codebook) == 0
    assert codebook.shape == (6, 2)
