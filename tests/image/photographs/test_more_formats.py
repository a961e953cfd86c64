"""GIF, BMP, PNM, AVIF, animations, and PNGs of 16 bits, compared with Pillow, imagecodecs and GDAL."""

import imagecodecs
import numpy as np
import pytest
import rasterio
from PIL import Image

from dasksom import InputError, open_image
from dasksom.image import open_picture

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
DRAW = np.random.default_rng(3)
COLORS = DRAW.integers(0, 256, (23, 31, 3), dtype=np.uint8)
DEEP = DRAW.integers(0, 65536, (23, 31, 4), dtype=np.uint16)


def read_with_gdal(path):
    with rasterio.open(path) as opened:
        return opened.read().transpose(1, 2, 0)


@pytest.mark.parametrize("name", ["a.gif", "a.bmp", "a.ppm", "a.pnm", "a.avif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "1", "RGBA"])
def test_formats_of_pillow(tmp_path, name, mode):
    path, image = tmp_path / name, Image.fromarray(COLORS).convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.fromarray(COLORS[..., 0]))
    try:
        image.save(path)
    except (OSError, ValueError):
        pytest.skip("not a mode of this format")
    picture = open_picture(path)
    with Image.open(path) as stored:
        mode = {"1": "L", "P": "RGB"}.get(stored.mode, stored.mode)
        mode = "RGBA" if "transparency" in stored.info else mode
        expected = np.asarray(stored.convert(mode)).reshape(23, 31, -1)
    if mode == "RGBA":
        np.testing.assert_array_equal(picture.mask.compute(), expected[..., 3] != 0)
        expected = expected[..., :3]
    np.testing.assert_array_equal(picture.pixels.compute(), expected)


@pytest.mark.parametrize("bands", [2, 3, 4])
def test_pngs_of_16_bits(tmp_path, bands):
    pixels = DEEP[..., :bands].copy()
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    picture = open_picture(tmp_path / "a.png")
    colors = bands - (bands % 2 == 0)
    np.testing.assert_array_equal(picture.pixels.compute(), pixels[..., :colors])
    np.testing.assert_array_equal(read_with_gdal(tmp_path / "a.png"), pixels)
    if bands > colors:
        np.testing.assert_array_equal(picture.mask.compute(), pixels[..., -1] != 0)
    (tmp_path / "short.png").write_bytes((tmp_path / "a.png").read_bytes()[:-900])
    with pytest.raises(InputError, match=r"short\.png.*damaged or cut short"):
        open_image(tmp_path / "short.png").compute()


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("largest", [1023, 4095, 65535])
def test_pnms_of_16_bits__as_they_are_stored(tmp_path, bands, largest):
    pixels = DEEP[..., :bands] & largest
    path = tmp_path / ("a.pgm" if bands == 1 else "a.ppm")
    path.write_bytes(f"P{5 if bands == 1 else 6}\n# made\n31 23\n{largest}\n".encode() + pixels.astype(">u2").tobytes())
    np.testing.assert_array_equal(open_image(path).compute(), pixels)
    np.testing.assert_array_equal(read_with_gdal(path), pixels)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="damaged or cut short"):
        open_image(path).compute()


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.avif"])
def test_animations__one_frame_is_selected(tmp_path, name):
    path, frames = tmp_path / name, [Image.fromarray(np.roll(COLORS, step, axis=0)) for step in range(3)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    for number in (0, 2):
        picture = open_picture(path, select={"t": number})
        with Image.open(path) as stored:
            stored.seek(number)
            expected = np.asarray(stored.convert("RGB"))
        np.testing.assert_array_equal(picture.pixels.compute(), expected)
        assert picture.about["frame"] == f"{number} of 3"
    for select in (None, {"t": 3}, {"t": -1}, {"z": 0}, {"t": (0, 1)}):
        with pytest.raises(InputError, match=r"an animation of 3 frames; .*--select t=0 to t=2"):
            open_picture(path, select=select)


def test_what_cannot_be_read__is_refused_in_words(tmp_path):
    Image.fromarray(COLORS).save(tmp_path / "a.bmp")
    with pytest.raises(InputError, match="--select applies to animations"):
        open_picture(tmp_path / "a.bmp", select={"t": 0})
    (tmp_path / "text.pgm").write_bytes(b"P2\n2 1\n65535\n1 2\n")
    with pytest.raises(InputError, match="a PNM of 16 bits written as text"):
        open_picture(tmp_path / "text.pgm")
    (tmp_path / "deep.avif").write_bytes(imagecodecs.avif_encode(DEEP[..., :3] >> 6, bitspersample=10))
    with pytest.raises(InputError, match="an AVIF of 10 bits"):
        open_picture(tmp_path / "deep.avif")
    for name in ("a.gif", "a.bmp", "a.avif"):
        Image.fromarray(COLORS).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        for kept in (2, 20, len(content) // 2):
            (tmp_path / name).write_bytes(content[:kept])
            with pytest.raises(InputError):
                open_image(tmp_path / name).compute()
