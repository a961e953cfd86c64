import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dasksom.som.color_cells import cell_bounds, colors_of
from dasksom.som.color_counts import count_colors
from dasksom.som.color_search import look_up_labels, match_colors, sum_colors


def brute_force(colors, codebook):
    return ((colors[:, None].astype(float) - codebook) ** 2).sum(axis=2).argmin(axis=1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    units=st.integers(1, 80),
    bands=st.integers(1, 3),
    spread=st.sampled_from([0.0, 0.5, 5.0, 60.0, 1000.0]),
    whole=st.booleans(),
)
def test_match_colors__equals_brute_force_with_ties_to_the_lowest_unit(seed, units, bands, spread, whole):
    draw = np.random.default_rng(seed)
    codebook = draw.uniform(0, 255, bands) + draw.normal(0, 1, (units, bands)) * spread
    if whole:  # many exact ties
        codebook = codebook.round()
    samples = draw.integers(0, 256, (500, bands)).astype(np.uint8)
    samples[:100] = samples[0] // 8 * 8 + draw.integers(0, 8, (100, bands))
    numbers, _ = count_colors(samples)
    best = match_colors(numbers, cell_bounds(numbers, bands), codebook)
    assert np.array_equal(best, brute_force(colors_of(numbers, bands), codebook))


def test_match_colors__thousands_of_units(photograph):
    draw = np.random.default_rng(0)
    colors = np.unique(photograph.reshape(-1, 3), axis=0)
    codebook = colors[draw.integers(0, len(colors), 5000)] + draw.random((5000, 3))
    numbers, _ = count_colors(colors)
    best = match_colors(numbers, cell_bounds(numbers, 3), codebook)
    some = draw.integers(0, len(numbers), 2000)
    assert np.array_equal(best[some], brute_force(colors_of(numbers[some], 3), codebook))


def test_sum_colors__equals_sums_over_the_pixels(photograph):
    samples = photograph.reshape(-1, 3)
    codebook = np.array([[40.0, 30, 20], [200, 150, 100], [120, 60, 30]])
    numbers, counts = count_colors(samples)
    best = match_colors(numbers, cell_bounds(numbers, 3), codebook)
    hits, sums = sum_colors(numbers, counts, best, 3, 3)
    labels = brute_force(samples, codebook)
    assert hits.tolist() == np.bincount(labels, minlength=3).tolist()
    assert sums.tolist() == [samples[labels == k].sum(axis=0, dtype=int).tolist() for k in range(3)]


@pytest.mark.parametrize("units", [1, 2, 256, 257])
def test_look_up_labels__equals_brute_force(photograph, units):
    draw = np.random.default_rng(units)
    samples = np.ascontiguousarray(photograph[::7, ::5].reshape(-1, 3))
    codebook = draw.uniform(0, 255, (units, 3))
    labels = look_up_labels(samples, codebook)
    assert labels.dtype == (np.uint8 if units <= 256 else np.uint16)
    assert np.array_equal(labels, brute_force(samples, codebook))
