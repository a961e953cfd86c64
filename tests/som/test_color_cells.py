import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dasksom.som import color_cells as cells


def brute_force(colors, codebook):
    return ((colors[:, None].astype(float) - codebook) ** 2).sum(axis=2).argmin(axis=1)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_color_numbers_are_a_bijection_that_colors_of_inverts(bands):
    numbers = np.arange(256**bands, dtype=np.uint32)
    colors = cells.colors_of(numbers, bands)
    table = cells.color_numbers(bands)
    assert np.array_equal(sum(table[band, colors[:, band]] for band in range(bands)), numbers)


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_colors_of_one_cell_are_a_cube_of_side_eight(bands):
    numbers = np.arange(256**bands, dtype=np.uint32)
    cell_of_some = numbers[5 * 8**bands : 6 * 8**bands]
    colors = cells.colors_of(cell_of_some, bands)
    assert np.array_equal(np.ptp(colors, axis=0), [7] * bands)


@pytest.mark.parametrize("few", [0, cells.FEW], ids=["counters", "sorting"])
@pytest.mark.parametrize("bands", [1, 2, 3])
def test_count_colors__equals_unique(photograph, bands, few, monkeypatch):
    monkeypatch.setattr(cells, "FEW", few)
    samples = np.ascontiguousarray(photograph.reshape(-1, 3)[:, :bands])
    for _ in range(2):  # the second time with the counter that the first left behind
        numbers, counts = cells.count_colors(samples)
        expected, times = np.unique(samples, axis=0, return_counts=True)
        order = np.lexsort(cells.colors_of(numbers, bands).T[::-1])
        assert np.array_equal(cells.colors_of(numbers, bands)[order], expected)
        assert np.array_equal(counts[order], times)
        assert (np.diff(numbers.astype(np.int64)) > 0).all()


@pytest.mark.parametrize("bands", [1, 2, 3])
def test_merge_counts__any_sharing_gives_the_same(photograph, bands):
    samples = np.ascontiguousarray(photograph.reshape(-1, 3)[:, :bands])
    whole = cells.count_colors(samples)
    parts = [cells.count_colors(part) for part in np.array_split(samples, [1, 1000, 200_000])]
    nested = cells.merge_counts([cells.merge_counts(parts[:2], bands), *parts[2:]], bands)
    for got in (cells.merge_counts(parts, bands), nested):
        assert np.array_equal(got[0], whole[0])
        assert np.array_equal(got[1], whole[1])
        assert got[1].dtype == np.int64


def test_merge_counts__counts_beyond_32_bits():
    numbers = np.array([7], np.uint32)
    _, counts = cells.merge_counts([(numbers, np.array([2**32 - 1])), (numbers, np.array([2**32 - 1]))], 3)
    assert counts.tolist() == [2**33 - 2]


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
    numbers, _ = cells.count_colors(samples)
    best = cells.match_colors(numbers, cells.cell_bounds(numbers, bands), codebook)
    assert np.array_equal(best, brute_force(cells.colors_of(numbers, bands), codebook))


def test_match_colors__thousands_of_units(photograph):
    draw = np.random.default_rng(0)
    colors = np.unique(photograph.reshape(-1, 3), axis=0)
    codebook = colors[draw.integers(0, len(colors), 5000)] + draw.random((5000, 3))
    numbers, _ = cells.count_colors(colors)
    best = cells.match_colors(numbers, cells.cell_bounds(numbers, 3), codebook)
    some = draw.integers(0, len(numbers), 2000)
    assert np.array_equal(best[some], brute_force(cells.colors_of(numbers[some], 3), codebook))


def test_sum_colors__equals_sums_over_the_pixels(photograph):
    samples = photograph.reshape(-1, 3)
    codebook = np.array([[40.0, 30, 20], [200, 150, 100], [120, 60, 30]])
    numbers, counts = cells.count_colors(samples)
    best = cells.match_colors(numbers, cells.cell_bounds(numbers, 3), codebook)
    hits, sums = cells.sum_colors(numbers, counts, best, 3, 3)
    labels = brute_force(samples, codebook)
    assert hits.tolist() == np.bincount(labels, minlength=3).tolist()
    assert sums.tolist() == [samples[labels == k].sum(axis=0, dtype=int).tolist() for k in range(3)]


@pytest.mark.parametrize("units", [1, 2, 256, 257])
def test_look_up_labels__equals_brute_force(photograph, units):
    draw = np.random.default_rng(units)
    samples = np.ascontiguousarray(photograph[::7, ::5].reshape(-1, 3))
    codebook = draw.uniform(0, 255, (units, 3))
    labels = cells.look_up_labels(samples, codebook)
    assert labels.dtype == (np.uint8 if units <= 256 else np.uint16)
    assert np.array_equal(labels, brute_force(samples, codebook))
