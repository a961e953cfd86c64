"""Zarr stores in ZIP files, next to zarr's own ZipStore and the folders that they were packed from."""

import pickle
import zipfile

import dask
import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from dasksom.errors import InputError
from dasksom.image import open_picture, open_pixels
from tests.cli.test_commands import run
from tests.image.test_band_names import NAMES, ome_zarr


@pytest.fixture
def pixels(random):
    return random.integers(0, 60_000, (130, 170, 4), np.uint16)


def pack(folder, path, base="", method=zipfile.ZIP_STORED, but=()):
    """Pack a folder; metadata come first, as RFC-9 recommends."""
    with zipfile.ZipFile(path, "w", method) as archive:
        files = sorted((one for one in folder.rglob("*") if one.is_file()), key=lambda one: one.name != "zarr.json")
        for one in files:
            if one.relative_to(folder).as_posix() not in but:
                archive.write(one, base + one.relative_to(folder).as_posix())
    return path


SETTINGS = {
    "chunks": {"chunks": (40, 50, 4)},
    "shards": {"chunks": (20, 25, 4), "shards": (40, 50, 4)},
    "zarr 2": {"chunks": (40, 50, 4), "zarr_format": 2},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_pixels_are_those_that_zarr_reads(tmp_path, pixels, settings):
    path = tmp_path / "a.zarr.zip"
    with ZipStore(path, mode="w") as store:
        zarr.create_array(store, data=pixels, **settings)
    with ZipStore(path, mode="r") as store:
        expected = zarr.open_array(store, mode="r")[...]
    picture = open_picture(path, chunk_bytes=1 << 15)
    assert picture.pixels.npartitions > 4
    np.testing.assert_array_equal(picture.pixels.compute(scheduler="threads", num_workers=4), expected)
    copy = pickle.loads(pickle.dumps(open_pixels(path)))
    assert [name for name, _ in copy.members()] == [str(path)]
    np.testing.assert_array_equal(copy[33:90, 7:160, 1:3], expected[33:90, 7:160, 1:3])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("base", ["", "slide.zarr/"])
def test_an_ome_zarr_in_an_archive_is_that_of_the_folder(tmp_path, pixels, base, method):
    ome_zarr(tmp_path / "slide.zarr", pixels)
    path = pack(tmp_path / "slide.zarr", tmp_path / "slide.ozx", base, method)
    picture, folder = open_picture(path), open_picture(tmp_path / "slide.zarr")
    assert picture.band_names == folder.band_names == tuple(NAMES)
    assert picture.about["format"] == folder.about["format"]
    np.testing.assert_array_equal(picture.pixels, folder.pixels)
    with dask.config.set(scheduler="processes", num_workers=2):
        np.testing.assert_array_equal(picture.pixels, pixels)


def test_commands__take_archives_for_folders(tmp_path, pixels, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ome_zarr(tmp_path / "slide.zarr", pixels)
    (tmp_path / "slides").mkdir()
    pack(tmp_path / "slide.zarr", tmp_path / "slides" / "a.ozx")
    pack(tmp_path / "slide.zarr", tmp_path / "slides" / "b.zarr.zip", "slide.zarr/")
    options = ("--grid", "2x3", "--epochs", "2", "--seed", "0", "--bands", "CD3,CD8")
    assert run("quantize", "slide.zarr", "folder.zarr", *options)[0] == 0
    assert run("quantize", "slides/a.ozx", "file.zarr", *options)[0] == 0
    labels = zarr.open("folder.zarr")["labels"][...]
    np.testing.assert_array_equal(zarr.open("file.zarr")["labels"], labels)
    assert run("train", "slides", "map.npz", *options)[0] == 0  # both
    assert "OME-Zarr 0.5" in run("info", "slides/b.zarr.zip")[1]


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-30])


def _damaged(path):
    with zipfile.ZipFile(path) as archive:
        at = next(one.header_offset for one in archive.infolist() if one.filename.endswith("c/1/2/0")) + 200
    content = bytearray(path.read_bytes())
    content[at] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncated, "a.zarr.zip: is not a ZIP file, or is cut short or damaged"),
        (lambda path: path.write_bytes(b"no zip"), "a.zarr.zip: is not a ZIP file"),
        (lambda path: path.write_bytes(b""), "a.zarr.zip: is empty"),
        (lambda path: path.unlink(), "a.zarr.zip"),
        (_damaged, r"the chunk c/1/2/0, .* cannot be read: Bad CRC-32 .*; the store is damaged"),
    ],
)
def test_damaged_archives__are_errors_in_words(tmp_path, pixels, damage, message):
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(40, 50, 4), compressors=None)
    path = pack(tmp_path / "a.zarr", tmp_path / "a.zarr.zip")
    damage(path)
    with pytest.raises(InputError, match=message):
        open_picture(path).pixels.compute()


@pytest.mark.parametrize(
    ("base", "but", "message"),
    [
        ("a/b/", (), "no Zarr metadata at the root of this ZIP file, or in its only folder"),
        ("", ("zarr.json",), "no Zarr metadata at the root"),
        ("", ("c/1/2/0",), "1 of its 16 chunks is missing, the first one c/1/2/0"),
    ],
)
def test_incomplete_archives__are_refused_before_pixels_are_read(tmp_path, pixels, base, but, message):
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(40, 50, 4))
    path = pack(tmp_path / "a.zarr", tmp_path / "a.ozx", base, but=but)
    with pytest.raises(InputError, match=message):
        open_picture(path)


def test_a_bomb__is_refused_before_it_is_decompressed(tmp_path, pixels):
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(40, 50, 4), compressors=None)
    (tmp_path / "a.zarr" / "c/0/0/0").write_bytes(bytes(64 << 20))
    path = pack(tmp_path / "a.zarr", tmp_path / "a.ozx", method=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="67108864 bytes, but a chunk has 16000 decoded"):
        open_picture(path).pixels[:10].compute()
