"""What SECURITY.md promises and no other test holds: no code from files, no matter which path leads to them."""

import contextlib
import json
import os
import pickle
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from packaging.requirements import Requirement
from packaging.version import Version

from dasksom import InputError, open_image, open_picture
from dasksom.image.zarr.guarded_store import store_of
from dasksom.storage.locations import Location
from dasksom.storage.npz import read_npz
from tests.bad_input import files, images

ROOT = Path(__file__).parents[1]
FILTERS = [
    [{"id": "vlen-utf8"}, {"id": "pickle"}],
    [{"id": "pickle", "protocol": 5}],
    [{"id": "zlib", "level": 1}, {"id": "pickle"}],
]


class Canary:
    """Leaves a file where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("canary",)


def _hostile(path, filters, dtype="|O", consolidated=False):
    """Make a Zarr 2 whose only chunk is a pickle that runs code."""
    zarr.create_group(path, zarr_format=2)
    array = path / "image"
    array.mkdir()
    told = {"zarr_format": 2, "shape": [4, 4], "chunks": [4, 4], "dtype": dtype, "compressor": None, "filters": filters,
            "fill_value": 0, "order": "C"}  # fmt: skip
    (array / ".zarray").write_text(json.dumps(told))
    (array / "0.0").write_bytes(pickle.dumps(Canary()))
    if consolidated:
        metadata = {".zgroup": {"zarr_format": 2}, "image/.zarray": told}
        (path / ".zmetadata").write_text(json.dumps({"zarr_consolidated_format": 1, "metadata": metadata}))
    return path


@pytest.mark.parametrize("unsafe", [False, True])
@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("dtype", ["|O", "|u1"])
@pytest.mark.parametrize("filters", FILTERS)
def test_zarr__never_unpickles(tmp_path, monkeypatch, filters, dtype, consolidated, unsafe):
    """Not even where numcodecs is told that it may."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", unsafe)
    path = _hostile(tmp_path / "a.zarr", filters, dtype, consolidated)
    for options in ({}, {"component": "image"}):
        with pytest.raises(InputError, match="pickle"):
            open_image(path, **options).compute()
    with pytest.raises(InputError, match="pickle"):
        open_image(path / "image").compute()
    assert not Path("canary").exists()


def test_zarr__alone_would_run_the_code(tmp_path, monkeypatch):
    """The trap of the test before is one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True)
    array = zarr.open_array(_hostile(tmp_path / "a.zarr", FILTERS[0]) / "image", mode="r")
    with contextlib.suppress(Exception):
        array[...]
    assert Path("canary").exists()


def test_zarr__metadata_changed_after_it_was_looked_at(tmp_path, monkeypatch):
    """Workers look too: what was opened may be another store by the time that they read."""
    monkeypatch.chdir(tmp_path)
    zarr.create_array(tmp_path / "a.zarr", data=np.ones((8, 8, 3), np.uint8), zarr_format=2)
    image = open_image(tmp_path / "a.zarr")
    told = json.loads((tmp_path / "a.zarr/.zarray").read_text())
    (tmp_path / "a.zarr/.zarray").write_text(json.dumps({**told, "filters": FILTERS[1]}))
    (tmp_path / "a.zarr/0.0.0").write_bytes(pickle.dumps(Canary()))
    with pytest.raises(InputError, match="'pickle', which runs"):
        image.compute()
    assert not Path("canary").exists()


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_zarr__other_arrays_of_a_group_may_hold_text(tmp_path):
    """What is no image need not be one: coordinates of xarray, tables beside the pixels."""
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("image", data=np.ones((8, 8, 3), np.uint8))
    group.create_array("names", shape=(3,), dtype="str")
    zarr.consolidate_metadata(tmp_path / "a.zarr")
    assert open_image(tmp_path / "a.zarr").shape == (8, 8, 3)
    with pytest.raises(InputError, match="dtype string"):
        open_image(tmp_path / "a.zarr", component="names")


def test_zarr__every_access_is_guarded(tmp_path):
    """Zarr reads by `get` alone; another way round it would go unseen."""
    _hostile(tmp_path / "a.zarr", FILTERS[0])
    with pytest.raises(InputError, match="pickle"):
        zarr.open_group(store_of(Location(str(tmp_path / "a.zarr")), None), mode="r")["image"]


def test_models__never_unpickle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", weights=np.array([Canary()], object), about=np.zeros(1))
    with pytest.raises(ValueError, match="object"):
        read_npz(Path("a.npz"), 1 << 20)
    assert not Path("canary").exists()


def test_vrt__outside_its_folder_if_the_user_says_so(tmp_path, patch):
    (tmp_path / "inside").mkdir()
    tifffile.imwrite(tmp_path / "a.tif", patch, photometric="rgb")
    images._vrt()(tmp_path / "inside")
    path = tmp_path / "inside/a.vrt"
    path.write_text(path.read_text().replace("photo.png", "../a.tif"))
    with pytest.raises(InputError, match=r"outside of its own folder; .*--allow-outside"):
        open_image(path)
    found = open_picture(path, allow_outside=True).pixels.compute()
    assert np.array_equal(found[..., 0], patch[:40, :48, 0])


LIMITED = """
import resource, sys
import dasksom, dasksom.models, dasksom.image.opening, dasksom.image.tiff.source, dasksom.image.zarr.source
import PIL.Image, skimage.io, tifffile, zarr  # the limit is for what the files claim, not for the code that reads them
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + (300 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name in sys.argv[1:]:
    try:
        (dasksom.load if name.endswith("npz") else dasksom.open_image)(name)
    except dasksom.InputError as error:
        print(error)
"""


def test_bombs__are_refused_in_little_memory(tmp_path):
    """Under a limit of address space that the declared sizes would burst."""
    images._zarr(**{images.REGULAR: [200_000, 200_000, 3]})(tmp_path)
    images._bytes("a.png", images._png(60_000, 60_000))(tmp_path)
    files._claims((1 << 30, 1 << 20, 3))(tmp_path)
    images._tiff((322, 65520), (323, 65520))(tmp_path)
    names = ["a.zarr", "a.png", "a.npz", "a.tif"]
    command = [sys.executable, "-c", LIMITED, *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [name in line for name, line in zip(names, done.stdout.splitlines(), strict=True)] == [True] * 4


def test_floors__of_packages_that_were_weak():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}
    for name, weak in (("numcodecs", "0.16.5"), ("distributed", "2025.12.0"), ("zarr", "3.1.2"), ("pillow", "10.4")):
        assert Version(weak) not in wanted[name]
        assert Version(version(name)) in wanted[name]


def test_security_md__names_tests_that_there_are():
    text = (ROOT / "SECURITY.md").read_text()
    named = set(re.findall(r"tests/[\w/.]+\w", text))
    assert len(named) > 8
    assert not [path for path in named if not (ROOT / path).exists()]


def test_no_rule_of_security_is_broken_without_a_word():
    """Each exception to ruff's S rules says why."""
    found = [
        (path.name, line.strip())
        for folder in ("dasksom", "scripts")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if "noqa: S" in line and not line.partition("noqa: S")[2].partition(" - ")[2]
    ]
    assert found == []
