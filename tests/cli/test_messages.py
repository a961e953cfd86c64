"""What commands print: progress, logs and errors, on standard output and standard error."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import zarr
from PIL import Image

from dasksom import BatchSOM
from dasksom.cli.log import LOG
from dasksom.cli.progress import ProgressDisplay
from dasksom.cli.run_results import print_record
from dasksom.provenance.run_record import RunRecord
from tests.cli.test_commands import folder, originals, run

__all__ = ["folder", "originals"]  # fixtures


def dasksom(*words, **options):
    command = [sys.executable, "-m", "dasksom", *map(str, words)]
    return subprocess.run(command, text=True, timeout=120, **options)


SMALL = ("quantize", "photo.png", "out.png", "--grid", "2x2", "--epochs", "2")


@pytest.mark.parametrize("words", [("-q", *SMALL), (*SMALL, "-q"), (*SMALL, "--quiet")])
def test_quiet__prints_nothing(folder, words):
    assert run(*words) == (0, "", "")


@pytest.mark.parametrize("words", [("-v", *SMALL), (*SMALL, "-v")])
def test_verbose__logs_epochs(folder, words):
    code, _, err = run(*words)
    assert code == 0
    assert "epoch 2 of" in err


@pytest.mark.parametrize("words", [("--log-json", "-v", *SMALL), (*SMALL, "-v", "--log-json")])
def test_log_json__is_json_only(folder, words):
    code, out, err = run(*words)
    assert code == 0
    assert "4 colors" in out
    records = [json.loads(line) for line in err.splitlines()]
    assert any("epoch 2 of" in record["message"] for record in records)


@pytest.mark.parametrize(
    "words",
    [("quantize", "none.png", "out.png"), ("quantize", "--moon"), ("quantize", "photo.png", "o.png", "--grid", "x")],
)
def test_log_json__errors_are_json_too(folder, words):
    code, _, err = run("--log-json", *words)
    assert code == 2
    assert [json.loads(line)["level"] for line in err.splitlines()] == ["ERROR"]


def test_progress__last_line_of_a_pass_says_that_it_is_done(capsys, monkeypatch):
    LOG.configure(verbose=False, quiet=False, debug=False, as_json=False)
    now = [0.0]
    monkeypatch.setattr("dasksom.cli.progress.time.monotonic", lambda: now[0])
    with ProgressDisplay() as display:
        display.stage("train", 1_000_000)
        for done in (1, 2, 3, 4):
            now[0] += 8.0
            display.progress(done, 4)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "train: 4 of 4 chunks, 0.0312 Mpx/s"
    assert "2 of 4 chunks" in lines[0]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("full", [True, False])
def test_standard_output_full_or_closed__the_output_is_complete(folder, full):
    with open("/dev/full", "w") as device:
        close = {} if full else {"preexec_fn": lambda: os.close(1)}
        done = dasksom(*SMALL, stdout=device, stderr=subprocess.PIPE, **close)
    assert done.returncode == 0, done.stderr
    assert not full or "standard output cannot be written" in done.stderr
    assert np.asarray(Image.open("out.png").convert("RGB")).shape == (400, 600, 3)


def test_names_with_control_characters__are_escaped(folder):
    name = "a\x1b[2J.png"
    os.rename("photo.png", name)
    code, out, err = run("quantize", name, "b\x1b[2J.png", "--grid", "2x2", "--epochs", "2")
    assert code == 0
    assert "\x1b" not in out + err
    assert "b\\x1b[2J.png: 600 x 400 pixels" in out
    code, out, err = run("quantize", "c\x1b[2J.png", "d.png")
    assert code == 2
    assert "\x1b" not in out + err


def test_apply__names_that_are_not_utf8_or_too_long_do_not_stop_the_others(folder):
    os.makedirs("photos")
    for name in (b"a.png", b"b\xff.png", b"c\x1b[2J.png", b"d" * 250 + b".png"):
        shutil.copy("photo.png", os.path.join(b"photos", name))
    dasksom_map = BatchSOM(2, 2, epochs=1).fit(np.asarray(Image.open("photo.png")))
    dasksom_map.save("map.npz")
    code, out, err = run("apply", "map.npz", "photos", "reduced", "--format", ".ome.zarr")
    assert code == 1
    assert "\x1b" not in out + err
    assert err.count("dddd.ome.zarr: ") == 1
    assert "1 of the images could not be written" in err
    assert sorted(os.listdir(b"reduced")) == [b"a.ome.zarr", b"b\xff.ome.zarr", b"c\x1b[2J.ome.zarr"]


def test_apply__records_the_parameters_of_the_map(folder):
    assert run("train", "photo.png", "map.npz", "--grid", "2x3", "--epochs", "4", "--topology", "hexagonal")[0] == 0
    assert run("apply", "map.npz", "photo.png", "out.zarr")[0] == 0
    recorded = zarr.open_group("out.zarr", mode="r").attrs["dasksom"]["metadata"]["run"]["config"]["map"]
    assert recorded["grid"] == [2, 3]
    assert (recorded["epochs"], recorded["topology"]) == (4, "hexagonal")


@pytest.mark.parametrize(
    ("output", "options", "units", "expected"),
    [
        ("a b.npz", {}, 9, "next: dasksom apply 'a b.npz' IMAGE OUTPUT"),
        ("a.png", {}, 9, "next: dasksom view a.png, or dasksom report a.png"),
        ("a.png", {"pixels": "colors"}, 9, "next: dasksom verify a.png"),
        ("a.tif", {}, 400, "next: dasksom verify a.tif"),
        ("a.tif", {"image": False}, 400, "next: dasksom view a.tif, or dasksom report a.tif"),
        ("a.ome.zarr", {}, 400, "next: dasksom view a.ome.zarr, or dasksom report a.ome.zarr"),
        ("s3://bucket/a.zarr", {}, 9, "next: dasksom verify s3://bucket/a.zarr"),
        ("a.jpg", {}, 9, "next: dasksom verify a.jpg"),
    ],
)
def test_last_line__names_a_command_that_can_read_the_output(capsys, output, options, units, expected):
    record = RunRecord(output=output, size=(4, 4, 3), dtype="uint8", units=units, config={"output": options})
    print_record(record)
    assert capsys.readouterr().out.splitlines()[-1] == expected
