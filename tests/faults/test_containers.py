"""The default command as in a container: little memory, a user without a home or a name, and a read-only package."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from tests.faults.memory_cgroups import kills_in, memory_cgroup

MEBIBYTES = 1400
USER = "54321"


def run_in_container(folder, group, *arguments):
    """Run `dasksom` as a user who can read everything, but write only to `folder`; return exit code and messages."""

    def join_group():
        (group / "cgroup.procs").write_text(str(os.getpid()))

    capability = "+dac_read_search"  # the interpreter may be in a home that others cannot read
    user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]
    user += ["--inh-caps", capability, "--ambient-caps", capability]
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [*user, sys.executable, "-m", "dasksom", *arguments]
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**kept, "TMPDIR": str(folder)},
        preexec_fn=join_group,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert kills_in(group) == 0
    return finished.returncode, finished.stderr


def finish_as_advised(folder, group, *arguments):
    """Run a command; if it is refused, add the option that the message names, which must be enough."""
    code, messages = run_in_container(folder, group, *arguments)
    if code == 2:
        advice = re.search(r"add (--chunk-size) (\d+MiB)$", messages.strip())
        code, messages = run_in_container(folder, group, *arguments, *advice.groups())
    assert code == 0, messages
    assert "Traceback" not in messages


@pytest.fixture
def folder():
    """A folder in which every user can write; those of pytest are in one that is private."""
    if os.name != "posix" or os.getuid() or not shutil.which("setpriv"):
        pytest.skip("NO ROOT OR NO setpriv HERE, so no other user")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.slow
def test_a_photograph(folder):
    y, x = np.mgrid[:2000, :3000]
    colors = [(np.sin(x / (90 + 30 * band)) + np.cos(y / (70 + 20 * band)) + 2) * 63 for band in range(3)]
    Image.fromarray(np.stack(colors, -1).astype(np.uint8)).save(folder / "photo.png", compress_level=1)
    with memory_cgroup(MEBIBYTES) as group:
        finish_as_advised(folder, group, "quantize", "photo.png", "out.png")
    with Image.open(folder / "out.png") as written:
        assert written.size == (3000, 2000)


@pytest.mark.slow
def test_an_image_for_which_workers_are_started(folder):
    shape, pattern = (8192, 8320, 4), np.random.default_rng(0).integers(0, 255, (1024, 1040, 4), dtype=np.uint8)
    array = zarr.create_array(folder / "large.zarr", shape=shape, chunks=(1024, 1040, 4), dtype=np.uint8)
    array[...] = np.tile(pattern, (8, 8, 1))
    with memory_cgroup(MEBIBYTES) as group:
        finish_as_advised(folder, group, "quantize", "large.zarr", "out.zarr", "--epochs", "1")
    assert zarr.open_array(folder / "out.zarr/labels", mode="r").shape[-2:] == shape[:2]


@pytest.mark.slow
def test_a_container_that_is_too_small(folder):
    Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)).save(folder / "photo.png", compress_level=1)
    with memory_cgroup(400) as group:
        code, messages = run_in_container(folder, group, "quantize", "photo.png", "out.png")
    assert code == 2
    assert messages.count("\n") == 1
    assert "of the 400.00 MiB" in messages
    assert not (folder / "out.png").exists()
