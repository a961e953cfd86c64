"""README, examples and scripts do what they say."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    zarr.create_array(tmp_path / "scene.zarr", data=photograph, chunks=(128, 128, 3))
    (tmp_path / "slurm.yaml").write_text((PROJECT / "configs" / "slurm.yaml").read_text())
    return tmp_path


def python(folder, *arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def look(folder, *arguments):
    """Run what goes on until Ctrl-C, which comes once it has said something."""
    with subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout.readline().startswith("http://127.0.0.1:")
            running.send_signal(signal.SIGINT)
            assert running.wait(60) == 0
        finally:
            running.kill()


def test_readme__commands_run(folder):
    lines = [line.split("#")[0].split() for block in blocks("bash") for line in block.splitlines()]
    commands = [words for words in lines if words and words[0] == "dasksom"]
    assert len(commands) >= 5
    for words in commands:
        if words[1] == "view":
            look(folder, "-m", *words, "--no-browser")
        else:
            python(folder, "-m", *words)
    assert (folder / "reduced.png").exists()
    assert (folder / "same-palette.tif").exists()


def test_readme__first_commands_are_scripts_that_exist():
    first = [line.split()[0] for line in blocks("bash")[0].splitlines()]
    assert first == ["scripts/demo", "scripts/test"]
    for script in first:
        assert os.access(PROJECT / script, os.X_OK)


def test_readme__python_runs(folder):
    (folder / "readme.py").write_text("\n".join(blocks("python")))
    assert "(16, 16, 3)" in python(folder, "readme.py")
    assert (folder / "palette.npz").exists()


def test_readme__links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (PROJECT / target).exists(), target


def test_example__photograph(folder):
    out = python(folder, str(PROJECT / "examples" / "photograph.py"), "photo.png", "nine.png")
    assert len(re.findall(r"#[0-9a-f]{6}", out)) == 9
    assert len(np.unique(np.asarray(Image.open(folder / "nine.png")).reshape(-1, 3), axis=0)) == 9


def test_example__cluster(folder):
    python(folder, str(PROJECT / "examples" / "cluster.py"), "scene.zarr", "out.zarr")
    group = zarr.open_group(folder / "out.zarr", mode="r")
    assert group["labels"].shape == (400, 600)
    assert group["image"].shape == (400, 600, 3)


def test_demo__photograph(folder):
    out = python(folder, "-m", "dasksom", "demo", "here")
    for name in ("photograph.png", "photograph-9-colors.png", "photograph-256-colors.png", "comparison.png"):
        assert name in out
        assert (folder / "here" / name).stat().st_size > 10_000


@pytest.mark.slow
def test_demo__mosaic(folder):
    out = python(folder, "-m", "dasksom", "demo", "here", "--gigapixel", "--side", "2048")
    assert "mosaic-2048-som.zarr" in out
    group = zarr.open_group(folder / "here" / "mosaic-2048-som.zarr", mode="r")
    source = zarr.open_array(folder / "here" / "mosaic-2048.zarr", mode="r")
    assert group["image"].shape == source.shape == (2048, 2048, 3)
    away = ((group["image"][...].astype(float) - source[...]) ** 2).sum(axis=2).mean()
    told = float(re.search(r"mean squared error ([0-9.]+)", out)[1])
    assert away == pytest.approx(told, rel=0.02)  # the palette is rounded, the map is not


@pytest.mark.slow
def test_script__demo(tmp_path):
    done = subprocess.run([PROJECT / "scripts" / "demo", "here"], cwd=tmp_path, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "comparison.png").exists()
