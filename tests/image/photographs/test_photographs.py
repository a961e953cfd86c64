import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from dasksom.errors import InputError
from dasksom.image import Options, Output, create_writer, open_image, open_pixels, open_result
from dasksom.image.photographs import decoding
from dasksom.image.photographs import source as photographs


@pytest.fixture
def pixels(random):
    return random.integers(0, 256, (60, 50, 3), np.uint8)


def _image(mode, pixels):
    if mode == "P":
        return Image.fromarray(pixels).quantize(16)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize(("mode", "bands"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("P", 3)])
def test_reads__png_of_every_mode(tmp_path, pixels, mode, bands):
    image = _image(mode, pixels)
    image.save(tmp_path / "a.png")
    expected = np.asarray(image.convert("RGB") if mode == "P" else image).reshape(60, 50, bands)
    assert np.array_equal(open_image(tmp_path / "a.png", alpha="band").compute(), expected)


def test_reads__palette_with_transparency_as_rgba(tmp_path, pixels):
    image = _image("P", pixels)
    image.save(tmp_path / "a.png", transparency=3)
    found = open_image(tmp_path / "a.png", alpha="band").compute()
    assert found.shape == (60, 50, 4)
    assert np.array_equal(found[..., 3] == 0, np.asarray(image) == 3)


def test_reads__one_bit_as_black_and_white(tmp_path, pixels):
    Image.fromarray(pixels).convert("1").save(tmp_path / "a.png")
    found = open_image(tmp_path / "a.png")
    assert found.dtype == np.uint8
    assert set(np.unique(found.compute())) == {0, 255}


def test_reads__sixteen_bit_gray(tmp_path, random):
    gray = random.integers(0, 65536, (60, 50), np.uint16)
    Image.fromarray(gray).save(tmp_path / "a.png")
    found = open_image(tmp_path / "a.png")
    assert found.dtype == np.uint16
    assert np.array_equal(found.compute()[..., 0], gray)


@pytest.mark.parametrize(("name", "kwargs"), [("a.jpg", {}), ("a.JPEG", {}), ("a.webp", {"lossless": True})])
def test_reads__jpeg_and_webp(tmp_path, pixels, name, kwargs):
    Image.fromarray(pixels).save(tmp_path / name, **kwargs)
    with Image.open(tmp_path / name) as image:
        expected = np.asarray(image)
    assert np.array_equal(open_image(tmp_path / name).compute(), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reads__upright_as_the_camera_was_held(tmp_path, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    found = open_image(tmp_path / "a.png")
    assert found.shape == upright.shape
    assert np.array_equal(found.compute(), upright)


def test_reads__header_first_and_pixels_once(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(np.tile(pixels, (10, 20, 1))).save(path)
    image = open_image(path, chunk_bytes=100_000)
    assert image.npartitions > 4
    assert photographs._decoded.cache_info().misses == 0
    assert np.array_equal(image.compute(), np.tile(pixels, (10, 20, 1)))
    assert photographs._decoded.cache_info().misses == 1


def test_source__pickles_threads_and_keeps_its_pixels(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    source = open_pixels(tmp_path / "a.png")
    region = source[3:20, 5:30, 0:3]
    assert region.flags.c_contiguous
    region[...] = 0
    again = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 1000
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda y: again[y : y + 10, 5:30, 0:3], range(50))
        assert all(np.array_equal(part, pixels[y : y + 10, 5:30]) for y, part in enumerate(parts))


def _saved(image, path, **kwargs):
    image.save(path, **kwargs)
    return path


def _deep_png(path):
    """A 16-bit RGB PNG, which Pillow cannot write."""
    import struct
    import zlib

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + bytes(4 * 6) for _ in range(4)))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b""))


def test_refused__kinds(tmp_path, pixels, monkeypatch):
    rgb = Image.fromarray(pixels)
    _saved(rgb.convert("CMYK"), tmp_path / "cmyk.jpg")
    with pytest.raises(InputError, match=r"cmyk\.jpg: its colors are CMYK; .*convert it to RGB"):
        open_image(tmp_path / "cmyk.jpg")
    _deep_png(tmp_path / "deep.png")
    monkeypatch.setattr(decoding, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"deep\.png: is a PNG of 16 bits and several bands, .*dasksom\[tiff\]"):
        open_image(tmp_path / "deep.png")
    _saved(rgb, tmp_path / "moving.webp", save_all=True, append_images=[rgb.rotate(90)])
    with pytest.raises(InputError, match=r"moving\.webp: is an animation of 2 frames"):
        open_image(tmp_path / "moving.webp")
    (tmp_path / "text.png").write_text("no image at all")
    with pytest.raises(InputError, match=r"text\.png: is not a PNG, JPEG, WebP, GIF, BMP, PNM or AVIF"):
        open_image(tmp_path / "text.png")
    with pytest.raises(InputError, match="does not apply to PNG, JPEG, WebP, GIF, BMP, PNM or AVIF; leave it out"):
        open_image(_saved(rgb, tmp_path / "a.png"), component="x")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_refused__cut_short(tmp_path, pixels, suffix):
    path = _saved(Image.fromarray(np.tile(pixels, (4, 4, 1))), tmp_path / f"a.{suffix}")
    path.write_bytes(path.read_bytes()[:-3000])
    image = open_image(path)  # the header is whole
    with pytest.raises(InputError, match="cannot be decoded"):
        image.compute()


def test_limit__large_is_read_without_a_warning_and_too_large_refused(tmp_path, pixels, monkeypatch):
    path = _saved(Image.fromarray(pixels), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # 3000 pixels: more than 1 x, less than 2 x
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(open_image(path).compute(), pixels)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(
        InputError, match=r"too large.*more than 178956970 pixels.*tiled TIFF.*pyvips.*a\.tif"
    ) as refused:
        open_image(path)
    # the advice, as a person copies it; pyvips is installed already
    advice = str(refused.value).partition("pip install 'pyvips[binary]' && ")[2]
    assert advice.startswith("python -c ")
    environment = {**os.environ, "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))}
    subprocess.run(advice, shell=True, check=True, timeout=60, env=environment)  # noqa: S602 - as a person would
    assert np.array_equal(open_image(path.with_suffix(".tif")).compute(), pixels)


# ---------------------------------------------------------------------------------------------------------- writing


def _write(path, labels, palette, chunks=(40, 64), **kwargs):
    height, width = labels.shape
    writer = create_writer(
        Output(path, height=height, width=width, chunks=chunks, palette=palette, metadata={"a": 1}, **kwargs)
    )
    writer = pickle.loads(pickle.dumps(writer))
    corners = [(y, x) for y in range(0, height, chunks[0]) for x in range(0, width, chunks[1])]
    parts = [(c, labels[c[0] : c[0] + chunks[0], c[1] : c[1] + chunks[1]]) for c in corners]
    writer.collect((corner, part.shape, writer.encode(part, corner)) for corner, part in parts)


@pytest.mark.parametrize(("units", "mode"), [(2, "P"), (256, "P"), (257, "RGB")])
def test_writes__png_paletted_where_it_can_be(tmp_path, random, units, mode):
    palette = random.integers(0, 256, (units, 3), np.uint8)
    labels = random.integers(0, units, (101, 130), np.uint16)
    _write(tmp_path / "a.png", labels, palette)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        assert image.info["dasksom"] == '{"dasksom": {"a": 1}}'
        assert np.array_equal(np.asarray(image.convert("RGB")), palette[labels])
    assert np.array_equal(open_image(tmp_path / "a.png").compute(), palette[labels])


@pytest.mark.parametrize(("dtype", "bands"), [("u1", 1), ("u1", 4), ("u2", 1)])
def test_writes__png_of_other_bands(tmp_path, random, dtype, bands):
    palette = random.integers(0, np.iinfo(dtype).max, (9, bands), dtype)
    labels = random.integers(0, 9, (101, 130), np.uint8)
    _write(tmp_path / "a.png", labels, palette)
    assert np.array_equal(open_image(tmp_path / "a.png", alpha="band").compute(), palette[labels])


@pytest.mark.parametrize(("units", "mode"), [(255, "P"), (256, "RGBA")])
def test_writes__pixels_without_data_are_transparent(tmp_path, random, units, mode):
    palette = random.integers(1, 256, (units, 3), np.uint8)
    labels = random.integers(0, units, (101, 130), np.uint16)
    labels[:9] = 9999
    _write(tmp_path / "a.png", labels, palette, nodata=True)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        found = np.asarray(image.convert("RGBA"))
    assert not found[:9].any()
    assert np.array_equal(found[9:, :, :3], palette[labels[9:]])
    assert (found[9:, :, 3] == 255).all()


def test_writes__a_palette_with_opacity(tmp_path, random):
    palette = random.integers(0, 256, (255, 4), np.uint8)
    labels = random.integers(0, 255, (50, 60), np.uint16)
    labels[:9] = 9999
    _write(tmp_path / "a.png", labels, palette, nodata=True)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        found = np.asarray(image.convert("RGBA"))
    assert not found[:9].any()
    assert np.array_equal(found[9:], palette[labels[9:]])
    with open_result(tmp_path / "a.png") as result:
        assert np.array_equal(result.palette, palette)
        units = result.units_of(result.labels[0].compute())
    assert np.array_equal(units, np.where(labels < 255, labels.astype(int), -1))


@pytest.mark.parametrize(
    ("pixels", "units", "mode"), [("labels", 9, "L"), ("labels", 300, "I;16"), ("colors", 9, "RGB")]
)
def test_writes__what_was_asked_for(tmp_path, random, pixels, units, mode):
    palette = random.integers(0, 256, (units, 3), np.uint8)
    labels = random.integers(0, units, (101, 130), np.uint16)
    _write(tmp_path / "a.png", labels, palette, options=Options(pixels=pixels))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        assert np.array_equal(np.asarray(image), labels + 1 if pixels == "labels" else palette[labels])


def test_refused__palettes_that_are_too_large(tmp_path):
    with pytest.raises(InputError, match=r"a palette holds 256 colors .* these are 300 colors of 3 bands"):
        create_writer(
            Output(
                tmp_path / "a.png",
                height=9,
                width=9,
                chunks=(9, 9),
                palette=np.zeros((300, 3), np.uint8),
                metadata={},
                options=Options(pixels="palette"),
            )
        )


@pytest.mark.parametrize("bands", [1, 3])
def test_writes__jpeg_close_to_the_palette(tmp_path, random, bands):
    palette = random.integers(0, 256, (4, bands), np.uint8)
    labels = np.repeat(np.repeat(random.integers(0, 4, (4, 5), np.uint8), 16, axis=0), 16, axis=1)
    _write(tmp_path / "a.jpg", labels, palette)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "JPEG"
        found = np.asarray(image).reshape(64, 80, bands)
    assert np.abs(found.astype(int) - palette[labels]).max() <= 6


@pytest.mark.parametrize(
    ("name", "size", "dtype", "bands", "message"),
    [
        ("a.png", (20_000, 20_000), "u1", 3, r"too many for this format.*178956970.*write \.tif or \.zarr"),
        ("a.jpg", (20_000, 20_000), "u1", 3, "too many for this format"),
        ("a.jpg", (70_000, 10), "u1", 3, "at most 65535 a side"),
        ("a.png", (10, 10), "u1", 2, "cannot hold uint8 of 2 bands: a PNG holds"),
        ("a.png", (10, 10), "u2", 3, "cannot hold uint16 of 3 bands: a PNG holds"),
        ("a.png", (10, 10), "f4", 1, "cannot hold float32"),
        ("a.jpeg", (10, 10), "u1", 4, "cannot hold uint8 of 4 bands: a JPEG holds"),
        ("a.jpeg", (10, 10), "u2", 1, "cannot hold uint16"),
    ],
)
def test_writes__refused(tmp_path, name, size, dtype, bands, message):
    with pytest.raises(InputError, match=message):
        create_writer(
            Output(
                tmp_path / name,
                height=size[0],
                width=size[1],
                chunks=(10, 10),
                palette=np.zeros((4, bands), dtype),
                metadata={},
            )
        )


def test_limit__large_tiff_for_large_photographs_is_no_dead_end(tmp_path, pixels):
    # what the advice makes: a deflate-compressed tiled BigTIFF
    tifffile.imwrite(tmp_path / "a.tif", pixels, tile=(512, 512), compression="zlib", bigtiff=True, photometric="rgb")
    assert np.array_equal(open_image(tmp_path / "a.tif").compute(), pixels)
