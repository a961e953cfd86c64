import dask.array as da
import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.quantization import Labeling, labels_of, quantize_into, rebuild


class Gather:
    """A sink that keeps everything."""

    def __init__(self):
        self.found = []

    def encode(self, labels, corner):
        return labels.copy()

    def collect(self, encoded):
        self.found = list(encoded)


def _assembled(sink, shape):
    out = np.full(shape, -1)
    for (y, x), (height, width), labels in sink.found:
        assert (out[y : y + height, x : x + width] == -1).all()
        out[y : y + height, x : x + width] = labels
    return out


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("measured", [True, False])
def test_quantize_into__labels_and_quality(photograph, dtype, measured):
    data = photograph.astype(dtype)
    image = da.from_array(data, chunks=(90, 170, 3))
    codebook = np.random.default_rng(0).uniform(0, 255, (40, 3))
    sink = Gather()
    quality = quantize_into(image, Labeling(codebook), sink, measured=measured)
    labels = _assembled(sink, (400, 600))
    distances = ((data[::9, ::9, None].astype(float) - codebook) ** 2).sum(-1)
    assert np.array_equal(labels[::9, ::9], distances.argmin(-1))
    corners = [corner for corner, _, _ in sink.found]
    assert corners == sorted(corners)
    if measured:
        away = ((data.reshape(-1, 3) - codebook[labels.reshape(-1)]) ** 2).sum(axis=1)
        assert quality.mean_squared_error == pytest.approx(away.mean())
        assert quality.hits.tolist() == np.bincount(labels.reshape(-1), minlength=40).tolist()
    else:
        assert quality is None


def test_quantize_into__on_a_cluster(photograph, client):
    image = da.from_array(photograph, chunks=(100, 100, 3))
    codebook = np.random.default_rng(0).uniform(0, 255, (300, 3))
    sink = Gather()
    quantize_into(image, Labeling(codebook), sink)
    assert np.array_equal(_assembled(sink, (400, 600)), labels_of(image, Labeling(codebook)).compute(scheduler="sync"))


@pytest.mark.parametrize(("units", "dtype"), [(2, "i1"), (128, "i1"), (256, "i2"), (40000, "i4")])
def test_labels_of__smallest_type(photograph, units, dtype):
    labels = labels_of(da.from_array(photograph[:9]), Labeling(np.random.default_rng(0).uniform(0, 255, (units, 3))))
    assert labels.dtype == dtype
    assert labels.compute().dtype == dtype


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
