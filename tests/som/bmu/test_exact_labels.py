"""Labels are the float64 nearest units of NumPy, ties to the lowest, whatever the data."""

import numpy as np
import pytest

from dasksom.som.bmu import nearest
from dasksom.som.bmu.exact_search import totals_kernel
from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.choices import METRICS

STEPS = {
    "euclidean": lambda total, away: total + away * away,
    "manhattan": lambda total, away: total + np.abs(away),
    "chebyshev": lambda total, away: np.maximum(total, np.abs(away)),
}


def two_least(samples, codebook, metric="euclidean", missing=False):
    """The definition in NumPy: one band after the other, in float64."""
    samples, codebook = np.asarray(samples, np.float64), np.asarray(codebook, np.float64)
    total = np.zeros((len(samples), len(codebook)))
    with np.errstate(over="ignore"):
        for band in range(codebook.shape[1]):
            away = samples[:, band, np.newaxis] - codebook[:, band]
            total = STEPS[metric](total, np.where(np.isnan(away), 0.0, away) if missing else away)
    order = total.argsort(axis=1, kind="stable")
    return order[:, 0], order[:, min(1, total.shape[1] - 1)]


def normal(n, units, bands, seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(n, bands)), draw.normal(size=(units, bands))


def outlier(n, units, bands):
    samples, codebook = normal(n, units, bands)
    samples[0], codebook[0], codebook[units // 2, 0] = 1e6, 1e6, -1e9
    return samples, codebook


def two_groups(n, units, bands):
    samples, codebook = normal(n, units, bands)
    samples[::2] += 1e5
    codebook[::2] += 1e5
    return samples, codebook


def fluorescence(n, units, bands):
    draw = np.random.default_rng(1)

    def draw_pixels(count):
        background = draw.integers(100, 300, (count, bands))
        return np.where(draw.random((count, 1)) < 0.02, draw.integers(20_000, 60_000, (count, bands)), background)

    return draw_pixels(n).astype(np.uint16), draw_pixels(units) + draw.random((units, bands))


def duplicates(n, units, bands):
    draw = np.random.default_rng(2)
    return draw.integers(0, 4, (n, bands)) / 2, draw.integers(0, 3, (units, bands)).astype(float)


def near_duplicates(n, units, bands):
    samples, codebook = normal(n, units, bands)
    codebook[1::2] = codebook[: units - units // 2][: len(codebook[1::2])] * (1 + 2.0**-50)
    return samples, codebook


def between(n, units, bands):
    draw = np.random.default_rng(3)
    codebook = draw.random((units, bands))
    return (codebook[draw.integers(units, size=n)] + codebook[draw.integers(units, size=n)]) / 2, codebook


def scaled(factor, offset=0.0):
    def make(n, units, bands):
        samples, codebook = normal(n, units, bands)
        return samples * factor + offset, codebook * factor + offset

    return make


def far(n, units, bands):
    samples, codebook = normal(n, units, bands)
    return samples * 10.0 ** np.random.default_rng(4).integers(-10, 60, (n, 1)), codebook


def collapsed(n, units, bands):
    """A codebook as the first epochs make it: all units about the mean."""
    samples, codebook = normal(n, units, bands)
    return samples, 1e-6 * codebook + 3


KINDS = {
    "ordinary": normal,
    "outlier": outlier,
    "two groups": two_groups,
    "fluorescence": fluorescence,
    "duplicates": duplicates,
    "near duplicates": near_duplicates,
    "between units": between,
    "offset 1e7": scaled(1, 1e7),
    "1e30": scaled(1e30),
    "1e-30": scaled(1e-30),
    "1e140": scaled(1e140),
    "1e-160": scaled(1e-160),
    "subnormal in float64": scaled(1e-310),
    "subnormal in float32": scaled(1e-42),
    "far": far,
    "collapsed": collapsed,
    "one point": lambda n, units, bands: (normal(n, units, bands)[0], np.full((units, bands), 0.1)),
}
SHAPES = [(400, 2, 1), (400, 17, 3), (300, 256, 3), (200, 300, 10), (60, 900, 34), (40, 64, 400)]


@pytest.mark.parametrize("metric", STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_numpys(kind, metric):
    for shape in SHAPES:
        samples, codebook = KINDS[kind](*shape)
        first, second = two_least(samples, codebook, metric)
        np.testing.assert_array_equal(nearest_units(samples, codebook, metric=metric), first)
        np.testing.assert_array_equal(two_nearest_units(samples, codebook, metric=metric), (first, second))


@pytest.mark.parametrize("metric", STEPS)
@pytest.mark.parametrize("kind", ["ordinary", "outlier", "far", "duplicates"])
def test_labels_with_missing_bands_are_numpys(kind, metric):
    samples, codebook = KINDS[kind](400, 70, 6)
    samples = samples.astype(np.float64)
    samples[np.random.default_rng(0).random(samples.shape) < 0.3] = np.nan
    expected = two_least(samples, codebook, metric, missing=True)
    np.testing.assert_array_equal(two_nearest_units(samples, codebook, metric=metric, missing=True), expected)
    np.testing.assert_array_equal(nearest_units(samples, codebook, metric=metric, missing=True), expected[0])


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f4", ">u2"])
def test_labels_of_every_type_are_numpys(dtype):
    draw = np.random.default_rng(5)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        samples = draw.normal(0, 100, (500, 3)).astype(kind)
    else:
        low, high = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        samples = draw.integers(low, high, (500, 3), endpoint=True, dtype=kind.newbyteorder("=")).astype(kind)
    codebook = samples[draw.integers(500, size=60)].astype(np.float64) + draw.normal(size=(60, 3))
    expected = two_least(samples, codebook)
    np.testing.assert_array_equal(two_nearest_units(samples, codebook), expected)


@pytest.mark.parametrize("kind", ["ordinary", "outlier", "two groups", "fluorescence", "duplicates", "collapsed"])
def test_labels_in_cells_are_numpys(kind, monkeypatch):
    monkeypatch.setattr(nearest, "break_even", lambda *_: 2.0)
    for shape in ((900, 700, 5), (300, 530, 40)):
        samples, codebook = KINDS[kind](*shape)
        np.testing.assert_array_equal(nearest_units(samples, codebook), two_least(samples, codebook)[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_ten_thousand_units_are_numpys(kind):
    for n, bands in ((2000, 3), (500, 34)):
        samples, codebook = KINDS[kind](n, 10_000, bands)
        np.testing.assert_array_equal(nearest_units(samples, codebook), two_least(samples, codebook)[0])


@pytest.mark.parametrize("metric", STEPS)
def test_the_reference_kernel_is_the_definition(metric):
    samples, codebook = normal(50, 30, 7)
    measured, total = np.empty((50, 30)), np.zeros((50, 30))
    totals_kernel(metric, METRICS[metric].step, False)(samples, codebook, np.zeros(30), measured)
    for band in range(7):
        total = STEPS[metric](total, samples[:, band, np.newaxis] - codebook[:, band])
    np.testing.assert_array_equal(measured, total)


@pytest.mark.parametrize("kind", ["ordinary", "fluorescence", "offset 1e7", "outlier"])
def test_few_ordinary_samples_are_compared_in_float64(kind, monkeypatch):
    compared = []
    exact = nearest.NearestSearch._exact

    def count(self, samples, limits):
        compared.append(len(samples))
        return exact(self, samples, limits)

    monkeypatch.setattr(nearest.NearestSearch, "_exact", count)
    samples, codebook = KINDS[kind](20_000, 256, 8)
    nearest_units(samples, codebook)
    assert sum(compared) < 0.03 * len(samples)
