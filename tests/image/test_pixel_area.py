import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine, from_origin

from dasksom.image import open_picture
from dasksom.image.metadata.pixel_area import pixel_area


@pytest.mark.parametrize(
    ("crs", "transform", "area"),
    [
        ("EPSG:32633", from_origin(500_000, 5_300_000, 10, 20), (0.02, "ha")),
        ("EPSG:32633", Affine(3, 4, 500_000, 4, -3, 5_300_000), (0.0025, "ha")),
        ("EPSG:2263", from_origin(900_000, 200_000, 10, 10), (100 * (1200 / 3937) ** 2 / 1e4, "ha")),  # US survey feet
        ("EPSG:4326", from_origin(10, 50, 0.1, 0.1), None),
    ],
)
def test_pixel_area__of_georeferenced_images(tmp_path, crs, transform, area):
    path = tmp_path / "scene.tif"
    with rasterio.open(path, "w", "GTiff", 8, 8, 1, crs, transform, "uint8") as file:
        file.write(np.ones((1, 8, 8), np.uint8))
        factor = file.crs.linear_units_factor[1] if area else 1
        if area:
            assert area[0] == pytest.approx(abs(transform.determinant) * factor**2 / 1e4)
    picture = open_picture(path)
    found = pixel_area(picture.geo_tags, picture.pixel_size, picture.unit)
    assert found == (None if area is None else (pytest.approx(area[0]), area[1]))


@pytest.mark.parametrize(
    ("size", "unit", "area"),
    [
        ((0.5, 0.5), "micrometer", (2.5e-7, "mm2")),
        ((2.0, 3.0), "meter", (6e-4, "ha")),
        ((1.0, 1.0), None, None),
        ((1.0, 1.0), "second", None),
        (None, None, None),
    ],
)
def test_pixel_area__of_sizes(size, unit, area):
    assert pixel_area((), size, unit) == (None if area is None else (pytest.approx(area[0]), area[1]))
