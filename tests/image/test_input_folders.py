from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dasksom import BatchSOM
from dasksom.cli.main import cli
from dasksom.errors import InputError
from dasksom.image import check_alike, check_folder, check_mask_of_several


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


def test_check_mask_of_several__names_the_way_out():
    check_mask_of_several(["a.png", "b.png"], None)
    check_mask_of_several(["a.png"], "mask.png")
    with pytest.raises(InputError, match=r"--mask mask\.png: given for 2 images .*IMAGE\.tif\.msk"):
        check_mask_of_several(["a.png", "b.png"], "mask.png")


@pytest.mark.parametrize("command", ["train", "apply"])
def test_mask__of_several_images_is_refused(tmp_path, command):
    for name in ("a.png", "b.png", "mask.png"):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    images = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    BatchSOM(2, 2, epochs=1).fit(np.eye(4, 1)).save(tmp_path / "map.npz")
    arguments = {
        "train": ["train", *images, str(tmp_path / "new.npz")],
        "apply": ["apply", str(tmp_path / "map.npz"), *images, str(tmp_path / "out")],
    }[command]
    done = CliRunner().invoke(cli, [*arguments, "--mask", str(tmp_path / "mask.png")])
    assert isinstance(done.exception, InputError)
    assert "given for 2 images" in str(done.exception)
    assert not (tmp_path / "new.npz").exists()
    assert not (tmp_path / "out").exists()
