"""Masks with a georeference are matched by position, not by pixel number; the reference is rasterio's warp."""

import numpy as np
import pytest
import rasterio
import zarr
from click.testing import CliRunner
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from dasksom import load
from dasksom.cli.main import cli
from dasksom.errors import InputError
from dasksom.image import open_picture

IMAGE = from_origin(500_000, 5_000_000, 10, 10)


def write(path, pixels, transform, crs="EPSG:32633"):
    height, width = pixels.shape
    profile = {"width": width, "height": height, "count": 1, "dtype": pixels.dtype, "crs": crs, "transform": transform}
    with rasterio.open(path, "w", driver="GTiff", **profile) as file:
        file.write(pixels, 1)
    return path


@pytest.fixture
def image(tmp_path):
    return write(tmp_path / "image.tif", np.ones((60, 80), np.uint16), IMAGE)


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (from_origin(500_000 - 200, 5_000_000 + 300, 10, 10), (200, 220)),  # larger, shifted by whole pixels
        (from_origin(500_100, 4_999_900, 10, 10), (20, 30)),  # a part of the image
        (from_origin(500_000 - 70, 5_000_000 + 90, 30, 20), (50, 40)),  # other pixels, at an offset
        (from_origin(500_003, 4_999_997, 4, 4), (300, 300)),  # finer
        (from_origin(500_000 + 300, 5_000_000 + 100, 25, 25), (20, 40)),  # past two edges
    ],
)
def test_a_mask_of_another_region_is_resampled_by_nearest(tmp_path, image, transform, shape):
    pixels = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    mask = write(tmp_path / "mask.tif", pixels, transform)
    expected = np.zeros((60, 80), np.uint8)
    crs = rasterio.crs.CRS.from_epsg(32633)
    reproject(pixels, expected, src_transform=transform, src_crs=crs, dst_transform=IMAGE, dst_crs=crs,
              resampling=Resampling.nearest)  # fmt: skip
    picture = open_picture(image, mask=mask)
    np.testing.assert_array_equal(picture.mask, expected != 0)
    np.testing.assert_array_equal(picture.in_chunks(500).mask, expected != 0)


def test_a_mask_of_another_system_or_place_is_refused_with_the_command(tmp_path, image):
    pixels = np.ones((60, 80), np.uint8)
    command = r"gdalwarp -t_srs EPSG:32633 -te 500000 4999400 500800 5000000 -ts 80 60 -r near .*mask.tif"
    for transform, crs in ((IMAGE, "EPSG:32632"), (from_origin(600_000, 5_000_000, 10, 10), "EPSG:32633")):
        mask = write(tmp_path / "mask.tif", pixels, transform, crs)
        with pytest.raises(InputError, match=command):
            open_picture(image, mask=mask)


def test_one_mask_of_several_images_is_read_where_each_of_them_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, east in enumerate((500_000, 500_400)):
        write(f"{number}.tif", np.full((60, 80), 20 + number, np.uint16), from_origin(east, 5_000_000, 10, 10))
    write("mask.tif", np.ones((60, 50), np.uint8), from_origin(500_000, 5_000_000, 10, 10))
    arguments = ["train", "0.tif", "1.tif", "map.npz", "--grid", "1x1", "--epochs", "2"]
    assert CliRunner().invoke(cli, [*arguments, "--mask", "mask.tif"]).exit_code == 0
    assert load("map.npz").weights_.item() == pytest.approx((3000 * 20 + 600 * 21) / 3600)
    assert CliRunner().invoke(cli, ["apply", "map.npz", "0.tif", "1.tif", "out", "--mask", "mask.tif"]).exit_code == 0
    assert [(zarr.open(f"out/{number}.zarr")["labels"][...] > 0).sum() for number in (0, 1)] == [3000, 600]
