"""The command line's plan, job scripts, logs and summaries."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from tests.cli.test_commands import run


@pytest.fixture
def folder(tmp_path, patch, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(patch).save(tmp_path / "photo.png")
    (tmp_path / "slurm.yaml").write_text("cluster: {name: slurm, options: {cores: 2, memory: 8GB, walltime: 12:30:45}}")
    return tmp_path


def dasksom(folder, *arguments):
    command = [sys.executable, "-m", "dasksom", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_plan__tells_and_touches_nothing(folder):
    before = sorted(folder.iterdir())
    words = ("plan", "photo.png", "out.zarr", "--grid", "3x3", "--config", "slurm.yaml", "--workers", "4")
    code, out, err = run(*words)
    assert code == 0, err
    told = dict(line.strip().split("  ", 1) for line in out.splitlines() if "  " in line.strip())
    assert told["passes"].strip() == "1 to train (counting the colors), 1 to write"
    assert "available: 7.45 GiB" in told["memory of a worker"]
    assert "on 8 threads of 4 workers" in told["time"]
    assert sorted(folder.iterdir()) == before


def test_plan__refuses_what_cannot_fit(folder):
    code, _, err = run("plan", "photo.png", "--workers", "1", "--memory-limit", "300MiB", "--no-probe")
    assert code == 2
    assert "no chunk is small enough, so give each worker 44" in err


def test_job_script__prints_what_would_be_submitted(folder):
    code, out, err = run("job-script", "--config", "slurm.yaml", "--insecure")
    assert code == 0, err
    assert out.startswith("#!/usr/bin/env bash\n")
    assert "#SBATCH -t 12:30:45" in out
    assert "#SBATCH --cpus-per-task=2" in out
    assert "tcp://" in out


def test_quantize__log_and_summary_are_for_programs(folder):
    arguments = ["quantize", "photo.png", "out.zarr", "--grid", "2x2", "--epochs", "3", "--refine", "0"]
    done = dasksom(folder, "--log-json", "-v", *arguments, "--summary", "summary.json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    epochs = [record for record in records if "epoch" in record]
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    assert {"level": "INFO", "logger": "dasksom.training.epochs"}.items() <= epochs[0].items()
    assert epochs[0]["mean_squared_error"] > epochs[2]["mean_squared_error"] > 0
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["units"] == 4
    assert summary["passes"] == 2
    assert summary["output"] == "out.zarr"
