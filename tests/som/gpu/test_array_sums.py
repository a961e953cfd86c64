"""The sums of units on arrays of a device, run by NumPy: those of the processor, bit for bit."""

from dataclasses import asdict

import numpy as np
import pytest

from dasksom.som.bmu.nearest import two_nearest_units
from dasksom.som.gpu import array_sums, device
from dasksom.som.gpu.array_sums import gather_on_device
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import BLOCK_SAMPLES, gather
from tests.som.gpu.fake_device import FakeDevice


@pytest.fixture(autouse=True)
def _rounds_at_any_size(monkeypatch):
    monkeypatch.setattr(array_sums, "_ROUND_VALUES", 0)


def sums_of(count, dtype, weighted, utilities, random):
    samples = (random.random((count, 5)) * 200).astype(dtype)
    codebook = (random.random((300, 5)) * 200).astype(np.float64)
    weights = random.random(count) if weighted else None
    first, second = two_nearest_units(samples, codebook)
    return Samples(samples, weights, None), codebook, first, second if utilities else None


def assert_same_bits(found, expected):
    for name, value in asdict(expected).items():
        assert (value is None) == (getattr(found, name) is None), name
        if value is not None:
            assert np.asarray(getattr(found, name)).tobytes() == np.asarray(value).tobytes(), name
            assert np.shape(getattr(found, name)) == np.shape(value), name


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize(("weighted", "utilities"), [(False, False), (True, True)])
@pytest.mark.parametrize("count", [1, BLOCK_SAMPLES, 2 * BLOCK_SAMPLES + 5])
def test_sums_are_those_of_the_processor(random, dtype, weighted, utilities, count):
    case = sums_of(count, dtype, weighted, utilities, random)
    assert_same_bits(gather_on_device(np, *case), gather(*case))


def test_pieces__any_size_gives_the_same_bits(random, monkeypatch):
    case = sums_of(3 * BLOCK_SAMPLES + 1, np.float64, True, True, random)
    expected = gather(*case)
    monkeypatch.setattr(device, "_LEAST_PIECE_BYTES", 1)
    assert_same_bits(gather_on_device(np, *case), expected)
    scarce = FakeDevice(most=2 * BLOCK_SAMPLES * 5)
    assert_same_bits(gather_on_device(scarce, *case), expected)
    assert scarce.freed


def test_one_unit_wins_all__the_processor_sums(random, monkeypatch):
    values = random.random((2 * BLOCK_SAMPLES, 2))
    case = Samples(values, None, None), np.array([[0.5, 0.5], [9.0, 9.0]]), np.zeros(len(values), np.uint8), None
    expected = gather(*case)
    assert_same_bits(gather_on_device(np, *case), expected)
    monkeypatch.setattr(array_sums, "_ROUND_VALUES", 8)
    monkeypatch.setattr(array_sums, "_sums_in_rounds", None)
    monkeypatch.setattr(device, "_LEAST_PIECE_BYTES", 1)
    assert_same_bits(gather_on_device(np, *case), expected)


def test_no_samples(random):
    case = Samples(np.empty((0, 2)), None, None), np.eye(2), np.empty(0, np.uint8), None
    assert_same_bits(gather_on_device(np, *case), gather(*case))
