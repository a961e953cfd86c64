"""Contract tests: a new line in METRICS is tested here as it stands."""

import numpy as np
import pytest

from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.choices import METRICS, Metric

METRICS_OF_PLACES = [name for name in METRICS if not METRICS[name].unit_length]


def directions(vectors):
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def totals(metric, samples, codebook):
    """The definition: one band after the other."""
    samples, codebook = np.asarray(samples, np.float64), np.asarray(codebook, np.float64)
    offset = 0.0
    if METRICS[metric].unit_length:
        offset = np.where(codebook.any(axis=1), 0.0, 1.0)
        samples, codebook = directions(samples), directions(codebook)
    total = np.zeros((len(samples), len(codebook))) + offset
    for band in range(codebook.shape[1]):
        away = samples[:, band, np.newaxis] - codebook[:, band]
        total = METRICS[metric].step(total, np.where(np.isnan(away), 0.0, away))
    return total


def assert_ranked(total, first, second, slack):
    """Each rank's total must be the least that is left, but for rounding."""
    n, scale = np.arange(len(total)), total.max(initial=1e-300)
    assert (total[n, first] <= total.min(axis=1, initial=np.inf) * (1 + slack) + slack * scale).all()
    assert (first != second).all()
    left = total.copy()
    left[n, first] = np.inf
    assert (left[n, second] <= left.min(axis=1, initial=np.inf) * (1 + slack) + slack * scale).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("precision", "slack"), [("float32", 1e-5), ("float64", 1e-13)])
@pytest.mark.parametrize(("n", "units", "bands"), [(100, 2, 1), (333, 37, 3), (65, 300, 12), (50, 70, 200)])
def test_every_metric_finds_the_two_nearest_units(metric, precision, slack, n, units, bands):
    random = np.random.default_rng(bands)
    samples, codebook = random.normal(size=(n, bands)), random.normal(size=(units, bands))
    first, second = two_nearest_units(samples, codebook, metric=metric, precision=precision)
    if bands > 1 or not METRICS[metric].unit_length:  # in one band there are but two directions
        assert_ranked(totals(metric, samples, codebook), first, second, slack)
    np.testing.assert_array_equal(nearest_units(samples, codebook, metric=metric, precision=precision), first)


@pytest.mark.parametrize("metric", METRICS_OF_PLACES)
def test_every_metric_of_places_passes_over_missing_bands(metric):
    random = np.random.default_rng(0)
    samples, codebook = random.normal(size=(200, 5)), random.normal(size=(40, 5))
    samples[random.random(samples.shape) < 0.4] = np.nan
    samples[7] = np.nan
    total = totals(metric, samples, codebook)
    for precision, slack in (("float32", 1e-5), ("float64", 1e-13)):
        first, second = two_nearest_units(samples, codebook, metric=metric, precision=precision, missing=True)
        assert_ranked(total, first, second, slack)
        assert (first[7], second[7]) == (0, 1)


@pytest.mark.parametrize("metric", [name for name in METRICS if METRICS[name].unit_length])
def test_directions_cannot_have_missing_bands(metric):
    with pytest.raises(ValueError, match="missing bands"):
        nearest_units(np.zeros((1, 2)), np.zeros((3, 2)), metric=metric, missing=True)


@pytest.mark.parametrize("metric", METRICS)
def test_ties_go_to_the_lowest_unit(metric):
    codebook = np.tile([[4.0, 3.0], [3.0, 4.0]], (40, 1))
    first, second = two_nearest_units(np.array([[4.0, 3.0], [3.0, 4.0]]), codebook, metric=metric)
    np.testing.assert_array_equal((first, second), ([0, 1], [2, 3]))


def test_metrics_are_what_their_names_say():
    samples, codebook = np.random.default_rng(1).normal(size=(2, 20, 6))
    away = samples[:, np.newaxis] - codebook
    similarity = samples @ codebook.T
    similarity /= np.linalg.norm(samples, axis=1)[:, np.newaxis] * np.linalg.norm(codebook, axis=1)
    expected = {
        "euclidean": (away**2).sum(axis=2),
        "manhattan": np.abs(away).sum(axis=2),
        "chebyshev": np.abs(away).max(axis=2),
        "cosine": 2 - 2 * similarity,
    }
    assert set(expected) <= set(METRICS)
    for name, distances in expected.items():
        np.testing.assert_allclose(totals(name, samples, codebook), distances, rtol=1e-12)


def test_zero_vectors_have_no_direction():
    codebook = np.array([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0], [0.0, 1e-200], [0.3, 0.1]])
    samples = np.array([[0.0, 0.0], [-1e-3, 1e-9], [-1.0, -0.2], [1e300, 9e299], [-1e-300, -1e-300]])
    for precision in ("float32", "float64"):
        first, second = two_nearest_units(samples, codebook, metric="cosine", precision=precision)
        np.testing.assert_array_equal(first, [0, 2, 2, 4, 2])  # a zero unit is at right angles to all
        np.testing.assert_array_equal(second[[0, 1, 3]], [1, 3, 0])


def test_a_metric_is_one_function_and_one_line(monkeypatch):
    monkeypatch.setitem(METRICS, "capped", Metric(lambda total, away: total + np.minimum(np.absolute(away), 0.5)))
    samples, codebook = np.random.default_rng(2).random((2, 60, 4))
    expected = totals("capped", samples, codebook).argmin(axis=1)
    np.testing.assert_array_equal(nearest_units(samples, codebook, metric="capped", precision="float64"), expected)


def test_a_metric_may_use_any_function_that_numba_compiles(monkeypatch):
    monkeypatch.setitem(METRICS, "logarithmic", Metric(lambda total, away: total + np.log1p(away * away)))
    samples, codebook = np.random.default_rng(3).random((2, 60, 4))
    expected = totals("logarithmic", samples, codebook).argmin(axis=1)
    np.testing.assert_array_equal(nearest_units(samples, codebook, metric="logarithmic"), expected)
