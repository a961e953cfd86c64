"""The search in cells gives the labels of the search through all units, bit for bit, whatever it passes over."""

import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.som.bmu import nearest
from dasksom.som.bmu.nearest import NearestSearch, nearest_units
from dasksom.som.bmu.pruned_search import search_in_cells
from dasksom.som.bmu.rounding import CELL, break_even
from dasksom.som.bmu.unit_cells import arrange_cells


def both_ways(samples, codebook, monkeypatch, **how):
    """Labels by cells and without them."""
    found = []
    for most in (2.0, -1.0):  # cells whatever they take; never
        monkeypatch.setattr(nearest, "break_even", lambda *_, most=most: most)
        found.append(nearest_units(samples, codebook, **how))
    return found


def scene(n, units, bands, seed=0):
    """Samples about a folded sheet, and a codebook on it."""
    random = np.random.default_rng(seed)
    waves = random.normal(size=(4, bands))

    def sheet(places):
        u, v = places[:, :1], places[:, 1:]
        return np.sin(3 * u) * waves[0] + np.cos(4 * v) * waves[1] + u * waves[2] + v * v * waves[3]

    samples = sheet(random.random((n, 2))) + random.normal(0, 0.1, (n, bands))
    return samples, sheet(random.random((units, 2)))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    ("n", "units", "bands"), [(5000, 900, 34), (1, 33, 5), (17, 2, 3), (3000, 1000, 1), (2000, 517, 130)]
)
def test_labels_are_the_same(n, units, bands, dtype, monkeypatch):
    samples, codebook = scene(n, units, bands)
    for at in (0.0, 300.0):  # an offset leaves less precision to the bounds
        one, other = both_ways((samples + at).astype(dtype), codebook + at, monkeypatch)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e-3])
def test_codebooks_that_are_almost_one_point(spread, monkeypatch):
    random = np.random.default_rng(1)
    samples = random.normal(size=(3000, 12)).astype(np.float32)
    one, other = both_ways(samples, 0.3 + spread * random.normal(size=(600, 12)), monkeypatch)
    np.testing.assert_array_equal(one, other)


def test_ties_go_to_the_lowest(monkeypatch):
    random = np.random.default_rng(2)
    codebook = random.integers(0, 3, (700, 4)).astype(float)  # 81 places: every unit has doubles, in other cells too
    for samples in (random.integers(0, 3, (4000, 4)), random.integers(0, 5, (4000, 4)) / 2):
        one, other = both_ways(samples, codebook, monkeypatch)
        np.testing.assert_array_equal(one, other)
    places = codebook[:, None] == codebook
    lowest = places.all(axis=2).argmax(axis=1)
    np.testing.assert_array_equal(lowest[one], one)


def test_values_far_out_and_directions(monkeypatch):
    samples, codebook = scene(3000, 640, 20)
    samples[::7] *= 1e30
    samples[5] = codebook[11] = 0
    for metric in ("euclidean", "cosine"):
        one, other = both_ways(samples, codebook, monkeypatch, metric=metric)
        np.testing.assert_array_equal(one, other)


def test_a_trained_map_is_searched_in_few_of_its_cells():
    samples, _ = scene(30_000, 1, 34)
    samples = samples.astype(np.float32)
    som = BatchSOM(30, 30, epochs=4, sigma=(7, 1)).fit(samples)
    units = som.codebook_.units
    arranged = NearestSearch(units)._filter
    cells = arrange_cells(arranged.panels, arranged.start, len(units), arranged.bound)
    assert sorted(cells.units) == list(range(900))
    samples.flags.writeable = False
    found = search_in_cells(samples, arranged.center, arranged.scale, cells)
    expected = nearest_units(samples, units)
    np.testing.assert_array_equal(found.labels[found.settled], expected[found.settled])
    assert found.settled.mean() > 0.99
    assert 1 / len(cells.sizes) <= found.share < 0.4


def test_few_units_samples_or_bands_are_not_worth_cells():
    assert break_even(1 << 20, 34, 10_000) > 0.6
    for samples, bands, units in ((1000, 34, 10_000), (1 << 20, 3, 10_000), (1 << 20, 34, 16 * CELL)):
        assert break_even(samples, bands, units) < 0.2
