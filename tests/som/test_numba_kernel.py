"""Compiled code is cached on disk, is never stale, and needs no writable folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dasksom.som import numba_kernel
from dasksom.som.numba_kernel import kernel

PACKAGE = Path(__file__).parents[2] / "dasksom"
ROOMS = ("__init__.py", "_version.py", "deferred.py", "errors.py", "som")
LABEL = """
import numpy as np
from dasksom.som.bmu.nearest import nearest_units
print(nearest_units(np.zeros((1, 2)), np.array([[3.0, 3.0], [0.0, 5.0]]), metric="manhattan", precision="float64")[0])
"""


@pytest.fixture
def copied(tmp_path):
    """A copy of the mathematics, and a function that runs code with it."""
    for name in ROOMS:
        if (PACKAGE / name).is_dir():
            shutil.copytree(PACKAGE / name, tmp_path / "dasksom" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / "dasksom").mkdir(exist_ok=True)
            shutil.copy(PACKAGE / name, tmp_path / "dasksom" / name)

    def run(code, **environment):
        environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **environment}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.strip()

    run.folder = tmp_path / "dasksom"
    return run


def test_a_changed_metric_is_compiled_again(copied):
    assert copied(LABEL) == "1"
    assert list(copied.folder.rglob("*.nbi"))
    metrics = copied.folder / "som" / "bmu" / "metrics.py"
    text = metrics.read_text()
    assert "return total + np.absolute(away)" in text
    metrics.write_text(text.replace("return total + np.absolute(away)", "return np.maximum(total, np.absolute(away))"))
    assert copied(LABEL) == "0"  # the largest difference is smaller there


def test_nothing_can_be_written_anywhere(copied):
    """Neither package nor home nor temporary folder: kernels are compiled by each process, without a word."""
    (copied.folder / "som" / "__pycache__").write_text("in the way")
    code = """
from dasksom.som import numba_kernel
numba_kernel.tempfile.gettempdir = lambda: "/dev/null"
@numba_kernel.kernel
def double(x):
    return 2 * x
import dasksom.som.schedule
from dasksom.som.unit_sums import gather
print(double(4), gather.__name__)
"""
    assert copied(code, XDG_CACHE_HOME="/dev/null/cache", PYTHONDONTWRITEBYTECODE="1") == "8 gather"


def test_a_package_that_cannot_be_written_is_cached_in_the_home(copied):
    (copied.folder / "som" / "__pycache__").write_text("in the way")
    code = """
import numpy as np
from dasksom.som.neighborhood import Neighborhood
from dasksom.som.lattice import Lattice
print(Neighborhood(Lattice(2, 2), "gaussian", 1.0).spread(np.ones(4)).shape)
"""
    home = copied.folder.parent / "home"
    home.mkdir()
    assert copied(code, XDG_CACHE_HOME=str(home), PYTHONDONTWRITEBYTECODE="1") == "(4,)"
    assert list(home.rglob("*.nbi"))


def test_folders_of_others_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(numba_kernel.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / "dasksom-0" / "som"
    assert numba_kernel._is_writable(folder)
    folder.parent.chmod(0o777)
    assert not numba_kernel._is_writable(folder)
    (tmp_path / "link").symlink_to(folder)
    assert not numba_kernel._is_writable(tmp_path / "link")


def test_cached_code_that_cannot_be_read_is_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setattr(numba_kernel, "_cache_folder", lambda *_: tmp_path)

    def make():
        @kernel
        def triple(x):
            return 3 * x

        return triple

    assert make()(np.float64(2)) == 6
    files = list(tmp_path.iterdir())
    assert files
    for file in files:
        file.write_bytes(b"damaged")
    assert make()(np.float64(2)) == 6
