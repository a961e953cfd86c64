"""Blurred images, against `scipy.ndimage.gaussian_filter` of the complete image."""

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from scipy.ndimage import gaussian_filter

from dasksom import BatchSOM, Features, InputError, load
from dasksom.chunkwise.reduction_tree import window_of
from dasksom.cli.progress import ProgressDisplay
from dasksom.config import RunConfig
from dasksom.features.blurring import blur_image
from dasksom.image import open_picture
from dasksom.runs.dry_run import forecast
from dasksom.runs.input_image import compared_pixels
from dasksom.runs.workflows import quantize_image, train_model

SIGMA = 1.5
GRIDS = [(40, 50), (13, 20), (7, 50), (1, 9), ((5, 30, 5), (3, 3, 44))]


def scene(dtype="u2", shape=(40, 50, 3)):
    return (np.random.default_rng(5).gamma(2, 1, shape) * [3, 30, 90]).astype(dtype)


def reference(image, valid=None, sigma=SIGMA):
    dtype = np.result_type(image.dtype, np.float32)
    if valid is None:
        return gaussian_filter(image, (sigma, sigma, 0), output=dtype)
    known = valid[..., None] & ~np.isnan(image)
    sums = gaussian_filter(np.where(known, image, 0).astype(np.float64), (sigma, sigma, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, sums / gaussian_filter(known.astype(np.float64), (sigma, sigma, 0)), image)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
def test_a_blur__has_the_bits_of_scipy_for_any_chunks(dtype):
    image = scene(dtype)
    for grid in GRIDS:
        lazy = blur_image(da.from_array(image, chunks=(*grid, -1)), None, SIGMA)
        found = lazy.compute(scheduler="sync")
        assert lazy.dtype == found.dtype == np.result_type(image.dtype, np.float32)
        np.testing.assert_array_equal(found, reference(image))
    tiny = image[:3, :2]
    np.testing.assert_array_equal(blur_image(da.from_array(tiny), None, 3).compute(), reference(tiny, sigma=3))


@pytest.mark.parametrize("dtype", ["u2", "f4", "f8"])
def test_pixels_without_data__have_no_share_in_the_blur_and_stay_as_they_are(dtype):
    image, valid = scene(dtype), np.ones((40, 50), bool)
    valid[10:14, 20:31] = valid[0, 0] = valid[39, 44:] = False
    image[~valid] = 60000
    if dtype != "u2":
        image[30, 5, 1] = image[~valid] = np.nan
    blurred = []
    for grid in GRIDS:
        lazy = da.from_array(image, chunks=(*grid, -1))
        weights = da.from_array(valid[..., None], chunks=(*grid, 1))
        blurred.append(blur_image(lazy, weights, SIGMA).compute(scheduler="sync"))
        np.testing.assert_array_equal(blurred[0], blurred[-1])
    np.testing.assert_allclose(blurred[0], reference(image, valid), rtol=1e-6)
    np.testing.assert_array_equal(blurred[0][~valid], image[~valid])
    apart = slice(20, 33), slice(12, 38)  # far from invalid pixels, the bits of scipy
    np.testing.assert_array_equal(blurred[0][apart], reference(np.nan_to_num(image))[apart])


@pytest.fixture
def tiled(tmp_path):
    """An image whose pixels of 0 have no data, in tiles of 16."""
    image = np.clip(scene(shape=(70, 90, 3)), 1, None).astype("u2")
    image[20:23, 30:50] = 0
    path = tmp_path / "image.tif"
    options = {"extratags": [(42113, 2, 0, "0", True)], "planarconfig": "contig", "photometric": "minisblack"}
    tifffile.imwrite(path, image, tile=(16, 16), **options)
    return path, image


def test_chunks_of_files__are_read_with_their_margins_in_one_task(tiled):
    path, image = tiled
    for size in (2 << 10, 5 << 10, 1 << 20):
        picture = open_picture(path, chunk_bytes=size)
        pixels, mask = compared_pixels(picture, SIGMA)
        np.testing.assert_array_equal(mask.compute(), image.any(axis=2))
        np.testing.assert_allclose(pixels.compute(), reference(image, image.any(axis=2)), rtol=1e-6)
        chosen, _ = compared_pixels(picture.of_bands([2, 0]), SIGMA)
        np.testing.assert_array_equal(chosen.compute(), pixels.compute()[..., [2, 0]])
        leaves = da.map_blocks(np.sum, pixels, mask[..., None], dtype=object, meta=np.empty((0, 0, 0), object))
        root = window_of(leaves, range(leaves.npartitions), sum, 1).root
        assert len(root.dask) <= 1.1 * pixels.npartitions + 1


@pytest.mark.parametrize("scale", ["none", "percentile:99"])
def test_a_map_that_blurs__is_the_map_of_the_blurred_image(scale, tmp_path):
    image = scene()
    lazy, plain = da.from_array(image, chunks=(13, 20, -1)), da.from_array(reference(image), chunks=(13, 20, -1))
    settings = {"epochs": 3, "random_state": 1, "scale": scale}
    som = BatchSOM(3, 3, features=Features(blur=SIGMA), **settings).fit(lazy)
    expected = BatchSOM(3, 3, **settings).fit(plain)
    np.testing.assert_allclose(som.weights_, expected.weights_, rtol=1e-6)
    labels = som.predict(lazy).compute()
    np.testing.assert_array_equal(labels, expected.predict(plain).compute())
    assert (som.dtype_, som.blur, som.quantize(image).dtype) == ("uint16", SIGMA, np.uint16)
    assert som.evaluate(image).hits.sum() == labels.size
    som.save(tmp_path / "map.npz")
    other = load(tmp_path / "map.npz")
    np.testing.assert_array_equal(other.predict(image), labels)
    np.testing.assert_array_equal(other.partial_fit(image).features_.blur, SIGMA)


def test_a_model_that_blurs__labels_files_as_arrays(tiled, tmp_path):
    path, image = tiled
    config = {"map": {"preset": "pixie", "grid": [3, 3], "epochs": 2}, "cluster": {"name": "threads"}}
    config["input"] = {"chunk_size": "5KiB"}
    model, out, applied = (str(tmp_path / name) for name in ("map.npz", "out.zarr", "applied.zarr"))
    given = RunConfig.model_validate(config)
    assert (given.map.blur, given.map.row_sum, given.map.scale) == (2.0, "positive:99", "positive:99.9")
    train_model([str(path)], model, given, ProgressDisplay())
    quantize_image(str(path), out, given, ProgressDisplay())
    config["input"]["chunk_size"] = "1MiB"
    quantize_image(str(path), applied, RunConfig.model_validate(config), ProgressDisplay(), model=model)
    labels = load(model).predict(image, mask=image.any(axis=2))
    for written in (out, applied):
        stored = zarr.open_group(written, mode="r")["labels"][:].astype(int)
        np.testing.assert_array_equal(np.where(image.any(axis=2), stored - 1, -1), labels)
    assert zarr.open_group(out, mode="r")["image"].dtype == "u2"


def test_pixels_without_a_feature__have_no_label_in_files(tmp_path):
    image = scene()
    image[:5] = 0
    tifffile.imwrite(tmp_path / "image.tif", image, planarconfig="contig", photometric="minisblack")
    config = {"map": {"grid": [2, 2], "epochs": 1, "row_sum": "raw"}, "cluster": {"name": "threads"}}
    out, given = str(tmp_path / "out.zarr"), RunConfig.model_validate(config)
    forecast(str(tmp_path / "image.tif"), out, given)
    quantize_image(str(tmp_path / "image.tif"), out, given, ProgressDisplay())
    labels = zarr.open_group(out, mode="r")["labels"][:]
    assert not labels[:5].any()
    assert labels[5:].all()


def test_a_plan__has_the_memory_of_the_margins(tiled):
    def planned(**features):
        config = RunConfig.model_validate({"map": {"grid": [3, 3], **features}, "cluster": {"name": "threads"}})
        return forecast(str(tiled[0]), "out.zarr", config, probed=False).plan.worker_bytes

    assert planned(blur=20.0) > planned(blur=1.0) > planned(scale="standard")


def test_blurs_that_cannot_be_made():
    for sigma in (0, -1, 51, "2", True, float("nan")):
        with pytest.raises(InputError, match="a number above 0, up to 50"):
            Features(blur=sigma)
    with pytest.raises(InputError, match=r"shape \(rows, columns, bands\)"):
        BatchSOM(2, 2, features=Features(blur=2)).fit(np.ones((30, 3)))
    som = BatchSOM(2, 2, epochs=1, features=Features(blur=2)).fit(scene())
    with pytest.raises(InputError, match="dither"):
        som.predict(scene("u1"), dither="bayer")
