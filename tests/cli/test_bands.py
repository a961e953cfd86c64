"""Names of bands through the commands: from a file, through the map, to another file."""

import logging

import numpy as np
import pytest
import tifffile
import zarr

import dasksom
from dasksom.image import open_picture
from dasksom.runs import image_run, run_state
from tests.cli.test_commands import run
from tests.image.test_band_names import NAMES, ome_tiff, ome_zarr

MAP = ("--grid", "2x3", "--epochs", "3", "--seed", "0")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def slide(folder):
    pixels = np.random.default_rng(0).integers(1, 60_000, (40, 50, 4), np.uint16)
    ome_tiff(folder / "slide.ome.tif", pixels)
    return pixels


def test_a_map_is_applied_by_the_names_of_its_bands(folder, slide, caplog):
    assert run("train", "slide.ome.tif", "map.npz", "--bands", "CD8,DAPI,CD3", *MAP)[0] == 0
    assert tuple(dasksom.load("map.npz").feature_names_in_) == ("CD8", "DAPI", "CD3")
    assert "0 CD8, 1 DAPI, 2 CD3" in run("info", "map.npz")[1]
    assert "0 DAPI, 1 CD3, 2 CD45, 3 CD8" in run("info", "slide.ome.tif")[1]
    # channels in another order, and one that the map does not know
    order = [2, 1, 3, 0]
    ome_zarr(folder / "other.ome.zarr", slide[..., order], [NAMES[band] for band in order])
    assert run("apply", "map.npz", "slide.ome.tif", "a.zarr", "--bands", "CD8,DAPI,CD3")[0] == 0
    assert run("apply", "map.npz", "other.ome.zarr", "b.ome.zarr")[0] == 0
    expected = dasksom.load("map.npz").predict(slide[..., [3, 0, 1]].astype(np.uint16)) + 1
    np.testing.assert_array_equal(zarr.open("a.zarr")["labels"], expected)
    np.testing.assert_array_equal(zarr.open("b.ome.zarr")["labels/som/0"], expected)
    assert open_picture("b.ome.zarr").band_names == ("CD8", "DAPI", "CD3")
    assert "band CD45" not in run("info", "b.ome.zarr")[1]

    code, _, error = run("apply", "map.npz", "other.ome.zarr", "c.zarr", "--bands", "CD8,DAPI,CD4")
    assert (code, "did you mean 'CD45'" in error) == (2, True)
    ome_zarr(folder / "less.ome.zarr", slide[..., :3], NAMES[:3])
    code, _, error = run("apply", "map.npz", "less.ome.zarr", "c.zarr")
    assert (code, "lacks CD8" in error, "--bands" in error) == (2, True, True)
    tifffile.imwrite("plain.tif", slide[..., :3], photometric="minisblack", planarconfig="contig")
    with caplog.at_level(logging.WARNING):
        assert run("apply", "map.npz", "plain.tif", "d.zarr")[0] == 0


def test_reports_and_palettes_have_the_names(folder, slide):
    assert run("quantize", "slide.ome.tif", "out.zarr", "--bands", "CD3,CD45,CD8,DAPI", *MAP, "--report")[0] == 0
    page = folder / "out.report.html"
    assert "bands CD3, CD45 and CD8 as red, green and blue" in page.read_text()
    assert run("train", "slide.ome.tif", "map.npz", *MAP)[0] == 0
    assert run("palette", "map.npz", "a.gpl", "--bands", "CD8,DAPI,CD3")[0] == 0
    assert run("palette", "map.npz", "b.gpl", "--bands", "3,0,1")[0] == 0
    assert (folder / "a.gpl").read_text() == (folder / "b.gpl").read_text()


def test_several_images_are_trained_with_their_bands_in_one_order(folder, slide):
    ome_zarr(folder / "swapped.ome.zarr", slide[..., ::-1], NAMES[::-1])
    tifffile.imwrite("same.tif", slide, photometric="minisblack", planarconfig="contig")
    for names, images in (("a", ("slide.ome.tif", "swapped.ome.zarr")), ("b", ("same.tif", "same.tif"))):
        assert run("train", *images, f"{names}.npz", *MAP)[0] == 0
    np.testing.assert_array_equal(dasksom.load("a.npz").weights_, dasksom.load("b.npz").weights_)
    ome_zarr(folder / "others.ome.zarr", slide, [*NAMES[:3], "CD20"])
    code, _, error = run("train", "slide.ome.tif", "others.ome.zarr", "c.npz", *MAP)
    assert (code, "3 CD20" in error) == (2, True)


def test_labels_of_a_stack_are_those_of_one_file(folder):
    random = np.random.default_rng(0)
    planes = {
        "B02": random.integers(1, 9000, (60, 80), np.uint16),
        "B8A": random.integers(1, 9000, (30, 40), np.uint16),
    }
    for fov in ("fov0", "fov1"):
        (folder / fov).mkdir()
        for name, plane in planes.items():
            tifffile.imwrite(folder / fov / f"{name}.tif", plane, tile=(16, 16))
    together = np.stack([planes["B02"], np.kron(planes["B8A"], np.ones((2, 2), np.uint16))], axis=-1)
    zarr.create_array("one.zarr", data=together, chunks=(32, 32, 2))
    small = ("--chunk-size", "8kB", *MAP)
    assert run("quantize", "fov0/B02.tif", "fov0/B8A.tif", "a.zarr", "--stack", *small, "--report")[0] == 0
    assert run("quantize", "one.zarr", "b.zarr", *small)[0] == 0
    labels = zarr.open("b.zarr")["labels"][...]
    np.testing.assert_array_equal(zarr.open("a.zarr")["labels"], labels)
    assert "PSNR" in (folder / "a.report.html").read_text()

    assert run("train", "fov0", "fov1", "map.npz", "--stack", *small)[0] == 0
    assert tuple(dasksom.load("map.npz").feature_names_in_) == ("B02", "B8A")
    assert run("apply", "map.npz", "fov0", "fov1", "out", "--stack")[0] == 0
    assert run("apply", "map.npz", "fov1/B8A.tif", "fov1/B02.tif", "c.zarr", "--stack")[0] == 0  # in another order
    np.testing.assert_array_equal(zarr.open("out/fov0.zarr")["labels"], zarr.open("c.zarr")["labels"])
    assert "0 B02, 1 B8A" in run("info", "fov0", "--stack")[1]
    assert run("plan", "fov0/B02.tif", "fov0/B8A.tif", "out.tif", "--stack", "--no-probe")[0] == 0
    for arguments, part in (
        (("quantize", "fov0/B02.tif", "fov0/B8A.tif", "d.zarr"), "--stack"),
        (("quantize", "fov0", "fov1", "d.zarr", "--stack"), "two images"),
        (("train", "fov0", "fov1/B02.tif", "d.npz", "--stack"), "is a folder"),
        (("quantize", "fov0/B02.tif", "fov0/B8A.tif", "fov0/B8A.tif", "--stack"), "fov0/B8A.tif"),
    ):
        code, _, error = run(*arguments)
        assert (code, part in error) == (2, True), error


def test_an_interrupted_run_on_a_stack_resumes(folder, monkeypatch):
    random = np.random.default_rng(0)
    for name, size in (("B02", (60, 80)), ("B8A", (30, 40))):
        tifffile.imwrite(f"{name}.tif", random.integers(1, 9000, size, np.uint16))
    command = ("quantize", "B02.tif", "B8A.tif")
    assert run(*command, "a.zarr", "--stack", *MAP)[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr(run_state, "SMALL_RECORD_SECONDS", 0)
        patch.setattr(image_run.ImageRun, "write", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(*command, "b.zarr", "--stack", *MAP)[0] == 130
    assert run("resume", "b.zarr")[0] == 0
    np.testing.assert_array_equal(zarr.open("b.zarr")["labels"], zarr.open("a.zarr")["labels"])
