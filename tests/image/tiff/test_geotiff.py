"""GeoTIFF as GDAL writes it, through rasterio, which also is the judge."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import tifffile
from rasterio.transform import Affine, from_origin

from dasksom import InputError, open_image, open_picture


@pytest.fixture
def bands(random):
    return random.integers(1, 200, (3, 150, 260), np.uint8)


def _write(path, bands, **options):
    profile = {"driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
    profile |= {"dtype": bands.dtype.name, "tiled": True, "blockxsize": 64, "blockysize": 64}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_100_000, 10, 20)}
    with rasterio.open(path, "w", **(profile | options)) as file:
        file.write(bands)
    return path


def _written_again(path, picture):
    """Write a picture with nothing but what we kept, and let rasterio read it."""
    tifffile.imwrite(path, picture.pixels.compute(), photometric="rgb", extratags=picture.geo_tags, metadata=None)
    with rasterio.open(path) as file:
        return file.crs, file.transform


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("compress", ["none", "deflate", "lzw", "zstd"])
def test_pixels_place_and_nodata(tmp_path, bands, interleave, compress):
    bands[:, :30, :40] = 0
    path = _write(tmp_path / "a.tif", bands, nodata=0, interleave=interleave, compress=compress, photometric="rgb")
    found = open_picture(path, chunk_bytes=64 * 64 * 6)
    assert np.array_equal(found.pixels.compute(), bands.transpose(1, 2, 0))
    assert found.nodata == 0
    assert found.about["place on earth"] == "EPSG:32633"
    with rasterio.open(path) as file:
        assert np.array_equal(found.mask.compute(), file.dataset_mask() > 0)
        assert _written_again(tmp_path / "b.tif", found) == (file.crs, file.transform)


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:4326", "EPSG:4326"),
        ("EPSG:3857", "EPSG:3857"),
        ("+proj=laea +lat_0=10 +lon_0=7 +ellps=GRS80", None),
        (rasterio.crs.CRS.from_epsg(32618), "EPSG:32618"),
    ],
)
def test_place__of_any_system_and_turned(tmp_path, bands, crs, name):
    turned = Affine(10, 3, 500, -3, -10, 900)
    found = open_picture(_write(tmp_path / "a.tif", bands, crs=crs, transform=turned))
    if name is not None:
        assert found.about["place on earth"] == name
    with rasterio.open(tmp_path / "a.tif") as file:
        again = _written_again(tmp_path / "b.tif", found)
        assert again[0] == file.crs
        assert again[1].almost_equals(file.transform)


def test_place__of_an_overview_is_the_same_field(tmp_path, bands):
    path = _write(tmp_path / "a.tif", bands)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    found = open_picture(path, level=2)
    with rasterio.open(path, overview_level=1) as file:
        assert np.array_equal(found.pixels.compute(), file.read().transpose(1, 2, 0))
    _, transform = _written_again(tmp_path / "b.tif", found)
    assert transform.a == pytest.approx(10 * 260 / 65)
    assert transform.e == pytest.approx(-20 * 150 / found.pixels.shape[0])


def test_cog(tmp_path, bands):
    _write(tmp_path / "a.tif", bands)
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "cog.tif", driver="COG", blocksize=128, compress="lzw")
    for level, number in ((0, None), (1, 0)):
        with rasterio.open(tmp_path / "cog.tif", **({} if number is None else {"overview_level": number})) as file:
            found = open_image(tmp_path / "cog.tif", level=level).compute()
            assert np.array_equal(found, file.read().transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("int16", -9999), ("float32", -9999.0), ("float32", -3.4028234663852886e38), ("float64", -1e300)],
)
def test_nodata__that_no_pixel_holds_by_chance_in_any_band(tmp_path, random, dtype, nodata):
    bands = random.integers(-500, 500, (12, 80, 90)).astype(dtype)
    bands[3, :20], bands[:, 70:] = nodata, nodata
    found = open_picture(_write(tmp_path / "a.tif", bands, nodata=nodata, interleave="band"))
    expected = np.ones((80, 90), bool)
    expected[:20] = expected[70:] = False
    assert np.array_equal(found.mask.compute(), expected)
    assert np.array_equal(found.pixels.compute(), bands.transpose(1, 2, 0))


def test_nodata__nan_needs_no_mask(tmp_path, bands):
    holed = bands.astype(np.float32)
    holed[:, :9] = np.nan
    found = open_picture(_write(tmp_path / "a.tif", holed, nodata=np.nan))
    assert found.mask is None
    assert np.isnan(found.nodata)


def test_nodata__that_the_type_cannot_hold_is_told(tmp_path, bands):
    path = _write(tmp_path / "a.tif", bands)
    with rasterio.open(tmp_path / "a.tif") as file:
        profile = file.profile
    tifffile.imwrite(path, bands.transpose(1, 2, 0), photometric="rgb", extratags=[(42113, "s", 0, "-9999", True)])
    assert profile["count"] == 3
    found = open_picture(path)
    assert found.mask is None
    assert found.nodata is None
    assert found.about["no data"] == "-9999, which uint8 cannot hold: all pixels count"


def test_mask__that_gdal_put_inside(tmp_path, bands, random):
    keep = random.random((150, 260)) > 0.3
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = _write(tmp_path / "a.tif", bands, photometric="rgb", compress="deflate")
        with rasterio.open(path, "r+") as file:
            file.write_mask(keep)
    found = open_picture(path, chunk_bytes=64 * 64 * 6)
    assert np.array_equal(found.pixels.compute(), bands.transpose(1, 2, 0))
    assert np.array_equal(found.mask.compute(), keep)
    assert found.about["mask"] == "mask of the file"


@pytest.mark.parametrize(("declared", "bands_left"), [(True, 3), (False, 4)])
def test_alpha__where_the_file_declares_it(tmp_path, random, declared, bands_left):
    rgba = random.integers(0, 3, (4, 50, 60), np.uint8)
    path = _write(tmp_path / "a.tif", rgba, photometric="rgb", **({"alpha": "yes"} if declared else {}))
    found = open_picture(path)
    assert found.pixels.shape == (50, 60, bands_left)
    if declared:
        assert np.array_equal(found.mask.compute(), rgba[3] > 0)
    else:
        assert found.mask is None
        asked = open_picture(path, alpha="mask")
        assert np.array_equal(asked.mask.compute(), rgba[3] > 0)
    assert np.array_equal(open_image(path, alpha="drop").compute(), rgba[:3].transpose(1, 2, 0))
    assert open_picture(path, alpha="band").mask is None
    assert np.array_equal(open_image(path, alpha="band").compute(), rgba.transpose(1, 2, 0))


def test_sparse__tiles_without_data(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 256, "width": 256, "dtype": "uint16", "tiled": True}
    profile |= {"transform": from_origin(0, 0, 2, 2), "blockxsize": 64, "blockysize": 64, "sparse_ok": True}
    for nodata in (7, None):
        with rasterio.open(path, "w", nodata=nodata, **profile) as file:
            file.write(np.full((64, 64), 99, np.uint16), 1, window=rasterio.windows.Window(64, 64, 64, 64))
        if nodata is None:
            with pytest.raises(InputError, match="15 of its 16 tiles or strips are missing"):
                open_image(path)
            continue
        found = open_picture(path)
        with rasterio.open(path) as file:
            assert np.array_equal(found.pixels.compute()[..., 0], file.read(1))
        assert found.mask.compute().sum() == 64 * 64
