"""Every example runs, writes what its text says, and prints figures within bounds."""

import base64
import csv
import re
import runpy
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
import rasterio
import zarr
from PIL import Image

PROJECT = Path(__file__).parents[1]
EXAMPLES = PROJECT / "examples"
NUMBER = r"-?\d[\d,]*(?:\.\d+)?"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run an example as `python examples/NAME.py ...` in an empty folder; return what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")

    def run(name, *arguments):
        path = str(EXAMPLES / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [path, *arguments])
        runpy.run_path(path, run_name="__main__")
        return capsys.readouterr().out

    return run


def figure(pattern, text):
    """Return the one figure that a pattern matches."""
    return float(re.search(pattern, text)[1])


def drawn(path):
    """Return whether a figure was drawn: more than a blank page."""
    with Image.open(path) as picture:
        return len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 50


def test_all_are_in_the_table():
    table = (EXAMPLES / "README.md").read_text()
    for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")]:
        assert f"]({path.name})" in table


def test_multiplexed_image(run, tmp_path):
    out = run("multiplexed_image", "results")
    raw, standard, percentile = (figure(rf"{scale}\S*: (\S+) of", out) for scale in ("none", "standard", "percentile"))
    assert raw < 0.6
    assert min(standard, percentile) > 0.95
    assert drawn(tmp_path / "results" / "multiplexed.png")


def test_photograph(run, tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    out = run("photograph", "photo.png", "nine.png")
    assert len(re.findall(r"#[0-9a-f]{6}", out)) == 9
    assert len(np.unique(np.asarray(Image.open(tmp_path / "nine.png")).reshape(-1, 3), axis=0)) == 9


def test_cluster(run, tmp_path, photograph):
    zarr.create_array(tmp_path / "scene.zarr", data=photograph, chunks=(128, 128, 3))
    run("cluster", "scene.zarr", "out.zarr")
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert group["labels"].shape == (400, 600)
    assert group["image"].shape == (400, 600, 3)


def test_quality_of_life(run, tmp_path):
    out = run("quality_of_life", "out")
    assert figure(r"explains (\d+)%", out) >= 90
    assert figure(r"is ([\d.]+) steps", out) >= 7  # of a map of 8 x 10
    with (tmp_path / "out" / "countries.csv").open(newline="") as file:
        places = {line["country"]: (line["row"], line["column"]) for line in csv.DictReader(file)}
    assert len(places) == 142
    north = np.array([places[name] for name in ("Norway", "Sweden", "Denmark")], int)
    assert np.ptp(north, axis=0).max() <= 1  # neighbors on the map
    assert drawn(tmp_path / "out" / "countries.png")
    assert drawn(tmp_path / "out" / "planes.png")


def test_outliers(run, tmp_path):
    digits, tumors = run("outliers", "out").split("tumors")
    assert figure(r"recall ([\d.]+)", digits) >= 0.75
    assert figure(r"precision ([\d.]+)", tumors) >= 0.9
    areas = [float(area) for area in re.findall(r": (0\.\d+)", digits)]
    assert areas[0] >= max(areas[1:]) + 0.15  # the map, where what is ordinary is of many kinds
    assert drawn(tmp_path / "out" / "outliers.png")


@pytest.mark.slow
def test_compression(run, tmp_path):
    photographs, drawing = run("compression", "out").split("a drawing")
    for table in (photographs, drawing):
        rows = {name.strip(): float(bits) for name, bits in re.findall(r"(?m)^([\w ]{16})  +([\d.]+) ", table)}
        assert rows["4 colors"] < rows["16 colors"] < rows["64 colors"] < rows["256 colors"] < rows["PNG"]
    assert figure(r"256 colors.*?([\d.]+)\n", photographs) >= 40  # dB
    assert figure(r"16 colors.*?([\d.]+)\n", drawing) > figure(r"JPEG 75.*?([\d.]+)\n", drawing)
    with Image.open(tmp_path / "out" / "coffee-16-colors.png") as kept:
        assert len(kept.convert("RGB").getcolors()) == 16
    assert drawn(tmp_path / "out" / "compression.png")


def test_folder(run, tmp_path):
    out = run("folder", "out")
    assert "palette.npz: 512 x 512 pixels and 0.649 Mpx of other images, 3 bands" in out
    assert "4 images of 64 colors in all" in out
    rows = [(float(one), float(other)) for one, other in re.findall(r"(?m)^\w+ +(\d+) +(\d+)$", out)]
    assert len(rows) == 4
    assert all(together > alone for together, alone in rows)
    assert len(list((tmp_path / "out" / "reduced").glob("*.png"))) == 4
    assert (tmp_path / "out" / "palette.gpl").read_text().startswith("GIMP Palette")
    assert drawn(tmp_path / "out" / "folder.png")


def test_tissue_slide(run, tmp_path):
    out = run("tissue_slide", "out")
    assert figure(r"agree on ([\d.]+)%", out) >= 95
    by_units, by_pixels = re.search(r"brown: ([\d.]+)% of the slide by units, ([\d.]+)%", out).groups()
    assert float(by_units) == pytest.approx(float(by_pixels), abs=3)
    group = zarr.open_group(tmp_path / "out" / "slide-som.ome.zarr", mode="r")
    assert group["0"].shape == (3, 4096, 4096)
    assert group["labels/som/0"].shape == (4096, 4096)
    assert drawn(tmp_path / "out" / "slide.png")


def test_satellite_scene(run, tmp_path):
    out = run("satellite_scene", "out")
    by_angle, by_distance = (re.search(rf"{metric} explain (\d+)%.* (\d+)%", out) for metric in ("cosine", "euclidean"))
    assert int(by_angle[1]) < int(by_distance[1])  # of the brightness
    assert int(by_angle[2]) > 2 * int(by_distance[2])  # of the vegetation
    with (
        rasterio.open(tmp_path / "out/scene/red.tif") as red,
        rasterio.open(tmp_path / "out/kinds-cosine.tif") as kinds,
    ):
        assert kinds.transform == red.transform
        assert set(np.unique(kinds.read(1))) <= set(range(1, 13))
    assert drawn(tmp_path / "out" / "scene.png")


@pytest.mark.slow
def test_cloud(run, tmp_path):
    out = run("cloud", "out")
    assert "s3://scenes/reduced.ome.zarr: 2048 x 2048 pixels" in out
    assert figure(r"(\d+) objects", out) >= 10
    with Image.open(tmp_path / "out" / "cloud-preview.png") as preview:
        assert preview.size == (1024, 1024)


def outputs(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


NOTEBOOKS = {"tutorial": 4, "multiplexed_classes": 3, "scene_classes": 2}
"""Number of their pictures."""


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook__is_what_its_script_gives(tmp_path, name):
    stored = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    again = [sys.executable, str(PROJECT / "scripts" / "notebook.py"), name, str(tmp_path / "again.ipynb")]
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    made = nbformat.read(tmp_path / "again.ipynb", as_version=4)
    assert [cell.source for cell in stored.cells] == [cell.source for cell in made.cells]
    assert [output.output_type for output in outputs(stored)] == [output.output_type for output in outputs(made)]
    for before, now in zip(outputs(stored), outputs(made), strict=True):
        texts = [output.get("text", "") for output in (before, now)]
        assert len({re.sub(NUMBER, "#", text) for text in texts}) == 1
        numbers = [[float(one.replace(",", "")) for one in re.findall(NUMBER, text)] for text in texts]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.02)  # the last digits depend on the processor


@pytest.mark.parametrize(("name", "count"), NOTEBOOKS.items())
def test_notebook__is_executed_and_small(name, count):
    path = EXAMPLES / f"{name}.ipynb"
    assert path.stat().st_size < 400_000
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    pictures = [output.data["image/jpeg"] for output in outputs(notebook) if "image/jpeg" in output.get("data", {})]
    assert len(pictures) == count
    for picture in pictures:
        assert drawn(BytesIO(base64.b64decode(picture)))


@pytest.mark.slow
def test_tutorial__as_a_script(run, tmp_path):
    out = run("tutorial")
    shown = [float(error) for error in re.findall(r"(?:shown|every)[^:]*: (\d+)\n", out)]
    assert shown == sorted(shown, reverse=True)  # more pixels, less error
    for name in ("minisom", "batch", "ordered", "mosaic"):
        assert drawn(tmp_path / "tutorial-output" / f"{name}.png")
