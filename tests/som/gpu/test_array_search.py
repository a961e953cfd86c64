"""The search on arrays of a device, run by NumPy: the labels of the processor, whatever the data and the memory."""

import logging

import dask
import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.som.bmu.nearest import NearestSearch, nearest_units, two_nearest_units
from dasksom.som.gpu import array_search, device
from dasksom.som.gpu.array_search import nearest_on_device, rows_of_piece
from tests.som.bmu.test_exact_labels import KINDS, two_least
from tests.som.gpu.fake_device import FakeDevice

SHAPES = [(300, 2, 1), (300, 17, 3), (200, 256, 3), (60, 900, 34), (40, 64, 400)]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_numpys(kind):
    for shape in SHAPES:
        samples, codebook = KINDS[kind](*shape)
        expected = two_least(samples, codebook)
        np.testing.assert_array_equal(nearest_units(samples, codebook, arrays=np), expected[0])
        np.testing.assert_array_equal(two_nearest_units(samples, codebook, arrays=np), expected)


@pytest.mark.parametrize("kind", ["ordinary", "duplicates", "two groups", "one point"])
def test_labels_by_cosine_are_those_of_the_processor(kind):
    samples, codebook = KINDS[kind](300, 50, 5)
    samples[:3], codebook[7] = 0, 0
    for ranks in (1, 2):
        expected = NearestSearch(codebook, "cosine", ranks=ranks).labels(samples)
        found = NearestSearch(codebook, "cosine", ranks=ranks, arrays=np).labels(samples)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("metric", "missing"), [("manhattan", False), ("chebyshev", False), ("euclidean", True)])
def test_other_searches_stay_on_the_processor(metric, missing, monkeypatch):
    monkeypatch.setattr(array_search, "nearest_on_device", None)
    samples, codebook = KINDS["ordinary"](50, 20, 3)
    found = nearest_units(samples, codebook, metric=metric, missing=missing, arrays=np)
    np.testing.assert_array_equal(found, two_least(samples, codebook, metric)[0])


def known_of(codebook):
    return NearestSearch(codebook, arrays=np)._device


def test_pieces__any_size_gives_the_same_labels(monkeypatch):
    samples, codebook = KINDS["between units"](500, 60, 4)
    expected = two_least(samples, codebook)
    for memory in (1, 10_000, 200_000):
        monkeypatch.setattr(device, "_LEAST_PIECE_BYTES", memory)
        np.testing.assert_array_equal(nearest_on_device(np, samples, known_of(codebook), 2), expected)
    assert rows_of_piece(np, 60, 4) < 500


def test_out_of_memory__pieces_are_halved_and_it_is_logged(caplog):
    samples, codebook = KINDS["ordinary"](500, 7, 4)
    with caplog.at_level(logging.WARNING):
        found = nearest_on_device(FakeDevice(most=400), samples, known_of(codebook), 1)
    np.testing.assert_array_equal(found[0], two_least(samples, codebook)[0])
    assert "the GPU is out of memory; continuing with 62 samples at once" in caplog.text


def test_a_map_on_a_device__is_that_of_the_processor(random, monkeypatch):
    samples = random.normal(size=(3000, 6))
    expected = BatchSOM(5, 6, epochs=6, device="cpu").fit(samples)
    monkeypatch.setattr(device, "_cuda", lambda: (np, ""))
    som = BatchSOM(5, 6, epochs=6, device="cuda").fit(samples)
    np.testing.assert_array_equal(som.weights_, expected.weights_)
    np.testing.assert_array_equal(som.predict(samples), expected.predict(samples))
    assert som.codebook_.about["parameters"]["device"] == "auto"


def test_a_map_that_a_device_began__is_finished_by_the_processor(random, monkeypatch, tmp_path):
    def stop(epoch, _):
        raise InterruptedError

    image = da.from_array(random.normal(size=(60, 50, 4)), chunks=(30, 50, 4))
    expected = BatchSOM(4, 4, epochs=3).fit(image)
    monkeypatch.setattr(device, "_cuda", lambda: (np, ""))
    with dask.config.set(scheduler="threads"):
        with pytest.raises(InterruptedError):
            BatchSOM(4, 4, epochs=3, device="cuda").fit(image, on_epoch=stop, checkpoint=tmp_path)
        som = BatchSOM(4, 4, epochs=3, device="cpu").fit(image, checkpoint=tmp_path)
    assert som.weights_.tobytes() == expected.weights_.tobytes()
