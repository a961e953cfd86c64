"""What commands import, and what a run of one photograph opens."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import dasksom
from dasksom.cli.main import COMMANDS

CHECK = """
import sys
from dasksom.__main__ import main
opened = []
def audit(event, arguments):
    if event == "open" and str(arguments[0]).endswith("photo.png"):
        opened.append(1)
sys.addaudithook(audit)
try:
    main()
except SystemExit as ended:
    code = ended.code
packages = sorted({name.partition(".")[0] for name in sys.modules})
print((code, packages, sum(name.partition(".")[0] == "dasksom" for name in sys.modules), len(opened)), file=sys.stderr)
"""


def started(folder, *words, **environment):
    """Run a command in a process of its own; return its exit code, the packages and own modules that it imports, and
    how often it opens photo.png."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    return ast.literal_eval(done.stderr.splitlines()[-1]), done.stdout


@pytest.fixture
def photo(tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    return tmp_path


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help__imports_no_heavy_package(tmp_path, words):
    (code, packages, *_), out = started(tmp_path, *words)
    assert code == 0
    assert out
    heavy = "dask distributed fsspec numba numpy pandas PIL pydantic rich scipy sklearn tifffile xarray zarr"
    assert {*heavy.split()}.isdisjoint(packages)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("dasksom qu", "quantize"),
        ("dasksom quantize --neigh", "--neighborhood"),
        ("dasksom quantize --neighborhood ", "gaussian"),
        ("dasksom quantize --metric man", "manhattan"),
        ("dasksom quantize --layout ", "pyramid"),
        ("dasksom quantize --cluster sl", "slurm"),
        ("dasksom quantize --alpha ", "mask"),
    ],
)
def test_completion__offers_names_and_imports_no_heavy_package(tmp_path, line, offered):
    words = line.split(" ")
    settings = {
        "_DASKSOM_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        ["dasksom"], cwd=tmp_path, capture_output=True, text=True, timeout=60, env={**os.environ, **settings}
    )
    assert offered in [entry.partition(",")[2] for entry in done.stdout.splitlines()], done.stdout + done.stderr


def test_photograph__is_opened_once_by_a_run_and_needs_few_packages(photo):
    (code, packages, modules, opened), _ = started(photo, "quantize", "photo.png", "out.png", "--grid", "3x3")
    assert code == 0
    unused = "distributed fsspec jinja2 matplotlib pandas rich sklearn tifffile xarray zarr"
    assert {*unused.split()}.isdisjoint(packages)
    assert modules <= 148
    assert opened == 1


def test_info__needs_few_packages(photo):
    (code, packages, *_), out = started(photo, "info", "photo.png")
    assert code == 0
    assert "600 x 400 pixels" in out
    assert {
        *["distributed", "fsspec", "numba", "rich", "scipy", "sklearn", "tifffile", "pandas", "xarray", "zarr"]
    }.isdisjoint(packages)


def test_kernels__use_no_blas():
    """Commands load Numba without scipy.linalg (`dasksom.cli.startup.import_numba`)."""
    for path in Path(dasksom.__file__).parent.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                decorators = " ".join(map(ast.unparse, function.decorator_list))
                text = ast.unparse(function.body)
                if any(name in decorators for name in ("kernel", "njit", "overload")):
                    assert not re.search(r" @ |\.(dot|vdot|linalg)\b", text), (path, function.name)
