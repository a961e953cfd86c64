import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM, InputError
from dasksom.training import subsampling as sampling
from dasksom.training.subsampling import sample_image


def test_sample_image__whatever_the_chunks(photograph):
    found = [
        sample_image(da.from_array(photograph, chunks=chunks), None, 0.02, seed=3)[0].compute()
        for chunks in ((400, 600, 3), (37, 80, 3))
    ]
    assert np.array_equal(*found)
    pixels = {tuple(pixel) for pixel in photograph.reshape(-1, 3).tolist()}
    assert all(tuple(pixel) in pixels for pixel in found[0].tolist())
    assert abs(len(found[0]) - 4800) < 300
    other = sample_image(da.from_array(photograph), None, 0.02, seed=4)[0].compute()
    assert not np.array_equal(found[0][:100], other[:100])


def test_sample_image__all_of_them_in_another_order():
    data = np.arange(60.0).reshape(5, 6, 2)
    taken, _ = sample_image(da.from_array(data, chunks=(2, 4, 2)), None, 1.0)
    assert sorted(map(tuple, taken.compute().tolist())) == list(map(tuple, data.reshape(-1, 2).tolist()))


def test_sample_image__weights_and_masks_go_along():
    data = np.arange(1000.0).reshape(1000, 1)
    image = da.from_array(data, chunks=(90, 1))
    taken, weights = sample_image(image, da.from_array(data % 7, chunks=(90, 1)), 0.5)
    assert np.array_equal(weights.compute(), taken.compute() % 7)
    assert (weights.compute() > 0).all()
    taken, none = sample_image(image, da.from_array(data < 300, chunks=(90, 1)), 0.5)
    assert none is None
    assert taken.compute().max() < 300


def test_sample_image__refuses_what_would_not_fit_and_what_is_nothing(monkeypatch):
    image = da.zeros((1000, 1000, 3), chunks=500)
    with pytest.raises(InputError, match="none was taken"):
        sample_image(image[:2, :2].rechunk(), None, 1e-9)
    monkeypatch.setattr(sampling, "MOST_OF_MEMORY", 1e-9)
    with pytest.raises(InputError, match="smaller share"):
        sample_image(image, None, 0.5)


@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_fit__on_a_sample_is_near_the_fit_on_all_and_the_same_for_any_chunks(photograph, dtype):
    image = photograph.astype(dtype)
    whole = BatchSOM(4, 4, epochs=10).fit(image)
    maps = [
        BatchSOM(4, 4, epochs=10, sample=0.05).fit(da.from_array(image, chunks=chunks))
        for chunks in ((400, 600, 3), (50, 90, 3))
    ]
    assert maps[0].weights_.tobytes() == maps[1].weights_.tobytes()
    assert not np.array_equal(maps[0].weights_, whole.weights_)
    assert maps[0].quality_ is None  # that of the sample would not be true of the image
    assert maps[0].evaluate(image).mean_squared_error < 1.05 * whole.evaluate(image).mean_squared_error


@pytest.mark.parametrize("share", [0, -0.1, 1.01, True, "some", float("nan")])
def test_fit__refuses_what_is_no_share(patch, share):
    with pytest.raises(InputError, match="'sample' parameter of BatchSOM must be a number above 0, up to 1"):
        BatchSOM(2, 2, sample=share).fit(patch)
