"""The command line on an ordinary photograph."""

import statistics
import subprocess
import sys
from pathlib import Path

from PIL import Image
from skimage import data

from benchmarks.measuring import Row, Sizes, shown, timed


def photograph(sizes: Sizes, folder: Path) -> list[Row]:
    """Run the command line on a photograph of 0.4 Mpx."""
    path = folder / "photograph.png"
    Image.fromarray(data.hubble_deep_field()[:632, :632]).save(path)
    command = [sys.executable, "-m", "dasksom", "quantize", str(path), str(folder / "out.png"), "--overwrite"]
    subprocess.run(command, check=True, capture_output=True)  # compiles
    [seconds] = timed(lambda: subprocess.run(command, check=True, capture_output=True), repeats=max(3, sizes.repeats))
    return [Row("dasksom quantize, 0.4 Mpx photograph (s)", statistics.median(seconds), "< 5", shown(seconds))]
