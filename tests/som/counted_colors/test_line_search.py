import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dasksom.som.bmu.search import Search
from dasksom.som.counted_colors.bmu_search import match_two_colors
from dasksom.som.counted_colors.cells import ColorType, colors_from_numbers, searchable
from dasksom.som.counted_colors.counts import count_colors, merge_counts
from dasksom.som.counted_colors.lookup_table import look_up_labels

LIMITS = {"u2": (0, 1 << 16), "i2": (-(1 << 15), 1 << 15)}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    units=st.integers(1, 60),
    dtype=st.sampled_from(["u2", "i2"]),
    spread=st.sampled_from([0.0, 1e-13, 0.5, 1000.0, 1e9]),
    whole=st.booleans(),
)
def test_match_two_colors__of_16_bits_equals_brute_force_with_ties_to_the_lowest_unit(
    seed, units, dtype, spread, whole
):
    draw = np.random.default_rng(seed)
    values = draw.integers(*LIMITS[dtype], (300, 1)).astype(dtype)
    values[:100] = values[0] // 8 * 8 + draw.integers(0, 8, (100, 1))
    codebook = values[1] + draw.normal(0, 1, (units, 1)) * spread
    if whole:  # many exact ties
        codebook = codebook.round()
    numbers, _ = count_colors(values)
    kind = ColorType(np.dtype(dtype), 1)
    best, second = match_two_colors(searchable(numbers, kind), codebook)
    away = (colors_from_numbers(numbers, kind).astype(float) - codebook.T) ** 2
    ranked = np.argsort(away, axis=1, kind="stable")
    assert np.array_equal(best, ranked[:, 0])
    assert np.array_equal(second, ranked[:, min(1, units - 1)])
    assert np.array_equal(look_up_labels(values, codebook, Search()), best[np.searchsorted(numbers, _bits(values))])


def _bits(values):
    return values[:, 0].astype(np.int64) % (1 << 16)


@pytest.mark.parametrize("dtype", ["u2", "i2"])
def test_count_colors__of_16_bits_equals_unique_for_any_sharing(dtype):
    draw = np.random.default_rng(0)
    samples = np.clip(draw.normal(0, 9000, (200_000, 2)), *LIMITS[dtype]).astype(dtype)[:, :1]  # not contiguous
    samples[:70_000] = 77  # more than 16 bits count
    expected, times = np.unique(samples, return_counts=True)
    parts = [count_colors(part) for part in np.array_split(samples, [1, 1000, 90_000])]
    for numbers, counts in (count_colors(samples), merge_counts(parts, 1 << 16)):
        values = colors_from_numbers(numbers, ColorType(np.dtype(dtype), 1))[:, 0]
        order = np.argsort(values)
        assert np.array_equal(values[order], expected)
        assert np.array_equal(counts[order], times)
