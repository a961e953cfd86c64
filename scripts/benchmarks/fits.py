"""Whole fits of many bands on two threads against fastersom and XPySom; and the memory that large maps take.

fastersom 0.5.0 brings torch, gigabytes of it, and so is not installed with the other peers: install torch's CPU build
and fastersom by hand first.
"""

import statistics
import subprocess
import sys
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import dask
import numpy as np

from benchmarks.measuring import Row, Sizes, shown, timed
from dasksom import BatchSOM


def clusters(count: int, bands: int) -> np.ndarray:
    """Draw samples as the pixels of a picture of many channels are: some kinds of tissue, and noise."""
    draw = np.random.default_rng(0)
    kinds = draw.random((60, bands), np.float32)
    return kinds[draw.integers(0, len(kinds), count)] + draw.normal(0, 0.15, (count, bands)).astype(np.float32)


def fits(sizes: Sizes, _: Path) -> list[Row]:
    """Time complete fits on two threads, of one schedule from one codebook, and measure the memory of large ones."""
    memory = [_fit_memory(sizes.memory_samples, *kind) for kind in FIT_KINDS]
    try:
        import torch
        from fastersom import SOM
        from xpysom import XPySom
    except ImportError as error:
        print(f"SKIPPED: times of fits ({error})")
        return memory

    torch.set_num_threads(2)
    rows, bands, epochs = [], 34, 10
    for side, count, target in ((30, sizes.fit_samples[0], ">= 5"), (100, sizes.fit_samples[1], ">= 8")):
        samples, first, last = clusters(count, bands), side / 4, 0.5
        start = np.random.default_rng(1).choice(samples, side * side).astype(np.float64)
        # fastersom's radius does not reach its last value: its progress is epoch / epochs
        decay = lambda a, b, progress: a * (b / a) ** (progress * (epochs - 1) / epochs)  # noqa: E731
        ours = BatchSOM(side, side, epochs=epochs, sigma=(first, last), decay=decay, init=start.reshape(side, side, -1))
        theirs = SOM(side, side, epochs, first, last, init=start.astype(np.float32), device="cpu")
        ours.fit(samples)  # compiles
        with dask.config.set(pool=ThreadPool(2)):
            seconds = timed(partial(ours.fit, samples), partial(theirs.fit, samples), repeats=sizes.repeats)
        mine, peer = (statistics.median(one) for one in seconds)
        job = f"fit of {count:,} x {bands}, {side * side:,} units"
        detail = f"{shown(seconds[1])} / {shown(seconds[0])}, two threads"
        rows.append(Row(f"fastersom / dasksom, {job}", peer / mine, target, detail))
        errors = ours.evaluate(samples).quantization_error, theirs.quantization_error(samples)
        detail = f"{errors[0]:.5f} / {errors[1]:.5f}"
        rows.append(Row("... quantization error, dasksom / fastersom", errors[0] / errors[1], "<= 1.001", detail))
        part = samples[: sizes.minisom_part // 2]
        other = XPySom(side, side, bands, sigma=first, xp=np)
        other.random_weights_init(part)
        [[xpysom]] = timed(lambda other=other, part=part: other.train(part, epochs), repeats=1)
        detail = f"{xpysom * count / len(part):.0f} s from {len(part):,} samples, its cost being linear / {mine:.2f} s"
        rows.append(Row(f"XPySom / dasksom, {job}", xpysom * count / len(part) / mine, ">= 100", detail))
    return [*rows, *memory]


FIT_KINDS = (("rectangular", False), ("rectangular", True), ("hexagonal", False), ("hexagonal", True))
FIT_MEMORY = """
import numpy as np, pathlib, dask
from multiprocessing.pool import ThreadPool
from dasksom import BatchSOM
def peak(): return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) << 10
def fit(samples, side):
    init = np.resize(samples, (side, side, samples.shape[1]))
    with dask.config.set(pool=ThreadPool(2)):
        BatchSOM(side, side, epochs=2, init=init, topology={0!r}, toroidal={1}).fit(samples)
samples = np.random.default_rng(0).random(({2}, 200), np.float32)
fit(samples[:2000], 30)  # compiles
before = peak()
fit(samples, 100)
print(peak() - before)
"""


def _fit_memory(count: int, topology: str, toroidal: bool) -> Row:
    """Measure by how much a fit of 10,000 units of 200 bands raises the peak of a process that holds its samples."""
    code = FIT_MEMORY.format(topology, toroidal, count)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=600)
    share = int(done.stdout) / (count * 10_000 * 4)
    kind = topology + (", toroidal" if toroidal else "")
    detail = (
        f"{int(done.stdout) / 2**20:.0f} MiB more, for {count:,} samples of 200 bands ({count * 800 / 2**20:.0f} MiB)"
    )
    return Row(f"memory of 100 x 100 units / a matrix of samples x units, {kind}", share, "< 0.5", detail)
