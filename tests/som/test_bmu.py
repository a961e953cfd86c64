import numpy as np
import pytest

from dasksom.som.bmu import BLOCK, find_bmus, measure, sum_units
from tests.reference import best_unit


def brute_force(samples, codebook):
    return ((samples[:, None].astype(float) - codebook) ** 2).sum(axis=2)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize(("bands", "units"), [(1, 1), (3, 9), (4, 257), (12, 30)])
def test_find_bmus__equals_brute_force(dtype, bands, units):
    draw = np.random.default_rng(bands)
    samples = draw.uniform(0, 100, (700, bands)).astype(dtype)
    codebook = draw.uniform(0, 100, (units, bands))
    labels = find_bmus(samples, codebook)
    distances = brute_force(samples, codebook)
    # the sums of squares may round differently where there are many bands: compare distances, not indices
    chosen = distances[np.arange(700), labels]
    assert np.allclose(chosen, distances.min(axis=1), rtol=1e-14)
    assert (labels == distances.argmin(axis=1)).mean() > 0.999
    assert labels.dtype == np.min_scalar_type(units - 1)


def test_find_bmus__equals_the_reference_exactly():
    draw = np.random.default_rng(1)
    samples, codebook = draw.random((300, 5)), draw.random((20, 5))
    assert find_bmus(samples, codebook).tolist() == [best_unit(x, codebook.tolist()) for x in samples.tolist()]


def test_find_bmus__ties_go_to_the_lowest_unit():
    codebook = np.array([[9.0, 9], [1, 1], [1, 1], [3, 1]])
    assert find_bmus(np.array([[1, 1], [2, 1]], np.uint8), codebook).tolist() == [1, 1]


def test_find_bmus__uint8_does_not_wrap_around():
    # in uint8 arithmetic 250 - 5 squared is 121, less than (250 - 200) squared, which is 196 there
    assert find_bmus(np.array([[250]], np.uint8), np.array([[5.0], [200.0]])).tolist() == [1]


def test_find_bmus__a_sample_has_the_same_unit_wherever_it_stands():
    draw = np.random.default_rng(2)
    samples, codebook = draw.random((1000, 3)), draw.random((50, 3))
    whole = find_bmus(samples, codebook)
    assert np.array_equal(whole[313:517], find_bmus(samples[313:517], codebook))
    assert np.array_equal(whole[::3], find_bmus(samples[::3], codebook))


def test_sum_units__more_than_one_block():
    draw = np.random.default_rng(3)
    samples, codebook = draw.random((BLOCK + 1000, 4), np.float32), draw.random((7, 4))
    gathered = sum_units(samples, codebook)
    labels = find_bmus(samples, codebook)
    exact = samples.astype(float)
    assert gathered.hits.tolist() == np.bincount(labels, minlength=7).tolist()
    assert np.allclose(gathered.sums, [exact[labels == k].sum(axis=0) for k in range(7)], rtol=1e-12)
    assert np.isclose(gathered.squared_error, brute_force(samples, codebook).min(axis=1).sum(), rtol=1e-12)


def test_sum_units__counts_beyond_what_float32_can():
    samples = np.ones(((1 << 24) + 3, 1), np.uint8)
    gathered = sum_units(samples, np.array([[1.0]]))
    assert gathered.hits.tolist() == [(1 << 24) + 3]
    assert gathered.sums.tolist() == [[(1 << 24) + 3]]


@pytest.mark.parametrize("dtype", ["u1", "f2", ">u2", "f4"])
def test_measure__agrees_with_sum_units(dtype):
    draw = np.random.default_rng(4)
    samples, codebook = draw.integers(0, 255, (BLOCK + 9, 3)).astype(dtype), draw.uniform(0, 255, (12, 3))
    hits, squared_error = measure(samples, find_bmus(samples, codebook), codebook)
    gathered = sum_units(samples, codebook)
    assert hits.tolist() == gathered.hits.tolist()
    assert np.isclose(squared_error, gathered.squared_error, rtol=1e-12)
