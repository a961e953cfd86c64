"""The driver is killed from outside, at seeded moments; what is gone on with has the bytes of an undisturbed run."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from dasksom.demo.synthetic_mosaic import write_mosaic
from dasksom.storage.publish.run_folder import run_folder

SIDE = 4096
FORMATS = {
    "out.zarr": ["--method", "stream", "--epochs", "4"],
    "out.ome.zarr": ["--epochs", "10"],
    "out.tif": ["--epochs", "10"],
}
COMMON = ["--grid", "8x8", "--workers", "2", "--memory-limit", "1GiB", "--chunk-size", "256KiB"]


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    write_mosaic(folder / "mosaic.zarr", side=SIDE, chunk=1024)
    return folder


def dasksom(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "dasksom", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ends_well(process):
    try:
        _, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, err
    return err


def sums(path):
    """Tell the SHA-256 of every file, but for what tells when and how long a run was."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    found = {one.relative_to(path).as_posix(): one for one in path.rglob("*") if one.is_file()}
    return {
        name: hashlib.sha256(one.read_bytes()).hexdigest()
        for name, one in found.items()
        if name not in ("zarr.json", "palette/SHA256SUMS")
    }


def killed(process, seconds, folder, output):
    """Kill a run some time after it has begun to work; tell whether it was still at work."""
    deadline = time.monotonic() + 60
    while not (run_folder(folder / output) / "records" / "how.record").exists():
        if process.poll() is not None:
            ends_well(process)
            return False
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    else:
        ends_well(process)
        return False
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    if process.returncode != -signal.SIGKILL:  # it ended before the signal came
        assert process.returncode == 0, err
        return False
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "workers outlive their driver"
    return True


@pytest.mark.slow
@pytest.mark.parametrize("output", FORMATS)
def test_killed_five_times__the_same_bytes(mosaic, output):
    ends_well(dasksom(mosaic, "quantize", "mosaic.zarr", f"straight-{output}", *COMMON, *FORMATS[output]))
    straight = sums(mosaic / f"straight-{output}")
    draw, kills = np.random.default_rng(len(output)), 0
    while kills < 5:
        command = ["quantize", "mosaic.zarr", output, *COMMON, *FORMATS[output]]
        for _ in range(5):  # the run that goes on is killed, too
            running = dasksom(mosaic, *command)
            if not killed(running, float(draw.uniform(0, 9)), mosaic, output):
                break
            kills += 1
            if (mosaic / output).exists():
                break
            command = ["resume", output]
        if not (mosaic / output).exists():  # which may get its name in the moment of the kill
            ends_well(dasksom(mosaic, *command))
        elif run_folder(mosaic / output).exists():  # or has it, and what was kept is not swept up
            ends_well(dasksom(mosaic, "resume", output))
        assert sums(mosaic / output) == straight, kills
        assert not run_folder(mosaic / output).exists()
        ends_well(dasksom(mosaic, "verify", output))
        _delete(mosaic / output)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: it takes root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("output", FORMATS)
def test_full_disk__says_so_and_goes_on_when_there_is_room(mosaic, small_disk, output):
    source = str(mosaic / "mosaic.zarr")
    given = [*COMMON, *FORMATS[output]]
    ends_well(dasksom(mosaic, "quantize", source, f"roomy-{output}", *given))
    running = dasksom(small_disk, "quantize", source, output, *given)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 1
    told = [line for line in err.splitlines() if line.startswith("dasksom: ")]
    assert re.search(rf"{small_disk}.*the disk is full; make room on it", told[0]), err
    assert "Traceback" not in err
    kept = run_folder(small_disk / output).exists()  # of what failed within two seconds of work nothing is
    assert [line.endswith(f"dasksom resume {output}") for line in told[1:]] == [True] * kept
    assert kept or not list(small_disk.iterdir())
    subprocess.run(["mount", "-o", "remount,size=128m", small_disk], check=True, timeout=60)
    ends_well(dasksom(small_disk, *(["resume", output] if kept else ["quantize", source, output, *given])))
    assert sums(small_disk / output) == sums(mosaic / f"roomy-{output}")


def _delete(path):
    subprocess.run(["rm", "-r", "--", str(path)], check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop__tells_how_to_go_on(mosaic, sent, code):
    running = dasksom(mosaic, "quantize", "mosaic.zarr", "stopped.zarr", *COMMON, *FORMATS["out.zarr"], "--overwrite")
    deadline = time.monotonic() + 60
    while not list((run_folder(mosaic / "stopped.zarr") / "records").glob("state.record")):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)
    os.kill(running.pid, sent)
    start = time.monotonic()
    _, err = running.communicate(timeout=30)
    assert time.monotonic() - start < 30
    assert running.returncode == code
    assert re.search(r"to continue: dasksom resume stopped\.zarr", err), err
    ends_well(dasksom(mosaic, "resume", "stopped.zarr"))
    assert Path(mosaic, "stopped.zarr").exists()
    _delete(mosaic / "stopped.zarr")
