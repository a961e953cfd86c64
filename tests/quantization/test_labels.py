import dask.array as da
import numpy as np
import pytest

from dasksom import BatchSOM
from dasksom.errors import InputError
from dasksom.quantization import labels as labeling
from dasksom.quantization.labels import Labeling, labels_of, rebuild


@pytest.mark.parametrize("units", [2, 128, 256, 40000])
def test_labels_of__can_be_calculated_with(photograph, units):
    labels = labels_of(da.from_array(photograph[:9]), Labeling(np.random.default_rng(0).uniform(0, 255, (units, 3))))
    assert labels.dtype == labels.compute().dtype == np.int32


def test_rebuild__takes_palette_colors_and_leaves_what_does_not_count():
    image = da.from_array(np.array([[[0, 0], [7, 7]], [[3, 3], [4, 4]]], np.uint16), chunks=(1, 1, 2))
    palette = np.array([[1, 2], [3, 4], [5, 6]], np.uint16)
    rebuilt = rebuild(image, Labeling(palette.astype(float)), palette)
    assert rebuilt.dtype == np.uint16
    assert rebuilt.compute().tolist() == [[[1, 2], [5, 6]], [[3, 4], [3, 4]]]
    mask = da.from_array(np.array([[True, False], [True, True]])[..., None], chunks=(1, 1, 1))
    assert rebuild(image, Labeling(palette.astype(float)), palette, mask).compute()[0, 1].tolist() == [7, 7]


@pytest.mark.parametrize("chunks", [(10, 12, 3), ((7, 20, 13), (30,), (3,))])
def test_labels_of__say_where_a_pixel_is_not_finite(chunks):
    data = np.zeros((40, 30, 3))
    data[33, 21, 2] = np.nan
    with pytest.raises(InputError, match=r"NaN at pixel \(33, 21\), band 2"):
        labels_of(da.from_array(data, chunks=chunks), Labeling(np.zeros((2, 3)))).compute()


def test_dither__through_the_table_and_without_it(photograph, monkeypatch):
    som = BatchSOM(4, 4, epochs=3).fit(photograph)
    slow = som.predict(photograph, dither="bayer")
    monkeypatch.setattr(labeling, "TABLE_PIXELS", 0)
    assert np.array_equal(som.predict(photograph, dither="bayer"), slow)


def test_dither__means_are_closer_and_pixels_farther(photograph):
    som = BatchSOM(4, 4, epochs=10).fit(photograph)

    def blurred(image):
        return image[:400, :600].reshape(50, 8, 75, 8, 3).mean(axis=(1, 3))

    plain, spread = som.quantize(photograph), som.quantize(photograph, dither="bayer")
    near, far = (((blurred(one) - blurred(photograph)) ** 2).mean() for one in (spread, plain))
    assert near < 0.9 * far
    assert len(np.unique(spread.reshape(-1, 3), axis=0)) <= 16
    errors = [((one.astype(float) - photograph) ** 2).mean() for one in (plain, spread)]
    assert errors[0] < errors[1] < 2 * errors[0]


def test_dither__of_pixels_that_do_not_count(photograph):
    image = photograph.astype(np.float32)
    image[10:20, 10:20] = np.nan
    som = BatchSOM(2, 2, epochs=2).fit(image)
    labels = som.predict(image, dither="bayer")
    assert (labels[10:20, 10:20] == -1).all()
    image[10:20, 10:20] = 0
    mask = np.ones(image.shape[:2], bool)
    mask[10:20, 10:20] = False
    assert np.array_equal(som.predict(image, dither="bayer", mask=mask), labels)


def test_dither__refused(photograph):
    som = BatchSOM(2, 2, epochs=2).fit(np.zeros((9, 9, 4), np.uint8))
    with pytest.raises(InputError, match=r"gray or of three colors .* \(9, 9, 4\)"):
        som.predict(np.zeros((9, 9, 4), np.uint8), dither="bayer")
    with pytest.raises(InputError, match="dither: 'floyd' is not one of none, bayer"):
        som.predict(np.zeros((9, 9, 4), np.uint8), dither="floyd")
