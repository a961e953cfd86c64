"""README, the pages of docs/, examples and scripts do what they say."""

import os
import re
import signal
import subprocess
import sys
from glob import glob
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from dasksom.cli.main import COMMANDS, cli

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += [*sorted((PROJECT / "docs").glob("*.md")), *sorted((PROJECT / "examples").glob("*.md"))]
README = PAGES[0].read_text()


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), flags=re.DOTALL)


def commands(page):
    lines = [line.split("#")[0].split() for block in blocks(page, "bash") for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == "dasksom"]


def pages(holding):
    return pytest.mark.parametrize("page", list(filter(holding, PAGES)), ids=lambda page: page.name)


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


@pages(commands)
def test_page__commands_run(folder, page, monkeypatch):
    monkeypatch.chdir(folder)
    for words in commands(page):
        if words[0] == "view":
            look(folder, *words)
        else:
            cli.main(words, standalone_mode=False)


def test_readme__commands_write_what_they_say(folder, monkeypatch):
    monkeypatch.chdir(folder)
    told = commands(PROJECT / "README.md")
    assert len(told) >= 8
    cli.main(told[0], standalone_mode=False)
    assert told[0][1:3] == ["photo.png", "reduced.png"]
    assert len(np.unique(np.asarray(Image.open("reduced.png")))) == 9  # indices of a palette


def examples(command):
    """Give the commands that stand under "Examples" in a command's help, in words."""
    return [line.split() for line in re.findall(r"(?m)^ +dasksom (.+)$", (command.help or "").partition("Example")[2])]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help__has_examples_that_parse(name):
    told = examples(cli.get_command(None, name) if name else cli)
    assert told
    for words in told:
        assert name in ("", words[0])
        cli.get_command(None, words[0]).make_context(words[0], words[1:])


@pytest.mark.slow
def test_help__examples_run(folder, photograph, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "slides").mkdir()
    for path in ("slide.tif", "slides/one.tif", "slides/two.tif"):
        tifffile.imwrite(path, photograph[:96, :128])
    # in the order in which one makes what the next one needs
    for name in ("demo", "quantize", "train", "", "apply", "palette", "plan", "job-script", "info", "report"):
        for line in examples(cli.get_command(None, name) if name else cli):
            if line[0] == "view":
                look(folder, *line)
                continue
            words = [found for word in line for found in (sorted(glob(word)) if "*" in word else [word])]
            overwriting = ["--overwrite"] if words[0] in ("quantize", "train", "apply") else []  # some names return
            cli.main([*words, *overwriting], standalone_mode=False)


def look(folder, *words):
    """Run what goes on until Ctrl-C, which comes once it has said something."""
    with subprocess.Popen(
        [sys.executable, "-m", "dasksom", *words, "--no-browser"], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout.readline().startswith("http://127.0.0.1:")
            running.send_signal(signal.SIGINT)
            assert running.wait(60) == 0
        finally:
            running.kill()


def test_readme__first_commands_are_scripts_that_exist():
    first = [line.split()[0] for line in blocks(PROJECT / "README.md", "bash")[0].splitlines()]
    assert first == ["scripts/demo", "scripts/test"]
    for script in first:
        assert os.access(PROJECT / script, os.X_OK)


@pages(lambda page: blocks(page, "python"))
def test_page__python_runs(folder, page):
    (folder / "page.py").write_text("\n".join(blocks(page, "python")))
    out = python(folder, "-W", "error", "page.py")
    if page.name == "README.md":
        assert "(16, 16, 3)" in out
        assert (folder / "palette.npz").exists()


@pages(lambda page: True)
def test_page__links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text()):
        titles = re.findall(r"(?m)^#+ (.+)$", (page.parent / target).read_text() if target else page.read_text())
        assert anchor in [re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles]


@pages(lambda page: True)
def test_page__names_files_that_exist(page):
    for path in re.findall(r"`((?:dasksom|tests|scripts|configs|examples|docs)/[^`\s]*)`", page.read_text()):
        assert (PROJECT / path).exists(), path


def test_readme__is_short_enough_to_read():
    assert len(README.splitlines()) <= 150


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
@pytest.mark.parametrize("arguments", [[], ["--gigapixel", "--side", "1024"]], ids=" ".join)
def test_script__demo(tmp_path, arguments):
    done = subprocess.run([PROJECT / "scripts" / "demo", *arguments], cwd=tmp_path, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr
    output = "mosaic-1024-som.zarr" if arguments else "comparison.png"
    assert (tmp_path / "demo-output" / output).exists()
