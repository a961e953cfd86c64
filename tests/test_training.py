import dask.array as da
import numpy as np
import pytest

from dasksom.color_table import count_image
from dasksom.errors import InputError
from dasksom.som.lattice import Lattice
from dasksom.training import image_moments, sample_codebook, stream_sums, train
from tests import reference

SIGMAS = (1.5, 0.7, 0.3, 0.0)


@pytest.fixture
def start():
    return np.random.default_rng(5).uniform(0, 255, (6, 3))


def test_train__both_ways_equal_the_reference(patch, start):
    lattice = Lattice(2, 3)
    small = np.ascontiguousarray(patch[:20, :20])
    expected = reference.train(small.reshape(-1, 3).tolist(), start.tolist(), Lattice(2, 3), SIGMAS)
    image = da.from_array(small, chunks=(7, 8, 3))
    counted, _ = train(start, lattice, SIGMAS, count_image(image).batch_sums)
    streamed, _ = train(start, lattice, SIGMAS, stream_sums(image))
    assert np.allclose(counted, expected, rtol=1e-11)
    assert np.allclose(streamed, expected, rtol=1e-11)


@pytest.mark.parametrize(("dtype", "bands"), [("f4", 4), ("f8", 2), ("u2", 3), ("i2", 7), ("f2", 1), (">f4", 5)])
def test_train__streams_every_real_type(dtype, bands):
    image = np.random.default_rng(0).uniform(0, 100, (12, 15, bands)).astype(dtype)
    codebook = np.random.default_rng(1).uniform(0, 100, (4, bands))
    expected = reference.train(
        image.reshape(-1, bands).astype(float).tolist(), codebook.tolist(), Lattice(2, 2), SIGMAS
    )
    got, _ = train(codebook, Lattice(2, 2), SIGMAS, stream_sums(da.from_array(image, chunks=(5, 5, bands))))
    assert np.allclose(got, expected, rtol=1e-10)


def test_train__history_tells_what_was_seen(patch, start):
    table = count_image(da.from_array(patch))
    seen = []
    _, history = train(start, Lattice(2, 3), SIGMAS, table.batch_sums, on_epoch=seen.append)
    assert tuple(seen) == history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4]
    assert [epoch.sigma for epoch in history] == list(SIGMAS)
    assert history[0].mean_squared_error == pytest.approx(table.quality(start).mean_squared_error)
    assert history[-1].mean_squared_error < history[0].mean_squared_error


def test_stream_sums__bits_do_not_depend_on_the_scheduler(patch, start, client):
    image = da.from_array(patch.astype(np.float32) / 7, chunks=(5, 7, 3))
    lattice = Lattice(2, 3)
    on_cluster, _ = train(start, lattice, SIGMAS, stream_sums(image))
    import dask

    for options in ({"scheduler": "sync"}, {"scheduler": "threads", "num_workers": 4}):
        with dask.config.set(**options):
            here, _ = train(start, lattice, SIGMAS, stream_sums(image))
        assert here.tobytes() == on_cluster.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_stream_sums__say_where_a_pixel_is_not_finite(start, value):
    data = np.zeros((40, 30, 3))
    data[33, 21, 2] = value
    with pytest.raises(InputError, match=r"pixel \(33, 21\), band 2"):
        stream_sums(da.from_array(data, chunks=(10, 10, 3)))(start, None)


def test_image_moments__whatever_the_chunks():
    data = np.random.default_rng(0).normal(5, 2, (60, 50, 4))
    for chunks in ((60, 50, 4), (7, 50, 4), (11, 13, 4)):
        found = image_moments(da.from_array(data, chunks=chunks))
        assert found.count == 3000
        assert np.allclose(found.mean, data.mean(axis=(0, 1)), rtol=1e-12)
        assert np.allclose(found.scatter / 3000, np.cov(data.reshape(-1, 4).T, bias=True), rtol=1e-10)


@pytest.mark.parametrize("shape", [(60, 50, 3), (3000, 3), (10, 6, 50, 3)])
def test_sample_codebook__takes_pixels_by_position_whatever_the_chunks(shape):
    data = np.random.default_rng(0).random(shape)
    found = [
        sample_codebook(da.from_array(data, chunks=chunks), 20, seed=9)
        for chunks in (shape, (*(7,) * (len(shape) - 1), 3))
    ]
    assert np.array_equal(found[0], found[1])
    flat = {tuple(row) for row in data.reshape(-1, 3).tolist()}
    assert all(tuple(row) in flat for row in found[0].tolist())
    assert not np.array_equal(found[0], sample_codebook(da.from_array(data), 20, seed=10))
