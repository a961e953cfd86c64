"""The benchmark runs at toy size, so that it cannot rot; and the figures that do not depend on the clock hold."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"


def run(folder, *arguments, timeout=240):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def measured(folder, *arguments, timeout=240):
    done = run(folder, *arguments, "--json", "rows.json", "--folder", ".", timeout=timeout)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row["value"] for row in json.loads((folder / "rows.json").read_text())["rows"]}


@pytest.mark.slow
def test_gigapixel__toy(tmp_path):
    rows = measured(tmp_path, "gigapixel", "values", "--toy")
    assert rows["codebooks that differ"] == rows["codebooks of uint16 that differ"] == 0
    assert all(value >= 0 for value in rows.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json"]


@pytest.mark.slow
def test_exact_and_palettes__toy(tmp_path):
    rows = measured(tmp_path, "exact", "palettes", "photographs", "starts", "warm-ups", "wide", "--toy")
    wrong = [value for name, value in rows.items() if name.startswith("labels that are not nearest")]
    assert len(wrong) > 10
    assert not any(wrong)
    assert rows["error / the best of ten quantizers, worst cell"] <= 1.005
    assert max(value for name, value in rows.items() if name.startswith("start, ")) <= 1.05
    assert 0.9 < rows["warm-up / exact: worst error"] < 1.1
    assert rows["4 colors: share below the better of the others"] == 1
    assert "wide table, 40 x 5000: PCA(2) / fit of one epoch, time" in rows


@pytest.mark.slow
def test_online__toy(tmp_path):
    rows = measured(tmp_path, "online", "--toy")
    assert all(value >= 0 for value in rows.values())
    assert rows["... weights that differ"] == 0


@pytest.mark.slow
def test_report_and_classes__toy(tmp_path):
    rows = measured(tmp_path, "report", "classes", "--toy")
    assert {"what a report adds to a run", "classes over a copy of the labels"} <= {*rows}


@pytest.mark.slow
def test_startup__toy(tmp_path):
    rows = measured(tmp_path, "startup", "--toy")
    assert len(rows) == 6
    assert all(value > 0 for value in rows.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json"]


@pytest.mark.slow
def test_view__toy(tmp_path):
    rows = measured(tmp_path, "view", "--toy")
    assert all(value > 0 for name, value in rows.items() if "mean ms" in name)
    assert len(rows) >= 6


@pytest.mark.slow
def test_tools__toy(tmp_path):
    rows = measured(tmp_path, "tools", "--toy")
    for tool in ("MiniSom", "XPySom", "dask-ml", "GDAL rgb2pct"):
        seconds = rows.get(f"{tool}, 0.012 Mpx: seconds", 0)
        assert seconds > 0 or f"{tool}: NOT INSTALLED, not measured" in rows
    assert 0 < rows["dasksom, 0.012 Mpx: mean squared error"] < rows["MiniSom, 0.012 Mpx: mean squared error"]
    assert rows["dasksom, 0.012 Mpx: peak memory, MiB"] > 50
    assert [one.name for one in tmp_path.iterdir()] == ["rows.json"]


@pytest.mark.slow
def test_gpu__toy(tmp_path):
    rows = measured(tmp_path, "gpu", "--toy")
    wrong = [value for name, value in rows.items() if "differ" in name]
    assert len(wrong) == 8
    assert not any(wrong)


def test_unknown_rows_are_refused(monkeypatch, capsys):
    monkeypatch.syspath_prepend(SCRIPTS)
    main = importlib.import_module("benchmarks.__main__").main
    monkeypatch.setattr(sys, "argv", ["benchmarks", "nothing"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "gigapixel" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("row", ["scaling", "scheduler", "chunks", "plan", "limit"])
def test_clusters__toy(tmp_path, row):
    rows = measured(tmp_path, row, "--toy")
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
    times, peak, lost = measured(tmp_path, "memory", timeout=900).values()
    assert times >= 8
    assert peak <= 1
    assert lost == 0


@pytest.mark.slow
def test_pictures__toy(tmp_path):
    rows = measured(tmp_path, "pictures", "--toy")
    assert len(rows) == 4
    assert 0 < rows["peak of a worker / its limit"] < 1
    assert [one.name for one in tmp_path.iterdir()] == ["rows.json"]
