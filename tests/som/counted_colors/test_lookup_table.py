import numpy as np
import pytest

from dasksom.som.bmu.search import Search
from dasksom.som.counted_colors import lookup_table as color_labels
from dasksom.som.counted_colors.lookup_table import look_up_labels
from dasksom.som.samples import Samples


@pytest.fixture
def pixels(photograph):
    return np.ascontiguousarray(photograph[::7, ::5].reshape(-1, 3))


@pytest.mark.parametrize("units", [1, 2, 256, 257])
def test_look_up_labels__equals_brute_force(pixels, units):
    codebook = np.random.default_rng(units).uniform(0, 255, (units, 3))
    labels = look_up_labels(pixels, codebook, Search())
    assert labels.dtype == (np.uint8 if units <= 256 else np.uint16)
    assert np.array_equal(labels, ((pixels[:, None].astype(float) - codebook) ** 2).sum(axis=2).argmin(axis=1))


@pytest.mark.parametrize(("metric", "space", "bands"), [("manhattan", "rgb", 2), ("cosine", "rgb", 1)])
def test_look_up_labels__of_any_search_are_those_of_its_samples(pixels, metric, space, bands):
    search = Search(metric, "float64", color_space=space)
    some = np.ascontiguousarray(pixels[:, :bands])
    codebook = np.random.default_rng(0).uniform(0, 255, (20, bands))
    expected = search.best(search.convert(Samples(some, None, None), some.dtype), codebook)
    assert np.array_equal(look_up_labels(some, codebook, search), expected)


def test_look_up_labels__in_a_color_space(pixels):
    search = Search(precision="float64", color_space="lab")
    drawn = Samples(pixels[::97][:5], None, None)
    codebook = search.convert(drawn, pixels.dtype).values
    labels = look_up_labels(pixels, codebook, search)
    expected = search.best(search.convert(Samples(pixels, None, None), pixels.dtype), codebook)
    assert np.array_equal(labels, expected)
    assert color_labels.by_cells(Search())
    assert not color_labels.by_cells(search)


def test_look_up_labels__knows_colors_of_earlier_chunks_and_meets_new_ones(pixels, monkeypatch):
    monkeypatch.setattr(color_labels, "_BLOCK", 1000)
    search = Search("manhattan", "float64")
    codebook = np.random.default_rng(1).uniform(0, 255, (300, 3))
    expected = search.best(Samples(pixels, None, None), codebook)
    for end in (1, 500, 500, 2500, len(pixels)):
        assert np.array_equal(look_up_labels(pixels[:end], codebook, search), expected[:end])


def test_look_up_labels__after_a_search_that_failed(pixels, monkeypatch):
    search = Search("chebyshev", "float64")
    codebook = np.random.default_rng(2).uniform(0, 255, (30, 3))
    with monkeypatch.context() as failing:
        failing.setattr(Search, "best", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look_up_labels(pixels, codebook, search)
    expected = search.best(Samples(pixels, None, None), codebook)
    assert np.array_equal(look_up_labels(pixels, codebook, search), expected)
