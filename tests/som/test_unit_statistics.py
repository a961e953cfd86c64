from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from dasksom.som.statistics.unit_statistics import added, band_statistics, unit_statistics

UNITS = 5
INTEGERS = [np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]


def samples(dtype, count=4000, bands=3):
    random = np.random.default_rng(0)
    labels = random.integers(0, UNITS + 1, count).astype(np.uint8)  # the last one has no data
    labels[labels == 3] = 1  # unit 3 is empty
    if dtype == np.bool_:
        return random.random((count, bands)) < 0.3, labels
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = random.integers(limits.min, limits.max, (count, bands), dtype, endpoint=True)
        values[:50] = limits.max
        values[50:90] = limits.min
        return values, labels
    center, spread = (1000, 20) if dtype == np.float16 else (1e6, 3)
    return random.normal(center, spread, (count, bands)).astype(dtype), labels


def in_parts(values, labels, vectors, parts):
    cuts = np.linspace(0, len(values), parts + 1).astype(int)
    return added([unit_statistics(values[a:b], labels[a:b], vectors) for a, b in pairwise(cuts)])


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda dtype: dtype.__name__)
def test_statistics__of_integers_are_exact(dtype, parts):
    values, labels = samples(dtype)
    vectors = np.zeros((UNITS, 3))
    statistics = in_parts(values, labels, vectors, parts)
    for units in ([0], [1, 2], [0, 1, 2, 3, 4]):
        chosen = values[np.isin(labels, units)]
        for band in range(3):
            exact = [int(value) for value in chosen[:, band]]
            mean = Fraction(sum(exact), len(exact))
            found = band_statistics(statistics, vectors, np.array(units), band)
            assert found.mean == float(mean)
            assert found.deviation == float(sum((value - mean) ** 2 for value in exact) / len(exact)) ** 0.5
            assert (found.minimum, found.maximum) == (min(exact), max(exact))
    assert np.isnan(band_statistics(statistics, vectors, np.array([3]), 0).mean)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32])
def test_statistics__of_integers_are_numpy_s(dtype):
    values, labels = samples(dtype)
    vectors = np.zeros((UNITS, 3))
    statistics = unit_statistics(values, labels, vectors)
    for unit in (0, 1, 2, 4):
        chosen = values[labels == unit]
        for band in range(3):
            found = band_statistics(statistics, vectors, np.array([unit]), band)
            assert found.mean == chosen[:, band].mean()
            assert found.deviation == pytest.approx(chosen[:, band].std(), rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_statistics__of_floats_are_numpy_s_despite_an_offset_and_gaps(dtype):
    values, labels = samples(dtype)
    values[::9, 1] = np.nan
    wide = values.astype(np.float64)
    vectors = np.array([np.nanmean(wide[labels == unit], axis=0) for unit in (0, 1, 2, 0, 4)])
    statistics = in_parts(values, labels, vectors, 3)
    for units in ([0], [1, 2, 3]):
        chosen = wide[np.isin(labels, units)]
        for band in range(3):
            found = band_statistics(statistics, vectors, np.array(units), band)
            assert found.mean == pytest.approx(np.nanmean(chosen[:, band]), rel=1e-14)
            assert found.deviation == pytest.approx(np.nanstd(chosen[:, band]), rel=1e-9)
            assert (found.minimum, found.maximum) == (np.nanmin(chosen[:, band]), np.nanmax(chosen[:, band]))


def test_statistics__exceed_64_bits():
    values = np.full((1 << 12, 1), np.iinfo(np.uint64).max)
    statistics = unit_statistics(values, np.zeros(len(values), np.uint8), np.zeros((1, 1)))
    statistics = added([statistics] * 5000)
    found = band_statistics(statistics, np.zeros((1, 1)), np.array([0]), 0)
    assert (found.mean, found.deviation) == (float(2**64 - 1), 0.0)
    assert statistics.counts[0, 0] == 5000 << 12
