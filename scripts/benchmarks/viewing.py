"""The viewer on a mosaic of photographs: its first view in a browser, the time of a tile, and memory while panning."""

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

from benchmarks.measuring import GRID, Row, Sizes
from dasksom.classes import ClassTable
from dasksom.classes.table_files import classes_csv, save_class_table
from dasksom.demo.synthetic_mosaic import write_mosaic

TILES, TOY_TILES = 500, 40
CONNECTIONS = 4
WINDOW, LARGE_WINDOW = (1400, 900), (3840, 2160)
CLASSES, MERGES = 10, 5


@contextmanager
def viewer(output: Path, *words: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start `dasksom view`; return its address and process."""
    command = [sys.executable, "-m", "dasksom", "view", str(output), "--no-browser", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().split()[0], psutil.Process(running.pid)
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(60)


@contextmanager
def chromium(window: tuple[int, int] = WINDOW) -> Iterator[Any]:
    """Start a browser without a screen, with a window of a width and a height."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile:
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.add_argument(f"--window-size={window[0]},{window[1]}")
        browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield browser
        finally:
            browser.quit()


def first_view(address: str) -> dict[str, float]:
    """Open the page in Chromium; return the milliseconds after which each of its states began."""
    with chromium() as browser:
        browser.get(address)
        seen = """return Object.fromEntries(performance.getEntriesByType('mark').reverse()
            .map(mark => [mark.name, mark.startTime]))"""
        return _until(lambda: marks if "ready" in (marks := browser.execute_script(seen)) else None)


def merges(address: str, window: tuple[int, int], count: int) -> list[tuple[float, float]]:
    """Merge classes in the page, one pixel of the image for one of the screen.

    Returns the milliseconds from the click to the frame that shows it, and those of painting, of each merge.
    """
    with chromium(window) as browser:
        browser.get(address)
        browser.set_script_timeout(60)
        ready = "return document.documentElement.dataset.state === 'ready'"
        _until(lambda: browser.execute_script(ready))
        browser.execute_script("for (const id of ['actual', 'by-class']) document.getElementById(id).click()")
        time.sleep(1)
        _until(lambda: browser.execute_script(ready))
        times = []
        for _ in range(count):
            times.append(tuple(browser.execute_async_script(_MERGE)))
            time.sleep(0.5)
        return times


def _until(look: Callable[[], Any]) -> Any:
    end = time.monotonic() + 100
    while not (seen := look()):
        if time.monotonic() > end:
            raise TimeoutError("the page did not become ready within 100 s")
        time.sleep(0.05)
    return seen


_MERGE = """
const done = arguments[0], rows = [...document.querySelectorAll('#class-rows button')].slice(0, 2);
document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
document.getElementById('several').checked = true;
rows.forEach(row => row.click());
setTimeout(() => {
  performance.clearMeasures('repaint');
  const start = performance.now();
  document.getElementById('merge').click();
  const look = () => {
    const [painted] = performance.getEntriesByName('repaint');
    if (!painted) return setTimeout(look);
    requestAnimationFrame(() => setTimeout(() => done([performance.now() - start, painted.duration])));
  };
  look();
}, 500);
"""


def pan(address: str, side: int, steps: int, count: int) -> list[float]:
    """Request tiles of both layers as panning does, row after row; return the milliseconds of each.

    They are those of version 0 of the output, which is not replaced meanwhile.
    """
    place, across = urlsplit(address), -(-side // (256 << steps))
    wanted = [(name, n) for n in range(count // 2) for name in ("labels", "original")]

    def ask(part: list[tuple[str, int]]) -> list[float]:
        connection, times = HTTPConnection(place.hostname or "", place.port, timeout=60), []
        for name, n in part:
            row, column = divmod(n, min(across, 25))
            start = time.perf_counter()
            connection.request("GET", f"{place.path}{name}/0/{steps}/{row % across}/{column}")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            times.append(1000 * (time.perf_counter() - start))
        connection.close()
        return times

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = pool.map(ask, (wanted[n::CONNECTIONS] for n in range(CONNECTIONS)))
        return [taken for part in parts for taken in part]


def view(sizes: Sizes, folder: Path) -> list[Row]:
    """Measure `.zarr`, which has no coarser levels, and `.ome.zarr`, which has."""
    mosaic = folder / "mosaic.zarr"
    write_mosaic(mosaic, side=sizes.side)
    rows = []
    for suffix in (".zarr", ".ome.zarr"):
        output = folder / f"out{suffix}"
        command = [
            sys.executable,
            "-m",
            "dasksom",
            "quantize",
            str(mosaic),
            str(output),
            "--grid",
            f"{GRID[0]}x{GRID[1]}",
        ]
        subprocess.run(command, check=True, capture_output=True)
        rows += list(measure(output, sizes.side, suffix, TOY_TILES if sizes.toy else TILES))
    return rows


def repaints(output: Path, original: Path, *, toy: bool) -> Iterator[Row]:
    """Measure merges of classes in a window of usual size, and in a large one."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return
    for window in (WINDOW,) if toy else (WINDOW, LARGE_WINDOW):
        save_class_table(classes_csv(str(output)), ClassTable.of(np.arange(GRID[0] * GRID[1]) % CLASSES + 1))
        with viewer(output, "--original", str(original)) as (address, _):
            times = merges(address, window, 1 if toy else MERGES)
        shown, painted = (statistics.median(part) for part in zip(*times, strict=True))
        name = f"merge of two classes, window of {window[0]} x {window[1]}: shown after, ms"
        worst = max(time for time, _ in times)
        yield Row(name, shown, "< 100", f"painting {painted:.0f} ms; the slowest of {len(times)} {worst:.0f} ms")


def measure(output: Path, side: int, name: str, tiles: int) -> Iterator[Row]:
    """Measure one output, by so many tiles at a time."""
    if shutil.which("chromium") and shutil.which("chromedriver"):
        with viewer(output) as (address, _):
            marks = first_view(address)
        begun = min(marks.get("partial", marks["ready"]), marks["rebuilt"])
        yield Row(f"{name}: the first tiles are seen, s", begun / 1000, "2", "since the page was opened")
        yield Row(f"{name}: all of the rebuilt image, s", marks["rebuilt"] / 1000, "", "made small to fit the window")
        yield Row(f"{name}: and of the original, s", marks["ready"] / 1000, "", "a Zarr array without coarser levels")
    with viewer(output) as (address, process):
        for steps in (0, 2):
            pan(address, side, steps, tiles)
            times = pan(address, side, steps, tiles)
            worst = (
                f"{CONNECTIONS} at a time, {len(times)} tiles, the slowest {max(times):.0f} ms, {os.cpu_count()} cores"
            )
            yield Row(f"{name}: a tile, 1 pixel of {1 << steps}², mean ms", statistics.mean(times), "100", worst)
        for again in range(3):
            if again == 1:  # the cache of decoded blocks is full by then
                before = process.memory_info().rss
            pan(address, side, 0, tiles)
            pan(address, side, 1, tiles)
        grown = (process.memory_info().rss - before) / 2**20
        yield Row(
            f"{name}: memory grown over {4 * tiles} tiles more, MiB", grown, "0", f"{before / 2**20:.0f} MiB before"
        )
