"""Masks with a georeference are matched by position, not by pixel number; the reference is rasterio's warp."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

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
