"""Bands in separate files or arrays, read as one image; the reference is the same bands in one array."""

import dask.array as da
import numpy as np
import pytest
import rasterio
import tifffile
import xarray
import zarr
from rasterio.transform import from_origin

from dasksom import BatchSOM
from dasksom.errors import InputError
from dasksom.image import fingerprint, open_image, open_picture
from dasksom.image.stacks.band_files import names_of_files
from dasksom.image.stacks.stacked_source import common_dtype

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
SIZE = (120, 180)
STEPS = {"B02": 1, "B03": 1, "B05": 2, "B8A": 2, "B09": 6}


def write(path, pixels, step=1, *, crs="EPSG:32633", left=500_000.0, nodata=None):
    height, width = pixels.shape
    profile = {"width": width, "height": height, "count": 1, "dtype": pixels.dtype, "nodata": nodata, "crs": crs}
    transform = from_origin(left, 5_000_000, 10 * step, 10 * step)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jp2":
        profile |= {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    with rasterio.open(path, "w", **{"driver": "GTiff", "transform": transform, **profile}) as file:
        file.write(pixels, 1)
    return path


@pytest.fixture
def bands():
    """Bands of 10, 20 and 60 m."""
    random = np.random.default_rng(0)
    return {
        name: random.integers(1, 9000, (SIZE[0] // step, SIZE[1] // step), np.uint16) for name, step in STEPS.items()
    }


@pytest.fixture
def stacked(bands):
    """The same bands in one array: coarser ones repeated."""
    return np.stack([np.kron(bands[name], np.ones((step, step), np.uint16)) for name, step in STEPS.items()], axis=-1)


@pytest.fixture
def files(tmp_path, bands):
    return [write(tmp_path / f"T33_{name}.tif", bands[name], step) for name, step in STEPS.items()]


def safe(tmp_path, bands, suffix=".tif"):
    data = tmp_path / "S2A_MSIL2A_T33.SAFE" / "GRANULE" / "L2A_T33" / "IMG_DATA"
    for name, step in STEPS.items():
        write(data / f"R{10 * step}m" / f"T33_2026_{name}_{10 * step}m{suffix}", bands[name], step)
    write(data / "R60m" / f"T33_2026_B02_60m{suffix}", bands["B09"], 6)  # a coarser copy, which is left out
    write(data / "R20m" / f"T33_2026_SCL_20m{suffix}", bands["B05"], 2)
    (tmp_path / "S2A_MSIL2A_T33.SAFE" / "quicklook.png").write_bytes(b"no image")
    return tmp_path / "S2A_MSIL2A_T33.SAFE"


def test_a_stack_is_the_image_of_its_bands(tmp_path, files, bands, stacked):
    for image in (files, [str(file) for file in files], safe(tmp_path, bands)):
        picture = open_picture(image)
        assert picture.band_names == tuple(STEPS)
        np.testing.assert_array_equal(picture.pixels, stacked)
        np.testing.assert_array_equal(picture.in_chunks(2000, align=7).pixels, stacked)
        assert picture.about["place on earth"] == "EPSG:32633"
        assert dict(tag[::3][:2] for tag in picture.geo_tags)[33550][:2] == (10, 10)
    np.testing.assert_array_equal(open_image(files)[31:77, 5:9, 3], stacked[31:77, 5:9, 3])


def test_labels_of_a_stack__are_those_of_the_bands_in_one_array(tmp_path, bands, stacked):
    jp2 = [write(tmp_path / f"T33_{name}.jp2", bands[name], step) for name, step in STEPS.items()]
    images = {
        kind: open_picture(image).pixels for kind, image in {"jp2": jp2, "safe": safe(tmp_path, bands, ".jp2")}.items()
    }
    planes = {name: (("y", "x"), stacked[..., band]) for band, name in enumerate(STEPS)}
    images["dataset"] = xarray.Dataset(planes).chunk({"y": 50, "x": 70})
    for image in images.values():
        chunks = image["B02"].chunks if isinstance(image, xarray.Dataset) else image.chunks[:2]
        one = da.from_array(stacked, chunks=(*chunks, -1))
        som, expected = (BatchSOM(3, 3, epochs=2, scale="standard").fit(given) for given in (image, one))
        np.testing.assert_array_equal(som.weights_, expected.weights_)
        np.testing.assert_array_equal(np.asarray(som.predict(image)), expected.predict(stacked))


def test_selected_bands_alone_are_read_and_decide_the_resolution(files, bands):
    picture = open_picture(files, bands="B8A,B05")
    np.testing.assert_array_equal(picture.pixels, np.stack([bands["B8A"], bands["B05"]], axis=-1))
    files[0].write_bytes(b"")  # a band that is not selected
    np.testing.assert_array_equal(picture.pixels[..., 0], bands["B8A"])


def test_a_folder_of_bands_is_an_image_in_natural_order(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    for name, plane in zip(("B1", "B2", "B10"), np.moveaxis(pixels, -1, 0), strict=True):
        tifffile.imwrite(tmp_path / f"{name}.tif", plane)
    (tmp_path / "MTL.txt").write_text("metadata")
    picture = open_picture(tmp_path, stack=True)
    assert picture.band_names == ("B1", "B2", "B10")
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_arrays_of_a_zarr_group_are_bands(tmp_path, bands):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    for name in ("B02", "B8A"):
        group.create_array(name, data=bands[name], chunks=(20, 30))
    picture = open_picture(tmp_path / "a.zarr", component=["B8A", "B02"])
    assert picture.band_names == ("B8A", "B02")
    assert picture.stored == (40, 60)
    np.testing.assert_array_equal(picture.pixels[..., 0], np.kron(bands["B8A"], np.ones((2, 2), np.uint16)))
    np.testing.assert_array_equal(picture.pixels[..., 1], bands["B02"])


def test_integers__a_pixel_that_any_band_lacks_has_no_data(tmp_path):
    planes = np.arange(1, 25, dtype=np.int16).reshape(2, 3, 4)
    planes[0, 0, 0], planes[1, 2, 3] = -1, -2
    files = [write(tmp_path / f"{n}.tif", plane, nodata=-1 - n) for n, plane in enumerate(planes)]
    assert np.argwhere(~open_picture(files).mask.compute()).tolist() == [[0, 0], [2, 3]]
    assert open_picture(files, nodata="none").mask is None
    files = [write(tmp_path / f"{n}.tif", plane, nodata=-1) for n, plane in enumerate(planes)]
    picture = open_picture(files)
    assert picture.nodata == -1
    assert np.argwhere(~picture.mask.compute()).tolist() == [[0, 0]]


def test_floats__a_band_that_is_lacking_is_nan(tmp_path):
    planes = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)
    planes[0, 0, 0] = -9999
    files = [write(tmp_path / f"{n}.tif", plane, nodata=-9999) for n, plane in enumerate(planes)]
    tifffile.imwrite(f"{files[1]}.msk", np.eye(3, 4, dtype=np.uint8))
    picture = open_picture(files)
    expected = np.moveaxis(planes, 0, -1).copy()
    expected[0, 0, 0] = np.nan
    expected[np.eye(3, 4) == 0, 1] = np.nan
    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.mask is None


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["u1", "u2"], "u2"),
        (["u2", "i2"], "i4"),
        (["u2", "f4"], "f4"),
        (["i4", "f4"], "f8"),
        (["i8", "f4"], None),
        (["i8", "u8"], None),
        (["u8", "u8"], "u8"),
    ],
)
def test_types_are_promoted_without_loss(dtypes, expected):
    found = common_dtype([np.dtype(name) for name in dtypes])
    assert found == (None if expected is None else np.dtype(expected))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crs": "EPSG:32632"}, r"EPSG:32632.*gdalwarp -t_srs EPSG:32633 -te 500000 .* -ts 180 120 -r near .*odd.tif"),
        ({"left": 500_005.0}, r"corners.*gdalwarp"),
        ({"step": 3}, r"corners"),
    ],
)
def test_bands_of_another_place_are_refused_with_the_command(tmp_path, files, bands, change, message):
    odd = write(tmp_path / "odd.tif", bands["B05"], **{"step": 2, **change})
    with pytest.raises(InputError, match=message):
        open_picture([*files, odd])


def test_other_files_are_refused(tmp_path, files):
    tifffile.imwrite(tmp_path / "odd.tif", np.zeros((50, 70), np.uint16))
    with pytest.raises(InputError, match=r"no integer ratio.*gdal_translate -outsize 180 120"):
        open_picture([*files, tmp_path / "odd.tif"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images in this folder"):
        open_picture(tmp_path / "empty", stack=True)
    with pytest.raises(InputError, match="a list with a ndarray"):
        open_picture([np.zeros((3, 3))])
    with pytest.raises(InputError, match="at least one"):
        open_picture([])


def test_the_fingerprint_covers_all_files(files, bands):
    before = fingerprint(open_picture(files))
    write(files[3], bands["B8A"] + 1, 2)
    assert fingerprint(open_picture(files)) != before


def test_names_of_files():
    assert names_of_files(["S_B02_10m.jp2", "S_B8A_20m.jp2"]) == ["B02", "B8A"]
    assert names_of_files(["LC08_2020_B2.TIF", "LC08_2020_B10.TIF"]) == ["B2", "B10"]
    assert names_of_files(["fov0/CD3.ome.tif", "fov0/CD45.ome.tif"]) == ["CD3", "CD45"]
    assert names_of_files(["a_red_v1.tif", "a_blue_v1.tif"]) == ["red", "blue"]
    assert names_of_files(["scene_red.tif"]) == ["scene_red"]
    assert names_of_files(["B2.tif", "B2_x.tif"]) == ["B2", "B2_x"]
