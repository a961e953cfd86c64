import dask.array as da
import numpy as np
import pytest

from dasksom.errors import InputError
from dasksom.quantization import labels_of, quantize_into, rebuild


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
    quality = quantize_into(image, codebook, sink, measured=measured)
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
    quantize_into(image, codebook, sink)
    assert np.array_equal(_assembled(sink, (400, 600)), labels_of(image, codebook).compute(scheduler="sync"))


@pytest.mark.parametrize(("units", "dtype"), [(2, "u1"), (256, "u1"), (257, "u2")])
def test_labels_of__smallest_type(photograph, units, dtype):
    labels = labels_of(da.from_array(photograph), np.random.default_rng(0).uniform(0, 255, (units, 3)))
    assert labels.dtype == dtype
    assert labels.compute().dtype == dtype


def test_rebuild__takes_palette_colors():
    labels = da.from_array(np.array([[0, 2], [1, 1]], np.uint8), chunks=1)
    palette = np.array([[1, 2], [3, 4], [5, 6]], np.uint16)
    rebuilt = rebuild(labels, palette)
    assert rebuilt.dtype == np.uint16
    assert rebuilt.compute().tolist() == [[[1, 2], [5, 6]], [[3, 4], [3, 4]]]


@pytest.mark.parametrize("chunks", [(10, 12, 3), ((7, 20, 13), (30,), (3,))])
def test_labels_of__say_where_a_pixel_is_not_finite(chunks):
    data = np.zeros((40, 30, 3))
    data[33, 21, 2] = np.nan
    with pytest.raises(InputError, match=r"nan at pixel \(33, 21\), band 2"):
        labels_of(da.from_array(data, chunks=chunks), np.zeros((2, 3))).compute()
