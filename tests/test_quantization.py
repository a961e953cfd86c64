import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

from dasksom import BatchSOM, quantization
from dasksom.errors import InputError
from dasksom.image import Options, create_writer
from dasksom.quantization import Labeling, labels_of, quantize_into, rebuild


class Gather:
    """A sink that keeps everything."""

    keeps_chunks = False

    def __init__(self):
        self.found = []

    def encode(self, labels, corner):
        return labels.copy()

    def collect(self, encoded, run):
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
        monkeypatch.setattr(quantization, "TABLE_PIXELS", pixels)
        found.append((quantize_into(image, labeling, sink := Gather(), weights=weights), sink))
    (one, labels), (other, expected) = found
    assert np.array_equal(_assembled(labels, (400, 600)), _assembled(expected, (400, 600)))
    for name in ("hits", "squared_errors", "distance", "counts", "offsets", "squared_offset"):
        assert np.allclose(getattr(one, name), getattr(other, name)), name


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


# ------------------------------------------------------------------------------------------------------------ dithering


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
    sink = Gather()
    quantize_into(lazy, som.labeling_for(image.dtype).dithering(dither, lazy), sink)
    assert np.array_equal(_assembled(sink, image.shape[:2]), expected)


def test_dither__through_the_table_and_without_it(photograph, monkeypatch):
    som = BatchSOM(4, 4, epochs=3).fit(photograph)
    slow = som.predict(photograph, dither="bayer")
    monkeypatch.setattr(quantization, "TABLE_PIXELS", 0)
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


# ------------------------------------------------------------------------------------------------------------ pyramids


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.tif"])
def test_quantize_into__pyramids_on_a_cluster(photograph, client, tmp_path, name):
    image = da.from_array(photograph, chunks=(128, 128, 3))  # levels that no chunk makes alone
    som = BatchSOM(4, 4, epochs=2).fit(photograph)
    expected = som.predict(photograph)
    writer = create_writer(
        tmp_path / name,
        height=400,
        width=600,
        chunks=(128, 128),
        palette=som.codebook_.palette(image.dtype),
        metadata={},
        options=Options(chunk=64),
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
