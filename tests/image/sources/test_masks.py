import warnings

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from dasksom import BatchSOM, InputError, open_image, open_picture
from dasksom.training.input_arrays import as_weights


@pytest.fixture
def pixels(random):
    return random.integers(1, 256, (120, 90, 3), np.uint8)


@pytest.fixture
def keep(random):
    return random.random((120, 90)) > 0.4


def _save(path, array):
    """Save as a photograph, or as a chunked Zarr array."""
    if path.suffix == ".zarr":
        zarr.create_array(path, data=array, chunks=(40, 40, array.shape[2]))
    else:
        Image.fromarray(array).save(path)
    return path


def test_alpha__transparent_pixels_do_not_count(tmp_path, pixels, keep):
    alpha = np.where(keep, random_opacity(keep), 0).astype(np.uint8)
    path = _save(tmp_path / "a.png", np.tile(np.dstack([pixels, alpha]), (3, 4, 1)))
    found = open_picture(path, chunk_bytes=4000)
    assert found.pixels.npartitions > 2
    pixels, keep = np.tile(pixels, (3, 4, 1)), np.tile(keep, (3, 4))
    assert found.mask.chunks == found.pixels.chunks[:2]
    assert np.array_equal(found.pixels.compute(), pixels)
    assert np.array_equal(found.mask.compute(), keep)
    assert found.about["mask"] == "alpha"


def random_opacity(keep):
    return 1 + np.arange(keep.size).reshape(keep.shape) % 255


@pytest.mark.parametrize("mode", ["LA", "P"])
def test_alpha__of_gray_and_palettes(tmp_path, pixels, mode):
    image = Image.fromarray(pixels).convert("L").convert("LA") if mode == "LA" else Image.fromarray(pixels).quantize(16)
    if mode == "LA":
        image.putalpha(Image.fromarray(pixels[..., 0] // 128 * 255))
        image.save(tmp_path / "a.png")
        expected, bands = pixels[..., 0] >= 128, 1
    else:
        image.save(tmp_path / "a.png", transparency=3)
        expected, bands = np.asarray(image) != 3, 3
    found = open_picture(tmp_path / "a.png")
    assert found.pixels.shape == (120, 90, bands)
    assert np.array_equal(found.mask.compute(), expected)


@pytest.mark.parametrize(("alpha", "bands", "masked"), [("mask", 3, True), ("drop", 3, False), ("band", 4, False)])
def test_alpha__as_asked_where_nothing_declares_it(tmp_path, pixels, keep, alpha, bands, masked):
    stored = np.dstack([pixels, keep.astype(np.uint8)])
    zarr.create_array(tmp_path / "a.zarr", data=stored)
    assert open_picture(tmp_path / "a.zarr").pixels.shape[2] == 4
    found = open_picture(tmp_path / "a.zarr", alpha=alpha)
    assert np.array_equal(found.pixels.compute(), stored[..., :bands])
    assert (found.mask is not None) == masked
    if masked:
        assert np.array_equal(found.mask.compute(), keep)
    plain = zarr.create_array(tmp_path / "b.zarr", data=pixels)
    assert plain.shape == open_image(tmp_path / "b.zarr", alpha=alpha).shape  # there is none to settle
    with pytest.raises(InputError, match="one of mask, drop, band is accepted"):
        open_image(tmp_path / "a.zarr", alpha="keep")


def test_nodata__given_in_place_of_the_files(tmp_path, pixels):
    pixels[:20], pixels[20:30, :, 1] = 0, 0
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", extratags=[(42113, "s", 0, "0", True)], metadata=None
    )
    for given, expected in ((None, 20 * 90), (0, 20 * 90), ("none", 0), ("7", int((pixels == 7).all(axis=2).sum()))):
        found = open_picture(tmp_path / "a.tif", nodata=given)
        left_out = 0 if found.mask is None else int((~found.mask).sum().compute())
        assert left_out == expected, given
    for wrong in (-1, 300, 0.5, np.nan):
        with pytest.raises(InputError, match="an image of uint8 never holds it"):
            open_picture(tmp_path / "a.tif", nodata=wrong)
    with pytest.raises(InputError, match="a number, nan or none"):
        open_picture(tmp_path / "a.tif", nodata="black")


def test_nodata__of_floats_beside_nan(tmp_path, random):
    stored = random.random((40, 30, 2)).astype(np.float32)
    stored[3, 4, 1], stored[5, 6] = -9999, np.nan
    zarr.create_array(tmp_path / "a.zarr", data=stored)
    mask = open_picture(tmp_path / "a.zarr", nodata=-9999).mask.compute()
    assert sorted(map(tuple, np.argwhere(~mask))) == [(3, 4), (5, 6)]


@pytest.mark.parametrize("size", [(120, 90), (60, 45), (30, 23), (30, 22), (8, 6), (1, 1), (80, 60), (48, 36)])
def test_mask__of_any_lower_resolution(tmp_path, pixels, random, size):
    small = (random.random(size) > 0.5).astype(np.uint8) * 255
    image = _save(tmp_path / "a.zarr", pixels)
    found = open_picture(image, mask=_save(tmp_path / "m.png", small), chunk_bytes=5000)
    assert found.pixels.npartitions > 2
    mask = found.mask.compute()
    if 120 % size[0] == 0:  # whole factors: as pyramids are made, rounded up or down
        y, x = (np.minimum(np.arange(n) // (120 // size[0]), s - 1) for n, s in zip((120, 90), size, strict=True))
    else:  # the mask's pixel in which the image's center lies
        y, x = (np.floor((np.arange(n) + 0.5) * s / n).astype(int) for n, s in zip((120, 90), size, strict=True))
    assert np.array_equal(mask, small[np.ix_(y, x)] > 0)


@pytest.mark.parametrize("size", [(90, 120), (240, 180), (60, 90), (40, 45), (121, 90)])
def test_mask__of_another_field_is_refused(tmp_path, pixels, size):
    image = _save(tmp_path / "a.zarr", pixels)
    mask = _save(tmp_path / "m.png", np.zeros(size, np.uint8))
    with pytest.raises(InputError, match=rf"m\.png: a mask of {size[0]} x {size[1]} pixels does not fit an image"):
        open_picture(image, mask=mask)


def test_mask__of_every_kind(tmp_path, pixels, keep):
    image = _save(tmp_path / "a.zarr", pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.create_array(tmp_path / "m.zarr", data=keep)
    tifffile.imwrite(tmp_path / "m.tif", keep.astype(np.float32), tile=(16, 16))
    colored = np.dstack([keep * 9, keep * 0, keep * 0, np.full_like(keep, 255)]).astype(np.uint8)
    masks = [tmp_path / "m.zarr", str(tmp_path / "m.tif"), _save(tmp_path / "m.png", colored), keep]
    for mask in [*masks, da.from_array(keep, chunks=7)]:
        found = open_picture(image, mask=mask, chunk_bytes=5000)
        assert found.mask.chunks == found.pixels.chunks[:2]
        assert np.array_equal(found.mask.compute(), keep)
    for wrong in (keep[:5], keep.astype(np.uint8)):
        with pytest.raises(InputError, match="an array of bool and shape"):
            open_picture(image, mask=wrong)


def test_mask__of_which_chunks_are_missing(tmp_path, pixels):
    keep = np.zeros((120, 90), np.uint8)
    keep[:40, :40] = 1
    zarr.create_array(tmp_path / "m.zarr", data=keep, chunks=(40, 40))
    image = _save(tmp_path / "a.zarr", pixels)
    with pytest.raises(InputError, match=r"m\.zarr: 8 of its 9 chunks are missing"):
        open_picture(image, mask=tmp_path / "m.zarr")
    found = open_picture(image, mask=tmp_path / "m.zarr", fill_missing=True)
    assert np.array_equal(found.mask.compute(), keep > 0)


def test_mask__all_kinds_at_once(tmp_path, pixels, keep):
    pixels[:10] = 5
    alpha = np.ones((120, 90), np.uint8)
    alpha[:, :7] = 0
    path = _save(tmp_path / "a.png", np.dstack([pixels, alpha]))
    found = open_picture(path, nodata=5, mask=keep)
    expected = keep & (alpha > 0)
    expected[:10] = False
    assert np.array_equal(found.mask.compute(), expected)
    assert found.about["mask"] == "alpha, no-data value, mask given"


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_masked_pixels_do_not_move_the_map_by_one_bit(tmp_path, pixels, keep, dtype, random):
    maps = []
    _save(tmp_path / "m.png", keep.astype(np.uint8))
    for garbage in (random.integers(0, 256, pixels.shape), np.zeros(pixels.shape), np.full(pixels.shape, 255)):
        stored = np.where(keep[..., None], pixels, garbage).astype(dtype)
        if dtype == np.float32 and not garbage.any():
            stored[~keep] = np.inf
        zarr.create_array(tmp_path / "a.zarr", data=stored, chunks=(40, 40, 3), overwrite=True)
        found = open_picture(tmp_path / "a.zarr", mask=tmp_path / "m.png", chunk_bytes=20_000)
        for init in ("pca", "sample"):
            som = BatchSOM(3, 3, epochs=4, init=init, random_state=0).fit(found.pixels, mask=found.mask)
            maps.append((init, som.weights_))
            labels = som.predict(found.pixels, mask=found.mask).compute()
            assert ((labels == -1) == ~keep).all()
    for init, weights in maps[2:]:
        assert np.array_equal(weights, dict(maps[:2])[init])


def test_mask__is_read_in_the_task_that_reads_the_chunk(tmp_path, pixels, keep):
    image = _save(tmp_path / "a.zarr", pixels)
    found = open_picture(image, mask=_save(tmp_path / "m.png", keep.astype(np.uint8)), chunk_bytes=5000)
    weights = as_weights(found.pixels, found.mask)
    results = da.map_blocks(lambda a, b: a, found.pixels, weights, meta=np.empty((0, 0, 0), np.uint8))
    graph = results.__dask_optimize__(results.__dask_graph__(), [(results.name, 0, 0, 0)])
    assert len(dict(graph)) == 1
