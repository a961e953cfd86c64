"""Wall time of commands that do little: help, version, completion, metadata, one photograph."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from skimage import data

from benchmarks.measuring import Row, Sizes

JOBS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("--help", 0.3, ("--help",)),
    ("--version", 0.3, ("--version",)),
    ("quantize --help", 0.3, ("quantize", "--help")),
    ("completion of a value", 0.3, ()),
    ("info photo.png", 0.9, ("info", "photo.png")),
    ("quantize, 0.24 Mpx", 1.8, ("quantize", "photo.png", "out.png", "--overwrite")),
)
"""Name, seconds at most, and words of the command."""
COMPLETION = {
    "_DASKSOM_COMPLETE": "bash_complete",
    "COMP_WORDS": "dasksom quantize --neighborhood ga",
    "COMP_CWORD": "3",
}


def _seconds(folder: Path, words: tuple[str, ...]) -> float:
    environment = {**os.environ, **({} if words else COMPLETION)}
    program = "import sys; sys.argv[0] = 'dasksom'; from dasksom.__main__ import main; main()"
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def startup(sizes: Sizes, folder: Path) -> list[Row]:
    """Time each command in a process of its own, after one that fills the caches."""
    Image.fromarray(data.coffee()).save(folder / "photo.png")
    rows = []
    for name, most, words in JOBS:
        _seconds(folder, words)
        times = [_seconds(folder, words) for _ in range(1 if sizes.toy else 5)]
        rows.append(Row(name, statistics.median(times), f"<= {most} s", f"median of {len(times)}, warm"))
    for path in ("photo.png", "out.png"):
        (folder / path).unlink()
    return rows
