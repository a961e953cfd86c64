"""Percentiles by radix selection are those of numpy.percentile."""

import numpy as np
import pytest

from dasksom.som.features.order_statistics import count_digits, order_keys, select_percentiles, values_of_keys

PERCENTS = (0, 1, 25, 50, 99.9, 100)


def values(dtype, n=5000):
    draw = np.random.default_rng(3)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        made = (draw.lognormal(0, 2, (n, 3)) * draw.choice([-1, 1], (n, 3))).astype(dtype)
        made[draw.random((n, 3)) < 0.1] = np.nan
        made[:9] = [[0.0, -0.0, 1.0]] * 9
        return made
    limits = np.iinfo(dtype)
    wide = draw.integers(limits.min, limits.max, (n, 3), dtype, endpoint=True)
    wide[:, 1] //= 8
    wide[:, 2] = 3
    return wide


def percentiles(values, pieces=1, **options):
    def count(digit):
        return sum(count_digits(piece, digit) for piece in np.array_split(values, pieces))

    return np.array(select_percentiles(count, values.dtype, values.shape[1], PERCENTS, **options))


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"])
def test_percentiles__are_those_of_numpy(dtype):
    made = values(dtype)
    expected = np.nanpercentile(made.astype(np.float64), PERCENTS, axis=0)
    np.testing.assert_array_equal(percentiles(made, pieces=3), expected)
    positive = np.where(made > 0, made.astype(np.float64), np.nan)
    np.testing.assert_array_equal(percentiles(made, positive=True), np.nanpercentile(positive, PERCENTS, axis=0))


@pytest.mark.parametrize("dtype", ["i1", "u2", "i2", "f2", "i4", "f4", "f8"])
def test_keys__have_the_order_of_the_values_and_can_be_undone(dtype):
    made = np.sort(values(dtype)[:, 0])
    keys = order_keys(made)
    assert (np.diff(keys.astype(object)) >= 0).all()
    known = ~np.isnan(made)
    np.testing.assert_array_equal(values_of_keys(keys[known], made.dtype), made[known].astype(np.float64))


def test_percentiles__of_no_values_are_missing():
    assert np.isnan(percentiles(np.full((4, 2), np.nan, np.float32))).all()


def test_percentiles__of_transformed_values():
    made = np.abs(values("u2")) + np.uint16(1)
    np.testing.assert_array_equal(
        percentiles(made, transformed=np.log), np.percentile(np.log(made.astype(np.float64)), PERCENTS, axis=0)
    )


def test_counts__repeat_samples():
    made = values("u2", 300)
    times = np.arange(300) % 4
    digit = []
    select_percentiles(lambda one: digit.append(one) or count_digits(made, one), made.dtype, 3, [50])
    np.testing.assert_array_equal(
        count_digits(made, digit[0], times), count_digits(np.repeat(made, times, axis=0), digit[0])
    )
