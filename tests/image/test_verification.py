"""Every bit of an output that is not what was written is found."""

import shutil
import subprocess

import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from PIL import Image

from dasksom import BatchSOM, DasksomError, InputError, load
from dasksom.cli.main import cli
from dasksom.image import open_image, verify
from dasksom.storage.checksum_manifests import MANIFEST

OUTPUTS = {
    "a.zarr": [],
    "b.zarr": ["--codec", "none"],
    "a.ome.zarr": ["--chunk", "64"],
    "b.ome.zarr": ["--ome-version", "0.4", "--codec", "blosc", "--chunk", "64"],
    "a.tif": ["--layout", "pyramid", "--chunk", "64"],
    "b.tif": ["--pixels", "colors", "--codec", "none"],
    "a.png": [],
    "a.jpg": [],
    "a.npz": [],
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Outputs of every kind, of one small image."""
    folder = tmp_path_factory.mktemp("outputs")
    pixels = np.random.default_rng(0).integers(0, 256, (150, 130, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "image.png")
    BatchSOM(2, 3, epochs=2).fit(pixels).save(folder / "a.npz")
    for name, options in OUTPUTS.items():
        if name != "a.npz":
            given = ["apply", str(folder / "a.npz"), str(folder / "image.png"), str(folder / name), *options]
            done = CliRunner().invoke(cli, given, catch_exceptions=False)
            assert done.exit_code == 0, done.output
    return folder


def problems(path):
    return {checked.name: checked.problem for checked in verify(str(path)) if checked.problem is not None}


@pytest.mark.parametrize("name", OUTPUTS)
def test_whole_outputs__are_found_whole(outputs, name):
    assert problems(outputs / name) == {}
    assert len(list(verify(str(outputs / name)))) >= (5 if name.endswith("zarr") else 1)


def test_whole_outputs__can_be_read(outputs):
    image = open_image(outputs / "a.zarr").compute()
    assert np.array_equal(image, open_image(outputs / "a.ome.zarr").compute())
    assert np.array_equal(image, tifffile.imread(outputs / "b.tif"))
    assert load(outputs / "a.npz").units == 6
    group = zarr.open_group(outputs / "a.zarr", mode="r")
    assert sorted(group.array_keys()) == ["image", "labels", "palette"]  # and zarr warns of nothing


def test_sums__are_those_of_sha256sum(outputs):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    done = subprocess.run(["sha256sum", "-c", MANIFEST], cwd=outputs / "a.ome.zarr", capture_output=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.count(b": OK") == len(list(verify(str(outputs / "a.ome.zarr"))))


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_flipped_bit_is_found(outputs, name):
    path, draw = outputs / name, np.random.default_rng(3)
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for _ in range(35):  # 315 in all
        victim = files[draw.integers(len(files))]
        content = victim.read_bytes()
        bit = int(draw.integers(8 * len(content)))
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        victim.write_bytes(broken)
        try:
            assert problems(path), (victim, bit)
        finally:
            victim.write_bytes(content)
    assert problems(path) == {}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_cut_off_is_found(outputs, name):
    path, draw = outputs / name, np.random.default_rng(4)
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    for _ in range(8):
        victim = files[draw.integers(len(files))]
        content = victim.read_bytes()
        victim.write_bytes(content[: draw.integers(1, len(content))])
        try:
            assert problems(path), victim
        finally:
            victim.write_bytes(content)


@pytest.mark.parametrize("name", ["a.zarr", "a.ome.zarr", "b.ome.zarr"])
def test_missing_and_foreign_files_are_found(outputs, tmp_path, name):
    path = tmp_path / name
    shutil.copytree(outputs / name, path)
    files = sorted(one for one in path.rglob("*") if one.is_file() and one.name != "SHA256SUMS")
    lost = files[0]
    lost.unlink()
    assert problems(path) == {lost.relative_to(path).as_posix(): "is missing"}
    (path / "palette" / "c" / "9").parent.mkdir(exist_ok=True)
    (path / "palette" / "c" / "9").write_bytes(b"x")
    assert problems(path)["palette/c/9"] == "does not belong here"
    (path / MANIFEST).unlink()
    with pytest.raises(InputError, match=r"has no file palette/SHA256SUMS.*no Zarr output of dasksom"):
        list(verify(str(path)))


def test_png__with_something_after_its_end(outputs, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes((outputs / "a.png").read_bytes() + b"x")
    assert "holds more data after its end" in problems(path)[str(path)]


def test_png__of_another_program(outputs):
    path = outputs / "image.png"
    assert "was not written by it" in problems(path)[str(path)]


def test_command__tells_what_is_wrong(outputs, tmp_path):
    shutil.copytree(outputs / "a.zarr", tmp_path / "a.zarr")
    done = CliRunner().invoke(cli, ["verify", str(tmp_path / "a.zarr")])
    assert done.exit_code == 0
    assert "9 files match their checksums" in done.output
    for path in (tmp_path / "a.zarr").rglob("0"):
        if path.is_file():
            path.write_bytes(b"")
    done = CliRunner().invoke(cli, ["verify", str(tmp_path / "a.zarr")])
    assert isinstance(done.exception, DasksomError)
    assert "3 of 9 files do not match their checksums" in str(done.exception)
    assert "image/c/0/0/0: is not what was written" in done.output


def test_what_is_no_output_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes.txt: is not an output of dasksom; they end in .*\.zarr"):
        verify(str(tmp_path / "notes.txt"))
    tifffile.imwrite(tmp_path / "other.tif", np.zeros((8, 8), np.uint8))
    assert "holds no checksum of dasksom" in problems(tmp_path / "other.tif")[str(tmp_path / "other.tif")]
    zarr.create_array(tmp_path / "other.zarr", data=np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match="no Zarr output of dasksom"):
        verify(str(tmp_path / "other.zarr"))
    with pytest.raises(InputError, match="cannot be opened"):
        verify(str(tmp_path / "gone.zarr"))
