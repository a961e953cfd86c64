import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dasksom.som.bmu import nearest
from dasksom.som.bmu.nearest import nearest_units, two_nearest_units
from dasksom.som.choices import PRECISIONS


def squared_distances(samples, codebook):
    """The definition, band by band in float64."""
    samples, total = np.asarray(samples, np.float64), np.zeros((len(samples), len(codebook)))
    for band in range(codebook.shape[1]):
        away = samples[:, band, np.newaxis] - codebook[:, band]
        total += away * away
    return total


def two_least(total):
    order = total.argsort(axis=1, kind="stable")
    return order[:, 0], order[:, min(1, total.shape[1] - 1)]


def uniform(n, units, bands, seed=0):
    random = np.random.default_rng(seed)
    return random.random((n, bands)), random.random((units, bands))


SHAPES = [
    *((50, 40, bands) for bands in range(1, 13)),
    *((n, 33, 3) for n in (0, 1, 15, 16, 17, 1000)),
    *((40, units, 4) for units in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 255, 256, 257, 1000)),
    (700, 900, 34),
    (90, 1500, 100),
    (200, 65, 200),
    (33, 700, 401),
]


@pytest.mark.parametrize(("n", "units", "bands"), SHAPES)
def test_labels_are_the_definitions(n, units, bands):
    samples, codebook = uniform(n, units, bands)
    first, second = two_least(squared_distances(samples, codebook))
    np.testing.assert_array_equal(nearest_units(samples, codebook, precision="float64"), first)
    np.testing.assert_array_equal(two_nearest_units(samples, codebook, precision="float64"), (first, second))
    np.testing.assert_array_equal(nearest_units(samples, codebook), first)
    np.testing.assert_array_equal(two_nearest_units(samples, codebook), (first, second))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_labels_are_the_definitions_for_any_values(data):
    n, units, bands = (data.draw(st.integers(1, most)) for most in (20, 40, 6))
    values = st.floats(-1e3, 1e3, width=32) | st.integers(-3, 3).map(float)
    samples = data.draw(arrays(np.float64, (n, bands), elements=values))
    codebook = data.draw(arrays(np.float64, (units, bands), elements=values))
    expected = two_least(squared_distances(samples, codebook))
    for precision in PRECISIONS:
        np.testing.assert_array_equal(two_nearest_units(samples, codebook, precision=precision), expected)
        np.testing.assert_array_equal(nearest_units(samples, codebook, precision=precision), expected[0])


@pytest.mark.parametrize(
    "dtype", ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f4", ">f8", ">u2"]
)
def test_every_real_type(dtype):
    samples, codebook = uniform(300, 50, 3)
    samples = (samples * (2 if dtype == "bool" else 100)).astype(dtype)
    codebook = codebook * (1 if dtype == "bool" else 100)
    expected = squared_distances(samples, codebook).argmin(axis=1)
    np.testing.assert_array_equal(nearest_units(samples, codebook, precision="float64"), expected)
    np.testing.assert_array_equal(nearest_units(samples, codebook), expected)


def test_every_layout():
    samples, codebook = uniform(999, 70, 5)
    for dtype in (np.float32, np.float64):
        for precision in PRECISIONS:
            plain = samples.astype(dtype)
            expected = nearest_units(plain, codebook, precision=precision)
            wide = np.zeros((2 * 999, 2 * 5), dtype)
            wide[::2, 1::2] = plain
            frozen = plain.copy()
            frozen.flags.writeable = False
            shifted = np.frombuffer(b"-" + plain.tobytes(), np.uint8)[1:].view(dtype).reshape(plain.shape)
            for other in (np.asfortranarray(plain), wide[::2, 1::2], frozen, plain[::-1][::-1], shifted):
                np.testing.assert_array_equal(nearest_units(other, codebook, precision=precision), expected)
            turned = nearest_units(plain[::-1], np.asfortranarray(codebook), precision=precision)
            np.testing.assert_array_equal(turned[::-1], expected)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("n", "bands"), [(3000, 3), (500, 150)])
def test_a_label_depends_on_its_sample_alone(monkeypatch, precision, n, bands):
    # Samples in the middle between two units, where the last bit decides.
    random = np.random.default_rng(3)
    codebook = random.random((90, bands))
    samples = (codebook[random.integers(90, size=n)] + codebook[random.integers(90, size=n)]) / 2
    first, second = two_nearest_units(samples, codebook, precision=precision)
    for _ in range(20):
        start, stop = sorted(random.integers(n + 1, size=2))
        part = two_nearest_units(samples[start:stop], codebook, precision=precision)
        np.testing.assert_array_equal(part, (first[start:stop], second[start:stop]))
        np.testing.assert_array_equal(nearest_units(samples[start:stop], codebook, precision=precision), part[0])
    order = random.permutation(n)
    np.testing.assert_array_equal(nearest_units(samples[order], codebook, precision=precision), first[order])
    monkeypatch.setattr(nearest, "_BLOCK", 37 * bands)
    np.testing.assert_array_equal(nearest_units(samples, codebook, precision=precision), first)
    with ThreadPoolExecutor(4) as threads:
        pieces = (samples[i : i + 99] for i in range(0, n, 99))
        parts = threads.map(lambda piece: nearest_units(piece, codebook, precision=precision), pieces)
    np.testing.assert_array_equal(np.concatenate(list(parts)), first)


def test_ties_go_to_the_lowest_unit():
    random = np.random.default_rng(4)
    distinct = random.integers(0, 5, size=(60, 2)).astype(float)
    codebook = distinct[random.integers(60, size=400)]
    samples = random.integers(0, 10, size=(800, 2)) / 2
    expected = two_least(squared_distances(samples, codebook))
    np.testing.assert_array_equal(two_nearest_units(samples, codebook, precision="float64"), expected)
    best = squared_distances(distinct, codebook).argmin(axis=1)
    np.testing.assert_array_equal(nearest_units(distinct, codebook), best)
    same = np.full((300, 3), 0.1)
    for precision in PRECISIONS:
        first, second = two_nearest_units(random.random((40, 3)), same, precision=precision)
        assert (first == 0).all()
        assert (second == 1).all()


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1.0, 1e100, 1e150])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_magnitudes_and_offsets_cost_no_digits(scale, offset):
    samples, codebook = uniform(300, 60, 4)
    samples, codebook = (offset + samples) * scale, (offset + codebook) * scale
    true = squared_distances((samples / scale) - offset, (codebook / scale) - offset)
    labels = nearest_units(samples, codebook)
    assert (true[np.arange(300), labels] <= true.min(axis=1) * 1.0002).all()
    assert np.count_nonzero(labels != true.argmin(axis=1)) <= 1


def test_small_differences_on_a_large_offset():
    random = np.random.default_rng(5)
    samples, codebook = (1e6 + 0.01 * random.normal(size=(n, 3)) for n in (500, 64))
    expected = squared_distances(samples, codebook).argmin(axis=1)
    np.testing.assert_array_equal(nearest_units(samples, codebook), expected)


def test_samples_far_from_the_codebook():
    codebook = np.random.default_rng(6).normal(size=(50, 3))
    for far in (1e6, 1e10, 1e30, 1e150):  # differences of units get lost beyond 1e16: then all are equally far
        samples = far * np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, -1]])
        expected = squared_distances(samples, codebook).argmin(axis=1)
        np.testing.assert_array_equal(nearest_units(samples, codebook), expected)
        if far <= 1e6:
            ends = codebook[:, 0].argmax(), codebook[:, 0].argmin(), codebook[:, 1].argmax(), codebook[:, 2].argmin()
            np.testing.assert_array_equal(expected, ends)


def test_samples_that_are_not_finite_harm_nobody_else():
    samples, codebook = uniform(100, 45, 3)
    expected = nearest_units(samples, codebook)
    for value in (np.nan, np.inf, -np.inf):
        bad = samples.copy()
        bad[::7, 1] = value
        for precision in PRECISIONS:
            first, second = two_nearest_units(bad, codebook, precision=precision)
            assert max(first.max(), second.max()) < 45
            np.testing.assert_array_equal(np.delete(first, np.s_[::7]), np.delete(expected, np.s_[::7]))


def test_missing_without_missing_bands_changes_nothing():
    samples, codebook = uniform(200, 30, 4)
    for precision in PRECISIONS:
        with_missing = nearest_units(samples, codebook, precision=precision, missing=True)
        np.testing.assert_array_equal(with_missing, nearest_units(samples, codebook, precision=precision))


@pytest.mark.parametrize(("units", "dtype"), [(1, "u1"), (256, "u1"), (257, "u2"), (65_536, "u2"), (65_537, "u4")])
def test_labels_are_of_the_smallest_type(units, dtype):
    codebook = np.arange(units, dtype=float)[:, np.newaxis]
    first, second = two_nearest_units(np.array([[units - 1.0], [0.0]]), codebook, precision="float64")
    assert first.dtype == second.dtype == dtype
    assert first.tolist() == [units - 1, 0]
    assert second.tolist() == [max(units - 2, 0), min(1, units - 1)]
    assert nearest_units(np.empty((0, 1)), codebook).dtype == dtype


def test_memory_does_not_grow_with_samples_times_units():
    samples, codebook = uniform(60_000, 500, 3)
    nearest_units(samples[:100], codebook)
    tracemalloc.start()
    nearest_units(samples, codebook)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6


def test_wrong_options_are_told():
    samples, codebook = uniform(5, 4, 3)
    with pytest.raises(ValueError, match="metric 'euclid': accepted are euclidean, "):
        nearest_units(samples, codebook, metric="euclid")
    with pytest.raises(ValueError, match="precision 'float16': accepted are float32, float64"):
        nearest_units(samples, codebook, precision="float16")
    with pytest.raises(ValueError, match="bands must agree"):
        nearest_units(samples[:, :2], codebook)


def test_inputs_are_left_alone():
    samples, codebook = uniform(100, 20, 3)
    before = samples.copy(), codebook.copy()
    for metric in ("euclidean", "cosine"):
        nearest_units(samples, codebook, metric=metric)
    np.testing.assert_array_equal(samples, before[0])
    np.testing.assert_array_equal(codebook, before[1])
    assert samples.flags.writeable
