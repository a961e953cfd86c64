import numpy as np
import pytest

from dasksom.som.statistics.moments import WIDEST_SCATTER, moments, squared_distances


@pytest.mark.parametrize("count", [1, 3, 4, 70_001])
@pytest.mark.parametrize("bands", [1, 3, 10])
def test_moments__equal_numpys_covariance(count, bands):
    draw = np.random.default_rng(count)
    samples = (1e6 + draw.normal(0, 3, (count, bands))).astype(np.float32)
    weights = draw.integers(0, 5, count) + 1.0
    for given, share in ((None, np.ones(count)), (weights, weights)):
        result = moments(samples, given)
        mean = np.average(samples.astype(np.float64), axis=0, weights=share)
        np.testing.assert_allclose(result.mean, mean, rtol=1e-12)
        expected = np.cov(samples.T.astype(np.float64), aweights=share, ddof=0).reshape(bands, bands) * share.sum()
        np.testing.assert_allclose(result.scatter, expected, rtol=1e-9, atol=1e-6)


def test_moments__of_wide_rows_equal_numpys_variance():
    samples = np.random.default_rng(0).normal(5, 2, (7, WIDEST_SCATTER + 1))
    np.testing.assert_allclose(moments(samples).scatter, 7 * samples.var(axis=0), rtol=1e-12)


def test_squared_distances__ignore_missing_bands():
    samples = np.array([[1, 2, 3], [np.nan, 4, 0], [np.nan, np.nan, np.nan]], np.float32)
    assert squared_distances(samples, np.array([1.0, 0.0, 1.0])).tolist() == [8.0, 17.0, 0.0]
