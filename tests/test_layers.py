"""The house: imports go down the list only, never up or sideways (CONTRIBUTING.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dasksom"
FLOORS = """\
__main__
cli
demo
runs
models, report, view
estimator
quantization, training
config, minisom
chunkwise, model_files, provenance, show
cluster, image, som
storage
__init__, _version, errors, redaction
"""
FLOOR = {room: -number for number, rooms in enumerate(FLOORS.splitlines()) for room in rooms.split(", ")}
MODULES = sorted(PACKAGE.rglob("*.py"))


def _name_in_package(path):
    return str(path.relative_to(PACKAGE))


def _own_imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "dasksom":
                yield from (f"dasksom.{alias.name}" for alias in node.names)
            elif (node.module or "").startswith("dasksom."):
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("dasksom"))


def _room(parts):
    return parts[0] if parts[0] in FLOOR else "__init__"


def test_every_room_is_on_a_floor_and_newcomers_are_told_of_it():
    assert {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES} == {*FLOOR}
    assert FLOORS in (PACKAGE.parent / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", MODULES, ids=_name_in_package)
def test_imports_go_downward(path):
    room = _room(path.relative_to(PACKAGE).with_suffix("").parts)
    if room == "__init__":
        return
    for imported in _own_imports(path):
        other = _room(imported.split(".")[1:])
        assert other == room or FLOOR[other] < FLOOR[room], f"{path.name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=_name_in_package)
def test_nothing_of_ours_is_imported_inside_a_function(path):
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dasksom")), path


@pytest.mark.parametrize("path", sorted((PACKAGE / "som").rglob("*.py")), ids=_name_in_package)
def test_the_mathematics_know_neither_dask_nor_files(path):
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not names & {"dask", "distributed", "zarr", "tifffile", "PIL", "skimage"}
    assert {_room(name.split(".")[1:]) for name in _own_imports(path)} <= {"som", "errors"}


def test_importing_dasksom_is_light():
    check = "import sys, dasksom; print([m for m in ('numpy', 'dask', 'numba', 'zarr') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_command_line_starts_without_distributed():
    check = "import sys, dasksom.cli.main; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
