from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from dasksom import BatchSOM, load
from dasksom.cli.main import cli
from dasksom.errors import InputError
from dasksom.image import check_alike, check_folder, masks_of_images


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).touch()
    (tmp_path / "link").symlink_to(folder)
    return folder


@pytest.mark.parametrize("name", ["photos", "photos/", "link", "photos/../photos"])
def test_check_folder__that_is_read(images, name):
    place = f"{images.parent}/{name}"
    outputs = {f"{place}/a.zarr": [str(images / "a.png")]}
    with pytest.raises(InputError, match="is the folder that is read"):
        check_folder(place, [str(images)], outputs)


@pytest.mark.parametrize("name", ["photos", "link"])
def test_check_folder__no_output_has_the_place_of_an_image(images, name):
    given = [str(images / "a.png")]
    with pytest.raises(InputError, match=r"a\.png: is one of the images"):
        check_folder(images.parent / name, given, {str(images.parent / name / "a.png"): given})


def test_check_folder__beside_single_images_and_below_their_folder(images):
    given = str(images / "a.png")
    check_folder(images, [given, "s3://bucket/b.png"], {str(images / "a.zarr"): [given]})
    check_folder(images / "reduced", [str(images)], {str(images / "reduced" / "a.png"): [given]})


@pytest.mark.parametrize(("bands", "dtype"), [(1, "uint8"), (3, "uint16")])
def test_check_alike__names_the_image(bands, dtype):
    kinds = [(3, "uint8"), (3, "uint8"), (bands, dtype)]
    pictures = [SimpleNamespace(pixels=da.zeros((4, 4, n), dtype=np.dtype(kind))) for n, kind in kinds]
    check_alike(["a.png", "b.png"], pictures[:2])
    with pytest.raises(InputError, match=rf"c\.png: has {bands} bands of {dtype}, and {Path('a.png')} has 3 of uint8"):
        check_alike(["a.png", "b.png", "c.png"], pictures)


@pytest.mark.parametrize("command", ["train", "apply"])
def test_masks_of_several_images__are_one_or_as_many(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    rows = np.arange(8)
    for name, first in (("a", 2), ("b", 5)):
        Image.fromarray(np.full((8, 8), first * 10, np.uint8)).save(f"{name}.png")
        Image.fromarray(np.repeat(255 * (rows >= first)[:, None], 8, 1).astype(np.uint8)).save(f"mask-{name}.png")
    Image.fromarray(np.zeros((3, 8), np.uint8)).save("other.png")
    BatchSOM(1, 2, epochs=1).fit(np.eye(4, 1)).save("map.npz")

    def run(*masks):
        images = {"train": ["train", "a.png", "b.png", "new.npz", "--grid", "1x2"]}
        arguments = images.get(command, ["apply", "map.npz", "a.png", "b.png", "out"])
        options = [part for mask in masks for part in ("--mask", mask)]
        return CliRunner().invoke(cli, [*arguments, "--overwrite", *options])

    def used():
        if command == "train":
            return sorted(load("new.npz").hits().reshape(-1))
        return sorted((zarr.open(f"out/{name}.zarr")["labels"][...] > 0).sum() for name in "ab")

    assert run("mask-a.png", "mask-b.png").exit_code == 0
    assert used() == [24, 48]
    assert run("mask-a.png").exit_code == 0
    assert used() == [48, 48]
    refused = run("mask-a.png", "mask-b.png", "other.png")
    assert "3 masks are given for 2 images; give one for all images, or one for each" in str(refused.exception)
    fits = run("mask-a.png", "other.png")
    assert "other.png: a mask of 3 x 8 pixels does not fit an image of 8 x 8" in f"{fits.exception}{fits.output}"


def test_masks_of_several_images__are_in_the_folder_given(tmp_path):
    for name in ("b.png", "a.png", "c.txt"):
        Image.new("L", (2, 2)).save(tmp_path / name, "PNG")
    expected = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert masks_of_images(2, [str(tmp_path)]) == expected
    assert masks_of_images(3, []) == [None] * 3
