"""The benchmark runs at toy size, so that it cannot rot; and the figures that do not depend on the clock hold."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark.py"


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(SCRIPT.parent))  # as for a script that is started
    spec = importlib.util.spec_from_file_location("benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark"] = module  # workers and dataclasses look it up by name
    spec.loader.exec_module(module)
    yield module
    del sys.modules["benchmark"]
    sys.path.remove(str(SCRIPT.parent))


def test_gigapixel__toy(tmp_path):
    command = [sys.executable, SCRIPT, "gigapixel", "--toy", "--json", "rows.json", "--folder", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["value"] for row in json.loads((tmp_path / "rows.json").read_text())["rows"]}
    assert rows["codebooks that differ"] == 0
    assert all(value >= 0 for value in rows.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json"]


def test_exact__toy(benchmark):
    assert [row.value for row in benchmark.exact()] == [0, 0, 0]


def test_unknown_rows_are_refused():
    done = subprocess.run([sys.executable, SCRIPT, "nothing"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "gigapixel" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("row", ["scaling", "chunks", "plan", "limit"])
def test_clusters__toy(tmp_path, row):
    command = [sys.executable, SCRIPT, row, "--toy", "--json", "rows.json", "--folder", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["value"] for row in json.loads((tmp_path / "rows.json").read_text())["rows"]}
    if row == "chunks":
        assert max(value for name, value in rows.items() if "tasks" in name) <= 1.1
        assert max(value for name, value in rows.items() if "driver" in name) <= 400
    if row == "plan":
        assert 1 <= rows["planned memory / measured, least"] <= rows["planned memory / measured, most"] <= 2
    if row == "limit" and rows:
        assert rows["spilled + restarted + done again + killed"] == 0
        assert rows["peak of a worker / planned"] <= 1


@pytest.mark.slow
def test_memory__an_image_of_eight_times_the_clusters_memory(tmp_path):
    command = [sys.executable, SCRIPT, "memory", "--json", "rows.json", "--folder", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    times, peak, lost = (row["value"] for row in json.loads((tmp_path / "rows.json").read_text())["rows"])
    assert times >= 8
    assert peak <= 1
    assert lost == 0
