"""Distances and winners against NumPy's."""

import numpy as np
import pytest

from dasksom.minisom.activation import (
    CODES,
    DISTANCES,
    LINE,
    VECTOR_UNITS,
    euclidean_distances,
    find_winners,
    from_bands,
    lowest,
    to_bands,
)


@pytest.mark.parametrize("units", [1, VECTOR_UNITS - 1, VECTOR_UNITS, VECTOR_UNITS + 1])
def test_to_bands__is_undone(units):
    codebook = np.random.default_rng(0).random((units, 3))
    assert np.array_equal(from_bands(to_bands(codebook), units), codebook)


@pytest.mark.parametrize("metric", DISTANCES)
@pytest.mark.parametrize(("bands", "units"), [(1, 5), (2, 64), (3, 65), (8, 130), (13, 9), (17, 200), (150, 70)])
def test_find_winners__are_numpys(metric, bands, units):
    draw = np.random.default_rng(bands)
    samples, codebook = draw.random((50, bands)), draw.normal(size=(units, bands))
    expected = [DISTANCES[metric](x, codebook).argmin() for x in samples]
    assert find_winners(samples, codebook, metric).tolist() == expected


@pytest.mark.parametrize("bands", [4, 8, 15])
def test_find_winners__ties_of_decimal_samples_fall_as_numpys_do(bands):
    draw = np.random.default_rng(bands)  # steps of a tenth: many distances are equal but for their last bit
    samples, codebook = draw.integers(0, 4, (400, bands)) / 10, draw.integers(0, 4, (150, bands)) / 10
    expected = [DISTANCES["euclidean"](x, codebook).argmin() for x in samples]
    assert find_winners(samples, codebook, "euclidean").tolist() == expected


def test_euclidean_distances__are_the_definition():
    draw = np.random.default_rng(1)
    samples, codebook = draw.random((20, 5)), draw.random((70, 5))
    assert np.allclose(euclidean_distances(samples, codebook), np.linalg.norm(samples[:, None] - codebook, axis=2))


def test_to_bands__starts_every_band_on_a_line_of_the_cache():
    by_band = to_bands(np.ones((17, 3)))
    assert [by_band[band].ctypes.data % LINE for band in range(3)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("metric", "distances"),
    [
        ("manhattan", [3.0, 0.0, 0.0, 1.0]),
        ("cosine", [0.0, -1e-16, -2e-16, -2e-16]),  # rounding makes the least ones negative
        ("euclidean", [4.0, np.nextafter(1.0, 2), 1.0, 1.0]),  # one square root
        ("euclidean", [4.0, 1 + 1e-15, 1.0, 1.0]),  # two
        ("euclidean", [np.inf, np.inf]),
        ("euclidean", [np.nan, np.nan]),
        ("euclidean", [5e-324, 0.0]),
    ],
)
def test_lowest__is_numpys_first_least(metric, distances):
    seen = np.sqrt(distances) if metric == "euclidean" else np.array(distances)
    assert lowest(CODES[metric], np.array(distances)) == seen.argmin()
