"""What a TIFF declares of its pixels is honored, compared with Pillow, GDAL (rasterio) or the standard."""

import subprocess
import sys
import zlib

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import from_gcps

from dasksom.errors import InputError
from dasksom.image import open_image, open_picture, open_result

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
WHITE_IS_ZERO = "miniswhite"


@pytest.fixture
def gray(random):
    return random.integers(0, 256, (70, 50), np.uint8)


def _pillow(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L") if image.mode == "1" else image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("how", [{"rowsperstrip": 7}, {"tile": (16, 32), "compression": "deflate"}, {}])
def test_orientation__as_pillow_turns_it(tmp_path, random, orientation, how):
    pixels = random.integers(0, 256, (70, 50, 3), np.uint8)
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extratags=tags, **how)
    found = open_image(tmp_path / "a.tif", chunk_bytes=3000).compute()
    with Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(found, np.asarray(image))


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_orientation__of_no_meaning_is_upright(tmp_path, gray, orientation):
    tifffile.imwrite(tmp_path / "a.tif", gray, extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").compute()[:, :, 0], gray)


def test_orientation__turns_mask_and_pixel_size_too(tmp_path, random):
    pixels = random.integers(0, 256, (30, 20, 3), np.uint8)
    mask = np.zeros((30, 20), np.uint8)
    mask[:5] = 255
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        tags = [(274, "H", 1, 6, True)]
        file.write(pixels, photometric="rgb", extratags=tags)
        file.write(mask, photometric="minisblack", subfiletype=1, extratags=tags)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages[1].tags["NewSubfileType"].overwrite(4)
    picture = open_picture(tmp_path / "a.tif")
    assert picture.about["orientation"] == "6, read upright"
    expected = np.rot90(mask, -1) != 0
    np.testing.assert_array_equal(picture.mask.compute(), expected)
    np.testing.assert_array_equal(picture.pixels.compute(), np.rot90(pixels, -1))


def test_orientation__of_a_geotiff_is_ignored_as_gdal_does(tmp_path, gray):
    profile = {"driver": "GTiff", "height": 70, "width": 50, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    profile["transform"] = rasterio.Affine(10, 0, 500000, 0, -10, 6000000)
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(gray, 1)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = [(tag.code, tag.dtype, tag.count, tag.value, True) for tag in file.pages[0].tags if tag.code > 33000]
    tifffile.imwrite(tmp_path / "b.tif", gray, extratags=[*tags, (274, "H", 1, 3, True)])
    with rasterio.open(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(open_image(tmp_path / "b.tif").compute()[:, :, 0], file.read(1))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("photometric", ["minisblack", WHITE_IS_ZERO])
@pytest.mark.parametrize("how", [{}, {"tile": (16, 16)}])
def test_gray_levels__of_few_bits_are_those_of_pillow(tmp_path, gray, bits, photometric, how):
    levels = gray >> (8 - bits)
    data = levels.astype(bool) if bits == 1 else levels
    tifffile.imwrite(tmp_path / "a.tif", data, bitspersample=bits, photometric=photometric, **how)
    scaled = levels * (255 // (2**bits - 1))
    expected = 255 - scaled if photometric == WHITE_IS_ZERO else scaled
    found = open_image(tmp_path / "a.tif").compute()
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[:, :, 0], expected)
    if "tile" not in how:
        np.testing.assert_array_equal(expected, _pillow(tmp_path / "a.tif"))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero__is_inverted(tmp_path, gray, dtype):
    data = gray.astype(dtype) * (257 if dtype == np.uint16 else 1)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric=WHITE_IS_ZERO, tile=(16, 16))
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").compute()[:, :, 0], np.iinfo(dtype).max - data)
    if dtype == np.uint8:
        np.testing.assert_array_equal(255 - data, _pillow(tmp_path / "a.tif"))


@pytest.mark.parametrize("photometric", ["minisblack", WHITE_IS_ZERO])
def test_nodata__of_gray_levels_is_the_stored_value(tmp_path, gray, photometric):
    data = gray >> 4
    nodata = [(42113, "s", 0, "3", True)]
    tifffile.imwrite(tmp_path / "a.tif", data, bitspersample=4, photometric=photometric, extratags=nodata)
    np.testing.assert_array_equal(open_picture(tmp_path / "a.tif").mask.compute(), data != 3)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes__of_few_bits_are_those_of_pillow(tmp_path, gray, random, bits):
    image = Image.fromarray(gray >> (8 - bits))
    image.putpalette(random.integers(0, 256, 3 << bits, np.uint8).tobytes())
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=70, width=50, count=1, dtype="uint8", nbits=bits,
        photometric="palette",
    ) as file:  # fmt: skip
        file.write(np.asarray(image), 1)
        colors = np.array(image.getpalette()).reshape(-1, 3)
        file.write_colormap(1, {number: tuple(map(int, colors[number])) for number in range(1 << bits)})
    found = open_picture(tmp_path / "a.tif").pixels.compute()
    np.testing.assert_array_equal(found[:, :, :3], np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("nodata", ["inf", "-inf", "1e40", "-1", "256", "255.5", "1e300"])
def test_nodata__that_the_type_cannot_hold_is_reported(tmp_path, gray, nodata):
    tifffile.imwrite(tmp_path / "a.tif", gray, extratags=[(42113, "s", 0, nodata, True)])
    picture = open_picture(tmp_path / "a.tif")
    assert picture.mask is None
    assert "uint8 cannot hold" in picture.about["no data"]


@pytest.mark.parametrize("nodata", [np.inf, -np.inf, "inf", "-inf"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64])
def test_nodata__infinite_of_integers_is_refused(tmp_path, gray, nodata, dtype):
    tifffile.imwrite(tmp_path / "a.tif", gray.astype(dtype))
    with pytest.raises(InputError, match=r"nodata=-?inf: an image of .* never holds it; leave --nodata out"):
        open_picture(tmp_path / "a.tif", nodata=nodata)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("end", ["min", "max"])
def test_nodata__at_the_ends_of_a_type(tmp_path, dtype, end):
    value = getattr(np.iinfo(dtype), end)
    data = np.array([[value, 1], [2, value]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", data, extratags=[(42113, "s", 0, str(value), True)])
    picture = open_picture(tmp_path / "a.tif")
    assert picture.nodata == value
    np.testing.assert_array_equal(picture.mask.compute(), data != value)


@pytest.mark.parametrize("compression", ["deflate", "adobe"])
@pytest.mark.parametrize("surplus", [b"\0", b"\n\n", b"x" * 5000])
def test_surplus__behind_a_deflated_strip_is_ignored_as_libtiff_does(tmp_path, gray, compression, surplus):
    strips = [zlib.compress(gray[top : top + 10].tobytes()) + surplus for top in range(0, 70, 10)]
    code = 32946 if compression == "deflate" else 8
    tifffile.imwrite(
        tmp_path / "a.tif", iter(strips), shape=gray.shape, dtype=gray.dtype, rowsperstrip=10, compression=code
    )
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(1), gray)
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").compute()[:, :, 0], gray)


def test_damaged__deflated_strip_is_still_refused(tmp_path, gray):
    strips = [zlib.compress(gray.tobytes())[:-200]]
    tifffile.imwrite(tmp_path / "a.tif", iter(strips), shape=gray.shape, dtype=gray.dtype, compression=8)
    with pytest.raises(InputError, match="cannot be decoded"):
        open_image(tmp_path / "a.tif").compute()


@pytest.mark.parametrize("code", [33003, 33005])
def test_aperio__jpeg_2000_of_ycbcr_and_of_rgb(tmp_path, photograph, code):
    imagecodecs = pytest.importorskip("imagecodecs")
    rgb = np.ascontiguousarray(photograph[:64, :64])
    stored = np.asarray(Image.fromarray(rgb).convert("YCbCr")) if code == 33003 else rgb
    tile = imagecodecs.jpeg2k_encode(np.ascontiguousarray(stored), mct=False, reversible=True)
    tifffile.imwrite(
        tmp_path / "a.svs", iter([tile]), shape=rgb.shape, dtype=rgb.dtype, tile=(64, 64), compression=code,
        photometric="rgb",
    )  # fmt: skip
    found = open_image(tmp_path / "a.svs").compute()
    assert np.abs(found.astype(int) - rgb).max() <= (2 if code == 33003 else 0)


def test_decoders__that_are_missing_are_named(tmp_path, gray):
    for name, data, how in [
        ("zstd", gray, {"compression": "zstd"}),
        ("lzw", gray, {"compression": "lzw"}),
        ("bits", (gray.astype(np.uint16) << 4), {"bitspersample": 12}),
        ("float", gray.astype(np.float32), {"compression": "deflate", "predictor": 3}),
    ]:
        tifffile.imwrite(tmp_path / f"{name}.tif", data, **how)
    code = """
import sys
sys.modules["imagecodecs"] = None
from pathlib import Path
from dasksom import InputError, open_image
for path in sorted(Path(sys.argv[1]).glob("*.tif")):
    try:
        open_image(path).compute()
        print("read", path)
    except InputError as error:
        assert "decoder is missing" in str(error) and "dasksom[tiff]" in str(error), error
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_band_names_and_scales__as_gdal_writes_them(tmp_path, gray):
    profile = {"driver": "GTiff", "height": 70, "width": 50, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        for band, name in enumerate(("red", "near infrared", "SWIR"), start=1):
            file.write(gray, band)
            file.set_band_description(band, name)
        file.scales, file.offsets = (1.0, 0.0001, 1.0), (0.0, -0.1, 0.0)
    picture = open_picture(tmp_path / "a.tif", select="s=2,0")
    assert picture.band_names == ("SWIR", "red")
    about = open_picture(tmp_path / "a.tif").about
    assert about["scale and offset"].endswith("of band 1; not applied: values are as stored")
    assert "scale 0.0001 of band 1" in about["scale and offset"]


def test_rpcs_and_points__are_kept_and_scaled_to_a_level(tmp_path, gray):
    ones = [1.0] * 20
    rpc = RPC(
        height_off=0, height_scale=1, lat_off=50, lat_scale=1, line_den_coeff=ones, line_num_coeff=ones, line_off=70,
        line_scale=35, long_off=10, long_scale=1, samp_den_coeff=ones, samp_num_coeff=ones, samp_off=40, samp_scale=25,
    )  # fmt: skip
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=70, width=50, count=1, dtype="uint8", rpcs=rpc
    ) as file:
        file.write(gray, 1)
    tags = {tag[0]: tag[3] for tag in open_picture(tmp_path / "a.tif").geo_tags}
    assert tags[50844][2:4] == (70.0, 40.0)
    points = [GroundControlPoint(row, col, 1000.0 + col, 2000.0 - row, 0) for row in (0, 64) for col in (0, 48)]
    with rasterio.open(
        tmp_path / "b.tif", "w", driver="GTiff", height=64, width=48, count=1, dtype="uint8", gcps=points,
        crs="EPSG:32633", tiled=True, blockxsize=16, blockysize=16,
    ) as file:  # fmt: skip
        file.write(gray[:64, :48], 1)
        file.build_overviews([2])
    picture = open_picture(tmp_path / "b.tif", level=1)
    assert picture.about["georeference"] == "4 ground control points"
    values = np.array(next(tag[3] for tag in picture.geo_tags if tag[0] == 33922)).reshape(-1, 6)
    halved = [GroundControlPoint(row, col, x, y) for col, row, _, x, y, _ in values]
    expected = from_gcps(points) @ rasterio.Affine.scale(2)
    np.testing.assert_allclose(from_gcps(halved), expected)


def test_ome_tiff__names_the_file_that_is_missing(tmp_path, gray):
    xml = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:a"><Image ID="Image:0">
<Pixels BigEndian="false" DimensionOrder="XYCZT" ID="Pixels:0" SizeC="2" SizeT="1" SizeX="50" SizeY="70" SizeZ="1"
Type="uint8"><Channel ID="Channel:0:0" SamplesPerPixel="1"/><Channel ID="Channel:0:1" SamplesPerPixel="1"/>
<TiffData FirstC="0" IFD="0" PlaneCount="1"><UUID FileName="a.ome.tif">urn:uuid:a</UUID></TiffData>
<TiffData FirstC="1" IFD="0" PlaneCount="1"><UUID FileName="other.ome.tif">urn:uuid:b</UUID></TiffData>
</Pixels></Image></OME>"""
    tifffile.imwrite(tmp_path / "a.ome.tif", gray, description=xml, metadata=None)
    with pytest.raises(InputError, match=r"a\.ome\.tif: page 1 .* missing: it is in other\.ome\.tif.*copy it there"):
        open_image(tmp_path / "a.ome.tif")


def test_labels__of_our_own_zstd_name_the_missing_decoder(tmp_path, gray):
    tifffile.imwrite(tmp_path / "a.tif", gray, compression="zstd")
    code = """
import sys
sys.modules["imagecodecs"] = None
from dasksom import InputError
from dasksom.image import open_result
try:
    with open_result(sys.argv[1]):
        print("opened")
except InputError as error:
    assert "decoder is missing" in str(error), error
"""
    command = [sys.executable, "-c", code, tmp_path / "a.tif"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with pytest.raises(InputError, match="holds no palette"), open_result(tmp_path / "a.tif"):
        pass


def test_refused__old_style_jpeg_and_two_values_of_a_tag(tmp_path, gray):
    tifffile.imwrite(tmp_path / "a.tif", gray)
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = {tag.name: tag.offset for tag in file.pages[0].tags}
    old = bytearray(data)
    old[tags["Compression"] + 8] = 6
    (tmp_path / "old.tif").write_bytes(old)
    with pytest.raises(InputError, match=r"old\.tif: compressed as old-style JPEG .*gdal_translate"):
        open_image(tmp_path / "old.tif")
    twice = bytearray(data)
    software = tags["Software"]
    twice[software : software + 12] = data[tags["ImageWidth"] : tags["ImageWidth"] + 12]
    twice[software + 8] += 7
    (tmp_path / "twice.tif").write_bytes(twice)
    with pytest.raises(InputError, match=r"its tag 256 is stored twice, as 50 and 57; the file is damaged"):
        open_image(tmp_path / "twice.tif")
