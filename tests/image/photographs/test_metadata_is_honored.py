"""What PNG, JPEG and WebP declare of their pixels is honored, compared with Pillow; other decoders never run."""

import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from dasksom.errors import InputError
from dasksom.image import open_image, open_picture
from dasksom.image.sources.other_formats import CONVERSIONS


@pytest.fixture
def pixels(random):
    return random.integers(0, 4, (60, 50, 3), np.uint8) * 80


def _png(path, data, depth, color_type, transparent):
    """Write a PNG of gray levels (0) or RGB (2) with a transparent color, bit by bit as the standard says."""
    bits = np.unpackbits(data.reshape(*data.shape, 1), axis=-1)[..., 8 - depth :] if depth <= 8 else None
    rows = np.packbits(bits.reshape(len(data), -1), axis=1) if depth <= 8 else data.astype(">u2").view(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows.reshape(len(data), -1))
    header = struct.pack(">IIBBBBB", data.shape[1], data.shape[0], depth, color_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))]
    chunks += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in chunks:
            file.write(struct.pack(">I", len(content)) + kind + content)
            file.write(struct.pack(">I", zlib.crc32(kind + content)))


def test_transparent_color__of_rgb_is_masked_as_pillow_makes_it_transparent(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=tuple(pixels[3, 4].tolist()))
    picture = open_picture(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(picture.pixels.compute(), expected[:, :, :3])
    np.testing.assert_array_equal(picture.mask.compute(), expected[:, :, 3] != 0)
    assert not picture.mask.compute().all()
    assert picture.about["transparent color"] == ", ".join(map(str, pixels[3, 4]))
    np.testing.assert_array_equal(open_image(tmp_path / "a.png", alpha="band").compute(), expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_transparent_color__of_gray_levels(tmp_path, random, depth):
    levels = random.integers(0, 1 << depth, (40, 30)).astype(np.uint16 if depth == 16 else np.uint8)
    transparent = int(levels[7, 8])
    _png(tmp_path / "a.png", levels, depth, 0, (transparent,))
    picture = open_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.mask.compute(), levels != transparent)
    scale = 255 // ((1 << depth) - 1) if depth < 8 else 1
    np.testing.assert_array_equal(picture.pixels.compute()[:, :, 0], levels * scale)


def test_transparent_color__of_palettes(tmp_path, pixels):
    image = Image.fromarray(pixels).quantize(8)
    image.save(tmp_path / "a.png", transparency=3)
    np.testing.assert_array_equal(open_picture(tmp_path / "a.png").mask.compute(), np.asarray(image) != 3)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, 77])
def test_orientation__as_pillow_turns_it(tmp_path, pixels, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(tmp_path / f"a{suffix}", exif=exif)
    with Image.open(tmp_path / f"a{suffix}") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(open_image(tmp_path / f"a{suffix}").compute(), expected)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/tmp/x) run\n", r"but \.ps; convert it to TIFF"),
        (b"\x93NUMPY", r"but \.npy; load it with NumPy"),
        (b"II*\0", r"but \.tif; rename it to end in \.tif"),
        (b"8BPS\0\1", r"but \.psd; convert it to TIFF"),
    ],
)
def test_decoders__of_other_formats_never_run(tmp_path, monkeypatch, name, start, message):
    def run(*arguments, **options):
        raise AssertionError(f"ran {arguments}")

    monkeypatch.setattr(subprocess, "Popen", run)
    (tmp_path / name).write_bytes(start + bytes(2000))
    with pytest.raises(InputError, match=message):
        open_image(tmp_path / name).compute()


def test_decoders__of_a_real_tga_do_not_run(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png", format="TGA")
    with pytest.raises(InputError, match="is not a PNG, JPEG, WebP, GIF, BMP, PNM or AVIF"):
        open_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [*sorted({*CONVERSIONS} - {".jp2"}), ".xyz", ""])
def test_refused__other_formats_with_a_way_out(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"\1\2\3\4" * 100)
    way_out = CONVERSIONS.get(suffix, "convert it to TIFF first")
    with pytest.raises(InputError) as refused:
        open_image(tmp_path / f"a{suffix}")
    assert way_out in str(refused.value)


def test_text_of_a_png__does_not_matter(tmp_path, pixels):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Orientation", "6")
    Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=notes)
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").compute(), pixels)
