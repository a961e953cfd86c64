"""Other tools on the same job: an image file in, a file of 256 colors out; each in processes of its own.

Time and memory are those of the complete job, start-up included; the error is that of the file that was written. GDAL's
rgb2pct.py always diffuses errors over neighboring pixels, which adds to this error, so the error of its palette, with
each pixel in the nearest color, is given too.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import tifffile
from PIL import Image
from scipy.spatial import cKDTree
from skimage import data

from benchmarks.measuring import Row, Sizes
from dasksom.demo.synthetic_mosaic import mosaic_array

MEMORY_LIMIT = 12 << 30
"""Bytes of address space that a job may have; a job that asks for more fails."""
TIME_LIMIT = 100.0
"""Seconds."""
OTHERS = ("MiniSom", "XPySom", "dask-ml", "GDAL rgb2pct")


@dataclass(frozen=True)
class Done:
    """How a job ended."""

    seconds: float
    processor: float
    """Seconds of all cores together."""
    peak: int
    """Bytes: the processes of the job together."""
    failed: str = ""


def commands() -> dict[str, list[str]]:
    """Return the tools that are installed: what to run, before input and output."""
    own = [sys.executable, "-m", "benchmarks.tool_jobs"]
    found = {"dasksom": [sys.executable, "-m", "dasksom", "quantize", "--overwrite"]}
    for name, module in (("MiniSom", "minisom"), ("XPySom", "xpysom"), ("dask-ml", "dask_ml")):
        if find_spec(module):
            found[name] = [*own, name]
    if program := shutil.which("rgb2pct.py") or shutil.which("rgb2pct"):
        found["GDAL rgb2pct"] = [program, "-n", "256"]
    return found


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))


def memory_of(process: psutil.Process) -> int:
    """Return the bytes that a process and its descendants hold now."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            total += one.memory_info().rss
    return total


def run(command: list[str]) -> Done:
    """Run a job; watch its time and the memory of its processes."""
    start, peak, before = time.perf_counter(), 0, resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as said:
        job = subprocess.Popen(command, stdout=said, stderr=said, preexec_fn=_limit, start_new_session=True)
        process = psutil.Process(job.pid)
        while job.poll() is None and time.perf_counter() - start < TIME_LIMIT:
            with suppress(psutil.NoSuchProcess):
                peak = max(peak, memory_of(process))
            time.sleep(0.01)
        seconds = time.perf_counter() - start
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
            return Done(seconds, seconds, peak, f"stopped after {TIME_LIMIT:.0f} s")
        said.seek(0)
        last = said.read().strip().splitlines()[-1:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(seconds, processor, peak, f"failed: {' '.join(last)[:120]}" if job.returncode else "")


def squared_error(image: np.ndarray, shown: np.ndarray) -> float:
    """Return the mean squared distance between the colors of two images, some rows at a time."""
    parts = [np.s_[row : row + 512] for row in range(0, len(image), 512)]
    total = sum(float(((image[part].astype(float) - shown[part]) ** 2).sum()) for part in parts)
    return total / image[..., 0].size


def palette_error(image: np.ndarray, colors: np.ndarray) -> float:
    """Return the mean squared distance of pixels to the nearest of some colors, from at most two million pixels."""
    pixels = image.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) >> 20)].astype(float)
    return float((cKDTree(colors.astype(float)).query(pixels)[0] ** 2).mean())


def measured(tool: str, command: list[str], title: str, source: Path, repeats: int) -> list[Row]:
    """Let a tool reduce an image as often as asked; take the fastest."""
    output = source.with_name(f"{source.stem}-reduced.tif")
    done = [run([*command, str(source), str(output)]) for _ in range(repeats)]
    best = min(done, key=lambda one: (bool(one.failed), one.seconds))
    detail = f"{', '.join(f'{one.seconds:.1f}' for one in done)} s"
    if best.failed:
        return [Row(f"{tool}, {title}: {best.failed}", float("nan"), "", detail)]
    image = tifffile.imread(source)
    with Image.open(output) as shown:
        error = squared_error(image, np.asarray(shown.convert("RGB")))
        if tool.startswith("GDAL"):
            colors = np.reshape(shown.getpalette(), (-1, 3))
            detail += f"; error of its palette, not dithered: {palette_error(image, colors):.1f}"
    output.unlink()
    return [
        Row(f"{tool}, {title}: seconds", best.seconds, "", detail),
        Row(f"{tool}, {title}: seconds of all cores", best.processor, "", ""),
        Row(f"{tool}, {title}: mean squared error", error, "", ""),
        Row(f"{tool}, {title}: peak memory, MiB", best.peak / 2**20, "", ""),
    ]


def write_images(sizes: Sizes, folder: Path) -> dict[str, Path]:
    """Write a photograph, and mosaics of photographs, as TIFF; give their paths by title."""
    images = [data.coffee()[:100, :120]] if sizes.toy else [data.coffee()]
    images += [mosaic_array(side, chunk=1024).compute() for side in (() if sizes.toy else (1024, 4096))]
    paths = {}
    for image in images:
        title = f"{image[..., 0].size / 1e6:.3g} Mpx"
        paths[title] = folder / f"{title.replace(' ', '-')}.tif"
        tifffile.imwrite(paths[title], image)
    return paths


def tools(sizes: Sizes, folder: Path) -> list[Row]:
    """Reduce a photograph and mosaics to 256 colors with every tool that is installed."""
    Image.MAX_IMAGE_PIXELS = None
    found = commands()
    how = "scripts/benchmark installs it; GDAL: apt-get install python3-gdal"
    rows = [Row(f"{one}: NOT INSTALLED, not measured", float("nan"), "", how) for one in OTHERS if one not in found]
    for title, source in write_images(sizes, folder).items():
        repeats = sizes.repeats if source.stat().st_size < 2**20 else 1
        for tool, command in found.items():
            rows += measured(tool, command, title, source, repeats)
    return rows
