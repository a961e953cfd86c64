"""The search on arrays of a device, run by NumPy: the labels of the processor, whatever the data and the memory."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.som import device
from dasksom.som.bmu import array_search
from dasksom.som.bmu.array_search import gather_on_device, nearest_on_device, rows_of_piece
from dasksom.som.bmu.nearest import NearestSearch, nearest_units, two_nearest_units
from dasksom.som.bmu.search import Search
from dasksom.som.samples import Samples
from dasksom.som.unit_sums import gather
from tests.som.bmu.test_exact_labels import KINDS, two_least

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
        monkeypatch.setattr(array_search, "_HOST_BYTES", memory)
        np.testing.assert_array_equal(nearest_on_device(np, samples, known_of(codebook), 2), expected)
    assert rows_of_piece(np, 60, 4) < 500


class Scarce:
    """NumPy on a device that has room for so many samples only."""

    def __init__(self, most):
        self.most = most

    def __getattr__(self, name):
        return getattr(np, name)

    def asarray(self, values):
        if np.ndim(values) == 2 and len(values) > self.most:
            raise OutOfMemoryError("out of memory")
        return np.asarray(values)


class OutOfMemoryError(Exception):
    """As CuPy names it."""


def test_out_of_memory__pieces_are_halved_and_it_is_logged(caplog):
    samples, codebook = KINDS["ordinary"](500, 7, 4)
    with caplog.at_level(logging.WARNING):
        found = nearest_on_device(Scarce(100), samples, known_of(codebook), 1)
    np.testing.assert_array_equal(found[0], two_least(samples, codebook)[0])
    assert "the device is out of memory; searching 63 samples at once" in caplog.text


def test_out_of_memory__for_one_sample_ends_the_search():
    samples, codebook = KINDS["ordinary"](5, 7, 4)
    with pytest.raises(OutOfMemoryError):
        nearest_on_device(Scarce(0), samples, known_of(codebook), 1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_sums_are_those_of_the_processor(random, weighted, dtype):
    samples = (random.random((20_000, 5)) * 200).astype(dtype)
    codebook = samples[random.integers(len(samples), size=1500)].astype(float)
    weights = random.random(len(samples)) if weighted else None
    first, second = two_nearest_units(samples, codebook)
    expected = gather(Samples(samples, weights, None), codebook, first, second)
    found = gather_on_device(np, samples, weights, codebook, first, second)
    for name in ("sums", "counts", "hits", "squared_errors", "distance", "utilities"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, atol=1e-7)
    again = gather_on_device(np, samples, weights, codebook, first, second)
    assert again.sums.tobytes() == found.sums.tobytes()


def test_a_map_on_a_device__is_that_of_the_processor(random, monkeypatch):
    samples = random.normal(size=(3000, 6))
    expected = BatchSOM(5, 6, epochs=6, device="cpu").fit(samples)
    monkeypatch.setattr(device, "_cuda", lambda: (np, ""))
    som = BatchSOM(5, 6, epochs=6, device="cuda").fit(samples)
    np.testing.assert_allclose(som.weights_, expected.weights_, rtol=1e-9)
    np.testing.assert_array_equal(som.predict(samples), expected.predict(samples))
    assert som.codebook_.about["parameters"]["device"] == "auto"


def test_cuda__without_a_package_or_a_driver_is_refused_in_words(monkeypatch):
    samples, codebook = KINDS["ordinary"](5, 7, 4)
    search = Search(device="cuda")
    monkeypatch.setattr(device, "_cuda", lambda: (None, "CuPy is not installed (pip install 'dasksom[cuda]')"))
    with pytest.raises(ValueError, match=r"device: 'cuda' cannot be used: CuPy is not installed .* use cpu, or auto"):
        search.best(Samples(samples, None, None), codebook)
    assert Search(device="auto").best(Samples(samples, None, None), codebook).size == 5
    monkeypatch.undo()
    device._cuda.cache_clear()
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    assert device._cuda()[1].startswith("CuPy is not installed")
    device._cuda.cache_clear()


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (lambda: 0, "no GPU"),
        (lambda: (_ for _ in ()).throw(RuntimeError("cudaErrorNoDevice: none\nmore")), "no working driver"),
    ],
)
def test_cuda__a_package_without_a_device(monkeypatch, count, problem):
    runtime = SimpleNamespace(getDeviceCount=count)
    fake = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(device, "find_spec", lambda name: True)
    monkeypatch.setattr(device, "import_module", lambda name: fake)
    device._cuda.cache_clear()
    module, words = device._cuda()
    device._cuda.cache_clear()
    assert module is None
    assert problem in words
    assert "more" not in words
