"""The report of a run over the mosaic, against the run without it."""

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import GRID, Row, Sizes, shown, timed
from dasksom.demo.synthetic_mosaic import write_mosaic


def report(sizes: Sizes, folder: Path) -> list[Row]:
    """Run the command line with `--report` and without, in turns."""
    mosaic, output, page = folder / "mosaic.zarr", folder / "out.zarr", folder / "out.report.html"
    write_mosaic(mosaic, side=sizes.side)
    grid = f"{GRID[0]}x{GRID[1]}"
    command = [sys.executable, "-m", "dasksom", "quantize", str(mosaic), str(output), "--grid", grid, "--overwrite"]

    def run(*more: str) -> None:
        subprocess.run([*command, *more], check=True, capture_output=True)

    run("--report")  # compiles
    with_report, without_report = timed(lambda: run("--report"), run, repeats=sizes.repeats)
    share = statistics.median(with_report) / statistics.median(without_report) - 1
    size = f"page of {page.stat().st_size / 1e6:.1f} MB"
    return [
        Row("what a report adds to a run", share, "<= 0.15", f"{shown(with_report)} / {shown(without_report)}; {size}")
    ]
