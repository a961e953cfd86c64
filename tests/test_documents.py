"""README, the pages of docs/, --help and scripts do what they say."""

import inspect
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from glob import glob
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
import zarr
from PIL import Image

import dasksom
from dasksom import minisom, show
from dasksom.cli.main import COMMANDS, cli

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += [*sorted((PROJECT / "docs").glob("*.md")), *sorted((PROJECT / "examples").glob("*.md"))]
README = PAGES[0].read_text()
MENTIONED_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OTHER_OPTIONS = {"--help", "--verbose", "--log-json", "--debug", "--quiet", "--slow", "--fix", "--version"}
"""Of the group of commands, of `scripts/test`, and of ruff."""


def blocks(page, language):
    return re.findall(rf"```(?:{language})\n(.*?)```", page.read_text(), flags=re.DOTALL)


def words_of_commands(block):
    lines = [line.split("#")[0].split() for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == "dasksom"]


def commands(page):
    return [words for block in blocks(page, "bash") for words in words_of_commands(block)]


def pages(holding):
    return pytest.mark.parametrize("page", list(filter(holding, PAGES)), ids=lambda page: page.name)


@pytest.fixture
def folder(tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    Image.fromarray(np.dstack([photograph[:99, :99], photograph[99:198, :99, :1]])).save(tmp_path / "logo.png")
    zarr.create_array(tmp_path / "scene.zarr", data=photograph, chunks=(128, 128, 3))
    zarr.create_array(tmp_path / "other.zarr", data=photograph[::-1], chunks=(128, 128, 3))
    known = np.where(np.indices(photograph.shape[:2]).sum(axis=0) % 50 < 5, photograph[..., 0] // 64, 0)
    tifffile.imwrite(tmp_path / "landcover-samples.tif", known.astype(np.uint8))
    (tmp_path / "landcover-names.csv").write_text("class,name\n1,water\n2,forest\n3,town\n")
    (tmp_path / "slurm.yaml").write_text((PROJECT / "configs" / "slurm.yaml").read_text())
    return tmp_path


@pages(lambda page: blocks(page, "bash|python"))
def test_page__blocks_run(folder, page, monkeypatch, capsys):
    """From top to bottom, as a reader types them; commands of other programs are left out."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace = {"__name__": "__main__"}
    for language, block in re.findall(r"```(bash|python)\n(.*?)```", page.read_text(), flags=re.DOTALL):
        if language == "python":
            (folder / "block.py").write_text(block)
            namespace |= runpy.run_path("block.py", namespace, run_name="__main__")
            continue
        for words in words_of_commands(block):
            if words[0] == "view":
                check_view(folder, *words)
            elif words[0] != "--version":
                cli.main(words, standalone_mode=False)
    if page == PAGES[0]:
        assert "(16, 16, 3)" in capsys.readouterr().out


def test_readme__commands_write_what_they_say(folder, monkeypatch):
    monkeypatch.chdir(folder)
    documented = commands(PROJECT / "README.md")
    assert len(documented) >= 6
    cli.main(documented[0], standalone_mode=False)
    assert documented[0][1:3] == ["photo.png", "reduced.png"]
    assert len(np.unique(np.asarray(Image.open("reduced.png")))) == 9  # indices of a palette


def command_of(name):
    return cli.get_command(None, name)


def examples(command):
    """Return the commands under "Examples" in a command's help, in words."""
    return [line.split() for line in re.findall(r"(?m)^ +dasksom (.+)$", (command.help or "").partition("Example")[2])]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help__has_examples_that_parse(name):
    documented = examples(command_of(name) if name else cli)
    assert documented
    for words in documented:
        assert name in ("", words[0])
        command_of(words[0]).make_context(words[0], words[1:])


@pytest.mark.slow
def test_help__examples_run(folder, photograph, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "slides").mkdir()
    for path in ("slide.tif", "slides/one.tif", "slides/two.tif"):
        tifffile.imwrite(path, photograph[:96, :128])
    for number, band in enumerate(("B02", "B03", "B8A")):
        tifffile.imwrite(f"{band}.tif", photograph[:96, :128, number])
    # in the order in which one makes what the next one needs
    cli.main(["quantize", "photo.png", "reduced.zarr", "--grid", "2x2"], standalone_mode=False)
    made = ["demo", "quantize", "train", "", "palette", "apply", "classes", "table", "plan", "config", "info"]
    made += ["report", "view", "job-script"]
    needs_an_output = ["resume", "verify"]
    assert {*made, *needs_an_output} >= {*COMMANDS}
    for name in made:
        for line in examples(command_of(name) if name else cli):
            if line[0] == "view":
                check_view(folder, *line)
                continue
            words = [name for word in line for name in (sorted(glob(word)) if "*" in word else [word])]
            overwriting = (
                ["--overwrite"] if words[0] in ("quantize", "train", "apply", "classes", "table", "config") else []
            )  # some names return
            cli.main([*words, *overwriting], standalone_mode=False)
    cli.main(["quantize", "slide.tif", "slide-som.ome.zarr", "--grid", "2x2"], standalone_mode=False)
    for line in examples(command_of("verify")):
        cli.main(line, standalone_mode=False)


def options_of(name):
    return {option for parameter in command_of(name).params for option in parameter.opts}


@pages(lambda page: True)
def test_page__mentions_only_options_that_exist(page):
    known = {option for name in COMMANDS for option in options_of(name)} | OTHER_OPTIONS
    text = page.read_text()
    assert {*MENTIONED_OPTION.findall(text)} <= known
    for command in re.findall(r"`dasksom ([a-z-]+ [^`]*)`", text):
        if (name := command.split()[0]) in COMMANDS:
            assert {*MENTIONED_OPTION.findall(command)} <= options_of(name) | {"--help"}, command


def check_view(folder, *words):
    """Run the viewer, and end it by Ctrl-C once it has printed its address."""
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


@pytest.mark.parametrize("module", [dasksom, show, minisom], ids=lambda module: module.__name__)
def test_api__every_public_name_is_documented(module):
    page = (PROJECT / "docs" / "api.md").read_text()
    for name in {*module.__all__} - {"__version__"}:
        assert f" {name}\n" in page or f"automodule:: {module.__name__}\n" in page, name
        public = getattr(module, name)
        assert inspect.getdoc(public), name
        members = inspect.getmembers(public, callable) if inspect.isclass(public) else []
        assert [member for member, value in members if member[0] != "_" and not inspect.getdoc(value)] == [], name


def test_readme__is_short_enough_to_read():
    assert len(README.splitlines()) <= 80


def test_demo__photograph(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli.main(["demo", "here"], standalone_mode=False)
    out = capsys.readouterr().out
    for name in ("photograph.png", "photograph-9-colors.png", "photograph-256-colors.png", "comparison.png"):
        assert name in out
        assert (tmp_path / "here" / name).stat().st_size > 10_000
    comparison = np.asarray(Image.open(tmp_path / "here" / "comparison.png"))
    with Image.open(tmp_path / "here" / "photograph-9-colors.png") as nine:
        palette = np.reshape(nine.getpalette("RGB")[:27], (3, 3, 3))
    assert np.array_equal(comparison[424:504:32, 1112:1192:32], palette)  # in the strip below the picture, to the right
    assert len(np.unique(comparison[400:512, :400])) > 2  # a caption


@pytest.mark.slow
def test_demo__mosaic(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cli.main(["demo", "here", "--gigapixel", "--side", "2048"], standalone_mode=False)
    out = capsys.readouterr().out
    assert "mosaic-2048-som.zarr" in out
    group = zarr.open_group(tmp_path / "here" / "mosaic-2048-som.zarr", mode="r")
    source = zarr.open_array(tmp_path / "here" / "mosaic-2048.zarr", mode="r")
    assert group["image"].shape == source.shape == (2048, 2048, 3)
    squared = ((group["image"][...].astype(float) - source[...]) ** 2).sum(axis=2).mean()
    printed = float(re.search(r"mean squared error ([0-9.]+)", out)[1])
    assert squared == pytest.approx(printed, rel=0.02)  # the palette is rounded, the map is not


def run_script(folder, name, *arguments, **environment):
    done = subprocess.run(
        [PROJECT / "scripts" / name, *arguments], cwd=folder, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--gigapixel", "--side", "1024"]], ids=" ".join)
def test_script__demo(tmp_path, arguments):
    run_script(tmp_path, "demo", *arguments)
    output = "mosaic-1024-som.zarr" if arguments else "comparison.png"
    assert (tmp_path / "demo-output" / output).exists()


@pytest.mark.slow
def test_script__test_passes_its_arguments_on(tmp_path):
    assert re.search(r"\d+ passed", run_script(tmp_path, "test", "tests/som", "-k", "lattice"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quantize-on-slurm", "cloud-run"])
def test_script__copied_for_a_cluster(folder, name):
    """The same scripts with the cluster of this machine in place of one that costs money."""
    config = {"cluster": {"name": "local", "workers": 1}, "map": {"grid": "2x2", "epochs": 2}}
    (folder / "here.yaml").write_text(yaml.safe_dump(config))
    programs = folder / "programs"
    programs.mkdir()
    if name == "quantize-on-slurm":  # a job script needs a batch system, which this is not
        shutil.copy(PROJECT / "scripts" / name, programs)
        text = (programs / name).read_text()
        assert "dasksom job-script --config" in text
        (programs / name).write_text(re.sub(r"(?m)^dasksom job-script.*\n", "", text))
    program = programs / name if name == "quantize-on-slurm" else PROJECT / "scripts" / name
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "CLUSTER_CONFIG": str(folder / "here.yaml"), "PATH": path}
    done = subprocess.run(
        [program, "scene.zarr", "out.zarr", "--epochs", "3"],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "out.zarr" / "zarr.json").exists()
    assert len(list(folder.glob("out*.summary.json"))) == 1


@pytest.mark.slow
def test_script__train_and_apply(folder):
    (folder / "here.yaml").write_text("cluster: {name: threads}\nmap: {grid: 2x2, epochs: 2}\n")
    arguments = ["here.yaml", "map.npz", "photo.png", "scene.zarr", "out.zarr"]
    script = str(PROJECT / "scripts" / "train-and-apply.py")
    done = subprocess.run([sys.executable, script, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "map.npz: mean squared error" in done.stdout
    group = zarr.open_group(folder / "out.zarr", mode="r")
    assert np.array_equal(np.unique(group["labels"][...]), [1, 2, 3, 4])
