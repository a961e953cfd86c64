"""The files of packaging/ agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import dasksom

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}
CONDA_NAMES = {"dask": "dask-core"}


def test_recipe__is_the_project():
    recipe = yaml.safe_load((ROOT / "packaging" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == dasksom.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == dasksom.__version__
    assert f"## [{dasksom.__version__}] - " in (ROOT / "CHANGELOG.md").read_text()
    described = (Requirement(one.replace(" ", "", 1)) for one in recipe["requirements"]["run"])
    found = {one.name: one.specifier for one in described}
    assert found.pop("python") == PROJECT["requires-python"]
    assert found == {CONDA_NAMES.get(name, name): specifier for name, specifier in WANTED.items()}
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in PROJECT["scripts"].items()
    ]


def test_lock__satisfies_the_project():
    lines = (ROOT / "packaging" / "requirements.lock").read_text().splitlines()
    locked = dict(re.match(r"([\w.-]+)(?:\[.*\])?==(\S+) \\", line).groups() for line in lines if line[0] not in "# ")
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines if line[0] == " ")
    assert {*WANTED} <= {*locked}
    for name, specifier in WANTED.items():
        assert Version(locked[name]) in specifier, name


def test_installation__explains_every_extra_of_users():
    page = (ROOT / "docs" / "install.md").read_text()
    for_developers = {"benchmark", "core", "test", "docs", "audit", "lint"}
    assert all(f"`{name}`" in page for name in {*PROJECT["optional-dependencies"]} - for_developers)


@pytest.mark.parametrize("name", ["Containerfile", "dasksom.def"])
def test_containers__copy_and_install_what_exists(name):
    text = (ROOT / "packaging" / name).read_text()
    for path in re.findall(r"(?m)^COPY (.+) \S+$", text):
        assert all((ROOT / one).exists() for one in path.split()), path
    assert re.search(r"--require-hashes --requirement (/source/)?packaging/requirements.lock", text)
    assert re.search(r"--no-deps (\.|/source)", text)
