"""The house: imports go down the list only, never up or sideways (CONTRIBUTING.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dasksom"
FLOORS = {
    "__main__": 6,
    "cli": 5,
    "running": 4.5,  # commands
    "looking": 4.5,
    "options": 4,
    "terminal": 4,
    "demo": 4,
    "pipeline": 3,
    "runs": 2.9,
    "resuming": 2.95,
    "reporting": 3,
    "view": 3,
    "facts": 2,
    "outputs": 2,
    "probing": 2.7,
    "planning": 2.5,
    "loading": 2.5,
    "estimator": 2,
    "config": 2,
    "minisom": 2,
    "parameters": 1,
    "arrays": 1,
    "checkpoint": 1.75,
    "training_samples": 1.75,
    "compared_colors": 1.5,  # a color table, streamed
    "sampling": 1,
    "training": 1,
    "streaming": 1,
    "quantization": 1,
    "color_table": 1,
    "comparison": 1,
    "overview": 1,
    "ledger": 0.75,
    "readability": 1,
    "regions": 0.5,
    "record": 1.5,  # of a training
    "passes": 0.5,  # knows dask and nothing of images or maps; the floor above runs on it
    "show": 0.5,  # knows where units sit and how far apart, and neither dask nor files
    "som": 0,
    "image": 0,
    "cluster": 0,
    "seals": -0.5,  # of files, whoever writes them
    "patience": -0.5,  # of whoever reads, and of who counts it
    "errors": -1,
    "redaction": -1,
    "npz": -1,  # arrays in files, for whoever reads some
    "__init__": -1,  # the version; its public names are loaded when they are used
}
MODULES = sorted(PACKAGE.rglob("*.py"))


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
    return parts[0] if parts[0] in FLOORS else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path):
    room = _room(path.relative_to(PACKAGE).with_suffix("").parts)
    if room == "__init__":
        return
    for imported in _own_imports(path):
        other = _room(imported.split(".")[1:])
        assert other == room or FLOORS[other] < FLOORS[room], f"{path.name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_of_ours_is_imported_inside_a_function(path):
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                assert not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dasksom")), path


@pytest.mark.parametrize("path", sorted((PACKAGE / "som").glob("*.py")), ids=lambda path: path.name)
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


def test_importing_dasksom_is_light():
    check = "import sys, dasksom; print([m for m in ('numpy', 'dask', 'numba', 'zarr') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_command_line_starts_without_distributed():
    check = "import sys, dasksom.cli; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
