import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dasksom.som.counted_colors.bmu_search import match_colors
from dasksom.som.counted_colors.cells import colors_from_numbers, into_cells, type_of
from dasksom.som.counted_colors.counts import count_colors


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
    best = match_colors(into_cells(numbers, bands), codebook)
    assert np.array_equal(best, brute_force(colors_from_numbers(numbers, type_of(samples)), codebook))


def test_match_colors__thousands_of_units(photograph):
    draw = np.random.default_rng(0)
    colors = np.unique(photograph.reshape(-1, 3), axis=0)
    codebook = colors[draw.integers(0, len(colors), 5000)] + draw.random((5000, 3))
    numbers, _ = count_colors(colors)
    best = match_colors(into_cells(numbers, 3), codebook)
    some = draw.integers(0, len(numbers), 2000)
    assert np.array_equal(best[some], brute_force(colors_from_numbers(numbers[some], type_of(colors)), codebook))
