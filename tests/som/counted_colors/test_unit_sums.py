import numpy as np

from dasksom.som.counted_colors.bmu_search import match_two_colors
from dasksom.som.counted_colors.cells import colors_from_numbers, into_cells, type_of
from dasksom.som.counted_colors.counts import count_colors
from dasksom.som.counted_colors.unit_sums import gather_colors


def test_gather_colors__equals_sums_over_the_pixels(photograph):
    samples = photograph.reshape(-1, 3)
    codebook = np.array([[40.0, 30, 20], [200, 150, 100], [120, 60, 30]])
    numbers, counts = count_colors(samples)
    best, second = match_two_colors(into_cells(numbers, 3), codebook)
    found = gather_colors(colors_from_numbers(numbers, type_of(samples)), counts, best, second, codebook)
    away = ((samples[:, None].astype(float) - codebook) ** 2).sum(axis=2)
    labels = away.argmin(axis=1)
    assert found.hits.tolist() == np.bincount(labels, minlength=3).tolist()
    assert found.sums.tolist() == [samples[labels == k].sum(axis=0, dtype=int).tolist() for k in range(3)]
    least, other = np.sort(away, axis=1)[:, :2].T
    assert np.allclose(found.squared_errors, np.bincount(labels, least), rtol=1e-12)
    assert np.allclose(found.utilities, np.bincount(labels, other - least), rtol=1e-9)
    assert np.isclose(found.distances, np.sqrt(least).sum(), rtol=1e-12)
