import dask.array as da
import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.som.bmu.search import Search
from dasksom.som.lattice import Lattice
from dasksom.som.neighborhood import Neighborhood
from dasksom.training.streaming import Stream


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_passes_say_where_a_pixel_is_not_finite(value, name):
    data = np.zeros((40, 30, 3))
    data[33, 21, 2] = value
    stream = Stream(da.from_array(data, chunks=(10, 10, 3)))
    with pytest.raises(InputError, match=rf"{name} at pixel \(33, 21\), band 2"):
        stream.batch_sums(np.eye(6, 3), Neighborhood(Lattice(2, 3), "gaussian", 1.0))


def test_moments__whatever_the_chunks():
    data = np.random.default_rng(0).normal(5, 2, (60, 50, 4))
    for chunks in ((60, 50, 4), (7, 50, 4), (11, 13, 4)):
        found = Stream(da.from_array(data, chunks=chunks)).moments()
        assert found.count == 3000
        assert np.allclose(found.mean, data.mean(axis=(0, 1)), rtol=1e-12)
        assert np.allclose(found.scatter / 3000, np.cov(data.reshape(-1, 4).T, bias=True), rtol=1e-10)


@pytest.mark.parametrize("shape", [(60, 50, 3), (3000, 3), (10, 6, 50, 3)])
def test_draw__takes_pixels_by_position_whatever_the_chunks(shape):
    data = np.random.default_rng(0).random(shape)
    found = [
        Stream(da.from_array(data, chunks=chunks)).draw(20, seed=9) for chunks in (shape, (*(7,) * (len(shape) - 1), 3))
    ]
    assert np.array_equal(found[0], found[1])
    assert len(np.unique(found[0], axis=0)) == 20
    flat = {tuple(row) for row in data.reshape(-1, 3).tolist()}
    assert all(tuple(row) in flat for row in found[0].tolist())
    assert not np.array_equal(found[0], Stream(da.from_array(data)).draw(20, seed=10))


def test_draw__is_fair():
    data = np.arange(4000.0).reshape(40, 100, 1)
    drawn = np.concatenate([Stream(da.from_array(data)).draw(50, seed) for seed in range(40)])
    assert abs(drawn.mean() - 2000) < 4 * 1155 / 2000**0.5
    assert abs(drawn.std() - 1155) < 60


def test_draw__repeats_samples_where_they_are_too_few():
    mask = da.from_array(np.arange(10).reshape(10, 1) < 2)
    drawn = Stream(da.from_array(np.arange(10.0).reshape(10, 1)), mask).draw(5, 0)
    assert set(drawn[:, 0]) == {0.0, 1.0}


def test_quality__counts_samples_whose_two_best_units_are_no_neighbors():
    codebook = np.array([[0.0], [10.0], [1.0]])  # the best two of 0.4 are the first and the last unit of a row
    data = da.from_array(np.array([[0.4], [0.1], [9.0]]))
    quality = Stream(data, search=Search(precision="float64")).quality(codebook, Lattice(1, 3))
    assert quality.topographic_error == pytest.approx(2 / 3)
    assert quality.quantization_error == pytest.approx((0.4 + 0.1 + 1) / 3)
    assert quality.explained_variance == pytest.approx(1 - (0.16 + 0.01 + 1) / (3 * np.var([0.4, 0.1, 9.0])))
    assert quality.hits.tolist() == [2, 1, 0]
