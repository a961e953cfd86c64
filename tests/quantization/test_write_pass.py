import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from dasksom import BatchSOM
from dasksom.image import Options, Output, create_writer
from dasksom.quantization.labels import Labeling, labels_of
from dasksom.quantization.write_pass import quantize_into


class Gather:
    """A writer that collects everything."""

    keeps_chunks = False

    def __init__(self):
        self.found = []

    def encode(self, labels, corner):
        return labels.copy()

    def collect(self, encoded, run):
        self.found = list(encoded)


def _assembled(writer, shape):
    out = np.full(shape, -1)
    for (y, x), (height, width), labels in writer.found:
        assert (out[y : y + height, x : x + width] == -1).all()
        out[y : y + height, x : x + width] = labels
    return out


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("measured", [True, False])
def test_quantize_into__labels_and_quality(photograph, dtype, measured):
    data = photograph.astype(dtype)
    image = da.from_array(data, chunks=(90, 170, 3))
    codebook = np.random.default_rng(0).uniform(0, 255, (40, 3))
    writer = Gather()
    quality, _ = quantize_into(image, Labeling(codebook), writer, measured=measured)
    labels = _assembled(writer, (400, 600))
    distances = ((data[::9, ::9, None].astype(float) - codebook) ** 2).sum(-1)
    assert np.array_equal(labels[::9, ::9], distances.argmin(-1))
    corners = [corner for corner, _, _ in writer.found]
    assert corners == sorted(corners)
    if measured:
        away = ((data.reshape(-1, 3) - codebook[labels.reshape(-1)]) ** 2).sum(axis=1)
        assert quality.mean_squared_error == pytest.approx(away.mean())
        assert quality.hits.tolist() == np.bincount(labels.reshape(-1), minlength=40).tolist()
    else:
        assert quality is None


@pytest.mark.parametrize("space", ["rgb", "lab"])
@pytest.mark.parametrize("weighted", ["none", "masked", "real"])
@pytest.mark.parametrize("dither", ["none", "bayer"])
def test_quantize_into__measures_the_same_through_the_table(photograph, space, weighted, dither, monkeypatch):
    image = da.from_array(photograph, chunks=(150, 600, 3))
    random = np.random.default_rng(0)
    weights = {"none": None, "masked": random.random((400, 600, 1)) < 0.4, "real": random.random((400, 600, 1))}[
        weighted
    ]
    if weights is not None:
        weights = da.from_array(weights, chunks=(150, 600, 1))
    som = BatchSOM(5, 5, epochs=2, color_space=space).fit(photograph)
    labeling = som.labeling_for(np.dtype("u1")).dithering(dither, image)
    found = []
    for pixels in (0, 1 << 30):
        monkeypatch.setattr("dasksom.quantization.labels.TABLE_PIXELS", pixels)
        found.append((quantize_into(image, labeling, writer := Gather(), weights=weights)[0], writer))
    (one, labels), (other, expected) = found
    assert np.array_equal(_assembled(labels, (400, 600)), _assembled(expected, (400, 600)))
    for name in ("hits", "squared_errors", "distance", "counts", "offsets", "squared_offset"):
        assert np.allclose(getattr(one, name), getattr(other, name)), name


def test_quantize_into__on_a_cluster(photograph, client):
    image = da.from_array(photograph, chunks=(100, 100, 3))
    codebook = np.random.default_rng(0).uniform(0, 255, (300, 3))
    writer = Gather()
    quantize_into(image, Labeling(codebook), writer)
    assert np.array_equal(
        _assembled(writer, (400, 600)), labels_of(image, Labeling(codebook)).compute(scheduler="sync")
    )


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("chunks", [(17, 23), (48, 60), (8, 64)])
@pytest.mark.parametrize("dither", ["none", "bayer"])
def test_dither__the_same_labels_for_any_chunks(photograph, dtype, chunks, dither):
    image = photograph[:150, :201].astype(dtype)
    som = BatchSOM(4, 4, epochs=3).fit(image)
    expected = som.predict(image, dither=dither)
    lazy = da.from_array(image, chunks=(*chunks, 3))
    assert np.array_equal(som.predict(lazy, dither=dither).compute(), expected)
    assert np.array_equal(som.quantize(lazy, dither=dither).compute(), som.codebook_.palette(image.dtype)[expected])
    writer = Gather()
    quantize_into(lazy, som.labeling_for(image.dtype).dithering(dither, lazy), writer)
    assert np.array_equal(_assembled(writer, image.shape[:2]), expected)


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.tif"])
def test_quantize_into__pyramids_on_a_cluster(photograph, client, tmp_path, name):
    image = da.from_array(photograph, chunks=(128, 128, 3))  # levels that no chunk makes alone
    som = BatchSOM(4, 4, epochs=2).fit(photograph)
    expected = som.predict(photograph)
    writer = create_writer(
        Output(
            tmp_path / name,
            height=400,
            width=600,
            chunks=(128, 128),
            palette=som.codebook_.palette(image.dtype),
            metadata={},
            options=Options(chunk=64),
        )
    )
    quantize_into(image, som.labeling_for(image.dtype), writer)
    for level in range(4):
        step = 2**level
        if name.endswith(".tif"):
            found = tifffile.imread(tmp_path / name, level=level)
        else:
            found = zarr.open_array(tmp_path / name, path=f"labels/som/{level}", mode="r")[...] - 1
        assert np.array_equal(found, expected[::step, ::step])
    assert {one.name for one in tmp_path.iterdir()} <= {name, f"{name}.parts"}
