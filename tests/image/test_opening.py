import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image

from dasksom.errors import InputError
from dasksom.image import ReadOptions, fingerprint, open_image, open_picture, open_pixels
from dasksom.image.opening import READERS


@pytest.fixture
def pixels(random):
    return random.integers(0, 256, (60, 50, 3), np.uint8)


def test_path__of_every_kind(tmp_path, pixels, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save(tmp_path / "a b.png")
    for path in ("a b.png", "~/a b.png", Path("a b.png"), f"file://{tmp_path}/a%20b.png", tmp_path / "x/../a b.png"):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert np.array_equal(open_image(path).compute(), pixels)


def test_path__relative_still_means_the_same_elsewhere(tmp_path, pixels, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("a.tif", pixels, photometric="rgb")
    image = open_image("a.tif")
    monkeypatch.chdir("/")  # workers start in folders of their own
    assert np.array_equal(image.compute(), pixels)


def test_format__by_content_where_the_suffix_says_nothing(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "slide.svs", pixels, photometric="rgb")
    tifffile.imwrite(tmp_path / "big", pixels, photometric="rgb", bigtiff=True, byteorder=">")
    Image.fromarray(pixels).save(tmp_path / "photo.dat", format="PNG")
    for name in ("slide.svs", "big", "photo.dat"):
        assert np.array_equal(open_image(tmp_path / name).compute(), pixels)


def test_format__unknown(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"nothing known")
    with pytest.raises(InputError, match=r"a\.xyz: not an image .* accepted are .*\.jpeg, \.jpg, .*\.zarr"):
        open_image(tmp_path / "a.xyz")


@pytest.mark.parametrize("suffix", READERS)
def test_refused__whatever_the_suffix(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(InputError, match=rf"a\{suffix}: cannot be opened: No such file"):
        open_image(path)
    path.touch()
    with pytest.raises(InputError, match=rf"a\{suffix}: is empty"):
        open_image(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=rf"a\{suffix}: is neither a file nor a directory"):
        open_image(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=rf"a\{suffix}: no Zarr metadata in this directory"):
        open_image(path)
    path.rmdir()
    path.write_bytes(b"rubbish" * 100)
    with pytest.raises(InputError, match=rf"a\{suffix}: "):
        open_image(path)


def test_refused__no_permission(tmp_path, monkeypatch):
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"a\.tif: no permission to read it"):
        open_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("ftp://someone:word@host/a.zarr", "^ftp://host/a.zarr: URLs of ftp:// are not read; accepted are .*s3://"),
        ("file://me:word@otherhost/a.tif", r"^file://otherhost/a\.tif: is not a local path"),
        ("gs://b/a.png", r"gs://b/a\.png: gs:// takes the package gcsfs"),
    ],
)
def test_refused__remote(path, message):
    with pytest.raises(InputError, match=message):
        open_image(path)


@pytest.mark.parametrize("path", ["", "a\0b.png", "~nobody-of-this-name/a.png"])
def test_refused__no_path_at_all(path):
    with pytest.raises(InputError):
        open_image(path)


def test_refused__plan_names_the_file(tmp_path, pixels):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    with pytest.raises(InputError, match=r"a\.tif: chunk_bytes must be 1 or more"):
        open_image(tmp_path / "a.tif", chunk_bytes=0)


@pytest.mark.parametrize("align", [1, 16])
def test_chunks__misaligned_with_storage_read_right(tmp_path, random, align):
    stored = random.integers(0, 256, (333, 217, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", rowsperstrip=11, compression="zlib")
    image = open_image(tmp_path / "a.tif", chunk_bytes=20_000, align=align)
    assert all(n % align == 0 for n in image.chunks[0][:-1])
    assert len(image.chunks[0]) > 3
    assert np.array_equal(image.compute(), stored)


def test_source__region_is_what_the_image_shows(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    source = open_pixels(tmp_path / "a.png")
    assert (source.shape, source.ndim, source.dtype, source.storage_chunks) == ((60, 50, 3), 3, np.uint8, (60, 50))
    assert np.array_equal(open_image(tmp_path / "a.png")[5:9, 7:11, 1].compute(), pixels[5:9, 7:11, 1])


def test_in_chunks__is_what_opening_in_these_chunks_gives(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 300, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[:, :, 0]).save(tmp_path / "mask.png")
    picture = open_picture(tmp_path / "a.png", mask=tmp_path / "mask.png", nodata=7)
    regions = ((0, 50, 10, 30),)
    again = picture.in_chunks(chunk_bytes=300_000, align=16, unread=regions)
    anew = open_picture(
        tmp_path / "a.png", mask=tmp_path / "mask.png", nodata=7, chunk_bytes=300_000, align=16, unread=regions
    )
    assert again.pixels.chunks == anew.pixels.chunks != picture.pixels.chunks
    assert again.pixels.name == anew.pixels.name
    assert again.mask.name == anew.mask.name
    assert again.about == anew.about
    assert fingerprint(picture.in_chunks(chunk_bytes=300_000)) == fingerprint(picture)
    np.testing.assert_array_equal(again.mask.compute(), anew.mask.compute())


def test_in_chunks__opens_no_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64, 3), np.uint8))
    picture = open_picture(tmp_path / "a.tif")
    (tmp_path / "a.tif").unlink()
    assert picture.in_chunks(chunk_bytes=3000, align=16).pixels.chunks[0] == (16, 16, 16, 16)


def test_options__in_one_record_or_by_name(tmp_path):
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(tmp_path / "a.png")
    options = ReadOptions(alpha="drop")
    assert open_image(tmp_path / "a.png", options).shape == (4, 4, 3)
    assert open_image(tmp_path / "a.png", options, alpha="band").shape == (4, 4, 4)
    with pytest.raises(TypeError, match="colour"):
        open_image(tmp_path / "a.png", colour=1)
    with pytest.raises(InputError, match="one of mask, drop, band"):
        ReadOptions(alpha="x")


def _write_indexed(path, indices, bits):
    palette = np.random.default_rng(8).integers(0, 256, (256, 3), np.uint8)
    if path.suffix == ".tif":
        colors = {value: (*map(int, palette[value]), 255) for value in range(1 << bits)}
        with rasterio.open(path, "w", "GTiff", *indices.shape[::-1], 1, dtype="uint8", nodata=0, nbits=bits) as file:
            file.write_colormap(1, colors)
            file.write(indices, 1)
    else:
        image = Image.fromarray(indices, "P")
        image.putpalette(palette[: 1 << bits].tobytes())
        image.save(path, **({"bits": bits, "transparency": 0} if path.suffix == ".png" else {}))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.bmp"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_indices_of_a_palette__are_those_of_gdal_and_pillow(tmp_path, name, bits):
    indices = np.random.default_rng(9).integers(0, 1 << bits, (40, 30), np.uint8)
    _write_indexed(tmp_path / name, indices, bits)
    picture = open_picture(tmp_path / name, indices=True)
    np.testing.assert_array_equal(picture.pixels[..., 0].compute(), indices)
    assert picture.pixels.shape == (40, 30, 1)
    with rasterio.open(tmp_path / name) as file:
        np.testing.assert_array_equal(file.read(1), indices)
    assert name != "a.tif" or np.array_equal(picture.mask.compute(), indices != 0)
    assert open_picture(tmp_path / name).pixels.shape[2] == 3  # colors by default
