"""Files that GDAL writes next to an image are honored; rasterio writes and reads them."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from dasksom.errors import InputError
from dasksom.image import fingerprint, open_image, open_picture

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def pixels(random):
    return random.integers(0, 256, (60, 50, 3), np.uint8)


def _write(path, pixels, mask=None, **profile):
    kind = {"driver": "GTiff", "height": 60, "width": 50, "count": pixels.shape[2], "dtype": pixels.dtype}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "w", **kind, **profile) as file:
        file.write(pixels.transpose(2, 0, 1))
        if mask is not None:
            file.write_mask(mask)
    return path


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_mask__next_to_an_image_as_gdal_reads_it(tmp_path, pixels, suffix):
    path = _write(tmp_path / f"a{suffix}", pixels) if suffix == ".tif" else tmp_path / "a.png"
    if suffix == ".png":
        Image.fromarray(pixels).save(path)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(pixels[:, :, 0] > 99)
    assert path.with_name(f"{path.name}.msk").exists()
    picture = open_picture(path)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(picture.mask.compute(), file.dataset_mask() != 0)
    assert picture.about["mask"] == f"mask next to it ({path.name}.msk)"
    before = fingerprint(picture)
    (tmp_path / f"{path.name}.msk").touch()
    assert fingerprint(open_picture(path)) != before


def test_mask__next_to_a_turned_photograph_is_turned_too(tmp_path, pixels):
    _write(tmp_path / "m.tif", pixels, pixels[:, :, 0] > 99)
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    (tmp_path / "m.tif.msk").rename(tmp_path / "a.png.msk")
    np.testing.assert_array_equal(open_picture(tmp_path / "a.png").mask.compute(), np.rot90(pixels[:, :, 0] > 99, 2))


def test_mask__of_another_size_or_damaged_is_refused(tmp_path, pixels):
    path = _write(tmp_path / "a.tif", pixels)
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.tif.msk", format="TIFF")
    with pytest.raises(InputError, match=r"a\.tif\.msk: the mask next to the image has 9 x 9 .*--mask"):
        open_image(path)
    (tmp_path / "a.tif.msk").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="move it away to leave it out"):
        open_image(path)


def test_metadata__next_to_an_image_as_gdal_reads_it(tmp_path, pixels):
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels).save(path)
    with rasterio.open(path, "r+") as file:
        file.nodata = 7
        file.crs, file.transform = "EPSG:32633", from_origin(500_000, 5_100_000, 10, 10)
        file.descriptions = ("red", "green", "blue")
        file.scales = (0.5, 0.5, 0.5)
    assert path.with_name("a.jpg.aux.xml").exists()
    picture = open_picture(path)
    assert (picture.nodata, picture.band_names) == (7, ("red", "green", "blue"))
    assert picture.about["place on earth"] == "EPSG:32633"
    assert picture.about["scale and offset"].startswith("scale 0.5 of band 0, ")
    np.testing.assert_array_equal(picture.mask.compute(), (picture.pixels.compute() != 7).any(axis=2))
    tags = {tag[0]: tag[3] for tag in picture.geo_tags}
    assert tags[33922] == (0, 0, 0, 500_000, 5_100_000, 0)


def test_metadata__next_to_an_image_comes_first_as_in_gdal(tmp_path, pixels):
    path = _write(tmp_path / "a.tif", pixels, nodata=5)
    (tmp_path / "a.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>9</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    with rasterio.open(path) as file:
        assert open_picture(path).nodata == file.nodata == 9


def test_metadata__that_cannot_be_used(tmp_path, pixels):
    path = _write(tmp_path / "a.tif", pixels)
    metadata = tmp_path / "a.tif.aux.xml"
    metadata.write_text("<PAMDataset><PAMRasterBand>")
    with pytest.raises(InputError, match=r"a\.tif\.aux\.xml: cannot be used"):
        open_image(path)
    bands = "".join(f"<PAMRasterBand><NoDataValue>{value}</NoDataValue></PAMRasterBand>" for value in (1, 2, 2))
    metadata.write_text(f"<PAMDataset>{bands}</PAMDataset>")
    with pytest.raises(InputError, match=r"different no-data values \(1, 2\); give one with --nodata VALUE"):
        open_image(path)
    assert open_picture(path, nodata="none").mask is None
    np.testing.assert_array_equal(open_picture(path, nodata=2).mask.compute(), (pixels != 2).any(axis=2))
    metadata.write_text("<something/>")
    assert open_picture(path).nodata is None


def test_mask_given__elsewhere_on_earth_is_refused(tmp_path, pixels):
    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_100_000, 10, 10)}
    path = _write(tmp_path / "a.tif", pixels, **place)
    same = _write(tmp_path / "same.tif", pixels[:, :, :1], **place)
    half = {"driver": "GTiff", "height": 30, "width": 25, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(tmp_path / "half.tif", "w", **half, transform=from_origin(500_000, 5_100_000, 20, 20)) as file:
        file.write(pixels[::2, ::2, 0], 1)
    bare = _write(tmp_path / "bare.tif", pixels[:, :, :1])
    for mask in (same, tmp_path / "half.tif", bare):
        assert open_picture(path, mask=mask).mask is not None
    other = _write(tmp_path / "crs.tif", pixels[:, :, :1], crs="EPSG:4326", transform=place["transform"])
    with pytest.raises(InputError, match=r"coordinate reference system is EPSG:4326, the image's EPSG:32633.*gdalwarp"):
        open_picture(path, mask=other)
