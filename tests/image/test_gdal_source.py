"""Formats that are read through rasterio, against other readers of the same files."""

import pickle
import sys

import imagecodecs
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image
from rasterio.transform import from_origin
from scipy.io import netcdf_file

from dasksom.errors import InputError
from dasksom.image import fingerprint, open_picture, open_pixels, parse_select

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(1, 4000, (70, 90, 3), np.uint16)


def grid(path, driver, pixels, **more):
    profile = {"width": pixels.shape[1], "height": pixels.shape[0], "count": pixels.shape[2], "dtype": pixels.dtype}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, 10, 10), **more}
    with rasterio.open(path, "w", driver=driver, **profile) as file:
        file.write(np.moveaxis(pixels, -1, 0))
        file.descriptions = [f"B{band}" for band in range(pixels.shape[2])]
    return path


def test_jpeg_2000__as_pillow_and_imagecodecs_decode_it(tmp_path, pixels):
    path = tmp_path / "a.jp2"
    path.write_bytes(imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True))
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(path.read_bytes()), pixels)
    np.testing.assert_array_equal(open_picture(path).pixels, pixels)
    small = (pixels // 16).astype(np.uint8)
    Image.fromarray(small).save(tmp_path / "b.jp2", irreversible=False)
    picture = open_picture(tmp_path / "b.jp2", bands=[2, 0])
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(tmp_path / "b.jp2"))[..., [2, 0]])
    source = pickle.loads(pickle.dumps(open_pixels(path)))
    np.testing.assert_array_equal(source[31:40, 5:9, 1:], pixels[31:40, 5:9, 1:])


def test_jpeg_2000__on_earth(tmp_path, pixels):
    path = grid(tmp_path / "a.jp2", "JP2OpenJPEG", pixels, QUALITY="100", REVERSIBLE="YES", nodata=None)
    picture = open_picture(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.about["place on earth"] == "EPSG:32633"
    assert dict(tag[::3][:2] for tag in picture.geo_tags)[33922] == (0, 0, 0, 500_000, 5_000_000, 0)


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
def test_envi__as_numpy_reads_it(tmp_path, pixels, interleave):
    grid(tmp_path / "a.img", "ENVI", pixels, interleave=interleave)
    picture = open_picture(tmp_path / "a.hdr")
    raw = np.fromfile(tmp_path / "a.img", np.uint16)
    axes = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}[interleave]
    stored = raw.reshape([pixels.shape[axis] for axis in axes])
    np.testing.assert_array_equal(picture.pixels, stored.transpose(np.argsort(axes)))
    assert picture.band_names == ("B0", "B1", "B2")
    assert picture.about["place on earth"] == "EPSG:32633"
    before = fingerprint(picture)
    (tmp_path / "a.hdr").write_text((tmp_path / "a.hdr").read_text() + "\n")
    assert fingerprint(picture) != before
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match="not next to it"):
        open_picture(tmp_path / "a.hdr")


def test_netcdf__as_scipy_reads_it(tmp_path, pixels):
    path = tmp_path / "a.nc"
    with netcdf_file(path, "w") as file:
        for name, length in (("time", 3), ("lat", 70), ("lon", 90)):
            file.createDimension(name, length)
        for name, values in (("rain", np.moveaxis(pixels, -1, 0)), ("wind", np.moveaxis(pixels, -1, 0) // 2)):
            variable = file.createVariable(name, "i2", ("time", "lat", "lon"))
            variable[...] = values
            variable._FillValue = np.int16(7)
        axes = (("lat", np.arange(70.0)[::-1], "degrees_north"), ("lon", np.arange(90.0), "degrees_east"))
        for name, values, unit in axes:  # the first row is the north
            variable = file.createVariable(name, "f8", (name,))
            variable[...], variable.units = values, unit
    with pytest.raises(InputError, match=r"its arrays are rain, wind.*--component"):
        open_picture(path)
    picture = open_picture(path, component="wind")
    np.testing.assert_array_equal(picture.pixels, pixels // 2)
    assert picture.nodata == 7
    stack = open_picture(path, component=["wind", "rain"])
    np.testing.assert_array_equal(stack.pixels, np.concatenate([pixels // 2, pixels], axis=2))
    with pytest.raises(InputError, match="has no array snow"):
        open_picture(path, component="snow")
    with pytest.raises(InputError, match="has no array"):
        open_picture(path, component='NETCDF:"/etc/passwd":x')


@pytest.mark.parametrize(
    ("axes", "select", "expected"),
    [
        ("yxc", None, lambda stored: stored),
        ("xcy", None, lambda stored: stored.transpose(2, 0, 1)),
        ("zyx", {"z": 3}, lambda stored: stored[3][..., None]),
        ("yzx", {"z": 5}, lambda stored: stored[:, 5][..., None]),
        ("yxc", {"c": (2, 0)}, lambda stored: stored[..., [2, 0]]),
        ("ycx", {"c": (7, 2, 5)}, lambda stored: stored.transpose(0, 2, 1)[..., [7, 2, 5]]),
    ],
)
def test_axes_that_are_given__are_those_of_numpy(tmp_path, axes, select, expected):
    stored = np.random.default_rng(0).integers(0, 999, (40, 50, 9), np.int16)
    with netcdf_file(tmp_path / "a.nc", "w") as file:
        for name, length in zip("abd", stored.shape, strict=True):
            file.createDimension(name, length)
        file.createVariable("v", "i2", ("a", "b", "d"))[...] = stored[:, ::-1]  # GDAL's rows are from south to north
    picture = open_picture(tmp_path / "a.nc", axes=axes, select=select, chunk_bytes=3000)
    np.testing.assert_array_equal(picture.pixels, expected(stored))
    source = open_pixels(tmp_path / "a.nc", axes=axes, select=parse_select(select))
    np.testing.assert_array_equal(source[2:7, 1:8, :1], expected(stored)[2:7, 1:8, :1])


def test_hdf5__as_it_was_stored(tmp_path, pixels):
    plane = pixels[..., :1].astype(np.int16)
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=90, height=70, count=1, dtype="int16") as file:
        file.write(plane[..., 0], 1)
    rasterio.shutil.copy(tmp_path / "a.tif", tmp_path / "a.nc", driver="netCDF", FORMAT="NC4", COMPRESS="DEFLATE")
    (tmp_path / "a.nc").rename(tmp_path / "a.h5")  # a NetCDF 4 file is one of HDF5, whose first row is the south
    np.testing.assert_array_equal(open_picture(tmp_path / "a.h5").pixels, plane[::-1])


def test_an_esri_grid(tmp_path):
    rows = "\n".join(" ".join(str(10 * row + column) for column in range(4)) for row in range(3))
    (tmp_path / "a.asc").write_text(f"ncols 4\nnrows 3\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value 5\n{rows}\n")
    picture = open_picture(tmp_path / "a.asc")
    np.testing.assert_array_equal(picture.pixels[..., 0], 10 * np.arange(3)[:, None] + np.arange(4))
    assert np.argwhere(~picture.mask.compute()).tolist() == [[0, 5]] if picture.nodata == 15 else picture.nodata == 5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(200)),
        ("a.nc", b"CDF\x01" + bytes(50)),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(50)),
        ("a.jp2", b"<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>"),
        ("a.nc", b"/vsicurl/http://127.0.0.1/x.nc"),
        ("a.asc", b"no grid"),
    ],
)
def test_damaged_and_disguised_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: cannot be opened by GDAL"):
        open_picture(tmp_path / name)


def test_a_file_that_is_cut_short_is_refused(tmp_path, pixels):
    path = tmp_path / "a.jp2"
    content = imagecodecs.jpeg2k_encode(np.tile(pixels, (8, 8, 1)), level=0, reversible=True)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.jp2: "):
        open_picture(path).pixels.compute()


def test_without_rasterio_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.jp2").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(InputError, match=r"dasksom\[gdal\]"):
        open_picture(tmp_path / "a.jp2")
